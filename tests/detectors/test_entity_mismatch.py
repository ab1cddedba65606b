"""Names said to be spoken: found in answers, looked for by sound in the demo's recordings."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from detectors.claims import extract
from detectors.claims.spoken_names import find
from detectors.contract import Case, DetectorOptions, EvidenceFile, Finding
from detectors.entity_mismatch import EntityMismatch
from detectors.hearing.names import SAME_SOUND, near, runs
from detectors.ocr_mismatch import OcrMismatch

DEMO = Path(__file__).resolve().parents[2] / "monitor" / "demo"


def names(text: str) -> list[tuple[str, float | None, float | None]]:
    return [(claim.facts["name"], claim.facts["start_s"], claim.facts["end_s"]) for claim in find(text)]


@pytest.mark.models
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("At 0:42 she mentions Berlin.", [("Berlin", 42.0, None)]),
        ("At 0:12 Bob says that Microsoft will buy it.", [("Microsoft", 12.0, None)]),
        ("Between 0:10 and 0:20 they discuss the Apollo project with NASA.", [("Apollo", 10.0, 20.0), ("NASA", 10.0, 20.0)]),
        ("The speaker thanks Maria Gonzalez.", [("Maria Gonzalez", None, None)]),
    ],
)
def test_names_said_to_be_mentioned_are_claims_with_their_time(text: str, found: list[tuple[str, float | None, float | None]]) -> None:
    assert names(text) == found


@pytest.mark.models
@pytest.mark.parametrize(
    "text",
    ['She says "I met Anna in Paris" at 0:05.', "[0:12] Bob: we met Anna in Paris", "At 0:03 Laura Bennett speaks.", "The budget is fine."],
)
def test_quoted_names_and_speakers_are_no_claims_of_this_kind(text: str) -> None:
    assert names(text) == []


def test_a_name_split_by_the_recogniser_is_found_across_its_words() -> None:
    best = min(runs(["ask", "Gon", "zales", "today"], "Gonzalez"), key=lambda run: run.distance)
    assert best.written == "Gon zales"
    assert best.distance <= SAME_SOUND


def test_a_moment_reaches_forward_and_a_range_to_both_sides() -> None:
    assert near((50.0, 51.0), (42.0, None), 3.0, 12.0) == 0.0
    assert near((60.0, 61.0), (42.0, None), 3.0, 12.0) == pytest.approx(6.0)
    assert near((8.0, 8.5), (10.0, 20.0), 3.0, 12.0) == 0.0
    assert near((30.0, 31.0), (10.0, 20.0), 3.0, 12.0) == pytest.approx(7.0)


@pytest.fixture(scope="module")
def detector() -> EntityMismatch:
    loaded = EntityMismatch(DetectorOptions(threads=2))
    loaded.load()
    return loaded


def judged(detector: EntityMismatch, answer: str, file: str) -> list[Finding]:
    path = DEMO / file
    evidence = EvidenceFile("call", "audio/flac", path, hashlib.sha256(path.read_bytes()).hexdigest())
    (outcome,) = detector.detect([Case("r1", answer, extract(answer, {"audio"}), (evidence,))])
    return list(outcome.findings)


@pytest.mark.models
def test_a_name_that_is_said_at_its_time_is_supported_with_its_place(detector: EntityMismatch) -> None:
    (finding,) = judged(detector, "At 0:08 she mentions Daniel.", "meeting.flac")
    assert finding.verdict == "supported"
    assert finding.place is not None
    assert finding.place.time is not None
    assert 7.5 < finding.place.time[0] < 10.5


@pytest.mark.models
def test_a_name_that_nobody_says_is_flagged(detector: EntityMismatch) -> None:
    (finding,) = judged(detector, "She mentions Czechoslovakia.", "meeting.flac")
    assert finding.verdict == "hallucinated"
    assert finding.error == "entity"


@pytest.mark.models
def test_a_name_said_long_after_its_time_is_a_time_error(detector: EntityMismatch) -> None:
    evidence = "call.flac"
    (finding,) = judged(detector, "At 0:50 she mentions Daniel.", "meeting.flac")
    assert finding.error == "time"
    assert "only 0:11 long" in finding.explanation
    assert judged(detector, "She says all is well.", evidence) == []


def test_a_spoken_name_is_not_looked_for_in_print() -> None:
    claims = tuple(find("At 0:42 she mentions Berlin."))
    assert OcrMismatch(DetectorOptions()).claims_for(Case("r1", "", claims, ())) == []

"""Input quality on its way through the worker: measured once, sent with every outcome, named where a detector abstained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detectors.contract import EvidenceFile, MissingEvidence, Outcome
from detectors.quality import Quality
from monitor.detect import quality as metering
from monitor.detect.bench import Bench
from monitor.detect.local import LocalEngine
from monitor.detect.quality import QualityMeter, explained
from monitor.detect.wire import WorkerConfig
from monitor.findings import EvidenceQuality, QualityProblem, input_quality
from monitor.records import Citation, Claim, Evidence
from tests.detect.conftest import collect, items, record
from tests.detect.fakes import Keyword

DARK = QualityProblem(name="dark", grade="unusable", text="the picture is very dark (mean level 9 of 255)")


def piece(identifier: str = "photo", family: str = "image", grade: Any = "unusable", *problems: QualityProblem) -> EvidenceQuality:
    return EvidenceQuality(evidence_id=identifier, family=family, grade=grade, problems=problems)


def file(path: Path, identifier: str = "doc", sha256: str = "a" * 64) -> EvidenceFile:
    path.write_text("some words")
    return EvidenceFile(identifier, "text/plain", path, sha256)


def test_the_quality_comes_back_with_every_outcome_through_the_worker(make_engine: Callable[..., LocalEngine]) -> None:
    engine = make_engine()
    engine.submit("keyword", items("fine"))
    (finished,) = collect(engine, 1)
    (found,) = finished.outcomes[0].quality
    assert (found.evidence_id, found.family, found.grade) == ("doc", "text", "good")
    assert found.measures["words"] == 2


def test_evidence_is_measured_once_whoever_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(metering, "measure_once", lambda one: calls.append(one.id) or Quality("good"))
    meter = QualityMeter()
    first = meter.measure([file(tmp_path / "a")])
    again = meter.measure([file(tmp_path / "a", "other")])
    assert calls == ["doc"]
    assert (again[0].evidence_id, again[0].grade, again[0].duration_ms) == ("other", "good", 0.0)
    assert first[0].duration_ms > 0


def test_what_is_missing_or_breaks_the_measuring_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: EvidenceFile) -> Quality:
        raise RuntimeError("a bug in a decoder")

    monkeypatch.setattr(metering, "measure_once", broken)
    found = QualityMeter().measure([file(tmp_path / "a")], [MissingEvidence("gone", "image", "is not stored")])
    assert [(one.evidence_id, one.family, one.grade) for one in found] == [("doc", "text", None), ("gone", "image", None)]


def test_an_abstention_names_what_is_wrong_with_the_input() -> None:
    abstained = Outcome("ocr_mismatch", "abstained", reason="no text could be read")
    found = explained(abstained, {"image"}, [piece("photo", "image", "unusable", DARK)])
    assert found.reason == "no text could be read; unusable input: the picture is very dark (mean level 9 of 255)"
    two = [piece("photo", "image", "unusable", DARK), piece("other", "image", "good")]
    assert "unusable input 'photo': the picture" in (explained(abstained, {"image"}, two).reason or "")


def test_a_fault_explains_nothing_where_a_detector_judged_or_reads_other_evidence() -> None:
    judged, abstained = Outcome("d", "judged"), Outcome("d", "abstained", reason="why")
    assert explained(judged, {"image"}, [piece("photo", "image", "unusable", DARK)]) == judged
    assert explained(abstained, {"audio"}, [piece("photo", "image", "unusable", DARK)]) == abstained
    assert explained(abstained, {"image"}, [piece("photo", "image", "good")]) == abstained


def test_the_bench_explains_a_real_abstention(config: WorkerConfig) -> None:
    broken = Evidence(id="doc", media_type="text/plain", content="\x01\x02\x03ab")
    (judged,) = Bench(config).judge("keyword", [record("r", "unsure", evidence=(broken,))])
    assert judged.state == "abstained"
    assert judged.reason == "the word is unsure; unusable input: 60% of the text cannot be decoded as UTF-8"


def test_the_worst_piece_is_the_inputs_quality_and_an_unmeasured_one_is_never_good() -> None:
    good, poor, bad, unknown = (piece(grade=grade) for grade in ("good", "poor", "unusable", None))
    assert input_quality([good, good]) == "good"
    assert input_quality([good, poor]) == "poor"
    assert input_quality([poor, bad, good]) == "unusable"
    assert input_quality([good, unknown]) is None
    assert input_quality([poor, unknown]) == "poor"
    assert input_quality([unknown]) is None
    assert input_quality([]) is None


def test_quality_travels_as_a_message() -> None:
    given = piece("photo", "image", "unusable", DARK)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(given), type=EvidenceQuality) == given


def test_what_is_found_wrong_on_unusable_evidence_is_not_checked_and_support_stands(config: WorkerConfig) -> None:
    noise = Evidence(id="doc", media_type="text/plain", content="\x01\x02\x03ab")
    (judged,) = Bench(config).judge("keyword", [record("r", "wrong fine", evidence=(noise,))])
    assert [(one.verdict, one.score) for one in judged.findings] == [("not_checked", None), ("supported", 0.1)]
    assert "unusable input: 60% of the text cannot be decoded" in (judged.findings[0].reason or "")
    (nothing_left,) = Bench(config).judge("keyword", [record("r2", "wrong", evidence=(noise,))])
    assert nothing_left.state == "abstained"
    assert (nothing_left.reason or "").count("unusable input") == 1


def test_a_claim_that_cites_sound_evidence_is_found_wrong_beside_unusable_evidence(config: WorkerConfig) -> None:
    pieces = (
        Evidence(id="doc", media_type="text/plain", content="some words"),
        Evidence(id="bad", media_type="text/plain", content="\x01\x02"),
    )
    cited = Claim(text="wrong", citations=(Citation(evidence="doc"),))
    (judged,) = Bench(config).judge("keyword", [msgspec.structs.replace(record("r", "wrong", evidence=pieces), claims=(cited,))])
    assert [one.verdict for one in judged.findings] == ["hallucinated"]
    (uncited,) = Bench(config).judge("keyword", [record("r2", "wrong", evidence=pieces)])
    assert [one.verdict for one in uncited.findings] == ["not_checked"]


def test_a_problem_undoes_only_the_detectors_that_say_so(config: WorkerConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = Evidence(id="doc", media_type="text/plain", content="\x01" + "word " * 10)
    (sure,) = Bench(config).judge("keyword", [record("r", "wrong", evidence=(damaged,))])
    assert (sure.quality[0].grade, sure.findings[0].verdict) == ("poor", "hallucinated")
    monkeypatch.setattr(Keyword, "undone_by", frozenset({"undecodable"}))
    (unsure,) = Bench(config).judge("keyword", [record("r", "wrong", evidence=(damaged,))])
    assert (unsure.state, unsure.findings[0].verdict) == ("abstained", "not_checked")

"""`groundwatch calibrate` from reviews in the store to what workers then say."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console

from monitor.calibrate import calibrate, show
from monitor.clock import MovableClock
from monitor.detect.bench import Bench
from monitor.detect.refitting import Calibrated, finding_of
from monitor.detect.wire import Judgement, config_of
from monitor.errors import SettingsInvalid, StorageUnavailable
from monitor.findings import FindingRecord, OutcomeRecord
from monitor.metadata.audit import AuditLog
from monitor.metadata.database import Database
from monitor.metadata.keys import ApiKeys
from monitor.metadata.review import NewItem, NewVerdict, ReviewItems, VerdictRecord
from monitor.review.queue import ReviewQueue
from monitor.settings import Settings
from monitor.store.reading import Reader
from monitor.store.writer import Writer
from tests.conftest import NOON
from tests.detect.conftest import FAKES, record
from tests.store.samples import spooled

P = "default"
Review = Callable[..., None]


def outcome(identifier: str, score: float | None, **fields: Any) -> OutcomeRecord:
    finding = FindingRecord(
        detector="keyword", claim_id="c1", claim_text="words", claim_kind="statement", claim_span=(0, 5), explanation="Looked.",
        verdict="not_checked" if score is None else "hallucinated" if score >= 0.5 else "supported", score=score,
    )  # fmt: skip
    base = OutcomeRecord(
        project=P, response_id=identifier, response_time=NOON, workflow="image-qa", detector="keyword", state="judged",
        finished_at=NOON, detector_version="1", weights_version="none", findings=(finding,),
    )  # fmt: skip
    return msgspec.structs.replace(base, **fields)


@pytest.fixture
def review(settings: Settings, database: Database, writer: Writer, clock: MovableClock) -> Review:
    """Stores responses with scores, puts them in the queue and judges them as ``truth`` says."""
    queue, items = ReviewQueue(settings, database, clock), ReviewItems(database)
    ApiKeys(database).ensure_project(P, NOON)

    def reviewed(scores: Any, truth: Any, *, first: int = 0, chance: float = 0.5, **fields: Any) -> None:
        names = [f"r{first + number}" for number in range(len(scores))]
        known = dict(zip(names, truth, strict=True))
        writer.insert_responses([spooled(name, first + number + 1, text="words") for number, name in enumerate(names)], token=f"r{first}")
        writer.insert_outcomes([outcome(name, score, **fields) for name, score in zip(names, scores, strict=True)], f"o{first}")
        asked = {"workflow": "image-qa", "risk": "assistive", "stratum": "floor", "reason": "Drawn.", "priority": 0.5}
        new = [NewItem(response_id=name, response_time=NOON, inclusion_probability=chance, **asked) for name in names]  # type: ignore[arg-type]
        items.add(P, new, clock.now())
        while (item := queue.claim_next(P, "ann")) is not None:
            wrong = bool(known[item.response_id])
            verdict = NewVerdict(
                claim_text="words", claim_id="c1", span=(0, 5), hallucinated=wrong,
                error="value" if wrong else None, cause="perception" if wrong else None,
            )  # fmt: skip
            queue.judge(P, item.id, "ann", [verdict])

    return reviewed


def overstated(n: int = 160, seed: int = 4) -> tuple[list[float], list[bool]]:
    """Scores whose true log-odds are two lower."""
    random = np.random.default_rng(seed)
    logit = random.normal(0.5, 2, n)
    return [float(score) for score in 1 / (1 + np.exp(-logit))], [bool(one) for one in random.random(n) < 1 / (1 + np.exp(-(logit - 2)))]


def run(settings: Settings, reader: Reader, database: Database, clock: MovableClock) -> Calibrated:
    (done,) = calibrate(settings, reader, database, project=P, detectors=["keyword"], clock=clock, catalogue=FAKES)
    return done


def judged(settings: Settings) -> Judgement:
    bench = Bench(config_of(settings, catalogue=FAKES, claims=FAKES))
    return bench.judge("keyword", [record("x", "wrong")])[0]


def test_reviews_become_a_calibration_that_workers_use(
    settings: Settings, reader: Reader, database: Database, clock: MovableClock, review: Review
) -> None:
    scores, truth = overstated()
    review(scores, truth)
    shipped = judged(settings)
    done = run(settings, reader, database, clock)
    assert done.refused is None
    assert done.fit is not None
    assert done.fit.brier_after.value < done.fit.brier_before.value
    assert done.path == settings.calibration_dir / "keyword.json"
    stored = json.loads(done.path.read_text())
    assert (stored["detector_version"], stored["provenance"]["n"], stored["provenance"]["responses"]) == ("1", 160, 160)
    assert stored["provenance"]["positives"] == sum(truth)

    own = judged(settings)
    assert own.findings[0].verdict == shipped.findings[0].verdict == "hallucinated"
    assert (shipped.findings[0].score, shipped.weights_version) == (0.9, "none")
    assert own.findings[0].score is not None
    assert own.findings[0].score < 0.75
    assert own.findings[0].score >= stored["threshold"]
    assert own.weights_version.startswith("none calibration@")
    entry = AuditLog(database).list(P)[0][0]
    assert (entry.action, entry.subject, entry.facts["labels"]) == ("calibration.refit", "calibration:keyword", 160)

    # The next fit leads scores that went through the first calibration back to the shipped ones.
    more, more_truth = overstated(40, seed=5)
    shape, mark = stored, own.weights_version
    through = [float(1 / (1 + np.exp(-(shape["slope"] * np.log(s / (1 - s)) + shape["intercept"])))) for s in more]
    review(through, more_truth, first=1000, weights_version=mark)
    again = run(settings, reader, database, clock)
    assert len(again.labelled.scores) == 200
    assert sorted(again.labelled.scores) == pytest.approx(sorted(scores + more), abs=1e-4)
    show([again], Console(width=200, file=(printed := io.StringIO())))
    assert "keyword" in printed.getvalue()


def test_a_calibration_that_is_not_on_the_disk_is_not_used(
    settings: Settings, reader: Reader, database: Database, clock: MovableClock, review: Review, monkeypatch: pytest.MonkeyPatch
) -> None:
    review(*overstated())

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageUnavailable, match=r"keyword\.json: No space left"):
        run(settings, reader, database, clock)
    assert [path for path in settings.calibration_dir.rglob("*") if path.is_file()] == []


def test_too_few_labels_are_refused_with_what_is_missing(
    settings: Settings, reader: Reader, database: Database, clock: MovableClock, review: Review
) -> None:
    review([0.2, 0.9], [False, True])
    done = run(settings, reader, database, clock)
    assert done.refused == "needs 98 more judged claims and 19 more hallucinated claims and 19 more supported claims"
    assert done.path is None
    assert not settings.calibration_dir.exists()


def test_only_chance_draws_of_the_present_version_count(
    settings: Settings, reader: Reader, database: Database, clock: MovableClock, review: Review
) -> None:
    review([0.2], [False])
    review([0.2], [False], first=10, detector_version="0")
    review([0.2], [False], first=20, chance=0.0)
    review([None], [False], first=30)
    review([0.2], [False], first=40, weights_version="none calibration@00000000")
    labelled = run(settings, reader, database, clock).labelled
    assert len(labelled.truth) == 1
    assert sorted(labelled.left_out) == [
        "asked for by a person, not drawn by chance",
        "judged by another version of the detector",
        "not checked by the detector",
        "scored with a calibration that is no longer here",
    ]


def test_a_calibration_of_another_version_is_left_with_a_warning(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.calibration_dir.mkdir(parents=True)
    fields = {"detector": "keyword", "detector_version": "0", "method": "platt", "slope": 1, "intercept": -5, "threshold": 0.1}
    (settings.calibration_dir / "keyword.json").write_text(json.dumps(fields))
    with caplog.at_level(logging.WARNING):
        assert judged(settings).findings[0].score == 0.9
    assert "fitted on version 0, this is 1" in caplog.text


def test_a_detector_that_does_not_exist_is_named(settings: Settings, database: Database, reader: Reader) -> None:
    with pytest.raises(SettingsInvalid, match="imaginary"):
        calibrate(settings, reader, database, project=P, detectors=["imaginary"], catalogue=FAKES)


def test_a_verdict_goes_to_the_finding_it_speaks_of() -> None:
    def finding(claim_id: str, text: str, span: tuple[int, int] | None) -> FindingRecord:
        base = outcome("r", 0.1).findings[0]
        return msgspec.structs.replace(base, claim_id=claim_id, claim_text=text, claim_span=span)

    def verdict(claim_id: str | None, text: str, span: tuple[int, int] | None) -> VerdictRecord:
        return VerdictRecord(
            id="v", item_id="i", response_id="r", reviewer="ann", claim_id=claim_id, claim_text=text, span=span, hallucinated=False,
            error=None, cause=None, note=None, created_at=NOON, supersedes=None,
        )  # fmt: skip

    dog, cat = finding("c1", "a dog", (0, 5)), finding("c2", "a cat", (10, 15))
    assert finding_of(verdict("c2", "a cat", (10, 15)), [dog, cat]) == cat
    assert finding_of(verdict("c9", "a dog and a", (0, 11)), [dog, cat]) == dog
    assert finding_of(verdict(None, "a cat", None), [dog, cat]) == cat
    assert finding_of(verdict("c9", "a bird", (20, 26)), [dog, cat]) is None

"""Input quality in the store: kept a piece, folded to the worst a response, filtered and split by."""

from __future__ import annotations

from typing import Any

from monitor import migrate
from monitor.findings import EvidenceQuality, OutcomeRecord, QualityProblem
from monitor.settings import Settings
from monitor.store.client import Store
from monitor.store.reading import Reader
from monitor.store.rows import QualityCount
from monitor.store.writer import Writer
from tests.store.samples import full, outcome, window

DARK = QualityProblem(name="dark", grade="unusable", text="the picture is very dark (mean level 9 of 255)")
SOFT = QualityProblem(name="blurred", grade="poor", text="the picture is blurred")


def piece(identifier: str, grade: Any, *problems: QualityProblem) -> EvidenceQuality:
    return EvidenceQuality(
        evidence_id=identifier,
        family="image",
        sha256="0" * 64,
        grade=grade,
        problems=problems,
        measures={"mean_level": 9.5},
        duration_ms=3.5,
    )


def measured(identifier: str, *pieces: EvidenceQuality, detector: str = "ocr_mismatch", score: float = 0.1) -> tuple[Any, OutcomeRecord]:
    response = full(identifier)
    return response, outcome(response, detector, "judged", score, quality=pieces)


def write(writer: Writer, *pairs: tuple[Any, OutcomeRecord]) -> None:
    writer.insert_responses([response for response, _ in pairs], "r")
    writer.insert_outcomes([ended for _, ended in pairs], "o")


def test_each_piece_comes_back_with_its_problems_and_numbers(reader: Reader, writer: Writer) -> None:
    pieces = (piece("e1", "good"), piece("e2", "unusable", DARK, SOFT), piece("e3", None))
    write(writer, measured("r", *pieces))
    found = reader.response("default", "r")
    assert found is not None
    assert found.quality == [pieces[0], pieces[1]]
    assert found.listed.input_quality == "unusable"


def test_every_detector_sends_the_quality_and_it_is_kept_once(reader: Reader, writer: Writer) -> None:
    response, first = measured("r", piece("e", "poor", SOFT))
    second = outcome(response, "object_hallucination", "abstained", after_s=20, quality=(piece("e", "poor", SOFT),))
    writer.insert_responses([response], "r")
    writer.insert_outcomes([first], "o1")
    writer.insert_outcomes([second], "o2")
    found = reader.response("default", "r")
    assert found is not None
    assert len(found.quality) == 1
    assert found.listed.input_quality == "poor"


def test_a_batch_sent_twice_arrives_once(reader: Reader, writer: Writer) -> None:
    pair = measured("r", piece("e", "poor", SOFT))
    write(writer, pair)
    write(writer, pair)
    found = reader.response("default", "r")
    assert found is not None
    assert len(found.quality) == 1


def test_what_was_not_measured_has_no_quality_and_matches_no_grade(reader: Reader, writer: Writer) -> None:
    write(writer, measured("bare"), measured("half", piece("e1", "good"), piece("e2", None)))
    for identifier in ("bare", "half"):
        found = reader.response("default", identifier)
        assert found is not None
        assert found.listed.input_quality is None
    for grade in ("good", "poor", "unusable"):
        assert reader.list_responses(window(quality=grade), 10)[0] == []


def test_lists_summaries_and_trends_are_filtered_by_quality(reader: Reader, writer: Writer) -> None:
    write(
        writer,
        measured("a", piece("e", "good")),
        measured("b", piece("e", "poor", SOFT), score=0.9),
        measured("c", piece("e", "poor", SOFT)),
        measured("d"),
    )
    assert [row.id for row in reader.list_responses(window(quality="poor"), 10)[0]] == ["c", "b"]
    summary = reader.summary(window(quality="poor"))
    assert (summary.responses, summary.checked, summary.flagged) == (2, 2, 1)
    assert [point.responses for point in reader.trends(window(quality="good"), 3600)] == [1]


def test_a_summary_splits_the_flagged_by_quality_and_leaves_none_out(reader: Reader, writer: Writer) -> None:
    write(
        writer,
        measured("a", piece("e", "good")),
        measured("b", piece("e", "poor", SOFT), score=0.9),
        measured("c", piece("e", "poor", SOFT)),
        measured("d"),
    )
    split = {count.grade: count for count in reader.summary(window()).qualities}
    assert split == {
        None: QualityCount(grade=None, responses=1, checked=1, flagged=0),
        "good": QualityCount(grade="good", responses=1, checked=1, flagged=0),
        "poor": QualityCount(grade="poor", responses=2, checked=2, flagged=1),
    }
    assert reader.summary(window(workflow="nobody")).qualities == []


def test_responses_from_before_the_quality_was_kept_have_none(settings: Settings, module_store: Store) -> None:
    Writer(module_store).insert_responses([full("old")], "before")
    migrate.downgrade(settings, "clickhouse", "0003", module_store)
    migrate.migrate(settings.model_copy(update={"retention_days": 36_500}), module_store)
    found = Reader(module_store).response("default", "old")
    assert found is not None
    assert (found.listed.input_quality, found.quality) == (None, [])


def test_evidence_that_arrives_late_is_measured_then(reader: Reader, writer: Writer) -> None:
    response, early = measured("r", piece("e", None))
    writer.insert_responses([response], "r")
    writer.insert_outcomes([early], "o1")
    writer.insert_outcomes([outcome(response, "ocr_mismatch", "judged", 0.1, after_s=60, quality=(piece("e", "good"),))], "o2")
    found = reader.response("default", "r")
    assert found is not None
    assert found.listed.input_quality == "good"

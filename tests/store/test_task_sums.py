"""Task metrics in ClickHouse: written with the response, grouped and filtered, truth of two kinds."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from monitor.records import Answer, Question, Reference
from monitor.store.client import Store
from monitor.store.reading import Reader
from monitor.store.rows import SpooledResponse
from monitor.store.writer import Writer
from monitor.task_metrics.windows import task_quality
from tests.store.samples import full, outcome, window

pytestmark = pytest.mark.store


def answered(identifier: str, sequence: int, text: str, reference: str | None = None, **more: Any) -> SpooledResponse:
    fields = {name: more.pop(name) for name in ("workflow", "cohort", "question") if name in more}
    item = full(identifier, sequence, reference=None if reference is None else Reference(text=reference), **fields)
    record = msgspec.structs.replace(item.record, answer=Answer(text=text, **more))
    return SpooledResponse(project=item.project, sidecar="s1", sequence=sequence, received_at=item.received_at, record=record)


def test_metrics_are_summed_by_group_and_narrowed_by_filters(store: Store) -> None:
    rows = [
        answered("a", 1, "42", "42", workflow="qa", cohort={"device": "ios"}),
        answered("b", 2, "41", "42", workflow="qa", cohort={"device": "web"}),
        answered("c", 3, "a cat", "a cat", workflow="captions"),
        answered("d", 4, "no reference", workflow="captions"),
    ]
    Writer(store).insert_responses(rows, "t")
    reader = Reader(store)
    by_workflow = {one.group: task_quality(one) for one in reader.task_sums(window(), "workflow")}
    assert {name: group.responses for name, group in by_workflow.items()} == {"qa": 2, "captions": 2}
    assert by_workflow["qa"].metrics["exact_match"].value == 0.5
    assert by_workflow["captions"].metrics["exact_match"].n == 1
    by_device = {one.group: task_quality(one).metrics for one in reader.task_sums(window(workflow="qa"), "cohort", "device")}
    assert (by_device["ios"]["correct"].value, by_device["web"]["correct"].value) == (1.0, 0.0)


def test_attempts_at_a_question_are_counted_together_and_an_abstention_is_no_success(store: Store) -> None:
    asked = Question(text="How much?")
    texts = ("42", "41", "40")
    rows = [answered(f"r{number}", number, text, "42", question=asked) for number, text in enumerate(texts, start=1)]
    rows.append(answered("r4", 4, "I cannot tell", "42", question=asked, abstained=True))
    rows.append(answered("once", 5, "7", "7", question=Question(text="How many?")))
    Writer(store).insert_responses(rows, "t")
    (sums,) = Reader(store).task_sums(window(), "all")
    assert sums.attempts == [(4, 1, 1)]
    assert task_quality(sums).pass_at[2].value == pytest.approx(0.5)


def test_truth_is_the_reference_or_the_verdict_on_what_was_checked(store: Store) -> None:
    rows = [
        answered("known", 1, "42", "42", confidence=0.9),
        answered("clean", 2, "a dog", confidence=0.8),
        answered("flagged", 3, "a cat", confidence=0.7),
        answered("unchecked", 4, "a bird", confidence=0.6),
        answered("failed", 5, "a cow"),
        answered("refused", 6, "I cannot see the image", abstained=True),
        answered("rightly", 7, "I cannot see the image", abstained=True),
        answered("perhaps", 8, "I do not know", abstained=True),
        answered("no-answer", 9, "none", "", abstained=True),
        answered("made-up", 10, "42", "", confidence=0.5),
    ]
    writer = Writer(store)
    writer.insert_responses(rows, "t")
    by_id = {row.record.id: row for row in rows}
    writer.insert_outcomes(
        [
            outcome(by_id["known"], "ocr_mismatch", "judged", 0.9),
            outcome(by_id["clean"], "ocr_mismatch", "judged", 0.1),
            outcome(by_id["flagged"], "ocr_mismatch", "judged", 0.9),
            outcome(by_id["failed"], "ocr_mismatch", "failed"),
            outcome(by_id["refused"], "missing_evidence", "judged", 0.8),
            outcome(by_id["rightly"], "missing_evidence", "judged", 0.1),
            outcome(by_id["perhaps"], "missing_evidence", "abstained"),
        ],
        "o",
    )
    (sums,) = Reader(store).task_sums(window(), "all")
    assert sums.responses == 10
    reference, verdict = task_quality(sums).selections
    # The reference says that it is right, whatever a detector found.
    assert (reference.right_answers, reference.missed_abstentions, reference.right_abstentions) == (1, 1, 1)
    assert (verdict.right_answers, verdict.missed_abstentions, verdict.unknown_answers) == (1, 1, 2)
    assert (verdict.right_abstentions, verdict.wrong_abstentions, verdict.unknown_abstentions) == (1, 1, 1)
    assert verdict.confidence.error.n == 2
    assert [point.confidence for point in verdict.confidence.curve] == [0.8, 0.7]


def test_outcomes_that_come_later_leave_the_metrics_as_they_are(store: Store) -> None:
    row = answered("a", 1, "42", "42", confidence=0.25)
    writer = Writer(store)
    writer.insert_responses([row], "t")
    writer.insert_outcomes([outcome(row, "ocr_mismatch", "judged", 0.9)], "o")
    store.execute("merge", "OPTIMIZE TABLE responses FINAL")
    (sums,) = Reader(store).task_sums(window(), "all")
    assert [(cell.truth, cell.confidence, cell.right, cell.responses) for cell in sums.cells] == [("reference", 0.25, True, 1)]

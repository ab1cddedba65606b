"""The task metrics of a window, by group: what the store counted, turned into estimates.

Truth is of two kinds that are never mixed. ``reference``: the answer against its reference. ``verdict``: where there is no
reference, the detectors' word on *checked* responses, right = not flagged; a response nobody checked is unknown, never right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from monitor.score import Share, share
from monitor.task_metrics.confidence import ConfidenceQuality, confidence_quality
from monitor.task_metrics.estimates import METRICS, Estimate, mean_estimate, pass_estimates

Truth = Literal["reference", "verdict"]
TRUTHS: tuple[Truth, ...] = ("reference", "verdict")


class AnswerCell(msgspec.Struct, frozen=True, kw_only=True):
    """Responses that are alike: ``right`` says of an answer that it is correct, of an abstention that it was due; None: unknown."""

    truth: Truth
    abstained: bool
    confidence: float | None
    right: bool | None
    responses: int


class MetricSum(msgspec.Struct, frozen=True, kw_only=True):
    """One metric over the answers of a group; ``variance`` is the sample's."""

    name: str
    n: int
    mean: float
    variance: float


class GroupSums(msgspec.Struct, frozen=True, kw_only=True):
    """What the store counted of one group; ``attempts`` are (attempts, correct, questions)."""

    group: str
    responses: int
    metrics: list[MetricSum]
    attempts: list[tuple[int, int, int]]
    cells: list[AnswerCell]


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Answers and abstentions under one kind of truth.

    ``missed_abstentions`` are the wrong answers: there it would have been better to abstain. ``coverage`` is the share of responses
    that were answered, ``risk`` the share of wrong ones among the answers of known truth. ``confidence`` is over the answers that
    state one and whose truth is known; ``unknown`` counts answers and abstentions whose truth is not.
    """

    truth: Truth
    right_answers: int
    missed_abstentions: int
    right_abstentions: int
    wrong_abstentions: int
    unknown_answers: int
    unknown_abstentions: int
    coverage: Share
    risk: Share
    confidence: ConfidenceQuality


class TaskQuality(msgspec.Struct, frozen=True, kw_only=True):
    """One group. ``metrics`` are by name over answers with a reference, ``pass_at`` by k over questions asked more than once."""

    group: str
    responses: int
    metrics: dict[str, Estimate]
    pass_at: dict[int, Estimate]
    selections: list[Selection]


def task_quality(sums: GroupSums) -> TaskQuality:
    """The estimates of one group; a kind of truth without any response is left out."""
    known = {one.name: one for one in sums.metrics}
    correct = known.get("correct")
    metrics = {} if correct is None else {"correct": _share_of(correct)}
    metrics |= {name: mean_estimate(name, one.n, one.mean, one.variance) for name in METRICS if (one := known.get(name)) is not None}
    by_truth: dict[Truth, list[AnswerCell]] = {truth: [cell for cell in sums.cells if cell.truth == truth] for truth in TRUTHS}
    return TaskQuality(
        group=sums.group,
        responses=sums.responses,
        metrics=metrics,
        pass_at=pass_estimates(sums.attempts),
        selections=[selection(truth, cells) for truth, cells in by_truth.items() if cells],
    )


def _share_of(one: MetricSum) -> Estimate:
    found = share(round(one.mean * one.n), one.n)
    return Estimate(value=found.value, low=found.low, high=found.high, n=one.n)


def selection(truth: Truth, cells: Sequence[AnswerCell]) -> Selection:
    """Counts, coverage and confidence of the responses under one kind of truth."""
    answers = _by_right(cell for cell in cells if not cell.abstained)
    refusals = _by_right(cell for cell in cells if cell.abstained)
    answered, refused = sum(answers.values()), sum(refusals.values())
    stated = [
        (cell.confidence, cell.right, cell.responses)
        for cell in cells
        if not cell.abstained and cell.confidence is not None and cell.right is not None
    ]
    return Selection(
        truth=truth,
        right_answers=answers[True],
        missed_abstentions=answers[False],
        right_abstentions=refusals[True],
        wrong_abstentions=refusals[False],
        unknown_answers=answers[None],
        unknown_abstentions=refusals[None],
        coverage=share(answered, answered + refused),
        risk=share(answers[False], answers[True] + answers[False]),
        confidence=confidence_quality(stated),
    )


def _by_right(cells: Iterable[AnswerCell]) -> Mapping[bool | None, int]:
    counts: dict[bool | None, int] = {True: 0, False: 0, None: 0}
    for cell in cells:
        counts[cell.right] += cell.responses
    return counts

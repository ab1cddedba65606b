"""What the HTTP API says of the answering model's own quality."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from monitor.api.models import Body, Share


class Estimate(Body):
    """A number with its 95% interval; null where n says nothing about it."""

    value: float | None
    low: float | None
    high: float | None
    n: int


class TaskMetric(Body):
    """One metric over the answers that have a reference."""

    name: str
    better: Literal["higher", "lower"]
    estimate: Estimate


class PassAt(Body):
    """Chance that one of k attempts is correct; ``estimate.n`` counts questions."""

    k: int
    estimate: Estimate


class CalibrationBin(Body):
    """Answers whose confidence lies in [low, high): their mean confidence and the share that is correct."""

    low: float
    high: float
    confidence: float
    correct: Share


class RiskPoint(Body):
    """Keeping only answers of at least this confidence: how many are kept, and what share of them is wrong."""

    confidence: float
    coverage: float
    risk: float


class ConfidenceView(Body):
    """Calibration of the answering model's confidence. ``aurc_best`` is the area of a confidence that sorts perfectly,
    ``error`` that of one that says nothing."""

    brier: Estimate
    ece: Estimate
    aurc: Estimate
    aurc_best: float | None
    error: Share
    bins: list[CalibrationBin]
    curve: list[RiskPoint]


class SelectionView(Body):
    """Answers and abstentions under one kind of truth: ``reference``, or the detectors' ``verdict`` on checked responses.

    ``unknown_…`` were not checked or cannot be judged; they count as neither right nor wrong.
    """

    truth: Literal["reference", "verdict"]
    right_answers: int
    missed_abstentions: int
    right_abstentions: int
    wrong_abstentions: int
    unknown_answers: int
    unknown_abstentions: int
    coverage: Share
    risk: Share
    confidence: ConfidenceView


class TaskQualityGroup(Body):
    """One group of responses; ``group`` is empty for responses without such a value."""

    group: str
    responses: int
    metrics: list[TaskMetric]
    pass_at: list[PassAt]
    selections: list[SelectionView]


class TaskQualities(Body):
    """Groups, largest first; ``left_out`` counts those beyond the limit."""

    since: datetime
    until: datetime
    by: str
    groups: list[TaskQualityGroup]
    left_out: int

"""What the API answers about the answering model's own quality; as :mod:`dashboards.bodies`."""

from __future__ import annotations

from datetime import datetime

import msgspec

from dashboards.bodies import Share


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    """Shared behaviour of all bodies."""


class Estimate(_Body, frozen=True):
    """A number with its 95% interval; None where n says nothing about it."""

    value: float | None
    low: float | None
    high: float | None
    n: int


class TaskMetric(_Body, frozen=True):
    """One metric over the answers that have a reference; ``better`` is ``higher`` or ``lower``."""

    name: str
    better: str
    estimate: Estimate


class PassAt(_Body, frozen=True):
    """Chance that one of k attempts is correct; ``estimate.n`` counts questions."""

    k: int
    estimate: Estimate


class CalibrationBin(_Body, frozen=True):
    """Answers whose confidence lies in [low, high)."""

    low: float
    high: float
    confidence: float
    correct: Share


class RiskPoint(_Body, frozen=True):
    """Keeping only answers of at least this confidence."""

    confidence: float
    coverage: float
    risk: float


class ConfidenceView(_Body, frozen=True):
    """Calibration of the answering model's confidence."""

    brier: Estimate
    ece: Estimate
    aurc: Estimate
    aurc_best: float | None
    error: Share
    bins: list[CalibrationBin]
    curve: list[RiskPoint]


class SelectionView(_Body, frozen=True):
    """Answers and abstentions under one kind of truth, ``reference`` or ``verdict``."""

    truth: str
    right_answers: int
    missed_abstentions: int
    right_abstentions: int
    wrong_abstentions: int
    unknown_answers: int
    unknown_abstentions: int
    coverage: Share
    risk: Share
    confidence: ConfidenceView


class TaskQualityGroup(_Body, frozen=True):
    """One group of responses."""

    group: str
    responses: int
    metrics: list[TaskMetric]
    pass_at: list[PassAt]
    selections: list[SelectionView]


class TaskQualities(_Body, frozen=True):
    """Groups, largest first."""

    since: datetime
    until: datetime
    by: str
    groups: list[TaskQualityGroup]
    left_out: int

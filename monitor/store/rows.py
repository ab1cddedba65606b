"""Frozen records that go into and come out of the store; no ClickHouse type crosses this border."""

from __future__ import annotations

from datetime import datetime

import msgspec

from monitor.findings import EvidenceQuality, OutcomeRecord, OutcomeState, QualityGrade, Verdict
from monitor.records import ResponseRecord


class SpooledResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A record on its way from the spool into the store.

    ``sequence`` grows by one with every record this sidecar took in and never repeats; with ``sidecar`` (the spool's
    own id) it is how the detect driver knows what it has not seen yet.
    """

    project: str
    sidecar: str
    sequence: int
    received_at: datetime
    record: ResponseRecord


class ResponseFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which responses of one project. ``since`` ≤ time < ``until``; None or empty means "any".

    ``verdict`` is the worst verdict over all detectors (``not_checked`` = judged by none). ``cohort`` must match on every key
    given. ``quality`` is the worst grade of the response's evidence; what was not measured has none. ``text`` is a
    case-insensitive part of the answer or the exact id.
    """

    project: str
    since: datetime
    until: datetime
    workflow: str | None = None
    risk: str | None = None
    model: str | None = None
    release: str | None = None
    detector: str | None = None
    verdict: Verdict | None = None
    modality: str | None = None
    quality: QualityGrade | None = None
    cohort: dict[str, str] = {}
    text: str | None = None
    min_score: float | None = None


class ListedResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list: the response's own columns with the detectors' words folded in."""

    id: str
    time: datetime
    workflow: str
    risk: str
    model: str | None
    release: str | None
    cohort: dict[str, str]
    modalities: list[str]
    answer_excerpt: str
    verdict: Verdict
    max_score: float | None
    flagged_detectors: list[str]
    states: dict[str, OutcomeState]
    duration_ms: float | None
    cost: float | None
    currency: str | None
    unpriced_items: int
    fallback: str | None
    input_quality: QualityGrade | None = None


class StoredResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One response as logged, with every outcome known so far."""

    listed: ListedResponse
    record: ResponseRecord
    received_at: datetime
    outcomes: list[OutcomeRecord]
    quality: list[EvidenceQuality] = []


class QualityCount(msgspec.Struct, frozen=True, kw_only=True):
    """Responses of one input quality; ``grade`` None: not measured."""

    grade: QualityGrade | None
    responses: int
    checked: int
    flagged: int


class DetectorCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many responses ended in one state with one detector, and how many of them were flagged."""

    detector: str
    state: OutcomeState
    responses: int
    flagged: int


class WindowSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Counts and quantiles of a window. ``checked``: at least one detector judged. ``pending``: no outcome at all yet.

    ``not_checked`` = responses − checked − pending. Costs are in ``currency``; ``mixed_currencies`` says that the sum
    would mix several, and then the sums are None.
    """

    responses: int
    checked: int
    not_checked: int
    pending: int
    flagged: int
    duration_ms_p50: float | None
    duration_ms_p95: float | None
    duration_ms_p99: float | None
    cost_total: float | None
    cost_mean: float | None
    currency: str | None
    mixed_currencies: bool
    unpriced_responses: int
    detection_lag_s_p95: float | None
    detectors: list[DetectorCount]
    detector_duration_ms: dict[str, tuple[float, float]]
    qualities: list[QualityCount] = []


class TrendBucket(msgspec.Struct, frozen=True, kw_only=True):
    """One bucket of time with at least one response."""

    start: datetime
    responses: int
    checked: int
    flagged: int
    duration_ms_p50: float | None
    duration_ms_p95: float | None
    cost_mean: float | None
    cost_total: float | None


class SliceBucket(msgspec.Struct, frozen=True, kw_only=True):
    """One hour of one slice (workflow, and one cohort key=value or the whole workflow when both are empty)."""

    workflow: str
    cohort_key: str
    cohort_value: str
    start: datetime
    responses: int
    checked: int
    flagged: int
    cost_mean: float | None
    cost_total: float | None
    priced: int
    duration_ms_p95: float | None


class StageLatency(msgspec.Struct, frozen=True, kw_only=True):
    """Latency of one workflow's stage over a window; stage ``total`` is the whole response."""

    workflow: str
    stage: str
    responses: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    over_budget: int
    with_budget: int


class MissingModality(msgspec.Struct, frozen=True, kw_only=True):
    """Responses of a workflow that lack evidence of a family most of its responses carry."""

    workflow: str
    family: str
    responses: int
    missing: int
    sample_ids: list[str]


class ReviewCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """What the review sampling policy needs to know of one response."""

    id: str
    time: datetime
    workflow: str
    risk: str
    max_score: float | None
    flagged: bool
    checked: bool


class FacetValues(msgspec.Struct, frozen=True, kw_only=True):
    """Values present in a window, most frequent first, at most 200 each."""

    workflows: list[str]
    models: list[str]
    releases: list[str]
    risks: list[str]
    cohorts: dict[str, list[str]]
    detectors: list[str]

"""What the API answers, as frozen structs: the dashboard's own reading of the OpenAPI document.

Unknown fields are ignored, so an older dashboard reads a newer sidecar. Shares are fractions 0–1, durations say their
unit in the name, regions are fractions of the picture, spans are code points, media times are seconds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    """Shared behaviour of all bodies."""


class Share(_Body, frozen=True):
    """A fraction with its 95% interval; ``value`` is None where n is 0."""

    value: float | None
    low: float | None
    high: float | None
    n: int


class ResponseRow(_Body, frozen=True):
    """One line of the list of responses."""

    id: str
    time: datetime
    workflow: str
    risk: str
    model: str | None
    release: str | None
    cohort: dict[str, str]
    modalities: list[str]
    answer_excerpt: str
    verdict: str
    max_score: float | None
    flagged_detectors: list[str]
    states: dict[str, str]
    duration_ms: float | None
    cost: float | None
    currency: str | None
    unpriced_items: int
    fallback: str | None
    input_quality: str | None = None


class ResponsePage(_Body, frozen=True):
    """A page of the list; ``next`` is the cursor of the following one."""

    items: list[ResponseRow]
    next: str | None


class QualityProblemView(_Body, frozen=True):
    """One thing wrong with a source as an input."""

    name: str
    grade: str
    text: str


class EvidenceQualityView(_Body, frozen=True):
    """How good a source is as an input."""

    grade: str
    problems: list[QualityProblemView]
    measures: dict[str, float]


class EvidenceView(_Body, frozen=True):
    """One source; ``url`` is a path of the API, None when its bytes are not stored."""

    id: str
    media_type: str
    family: str
    role: str
    title: str | None
    sha256: str | None
    url: str | None
    reference: str | None = None
    text: str | None = None
    deleted_at: datetime | None = None
    metadata: dict[str, Any] = {}
    quality: EvidenceQualityView | None = None


class FindingView(_Body, frozen=True):
    """One detector's word on one claim."""

    detector: str
    verdict: str
    score: float | None
    error: str | None
    reason: str | None
    explanation: str
    evidence_id: str | None
    region: tuple[float, float, float, float] | None
    time: tuple[float, float] | None
    page: int | None
    evidence_span: tuple[int, int] | None
    quote: str | None
    duration_ms: float


class ClaimView(_Body, frozen=True):
    """One claim of the answer with everything found about it."""

    id: str
    text: str
    kind: str
    span: tuple[int, int] | None
    verdict: str
    score: float | None
    findings: list[FindingView]


class UsageView(_Body, frozen=True):
    """Something consumed; ``cost`` None means unpriced, not free."""

    item: str
    quantity: float
    unit: str
    modality: str | None
    cost: float | None
    currency: str | None


class OutcomeView(_Body, frozen=True):
    """How one detector ended on the response."""

    detector: str
    detector_version: str
    weights_version: str
    state: str
    reason: str | None
    claims_checked: int
    claims_flagged: int
    duration_ms: float
    finished_at: datetime
    usage: list[UsageView] = []


class StageView(_Body, frozen=True):
    """One link of the latency chain."""

    name: str
    duration_ms: float
    budget_ms: float | None
    status: str


class VerdictView(_Body, frozen=True):
    """A reviewer's verdict on one claim."""

    id: str
    reviewer: str
    claim_id: str | None
    claim_text: str
    span: tuple[int, int] | None
    hallucinated: bool
    error: str | None
    cause: str | None
    note: str | None
    created_at: datetime


class ResponseDetail(_Body, frozen=True):
    """Everything known about one response; ``pending`` names detectors that have not ended."""

    row: ResponseRow
    question: str | None
    answer: str
    claims: list[ClaimView]
    evidence: list[EvidenceView]
    outcomes: list[OutcomeView]
    pending: list[str]
    stages: list[StageView]
    usage: list[UsageView]
    verdicts: list[VerdictView]
    review_item: str | None
    attributes: dict[str, Any]
    received_at: datetime


class DetectorSummary(_Body, frozen=True):
    """One detector over a window."""

    detector: str
    states: dict[str, int]
    flagged: Share
    duration_ms_p50: float | None
    duration_ms_p95: float | None


class QualitySummary(_Body, frozen=True):
    """Responses of one input quality; ``grade`` None was not measured."""

    grade: str | None
    responses: int
    flagged: Share


class Summary(_Body, frozen=True):
    """Quality, latency and cost of a window; ``flagged`` is over checked responses only."""

    since: datetime
    until: datetime
    responses: int
    checked: int
    not_checked: int
    pending: int
    flagged: Share
    duration_ms_p50: float | None
    duration_ms_p95: float | None
    duration_ms_p99: float | None
    cost_total: float | None
    cost_mean: float | None
    currency: str | None
    unpriced_responses: int
    detection_lag_s_p95: float | None
    detectors: list[DetectorSummary]
    input_quality: list[QualitySummary] = []


class TrendPoint(_Body, frozen=True):
    """One bucket of time."""

    start: datetime
    responses: int
    checked: int
    flagged: Share
    duration_ms_p50: float | None
    duration_ms_p95: float | None
    cost_mean: float | None
    cost_total: float | None


class ReleaseMark(_Body, frozen=True):
    """When a release was first seen."""

    time: datetime
    version: str


class Trends(_Body, frozen=True):
    """Buckets in time order; those without responses are absent."""

    bucket_s: int
    points: list[TrendPoint]
    marks: list[ReleaseMark]


class Facets(_Body, frozen=True):
    """Values to filter by."""

    workflows: list[str]
    models: list[str]
    releases: list[str]
    risks: list[str]
    cohorts: dict[str, list[str]]
    detectors: list[str]


class DeliveryView(_Body, frozen=True):
    """One notification of an alert."""

    channel: str
    event: str
    state: str
    attempts: int
    last_error: str | None


class AlertView(_Body, frozen=True):
    """One alert; ``samples`` are the list filters that show the offending responses."""

    id: str
    rule_id: str
    kind: str
    state: str
    severity: str
    title: str
    summary: str
    labels: dict[str, str]
    facts: dict[str, Any]
    samples: dict[str, str]
    occurrences: int
    opened_at: datetime
    last_seen_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    resolved_by: str | None
    deliveries: list[DeliveryView]


class AlertPage(_Body, frozen=True):
    """Alerts, newest first."""

    items: list[AlertView]
    next: str | None


class AlertRuleView(_Body, frozen=True):
    """A rule as it stands."""

    id: str
    kind: str
    workflow: str | None
    severity: str
    enabled: bool
    params: dict[str, Any]
    updated_at: datetime


class ReviewItemView(_Body, frozen=True):
    """One item of the review queue."""

    id: str
    response_id: str
    response_time: datetime
    workflow: str
    risk: str
    stratum: str
    reason: str
    priority: float
    inclusion_probability: float
    state: str
    claimed_by: str | None
    lease_until: datetime | None
    created_at: datetime
    finished_at: datetime | None


class ReviewPage(_Body, frozen=True):
    """Items of the queue, next to be judged first, with the number in each state."""

    items: list[ReviewItemView]
    counts: dict[str, int]


class AuditView(_Body, frozen=True):
    """One line of the audit log."""

    at: datetime
    actor: str
    action: str
    subject: str
    facts: dict[str, Any]


class AuditPage(_Body, frozen=True):
    """Audit log, newest first."""

    items: list[AuditView]
    next: str | None


class JobView(_Body, frozen=True):
    """One scheduled job and its last run."""

    name: str
    interval_s: int
    next_run_at: datetime | None
    last_started_at: datetime | None
    last_finished_at: datetime | None
    last_state: str | None
    last_error: str | None
    last_facts: dict[str, Any]


class JobList(_Body, frozen=True):
    """Every scheduled job."""

    items: list[JobView]


class DetectorStatus(_Body, frozen=True):
    """Whether a detector can run here, and the remedy where it cannot."""

    name: str
    failure: str
    version: str | None
    weights_version: str | None
    available: bool
    reason: str | None


class Status(_Body, frozen=True):
    """How the sidecar is doing."""

    version: str
    started_at: datetime
    store: str
    spooled: int
    spool_bytes: int
    oldest_spooled_s: float | None
    undetected: int | None
    dead_letters: int
    leader: bool
    workers: int
    detectors: list[DetectorStatus]
    store_problem: str | None = None
    detection_halted: str | None = None
    sealed_with: str | None = None
    unusable_evidence: int = 0
    damaged_parts: list[str] = []
    silent_calls: int = 0


class DeadLetterView(_Body, frozen=True):
    """Something that could not be processed, with the reason."""

    id: str
    stage: str
    response_id: str
    detector: str | None
    reason: str
    state: str
    created_at: datetime


class DeadLetterDetail(DeadLetterView, frozen=True):
    """One dead letter with what it held, as JSON."""

    payload: str | None


class Resumed(_Body, frozen=True):
    """Whether detection had stopped itself."""

    was_halted: bool


class ReplayReport(_Body, frozen=True):
    """How many letters were sent through again, and why others wait on."""

    replayed: int
    failed: dict[str, str]


class DeadLetterPage(_Body, frozen=True):
    """Dead letters, newest first."""

    items: list[DeadLetterView]
    next: str | None

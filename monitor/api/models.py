"""What the HTTP API says: the typed bodies of every route, and so the OpenAPI document.

Shares are fractions 0–1 with their ``n`` and a 95% interval; money carries its currency; times are RFC 3339 UTC.
Nothing that was not checked is ever counted as clean: shares are over *checked* responses, and the unchecked ones
are counted beside them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from monitor.findings import OutcomeState, Verdict
from monitor.records import Cause, ErrorKind, Risk


class Body(BaseModel):
    """Shared behaviour: an unknown field in a request is an error that names it."""

    model_config = ConfigDict(extra="forbid")


class Problem(Body):
    """RFC 9457 problem details; ``field`` and ``remedy`` are extensions."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    field: str | None = None
    remedy: str | None = None


# --- ingest -------------------------------------------------------------------------------------------------------


class IngestItem(Body):
    """What happened to one item of the request; ``index`` counts from 0 in the order sent."""

    index: int
    id: str | None
    status: Literal["accepted", "duplicate", "refused"]
    field: str | None = None
    problem: str | None = None
    remedy: str | None = None


class IngestReply(Body):
    """202: everything accepted is on disk. 200: nothing new (all duplicates). 400: every item was refused."""

    accepted: int
    duplicates: int
    refused: int
    items: list[IngestItem]


class EvidenceStored(Body):
    """A blob is stored under its hash."""

    sha256: str
    bytes: int
    media_type: str
    uri: str
    created: bool


# --- responses ----------------------------------------------------------------------------------------------------


class Share(Body):
    """A fraction with its sample size and a 95% Wilson interval; null where n is 0."""

    value: float | None
    low: float | None
    high: float | None
    n: int


class ResponseRow(Body):
    """One line of the list. ``verdict`` is the worst over all detectors; ``not_checked`` when nobody judged it."""

    id: str
    time: datetime
    workflow: str
    risk: Risk
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


class ResponsePage(Body):
    """Newest first; ``next`` is the cursor of the following page, null on the last."""

    items: list[ResponseRow]
    next: str | None


class EvidenceView(Body):
    """One source as the browser can show it; ``url`` is a path of this API, null when the bytes are not stored."""

    id: str
    media_type: str
    family: str
    role: str
    title: str | None
    sha256: str | None
    url: str | None
    text: str | None = Field(None, description="Text evidence up to 100,000 code points.")
    metadata: dict[str, Any] = {}


class FindingView(Body):
    """One detector's word on one claim."""

    detector: str
    verdict: Verdict
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


class ClaimView(Body):
    """One claim with everything that was found about it; its verdict is the worst of its findings."""

    id: str
    text: str
    kind: str
    span: tuple[int, int] | None
    verdict: Verdict
    score: float | None
    findings: list[FindingView]


class OutcomeView(Body):
    """How one detector ended."""

    detector: str
    detector_version: str
    weights_version: str
    state: OutcomeState
    reason: str | None
    claims_checked: int
    claims_flagged: int
    duration_ms: float
    finished_at: datetime


class StageView(Body):
    """One link of the latency chain."""

    name: str
    duration_ms: float
    budget_ms: float | None
    status: str


class UsageView(Body):
    """One consumed item; ``cost`` null = unpriced."""

    item: str
    quantity: float
    unit: str
    modality: str | None
    cost: float | None
    currency: str | None


class VerdictView(Body):
    """A reviewer's verdict on one claim."""

    id: str
    reviewer: str
    claim_id: str | None
    claim_text: str
    span: tuple[int, int] | None
    hallucinated: bool
    error: ErrorKind | None
    cause: Cause | None
    note: str | None
    created_at: datetime


class ResponseDetail(Body):
    """Everything known about one response. ``pending`` names detectors that have not ended yet."""

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


class DetectorSummary(Body):
    """One detector over the window: how its responses ended, and the share flagged among those judged."""

    detector: str
    states: dict[OutcomeState, int]
    flagged: Share
    duration_ms_p50: float | None
    duration_ms_p95: float | None


class Summary(Body):
    """Quality, latency and cost of a window together. ``flagged`` is over checked responses only."""

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


class TrendPoint(Body):
    """One bucket of time. Buckets without responses are absent: a gap is a gap."""

    start: datetime
    responses: int
    checked: int
    flagged: Share
    duration_ms_p50: float | None
    duration_ms_p95: float | None
    cost_mean: float | None
    cost_total: float | None


class ReleaseMark(Body):
    """When a release version was first seen."""

    time: datetime
    version: str


class Trends(Body):
    """Points of one slice in time order; ``marks`` are the first responses of each release in the window."""

    bucket_s: int
    points: list[TrendPoint]
    marks: list[ReleaseMark]


class Facets(Body):
    """Values to filter by, from the responses of the window."""

    workflows: list[str]
    models: list[str]
    releases: list[str]
    risks: list[str]
    cohorts: dict[str, list[str]]
    detectors: list[str]


# --- alerts -------------------------------------------------------------------------------------------------------


class DeliveryView(Body):
    """One notification of an alert."""

    channel: str
    event: str
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    last_error: str | None


class AlertView(Body):
    """One alert; ``samples`` is the list filter that shows the offending responses."""

    id: str
    rule_id: str
    kind: str
    state: Literal["open", "acknowledged", "resolved"]
    severity: Literal["page", "ticket", "info"]
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


class AlertPage(Body):
    """Alerts, newest first."""

    items: list[AlertView]
    next: str | None


class ActorBody(Body):
    """Who does it; with keys the key's name is used instead."""

    actor: str = Field("local", min_length=1, max_length=256)
    note: str | None = Field(None, max_length=4000)


class AlertRuleView(Body):
    """A rule as it stands. ``params`` by kind: see README, "Alert rules"."""

    id: str
    kind: str
    workflow: str | None
    severity: Literal["page", "ticket", "info"]
    enabled: bool
    params: dict[str, Any]
    updated_at: datetime


class AlertRuleBody(Body):
    """A new rule, or what an existing one becomes."""

    kind: Literal["drift", "cost_anomaly", "latency_threshold", "missing_modality", "dead_letters"]
    workflow: str | None = None
    severity: Literal["page", "ticket", "info"] = "ticket"
    enabled: bool = True
    params: dict[str, Any] = {}


# --- review -------------------------------------------------------------------------------------------------------


class ReviewItemView(Body):
    """One item of the queue. The response is read with ``GET /v1/responses/{id}``."""

    id: str
    response_id: str
    response_time: datetime
    workflow: str
    risk: Risk
    stratum: str
    reason: str
    priority: float
    inclusion_probability: float
    state: Literal["queued", "claimed", "judged", "skipped"]
    claimed_by: str | None
    lease_until: datetime | None
    created_at: datetime
    finished_at: datetime | None


class ReviewPage(Body):
    """Items of the queue, next to be judged first."""

    items: list[ReviewItemView]
    counts: dict[str, int]


class ClaimNextBody(Body):
    """Who takes the next item; narrowed to a workflow where given."""

    reviewer: str = Field(min_length=1, max_length=256)
    workflow: str | None = None


class ClaimVerdictBody(Body):
    """A reviewer's verdict on one claim. A hallucinated claim names the error and its cause."""

    claim_id: str | None = None
    claim_text: str = Field(min_length=1)
    span: tuple[int, int] | None = None
    hallucinated: bool
    error: ErrorKind | None = None
    cause: Cause | None = None
    note: str | None = Field(None, max_length=4000)


class JudgeBody(Body):
    """All verdicts on one item; only the holder of the lease may send them."""

    reviewer: str = Field(min_length=1, max_length=256)
    verdicts: list[ClaimVerdictBody] = Field(min_length=1)


class AuditView(Body):
    """One line of the audit log."""

    at: datetime
    actor: str
    action: str
    subject: str
    facts: dict[str, Any]


class AuditPage(Body):
    """Audit log, newest first."""

    items: list[AuditView]
    next: str | None


class JobView(Body):
    """One scheduled job and its last run."""

    name: str
    interval_s: int
    next_run_at: datetime | None
    last_started_at: datetime | None
    last_finished_at: datetime | None
    last_state: Literal["running", "succeeded", "failed"] | None
    last_error: str | None
    last_facts: dict[str, Any]


class JobList(Body):
    """Every scheduled job."""

    items: list[JobView]


class DetectorStatus(Body):
    """Whether a detector can run here, and the remedy where it cannot."""

    name: str
    failure: str
    version: str | None
    weights_version: str | None
    available: bool
    reason: str | None


class Status(Body):
    """How the sidecar is doing."""

    version: str
    started_at: datetime
    store: str
    spooled: int
    spool_bytes: int
    oldest_spooled_s: float | None
    undetected: int
    dead_letters: int
    leader: bool
    workers: int
    detectors: list[DetectorStatus]


class DeadLetterView(Body):
    """Something that could not be processed, with the reason."""

    id: str
    stage: Literal["ingest", "store", "detect"]
    response_id: str
    detector: str | None
    reason: str
    state: Literal["waiting", "replayed", "discarded"]
    created_at: datetime


class DeadLetterPage(Body):
    """Dead letters, newest first."""

    items: list[DeadLetterView]
    next: str | None

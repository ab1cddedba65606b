"""What the HTTP API says of responses: the typed bodies of ingest, responses and overview, and so the OpenAPI document.

Those of alerts, review and operations are in :mod:`monitor.api.desk_models`.

Shares are fractions 0–1 with their ``n`` and a 95% interval; money carries its currency; times are RFC 3339 UTC.
Nothing that was not checked is ever counted as clean: shares are over *checked* responses, and the unchecked ones
are counted beside them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from monitor.findings import OutcomeState, QualityGrade, Verdict
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
    id: str | None = Field(None, description="Missing where the item has no id that can be read.")
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
    """One line of the list. ``verdict`` is the worst over all detectors; ``not_checked`` when nobody judged it.

    ``input_quality`` is the worst grade of its evidence; null where it was not measured.
    """

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
    input_quality: QualityGrade | None


class ResponsePage(Body):
    """Newest first; ``next`` is the cursor of the following page, null on the last."""

    items: list[ResponseRow]
    next: str | None


class QualityProblemView(Body):
    """One thing wrong with a source as an input."""

    name: str
    grade: QualityGrade
    text: str


class EvidenceQualityView(Body):
    """How good a source is as an input: problems worst first, measures with their unit in the name."""

    grade: QualityGrade
    problems: list[QualityProblemView]
    measures: dict[str, float]


class EvidenceView(Body):
    """One source as the browser can show it; ``url`` is a path of this API, null when the bytes are not stored.

    ``quality`` null: not measured, which is not good.
    """

    id: str
    media_type: str
    family: str
    role: str
    title: str | None
    sha256: str | None
    url: str | None
    reference: str | None = Field(None, description="Where it lies, s3:, gs: or https:, without user name, query and fragment.")
    text: str | None = Field(None, description="Text evidence up to 100,000 code points.")
    deleted_at: datetime | None = Field(None, description="When the bytes were deleted by the retention of their class.")
    metadata: dict[str, Any] = {}
    quality: EvidenceQualityView | None = None


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


class UsageView(Body):
    """One consumed item; ``cost`` null = unpriced."""

    item: str
    quantity: float
    unit: str
    modality: str | None
    cost: float | None
    currency: str | None


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
    usage: list[UsageView] = []


class StageView(Body):
    """One link of the latency chain."""

    name: str
    duration_ms: float
    budget_ms: float | None
    status: str


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


class QualitySummary(Body):
    """Responses of one input quality, and the share flagged among the checked ones; ``grade`` null: not measured."""

    grade: QualityGrade | None
    responses: int
    flagged: Share


class Summary(Body):
    """Quality, latency and cost of a window together. ``flagged`` is over checked responses only.

    ``input_quality`` splits it by how good the evidence was, best first; grades without responses are absent.
    """

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
    input_quality: list[QualitySummary]


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

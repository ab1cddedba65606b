"""Bodies of the desk: alerts and their rules, review, audit, jobs, and how the sidecar itself is doing.

What the bodies of responses share with these is in :mod:`monitor.api.models`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from monitor.api.models import Body
from monitor.metadata.letters import LetterState
from monitor.records import Cause, ErrorKind, Risk

# PostgreSQL takes no NUL in text.
Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
Position = Annotated[int, Field(ge=0, lt=2**31)]
Limit = Annotated[int, Field(ge=1, lt=2**63)]

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

    actor: Text = Field("local", min_length=1, max_length=256)
    note: Text | None = Field(None, max_length=4000)


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

    kind: Literal["drift", "cost_anomaly", "latency_threshold", "missing_modality", "dead_letters", "pipeline_stalled"]
    workflow: Text | None = None
    severity: Literal["page", "ticket", "info"] = "ticket"
    enabled: bool = True
    params: dict[str, Any] = Field(default_factory=dict)


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

    reviewer: Text = Field(min_length=1, max_length=256)
    workflow: Text | None = None


class ClaimVerdictBody(Body):
    """A reviewer's verdict on one claim. A hallucinated claim names the error and its cause."""

    claim_id: Text | None = None
    claim_text: Text = Field(min_length=1)
    span: tuple[Position, Position] | None = None
    hallucinated: bool
    error: ErrorKind | None = None
    cause: Cause | None = None
    note: Text | None = Field(None, max_length=4000)


class JudgeBody(Body):
    """All verdicts on one item; only the holder of the lease may send them."""

    reviewer: Text = Field(min_length=1, max_length=256)
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
    undetected: int | None = Field(description="Stored, not checked yet; null while the store is away.")
    dead_letters: int
    leader: bool
    workers: int
    detectors: list[DetectorStatus]
    store_problem: str | None = Field(None, description="Why nothing can be stored or read now; what is sent waits in the spool.")
    detection_halted: str | None = Field(None, description="Why detection has stopped itself; null while it runs.")
    sealed_with: str | None = Field(None, description="Id of the key that new content is sealed with; null = it lies plain.")
    unusable_evidence: int = Field(0, description="Sealed blobs that did not open since the start; they are not checked.")
    damaged_parts: list[str] = Field([], description="Folders of the embedded store whose rows could not be read at the start.")
    silent_calls: int = Field(0, description="Model calls that came as spans without what was said since the start; nobody can check them.")


class DeadLetterView(Body):
    """Something that could not be processed, with the reason."""

    id: str
    stage: Literal["ingest", "store", "detect"]
    response_id: str
    detector: str | None
    reason: str
    state: LetterState
    created_at: datetime


class DeadLetterDetail(DeadLetterView):
    """One dead letter with what it held: a response record, or a span, as JSON; null where nothing is known."""

    payload: str | None


class ReplayBody(ActorBody):
    """How to replay a letter; ``payload`` is used instead of what it held, with the same id."""

    payload: str | None = Field(None, max_length=1_000_000)


class ReplayAllBody(ActorBody):
    """Which waiting letters to replay, oldest first."""

    stage: Literal["ingest", "store", "detect"] | None = None
    limit: int = Field(500, ge=1, le=500)


class Resumed(Body):
    """``was_halted``: detection had stopped itself and goes on now."""

    was_halted: bool


class ReplayReport(Body):
    """How many letters were replayed, and why others wait on, by letter."""

    replayed: int
    failed: dict[str, str]


class DeadLetterPage(Body):
    """Dead letters, newest first."""

    items: list[DeadLetterView]
    next: str | None


class LimitsBody(ActorBody):
    """What a project may send; null = no limit."""

    responses_per_minute: int | None = Field(None, ge=1, lt=2**31)
    responses_per_day: Limit | None = None
    evidence_bytes_per_day: Limit | None = None


class LimitsView(Body):
    """A project's limits, null = none, and what it has sent on this UTC day."""

    project: str
    responses_per_minute: int | None
    responses_per_day: int | None
    evidence_bytes_per_day: int | None
    responses_today: int
    evidence_bytes_today: int

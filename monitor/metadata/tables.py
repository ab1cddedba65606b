"""The relational side: projects, keys, rules, alerts, review, jobs and the audit log.

SQLite by default, PostgreSQL by URL; both run the same migrations. Times are timezone-aware UTC. JSON columns hold
facts that are shown, never joined on. Row objects stay inside this package: stages get frozen records.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, DateTime, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """Aware UTC in and out; SQLite would otherwise drop the offset."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"time {value} has no offset")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Table(DeclarativeBase):
    """Declarative root of every metadata table."""

    type_annotation_map = {datetime: UtcTime, dict[str, Any]: JSON}  # noqa: RUF012 - SQLAlchemy reads it as is


class Project(Table):
    """A tenant. Every other row belongs to one."""

    __tablename__ = "projects"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(256))
    created_at: Mapped[datetime]


class ApiKey(Table):
    """A credential; only its SHA-256 is kept. ``role``: ingest, viewer, reviewer, operator, admin."""

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    name: Mapped[str] = mapped_column(String(256))
    role: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class AlertRule(Table):
    """When to raise an alert. ``kind``: drift, cost_anomaly, latency_threshold, missing_modality,
    dead_letters, pipeline_stalled.

    ``workflow`` narrows it to one workflow; ``params`` are the kind's own numbers.
    """

    __tablename__ = "alert_rules"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    workflow: Mapped[str | None] = mapped_column(String(256))
    severity: Mapped[str] = mapped_column(String(16))
    enabled: Mapped[bool] = mapped_column(Boolean)
    params: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Alert(Table):
    """One thing that is wrong. ``state``: open, acknowledged, resolved.

    ``fingerprint`` folds repeats: at most one unresolved alert a project and fingerprint, kept by a partial unique
    index that both databases have. ``labels`` name the slice, ``facts`` hold the numbers behind it.
    """

    __tablename__ = "alerts"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    rule_id: Mapped[str] = mapped_column(ForeignKey("alert_rules.id"))
    fingerprint: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    severity: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(String(512))
    summary: Mapped[str] = mapped_column(Text)
    labels: Mapped[dict[str, Any]]
    facts: Mapped[dict[str, Any]]
    opened_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    occurrences: Mapped[int] = mapped_column(Integer)
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None] = mapped_column(String(256))
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None] = mapped_column(String(256))
    __table_args__ = (
        Index(
            "uq_alerts_unresolved",
            "project_id",
            "fingerprint",
            unique=True,
            sqlite_where=state != "resolved",
            postgresql_where=state != "resolved",
        ),
        # Serves the alert list: newest first within a state.
        Index("ix_alerts_project_state_opened", "project_id", "state", "opened_at"),
    )


class AlertDelivery(Table):
    """One change of an alert on its way to one channel. ``state``: pending, delivered, failed."""

    __tablename__ = "alert_deliveries"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    alert_id: Mapped[str] = mapped_column(ForeignKey("alerts.id"), index=True)
    channel: Mapped[str] = mapped_column(String(32))
    event: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(Integer)
    next_attempt_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    # Serves the delivery loop: what is pending and due.
    __table_args__ = (Index("ix_alert_deliveries_state_next", "state", "next_attempt_at"),)


class ReviewItem(Table):
    """One response waiting for, or having had, a person's judgement.

    ``stratum``: floor, uncertain, high_risk, flagged, requested. ``inclusion_probability`` is the chance the sampling
    policy had of picking this response; estimates weight by its inverse. ``state``: queued, claimed, judged, skipped.
    """

    __tablename__ = "review_items"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    response_id: Mapped[str] = mapped_column(String(128))
    response_time: Mapped[datetime]
    workflow: Mapped[str] = mapped_column(String(256))
    risk: Mapped[str] = mapped_column(String(32))
    stratum: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text)
    priority: Mapped[float] = mapped_column(Float)
    inclusion_probability: Mapped[float] = mapped_column(Float)
    state: Mapped[str] = mapped_column(String(16))
    claimed_by: Mapped[str | None] = mapped_column(String(256))
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("project_id", "response_id", name="uq_review_items_response"),
        # Serves the claim of the next item: queued or lapsed, highest priority first.
        Index("ix_review_items_next", "project_id", "state", "priority"),
    )


class ReviewVerdict(Table):
    """A reviewer's word on one claim. Never changed: a correction is a new row that names what it supersedes."""

    __tablename__ = "review_verdicts"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    item_id: Mapped[str] = mapped_column(ForeignKey("review_items.id"), index=True)
    reviewer: Mapped[str] = mapped_column(String(256))
    claim_id: Mapped[str | None] = mapped_column(String(128))
    claim_text: Mapped[str] = mapped_column(Text)
    span_start: Mapped[int | None] = mapped_column(Integer)
    span_end: Mapped[int | None] = mapped_column(Integer)
    hallucinated: Mapped[bool] = mapped_column(Boolean)
    error: Mapped[str | None] = mapped_column(String(16))
    cause: Mapped[str | None] = mapped_column(String(16))
    note: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    supersedes: Mapped[str | None] = mapped_column(String(32))


class AuditEntry(Table):
    """Who did what to what. Rows are only ever added; ``digest`` covers the row and the project's row before it."""

    __tablename__ = "audit_entries"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    project_id: Mapped[str] = mapped_column(String(64), index=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(256))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(256))
    facts: Mapped[dict[str, Any]]
    digest: Mapped[str | None] = mapped_column(String(64))
    # Serves the look whether somebody's view of something is noted already.
    __table_args__ = (Index("ix_audit_entries_project_subject", "project_id", "subject"),)


class DetectionCursor(Table):
    """How far the detect driver has come through one sidecar's records (their ingest sequence)."""

    __tablename__ = "detection_cursors"
    sidecar: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[datetime]


class JobRun(Table):
    """One run of a scheduled job. ``state``: running, succeeded, failed."""

    __tablename__ = "job_runs"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    job: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(16))
    facts: Mapped[dict[str, Any]]
    error: Mapped[str | None] = mapped_column(Text)
    # Serves "last run of each job".
    __table_args__ = (Index("ix_job_runs_job_started", "job", "started_at"),)


class DeadLetter(Table):
    """Something that could not be processed. ``stage``: ingest, store, detect. ``state``: waiting, replaying, replayed, discarded."""

    __tablename__ = "dead_letters"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    project_id: Mapped[str] = mapped_column(String(64), index=True)
    stage: Mapped[str] = mapped_column(String(16))
    response_id: Mapped[str] = mapped_column(String(128))
    detector: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    payload: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]


class QueuedCheck(Table):
    """An answer to be checked on demand without anybody waiting. ``state``: queued, running, done.

    ``outcomes`` are the detectors' outcomes so far by name. ``callback_state``: none, pending, delivered, failed.
    """

    __tablename__ = "queued_checks"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    state: Mapped[str] = mapped_column(String(16))
    record: Mapped[str] = mapped_column(Text)
    detectors: Mapped[dict[str, Any]]
    outcomes: Mapped[dict[str, Any]]
    callback_url: Mapped[str | None] = mapped_column(Text)
    callback_state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(Integer)
    next_attempt_at: Mapped[datetime]
    last_error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    __table_args__ = (
        # Serve the checking thread (oldest first) and the callbacks that are due.
        Index("ix_queued_checks_state_created", "state", "created_at"),
        Index("ix_queued_checks_callback_next", "callback_state", "next_attempt_at"),
    )


class ProjectLimits(Table):
    """What a project may send; null = no limit."""

    __tablename__ = "project_limits"
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    responses_per_minute: Mapped[int | None] = mapped_column(Integer)
    responses_per_day: Mapped[int | None] = mapped_column(BigInteger)
    evidence_bytes_per_day: Mapped[int | None] = mapped_column(BigInteger)
    updated_at: Mapped[datetime]


class ProjectUsage(Table):
    """What a project has sent on one UTC day (``YYYY-MM-DD``)."""

    __tablename__ = "project_usage"
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    responses: Mapped[int] = mapped_column(BigInteger)
    evidence_bytes: Mapped[int] = mapped_column(BigInteger)


class Erasure(Table):
    """Responses to be deleted on request. ``state``: running, sweeping (deleted once, looked over again later), done.

    ``selector`` names them while there is something to do; a finished row keeps a hash of it. ``blobs`` and ``response_ids``
    are what a killed run had found and not finished with.
    """

    __tablename__ = "erasures"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    project_id: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    selector: Mapped[dict[str, Any]]
    spooled_to: Mapped[int] = mapped_column(BigInteger)
    blobs: Mapped[dict[str, Any]]
    response_ids: Mapped[dict[str, Any]]
    counts: Mapped[dict[str, Any]]
    requested_by: Mapped[str] = mapped_column(String(256))
    requested_at: Mapped[datetime]
    sweep_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    # Serves the job that goes on with what is not done.
    __table_args__ = (Index("ix_erasures_project_state", "project_id", "state"),)

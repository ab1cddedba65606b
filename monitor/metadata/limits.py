"""The rows behind per-project limits and daily usage."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import update

from monitor.errors import RecordInvalid
from monitor.metadata.audit import add_entry
from monitor.metadata.changes import changed_rows
from monitor.metadata.database import Database
from monitor.metadata.keys import ApiKeys
from monitor.metadata.tables import ProjectLimits, ProjectUsage


class LimitsRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a project may send; None = no limit."""

    responses_per_minute: int | None = None
    responses_per_day: int | None = None
    evidence_bytes_per_day: int | None = None


class UsageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a project has sent on a UTC day."""

    responses: int = 0
    evidence_bytes: int = 0


class ProjectBudgets:
    """Limits and usage of all projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def limits(self, project: str) -> LimitsRecord:
        """A project's limits; none where nobody set any."""
        with self._database.session() as session:
            row = session.get(ProjectLimits, project)
            if row is None:
                return LimitsRecord()
            return LimitsRecord(
                responses_per_minute=row.responses_per_minute,
                responses_per_day=row.responses_per_day,
                evidence_bytes_per_day=row.evidence_bytes_per_day,
            )

    def set_limits(self, project: str, limits: LimitsRecord, now: datetime, actor: str) -> None:
        """Set all limits of a project at once. Raises RecordInvalid for one that is below 1."""
        values = msgspec.structs.asdict(limits)
        for name, value in values.items():
            if value is not None and value < 1:
                raise RecordInvalid(name, f"is {value}", "Give 1 or more, or null for no limit")
        ApiKeys(self._database).ensure_project(project, now)
        with self._database.session() as session:
            row = session.get(ProjectLimits, project)
            if row is None:
                session.add(ProjectLimits(project_id=project, updated_at=now, **values))
            else:
                for name, value in values.items():
                    setattr(row, name, value)
                row.updated_at = now
            add_entry(session, project, now, actor, "limits.set", f"project:{project}", values)

    def usage(self, project: str, day: str) -> UsageRecord:
        """What was sent on a day, as far as it is written down."""
        with self._database.session() as session:
            row = session.get(ProjectUsage, (project, day))
            return UsageRecord() if row is None else UsageRecord(responses=row.responses, evidence_bytes=row.evidence_bytes)

    def add_usage(self, project: str, day: str, sent: UsageRecord, now: datetime) -> None:
        """Add to a day; several processes may do so at once."""
        mine = (ProjectUsage.project_id == project, ProjectUsage.day == day)
        grown = {
            "responses": ProjectUsage.responses + sent.responses,
            "evidence_bytes": ProjectUsage.evidence_bytes + sent.evidence_bytes,
        }
        ApiKeys(self._database).ensure_project(project, now)
        with self._database.session() as session:
            if not changed_rows(session, update(ProjectUsage).where(*mine).values(**grown)):
                session.add(ProjectUsage(project_id=project, day=day, responses=sent.responses, evidence_bytes=sent.evidence_bytes))

"""Who did what to what: added in the transaction of the change itself, never altered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.errors import RecordInvalid
from monitor.metadata.database import Database
from monitor.metadata.tables import AuditEntry


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the log. ``subject`` is ``kind:id`` of what was changed."""

    id: int
    project: str
    at: datetime
    actor: str
    action: str
    subject: str
    facts: dict[str, Any]


def add_entry(session: Session, project: str, now: datetime, actor: str, action: str, subject: str, facts: dict[str, Any]) -> None:
    """Write one line inside the caller's transaction, so that change and line stand or fall together."""
    session.add(AuditEntry(project_id=project, at=now, actor=actor, action=action, subject=subject[:256], facts=facts))


class AuditLog:
    """The audit log of all projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, project: str, now: datetime, actor: str, action: str, subject: str, facts: dict[str, Any]) -> None:
        """Write one line in a transaction of its own."""
        with self._database.session() as session:
            add_entry(session, project, now, actor, action, subject, facts)

    def list(self, project: str, limit: int = 100, cursor: str | None = None) -> tuple[list[AuditRecord], str | None]:
        """A page of lines, newest first, and the cursor of the next page (None on the last)."""
        query = select(AuditEntry).where(AuditEntry.project_id == project)
        if cursor is not None:
            query = query.where(AuditEntry.id < _position(cursor))
        with self._database.session() as session:
            rows = session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit + 1)).all()
            records = [_record(row) for row in rows[:limit]]
        return records, str(records[-1].id) if len(rows) > limit else None


def _position(cursor: str) -> int:
    # The log only grows, so its own id is the position; others page by time and id.
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise RecordInvalid("cursor", "is not a cursor of this list", "Send the `next` of the page before, unchanged")
    return int(cursor)


def _record(row: AuditEntry) -> AuditRecord:
    return AuditRecord(
        id=row.id, project=row.project_id, at=row.at, actor=row.actor, action=row.action, subject=row.subject, facts=dict(row.facts)
    )

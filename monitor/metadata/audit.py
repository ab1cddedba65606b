"""Who did what to what, and who saw it: added in the transaction of the change itself, never altered, never deleted.

Each entry carries SHA-256 over itself and the digest of the project's entry before it. A changed, added or removed entry
breaks the chain from there on; that the end was cut off shows only to whoever noted an earlier head.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from monitor.errors import RecordInvalid
from monitor.metadata.database import Database
from monitor.metadata.tables import AuditEntry

VIEWED = "viewed"
_PAGE = 1_000
_SUBJECTS = 400


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the log. ``subject`` is ``kind:id`` of what was changed or seen."""

    id: int
    project: str
    at: datetime
    actor: str
    action: str
    subject: str
    facts: dict[str, Any]
    digest: str | None


class ChainReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a project's log stands. ``unchained``: entries from before digests were kept. ``broken_at``: the first entry that is
    not what it was, or does not follow the one before. ``head``: the digest of the last entry; ``has_head``: whether the one
    asked for is among them."""

    entries: int
    unchained: int
    broken_at: int | None
    head: str | None
    has_head: bool


def add_entry(session: Session, project: str, now: datetime, actor: str, action: str, subject: str, facts: dict[str, Any]) -> None:
    """Write one line inside the caller's transaction, so that change and line stand or fall together."""
    if session.get_bind().dialect.name == "postgresql":
        # Two transactions at once would both follow the same entry; SQLite's transactions come one after another anyway.
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"audit {project}"})
    session.flush()
    last = select(AuditEntry.digest).where(AuditEntry.project_id == project).order_by(AuditEntry.id.desc()).limit(1)
    entry = AuditEntry(project_id=project, at=now, actor=actor, action=action, subject=subject[:256], facts=facts)
    entry.digest = _digest(session.scalar(last), entry)
    session.add(entry)


def _digest(before: str | None, entry: AuditEntry) -> str:
    at = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    line = [before or "", entry.project_id, at, entry.actor, entry.action, entry.subject, entry.facts]
    return hashlib.sha256(json.dumps(line, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class AuditLog:
    """The audit log of all projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, project: str, now: datetime, actor: str, action: str, subject: str, facts: dict[str, Any]) -> None:
        """Write one line in a transaction of its own."""
        with self._database.session() as session:
            add_entry(session, project, now, actor, action, subject, facts)

    def add_views(self, project: str, day: datetime, views: Collection[tuple[datetime, str, str]]) -> int:
        """Note who (second) saw what (third) when (first), each pair once since ``day`` began; how many were new."""
        new = 0
        wanted = sorted(views)
        with self._database.session() as session:
            known: set[tuple[str, str]] = set()
            for start in range(0, len(wanted), _SUBJECTS):
                query = select(AuditEntry.actor, AuditEntry.subject).where(
                    AuditEntry.project_id == project,
                    AuditEntry.subject.in_({subject[:256] for _, _, subject in wanted[start : start + _SUBJECTS]}),
                    AuditEntry.action == VIEWED,
                    AuditEntry.at >= day,
                )
                known.update((actor, subject) for actor, subject in session.execute(query))
            for at, actor, subject in wanted:
                if (actor, subject[:256]) not in known:
                    known.add((actor, subject[:256]))
                    add_entry(session, project, at, actor, VIEWED, subject, {})
                    new += 1
        return new

    def list(self, project: str, limit: int = 100, cursor: str | None = None) -> tuple[list[AuditRecord], str | None]:
        """A page of lines, newest first, and the cursor of the next page (None on the last)."""
        query = select(AuditEntry).where(AuditEntry.project_id == project)
        if cursor is not None:
            query = query.where(AuditEntry.id < _position(cursor))
        with self._database.session() as session:
            rows = session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit + 1)).all()
            records = [_record(row) for row in rows[:limit]]
        return records, str(records[-1].id) if len(rows) > limit else None

    def verify(self, project: str, head: str | None = None) -> ChainReport:
        """Compute every digest again; with ``head`` also look whether an entry that was noted elsewhere is still there."""
        entries = unchained = after = 0
        before: str | None = None
        broken_at: int | None = None
        seen = head is None
        while True:
            query = select(AuditEntry).where(AuditEntry.project_id == project, AuditEntry.id > after).order_by(AuditEntry.id).limit(_PAGE)
            with self._database.session() as session:
                rows = session.scalars(query).all()
                for row in rows:
                    entries += 1
                    if row.digest is None and before is None:
                        unchained += 1
                    elif broken_at is None and row.digest != _digest(before, row):
                        broken_at = row.id
                    before = row.digest or before
                    seen = seen or row.digest == head
                after = rows[-1].id if rows else after
            if len(rows) < _PAGE:
                return ChainReport(entries=entries, unchained=unchained, broken_at=broken_at, head=before, has_head=seen)


def _position(cursor: str) -> int:
    # The log only grows, so its own id is the position; others page by time and id.
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise RecordInvalid("cursor", "is not a cursor of this list", "Send the `next` of the page before, unchanged")
    return int(cursor)


def _record(row: AuditEntry) -> AuditRecord:
    return AuditRecord(
        id=row.id,
        project=row.project_id,
        at=row.at,
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        facts=dict(row.facts),
        digest=row.digest,
    )

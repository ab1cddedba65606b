"""Queued checks: what waits to be checked, how far it is, and who is told when it is done."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, cast

import msgspec
from sqlalchemy import delete, select, update

from monitor.errors import NotFound, SealBroken
from monitor.findings import OutcomeRecord
from monitor.metadata.changes import changed_rows
from monitor.metadata.database import Database
from monitor.metadata.tables import QueuedCheck
from monitor.records import ResponseRecord, encode_response, parse_response

CheckState = Literal["queued", "running", "done"]
CallbackState = Literal["none", "pending", "delivered", "failed"]
_outcomes = msgspec.json.Decoder(dict[str, OutcomeRecord])


class CheckRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One queued check. ``outcomes`` are in the order of ``detectors``, as far as they have ended."""

    id: str
    project: str
    state: CheckState
    record: ResponseRecord
    detectors: tuple[str, ...]
    outcomes: tuple[OutcomeRecord, ...]
    callback_url: str | None
    callback_state: CallbackState
    attempts: int
    last_error: str | None
    created_at: datetime
    finished_at: datetime | None


class QueuedChecks:
    """The queued checks of all projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, project: str, record: ResponseRecord, detectors: tuple[str, ...], callback_url: str | None, now: datetime) -> CheckRecord:
        """Queue a check."""
        identifier = uuid.uuid4().hex
        row = QueuedCheck(
            id=identifier,
            project_id=project,
            state="queued",
            record=self._database.sealed(encode_response(record).decode(), place_of(identifier)),
            detectors={"names": list(detectors)},
            outcomes={},
            callback_url=callback_url,
            callback_state="none",
            attempts=0,
            next_attempt_at=now,
            last_error=None,
            created_at=now,
            finished_at=None,
        )
        with self._database.session() as session:
            session.add(row)
        return self._record(row)

    def get(self, project: str, check_id: str) -> CheckRecord:
        """One of a project's checks. Raises NotFound."""
        with self._database.session() as session:
            row = session.get(QueuedCheck, check_id)
            if row is None or row.project_id != project:
                raise NotFound("check", check_id)
            return self._record(row)

    def next_queued(self, limit: int) -> list[CheckRecord]:
        """The oldest that have not begun."""
        query = select(QueuedCheck).where(QueuedCheck.state == "queued").order_by(QueuedCheck.created_at, QueuedCheck.id).limit(limit)
        with self._database.session() as session:
            return self._readable(session.scalars(query))

    def begin_again(self) -> int:
        """What a killed process left running is queued again; how many. Only the leader calls this, at its start."""
        with self._database.session() as session:
            return changed_rows(session, update(QueuedCheck).where(QueuedCheck.state == "running").values(state="queued", outcomes={}))

    def begin(self, check: CheckRecord) -> bool:
        """Mark it running; False where it is not queued any more."""
        mine = (QueuedCheck.id == check.id, QueuedCheck.state == "queued")
        with self._database.session() as session:
            return bool(changed_rows(session, update(QueuedCheck).where(*mine).values(state="running")))

    def progress(self, check: CheckRecord, outcomes: list[OutcomeRecord], now: datetime | None = None) -> None:
        """Note what has ended; with ``now`` it is done and its caller is to be told."""
        values: dict[str, Any] = {"outcomes": {one.detector: msgspec.to_builtins(one) for one in outcomes}}
        if now is not None:
            told: CallbackState = "none" if check.callback_url is None else "pending"
            values |= {"state": "done", "finished_at": now, "callback_state": told, "next_attempt_at": now}
        with self._database.session() as session:
            changed_rows(session, update(QueuedCheck).where(QueuedCheck.id == check.id).values(**values))

    def due_callbacks(self, now: datetime, limit: int) -> list[CheckRecord]:
        """Whom to tell now."""
        query = (
            select(QueuedCheck)
            .where(QueuedCheck.callback_state == "pending", QueuedCheck.next_attempt_at <= now)
            .order_by(QueuedCheck.next_attempt_at)
            .limit(limit)
        )
        with self._database.session() as session:
            return self._readable(session.scalars(query))

    def told(self, check: CheckRecord, error: str | None, again_at: datetime | None) -> None:
        """How an attempt to tell went: delivered, tried again then, or failed for good."""
        state: CallbackState = "delivered" if error is None else "failed" if again_at is None else "pending"
        values: dict[str, Any] = {"callback_state": state, "attempts": check.attempts + 1, "last_error": error}
        if again_at is not None:
            values["next_attempt_at"] = again_at
        with self._database.session() as session:
            changed_rows(session, update(QueuedCheck).where(QueuedCheck.id == check.id).values(**values))

    def prune(self, before: datetime) -> int:
        """Forget what was done before this time; how many."""
        with self._database.session() as session:
            return changed_rows(session, delete(QueuedCheck).where(QueuedCheck.state == "done", QueuedCheck.finished_at < before))

    def _readable(self, rows: Iterable[QueuedCheck]) -> list[CheckRecord]:
        """Those that open; one that was damaged on the disk is over, and must not hold up the others."""
        found = []
        for row in rows:
            try:
                found.append(self._record(row))
            except SealBroken as error:
                row.state, row.callback_state, row.last_error = "done", "failed", str(error)
                row.finished_at = row.finished_at or row.created_at
        return found

    def _record(self, row: QueuedCheck) -> CheckRecord:
        names = tuple(row.detectors["names"])
        outcomes = _outcomes.decode(msgspec.json.encode(row.outcomes))
        return CheckRecord(
            id=row.id,
            project=row.project_id,
            state=cast(CheckState, row.state),
            record=parse_response(self._database.opened(row.record, place_of(row.id))),
            detectors=names,
            outcomes=tuple(outcomes[name] for name in names if name in outcomes),
            callback_url=row.callback_url,
            callback_state=cast(CallbackState, row.callback_state),
            attempts=row.attempts,
            last_error=row.last_error,
            created_at=row.created_at,
            finished_at=row.finished_at,
        )


def place_of(check_id: str) -> str:
    """What a sealed record is bound to."""
    return f"queued_check:{check_id}"

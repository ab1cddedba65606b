"""Dead letters: what could not be processed, with the reason, waiting for a person."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, cast

import msgspec
from sqlalchemy import and_, func, or_, select, update

from monitor.clock import Clock
from monitor.errors import Conflict, NotFound, SealBroken
from monitor.metadata.audit import add_entry
from monitor.metadata.changes import changed_rows
from monitor.metadata.database import Database
from monitor.metadata.paging import decode_cursor, encode_cursor
from monitor.metadata.tables import DeadLetter

Stage = Literal["ingest", "store", "detect"]
LetterState = Literal["waiting", "replaying", "replayed", "discarded"]


class LetterRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter; ``payload`` is what arrived, where that is known."""

    id: str
    project: str
    stage: Stage
    response_id: str
    detector: str | None
    reason: str
    payload: str | None
    state: LetterState
    created_at: datetime


class DeadLetters:
    """The dead letters of all projects. ``add`` has the shape the stages call back with."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, project: str, stage: Stage, response_id: str, detector: str | None, reason: str, payload: str | None) -> None:
        """Keep one; the same trouble with the same response is kept once while it waits."""
        same = (
            DeadLetter.project_id == project,
            DeadLetter.stage == stage,
            DeadLetter.response_id == response_id,
            DeadLetter.detector.is_(None) if detector is None else DeadLetter.detector == detector,
            DeadLetter.state == "waiting",
        )
        identifier = uuid.uuid4().hex
        with self._database.session() as session:
            if session.scalar(select(DeadLetter.id).where(*same).limit(1)) is not None:
                return
            session.add(
                DeadLetter(
                    id=identifier,
                    project_id=project,
                    stage=stage,
                    response_id=response_id,
                    detector=detector,
                    reason=reason,
                    payload=None if payload is None else self._database.sealed(payload, place_of(identifier)),
                    state="waiting",
                    created_at=self._clock.now(),
                )
            )

    def list(
        self, project: str, limit: int = 100, cursor: str | None = None, state: LetterState | None = None
    ) -> tuple[list[LetterRecord], str | None]:
        """A page, newest first, and the cursor of the next page (None on the last)."""
        query = select(DeadLetter).where(DeadLetter.project_id == project)
        if state is not None:
            query = query.where(DeadLetter.state == state)
        if cursor is not None:
            time, identifier = decode_cursor(cursor)
            earlier = and_(DeadLetter.created_at == time, DeadLetter.id < identifier)
            query = query.where(or_(DeadLetter.created_at < time, earlier))
        with self._database.session() as session:
            rows = session.scalars(query.order_by(DeadLetter.created_at.desc(), DeadLetter.id.desc()).limit(limit + 1)).all()
            records = [self._record(row) for row in rows[:limit]]
        return records, encode_cursor(records[-1].created_at, records[-1].id) if len(rows) > limit else None

    def oldest_waiting(self, project: str, limit: int, stage: Stage | None = None) -> Sequence[LetterRecord]:
        """What waits, oldest first."""
        query = select(DeadLetter).where(DeadLetter.project_id == project, DeadLetter.state == "waiting")
        if stage is not None:
            query = query.where(DeadLetter.stage == stage)
        with self._database.session() as session:
            return [self._record(row) for row in session.scalars(query.order_by(DeadLetter.created_at, DeadLetter.id).limit(limit))]

    def get(self, project: str, letter_id: str) -> LetterRecord:
        """One letter; raises NotFound."""
        with self._database.session() as session:
            row = session.get(DeadLetter, letter_id)
            if row is None or row.project_id != project:
                raise NotFound("dead letter", letter_id)
            return self._record(row)

    def waiting(self, project: str | None = None) -> int:
        """How many wait, in one project or in all."""
        query = select(func.count()).select_from(DeadLetter).where(DeadLetter.state == "waiting")
        if project is not None:
            query = query.where(DeadLetter.project_id == project)
        with self._database.session() as session:
            return session.scalar(query) or 0

    def waiting_by_stage(self, project: str) -> dict[str, int]:
        """How many wait in each stage; stages without any are absent."""
        query = (
            select(DeadLetter.stage, func.count())
            .where(DeadLetter.project_id == project, DeadLetter.state == "waiting")
            .group_by(DeadLetter.stage)
        )
        with self._database.session() as session:
            return {row[0]: row[1] for row in session.execute(query)}

    def close(self, project: str, letter_id: str, state: Literal["replaying", "replayed", "discarded"], actor: str) -> LetterRecord:
        """Say what became of a waiting letter; one that is being replayed may still be discarded.

        Raises:
            NotFound: this project has no such letter.
            Conflict: it does not wait any more.
        """
        before = ("waiting", "replaying") if state == "discarded" else ("waiting",)
        action = "discarded" if state == "discarded" else "replayed"
        with self._database.session() as session:
            mine = (DeadLetter.id == letter_id, DeadLetter.project_id == project, DeadLetter.state.in_(before))
            closed = changed_rows(session, update(DeadLetter).where(*mine).values(state=state))
            if closed:
                add_entry(session, project, self._clock.now(), actor, f"dead_letter.{action}", f"dead_letter:{letter_id}", {})
        record = self.get(project, letter_id)
        if not closed:
            raise Conflict("dead letter", letter_id, record.state, "only a waiting one can be closed")
        return record

    def replaying(self) -> Sequence[LetterRecord]:
        """The letters of all projects whose replay has not ended, oldest first."""
        query = select(DeadLetter).where(DeadLetter.state == "replaying").order_by(DeadLetter.created_at, DeadLetter.id)
        with self._database.session() as session:
            return [self._record(row) for row in session.scalars(query)]

    def end_replay(self, project: str, response_id: str, detector: str, state: Literal["replayed", "waiting"] = "replayed") -> None:
        """A detector has looked at a response again, or (``waiting``) cannot; nothing where no letter asked for it."""
        asked = (
            DeadLetter.project_id == project,
            DeadLetter.response_id == response_id,
            DeadLetter.detector == detector,
            DeadLetter.state == "replaying",
        )
        with self._database.session() as session:
            session.execute(update(DeadLetter).where(*asked).values(state=state))

    def _record(self, row: DeadLetter) -> LetterRecord:
        reason, payload = row.reason, row.payload
        try:
            payload = None if payload is None else self._database.opened(payload, place_of(row.id))
        except SealBroken as error:
            # The letter stays in the list with what is known of it; it can be discarded, or replayed with a payload.
            reason, payload = f"{reason} (what it held is lost: {error})", None
        return LetterRecord(
            id=row.id,
            project=row.project_id,
            stage=cast(Stage, row.stage),
            response_id=row.response_id,
            detector=row.detector,
            reason=reason,
            payload=payload,
            state=cast(LetterState, row.state),
            created_at=row.created_at,
        )


def place_of(letter_id: str) -> str:
    """What a sealed payload is bound to."""
    return f"dead_letter:{letter_id}"

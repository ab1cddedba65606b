"""Erasures as rows, and what an erasure deletes in the metadata itself: review, dead letters, queued checks."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, cast

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from monitor.errors import NotFound, RecordInvalid, SealBroken
from monitor.metadata.audit import add_entry
from monitor.metadata.changes import changed_rows
from monitor.metadata.checks import place_of as check_place
from monitor.metadata.database import Database
from monitor.metadata.letters import place_of as letter_place
from monitor.metadata.tables import DeadLetter, Erasure, QueuedCheck, ReviewItem, ReviewVerdict
from monitor.records import ResponseRecord

ErasureState = Literal["running", "sweeping", "done"]
_BATCH = 500
_record_decoder = msgspec.json.Decoder(ResponseRecord)


class Selector(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which responses: those of a cohort value, of a session, or with these ids. Exactly one is given."""

    cohort: tuple[str, str] | None = None
    session_id: str | None = None
    response_ids: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises RecordInvalid unless exactly one is given."""
        if sum((self.cohort is not None, self.session_id is not None, bool(self.response_ids))) != 1:
            problem = "needs exactly one of cohort, session_id and response_ids"
            raise RecordInvalid("$", problem, "Say whose responses are to be erased")
        for name, value in (("cohort", self.cohort and all(self.cohort)), ("session_id", self.session_id)):
            if value is not None and not value:
                raise RecordInvalid(name, "is empty", "An empty value would match what has none")

    def matches(self, record: ResponseRecord) -> bool:
        """Whether a record is one of them."""
        if self.cohort is not None:
            return record.cohort.get(self.cohort[0]) == self.cohort[1]
        if self.session_id is not None:
            return record.session_id == self.session_id
        return record.id in self.response_ids

    def hashed(self) -> dict[str, Any]:
        """What a finished erasure keeps of it: the kind and the cohort's key, and SHA-256 of the value."""
        if self.cohort is not None:
            return {"cohort": [self.cohort[0], f"sha256:{_digest(self.cohort[1])}"]}
        if self.session_id is not None:
            return {"session_id": f"sha256:{_digest(self.session_id)}"}
        return {"response_ids": [f"sha256:{_digest(one)}" for one in self.response_ids]}


class ErasureRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One erasure. ``selector`` is as it was given while there is something to do, and hashed afterwards.

    ``spooled_to``: what this sidecar had taken in up to this sequence has to be stored before it can be found.
    """

    id: str
    project: str
    state: ErasureState
    selector: dict[str, Any]
    spooled_to: int
    blobs: tuple[str, ...]
    response_ids: tuple[str, ...]
    counts: dict[str, int]
    requested_by: str
    requested_at: datetime
    sweep_at: datetime
    finished_at: datetime | None

    def wanted(self) -> Selector:
        """The selector of one that is not done."""
        return msgspec.convert(self.selector, Selector)


class Erasures:
    """The erasures of all projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, project: str, selector: Selector, spooled_to: int, actor: str, now: datetime, sweep_at: datetime) -> ErasureRecord:
        """Note that an erasure was asked for; the audit log says by whom. Raises RecordInvalid."""
        selector.check()
        row = Erasure(
            id=uuid.uuid4().hex,
            project_id=project,
            state="running",
            selector=msgspec.to_builtins(selector),
            spooled_to=spooled_to,
            blobs={"sha256": []},
            response_ids={"ids": []},
            counts={},
            requested_by=actor,
            requested_at=now,
            sweep_at=sweep_at,
            finished_at=None,
        )
        with self._database.session() as session:
            session.add(row)
            add_entry(session, project, now, actor, "erasure.requested", f"erasure:{row.id}", selector.hashed())
        return _record(row)

    def get(self, project: str, erasure_id: str) -> ErasureRecord:
        """One of a project's erasures. Raises NotFound."""
        with self._database.session() as session:
            row = session.get(Erasure, erasure_id)
            if row is None or row.project_id != project:
                raise NotFound("erasure", erasure_id)
            return _record(row)

    def list(self, project: str, limit: int) -> Sequence[ErasureRecord]:
        """The latest of a project, newest first."""
        query = select(Erasure).where(Erasure.project_id == project).order_by(Erasure.requested_at.desc(), Erasure.id).limit(limit)
        with self._database.session() as session:
            return [_record(row) for row in session.scalars(query)]

    def unfinished(self, project: str, now: datetime) -> Sequence[ErasureRecord]:
        """What is to be gone on with now, oldest first."""
        query = select(Erasure).where(Erasure.project_id == project, Erasure.state != "done").order_by(Erasure.requested_at)
        with self._database.session() as session:
            return [_record(row) for row in session.scalars(query) if row.state == "running" or row.sweep_at <= now]

    def found(self, erasure: ErasureRecord, response_ids: Collection[str], blobs: Collection[str]) -> None:
        """Keep what was found before any of it is deleted: afterwards nothing could be found again."""
        values = {"response_ids": {"ids": sorted(response_ids)}, "blobs": {"sha256": sorted(blobs)}}
        with self._database.session() as session:
            changed_rows(session, update(Erasure).where(Erasure.id == erasure.id).values(**values))

    def advance(self, erasure: ErasureRecord, state: ErasureState, counts: Mapping[str, int], now: datetime) -> ErasureRecord:
        """Note how far it is. The end is in the audit log with its counts, and forgets whom it was about."""
        values: dict[str, Any] = {"state": state, "counts": dict(counts), "blobs": {"sha256": []}}
        if state == "done":
            values |= {"finished_at": now, "selector": erasure.wanted().hashed(), "response_ids": {"ids": []}}
        with self._database.session() as session:
            changed_rows(session, update(Erasure).where(Erasure.id == erasure.id, Erasure.state != "done").values(**values))
            if state == "done":
                add_entry(session, erasure.project, now, erasure.requested_by, "erasure.done", f"erasure:{erasure.id}", dict(counts))
        return self.get(erasure.project, erasure.id)

    def delete_rows(self, project: str, ids: Collection[str], matches: Callable[[ResponseRecord], bool]) -> dict[str, int]:
        """Delete what the metadata holds about these responses, and what of them is not stored anywhere else; how many."""
        counts: dict[str, int] = {}
        with self._database.session() as session:
            counts["queued_checks"] = self._delete_checks(session, project, ids, matches)
            counts["dead_letters"] = self._delete_letters(session, project, ids, matches)
            wanted = sorted(ids)
            for start in range(0, len(wanted), _BATCH):
                mine = (ReviewItem.project_id == project, ReviewItem.response_id.in_(wanted[start : start + _BATCH]))
                items = select(ReviewItem.id).where(*mine)
                for name, statement in (
                    ("verdicts", delete(ReviewVerdict).where(ReviewVerdict.item_id.in_(items))),
                    ("review_items", delete(ReviewItem).where(*mine)),
                ):
                    counts[name] = counts.get(name, 0) + changed_rows(session, statement)
        return counts

    def referring(self, project: str, blobs: Collection[str]) -> set[str]:
        """Which of these blobs a queued check or a waiting letter still needs."""
        checks = select(QueuedCheck.id, QueuedCheck.record).where(QueuedCheck.project_id == project)
        letters = select(DeadLetter.id, DeadLetter.payload).where(DeadLetter.project_id == project, DeadLetter.state == "waiting")
        with self._database.session() as session:
            texts = [self._text(text, check_place(key)) for key, text in session.execute(checks)]
            texts += [self._text(text, letter_place(key)) for key, text in session.execute(letters)]
        return {blob for blob in blobs if any(blob in text for text in texts)}

    def _delete_checks(self, session: Session, project: str, ids: Collection[str], matches: Callable[[ResponseRecord], bool]) -> int:
        query = select(QueuedCheck.id, QueuedCheck.record).where(QueuedCheck.project_id == project)
        mine = [key for key, raw in session.execute(query) if _is_mine(self._text(raw, check_place(key)), ids, matches)]
        return _delete_all(session, [delete(QueuedCheck).where(QueuedCheck.id == key) for key in mine])

    def _delete_letters(self, session: Session, project: str, ids: Collection[str], matches: Callable[[ResponseRecord], bool]) -> int:
        query = select(DeadLetter.id, DeadLetter.response_id, DeadLetter.payload).where(DeadLetter.project_id == project)
        rows = session.execute(query)
        mine = [key for key, about, raw in rows if about in ids or _is_mine(self._text(raw, letter_place(key)), ids, matches)]
        return _delete_all(session, [delete(DeadLetter).where(DeadLetter.id == key) for key in mine])

    def _text(self, text: str | None, place: str) -> str:
        """What a column held before it was sealed; nothing where it does not open, as where nobody can read it."""
        try:
            return "" if text is None else self._database.opened(text, place)
        except SealBroken:
            return ""


def _is_mine(raw: str, ids: Collection[str], matches: Callable[[ResponseRecord], bool]) -> bool:
    try:
        record = _record_decoder.decode(raw)
    except msgspec.MsgspecError:
        return False  # a span, or something nobody can read: found by its id alone
    return record.id in ids or matches(record)


def _delete_all(session: Session, statements: Sequence[Any]) -> int:
    return sum(changed_rows(session, statement) for statement in statements)


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _record(row: Erasure) -> ErasureRecord:
    return ErasureRecord(
        id=row.id,
        project=row.project_id,
        state=cast(ErasureState, row.state),
        selector=dict(row.selector),
        spooled_to=row.spooled_to,
        blobs=tuple(row.blobs["sha256"]),
        response_ids=tuple(row.response_ids["ids"]),
        counts=dict(row.counts),
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        sweep_at=row.sweep_at,
        finished_at=row.finished_at,
    )

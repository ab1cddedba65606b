"""Review items and verdicts as rows. Whoever changes an item states in the update what it must be; 0 rows = no longer."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, cast

import msgspec
from sqlalchemy import ColumnElement, and_, case, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from monitor.errors import NotFound
from monitor.metadata.audit import add_entry
from monitor.metadata.changes import changed_rows
from monitor.metadata.database import Database
from monitor.metadata.tables import ReviewItem, ReviewVerdict
from monitor.records import Cause, ErrorKind, Risk

Stratum = Literal["floor", "uncertain", "high_risk", "flagged", "requested"]
ItemState = Literal["queued", "claimed", "judged", "skipped"]

# How many items a claim tries before it looks again; reviewers who claim at once then meet different items.
_CLAIM_TRIES = 16
# Items of one transaction when the queue is filled: a commit each would cost a disk flush each.
_BATCH = 200


class NewItem(msgspec.Struct, frozen=True, kw_only=True):
    """A response to be put in the queue."""

    response_id: str
    response_time: datetime
    workflow: str
    risk: Risk
    stratum: Stratum
    reason: str
    priority: float
    inclusion_probability: float


class ItemRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One item of the queue. ``inclusion_probability`` 0 = asked for by a person, so no random draw: not for estimates."""

    id: str
    project: str
    response_id: str
    response_time: datetime
    workflow: str
    risk: Risk
    stratum: Stratum
    reason: str
    priority: float
    inclusion_probability: float
    state: ItemState
    claimed_by: str | None
    lease_until: datetime | None
    created_at: datetime
    finished_at: datetime | None


class VerdictRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A reviewer's word on one claim; ``supersedes`` is the verdict it corrects."""

    id: str
    item_id: str
    response_id: str
    reviewer: str
    claim_id: str | None
    claim_text: str
    span: tuple[int, int] | None
    hallucinated: bool
    error: ErrorKind | None
    cause: Cause | None
    note: str | None
    created_at: datetime
    supersedes: str | None


class NewVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a reviewer says of one claim; a hallucinated one needs ``error`` and ``cause``."""

    claim_text: str
    hallucinated: bool
    claim_id: str | None = None
    span: tuple[int, int] | None = None
    error: ErrorKind | None = None
    cause: Cause | None = None
    note: str | None = None


class ReviewItems:
    """The review queue of all projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, project: str, items: Sequence[NewItem], now: datetime) -> int:
        """Queue what is not there yet; how many were new. What a person had asked for before keeps its place and
        takes over the draw's stratum and probability, so that estimates count it."""
        new = 0
        for first in range(0, len(items), _BATCH):
            batch = items[first : first + _BATCH]
            try:
                with self._database.session() as session:
                    new += _insert(session, project, batch, now)
            except IntegrityError:
                # Somebody queued one of them in between: the others go in one by one, that one is there already.
                new += sum(self._add_one(project, item, now) for item in batch)
        return new

    def _add_one(self, project: str, item: NewItem, now: datetime) -> int:
        try:
            with self._database.session() as session:
                return _insert(session, project, [item], now)
        except IntegrityError:
            return 0

    def known(self, project: str, response_ids: Sequence[str]) -> set[str]:
        """Which of these responses were drawn for the queue before (requests alone do not count)."""
        query = select(ReviewItem.response_id).where(
            ReviewItem.project_id == project, ReviewItem.response_id.in_(response_ids), ReviewItem.inclusion_probability > 0
        )
        with self._database.session() as session:
            return set(session.scalars(query))

    def get(self, project: str, item_id: str) -> ItemRecord:
        """One item; raises NotFound."""
        with self._database.session() as session:
            return _read(session, project, item_id)

    def of_response(self, project: str, response_id: str) -> ItemRecord | None:
        """The item of a response, or None."""
        query = select(ReviewItem).where(ReviewItem.project_id == project, ReviewItem.response_id == response_id)
        with self._database.session() as session:
            row = session.scalars(query).one_or_none()
            return None if row is None else _item(row)

    def page(
        self, project: str, now: datetime, state: ItemState | None = None, workflow: str | None = None, limit: int = 100
    ) -> list[ItemRecord]:
        """Items, next to be judged first. ``queued`` includes claimed items whose lease has lapsed."""
        query = select(ReviewItem).where(ReviewItem.project_id == project)
        if workflow is not None:
            query = query.where(ReviewItem.workflow == workflow)
        if state == "queued":
            query = query.where(_claimable(now))
        elif state == "claimed":
            query = query.where(ReviewItem.state == "claimed", ReviewItem.lease_until > now)
        elif state is not None:
            query = query.where(ReviewItem.state == state)
        with self._database.session() as session:
            return [_item(row) for row in session.scalars(query.order_by(*_NEXT_FIRST).limit(limit))]

    def counts(self, project: str, now: datetime, workflow: str | None = None) -> dict[str, int]:
        """How many items are in each state, a lapsed lease counting as queued; every state is named."""
        waiting = func.sum(case((_claimable(now), 1), else_=0))
        query = select(ReviewItem.state, func.count(), waiting).where(ReviewItem.project_id == project)
        if workflow is not None:
            query = query.where(ReviewItem.workflow == workflow)
        counts = dict.fromkeys(("queued", "claimed", "judged", "skipped"), 0)
        with self._database.session() as session:
            for state, count, claimable in session.execute(query.group_by(ReviewItem.state)):
                counts["queued"] += claimable
                if state != "queued":
                    counts[state] += count - claimable
        return counts

    def claim_next(self, project: str, reviewer: str, workflow: str | None, now: datetime, lease_until: datetime) -> ItemRecord | None:
        """Give the reviewer an item until ``lease_until``, or None when nothing waits.

        The item the reviewer holds already comes first, with a longer lease: asking twice (two tabs, a lost answer)
        does not take two items out of the queue.
        """
        scope = [ReviewItem.project_id == project]
        if workflow is not None:
            scope.append(ReviewItem.workflow == workflow)
        mine = and_(ReviewItem.state == "claimed", ReviewItem.claimed_by == reviewer, ReviewItem.lease_until > now)
        with self._database.session() as session:
            held = session.scalar(select(ReviewItem.id).where(*scope, mine).order_by(*_NEXT_FIRST).limit(1))
            if held is not None and changed_rows(session, _take(held, mine, reviewer, lease_until)):
                return _read(session, project, held)
        while True:
            with self._database.session() as session:
                first = select(ReviewItem.id).where(*scope, _claimable(now)).order_by(*_NEXT_FIRST).limit(_CLAIM_TRIES)
                waiting = session.scalars(first).all()
                for item_id in waiting:
                    if changed_rows(session, _take(item_id, _claimable(now), reviewer, lease_until)):
                        add_entry(session, project, now, reviewer, "review.claim", f"review:{item_id}", {})
                        return _read(session, project, item_id)
            if not waiting:
                return None

    def change(
        self,
        project: str,
        item_id: str,
        actor: str,
        action: str,
        now: datetime,
        *,
        states: Sequence[ItemState],
        holder: str | None = None,
        facts: dict[str, Any] | None = None,
        values: Mapping[str, object],
    ) -> bool:
        """Set ``values`` where the item is in one of ``states`` (and belongs to ``holder``); False when it is not."""
        with self._database.session() as session:
            changed = changed_rows(session, update(ReviewItem).where(*_mine(project, item_id, states, holder)).values(**values))
            if changed:
                add_entry(session, project, now, actor, action, f"review:{item_id}", facts or {})
            return bool(changed)

    def judge(self, project: str, item_id: str, reviewer: str, verdicts: Sequence[NewVerdict], now: datetime) -> bool:
        """Write the verdicts and close the item in one transaction; False when the reviewer no longer holds it."""
        with self._database.session() as session:
            done = update(ReviewItem).where(*_mine(project, item_id, ("claimed",), reviewer))
            if not changed_rows(session, done.values(state="judged", finished_at=now, lease_until=None)):
                return False
            before = _current(session, [item_id])
            # Verdicts of one judgement share their time, which is how the latest judgement is told; it must grow.
            stamp = max([now, *(row.created_at + timedelta(microseconds=1) for row in before)])
            for verdict in verdicts:
                session.add(_verdict_row(item_id, reviewer, verdict, stamp, before))
            flagged = sum(verdict.hallucinated for verdict in verdicts)
            facts = {"claims": len(verdicts), "hallucinated": flagged, "supersedes": [row.id for row in before]}
            add_entry(session, project, now, reviewer, "review.judge", f"review:{item_id}", facts)
            return True

    def verdicts_for(self, project: str, response_ids: Sequence[str]) -> dict[str, list[VerdictRecord]]:
        """The verdicts that stand: of judged items, the latest judgement. Responses without any are absent."""
        found: dict[str, list[VerdictRecord]] = {}
        with self._database.session() as session:
            query = select(ReviewItem.id, ReviewItem.response_id).where(
                ReviewItem.project_id == project, ReviewItem.response_id.in_(response_ids), ReviewItem.state == "judged"
            )
            responses = {row[0]: row[1] for row in session.execute(query)}
            for row in _current(session, list(responses)):
                found.setdefault(responses[row.item_id], []).append(_verdict(row, responses[row.item_id]))
        return found

    def history(self, project: str, item_id: str) -> list[VerdictRecord]:
        """Every verdict ever given on an item, superseded ones included, oldest first; raises NotFound."""
        query = select(ReviewVerdict).where(ReviewVerdict.item_id == item_id).order_by(ReviewVerdict.created_at, ReviewVerdict.id)
        with self._database.session() as session:
            response_id = _read(session, project, item_id).response_id
            return [_verdict(row, response_id) for row in session.scalars(query)]


_NEXT_FIRST = (ReviewItem.priority.desc(), ReviewItem.created_at, ReviewItem.id)


def _claimable(now: datetime) -> ColumnElement[bool]:
    return or_(ReviewItem.state == "queued", and_(ReviewItem.state == "claimed", ReviewItem.lease_until <= now))


def _take(item_id: str, condition: ColumnElement[bool], reviewer: str, lease_until: datetime) -> Any:
    return (
        update(ReviewItem).where(ReviewItem.id == item_id, condition).values(state="claimed", claimed_by=reviewer, lease_until=lease_until)
    )


def _mine(project: str, item_id: str, states: Sequence[ItemState], holder: str | None) -> list[ColumnElement[bool]]:
    conditions = [ReviewItem.id == item_id, ReviewItem.project_id == project, ReviewItem.state.in_(states)]
    return conditions if holder is None else [*conditions, ReviewItem.claimed_by == holder]


def _insert(session: Session, project: str, items: Sequence[NewItem], now: datetime) -> int:
    wanted = {item.response_id: item for item in items}
    same = select(ReviewItem).where(ReviewItem.project_id == project, ReviewItem.response_id.in_(wanted))
    present = session.scalars(same).all()
    for row in present:
        drawn = wanted.pop(row.response_id)
        if row.inclusion_probability == 0 and drawn.inclusion_probability > 0:
            row.stratum, row.inclusion_probability = drawn.stratum, drawn.inclusion_probability
            row.reason = f"{row.reason} Also drawn: {drawn.reason}"
    for item in wanted.values():
        fields = msgspec.structs.asdict(item)
        session.add(ReviewItem(id=uuid.uuid4().hex, project_id=project, state="queued", created_at=now, **fields))
    session.flush()
    return len(wanted)


def _current(session: Session, item_ids: Sequence[str]) -> list[ReviewVerdict]:
    latest = (
        select(ReviewVerdict.item_id, func.max(ReviewVerdict.created_at).label("at"))
        .where(ReviewVerdict.item_id.in_(item_ids))
        .group_by(ReviewVerdict.item_id)
        .subquery()
    )
    query = select(ReviewVerdict).join(latest, and_(latest.c.item_id == ReviewVerdict.item_id, latest.c.at == ReviewVerdict.created_at))
    return list(session.scalars(query.order_by(ReviewVerdict.span_start, ReviewVerdict.id)))


def _verdict_row(item_id: str, reviewer: str, verdict: NewVerdict, now: datetime, before: Sequence[ReviewVerdict]) -> ReviewVerdict:
    key = verdict.claim_id or verdict.claim_text
    superseded = next((row.id for row in before if (row.claim_id or row.claim_text) == key), None)
    return ReviewVerdict(
        id=uuid.uuid4().hex,
        item_id=item_id,
        reviewer=reviewer,
        claim_id=verdict.claim_id,
        claim_text=verdict.claim_text,
        span_start=None if verdict.span is None else verdict.span[0],
        span_end=None if verdict.span is None else verdict.span[1],
        hallucinated=verdict.hallucinated,
        error=verdict.error,
        cause=verdict.cause,
        note=verdict.note,
        created_at=now,
        supersedes=superseded,
    )


def _read(session: Session, project: str, item_id: str) -> ItemRecord:
    row = session.get(ReviewItem, item_id)
    if row is None or row.project_id != project:
        raise NotFound("review item", item_id)
    return _item(row)


def _item(row: ReviewItem) -> ItemRecord:
    return ItemRecord(
        id=row.id,
        project=row.project_id,
        response_id=row.response_id,
        response_time=row.response_time,
        workflow=row.workflow,
        risk=cast(Risk, row.risk),
        stratum=cast(Stratum, row.stratum),
        reason=row.reason,
        priority=row.priority,
        inclusion_probability=row.inclusion_probability,
        state=cast(ItemState, row.state),
        claimed_by=row.claimed_by,
        lease_until=row.lease_until,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


def _verdict(row: ReviewVerdict, response_id: str) -> VerdictRecord:
    return VerdictRecord(
        id=row.id,
        item_id=row.item_id,
        response_id=response_id,
        reviewer=row.reviewer,
        claim_id=row.claim_id,
        claim_text=row.claim_text,
        span=None if row.span_start is None or row.span_end is None else (row.span_start, row.span_end),
        hallucinated=row.hallucinated,
        error=cast(ErrorKind | None, row.error),
        cause=cast(Cause | None, row.cause),
        note=row.note,
        created_at=row.created_at,
        supersedes=row.supersedes,
    )

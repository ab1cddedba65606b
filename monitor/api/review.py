"""The review queue over HTTP: claim, judge, give back, take back."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query, Response

from monitor.api.access import GuardedRoute, Who
from monitor.api.context import Context, Running
from monitor.api.desk_models import ActorBody, ClaimNextBody, JudgeBody, ReviewItemView, ReviewPage
from monitor.api.models import VerdictView
from monitor.errors import NotFound
from monitor.metadata.review import ItemRecord, NewVerdict, VerdictRecord
from monitor.review.queue import ReviewQueue

router = APIRouter(route_class=GuardedRoute, tags=["review"])


@router.get("/v1/review")
def list_review(
    running: Running,
    who: Who,
    state: Annotated[Literal["queued", "claimed", "judged", "skipped"] | None, Query()] = None,
    workflow: Annotated[str | None, Query(min_length=1, max_length=256)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> ReviewPage:
    """Items of the queue, next to be judged first, and how many are in each state."""
    queue = _queue(running)
    items = queue.page(who.project, state, workflow, limit)
    return ReviewPage(items=[_view(item) for item in items], counts=queue.counts(who.project, workflow))


@router.post("/v1/review/next", responses={204: {"description": "Nothing waits"}})
def claim_next(body: ClaimNextBody, running: Running, who: Who, response: Response) -> ReviewItemView | None:
    """Take the next item under a lease; 204 when nothing waits. The item already held comes first."""
    item = _queue(running).claim_next(who.project, who.actor(body.reviewer), body.workflow)
    if item is None:
        response.status_code = 204
        return None
    return _view(item)


@router.get("/v1/review/{item_id}")
def get_review_item(item_id: str, running: Running, who: Who) -> ReviewItemView:
    """One item."""
    return _view(_queue(running).get(who.project, item_id))


@router.post("/v1/review/{item_id}/verdicts")
def judge(item_id: str, body: JudgeBody, running: Running, who: Who) -> ReviewItemView:
    """Close an item with a verdict on each claim; 409 when somebody else holds it."""
    verdicts = [NewVerdict(**verdict.model_dump()) for verdict in body.verdicts]
    return _view(_queue(running).judge(who.project, item_id, who.actor(body.reviewer), verdicts))


@router.post("/v1/review/{item_id}/release")
def release(item_id: str, body: ActorBody, running: Running, who: Who) -> ReviewItemView:
    """Give a claimed item back to the queue."""
    return _view(_queue(running).release(who.project, item_id, who.actor(body.actor)))


@router.post("/v1/review/{item_id}/skip")
def skip(item_id: str, body: ActorBody, running: Running, who: Who) -> ReviewItemView:
    """Close a claimed item without a verdict."""
    return _view(_queue(running).skip(who.project, item_id, who.actor(body.actor), body.note))


@router.post("/v1/review/{item_id}/undo")
def undo(item_id: str, body: ActorBody, running: Running, who: Who) -> ReviewItemView:
    """Take back one's own judgement or skip."""
    return _view(_queue(running).undo(who.project, item_id, who.actor(body.actor)))


@router.post("/v1/responses/{response_id}/review")
def request_review(response_id: str, body: ActorBody, running: Running, who: Who) -> ReviewItemView:
    """Put a response first in the queue."""
    stored = running.reader.response(who.project, response_id)
    if stored is None:
        raise NotFound("response", response_id)
    record = stored.record
    item = _queue(running).request(who.project, response_id, record.time, record.workflow, record.risk, who.actor(body.actor), body.note)
    return _view(item)


def _queue(running: Context) -> ReviewQueue:
    return ReviewQueue(running.settings, running.database, running.clock)


def _view(item: ItemRecord) -> ReviewItemView:
    fields = msgspec.structs.asdict(item)
    return ReviewItemView(**{name: fields[name] for name in ReviewItemView.model_fields})


def verdict_view(verdict: VerdictRecord) -> VerdictView:
    """A reviewer's verdict as the API shows it."""
    fields = msgspec.structs.asdict(verdict)
    return VerdictView(**{name: fields[name] for name in VerdictView.model_fields})

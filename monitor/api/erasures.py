"""Erasures over HTTP: delete everything about a cohort value, a session or single responses."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from monitor.api.access import GuardedRoute, Who
from monitor.api.context import Running
from monitor.api.desk_models import ActorBody
from monitor.api.models import Body
from monitor.erasure import plain
from monitor.errors import Conflict
from monitor.metadata.erasures import Erasures, Selector

router = APIRouter(route_class=GuardedRoute, tags=["privacy"])


class CohortValue(Body):
    """One value of one cohort key."""

    key: str = Field(min_length=1, max_length=256)
    value: str = Field(min_length=1, max_length=1000)


class ErasureBody(ActorBody):
    """Whose responses: exactly one of the three."""

    cohort: CohortValue | None = None
    session_id: str | None = Field(None, min_length=1, max_length=1000)
    response_ids: list[str] | None = Field(None, min_length=1, max_length=1000)


class ErasureView(Body):
    """How far an erasure is. ``selector`` is hashed once it is done; ``sweeping``: deleted, looked over again at ``sweep_at``."""

    id: str
    state: Literal["running", "sweeping", "done"]
    selector: dict[str, Any]
    counts: dict[str, int]
    requested_by: str
    requested_at: datetime
    sweep_at: datetime
    finished_at: datetime | None


class ErasureList(Body):
    """Erasures, newest first."""

    items: list[ErasureView]


@router.post("/v1/erasures", status_code=200, responses={202: {"model": ErasureView, "description": "Noted; a job goes on with it"}})
def erase(body: ErasureBody, response: Response, running: Running, who: Who) -> ErasureView:
    """Delete responses with their findings, reviews, letters, checks and evidence that no other response uses."""
    if running.erasure is None:
        raise Conflict("erasure", "here", "not possible in this process", "ask the process that leads")
    selector = Selector(
        cohort=None if body.cohort is None else (body.cohort.key, body.cohort.value),
        session_id=body.session_id,
        response_ids=tuple(body.response_ids or ()),
    )
    erasure = running.erasure.request(who.project, selector, who.actor(body.actor))
    response.status_code = 202 if erasure.state == "running" else 200
    return ErasureView.model_validate(plain(erasure))


@router.get("/v1/erasures")
def list_erasures(running: Running, who: Who, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> ErasureList:
    """The latest erasures of this project."""
    return ErasureList(items=[ErasureView.model_validate(plain(one)) for one in Erasures(running.database).list(who.project, limit)])


@router.get("/v1/erasures/{erasure_id}")
def get_erasure(erasure_id: str, running: Running, who: Who) -> ErasureView:
    """One erasure: how far it is and what it deleted."""
    return ErasureView.model_validate(plain(Erasures(running.database).get(who.project, erasure_id)))

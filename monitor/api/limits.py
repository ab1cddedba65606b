"""What a project may send, and what it has sent today."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter

from monitor.api.access import GuardedRoute, Who
from monitor.api.context import Context, Running
from monitor.api.desk_models import LimitsBody, LimitsView
from monitor.metadata.limits import LimitsRecord, ProjectBudgets

router = APIRouter(route_class=GuardedRoute, tags=["operations"])


@router.get("/v1/limits")
def get_limits(running: Running, who: Who) -> LimitsView:
    """The limits of this project (null = none) and its usage of this UTC day."""
    return _view(running, who.project)


@router.put("/v1/limits")
def set_limits(body: LimitsBody, running: Running, who: Who) -> LimitsView:
    """Set all limits of this project at once."""
    limits = LimitsRecord(**body.model_dump(exclude={"actor", "note"}))
    ProjectBudgets(running.database).set_limits(who.project, limits, running.clock.now(), who.actor(body.actor))
    running.limits.forget([who.project])
    return _view(running, who.project)


def _view(running: Context, project: str) -> LimitsView:
    limits, today = running.limits.usage(project)
    return LimitsView(
        project=project,
        **msgspec.structs.asdict(limits),
        responses_today=today.responses,
        evidence_bytes_today=today.evidence_bytes,
    )

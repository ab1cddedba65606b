"""``POST /v1/responses``: the way in."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

import msgspec
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response

from monitor.api.access import GuardedRoute, Who
from monitor.api.context import Context, Running
from monitor.api.intake import Intake
from monitor.api.models import IngestReply
from monitor.api.problems import PROBLEM_TYPE, status_of
from monitor.errors import GroundwatchError
from monitor.ingest import JSON_TYPES, LINES_TYPES, Fate

router = APIRouter(route_class=GuardedRoute, tags=["ingest"])

_RECORD = {"$ref": "#/components/schemas/ResponseRecord"}
_LIST = {"type": "array", "items": _RECORD}
_ENVELOPE = {"type": "object", "required": ["responses"], "additionalProperties": False, "properties": {"responses": _LIST}}
_PROBLEM = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON_TYPES[0]: {"schema": {"anyOf": [_RECORD, _LIST, _ENVELOPE]}},
            LINES_TYPES[0]: {"schema": {"type": "string", "description": "One response record a line."}},
        },
    }
}


@router.post(
    "/v1/responses",
    status_code=202,
    response_model=IngestReply,
    responses={
        200: {"model": IngestReply, "description": "Nothing new"},
        400: {"model": IngestReply, "description": "All refused, or a body that cannot be read", "content": _PROBLEM},
    },
    openapi_extra=_BODY,
)
async def take_responses(request: Request, running: Running, who: Who, references: Literal["refuse", "keep"] = "refuse") -> Response:
    """Log responses. 202: every accepted item is on disk; refused items name the field and the remedy.

    ``references=keep`` takes evidence in whose address is under no allowed prefix; it is never followed and not checked.
    """
    intake: Intake = request.app.state.intake
    headers = request.headers
    kind, encoding = headers.get("content-type", ""), headers.get("content-encoding", "")
    keep = references == "keep"
    try:
        async with intake.body(request) as body:
            fates = await run_sync(_take, running, who.project, body, kind, encoding, keep, limiter=intake.threads)
    except GroundwatchError as error:
        running.metrics.refused_requests.labels(str(status_of(error))).inc()
        raise
    for status, count in Counter(fate.status for fate in fates).items():
        running.metrics.ingested.labels(status).inc(count)
    return _reply(fates)


def _take(running: Context, project: str, body: bytes, kind: str, encoding: str, keep: bool) -> list[Fate]:
    running.limits.check(project)
    fates = running.ingest.take(project, body, kind, encoding, keep_references=keep)
    running.limits.charge(project, responses=sum(fate.status == "accepted" for fate in fates))
    return fates


def _reply(fates: list[Fate]) -> Response:
    """An IngestReply; written from the fates as they are, since a model made of each would cost as much as taking the item in."""
    counts = Counter(fate.status for fate in fates)
    reply = {"accepted": counts["accepted"], "duplicates": counts["duplicate"], "refused": counts["refused"], "items": fates}
    nothing_new = 400 if fates and counts["refused"] == len(fates) else 200
    status = 202 if counts["accepted"] else nothing_new
    return Response(msgspec.json.encode(reply), status, media_type="application/json")

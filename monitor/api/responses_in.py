"""``POST /v1/responses``: the way in."""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

import anyio
import msgspec
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response

from monitor.api.access import GuardedRoute, Who
from monitor.api.context import Running
from monitor.api.models import IngestItem, IngestReply
from monitor.api.problems import status_of
from monitor.errors import GroundwatchError, SlowDown
from monitor.ingest import JSON_TYPES, LINES_TYPES, Fate

router = APIRouter(route_class=GuardedRoute, tags=["ingest"])

# Requests that wait for the disk have threads of their own, so that slow reads never hold up what comes in.
INGEST_THREADS = 64
# Bodies held in memory at once, as a multiple of the largest one.
BODIES_AT_ONCE = 16
_RECORD = {"$ref": "#/components/schemas/ResponseRecord"}
_LIST = {"type": "array", "items": _RECORD}
_ENVELOPE = {"type": "object", "required": ["responses"], "additionalProperties": False, "properties": {"responses": _LIST}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON_TYPES[0]: {"schema": {"anyOf": [_RECORD, _LIST, _ENVELOPE]}},
            LINES_TYPES[0]: {"schema": {"type": "string", "description": "One response record a line."}},
        },
    }
}


class Intake:
    """How much is being taken in right now. Lives on the event loop, so it needs no lock."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.held_bytes = 0
        self.threads = anyio.CapacityLimiter(INGEST_THREADS)


@router.post(
    "/v1/responses",
    status_code=202,
    response_model=IngestReply,
    responses={200: {"model": IngestReply, "description": "Nothing new"}, 400: {"model": IngestReply, "description": "All refused"}},
    openapi_extra=_BODY,
)
async def take_responses(request: Request, running: Running, who: Who) -> Response:
    """Log responses. 202: every accepted item is on disk; refused items name the field and the remedy."""
    intake: Intake = request.app.state.intake
    received = 0
    pieces: list[bytes] = []
    try:
        async for piece in request.stream():
            if intake.held_bytes + len(piece) > intake.max_bytes:
                raise SlowDown("the memory for request bodies", f"{intake.max_bytes} bytes", 1)
            intake.held_bytes += len(piece)
            received += len(piece)
            pieces.append(piece)
        body = b"".join(pieces)
        pieces.clear()
        headers = request.headers
        take = functools.partial(
            running.ingest.take, who.project, body, headers.get("content-type", ""), headers.get("content-encoding", "")
        )
        fates = await run_sync(take, limiter=intake.threads)
    except GroundwatchError as error:
        running.metrics.refused_requests.labels(str(status_of(error))).inc()
        raise
    finally:
        intake.held_bytes -= received
    for status, count in Counter(fate.status for fate in fates).items():
        running.metrics.ingested.labels(status).inc(count)
    return _reply(fates)


def _reply(fates: list[Fate]) -> Response:
    counts = Counter(fate.status for fate in fates)
    reply = IngestReply(
        accepted=counts["accepted"],
        duplicates=counts["duplicate"],
        refused=counts["refused"],
        items=[IngestItem.model_construct(**msgspec.structs.asdict(fate)) for fate in fates],
    )
    nothing_new = 400 if fates and counts["refused"] == len(fates) else 200
    status = 202 if counts["accepted"] else nothing_new
    return Response(reply.model_dump_json(exclude_none=True), status, media_type="application/json")

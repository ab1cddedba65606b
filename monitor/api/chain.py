"""The chain of evidence of one response over HTTP."""

from __future__ import annotations

import json

from fastapi import APIRouter, Response

from monitor.api.access import GuardedRoute, Who
from monitor.api.context import Running
from monitor.chain.export import chain_of
from monitor.errors import NotFound
from monitor.metadata.audit import AuditLog
from monitor.review.queue import ReviewQueue

router = APIRouter(route_class=GuardedRoute, tags=["privacy"])
_DOCUMENT = {"content": {"application/json": {"schema": {"type": "object"}}}}


@router.get("/v1/responses/{response_id}/chain", response_class=Response, responses={200: {"description": "The chain", **_DOCUMENT}})
def get_chain(response_id: str, running: Running, who: Who) -> Response:
    """What the response's verdicts rest on, with hashes and a digest; `groundwatch chain verify` reads it. The audit log notes it."""
    stored = running.reader.response(who.project, response_id)
    if stored is None:
        raise NotFound("response", response_id)
    verdicts = ReviewQueue(running.settings, running.database, running.clock).verdicts_for(who.project, [response_id])
    store, now = running.evidence.of(who.project), running.clock.now()
    document = chain_of(who.project, stored, verdicts.get(response_id, []), store, running.settings.calibration_dir, now)
    facts = {"digest": document["digest"]}
    AuditLog(running.database).add(who.project, now, who.actor("local"), "chain.exported", f"response:{response_id}", facts)
    return Response(json.dumps(document, ensure_ascii=False, indent=2), media_type="application/json")

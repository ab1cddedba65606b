"""Checks on demand: before an answer is shown (``POST /v1/check``), or without waiting (``POST /v1/checks``)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

import anyio
import msgspec
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request

from monitor.api.access import GuardedRoute, Who
from monitor.api.check_models import CheckBody, CheckResult, QueueCheckBody, QueuedCheckView
from monitor.api.context import Context, Running
from monitor.api.responses import claim_views, outcome_view
from monitor.errors import Conflict, RecordInvalid
from monitor.findings import OutcomeRecord, verdict_of
from monitor.metadata.checks import CheckRecord, QueuedChecks
from monitor.records import ResponseRecord, parse_response

router = APIRouter(route_class=GuardedRoute, tags=["check"])

# Those who wait for a deadline have threads of their own.
WAITING_THREADS = 64


@router.post("/v1/check")
async def check_now(body: CheckBody, request: Request, running: Running, who: Who) -> CheckResult:
    """Check an answer before it is shown: what was found until the deadline, and which detectors did not finish.

    Nothing is logged. 429 when too many checks are open.
    """
    threads: anyio.CapacityLimiter = request.app.state.check_threads
    return await run_sync(_check, running, who.project, body, limiter=threads)


def _check(running: Context, project: str, body: CheckBody) -> CheckResult:
    began = time.monotonic()
    record, detectors = _asked(running, project, body.response, body.detectors)
    check = running.desk.take(project, record, detectors, urgent=True)
    outcomes = check.wait(body.deadline_ms / 1000 - (time.monotonic() - began))
    check.abandon()
    return _result(record, detectors, outcomes, (time.monotonic() - began) * 1000)


@router.post("/v1/checks", status_code=202)
def queue_check(body: QueueCheckBody, running: Running, who: Who) -> QueuedCheckView:
    """Queue a check; ``GET /v1/checks/{id}`` tells how far it is, and ``callback_url`` is posted to when it is done."""
    record, detectors = _asked(running, who.project, body.response, body.detectors)
    stored = running.evidence.of(who.project).externalise(record)
    return _view(running.queued_checks.queue(who.project, stored, detectors, body.callback_url))


@router.get("/v1/checks/{check_id}")
def get_check(check_id: str, running: Running, who: Who) -> QueuedCheckView:
    """A queued check: its progress, and the result once it is done."""
    return _view(QueuedChecks(running.database).get(who.project, check_id))


def _asked(
    running: Context, project: str, response: dict[str, Any], detectors: Sequence[str] | None
) -> tuple[ResponseRecord, tuple[str, ...]]:
    """The record to check, and by whom. Raises RecordInvalid, Conflict."""
    if not running.desk.enabled:
        raise Conflict("checks on demand", "check_workers", "0", "set GROUNDWATCH_CHECK_WORKERS")
    running.limits.check(project)
    running.limits.charge(project, responses=1)
    given = {"id": uuid.uuid4().hex, "time": running.clock.now().isoformat(), "workflow": "check", **response}
    # Workers write inline evidence and verdicts to the disk, so what is only checked is masked as well.
    record = running.ingest.redactor.record(parse_response(msgspec.json.encode(given)))
    running.ingest.check_references(record)
    known = running.desk.detectors
    for name in detectors or ():
        if name not in known:
            raise RecordInvalid("detectors", f"{name[:80]!r} is not running here", f"Choose from {', '.join(known)}")
    return record, tuple(detectors or known)


def _result(record: ResponseRecord, detectors: Sequence[str], outcomes: Sequence[OutcomeRecord], spent_ms: float) -> CheckResult:
    ended = {outcome.detector for outcome in outcomes}
    return CheckResult(
        id=record.id,
        verdict=verdict_of(outcomes),
        complete=ended == set(detectors),
        claims=claim_views(record, outcomes),
        outcomes=[outcome_view(outcome) for outcome in outcomes],
        unfinished=[name for name in detectors if name not in ended],
        duration_ms=spent_ms,
    )


def _view(check: CheckRecord) -> QueuedCheckView:
    spent = 0.0 if check.finished_at is None else (check.finished_at - check.created_at).total_seconds() * 1000
    return QueuedCheckView(
        id=check.id,
        url=f"/v1/checks/{check.id}",
        state=check.state,
        detectors_done=len(check.outcomes),
        detectors_total=len(check.detectors),
        result=_result(check.record, check.detectors, check.outcomes, spent),
        callback_state=check.callback_state,
        callback_error=check.last_error,
        created_at=check.created_at,
        finished_at=check.finished_at,
    )

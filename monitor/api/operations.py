"""How the sidecar is doing: health, status, jobs, audit, dead letters, metrics."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response

import monitor
from monitor.api.access import GuardedRoute, Who
from monitor.api.context import Running
from monitor.api.desk_models import (
    AuditPage,
    AuditView,
    DetectorStatus,
    JobList,
    JobView,
    Resumed,
    Status,
)
from monitor.api.problems import problem
from monitor.errors import StoreUnavailable
from monitor.metadata.audit import AuditLog
from monitor.metadata.letters import DeadLetters
from monitor.store.damage import damaged_parts
from monitor.telemetry import METRICS_CONTENT_TYPE

router = APIRouter(route_class=GuardedRoute, tags=["operations"])

Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(max_length=1000)]
_TEXT = {"content": {"text/plain": {"schema": {"type": "string"}}}}


@router.get("/healthz", response_class=Response, responses={200: {"description": "The process answers", **_TEXT}})
async def healthz() -> Response:
    """Whether the process lives. Says nothing about the store."""
    return Response("ok\n", media_type="text/plain")


@router.get("/readyz", response_class=Response, responses={200: {"description": "Responses can be taken in", **_TEXT}})
def readyz(running: Running) -> Response:
    """Whether responses can be taken in; 503 names what keeps them out. A store that is away does not: they wait in the spool."""
    missing = running.not_ready()
    if missing:
        return problem(503, f"not ready: {', '.join(missing)}", headers={"Retry-After": "1"})
    return Response("ready\n", media_type="text/plain")


@router.get("/metrics", response_class=Response, responses={200: {"description": "Prometheus text format", **_TEXT}})
def metrics(running: Running) -> Response:
    """Metrics of this sidecar."""
    return Response(running.metrics.exposition(), headers={"Content-Type": METRICS_CONTENT_TYPE})


@router.get("/v1/status")
def status(running: Running, who: Who) -> Status:
    """Queues, lag, and which detectors can run here."""
    waiting = running.spool.pending()
    oldest = waiting.oldest_received_at
    undetected, store_problem, damaged = None, None, list[tuple[str, str]]()
    try:
        undetected = running.driver.undetected()
        damaged = damaged_parts(running.store)
    except StoreUnavailable as error:
        store_problem = str(error)
    return Status(
        version=monitor.__version__,
        started_at=running.started_at,
        store=running.store.location,
        spooled=waiting.count,
        spool_bytes=waiting.bytes,
        oldest_spooled_s=None if oldest is None else max(0.0, (running.clock.now() - oldest).total_seconds()),
        undetected=undetected,
        store_problem=store_problem,
        dead_letters=DeadLetters(running.database, running.clock).waiting(who.project),
        leader=running.leader,
        workers=running.settings.workers,
        detection_halted=None if running.driver.halted is None else running.driver.halted.reason,
        sealed_with=None if (vault := running.evidence.vault) is None else vault.keys.newest,
        unusable_evidence=0 if vault is None else len(vault.damaged),
        damaged_parts=[path for _, path in damaged],
        silent_calls=running.traces.silent(who.project),
        detectors=[DetectorStatus(**msgspec.structs.asdict(found)) for found in running.driver.detector_status()],
    )


@router.post("/v1/detection/resume")
def resume_detection(running: Running, who: Who) -> Resumed:
    """Let detection go on after it had stopped itself because most of what it looked at failed."""
    was_halted = running.driver.resume()
    if was_halted:
        AuditLog(running.database).add(who.project, running.clock.now(), who.actor("local"), "detection.resume", "detection", {})
    return Resumed(was_halted=was_halted)


@router.get("/v1/jobs")
def list_jobs(running: Running) -> JobList:
    """Every scheduled job and its last run."""
    return JobList(items=[JobView(**msgspec.structs.asdict(job)) for job in running.jobs.list()])


@router.post("/v1/jobs/{name}/run", status_code=202)
def run_job(name: str, running: Running, who: Who) -> JobView:
    """Run a job now, without waiting for it; 404 when there is none of that name."""
    job = running.jobs.run_now(name)
    AuditLog(running.database).add(who.project, running.clock.now(), who.actor("local"), "job.run", f"job:{name}", {})
    return JobView(**msgspec.structs.asdict(job))


@router.get("/v1/audit")
def list_audit(running: Running, who: Who, limit: Limit = 100, cursor: Cursor = None) -> AuditPage:
    """Who did what, newest first."""
    entries, following = AuditLog(running.database).list(who.project, limit, cursor)
    views = [AuditView(at=e.at, actor=e.actor, action=e.action, subject=e.subject, facts=e.facts) for e in entries]
    return AuditPage(items=views, next=following)

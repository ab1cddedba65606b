"""What the routes work with, gathered once by the application and handed to every request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from monitor.api.rendering import Renderer
from monitor.checks.desk import CheckDesk
from monitor.checks.queued import QueuedWork
from monitor.clock import Clock
from monitor.detect.driver import Driver
from monitor.erasure import Erasure
from monitor.errors import StorageUnavailable
from monitor.evidence import EvidenceStore
from monitor.ingest import Ingest
from monitor.jobs.runner import JobRunner
from monitor.limits import Limits
from monitor.metadata.database import Database
from monitor.otlp.reader import RequestReader
from monitor.otlp.traces import Traces
from monitor.settings import Settings
from monitor.spool import Spool
from monitor.store.client import Store
from monitor.store.reading import Reader
from monitor.telemetry import Metrics
from monitor.views import Views


@dataclass(frozen=True, slots=True)
class Context:
    """The running stages. ``leader`` says whether this process runs jobs and detection."""

    settings: Settings
    clock: Clock
    database: Database
    store: Store
    reader: Reader
    spool: Spool
    evidence: EvidenceStore
    ingest: Ingest
    limits: Limits
    traces: Traces
    span_requests: RequestReader
    desk: CheckDesk
    queued_checks: QueuedWork
    driver: Driver
    jobs: JobRunner
    metrics: Metrics
    renderer: Renderer
    started_at: datetime
    leader: bool = True
    # None where another process owns the data.
    erasure: Erasure | None = None
    # None unless `audit_views` is set.
    views: Views | None = None
    # Empty = ready; otherwise what is still missing, in words for the operator.
    not_ready: Callable[[], list[str]] = field(default=list)
    # Told of every write that the disk refused.
    write_refused: Callable[[StorageUnavailable], bool] = field(default=lambda _error: True)


async def _context_of(request: Request) -> Context:
    context = request.app.state.context
    if not isinstance(context, Context):
        raise LookupError("the application was built without its context")
    return context


Running = Annotated[Context, Depends(_context_of)]

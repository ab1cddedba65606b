"""``groundwatch serve``: one process that owns the data folder and runs every stage.

Start: leader lock, port, migrations, store, spool, drain, detection, jobs, delivery, API. Stop goes the other way: no
more requests, the spool gets a bounded time to empty, the stages end, the store closes. A kill at any point loses
nothing: what was acknowledged is in the spool, and every stage goes on where it was.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from typing import cast

import structlog
import uvicorn
from fastapi import FastAPI

from monitor.alerts.delivery import Delivery
from monitor.alerts.rules import RuleBook
from monitor.api.application import create_app
from monitor.api.context import Context
from monitor.api.rendering import Renderer
from monitor.checks.desk import CheckDesk
from monitor.checks.queued import QueuedWork
from monitor.clock import Clock, SystemClock
from monitor.detect.driver import Driver
from monitor.drain import Drain, OnDeadLetter
from monitor.erasure import Erasure
from monitor.errors import GroundwatchError, StorageUnavailable, StoreUnavailable
from monitor.evidence import EvidenceStore
from monitor.ingest import Ingest
from monitor.jobs.erasure import ErasureJob
from monitor.jobs.evidence_retention import EvidenceRetentionJob
from monitor.jobs.runner import JobRunner
from monitor.jobs.stalls import Stall
from monitor.leader import Leadership
from monitor.limits import Limits
from monitor.metadata.database import Database
from monitor.metadata.keys import ApiKeys
from monitor.metadata.letters import DeadLetters
from monitor.migrate import migrate
from monitor.otlp.reader import RequestReader
from monitor.otlp.traces import Traces
from monitor.records import DEFAULT_PROJECT
from monitor.retention import EvidenceRetention
from monitor.room import Room
from monitor.sealing import PlainFolder, Vault, begin_sealing
from monitor.settings import Settings
from monitor.spool import Spool
from monitor.store.client import Store
from monitor.store.damage import REMEDY, damaged_parts
from monitor.store.reading import Reader
from monitor.store.writer import Writer
from monitor.telemetry import Metrics, Reading
from monitor.tracing import configure_tracing, end_tracing
from monitor.views import Views

# How long the spool may take to empty at the end; what is left is drained at the next start.
FLUSH_LIMIT_S = 5.0
# After this the process ends however its stages are doing; nothing acknowledged depends on a clean end.
STOP_LIMIT_S = 25.0
REQUESTS_LIMIT_S = 5
# Share of the spool's ceiling from which the next request may not fit any more.
_FULL = 0.99
# An exporter sends a batch again within minutes; later the record's own id tells a span that comes twice.
SPANS_KNOWN_FOR = timedelta(days=1)
_BACKLOG = 2048
# Objects made before each generation is searched for cycles. Python's own 700 had the collector walk through the records of
# a batch dozens of times on their way to the store: a third of the time it takes. Records have no cycles.
_COLLECT_AFTER = (20_000, 20, 50)

log = structlog.get_logger(__name__)


class PortTaken(GroundwatchError):
    """The sidecar cannot listen where it should."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        remedies = {
            errno.EADDRINUSE: "Stop what listens there, or choose another with --port",
            errno.EACCES: "Choose a port above 1023 with --port",
        }
        remedy = remedies.get(error.errno or 0, "Choose an address of this machine with --host")
        super().__init__(f"cannot listen on {host}:{port}: {error.strerror or error}. {remedy}")


class KeyRequired(GroundwatchError):
    """The sidecar would be open to the network without a single key."""

    def __init__(self, host: str) -> None:
        super().__init__(f"callers of {host} need an API key and none exists: create one with `groundwatch keys create NAME --role admin`")


class Service:
    """Every stage of one data folder, started by the constructor and ended by :meth:`stop`.

    Raises:
        AlreadyRunning, StorageUnavailable, StoreUnavailable, MigrationRequired, KeyRequired, SettingsInvalid.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self._closing = ExitStack()
        try:
            self._closing.enter_context(Leadership(settings.data))
            self.context = self._start()
        except BaseException:
            self._closing.close()
            raise

    def _start(self) -> Context:
        settings, clock, closing = self.settings, self.clock, self._closing
        started_at = clock.now()
        keys = begin_sealing(settings)
        vault = None
        if keys is not None:
            vault = Vault(keys, PlainFolder(settings.plain_dir))
            closing.callback(vault.plain.close)
            closing.enter_context(vault.plain.for_temporary_files())
        migrate(settings)
        database = Database(settings.sqlalchemy_url, keys)
        closing.callback(database.dispose)
        if not settings.single_user and not settings.oidc_issuer:
            require_key(database, settings.host, started_at)
        RuleBook(database).ensure_defaults(DEFAULT_PROJECT, started_at)
        store = Store.named(settings)
        closing.callback(store.close)
        owed: Callable[[], None] | None = None
        try:
            _prepare(settings, store)
        except StoreUnavailable as error:
            if store.embedded:
                raise
            owed = partial(_prepare, settings, store)
            # A restart while the server is away must not turn responses away: they wait in the spool.
            log.warning("starting without the store", cause=str(error), setting="GROUNDWATCH_CLICKHOUSE_URL")
        kept = timedelta(days=settings.retention_days)
        spool = Spool(settings.spool_path, settings.spool_max_bytes, settings.spool_commit_ms, clock, kept, keys)
        closing.callback(spool.close)
        reader, writer = Reader(store), Writer(store)
        evidence = EvidenceStore(settings.blob_url, settings.max_evidence_bytes, settings.cache_dir, vault)
        letters = DeadLetters(database, clock)
        metrics = Metrics()
        metrics.at_scrape(lambda: _readings(spool, traces, driver, vault, clock))
        ingest = Ingest(settings, spool, evidence, clock)
        redact = ingest.redactor.outcome
        driver = Driver(settings, reader, writer, database, evidence, clock, on_lag=metrics.detection_lag.observe, redact=redact)
        delivery = Delivery(settings, database, clock)
        limits = Limits(database, clock)
        closing.callback(limits.flush)
        span_spool = Spool(settings.traces_path, settings.spool_max_bytes, settings.spool_commit_ms, clock, SPANS_KNOWN_FOR, keys)
        closing.callback(span_spool.close)
        traces = Traces(
            span_spool,
            ingest,
            settings.trace_wait_s,
            cast(OnDeadLetter, letters.add),
            on_stand_ins=lambda project, responses: limits.charge(project, responses=responses),
        )
        drain = Drain(spool, writer, clock, cast(OnDeadLetter, letters.add), owed)
        views = Views(database, clock) if settings.audit_views else None
        if views is not None:
            views.start()
            closing.callback(views.stop)
        erasure = Erasure(settings, store, spool, evidence, database, clock)
        retention = EvidenceRetention(settings, store, spool, evidence, database, clock)
        jobs = JobRunner(
            settings, reader, database, clock, lambda: _stalls(drain, driver), [ErasureJob(erasure), EvidenceRetentionJob(retention)]
        )
        drain.start()
        closing.callback(drain.stop)
        closing.callback(_flush, spool)
        traces.start()
        closing.callback(traces.stop)
        driver.start()
        closing.callback(driver.stop, drain=False)
        desk = CheckDesk(settings, evidence.url, clock, redact=redact, vault=vault)
        closing.callback(desk.stop)
        queued_checks = QueuedWork(settings, database, desk, clock)
        queued_checks.start()
        closing.callback(queued_checks.stop)
        delivery.start()
        closing.callback(delivery.stop)
        jobs.start()
        closing.callback(jobs.stop)
        span_requests = RequestReader(assemble=not ingest.redactor.active)
        closing.callback(span_requests.stop)
        renderer = Renderer()
        closing.callback(renderer.stop)
        room = Room(settings.data)
        return Context(
            settings=settings,
            clock=clock,
            database=database,
            store=store,
            reader=reader,
            spool=spool,
            evidence=evidence,
            ingest=ingest,
            limits=limits,
            traces=traces,
            span_requests=span_requests,
            desk=desk,
            queued_checks=queued_checks,
            driver=driver,
            jobs=jobs,
            metrics=metrics,
            renderer=renderer,
            started_at=started_at,
            erasure=erasure,
            views=views,
            not_ready=lambda: _not_ready(spool, settings.spool_max_bytes, room),
            write_refused=room.note,
        )

    def application(self) -> FastAPI:
        """The API over these stages."""
        return create_app(self.context)

    def stop(self) -> None:
        """End every stage in order. Doing it again changes nothing."""
        self._closing.close()


def require_key(database: Database, host: str, now: datetime) -> None:
    """Raises KeyRequired unless at least one key can be used."""
    keys = ApiKeys(database)
    for project in keys.projects():
        if any(key.revoked_at is None and (key.expires_at is None or key.expires_at > now) for key in keys.list(project)):
            return
    raise KeyRequired(host)


def _readings(spool: Spool, traces: Traces, driver: Driver, vault: Vault | None, clock: Clock) -> Iterator[Reading]:
    waiting, done = spool.pending(), driver.counters()
    oldest = waiting.oldest_received_at
    age = 0.0 if oldest is None else max(0.0, (clock.now() - oldest).total_seconds())
    yield Reading(name="spool_records", documentation="Records on disk that the store does not have yet.", values={(): waiting.count})
    yield Reading(name="spool_bytes", documentation="Size of those records.", values={(): waiting.bytes})
    yield Reading(name="spool_oldest_seconds", documentation="Age of the oldest of them.", values={(): age})
    yield Reading(name="otlp_open_traces", documentation="Traces that wait for their root span.", values={(): traces.open_traces})
    silent = "Model calls that came without what was said, and cannot be checked."
    yield Reading(name="otlp_silent_calls", documentation=silent, values={(): traces.silent()}, counts=True)
    if vault is not None:
        unusable = "Blobs that did not open since the start: damaged, replaced, or sealed with a key that is missing."
        yield Reading(name="evidence_unusable", documentation=unusable, values={(): len(vault.damaged)})
    yield Reading(
        name="detect_outcomes",
        documentation="How detectors ended on responses, by state.",
        labels=("detector", "state"),
        values={(detector, state): count for (detector, state), count in done.outcomes.items()},
        counts=True,
    )
    for name, counted, documentation in (
        ("verdict_cache_hits", done.cache_hits, "Responses whose verdicts were all known from the same content before."),
        ("verdict_cache_misses", done.cache_misses, "Responses of which something had to be judged."),
    ):
        values: dict[tuple[str, ...], float] = {(detector,): count for detector, count in counted.items()}
        yield Reading(name=name, documentation=documentation, labels=("detector",), values=values, counts=True)
    yield Reading(name="detect_worker_restarts", documentation="Workers replaced.", values={(): done.worker_restarts}, counts=True)
    yield Reading(name="detect_open_responses", documentation="Responses being looked at now.", values={(): done.open_responses})


def _stalls(drain: Drain, driver: Driver) -> list[Stall]:
    found = []
    if drain.failing_since is not None:
        found.append(Stall(stage="store", reason=drain.last_error or "unknown", since=drain.failing_since))
    if (halted := driver.halted) is not None:
        found.append(Stall(stage="detect", reason=halted.reason, since=halted.since))
    return found


def _prepare(settings: Settings, store: Store) -> None:
    store.create()
    migrate(settings, store)
    for table, path in damaged_parts(store):
        log.error("a part of the store is damaged and left out", table=table, path=path, remedy=REMEDY)


def _not_ready(spool: Spool, max_bytes: int, room: Room) -> list[str]:
    """What keeps responses out. Not the store: a balancer that turned away for it would lose what the spool is there to keep."""
    try:
        waiting = spool.pending()
    except StorageUnavailable as error:
        return [str(error)]
    full = "the spool is full" if waiting.bytes >= _FULL * max_bytes else None
    return [reason for reason in (full, room.missing()) if reason is not None]


def _flush(spool: Spool) -> None:
    limit = time.monotonic() + FLUSH_LIMIT_S
    while spool.pending().count and time.monotonic() < limit:
        time.sleep(0.02)


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Run the sidecar until SIGTERM or SIGINT.

    Raises:
        GroundwatchError: it cannot start; names what and the remedy.
    """
    listening = _listen(settings)
    # uvicorn hands the signal on when it is done; by then it has had its effect.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    began = time.monotonic()
    provider = configure_tracing(settings.own_traces_url)
    service = Service(settings)
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
    gc.enable()
    try:
        server = uvicorn.Server(
            uvicorn.Config(
                service.application(),
                loop="uvloop",
                http="httptools",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=REQUESTS_LIMIT_S,
            )
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: None)
        log.info(
            "serving", url=f"http://{settings.host}:{settings.port}", data=str(settings.data), start_s=round(time.monotonic() - began, 2)
        )
        say(f"groundwatch listens on http://{settings.host}:{settings.port} (data: {settings.data})")
        server.run(sockets=[listening])
    finally:
        _end_at_the_latest(STOP_LIMIT_S)
        service.stop()
        end_tracing(provider)
        log.info("stopped")


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host, settings.port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise PortTaken(settings.host, settings.port, error) from error
    listening.set_inheritable(False)
    return listening


def _end_at_the_latest(seconds: float) -> None:
    def end() -> None:
        log.error("stages did not end in time, ending the process", limit_s=seconds)
        os._exit(1)

    watchdog = threading.Timer(seconds, end)
    watchdog.daemon = True
    watchdog.start()

"""Runs the jobs in time, one at a time each, and keeps a row of every run. Only the elected leader starts one.

APScheduler 3.11 keeps the time: a late tick is run once (``coalesce``), a tick that finds its job still running is
dropped (``max_instances=1``). What a run found and how it ended lives in ``job_runs``, not in the scheduler, so any
process can list it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from monitor.alerts.lifecycle import Lifecycle
from monitor.alerts.rules import RuleBook
from monitor.clock import Clock
from monitor.errors import Conflict, NotFound
from monitor.jobs.cost import CostJob
from monitor.jobs.dead_letters import DeadLetterJob
from monitor.jobs.drift import DriftJob
from monitor.jobs.job import Job, JobFacts, Watch
from monitor.jobs.latency import LatencyJob
from monitor.jobs.modality import ModalityJob
from monitor.jobs.review_fill import ReviewFillJob
from monitor.jobs.stalls import Stall, StallJob
from monitor.metadata.database import Database
from monitor.metadata.jobs import JobRuns, RunRecord, RunState
from monitor.metadata.keys import ApiKeys
from monitor.settings import Settings
from monitor.store.reading import Reader
from monitor.tracing import span

# A tick that comes later than this is dropped; a machine that slept should not run yesterday's ticks.
MISFIRE_GRACE_S = 600
# Runs of this age are forgotten, but for the latest of each job.
KEEP_RUNS = timedelta(days=14)

log = structlog.get_logger(__name__)


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One job and its last run; ``next_run_at`` is None where no scheduler runs in this process."""

    name: str
    interval_s: int
    next_run_at: datetime | None
    last_started_at: datetime | None
    last_finished_at: datetime | None
    last_state: RunState | None
    last_error: str | None
    last_facts: dict[str, Any]


class JobRunner:
    """All jobs of the service; ``more`` are those that need other stages than the rest."""

    def __init__(
        self,
        settings: Settings,
        reader: Reader,
        database: Database,
        clock: Clock,
        stalls: Callable[[], Sequence[Stall]] = list,
        more: Sequence[Job] = (),
    ) -> None:
        self._clock = clock
        self._runs = JobRuns(database)
        self._watch = Watch(
            reader=reader, rules=RuleBook(database), lifecycle=Lifecycle(settings, database), keys=ApiKeys(database), clock=clock
        )
        jobs: list[Job] = [
            DriftJob(self._watch, settings.drift_interval_s),
            CostJob(self._watch, settings.cost_interval_s),
            LatencyJob(self._watch, settings.latency_interval_s),
            ModalityJob(self._watch, settings.latency_interval_s),
            DeadLetterJob(self._watch, settings.latency_interval_s, database),
            StallJob(self._watch, settings.latency_interval_s, stalls),
            ReviewFillJob(self._watch, settings, database),
            *more,
        ]
        self._jobs = {job.name: job for job in jobs}
        self._locks = {name: threading.Lock() for name in self._jobs}
        self._scheduler: BackgroundScheduler | None = None

    def start(self) -> None:
        """Begin to run the jobs, each for the first time soon; runs a killed process left behind become failed."""
        if self._scheduler is not None:
            return
        self._runs.interrupt_running(self._clock.now())
        scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": MISFIRE_GRACE_S}
        )
        for name, job in self._jobs.items():
            # The hourly jobs look at once, too: an incident does not wait for the first full hour after a restart.
            first = datetime.now(UTC) + timedelta(seconds=min(job.interval_s, 15))
            scheduler.add_job(self._tick, "interval", seconds=job.interval_s, args=[name], id=name, next_run_time=first)
        scheduler.start()
        self._scheduler = scheduler

    def stop(self) -> None:
        """Stop ticking and wait for runs under way."""
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            scheduler.shutdown(wait=True)

    def run(self, name: str) -> RunRecord:
        """Run one job here and now and return its run, failed or not.

        Raises:
            NotFound: there is no such job.
            Conflict: it is running already.
        """
        job = self._job(name)
        lock = self._locks[name]
        if not lock.acquire(blocking=False):
            raise Conflict("job", name, "running", "wait until it has ended")
        try:
            return self._record(job)
        finally:
            lock.release()

    def run_now(self, name: str) -> JobStatus:
        """Have the scheduler run one job at once, without waiting for it. Raises NotFound, or Conflict without a scheduler."""
        self._job(name)
        if self._scheduler is None:
            raise Conflict("job", name, "not scheduled in this process", "ask the process that leads")
        self._scheduler.modify_job(name, next_run_time=datetime.now(UTC))
        return self.status(name)

    def status(self, name: str) -> JobStatus:
        """One job and its last run; raises NotFound."""
        job = self._job(name)
        last = self._runs.last(name)
        ticking = None if self._scheduler is None else self._scheduler.get_job(name)
        return JobStatus(
            name=name,
            interval_s=job.interval_s,
            next_run_at=None if ticking is None else ticking.next_run_time,
            last_started_at=None if last is None else last.started_at,
            last_finished_at=None if last is None else last.finished_at,
            last_state=None if last is None else last.state,
            last_error=None if last is None else last.error,
            last_facts={} if last is None else last.facts,
        )

    def list(self) -> Sequence[JobStatus]:
        """Every job and its last run."""
        return [self.status(name) for name in self._jobs]

    def _job(self, name: str) -> Job:
        if name not in self._jobs:
            raise NotFound("job", name)
        return self._jobs[name]

    def _tick(self, name: str) -> None:
        try:
            self.run(name)
        except Conflict:
            log.info("job_skipped", job=name, reason="still running")

    def _record(self, job: Job) -> RunRecord:
        run_id = self._runs.begin(job.name, self._clock.now())
        facts = JobFacts()
        try:
            errors = self._each_project(job, facts)
        except Exception as trouble:  # noqa: BLE001 - whatever a job dies of is in its row; the other jobs must go on
            errors = [_said(trouble)]
        if errors:
            log.warning("job_failed", job=job.name, errors=errors)
        self._runs.prune(self._clock.now() - KEEP_RUNS)
        return self._runs.finish(run_id, self._clock.now(), facts.plain(), "; ".join(errors) or None)

    def _each_project(self, job: Job, facts: JobFacts) -> Sequence[str]:
        errors = []
        for project in self._watch.projects():
            try:
                with span(f"job {job.name}", {"groundwatch.project": project}):
                    job.look(project, facts)
            except Exception as trouble:  # noqa: BLE001 - one project's trouble is in the run's row; the others are looked at
                errors.append(f"{project}: {_said(trouble)}")
        return errors


def _said(trouble: Exception) -> str:
    return f"{type(trouble).__name__}: {trouble}"

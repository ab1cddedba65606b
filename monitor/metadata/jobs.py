"""Runs of scheduled jobs: when, how they ended, what they found."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Literal, cast

import msgspec
from sqlalchemy import delete, func, select, update

from monitor.errors import NotFound
from monitor.metadata.changes import changed_rows
from monitor.metadata.database import Database
from monitor.metadata.tables import JobRun

RunState = Literal["running", "succeeded", "failed"]


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One run; ``error`` is set exactly when it failed."""

    id: str
    job: str
    started_at: datetime
    finished_at: datetime | None
    state: RunState
    facts: dict[str, Any]
    error: str | None


class JobRuns:
    """The runs of all jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, job: str, now: datetime) -> str:
        """Note that a run begins; returns its id."""
        run_id = uuid.uuid4().hex
        with self._database.session() as session:
            session.add(JobRun(id=run_id, job=job, started_at=now, finished_at=None, state="running", facts={}, error=None))
        return run_id

    def finish(self, run_id: str, now: datetime, facts: dict[str, Any], error: str | None = None) -> RunRecord:
        """Note how the run ended; raises NotFound."""
        state = "succeeded" if error is None else "failed"
        with self._database.session() as session:
            changed_rows(session, update(JobRun).where(JobRun.id == run_id).values(finished_at=now, state=state, facts=facts, error=error))
            row = session.get(JobRun, run_id)
            if row is None:
                raise NotFound("job run", run_id)
            return _record(row)

    def interrupt_running(self, now: datetime) -> int:
        """Runs a killed process left behind become failed; how many. Only the leader calls this, before it starts jobs."""
        with self._database.session() as session:
            return changed_rows(
                session,
                update(JobRun)
                .where(JobRun.state == "running")
                .values(state="failed", finished_at=now, error="interrupted: the process ended before the job did"),
            )

    def last(self, job: str, state: RunState | None = None) -> RunRecord | None:
        """The latest run of a job, or the latest that ended in ``state``."""
        query = select(JobRun).where(JobRun.job == job)
        if state is not None:
            query = query.where(JobRun.state == state)
        with self._database.session() as session:
            row = session.scalars(query.order_by(JobRun.started_at.desc(), JobRun.id.desc()).limit(1)).one_or_none()
            return None if row is None else _record(row)

    def prune(self, before: datetime) -> int:
        """Forget runs begun before this time, except the latest of each job; how many."""
        latest = select(func.max(JobRun.started_at)).group_by(JobRun.job)
        with self._database.session() as session:
            return changed_rows(session, delete(JobRun).where(JobRun.started_at < before, JobRun.started_at.not_in(latest)))


def _record(row: JobRun) -> RunRecord:
    return RunRecord(
        id=row.id,
        job=row.job,
        started_at=row.started_at,
        finished_at=row.finished_at,
        state=cast(RunState, row.state),
        facts=dict(row.facts),
        error=row.error,
    )

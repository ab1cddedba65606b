"""Per-project rate and daily quotas, asked before a request is taken and charged with what was really accepted.

The rate is a token bucket of one minute: a project may send a minute's worth at once and then at its pace. A request may
overdraw the bucket by what it holds; the next one waits until it is level again. Daily usage is kept in memory and
written down every few seconds, so a kill forgets seconds of it, never a record.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from monitor.clock import Clock
from monitor.errors import MetadataUnavailable, SlowDown
from monitor.metadata.database import Database
from monitor.metadata.limits import LimitsRecord, ProjectBudgets, UsageRecord

# A changed limit is noticed within seconds; load must not reach the database.
FRESH_S = 5.0
WRITE_EVERY_S = 5.0

log = structlog.get_logger(__name__)


class _Meter:
    """One project: its limits as last read, its bucket, and today's usage."""

    def __init__(self, limits: LimitsRecord, usage: UsageRecord, now: datetime) -> None:
        self.limits = limits
        self.read_at = self.filled_at = self.written_at = now
        self.tokens = float(limits.responses_per_minute or 0)
        self.day = day_of(now)
        self.known = usage
        self.unwritten = UsageRecord()

    def refill(self, now: datetime) -> None:
        """What the time since the last look has earned."""
        rate = self.limits.responses_per_minute
        if rate is not None:
            self.tokens = min(float(rate), self.tokens + (now - self.filled_at).total_seconds() * rate / 60)
        self.filled_at = now

    @property
    def today(self) -> UsageRecord:
        """Written and unwritten together."""
        return _sum(self.known, self.unwritten)


class Limits:
    """Asked and charged by the ways in. Thread-safe."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._budgets = ProjectBudgets(database)
        self._clock = clock
        self._lock = threading.Lock()
        self._meters: dict[str, _Meter] = {}

    def check(self, project: str, *, evidence: bool = False) -> None:
        """Whether this project may send now: responses, or with ``evidence`` a blob.

        Raises:
            SlowDown: its rate or its quota is used up; says when to come again.
        """
        now = self._clock.now()
        with self._lock:
            meter = self._meter(project, now)
            limits, today = meter.limits, meter.today
            midnight = math.ceil((_next_day(now) - now).total_seconds())
            if evidence:
                if limits.evidence_bytes_per_day is not None and today.evidence_bytes >= limits.evidence_bytes_per_day:
                    raise SlowDown(f"project {project}", f"{limits.evidence_bytes_per_day} bytes of evidence a day", midnight)
                return
            if limits.responses_per_day is not None and today.responses >= limits.responses_per_day:
                raise SlowDown(f"project {project}", f"{limits.responses_per_day} responses a day", midnight)
            rate = limits.responses_per_minute
            if rate is not None and meter.tokens < 1:
                raise SlowDown(f"project {project}", f"{rate} responses a minute", max(1, math.ceil((1 - meter.tokens) * 60 / rate)))

    def charge(self, project: str, *, responses: int = 0, evidence_bytes: int = 0) -> None:
        """Note what was accepted."""
        if not responses and not evidence_bytes:
            return
        now = self._clock.now()
        with self._lock:
            meter = self._meter(project, now)
            meter.tokens -= responses
            meter.unwritten = _sum(meter.unwritten, UsageRecord(responses=responses, evidence_bytes=evidence_bytes))
            if (now - meter.written_at).total_seconds() >= WRITE_EVERY_S:
                self._write(project, meter, now)

    def usage(self, project: str) -> tuple[LimitsRecord, UsageRecord]:
        """A project's limits and what it has sent today."""
        with self._lock:
            meter = self._meter(project, self._clock.now())
            return meter.limits, meter.today

    def flush(self) -> None:
        """Write everything down, at the end."""
        now = self._clock.now()
        with self._lock:
            for project, meter in self._meters.items():
                self._write(project, meter, now)

    def forget(self, projects: Sequence[str]) -> None:
        """Read their limits again at the next request: they were just changed."""
        with self._lock:
            for project in projects:
                if (meter := self._meters.get(project)) is not None:
                    meter.read_at -= timedelta(seconds=FRESH_S)

    def _meter(self, project: str, now: datetime) -> _Meter:
        meter = self._meters.get(project)
        try:
            if meter is None:
                meter = _Meter(self._budgets.limits(project), self._budgets.usage(project, day_of(now)), now)
                self._meters[project] = meter
            elif (now - meter.read_at).total_seconds() >= FRESH_S:
                before, meter.limits = meter.limits, self._budgets.limits(project)
                meter.read_at = now
                if before.responses_per_minute != meter.limits.responses_per_minute:
                    meter.tokens = float(meter.limits.responses_per_minute or 0)
            if meter.day != day_of(now):
                self._write(project, meter, now)
                meter.day, meter.known = day_of(now), UsageRecord()
        except MetadataUnavailable as error:
            # Limits protect others from one project; a database that is away must not stop everybody's logging.
            log.warning("limits are as last known", project=project, error=str(error))
            if meter is None:
                return _Meter(LimitsRecord(), UsageRecord(), now)
        meter.refill(now)
        return meter

    def _write(self, project: str, meter: _Meter, now: datetime) -> None:
        sent, meter.written_at = meter.unwritten, now
        if sent == UsageRecord():
            return
        try:
            self._budgets.add_usage(project, meter.day, sent, now)
        except MetadataUnavailable as error:
            log.warning("usage is written down later", project=project, error=str(error))
            return
        meter.known, meter.unwritten = _sum(meter.known, sent), UsageRecord()


def day_of(now: datetime) -> str:
    """The UTC day that a quota counts by."""
    return f"{now:%Y-%m-%d}"


def _next_day(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _sum(one: UsageRecord, other: UsageRecord) -> UsageRecord:
    return UsageRecord(responses=one.responses + other.responses, evidence_bytes=one.evidence_bytes + other.evidence_bytes)

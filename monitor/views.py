"""Who opened which response and which evidence, for the audit log. Readers do not wait for it.

One entry a key, subject and UTC day. Views are written within :data:`WRITE_EVERY_S`; a kill loses those of that time.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from datetime import datetime

import structlog

from monitor.clock import Clock
from monitor.errors import GroundwatchError
from monitor.metadata.audit import AuditLog
from monitor.metadata.database import Database

WRITE_EVERY_S = 2.0
_LONGEST_WAIT_S = 10.0

log = structlog.get_logger(__name__)


class Views:
    """Takes views from any thread; a thread of its own writes them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._log = AuditLog(database)
        self._clock = clock
        self._lock = threading.Lock()
        self._day = _day(clock.now())
        self._seen: set[tuple[str, str, str]] = set()
        self._waiting: list[tuple[str, datetime, str, str]] = []
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin writing."""
        self._thread = threading.Thread(target=self._run, name="views", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then end."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(_LONGEST_WAIT_S)
            self._thread = None

    def note(self, project: str, actor: str, subject: str) -> None:
        """Somebody saw something; ``subject`` is ``response:<id>`` or ``evidence:<sha256>``."""
        now = self._clock.now()
        with self._lock:
            if (day := _day(now)) != self._day:
                self._day, self._seen = day, set()
            if (key := (project, actor, subject)) not in self._seen:
                self._seen.add(key)
                self._waiting.append((project, now, actor, subject))

    def write(self) -> int:
        """Write what waits; how many entries were new. Raises MetadataUnavailable, and then they wait on."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        groups: dict[tuple[str, datetime], list[tuple[datetime, str, str]]] = defaultdict(list)
        for project, at, actor, subject in waiting:
            groups[project, _day(at)].append((at, actor, subject))
        try:
            return sum(self._log.add_views(project, day, views) for (project, day), views in groups.items())
        except GroundwatchError:
            # What was written before the failure is known by then and not written twice.
            with self._lock:
                self._waiting = waiting + self._waiting
            raise

    def _run(self) -> None:
        while True:
            last = self._ending.wait(WRITE_EVERY_S)
            try:
                self.write()
            except GroundwatchError as error:
                log.warning("views wait", error=str(error))
            if last:
                return


def _day(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)

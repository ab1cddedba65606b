"""Checks on demand: an answer is judged before it is shown, by workers of their own that the backlog never reaches.

The workers start with the first check and end after a while without any. Work goes out one detector at a time, those
who wait for an answer first. When a deadline has passed, the check's other detectors are not begun; the one at work may
end, since a repeated check finds its verdicts kept, unless somebody else would have to wait for it.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence

import msgspec
import structlog

from monitor.clock import Clock
from monitor.detect.cases import visible
from monitor.detect.catalogues import failures_of
from monitor.detect.engine import Engine, WorkItem, outcome_of
from monitor.detect.local import LocalEngine
from monitor.detect.wire import CATALOGUE_MODULE, Judgement, config_of
from monitor.errors import SlowDown
from monitor.findings import OutcomeRecord
from monitor.records import ResponseRecord
from monitor.sealing import Vault
from monitor.settings import Settings

# Checks that wait or are being worked on; more of them would only miss their deadlines.
MOST_OPEN = 64
IDLE_LIMIT_S = 900.0
_COLLECT_S = 0.02
# Unwanted work gives way to a check that no worker has been free for this long …
KEPT_WAITING_S = 0.25
# … once it was judged this long itself: most detectors end sooner, and a new worker has to load its models again.
_LET_END_S = 1.0
_RETRY_AFTER_S = 2

log = structlog.get_logger(__name__)


class Check:
    """One answer being checked. ``outcomes`` grows as detectors end; read it through :meth:`wait` or :meth:`so_far`."""

    def __init__(self, project: str, record: ResponseRecord, detectors: Sequence[str], *, urgent: bool) -> None:
        self.project = project
        self.record = record
        self.detectors = tuple(detectors)
        self.urgent = urgent
        # Two checks may be about the same response: each travels under a name of its own.
        self.name = uuid.uuid4().hex
        self._left = deque(detectors)
        self._outcomes: dict[str, OutcomeRecord] = {}
        self._changed = threading.Condition()
        self._abandoned = False
        self._running = 0
        self._idle_since = time.monotonic()

    @property
    def finished(self) -> bool:
        """Whether every detector has ended."""
        return len(self._outcomes) == len(self.detectors)

    def so_far(self) -> list[OutcomeRecord]:
        """The outcomes there are, in the order of the detectors."""
        with self._changed:
            return [self._outcomes[name] for name in self.detectors if name in self._outcomes]

    def wait(self, timeout_s: float) -> list[OutcomeRecord]:
        """The outcomes there are when all detectors have ended, or after ``timeout_s``."""
        limit = time.monotonic() + timeout_s
        with self._changed:
            while not self.finished and (left := limit - time.monotonic()) > 0:
                self._changed.wait(left)
        return self.so_far()

    def abandon(self) -> None:
        """Nobody waits any more: detectors that have not begun are not begun."""
        self._abandoned = True

    def next_detector(self) -> str | None:
        """The next one to run; None when all have begun, or nobody waits."""
        if not self._left or self._abandoned:
            return None
        self._running += 1
        return self._left.popleft()

    @property
    def at_work(self) -> int:
        """How many of its detectors are with the workers."""
        return self._running

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.finished or (self._abandoned and self._running == 0)

    @property
    def unwanted(self) -> bool:
        """Whether a detector is at work for it although nobody waits any more."""
        return self._abandoned and self._running > 0

    @property
    def kept_waiting(self) -> bool:
        """Whether somebody waits for it and no worker has been free for it for a while."""
        idle = self._running == 0 and bool(self._left) and not self._abandoned
        return idle and time.monotonic() - self._idle_since >= KEPT_WAITING_S

    def give_up(self, batches: int) -> None:
        """So many of its detectors at work were stopped."""
        self._running -= batches

    def note(self, outcome: OutcomeRecord) -> None:
        """One detector has ended."""
        with self._changed:
            self._running -= 1
            self._idle_since = time.monotonic()
            self._outcomes[outcome.detector] = msgspec.structs.replace(outcome, response_id=self.record.id)
            self._changed.notify_all()


class CheckDesk:
    """Takes checks from any thread; one thread drives the workers.

    Raises:
        SettingsInvalid: a configured detector does not exist.
    """

    def __init__(
        self,
        settings: Settings,
        evidence_url: str,
        clock: Clock,
        make_engine: Callable[[], Engine] | None = None,
        catalogue: str = CATALOGUE_MODULE,
        redact: Callable[[OutcomeRecord], OutcomeRecord] | None = None,
        vault: Vault | None = None,
    ) -> None:
        self._vault = vault
        self._redact = redact or (lambda outcome: outcome)
        self._settings = settings
        self._clock = clock
        self.detectors = tuple(failures_of(settings.detectors, catalogue))
        config = config_of(settings, evidence_url=evidence_url, keys=None if vault is None else vault.keys)
        self._make_engine = make_engine or (lambda: LocalEngine(config, settings.check_workers, settings.item_timeout_s, clock))
        self._engine: Engine | None = None
        self._arrived = threading.Condition()
        self._open: dict[str, Check] = {}
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def enabled(self) -> bool:
        """With no workers for it nothing can be checked on demand."""
        return self._settings.check_workers > 0

    def stop(self) -> None:
        """End the workers at once; whoever waits hears what was found so far."""
        with self._arrived:
            self._stopping = True
            self._arrived.notify()
        if self._thread is not None:
            self._thread.join(30)
            self._thread = None

    def take(self, project: str, record: ResponseRecord, detectors: Sequence[str], *, urgent: bool) -> Check:
        """Begin to check one answer; ``urgent`` ones go before the others.

        Raises:
            SlowDown: too many are open.
        """
        check = Check(project, record, list(dict.fromkeys(detectors)), urgent=urgent)
        with self._arrived:
            if len(self._open) >= MOST_OPEN:
                raise SlowDown("checks on demand", f"{MOST_OPEN} open checks", _RETRY_AFTER_S)
            self._open[check.name] = check
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="check-desk", daemon=True)
                self._thread.start()
            self._arrived.notify()
        return check

    # --- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping:
                try:
                    self._turn()
                except Exception:
                    log.exception("checks on demand begin again with new workers")
                    self._end_engine()
                    self._fail_open("the workers failed; see the service's log")
        finally:
            self._end_engine()

    def _turn(self) -> None:
        with self._arrived:
            self._open = {name: check for name, check in self._open.items() if not check.over}
            if not self._open:
                if not self._arrived.wait_for(lambda: bool(self._open) or self._stopping, IDLE_LIMIT_S):
                    self._end_engine()
                return
        engine = self._running_engine()
        while engine.unfinished < self._settings.check_workers and self._hand_out(engine):
            pass
        self._make_way(engine)
        for finished in engine.collect(_COLLECT_S):
            if self._vault is not None:
                self._vault.damaged.update(finished.damaged)
            for item, outcome in zip(finished.items, finished.outcomes, strict=True):
                with self._arrived:
                    check = self._open.get(item.record.id)
                if check is not None:
                    check.note(self._redact(outcome))

    def _running_engine(self) -> Engine:
        if self._engine is None:
            self._engine = self._make_engine()
            self._engine.start()
        return self._engine

    def _end_engine(self) -> None:
        if self._engine is not None:
            self._engine.stop(drain=False)
            self._engine = None

    def _hand_out(self, engine: Engine) -> bool:
        with self._arrived:
            checks = sorted(self._open.values(), key=lambda check: not check.urgent)
        # Of several workers one is left to those who wait for an answer: what is at work for nobody is not cut short.
        for_nobody = max(1, self._settings.check_workers - 1) - sum(check.at_work for check in checks if not check.urgent)
        for check in checks:
            if not check.urgent and for_nobody <= 0:
                return False
            if (detector := check.next_detector()) is not None:
                record = msgspec.structs.replace(visible(check.record), id=check.name)
                engine.submit(detector, [WorkItem(project=check.project, record=record)])
                return True
        return False

    def _make_way(self, engine: Engine) -> None:
        with self._arrived:
            checks = list(self._open.values())
        if any(check.kept_waiting for check in checks):
            for check in checks:
                if check.unwanted:
                    check.give_up(engine.withdraw([check.name], _LET_END_S))

    def _fail_open(self, reason: str) -> None:
        with self._arrived:
            failed, self._open = list(self._open.values()), {}
        now = self._clock.now()
        for check in failed:
            ended = {outcome.detector for outcome in check.so_far()}
            for detector in check.detectors:
                if detector not in ended:
                    item = WorkItem(project=check.project, record=check.record)
                    check.note(outcome_of(item, detector, Judgement(state="failed", reason=reason), now))

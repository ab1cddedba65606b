"""The engine ``local``: worker processes on this machine, replaced when they crash or hang."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection

import msgspec

from monitor.clock import Clock
from monitor.detect.child import Child, WorkerDied
from monitor.detect.costs import RISKS, urgency
from monitor.detect.engine import DetectorReport, Finished, WorkItem, outcome_of
from monitor.detect.wire import Broken, Judge, Judged, Judgement, Loaded, Ready, ToService, Unavailable, WorkerConfig, pack
from monitor.records import DEFAULT_PROJECT

# Once in its batch, then alone, twice at most.
MAX_ATTEMPTS = 3
# What every further item of a batch adds to its time, as a share of the time one item may take: a batch holds at most
# one extraordinary item, and a hung worker must not be waited for as many times as there are items.
_FURTHER_ITEM = 0.25
_START_S = 60.0
_LOAD_S = 300.0
_LONGEST_PAUSE_S = 60.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Task:
    number: int
    detector: str
    items: tuple[WorkItem, ...]
    folder: str | None
    attempt: int = 1

    @property
    def urgency(self) -> int:
        return max((urgency(item.record) for item in self.items), default=len(RISKS))


@dataclass(slots=True)
class _Seat:
    """A place for one worker: who sits there, what it does, and until when it may."""

    child: Child | None = None
    ready: bool = False
    task: _Task | None = None
    loading: bool = False
    deadline: float = 0.0
    judging_since: float = 0.0
    failed_starts: int = 0
    not_before: float = 0.0


@dataclass(slots=True)
class LocalEngine:
    """See :class:`monitor.detect.engine.Engine`.

    Args:
        config: the workers' settings.
        workers: how many processes.
        item_timeout_s: how long one response may take; a batch may take a quarter of it more for every further item.
        clock: stamps the outcomes.
    """

    config: WorkerConfig
    workers: int
    item_timeout_s: float
    clock: Clock
    restarts: int = 0
    reports: dict[str, DetectorReport] = field(default_factory=dict)
    _seats: list[_Seat] = field(default_factory=list)
    _queue: deque[_Task] = field(default_factory=deque)
    _done: list[Finished] = field(default_factory=list)
    _load_crashes: Counter[str] = field(default_factory=Counter)
    _numbers: int = 0

    @property
    def unfinished(self) -> int:
        return len(self._queue) + sum(seat.task is not None for seat in self._seats) + len(self._done)

    def start(self) -> None:
        self._seats = [_Seat() for _ in range(self.workers)]
        self._fill_seats()

    def submit(self, detector: str, items: Sequence[WorkItem], folder: str | None = None) -> None:
        by_project: dict[str, list[WorkItem]] = {}
        for item in items:
            by_project.setdefault(item.project, []).append(item)
        # A worker opens the evidence of one project at a time. Without items there is one batch that only loads.
        for batch in by_project.values() or [[]]:
            self._queue.append(self._task(detector, tuple(batch), folder))

    def _task(self, detector: str, items: tuple[WorkItem, ...], folder: str | None, attempt: int = 1) -> _Task:
        self._numbers += 1
        return _Task(self._numbers, detector, items, folder, attempt)

    def collect(self, timeout_s: float) -> list[Finished]:
        self._fill_seats()
        self._assign()
        if not self._done:
            self._listen(timeout_s)
            self._assign()
        done, self._done = self._done, []
        return done

    def withdraw(self, response_ids: Collection[str], after_s: float) -> int:
        def unwanted(task: _Task) -> bool:
            return bool(task.items) and all(item.record.id in response_ids for item in task.items)

        waiting = len(self._queue)
        self._queue = deque(task for task in self._queue if not unwanted(task))
        given_up = waiting - len(self._queue)
        begun_before = time.monotonic() - after_s
        for seat in self._seats:
            if seat.child is None or seat.task is None or seat.loading or seat.judging_since > begun_before or not unwanted(seat.task):
                continue
            _log.info("a detection worker (%s) is replaced: nobody waits for its work any more", seat.task.detector)
            seat.child.kill()
            seat.child, seat.task, seat.ready = None, None, False
            self.restarts += 1
            given_up += 1
        return given_up

    def stop(self, *, drain: bool, timeout_s: float = 30.0) -> list[Finished]:
        self._queue.clear()
        until = time.monotonic() + timeout_s
        while drain and any(seat.task for seat in self._seats) and (left := until - time.monotonic()) > 0:
            self._listen(left)
            # What failed now would be retried; it will be due again instead.
            self._queue.clear()
        for seat in self._seats:
            if seat.child is not None:
                seat.child.stop() if seat.task is None else seat.child.kill()
        self._seats = []
        done, self._done = self._done, []
        return done

    # --- workers --------------------------------------------------------------------------------------------------

    def _fill_seats(self) -> None:
        now = time.monotonic()
        for seat in self._seats:
            if seat.child is None and now >= seat.not_before:
                seat.child = Child(self.config)
                seat.ready, seat.deadline = False, now + _START_S

    def _assign(self) -> None:
        for seat in self._seats:
            while self._queue and seat.child is not None and seat.ready and seat.task is None:
                self._hand_over(seat, seat.child, self._next())

    def _next(self) -> _Task:
        """The waiting task of highest risk, the first submitted of those; loading a detector comes before everything."""
        task = min(self._queue, key=lambda waiting: (-waiting.urgency, waiting.number))
        self._queue.remove(task)
        return task

    def _hand_over(self, seat: _Seat, child: Child, task: _Task) -> None:
        report = self.reports.get(task.detector)
        if report is not None and report.available is False:
            self._fail(task, report.reason or "not available", poison=False)
            return
        try:
            records = tuple(item.record for item in task.items)
            neighbours = tuple(item.neighbours for item in task.items)
            project = task.items[0].project if task.items else DEFAULT_PROJECT
            raw = pack(Judge(task.number, task.detector, records, task.folder, neighbours, project))
        except (OverflowError, ValueError, TypeError, msgspec.MsgspecError) as error:
            # An integer that no format carries, half a surrogate pair: found alone, it is this record's fault.
            self._retry(task, f"cannot be sent to a worker ({error})")
            return
        seat.task = task
        seat.loading = task.detector not in child.loaded
        seat.judging_since = time.monotonic()
        seat.deadline = seat.judging_since + (_LOAD_S if seat.loading else self._allowance(task))
        try:
            child.send(raw)
        except WorkerDied as death:
            # It died idle: not this task's doing.
            seat.task = None
            self._queue.appendleft(task)
            self._lost(seat, str(death))

    def _allowance(self, task: _Task) -> float:
        return self.item_timeout_s * (1 + _FURTHER_ITEM * max(0, len(task.items) - 1))

    def _listen(self, timeout_s: float) -> None:
        seated = {seat.child.connection: seat for seat in self._seats if seat.child is not None}
        now = time.monotonic()
        limits = [seat.deadline if seat.child else seat.not_before for seat in self._seats if seat.task or not seat.ready]
        wait_s = max(0.0, min([timeout_s, *(limit - now for limit in limits)]))
        for ready in connection.wait(list(seated), wait_s):
            self._hear(seated[ready])  # type: ignore[index]  # wait returns what it was given
        self._end_overdue()

    def _hear(self, seat: _Seat) -> None:
        try:
            while seat.child is not None and (message := seat.child.receive()) is not None:
                self._take(seat, seat.child, message)
        except WorkerDied as death:
            self._lost(seat, str(death))

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for seat in self._seats:
            limit = self.config.memory_bytes
            if limit and seat.child is not None and seat.task is not None and (held := seat.child.memory_bytes) > limit:
                seat.child.kill()
                self._lost(seat, f"the worker held {held:,} bytes of memory, more than the {limit:,} it may, and was ended")
        for seat in self._seats:
            if seat.child is None or now < seat.deadline or (seat.ready and seat.task is None):
                continue
            seat.child.kill()
            doing = "starting" if not seat.ready else "loading" if seat.loading else "judging"
            self._lost(seat, f"the worker was still {doing} after its time was up and was ended")

    def _lost(self, seat: _Seat, reason: str) -> None:
        task, ready = seat.task, seat.ready
        seat.child, seat.task, seat.ready = None, None, False
        self.restarts += 1
        seat.failed_starts = 0 if ready else seat.failed_starts + 1
        pause = 0.0 if ready else min(_LONGEST_PAUSE_S, 2.0**seat.failed_starts)
        seat.not_before = time.monotonic() + pause
        _log.warning("lost a detection worker (%s): %s; the next starts in %.0f s", task.detector if task else "idle", reason, pause)
        if task is None:
            return
        if not seat.loading:
            self._retry(task, reason)
            return
        self._load_crashes[task.detector] += 1
        if self._load_crashes[task.detector] < MAX_ATTEMPTS:
            self._queue.appendleft(task)
        else:
            self._refuse(task, f"could not be loaded: {reason}, {MAX_ATTEMPTS} times")

    # --- what they say --------------------------------------------------------------------------------------------

    def _take(self, seat: _Seat, child: Child, message: ToService) -> None:
        task = seat.task
        if isinstance(message, Ready):
            seat.ready, seat.failed_starts = True, 0
        elif isinstance(message, Loaded):
            child.loaded.add(message.detector)
            self._load_crashes.pop(message.detector, None)
            self.reports[message.detector] = DetectorReport(
                available=True, version=message.version, weights_version=message.weights_version, costs=message.costs
            )
            if task is not None:
                seat.loading, seat.judging_since = False, time.monotonic()
                seat.deadline = seat.judging_since + self._allowance(task)
        elif task is not None and message.number == task.number:
            seat.task, seat.loading = None, False
            self._ended(task, message)

    def _ended(self, task: _Task, message: Judged | Unavailable | Broken) -> None:
        if isinstance(message, Unavailable):
            self._refuse(task, message.reason)
        elif isinstance(message, Broken):
            self._retry(task, message.reason)
        else:
            self._finish(task, message.judgements, poison=False, damaged=message.damaged)

    def _refuse(self, task: _Task, reason: str) -> None:
        self.reports[task.detector] = DetectorReport(available=False, reason=reason)
        _log.warning("detector %s is not available: %s", task.detector, reason)
        self._fail(task, reason, poison=False)

    def _retry(self, task: _Task, reason: str) -> None:
        if task.attempt >= MAX_ATTEMPTS:
            self._fail(task, reason, poison=True)
            return
        for item in task.items:
            self._queue.append(self._task(task.detector, (item,), task.folder, task.attempt + 1))

    def _fail(self, task: _Task, reason: str, *, poison: bool) -> None:
        failed = Judgement(state="failed", reason=reason)
        self._finish(task, (failed,) * len(task.items), poison=poison)

    def _finish(self, task: _Task, judgements: Sequence[Judgement], *, poison: bool, damaged: tuple[str, ...] = ()) -> None:
        if not task.items:
            return
        now = self.clock.now()
        pairs = zip(task.items, judgements, strict=True)
        outcomes = tuple(outcome_of(item, task.detector, judgement, now, task.attempt) for item, judgement in pairs)
        self._done.append(Finished(detector=task.detector, items=task.items, outcomes=outcomes, poison=poison, damaged=damaged))

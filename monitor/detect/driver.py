"""The detect driver: asks the store what is due, has it judged, writes outcomes, moves the cursor.

It may be killed anywhere. A response is due until the cursor has passed it, the cursor moves only behind written
outcomes, and what already has an outcome is skipped, so nothing is lost; outcomes go in under a token made of what they
are about, so nothing is doubled.
"""

from __future__ import annotations

import hashlib
import logging
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from monitor.clock import Clock
from monitor.detect.cases import visible
from monitor.detect.catalogues import failures_of
from monitor.detect.contracts import DetectCounters, DetectorStatus, DueReader, OnDeadLetter, OutcomeWriter
from monitor.detect.engine import DetectorReport, Engine, Finished, WorkItem, outcome_of
from monitor.detect.local import LocalEngine
from monitor.detect.neighbours import Neighbourhood
from monitor.detect.planning import OpenItem, Planner
from monitor.detect.policy import DetectionPolicy
from monitor.detect.progress import OpenWork, Pair
from monitor.detect.wire import CATALOGUE_MODULE, Judgement, config_of
from monitor.errors import Conflict, RecordInvalid, StoreRefused, StoreUnavailable
from monitor.evidence import EvidenceStore
from monitor.findings import OutcomeRecord, OutcomeState
from monitor.metadata.cursors import DetectionCursors
from monitor.metadata.database import Database
from monitor.metadata.letters import DeadLetters
from monitor.records import ResponseRecord, encode_response, parse_response
from monitor.settings import Settings
from monitor.store.rows import SpooledResponse
from monitor.tracing import span

# Responses open at once: enough that no worker idles while outcomes are written and the next page is read.
_WINDOW = 256
_BATCHES_AHEAD = 4
# ClickHouse likes few large inserts, people like to see verdicts soon.
_WRITE_AT = 500
_WRITE_EVERY_S = 1.0
_COLLECT_S = 0.25
_IDLE_POLL_S = 1.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
# Of the last so many responses, as many given up and more than half: the fault is ours, and burying the rest helps nobody.
_WATCHED, _HALT_FROM = 200, 20
_log = logging.getLogger(__name__)


class Halt(msgspec.Struct, frozen=True, kw_only=True):
    """Detection has stopped itself; everything that is due stays due."""

    reason: str
    since: datetime


class Driver:
    """One thread, in the leading process only. Workers read evidence from the store behind ``evidence``; what is given up
    becomes a dead letter in ``database``, or goes to ``on_dead_letter``. Every outcome passes ``redact`` before it is kept.

    Raises:
        SettingsInvalid: a configured detector does not exist.
    """

    def __init__(
        self,
        settings: Settings,
        reader: DueReader,
        writer: OutcomeWriter,
        database: Database,
        evidence: EvidenceStore,
        clock: Clock,
        on_dead_letter: OnDeadLetter | None = None,
        engine: Engine | None = None,
        catalogue: str = CATALOGUE_MODULE,
        on_lag: Callable[[float], None] | None = None,
        redact: Callable[[OutcomeRecord], OutcomeRecord] | None = None,
    ) -> None:
        self._settings = settings
        self._on_lag = on_lag
        self._redact = redact or (lambda outcome: outcome)
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._letters = DeadLetters(database, clock)
        self._on_dead_letter = on_dead_letter or self._letters.add
        self._cursors = DetectionCursors(database, clock)
        self._neighbours = Neighbourhood(settings.neighbour_key)
        self._policy = DetectionPolicy(settings.detect_share, settings.detect_max_wait_s, clock)
        self._planner = Planner(settings.batch_size, settings.detect_budget_s_per_hour, clock)
        self._failures = failures_of(settings.detectors, catalogue)
        config = config_of(settings, evidence_url=evidence.url, keys=None if evidence.vault is None else evidence.vault.keys)
        self._vault = evidence.vault
        self._engine: Engine = engine or LocalEngine(config, settings.workers, settings.item_timeout_s, clock)
        self._window = max(_WINDOW, settings.batch_size * settings.workers * _BATCHES_AHEAD)
        self._work = OpenWork({})
        self._unwritten: list[OutcomeRecord] = []
        self._batches: deque[list[OutcomeRecord]] = deque()
        self._asked_again: deque[tuple[WorkItem, str]] = deque()
        self._replaying: set[Pair] = set()
        self._written_at = self._polled_at = 0.0
        self._outcomes: Counter[tuple[str, OutcomeState]] = Counter()
        self._cache_hits: Counter[str] = Counter()
        self._cache_misses: Counter[str] = Counter()
        self._dead_letters = 0
        self._ended_lately: deque[bool] = deque(maxlen=_WATCHED)
        self.halted: Halt | None = None
        self._last_reason = ""
        self._stopping = threading.Event()
        self._drain, self._stop_within_s = True, 30.0
        self._thread: threading.Thread | None = None

    # --- outside --------------------------------------------------------------------------------------------------

    @property
    def enabled(self) -> bool:
        """With no workers or no detectors, detection is off and everything stays pending."""
        return self._settings.workers > 0 and bool(self._settings.detectors)

    def start(self) -> None:
        """Start the thread and the workers; does nothing where detection is off."""
        if self.enabled and self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._run, name="detect-driver", daemon=True)
            self._thread.start()

    def stop(self, drain: bool = True, timeout_s: float = 30.0) -> None:
        """End the thread: after the batches at work (``drain``), or at once. What was not judged is due again later."""
        self._drain, self._stop_within_s = drain, timeout_s
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout_s + 10.0)
            self._thread = None

    def check_runs(self, detector: str) -> None:
        """Raises Conflict where detection is off, or that detector does not run here."""
        if not self.enabled or detector not in self._failures:
            raise Conflict("detector", detector, "not running here", "name it in GROUNDWATCH_DETECTORS and start workers")

    def again(self, project: str, record: ResponseRecord, detector: str) -> None:
        """Have a stored response judged by a detector again; the outcome replaces the earlier one, and the letter that
        is ``replaying`` for it is then ``replayed``. A restart asks for those letters again.

        Raises:
            Conflict: detection is off, or that detector does not run here.
        """
        self.check_runs(detector)
        self._asked_again.append((WorkItem(project=project, record=visible(record)), detector))

    def resume(self) -> bool:
        """Go on after a halt; False where there was none."""
        was, self.halted = self.halted, None
        return was is not None

    def undetected(self) -> int:
        """Stored responses whose detection has not ended. Raises StoreUnavailable."""
        read = {sidecar: progress.read for sidecar, progress in list(self._work.sidecars.items())}
        known = read or self._cursors.all()
        return len(self._work) + sum(self._reader.due_count(sidecar, known.get(sidecar, 0)) for sidecar in self._reader.sidecars())

    def counters(self) -> DetectCounters:
        """For metrics."""
        return DetectCounters(
            outcomes=dict(self._outcomes),
            cache_hits=dict(self._cache_hits),
            cache_misses=dict(self._cache_misses),
            dead_letters=self._dead_letters,
            worker_restarts=self._engine.restarts,
            open_responses=len(self._work),
        )

    def detector_status(self) -> list[DetectorStatus]:
        """One entry a configured detector, in the order of the settings."""
        return [self._status(name, failure, self._engine.reports.get(name)) for name, failure in self._failures.items()]

    def _status(self, name: str, failure: str, report: DetectorReport | None) -> DetectorStatus:
        known = report or DetectorReport()
        reason = known.reason if known.available is not None else "not loaded yet"
        if not self.enabled:
            reason = "detection is off (workers = 0)"
        return DetectorStatus(
            name=name,
            failure=failure,
            version=known.version,
            weights_version=known.weights_version,
            available=self.enabled and known.available is not False,
            reason=reason,
        )

    # --- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        started = False
        while not self._stopping.is_set():
            if self.halted is not None:
                if started:
                    self._write(everything=True)
                    self._engine.stop(drain=False)
                    started = False
                self._stopping.wait(_IDLE_POLL_S)
                continue
            try:
                if not started:
                    self._begin()
                    started = True
                self.turn()
                pause = _FIRST_PAUSE_S
            except StoreUnavailable as error:
                # Everything that is open stays in memory and goes on where it was.
                _log.warning("detection waits for the store, up to %.1f s: %s", pause, error)
                pause = self._pause(pause)
            except Exception:  # noqa: BLE001 - the thread must outlive any fault: it forgets what is open and starts again from the cursor
                _log.exception("detection starts again in up to %.1f s", pause)
                self._engine.stop(drain=False)
                started = False
                pause = self._pause(pause)
        self._end()

    def _pause(self, pause: float) -> float:
        # Jitter, so that several services do not come back to a store all at once.
        self._stopping.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret
        return min(_LONGEST_PAUSE_S, pause * 2)

    def _begin(self) -> None:
        self._work = OpenWork(self._cursors.all())
        self._unwritten, self._batches = [], deque()
        self._planner.forget()
        self._find_replays()
        self._engine.start()
        # Loading now makes the first response as quick as the others, and tells the status page what can run.
        for detector in self._settings.detectors:
            self._engine.submit(detector, [])

    def _find_replays(self) -> None:
        self._replaying.clear()
        asked = {(item.project, item.record.id, detector) for item, detector in list(self._asked_again)}
        for letter in self._letters.replaying():
            detector = letter.detector or ""
            if (letter.project, letter.response_id, detector) in asked:
                continue
            try:
                self.again(letter.project, parse_response(letter.payload or ""), detector)
            except (Conflict, RecordInvalid):
                self._letters.end_replay(letter.project, letter.response_id, detector, "waiting")

    def _end(self) -> None:
        self._take(self._engine.stop(drain=self._drain, timeout_s=self._stop_within_s))
        if not self._drain:
            return
        try:
            self._write(everything=True)
            self._save_cursors()
        except StoreUnavailable as error:
            _log.warning("outcomes were not written at the stop, their responses are due again: %s", error)

    def turn(self) -> None:
        """One round: read what is due, hand it out, take results, write them, move the cursors."""
        self._fill()
        while self._asked_again:
            item, detector = self._asked_again.popleft()
            self._replaying.add((item.project, item.record.id, detector))
            self._engine.submit(detector, [item])
        idle = self._engine.unfinished == 0
        self._take(self._engine.collect(0.0 if idle and self._unwritten else _COLLECT_S))
        self._write(everything=False)
        self._save_cursors()
        self._halt_if_all_fails()

    def _fill(self) -> None:
        room = self._window - len(self._work)
        now = time.monotonic()
        if room < self._window // 2 or now < self._polled_at:
            return
        found = 0
        for sidecar in self._reader.sidecars():
            progress = self._work.progress(sidecar)
            page = self._reader.due(sidecar, progress.read, room - found) if room > found else []
            self._plan(page)
            found += len(page)
        self._polled_at = now if found >= room else now + (_COLLECT_S if found else _IDLE_POLL_S)

    def _plan(self, page: Sequence[SpooledResponse]) -> None:
        ended: dict[str, dict[str, dict[str, OutcomeState]]] = {}
        for project in {response.project for response in page}:
            ended[project] = self._reader.outcome_states(project, [r.record.id for r in page if r.project == project])
        wanted: list[OpenItem] = []
        for response in page:
            known = ended[response.project].get(response.record.id, {})
            fresh = self._work.add(response, [name for name in self._settings.detectors if name not in known])
            near = self._neighbours.meet(response.project, response.record)
            item = WorkItem(project=response.project, record=visible(response.record), neighbours=near)
            if (left_out := self._policy.left_out(response)) is not None:
                judgement = Judgement(state=left_out[0], reason=left_out[1])
                self._unwritten += [outcome_of(item, name, judgement, self._clock.now()) for name in fresh]
                continue
            wanted.append(OpenItem(item, tuple(fresh)))
        self._planner.state_costs({name: report.costs for name, report in self._engine.reports.items()})
        batches, refused = self._planner.plan(wanted)
        for one in refused:
            judgement = Judgement(state="over_budget", reason=one.reason)
            self._unwritten.append(outcome_of(one.item, one.detector, judgement, self._clock.now()))
        for batch in batches:
            self._engine.submit(batch.detector, batch.items)

    def _take(self, finished: Sequence[Finished]) -> None:
        for one in finished:
            outcomes = [self._redact(outcome) for outcome in one.outcomes]
            self._unwritten += outcomes
            self._planner.learn(one)
            if self._vault is not None:
                self._vault.damaged.update(one.damaged)
            self._cache_hits[one.detector] += sum(outcome.cached is True for outcome in one.outcomes)
            self._cache_misses[one.detector] += sum(outcome.cached is False for outcome in one.outcomes)
            self._ended_lately.extend(one.poison for _ in one.items)
            if one.poison:
                for item, outcome in zip(one.items, outcomes, strict=True):
                    self._bury(outcome, item.record)

    def _halt_if_all_fails(self) -> None:
        given_up = sum(self._ended_lately)
        if given_up >= _HALT_FROM and given_up * 2 > len(self._ended_lately):
            reason = f"{given_up} of the last {len(self._ended_lately)} responses were given up, lately because: {self._last_reason}"
            self.halted = Halt(reason=reason, since=self._clock.now())
            self._ended_lately.clear()
            _log.error("detection stops: %s", reason)

    def _bury(self, outcome: OutcomeRecord, seen: ResponseRecord | None = None) -> None:
        """Make a dead letter of it; ``seen`` is what the detector saw, for a response that is not open (a replay)."""
        response = self._work.response(outcome.project, outcome.response_id)
        record = seen if response is None else response.record
        payload = None if record is None else _payload(record)
        self._dead_letters += 1
        self._last_reason = outcome.reason or "failed"
        self._on_dead_letter(outcome.project, "detect", outcome.response_id, outcome.detector, outcome.reason or "failed", payload)

    def _write(self, *, everything: bool) -> None:
        overdue = time.monotonic() - self._written_at >= _WRITE_EVERY_S
        if self._unwritten and (everything or overdue or len(self._unwritten) >= _WRITE_AT or self._engine.unfinished == 0):
            self._batches.append(self._unwritten)
            self._unwritten = []
        while self._batches:
            # A batch stays first and as it is until the store has it: a retry must be the same rows under the same token.
            outcomes = self._batches[0]
            try:
                with span("store outcomes", {"groundwatch.outcomes": len(outcomes)}):
                    self._writer.insert_outcomes(outcomes, token_of(outcomes))
            except StoreRefused as error:
                self._batches.popleft()
                self._batches.extendleft(self._smaller(outcomes, error))
                continue
            self._batches.popleft()
            self._written_at = time.monotonic()
            for outcome in outcomes:
                self._outcomes[outcome.detector, outcome.state] += 1
                self._measure(outcome)
                self._ended((outcome.project, outcome.response_id, outcome.detector))

    def _smaller(self, outcomes: Sequence[OutcomeRecord], error: StoreRefused) -> list[list[OutcomeRecord]]:
        """What to write instead of a refused batch: each outcome alone, then only that it failed, then a letter alone."""
        if len(outcomes) > 1:
            return [[outcome] for outcome in outcomes]
        (outcome,) = outcomes
        bare = msgspec.structs.replace(
            outcome, state="failed", findings=(), quality=(), reason=f"its outcome could not be stored: {error}"[:2000]
        )
        if outcome.state != "failed" or outcome.findings or outcome.quality:
            self._bury(bare)
            return [[bare]]
        _log.error("the failure of %s on %s could not be stored: %s", outcome.detector, outcome.response_id, error)
        self._ended((outcome.project, outcome.response_id, outcome.detector))
        return []

    def _ended(self, pair: Pair) -> None:
        self._work.end(pair)
        if pair in self._replaying:
            self._letters.end_replay(*pair)
            self._replaying.discard(pair)

    def _measure(self, outcome: OutcomeRecord) -> None:
        response = self._work.response(outcome.project, outcome.response_id)
        if self._on_lag is not None and response is not None:
            self._on_lag(max(0.0, (outcome.finished_at - response.received_at).total_seconds()))

    def _save_cursors(self) -> None:
        for sidecar, progress in self._work.sidecars.items():
            if progress.reached > progress.saved:
                self._cursors.advance(sidecar, progress.reached)
                progress.saved = progress.reached


def token_of(outcomes: Sequence[OutcomeRecord]) -> str:
    """Names a batch by what it is about: the same judgements made twice are one batch."""
    digest = hashlib.sha256()
    for outcome in outcomes:
        about = (outcome.project, outcome.response_id, outcome.detector, outcome.detector_version, outcome.weights_version, outcome.state)
        digest.update("\x1f".join(about).encode() + b"\x1e")
    return digest.hexdigest()


def _payload(record: ResponseRecord) -> str | None:
    try:
        return encode_response(record).decode()
    except (OverflowError, ValueError):
        return None  # the very reason it was given up may be that it cannot be written; the letter names the id

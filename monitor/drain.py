"""From the spool into the store, for ever.

One thread takes batches from the spool, writes them and confirms them. While the store is away it waits with backoff and
jitter and the records stay in the spool. A record that the store refuses alone becomes a dead letter; but where most of
a batch is refused the fault is not in the records, and the batch is kept until somebody has mended it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec
import structlog

from monitor.clock import Clock
from monitor.errors import GroundwatchError, StoreRefused
from monitor.spool import BATCH_BYTES, Batch, Spool, SpooledItem
from monitor.store.rows import SpooledResponse
from monitor.store.schema import decode_record
from monitor.store.writer import Writer
from monitor.tracing import span

BATCH_ROWS = 5_000
# ClickHouse likes large inserts and people like to see their record at once: wait this long for more, at most.
GATHER_S = 0.3
# So many by then are a load. An insert and its merges cost nearly the same for 500 rows as for 5,000: then larger ones pay.
LOAD_ROWS = 300
GATHER_UNDER_LOAD_S = 1.0
POLL_S = 0.05
BACKOFF_S = (0.5, 30.0)
# More refused records than this, and more than half of a batch, means that the fault is ours.
DEAD_LETTERS_A_BATCH = 10

log = structlog.get_logger(__name__)


class OnDeadLetter(Protocol):
    """Takes what cannot be stored; ``stage`` is ``store`` and ``payload`` the record's JSON. May be told twice."""

    def __call__(self, project: str, stage: str, response_id: str, detector: str | None, reason: str, payload: str | None) -> None: ...


class Drain:
    """Empties the spool in a thread of its own; ``drain_once`` does one batch in the caller's.

    ``prepare`` is what the store still needs before the first batch; it is called until it has succeeded once.
    """

    def __init__(
        self, spool: Spool, writer: Writer, clock: Clock, on_dead_letter: OnDeadLetter, prepare: Callable[[], object] | None = None
    ) -> None:
        self._spool = spool
        self._writer = writer
        self._clock = clock
        self._on_dead_letter = on_dead_letter
        self._prepare = prepare
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.drained = 0
        self.dead_letters = 0
        self.last_error: str | None = None
        self.failing_since: datetime | None = None

    def start(self) -> None:
        """Begin draining."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="drain", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Finish the batch at hand and stop; what is left stays in the spool."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def drain_once(self) -> int:
        """Move one batch into the store; how many records left the spool (0 = it was empty).

        Raises:
            StoreUnavailable, StoreRefused, StorageUnavailable: the batch stays in the spool and comes again.
        """
        batch = self._spool.next_batch(BATCH_ROWS)
        if batch is None:
            return 0
        with span("store batch", {"groundwatch.records": len(batch.items)}):
            letters = self._write(batch)
        if len(letters) > DEAD_LETTERS_A_BATCH and len(letters) * 2 > len(batch.items):
            raise StoreRefused("most of a batch", None, letters[0][1])
        for item, reason in letters:
            payload = item.raw.decode(errors="replace") if item.problem is None else None
            self._on_dead_letter(item.project, "store", item.id, None, reason, payload)
        self._spool.confirm(batch)
        self.drained += len(batch.items) - len(letters)
        self.dead_letters += len(letters)
        return len(batch.items)

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                if self._prepare is not None:
                    self._prepare()
                    self._prepare = None
                self._gather()
                moved = self.drain_once()
            except Exception as error:  # noqa: BLE001 - whatever it is, the records are safe and this thread must live on
                failures += 1
                self._report(error, failures)
                self._stop.wait(backoff_s(failures))
                continue
            failures, self.last_error, self.failing_since = 0, None, None
            if not moved:
                self._stop.wait(POLL_S)

    def _gather(self) -> None:
        """Let a batch grow for a moment, under load for longer, unless it is large or somebody has been waiting already."""
        began = time.monotonic()
        while (state := self._spool.pending()).oldest_received_at is not None:
            if state.count >= BATCH_ROWS or state.bytes >= BATCH_BYTES:
                return
            longest = GATHER_S if state.count < LOAD_ROWS else GATHER_UNDER_LOAD_S
            # A clock that is set back makes nobody wait longer.
            waited = max((self._clock.now() - state.oldest_received_at).total_seconds(), time.monotonic() - began)
            if waited >= longest or self._stop.wait(min(longest - waited, POLL_S)):
                return

    def _write(self, batch: Batch) -> list[tuple[SpooledItem, str]]:
        """Insert a batch; returns what cannot be stored, with the reason."""
        letters: list[tuple[SpooledItem, str]] = []
        readable: list[tuple[SpooledItem, SpooledResponse]] = []
        for item in batch.items:
            if item.problem is not None:
                letters.append((item, item.problem))
                continue
            try:
                readable.append((item, self._response(item)))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                letters.append((item, f"is not a response record: {error}"))
        return letters + self._insert(readable, batch.token)

    def _insert(self, rows: Sequence[tuple[SpooledItem, SpooledResponse]], token: str) -> list[tuple[SpooledItem, str]]:
        """Insert rows; where they are refused, halve them until the bad ones stand alone."""
        if not rows:
            return []
        try:
            self._writer.insert_responses([response for _, response in rows], token)
        except StoreRefused as error:
            if len(rows) == 1:
                return [(rows[0][0], str(error))]
            middle = len(rows) // 2
            # The halves are the same after a crash, so their tokens are too.
            return self._insert(rows[:middle], f"{token}/0") + self._insert(rows[middle:], f"{token}/1")
        return []

    def _response(self, item: SpooledItem) -> SpooledResponse:
        return SpooledResponse(
            project=item.project,
            sidecar=self._spool.sidecar,
            sequence=item.sequence,
            received_at=item.received_at,
            record=decode_record(item.raw),
        )

    def _report(self, error: Exception, failures: int) -> None:
        expected = isinstance(error, GroundwatchError)
        self.failing_since = self.failing_since or self._clock.now()
        # The same trouble is told when it begins and then ever more rarely (1st, 2nd, 4th, 8th … time).
        if str(error) != self.last_error or failures & (failures - 1) == 0:
            log.error("records stay in the spool", cause=str(error), failures=failures, exc_info=None if expected else error)
        self.last_error = str(error)


def backoff_s(failures: int) -> float:
    """Exponential with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"), at least half the step."""
    first, longest = BACKOFF_S
    step = min(longest, first * 2.0 ** min(failures - 1, 16))
    return step * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing

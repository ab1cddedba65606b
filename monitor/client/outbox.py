"""What an application logs waits here, in bounded memory, for a thread that sends it in batches and tries again.

The thread never raises into the application. What cannot be kept or sent is counted, and told in the log at most once a
minute. A process that forks gets a thread of its own in the child; what waited in the parent stays the parent's.
"""

from __future__ import annotations

import atexit
import logging
import os
import random
import threading
import time
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from monitor.client.building import Parcel
from monitor.client.sending import ClientError, Connection
from monitor.errors import GroundwatchError

BATCH_RECORDS = 200
BATCH_BYTES = 4 * 1024 * 1024
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
_UPLOADS_KNOWN = 4096
_TELL_EVERY_S = 60.0
_LAST_MOMENT_S = 0.5

T = TypeVar("T")
log = logging.getLogger("groundwatch")


class Outbox:
    """A queue with one sending thread, which starts with the first parcel.

    Args:
        connection: where to.
        max_bytes: memory for what waits; beyond it new parcels are dropped and counted.
        gather_s: how long a parcel waits for company.
        give_up_s: how long one parcel is tried before it is dropped and counted.
    """

    def __init__(self, connection: Connection, max_bytes: int, gather_s: float, give_up_s: float) -> None:
        self._connection = connection
        self._max_bytes = max_bytes
        self._gather_s = gather_s
        self._give_up_s = give_up_s
        self._told: dict[str, float] = {}
        self._uploaded: OrderedDict[str, None] = OrderedDict()
        self.sent = self.dropped = self.refused = 0
        self._empty()
        _all.add(self)

    def _empty(self) -> None:
        self._pid = os.getpid()
        self._waiting: deque[tuple[float, Parcel]] = deque()
        self._held = 0
        self._at_work = 0
        self._changed = threading.Condition()
        self._closing = False
        self._hurry = False
        self._thread: threading.Thread | None = None

    def put(self, parcel: Parcel) -> bool:
        """Queue a parcel; False where there was no room or the box is closed."""
        if self._pid != os.getpid():
            self._connection.forget()
            self._empty()
        with self._changed:
            room = self._held + parcel.held_bytes <= self._max_bytes
            if room and not self._closing:
                self._waiting.append((time.monotonic(), parcel))
                self._held += parcel.held_bytes
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="groundwatch-outbox", daemon=True)
                    self._thread.start()
                self._changed.notify_all()
                return True
            self.dropped += 1
        self._tell("room", f"{'the outbox is full' if not room else 'the client is closed'}: a response was dropped")
        return False

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything queued so far is sent or given up; False where that took longer than ``timeout_s``."""
        if self._pid != os.getpid():
            return True
        limit = time.monotonic() + timeout_s
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            try:
                while (self._waiting or self._at_work) and (left := limit - time.monotonic()) > 0:
                    self._changed.wait(left)
                return not self._waiting and not self._at_work
            finally:
                self._hurry = False

    def close(self, timeout_s: float) -> bool:
        """Send what waits, for at most ``timeout_s``, then stop; what is left is dropped and counted."""
        done = self.flush(timeout_s)
        with self._changed:
            self._closing = True
            self.dropped += len(self._waiting)
            left = len(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
            if not done:
                # What was between two tries is given up, counted and told by the thread, which needs a moment for it.
                self._changed.wait_for(lambda: not self._at_work, _LAST_MOMENT_S)
            unsure = self._at_work
        if left:
            self._tell("close", f"{left} responses could not be sent before the end and were dropped")
        if unsure:
            self._tell("unsure", f"{unsure} responses were on their way when the client closed")
        return done

    # --- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while batch := self._take():
            try:
                self._deliver(batch)
            except Exception as error:  # noqa: BLE001 - a fault of ours must not end the thread, nor reach the application
                self.dropped += len(batch)
                self._tell("fault", f"{len(batch)} responses were dropped: {type(error).__name__}: {error}")
            finally:
                with self._changed:
                    self._held -= sum(parcel.held_bytes for _, parcel in batch)
                    self._at_work = 0
                    self._changed.notify_all()

    def _take(self) -> list[tuple[float, Parcel]]:
        """The next batch; empty when the box is closed."""
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            if self._waiting and not self._hurry and len(self._waiting) < BATCH_RECORDS:
                self._changed.wait(self._gather_s)
            batch: list[tuple[float, Parcel]] = []
            size = 0
            while self._waiting and len(batch) < BATCH_RECORDS and (not batch or size + self._waiting[0][1].held_bytes <= BATCH_BYTES):
                batch.append(self._waiting.popleft())
                size += batch[-1][1].held_bytes
            self._at_work = len(batch)
            return batch

    def _deliver(self, batch: Sequence[tuple[float, Parcel]]) -> None:
        ready = [(queued, parcel) for queued, parcel in batch if self._upload(queued, parcel)]
        for keep_references in (False, True):
            if alike := [(queued, parcel) for queued, parcel in ready if parcel.keep_references == keep_references]:
                self._send(alike, keep_references)

    def _send(self, ready: Sequence[tuple[float, Parcel]], keep_references: bool) -> None:
        oldest = min(queued for queued, _ in ready)
        records = [parcel.record for _, parcel in ready]
        reply = self._persist(oldest, lambda: self._connection.send(records, keep_references=keep_references))
        if reply is None:
            self.dropped += len(ready)
            return
        for item in reply.items:
            if item.status == "refused":
                self.refused += 1
                self._tell("refused", f"groundwatch refused response {item.id}: {item.field} {item.problem}. {item.remedy}")
            else:
                self.sent += 1

    def _upload(self, queued: float, parcel: Parcel) -> bool:
        for upload in parcel.uploads:
            if upload.sha256 in self._uploaded:
                self._uploaded.move_to_end(upload.sha256)
                continue
            try:
                stored = self._persist(queued, partial(self._connection.upload, upload.source, upload.media_type, upload.sha256))
            except OSError as error:
                self._tell("file", f"a file could not be read any more: {error}")
                stored = None
            if stored is None:
                self.dropped += 1
                return False
            self._uploaded[upload.sha256] = None
            if len(self._uploaded) > _UPLOADS_KNOWN:
                self._uploaded.popitem(last=False)
        return True

    def _persist(self, queued: float, act: Callable[[], T]) -> T | None:
        """Try until it works, cannot work, or has waited too long; None where it did not."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                return act()
            except ClientError as error:
                if error.permanent or self._closing or time.monotonic() - queued > self._give_up_s:
                    self._tell("error", f"responses were dropped: {error}")
                    return None
                self._tell("retry", f"trying again: {error}")
                # Jitter, so that many applications do not come back to a sidecar all at once.
                self._sleep(max(error.retry_after_s or 0.0, pause * random.uniform(0.5, 1.0)))  # noqa: S311 - not a secret
                pause = min(LONGEST_PAUSE_S, pause * 2)
            except GroundwatchError as error:
                self._tell("error", f"responses were dropped: {error}")
                return None

    def _sleep(self, seconds: float) -> None:
        limit = time.monotonic() + seconds
        with self._changed:
            while not self._closing and (left := limit - time.monotonic()) > 0:
                self._changed.wait(left)

    def _tell(self, kind: str, message: str) -> None:
        now = time.monotonic()
        if now - self._told.get(kind, -_TELL_EVERY_S) >= _TELL_EVERY_S:
            self._told[kind] = now
            log.warning("%s (sent %d, dropped %d, refused %d)", message, self.sent, self.dropped, self.refused)


_all: weakref.WeakSet[Outbox] = weakref.WeakSet()
EXIT_LIMIT_S = 5.0


@atexit.register
def _flush_all() -> None:
    limit = time.monotonic() + EXIT_LIMIT_S
    for outbox in list(_all):
        outbox.close(max(0.0, limit - time.monotonic()))

"""Requests are read in a process of their own where there is a second processor: reading takes most of what a span costs.

``python -m monitor.otlp.reader PIPE`` is that process. The first larger request starts it and is read here meanwhile, as is
every request while it is not there; it ends with the service, whichever way that ends.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import logging
import os
import resource
import signal
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import msgspec

from monitor.children import start_module
from monitor.errors import RecordInvalid
from monitor.otlp.requests import ReadRequest, read_request

# A smaller body is read sooner than it is sent there and back.
SMALL_BYTES = 16 * 1024
# The process reads one after another: a larger body would hold up everybody else's, and so would one that takes long.
LARGE_BYTES = 2 * 1024 * 1024
BEHIND_S = 0.25
# Exporters give up after 10 s; reading the largest body that comes here takes two or three.
LONGEST_S = 8.0
# After it ended, and twice that after it ended again soon.
_PAUSE_S, _LONGEST_PAUSE_S = 10.0, 600.0
# Objects that the collector lets come together before it looks for circles; what is read here has none.
_COLLECT_AFTER = 100_000
_NUMBER = struct.Struct("<Q")

# Not structlog: it would triple what the process holds.
_log = logging.getLogger(__name__)


class Wanted(msgspec.Struct, frozen=True):
    """What comes before a body: the arguments of :func:`~monitor.otlp.requests.read_request`."""

    number: int
    encoding: str
    assemble: bool


class Unreadable(msgspec.Struct, frozen=True, tag=True):
    """The body as a whole could not be read: a :class:`~monitor.errors.RecordInvalid`."""

    field: str
    problem: str
    remedy: str


_encoder = msgspec.msgpack.Encoder()
_wanted = msgspec.msgpack.Decoder(Wanted)
_answer = msgspec.msgpack.Decoder(ReadRequest | Unreadable)


class _Turn:
    """One request on its way: replies come in the order of the requests."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.since = time.monotonic()
        self.reply: bytes | None = None


class _Beside:
    """The process. Any number of threads may ask at once: the next body is there before the process has done with one."""

    def __init__(self) -> None:
        self.born = time.monotonic()
        self.begun = False
        self._connection, far_end = Pipe()
        try:
            # What hangs in the midst of a message must not hold anybody for ever.
            with socket.socket(fileno=os.dup(self._connection.fileno())) as near_end:
                for limit in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
                    near_end.setsockopt(socket.SOL_SOCKET, limit, struct.pack("ll", int(LONGEST_S), int(LONGEST_S % 1 * 1e6)))
            self.process = start_module("monitor.otlp.reader", str(far_end.fileno()), pass_fds=(far_end.fileno(),))
        finally:
            far_end.close()
        self._numbers = itertools.count()
        self._sending = threading.Lock()
        self._turns: deque[_Turn] = deque()
        self._changed = threading.Condition()
        self._receiving = False
        self._broken = False

    def ready(self) -> bool:
        """Whether it has begun; raises EOFError or OSError where it is gone. Not for two threads at once."""
        if not self.begun and self._connection.poll():
            self._connection.recv_bytes()
            self.begun = True
        return self.begun

    @property
    def behind(self) -> bool:
        """Whether it has been busy with one request for long."""
        try:
            return time.monotonic() - self._turns[0].since > BEHIND_S
        except IndexError:
            return False

    def ask(self, body: bytes, encoding: str, assemble: bool) -> bytes:
        """The packed reply. Raises EOFError or OSError where the process is gone or takes too long; whatever it raises, it is ended."""
        with self._sending, self._whole():
            turn = _Turn(next(self._numbers))
            self._turns.append(turn)
            self._connection.send_bytes(_encoder.encode(Wanted(turn.number, encoding, assemble)))
            self._connection.send_bytes(body)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: turn.reply is not None or not self._receiving)
                if turn.reply is not None:
                    return turn.reply
                self._receiving = True
            # Whoever is here takes the next reply for whom it is for.
            try:
                with self._whole():
                    (number,) = _NUMBER.unpack(self._connection.recv_bytes())
                    first = self._turns[0]
                    if number != first.number:
                        raise EOFError
                    first.reply = self._connection.recv_bytes()
                    self._turns.popleft()
            finally:
                with self._changed:
                    self._receiving = False
                    self._changed.notify_all()

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Nothing is sent or received behind what was cut short: nobody may ever get the reply to somebody else's request."""
        if self._broken:
            raise EOFError
        try:
            yield
        except BaseException:
            self._broken = True
            self.end()
            raise

    def end(self) -> None:
        """End it now. The pipe is left to those who still listen: each of them hears that it ended."""
        self.process.kill()
        self.process.wait()


class RequestReader:
    """Reads requests, beside the service where that helps. Thread-safe.

    Without ``assemble`` traces are left without answers: for a service that masks the spans first.
    """

    def __init__(self, processors: int | None = None, *, assemble: bool = True) -> None:
        self._assemble = assemble
        self._alone = (usable_processors() if processors is None else processors) < 2
        self._lock = threading.Lock()
        self._beside: _Beside | None = None
        self._pause_s = _PAUSE_S
        self._not_before = 0.0

    @property
    def pid(self) -> int | None:
        """Id of the process, once it has begun."""
        beside = self._beside
        return beside.process.pid if beside is not None and beside.begun else None

    def read(self, body: bytes, encoding: str) -> ReadRequest:
        """The traces of a request. Raises RecordInvalid: the body as a whole cannot be read."""
        beside = self._there() if SMALL_BYTES <= len(body) <= LARGE_BYTES else None
        if beside is None:
            return read_request(body, encoding, assemble=self._assemble)
        try:
            raw = beside.ask(body, encoding, self._assemble)
        except (EOFError, OSError):
            self._lost(beside)
            return read_request(body, encoding, assemble=self._assemble)
        except BaseException:
            self._lost(beside)
            raise
        answer: ReadRequest | Unreadable = _answer.decode(raw)
        if isinstance(answer, Unreadable):
            raise RecordInvalid(answer.field, answer.problem, answer.remedy)
        return answer

    def stop(self) -> None:
        """End the process; what it has not answered is read here."""
        with self._lock:
            self._alone = True
            beside, self._beside = self._beside, None
        if beside is not None:
            beside.end()

    def _there(self) -> _Beside | None:
        """The process, if it has begun and keeps up; it is started where there is none."""
        with self._lock:
            if self._beside is None:
                if not self._alone and time.monotonic() >= self._not_before:
                    self._start()
                return None
            beside = self._beside
            try:
                return beside if beside.ready() and not beside.behind else None
            except (EOFError, OSError):
                pass  # gone before it had begun
        self._lost(beside)
        return None

    def _start(self) -> None:
        try:
            self._beside = _Beside()
        except OSError as error:
            self._rest()
            _log.warning("requests are read by the service alone: %s", error)

    def _lost(self, beside: _Beside) -> None:
        with self._lock:
            if self._beside is not beside:
                return  # somebody else noticed, or the service ends
            self._beside = None
            if time.monotonic() - beside.born > _LONGEST_PAUSE_S:
                self._pause_s = _PAUSE_S
            pause_s = self._rest()
        beside.end()
        _log.warning("the process that reads requests ended (%s); it is started again in %d s", beside.process.returncode, pause_s)

    def _rest(self) -> float:
        """For how long no process is started."""
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, _LONGEST_PAUSE_S)
        self._not_before = time.monotonic() + pause_s
        return pause_s


def usable_processors() -> int:
    """How many this process may use, where the system says."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _serve(connection: Connection) -> None:
    connection.send_bytes(b"ready")
    while True:
        wanted = _wanted.decode(connection.recv_bytes())
        body = connection.recv_bytes()
        try:
            answer: ReadRequest | Unreadable = read_request(body, wanted.encoding, assemble=wanted.assemble)
        except RecordInvalid as error:
            answer = Unreadable(error.field, error.problem, error.remedy)
        connection.send_bytes(_NUMBER.pack(wanted.number))
        connection.send_bytes(_encoder.encode(answer))


if __name__ == "__main__":
    # Sent to the whole group by a terminal or a service manager: the service says when this ends, by closing the pipe.
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold what people said
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    with Connection(int(sys.argv[1])) as pipe, contextlib.suppress(EOFError, OSError):
        _serve(pipe)

"""Requests are read in a process of their own where there is a second processor: reading takes most of what a span costs.

``python -m monitor.otlp.reader PIPE`` is that process. The first larger request starts it and is read here meanwhile, as is
every request while it is not there; it ends with the service, whichever way that ends.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections import deque
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import msgspec

from monitor.children import start_module
from monitor.errors import RecordInvalid
from monitor.otlp.requests import ReadRequest, read_request

# A smaller body is read sooner than it is sent there and back.
SMALL_BYTES = 16 * 1024
LONGEST_S = 60.0
_AGAIN_AFTER_S = 10.0
# Objects that the collector lets come together before it looks for circles; what is read here has none.
_COLLECT_AFTER = 100_000

# Not structlog: it would triple what the process holds.
_log = logging.getLogger(__name__)


class Request(msgspec.Struct, frozen=True):
    """What :func:`~monitor.otlp.requests.read_request` is to read."""

    body: bytes
    encoding: str
    assemble: bool


class Unreadable(msgspec.Struct, frozen=True, tag=True):
    """The body as a whole could not be read: a :class:`~monitor.errors.RecordInvalid`."""

    field: str
    problem: str
    remedy: str


_encoder = msgspec.msgpack.Encoder()
_request_decoder = msgspec.msgpack.Decoder(Request)
_decoder = msgspec.msgpack.Decoder(ReadRequest | Unreadable)


class _Turn:
    """One request on its way: replies come in the order of the requests."""

    reply: bytes | None = None


class _Beside:
    """The process. Any number of threads may ask at once: the next body is there before the process has done with one."""

    def __init__(self) -> None:
        self._connection, far_end = Pipe()
        # What hangs must not hold whoever sends to it for ever; receivers ask how long they wait themselves.
        with socket.socket(fileno=os.dup(self._connection.fileno())) as near_end:
            near_end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(LONGEST_S), int(LONGEST_S % 1 * 1e6)))
        try:
            self.process = start_module("monitor.otlp.reader", str(far_end.fileno()), pass_fds=(far_end.fileno(),))
        finally:
            far_end.close()
        self._sending = threading.Lock()
        self._receiving = threading.Lock()
        self._turns: deque[_Turn] = deque()
        # Set while a message is on its way: whatever cuts one short, nothing is sent or read behind it, for nobody may ever get
        # the reply to the request of somebody else.
        self._sent_in_part = self._received_in_part = False
        self.begun = False

    def ready(self) -> bool:
        """Whether it has begun; raises EOFError where it is gone. Not for two threads at once."""
        if not self.begun and self._connection.poll():
            self._connection.recv_bytes()
            self.begun = True
        return self.begun

    def ask(self, request: bytes) -> bytes:
        """The packed reply. Raises EOFError or OSError where the process is gone or takes too long (TimeoutError)."""
        turn = _Turn()
        with self._sending:
            if self._sent_in_part:
                raise BrokenPipeError
            self._sent_in_part = True
            self._turns.append(turn)
            self._connection.send_bytes(request)
            self._sent_in_part = False
        while turn.reply is None:
            # Whoever is here takes the next reply for whom it is for.
            with self._receiving:
                if turn.reply is None:
                    if self._received_in_part:
                        raise EOFError
                    self._received_in_part = True
                    if not self._connection.poll(LONGEST_S):
                        raise TimeoutError
                    reply = self._connection.recv_bytes()
                    self._turns.popleft().reply = reply
                    self._received_in_part = False
        return turn.reply

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
        self._alone = (os.cpu_count() or 1 if processors is None else processors) < 2
        self._lock = threading.Lock()
        self._beside: _Beside | None = None
        self._not_before = 0.0

    @property
    def pid(self) -> int | None:
        """Id of the process, once it has begun."""
        beside = self._beside
        return beside.process.pid if beside is not None and beside.begun else None

    def read(self, body: bytes, encoding: str) -> ReadRequest:
        """The traces of a request. Raises RecordInvalid: the body as a whole cannot be read."""
        beside = None if self._alone or len(body) < SMALL_BYTES else self._there()
        if beside is None:
            return read_request(body, encoding, assemble=self._assemble)
        try:
            raw = beside.ask(_encoder.encode(Request(body, encoding, self._assemble)))
        except (EOFError, OSError):
            self._lost(beside)
            return read_request(body, encoding, assemble=self._assemble)
        except BaseException:
            self._lost(beside)
            raise
        answer: ReadRequest | Unreadable = _decoder.decode(raw)
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
        """The process, once it has begun; it is started where there is none."""
        with self._lock:
            if self._beside is None:
                if not self._alone and time.monotonic() >= self._not_before:
                    self._start()
                return None
            try:
                return self._beside if self._beside.ready() else None
            except (EOFError, OSError):
                lost = self._beside
        self._lost(lost)
        return None

    def _start(self) -> None:
        try:
            self._beside = _Beside()
        except OSError as error:
            self._not_before = time.monotonic() + _AGAIN_AFTER_S
            _log.warning("requests are read by the service alone: %s", error)

    def _lost(self, beside: _Beside) -> None:
        with self._lock:
            if self._beside is not beside:
                return  # somebody else noticed, or the service ends
            self._beside = None
            self._not_before = time.monotonic() + _AGAIN_AFTER_S
        beside.end()
        _log.warning("the process that reads requests ended (%s); it is started again", beside.process.returncode)


def _serve(connection: Connection) -> None:
    connection.send_bytes(b"ready")
    while True:
        request = _request_decoder.decode(connection.recv_bytes())
        try:
            answer: ReadRequest | Unreadable = read_request(request.body, request.encoding, assemble=request.assemble)
        except RecordInvalid as error:
            answer = Unreadable(error.field, error.problem, error.remedy)
        connection.send_bytes(_encoder.encode(answer))


if __name__ == "__main__":
    # Sent to the whole group by a terminal or a service manager: the service says when this ends, by closing the pipe.
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    with Connection(int(sys.argv[1])) as pipe, contextlib.suppress(EOFError, OSError):
        _serve(pipe)

"""Previews are made in a process of their own, with limits: a picture or page that attacks its decoder takes down nothing else.

``python -m monitor.api.rendering PIPE`` is that process. It is started by the first preview, serves one at a time, and
is replaced when it crashes or takes too long.
"""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
import threading
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from monitor.children import start_module
from monitor.errors import BodyUnsupported, EvidenceRefused

MAX_WIDTH = 2048
# No document has as many, and decoders count in 32 bits.
MAX_PAGE = 1_000_000
MEMORY_BYTES = 2 * 1024**3
TIME_LIMIT_S = 20.0
_START_S = 30.0


class _Wanted(msgspec.Struct, frozen=True):
    path: str
    name: str
    page: int | None
    width: int | None


class _Made(msgspec.Struct, frozen=True, tag=True):
    content: bytes


class _Unsupported(msgspec.Struct, frozen=True, tag=True):
    header: str
    value: str
    remedy: str


class _Refused(msgspec.Struct, frozen=True, tag=True):
    problem: str
    remedy: str


_encoder = msgspec.msgpack.Encoder()
_wanted = msgspec.msgpack.Decoder(_Wanted)
_answer = msgspec.msgpack.Decoder(_Made | _Unsupported | _Refused)


class Renderer:
    """Asks the process for previews, one at a time. Thread-safe."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES, time_limit_s: float = TIME_LIMIT_S) -> None:
        self._memory_bytes = memory_bytes
        self._time_limit_s = time_limit_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def render(self, path: Path, name: str, *, page: int | None, width: int | None) -> bytes:
        """A page as PNG where ``page`` is given, else a WebP thumbnail.

        Raises:
            BodyUnsupported: nothing of it can be shown.
            EvidenceRefused: it is broken, too large, or took its decoder down.
        """
        with self._lock:
            try:
                answer = self._ask(_Wanted(str(path), name, page, width))
            except (EOFError, OSError):
                self._end()
                raise EvidenceRefused(
                    name, "its preview could not be made within the limits", "Fetch it without width to get the bytes"
                ) from None
        if isinstance(answer, _Unsupported):
            raise BodyUnsupported(answer.header, answer.value, answer.remedy)
        if isinstance(answer, _Refused):
            raise EvidenceRefused(name, answer.problem, answer.remedy)
        return answer.content

    def stop(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _ask(self, wanted: _Wanted) -> _Made | _Unsupported | _Refused:
        fresh = self._process is None or self._process.poll() is not None
        connection = self._start() if fresh or self._connection is None else self._connection
        connection.send_bytes(_encoder.encode(wanted))
        if not connection.poll(self._time_limit_s + (_START_S if fresh else 0.0)):
            raise TimeoutError
        answer: _Made | _Unsupported | _Refused = _answer.decode(connection.recv_bytes())
        return answer

    def _start(self) -> Connection:
        self._end()
        self._connection, far_end = Pipe()
        arguments = (str(far_end.fileno()), str(self._memory_bytes))
        self._process = start_module("monitor.api.rendering", *arguments, pass_fds=(far_end.fileno(),))
        far_end.close()
        return self._connection

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._connection is not None:
            with contextlib.suppress(OSError):  # it may have broken
                self._connection.close()
            self._connection = None


def _serve(connection: Connection) -> None:
    while True:
        try:
            wanted = _wanted.decode(connection.recv_bytes())
        except EOFError:
            return
        connection.send_bytes(_encoder.encode(_make(wanted)))


def _make(wanted: _Wanted) -> _Made | _Unsupported | _Refused:
    # Only this process decodes; the service starts without the picture library.
    from monitor.api.previews import page_picture, thumbnail

    path = Path(wanted.path)
    try:
        if wanted.page is not None:
            return _Made(page_picture(path, wanted.name, wanted.page, wanted.width and min(wanted.width, MAX_WIDTH)))
        return _Made(thumbnail(path, wanted.name, wanted.width or 0))
    except BodyUnsupported as error:
        return _Unsupported(error.header, error.found, error.remedy)
    except EvidenceRefused as error:
        return _Refused(error.problem, error.remedy)
    except Exception as error:  # noqa: BLE001 - a decoder may raise anything on hostile bytes; whoever asked is told
        return _Refused(f"cannot be shown ({type(error).__name__})", "Fetch it without width to get the bytes")


if __name__ == "__main__":
    limit = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with Connection(int(sys.argv[1])) as pipe:
        _serve(pipe)

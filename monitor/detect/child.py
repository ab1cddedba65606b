"""One worker process as its parent sees it."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import time
from multiprocessing import Pipe
from pathlib import Path

from monitor.children import start_module
from monitor.detect.wire import Configure, Stop, ToService, ToWorker, WorkerConfig, pack, unpack_to_service

_GOODBYE_S = 2.0
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class WorkerDied(Exception):
    """The worker process is gone; the message says how it ended."""


class Child:
    """A started worker. Its pipe is read and written by one thread only.

    ``born`` and deadlines are seconds of :func:`time.monotonic`: they watch a real process, whatever clock a test moves.
    """

    def __init__(self, config: WorkerConfig) -> None:
        self.connection, far_end = Pipe()
        lifeline, self._lifeline = os.pipe()
        self.born = time.monotonic()
        self.loaded: set[str] = set()
        try:
            ends = (far_end.fileno(), lifeline)
            self._process = start_module("monitor.detect.worker", *map(str, ends), pass_fds=ends, environment=_environment(config))
        finally:
            far_end.close()
            os.close(lifeline)
        with contextlib.suppress(OSError):  # a worker that died at once is noticed at the first read
            self.connection.send_bytes(pack(Configure(config)))

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def memory_bytes(self) -> int:
        """What it holds of real memory now; 0 where the system does not say."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, ValueError, IndexError):
            return 0
        return pages * resource.getpagesize()

    def send(self, raw: bytes) -> None:
        """Send a packed message. Raises WorkerDied."""
        try:
            self.connection.send_bytes(raw)
        except OSError as error:
            raise WorkerDied(self.kill()) from error

    def receive(self) -> ToService | None:
        """The next message, or None where nothing waits. Raises WorkerDied."""
        try:
            return unpack_to_service(self.connection.recv_bytes()) if self.connection.poll() else None
        except (EOFError, OSError) as error:
            raise WorkerDied(self.kill()) from error

    def kill(self) -> str:
        """End it now and say how it ended."""
        try:
            code = self._process.wait(0.2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._close()
        if code >= 0:
            return f"the worker ended with exit code {code}"
        name = signal.Signals(-code).name
        return f"the worker was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")

    def stop(self) -> None:
        """Ask it to finish, then insist."""
        message: ToWorker = Stop()
        with contextlib.suppress(OSError):  # already gone
            self.connection.send_bytes(pack(message))
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GOODBYE_S)
        self.kill()

    def _close(self) -> None:
        self.connection.close()
        with contextlib.suppress(OSError):  # closed before
            os.close(self._lifeline)
        self._lifeline = -1


def _environment(config: WorkerConfig) -> dict[str, str]:
    environment: dict[str, str] = {}
    if config.threads:
        environment.update(dict.fromkeys(_THREAD_VARIABLES, str(config.threads)))
    if not config.allow_download:
        environment["HF_HUB_OFFLINE"] = "1"
    return environment

"""Whether the data folder takes writes again after it refused one, so that a balancer sends traffic elsewhere meanwhile."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import unquote

import structlog

from monitor.errors import StorageUnavailable

# Enough for the records that wait at one moment; a disk with less room refuses the next ones.
PROBE_BYTES = 1024 * 1024
# However many balancers ask, the probe is written once in this time.
PROBE_EVERY_S = 1.0
TELL_EVERY_S = 60.0

log = structlog.get_logger(__name__)


class Room:
    """Remembers the last refused write until a probe of the folder succeeds. Thread-safe.

    Evidence that lies elsewhere, such as in object storage, has no part in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._lock = threading.Lock()
        self._refused: str | None = None
        self._probe_after = 0.0
        self._tell_after = 0.0

    def note(self, error: StorageUnavailable) -> bool:
        """A write was refused; whether to tell the log of it, which is asked for once a minute and not for each try of each client."""
        path = unquote(error.path.removeprefix("file://")) if error.path.startswith("file://") else error.path
        if not Path(path).resolve().is_relative_to(self._folder):
            return True
        with self._lock:
            self._refused, self._probe_after = str(error), 0.0
            if time.monotonic() < self._tell_after:
                return False
            self._tell_after = time.monotonic() + TELL_EVERY_S
            return True

    def missing(self) -> str | None:
        """Why the folder takes no writes; None where none was refused, or it takes them again."""
        with self._lock:
            if self._refused is not None and time.monotonic() >= self._probe_after:
                if self._writable():
                    self._refused = None
                    log.info("writes are taken again", folder=str(self._folder))
                self._probe_after = time.monotonic() + PROBE_EVERY_S
            return self._refused

    def _writable(self) -> bool:
        try:
            with tempfile.TemporaryFile(dir=self._folder) as probe:
                probe.write(bytes(PROBE_BYTES))
                probe.flush()
                os.fsync(probe.fileno())
        except OSError:
            return False
        return True

"""One process per data folder: whoever holds the lock runs the spool, the embedded store, detection and the jobs."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType

from monitor.errors import AlreadyRunning, StorageUnavailable

LOCK_FILE = "leader.lock"


class Leadership:
    """Holds ``leader.lock`` in the data folder for the life of the process; the kernel frees it however that ends.

    Raises:
        AlreadyRunning: another process holds it; names its pid.
        StorageUnavailable: the data folder cannot be made or written.
    """

    def __init__(self, data: Path) -> None:
        self._path = data / LOCK_FILE
        try:
            data.mkdir(parents=True, exist_ok=True)
            # Not inherited by workers: a worker that outlives its parent would keep the folder locked.
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise StorageUnavailable(data, error.strerror or str(error)) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held_by = os.read(self._file, 32).decode(errors="replace").strip()
            os.close(self._file)
            raise AlreadyRunning(data, held_by or "unknown") from None
        # For people to read; on a full disk there is no room for it, and the lock is held all the same.
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def __enter__(self) -> Leadership:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def release(self) -> None:
        """Give the folder up. The file stays: removing it would let two processes lock different files of one name."""
        # The pid is for people to read; on a disk that became read-only it stays, and the lock is free all the same.
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, 0)
        os.close(self._file)

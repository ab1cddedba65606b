"""Where sealed content lies open for the libraries that need a file: a private folder of one process, in memory where it fits.

The folder is below ``/dev/shm``, or below the data folder where memory is short, open to nobody else (mode 0700), and
holds a lock while its process lives. Whoever makes one removes those whose process is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from monitor.errors import StorageUnavailable

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder below it is checked to be ours alone
_LOCK = "lock"
# What stays free in memory for everybody else.
_SPARE_BYTES = 32 * 1024**2


class PlainFolder:
    """Files that are gone when the process is done with them.

    Args:
        data: folder used where ``/dev/shm`` is missing or full; tells apart the folders of several services, too.

    Raises:
        StorageUnavailable: neither can be used.
    """

    def __init__(self, data: Path, memory: Path | None = SHARED_MEMORY) -> None:
        self._disk_root = data
        # Made when it is needed first: with room in memory nothing plain ever lies below the data folder.
        self._disk: _Own | None = None
        self._memory = None if memory is None else _in_memory(memory, data)
        if self._memory is None:
            self._on_disk()
        elif data.is_dir():
            _sweep_root(data)

    @property
    def path(self) -> Path:
        """Where new files go first."""
        return (self._memory or self._on_disk()).path

    @property
    def in_memory(self) -> bool:
        """Whether there is a folder in memory."""
        return self._memory is not None

    def write(self, chunks: Iterable[bytes], size: int, name: str | None = None) -> Path:
        """A file of these bytes, ``size`` of them; with ``name`` the one of that name, which is not written twice.

        Raises:
            StorageUnavailable: no room, here or there.
        """
        own = self._memory
        if own is None or not _has_room(own.path, size):
            own = self._on_disk()
        target = own.path / (name or f"copy.{secrets.token_hex(8)}")
        if target.is_file():
            return target
        partial = own.path / f"part.{secrets.token_hex(8)}"
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.writelines(chunks)
            partial.replace(target)
        except OSError as error:
            raise StorageUnavailable(own.path, error.strerror or str(error)) from error
        finally:
            partial.unlink(missing_ok=True)
        return target

    def find(self, name: str) -> Path | None:
        """The file of a name, or None."""
        return next((own.path / name for own in (self._memory, self._disk) if own is not None and (own.path / name).is_file()), None)

    def clear(self) -> None:
        """Remove every file."""
        for own in (self._memory, self._disk):
            if own is not None:
                own.clear()

    def close(self) -> None:
        """Remove the folders."""
        for own in (self._memory, self._disk):
            if own is not None:
                own.close()

    @contextmanager
    def for_temporary_files(self) -> Iterator[None]:
        """Temporary files of this process and its children, uploads among them, lie here, too."""
        before, before_variable = tempfile.tempdir, os.environ.get("TMPDIR")
        folder = self.path / "tmp"
        folder.mkdir(mode=0o700, exist_ok=True)
        tempfile.tempdir, os.environ["TMPDIR"] = str(folder), str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = before
            if before_variable is None:
                os.environ.pop("TMPDIR", None)
            else:
                os.environ["TMPDIR"] = before_variable

    def _on_disk(self) -> _Own:
        if self._disk is None:
            self._disk = _Own(self._disk_root)
        return self._disk


class _Own:
    """One process's folder below a root, locked for as long as it lives."""

    def __init__(self, root: Path) -> None:
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            root.chmod(0o700)
            with _locked(root / _LOCK):
                _sweep(root)
                self.path = Path(tempfile.mkdtemp(dir=root, prefix=f"{os.getpid()}."))
                self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StorageUnavailable(root, error.strerror or str(error)) from error

    def clear(self) -> None:
        for path in self.path.iterdir():
            if path.name != _LOCK and not path.is_dir():
                path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._lock < 0:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)
        self._lock = -1
        with contextlib.suppress(OSError), _locked(self.path.parent / _LOCK):
            # Processes of ours may have been ended before they could do the same.
            _sweep(self.path.parent)
            if [path.name for path in self.path.parent.iterdir()] == [_LOCK]:
                (self.path.parent / _LOCK).unlink()
                self.path.parent.rmdir()


def _in_memory(memory: Path, data: Path) -> _Own | None:
    """A folder below shared memory, or None where it cannot be had for us alone."""
    name = hashlib.sha256(str(data).encode()).hexdigest()[:16]
    root = memory / f"groundwatch-{os.getuid()}-{name}"
    try:
        root.mkdir(mode=0o700, exist_ok=True)
        found = root.lstat()
        # Everybody may write to the folder above: one that somebody else put there is not used.
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            return None
        return _Own(root)
    except (OSError, StorageUnavailable):
        return None


def _sweep_root(root: Path) -> None:
    with contextlib.suppress(OSError), _locked(root / _LOCK):  # a read-only disk has nothing that could be removed
        _sweep(root)


def _sweep(root: Path) -> None:
    """Remove the folders of processes that are gone."""
    for path in root.iterdir():
        if path.is_dir() and not path.is_symlink() and _is_abandoned(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    try:
        handle = os.open(folder / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _has_room(folder: Path, size: int) -> bool:
    try:
        return shutil.disk_usage(folder).free >= size + _SPARE_BYTES
    except OSError:
        return False

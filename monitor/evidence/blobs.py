"""Bytes on disk under their own hash: received into a temporary file, synced, then renamed. Never half a blob.

With keys they are sealed as they arrive, so that nothing plain is written, not even for a moment; the hash is always that
of the plain content.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import time
from pathlib import Path
from types import TracebackType

from monitor.errors import EvidenceRefused, EvidenceUnusable, StorageUnavailable
from monitor.sealing import KeyRing, SealingWriter, Vault
from monitor.sealing.vault import context_of
from monitor.syncing import sync

SHA256 = re.compile(r"[0-9a-f]{64}")
INCOMING = "incoming"
# As much as tells what kind of file it is.
HEAD_BYTES = 4096
# A receiver that has not written for so long died; what it left is swept.
_ABANDONED_S = 6 * 3600
# A cached file that was used this recently may be open in a detector and stays.
_IN_USE_S = 900


def blob_name(sha256: str) -> str:
    """Where a blob lies below its root: ``ab/cd/<sha256>``.

    Raises:
        EvidenceRefused: not 64 lower-case hex digits (so no name can leave the root).
    """
    if not SHA256.fullmatch(sha256):
        raise EvidenceRefused(
            f"sha256:{sha256[:80]}", "is not 64 lower-case hex digits", "Send the SHA-256 of the content in lower-case hex"
        )
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


class Incoming:
    """One blob being received. Use as a context manager: what was not published is removed.

    ``size`` and ``head`` (the first 4 KB) are of the plain content. With ``keys`` the file is sealed.

    Raises (from every method):
        StorageUnavailable: the disk is full, read-only or broken.
        EvidenceRefused: more than ``max_bytes`` were written.
    """

    def __init__(self, folder: Path, max_bytes: int, label: str = "upload", keys: KeyRing | None = None) -> None:
        self.size = 0
        self.head = b""
        self._max_bytes = max_bytes
        self._label = label
        self._hash = hashlib.sha256()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=folder, prefix="blob.")
        except OSError as error:
            raise StorageUnavailable(folder, error.strerror or str(error)) from error
        self.path = Path(name)
        self._file = os.fdopen(handle, "wb")
        self._sealing = None if keys is None else SealingWriter(self._file, keys)

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.discard()

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.size += len(chunk)
        if self.size > self._max_bytes:
            problem = f"is larger than the limit of {self._max_bytes} bytes"
            raise EvidenceRefused(self._label, problem, "Send a smaller file, or raise GROUNDWATCH_MAX_EVIDENCE_BYTES")
        self._hash.update(chunk)
        if len(self.head) < HEAD_BYTES:
            self.head += chunk[: HEAD_BYTES - len(self.head)]
        try:
            (self._sealing or self._file).write(chunk)
        except OSError as error:
            raise StorageUnavailable(self.path, error.strerror or str(error)) from error

    @property
    def sha256(self) -> str:
        """Hash of everything written so far."""
        return self._hash.hexdigest()

    def sync(self) -> None:
        """Everything written is on disk afterwards; nothing more can be written."""
        try:
            if self._sealing is not None:
                self._sealing.finish(context_of(self.sha256))
                self._sealing = None
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise StorageUnavailable(self.path, error.strerror or str(error)) from error

    def publish(self, target: Path) -> None:
        """Make the synced file visible under its final name, which must lie on the same file system."""
        self.sync()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._file.close()
            self.path.chmod(0o640)
            self.path.replace(target)
            # The new names are only safe when their folders are synced too, up to the root of the store.
            for folder in target.parents[:3]:
                sync(folder)
        except OSError as error:
            raise StorageUnavailable(target, error.strerror or str(error)) from error

    def discard(self) -> None:
        """Remove the temporary file; does nothing after :meth:`publish`."""
        with contextlib.suppress(OSError):  # closing flushes; on a full disk that fails, and the file goes anyway
            self._file.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def sweep_incoming(folder: Path) -> None:
    """Remove what killed receivers left behind."""
    limit = time.time() - _ABANDONED_S
    with contextlib.suppress(OSError):  # a folder that is not there, or a read-only disk, has nothing to sweep
        for path in folder.iterdir():
            if path.stat().st_mtime < limit:
                path.unlink(missing_ok=True)


class BlobCache:
    """Local copies of blobs that live elsewhere, the least recently used removed above ``limit_bytes``.

    Safe to share between processes: files appear by rename and are only removed when nobody used them for a while. With a
    ``vault`` they are sealed, and what is given out are plain copies in the vault's private folder.
    """

    def __init__(self, folder: Path, limit_bytes: int, vault: Vault | None = None) -> None:
        self.folder = folder
        self._limit_bytes = limit_bytes
        self._vault = vault

    def get(self, sha256: str) -> Path | None:
        """The copy, marked as used, or None. Raises StorageUnavailable."""
        path = self.stored(sha256)
        if path is None or self._vault is None:
            return path
        try:
            return self._vault.copy(path, sha256)
        except EvidenceUnusable:
            # It is only a copy: it is made again. Whether the original opens is another matter.
            self._vault.damaged.discard(sha256)
            self.remove(sha256)
            return None

    @property
    def sealed(self) -> bool:
        """Whether the copies lie sealed."""
        return self._vault is not None

    def stored(self, sha256: str) -> Path | None:
        """The copy's own file, sealed or not, marked as used; None where there is none. Raises StorageUnavailable."""
        path = self.folder / blob_name(sha256)
        try:
            os.utime(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            # On a read-only disk the copy can still be read.
            if not path.is_file():
                raise StorageUnavailable(path, error.strerror or str(error)) from error
        return path

    def receive(self, max_bytes: int, label: str = "download") -> Incoming:
        """A receiver whose blob :meth:`keep` takes."""
        return Incoming(self.folder / INCOMING, max_bytes, label, None if self._vault is None else self._vault.keys)

    def receive_sealed(self, max_bytes: int, label: str) -> Incoming:
        """A receiver for bytes that are sealed already; :meth:`keep_sealed` takes them."""
        return Incoming(self.folder / INCOMING, max_bytes, label)

    def keep(self, incoming: Incoming) -> Path:
        """Publish what was received under its hash; the copy to read."""
        sha256 = incoming.sha256
        path = self.keep_sealed(incoming, sha256)
        return path if self._vault is None else self._vault.copy(path, sha256)

    def keep_sealed(self, incoming: Incoming, sha256: str) -> Path:
        """Publish what was received under the hash of its plain content; its own file."""
        path = self.folder / blob_name(sha256)
        incoming.publish(path)
        self._trim()
        return path

    def add(self, content: bytes) -> Path:
        """The copy of these bytes, written where it is not there yet."""
        if (path := self.get(hashlib.sha256(content).hexdigest())) is not None:
            return path
        with self.receive(len(content)) as incoming:
            incoming.write(content)
            return self.keep(incoming)

    def remove(self, sha256: str) -> bool:
        """Remove a copy; whether there was one. Raises StorageUnavailable."""
        path = self.folder / blob_name(sha256)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StorageUnavailable(path, error.strerror or str(error)) from error
        return True

    def _trim(self) -> None:
        entries = []
        with contextlib.suppress(FileNotFoundError):  # another process trims too
            entries = sorted((stat.st_mtime, stat.st_size, path) for path in self.folder.glob("??/??/*") for stat in (path.stat(),))
        total = sum(size for _, size, _ in entries)
        for used, size, path in entries:
            if total <= self._limit_bytes or used > time.time() - _IN_USE_S:
                return
            path.unlink(missing_ok=True)
            total -= size

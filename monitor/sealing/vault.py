"""Blobs of evidence, sealed and opened: what the evidence store and its caches need of keys and of a private folder."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from monitor.errors import EvidenceUnusable, SealBroken
from monitor.sealing.keys import KeyRing
from monitor.sealing.plain import PlainFolder
from monitor.sealing.stream import CHUNK, SealedReader, is_sealed_file


def context_of(sha256: str) -> bytes:
    """What a sealed blob is bound to: the hash that names it."""
    return f"evidence sha256:{sha256}".encode()


class Vault:
    """Opens sealed blobs with ``keys`` into ``plain``, the process's private folder. Thread-safe.

    ``damaged`` are the hashes of blobs that could not be opened.
    """

    def __init__(self, keys: KeyRing, plain: PlainFolder) -> None:
        self.keys = keys
        self.plain = plain
        self.damaged: set[str] = set()

    def reader(self, path: Path, sha256: str) -> BinaryIO:
        """The content of a blob's file, sealed or plain. Raises EvidenceUnusable, OSError."""
        if not is_sealed_file(path):
            return path.open("rb")
        try:
            return cast(BinaryIO, io.BufferedReader(_Watched(self, path.open("rb"), sha256), CHUNK))
        except SealBroken as error:
            # Whoever uploads a file that begins like a sealed one gets it back.
            if _hash(path) == sha256:
                return path.open("rb")
            raise self.unusable(sha256, error) from error

    def copy(self, path: Path, sha256: str) -> Path:
        """The content as a plain file; a private copy, kept until :meth:`clear`, where the blob is sealed.

        Raises:
            EvidenceUnusable: it does not open, or is not what its name says.
            StorageUnavailable: no room for the copy.
        """
        return self.plain.find(sha256) or self._opened(path, sha256, sha256)

    @contextmanager
    def lent(self, path: Path, sha256: str) -> Iterator[Path]:
        """As :meth:`copy`, for the time of the block."""
        opened = self._opened(path, sha256, None)
        try:
            yield opened
        finally:
            if opened != path:
                opened.unlink(missing_ok=True)

    def _opened(self, path: Path, sha256: str, name: str | None) -> Path:
        with self.reader(path, sha256) as content:
            raw = getattr(content, "raw", None)
            if not isinstance(raw, SealedReader):
                # From before there were keys. Only its hash says whether it is what was stored.
                if _digest(content) != sha256:
                    raise self.unusable(sha256, SealBroken("the blob", "is plain and has another hash than its name", ""))
                return path
            return self.plain.write(iter(lambda: content.read(CHUNK), b""), raw.size, name)

    def verify(self, path: Path, sha256: str) -> bool:
        """Whether a blob's file opens to the content its name says. Raises OSError."""
        try:
            with self.reader(path, sha256) as content:
                good = _digest(content) == sha256
        except EvidenceUnusable:
            return False
        if good:
            self.damaged.discard(sha256)
        return good

    def unusable(self, sha256: str, error: SealBroken) -> EvidenceUnusable:
        """Noted, and as an error that names the evidence."""
        self.damaged.add(sha256)
        return EvidenceUnusable(f"sha256:{sha256}", error.problem)

    def clear(self) -> None:
        """Remove all copies."""
        self.plain.clear()


class _Watched(SealedReader):
    """A reader that names the evidence in what it raises."""

    def __init__(self, vault: Vault, sealed: BinaryIO, sha256: str) -> None:
        self._vault = vault
        self._sha256 = sha256
        super().__init__(sealed, vault.keys, context_of(sha256), f"evidence sha256:{sha256}")

    def readinto(self, buffer: Any, /) -> int:
        try:
            return super().readinto(buffer)
        except SealBroken as error:
            raise self._vault.unusable(self._sha256, error) from error


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return _digest(stream)


def _digest(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()

"""The evidence store: blobs addressed by the SHA-256 of their content, in a folder or behind any fsspec URL."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import quote

import fsspec.core
import msgspec
from fsspec.implementations.local import LocalFileSystem

from monitor.errors import (
    EvidenceDeleted,
    EvidenceMissing,
    EvidenceRefused,
    EvidenceUnusable,
    RecordInvalid,
    SettingsInvalid,
    StorageUnavailable,
)
from monitor.evidence.blobs import INCOMING, BlobCache, Incoming, blob_name, sweep_incoming
from monitor.records import DEFAULT_PROJECT, Evidence, ResponseRecord
from monitor.sealing import MAGIC, Vault, is_sealed_file, key_id_of
from monitor.sealing.stream import plain_size
from monitor.syncing import sync, write_synced

# Text this short stays in the record: a blob a line would cost more than it saves.
INLINE_TEXT_BYTES = 4096
_CHUNK = 1 << 20
# Beside where a deleted blob lay.
_MARK = ".deleted"
# How much local copies of remote blobs may take: twenty of the largest allowed.
_CACHED_BLOBS = 20


class StoredBlob(msgspec.Struct, frozen=True, kw_only=True):
    """A blob that is safely stored; ``created`` is False where it was there before."""

    sha256: str
    size: int
    created: bool


class EvidenceStore:
    """Puts and reads blobs. Thread-safe; any number of processes may share one URL.

    Args:
        url: fsspec URL of the root, such as ``file:///var/lib/groundwatch/evidence`` or ``s3://bucket/evidence``.
        max_bytes: largest blob that is taken.
        cache_dir: where blobs of a remote store are copied to be read as files.
        vault: seals what is stored and opens what is sealed; without one, blobs are stored plain.

    Raises:
        SettingsInvalid: the URL needs a package that is not installed, or no file system understands it.
    """

    def __init__(self, url: str, max_bytes: int, cache_dir: Path, vault: Vault | None = None) -> None:
        self.url = url
        self.vault = vault
        self.max_bytes = max_bytes
        self.cache_dir = cache_dir
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            remedy = "Install the fsspec package for that URL (s3fs, gcsfs …), or use a folder"
            raise SettingsInvalid("GROUNDWATCH_EVIDENCE_URL", url, str(error), remedy) from error
        self._folder = Path(self._root) if isinstance(self._files, LocalFileSystem) else None
        self._cache = BlobCache(cache_dir / "blobs", _CACHED_BLOBS * max_bytes, vault)
        self._incoming = (self._folder or cache_dir) / INCOMING
        sweep_incoming(self._incoming)
        self._projects: dict[str, EvidenceStore] = {}

    def of(self, project: str) -> EvidenceStore:
        """The store of one project, which sees no other's blobs: knowing a hash must not open what somebody else uploaded.

        The default project has the root itself, every other one a folder below ``projects/``.
        """
        if project == DEFAULT_PROJECT:
            return self
        if (known := self._projects.get(project)) is None:
            # A name made only of dots would climb; quoting leaves no slash, and the prefix leaves no such name.
            name = f"p-{quote(project, safe='')}"
            known = EvidenceStore(f"{self.url.rstrip('/')}/projects/{name}", self.max_bytes, self.cache_dir / "projects" / name, self.vault)
            self._projects[project] = known
        return known

    def put(self, source: bytes | BinaryIO | Iterable[bytes], sha256: str | None = None) -> StoredBlob:
        """Store the bytes durably and return their hash.

        Raises:
            EvidenceRefused: too large, or ``sha256`` is given and the bytes have another hash.
            StorageUnavailable: the disk or the remote store refused the write; nothing is visible.
        """
        with self.receive() as incoming:
            for chunk in _chunks(source):
                incoming.write(chunk)
            return self.keep(incoming, sha256)

    def receive(self) -> Incoming:
        """For bytes that arrive piece by piece: write them, then :meth:`keep`. A context manager."""
        return Incoming(self._incoming, self.max_bytes, keys=None if self.vault is None else self.vault.keys)

    def keep(self, incoming: Incoming, sha256: str | None = None) -> StoredBlob:
        """Store what was received; as :meth:`put`."""
        found = incoming.sha256
        if sha256 is not None and sha256 != found:
            blob_name(sha256)
            problem = f"the content has SHA-256 {found}"
            raise EvidenceRefused(f"sha256:{sha256}", problem, "Send the content whose hash you name")
        if self.exists(found) and self._is_sound(found):
            return StoredBlob(sha256=found, size=incoming.size, created=False)
        if self._folder is not None:
            incoming.publish(self._folder / blob_name(found))
        else:
            self._upload(incoming)
        return StoredBlob(sha256=found, size=incoming.size, created=True)

    def _is_sound(self, sha256: str) -> bool:
        """Whether what is stored can be used; sealed bytes that do not open are replaced by those that came."""
        if self.vault is None or self.vault.verify(self._stored(sha256), sha256):
            return True
        self._cache.remove(sha256)
        self.vault.damaged.discard(sha256)
        return False

    def _upload(self, incoming: Incoming) -> None:
        incoming.sync()
        key = self._key(incoming.sha256)
        try:
            # Object stores show an object only when all of it has arrived.
            self._files.makedirs(key.rsplit("/", 1)[0], exist_ok=True)
            self._files.put_file(str(incoming.path), key)
        except OSError as error:
            raise StorageUnavailable(self.url, str(error)) from error

    def _key(self, sha256: str) -> str:
        return f"{self._root.rstrip('/')}/{blob_name(sha256)}"

    def deleted(self, sha256: str) -> tuple[str, datetime] | None:
        """Why and when a blob was deleted that is not stored any more; None where nothing says so. Raises StorageUnavailable."""
        if self.exists(sha256):
            return None
        try:
            with self._files.open(self._key(sha256) + _MARK, "r", errors="replace") as mark:
                reason, _, at = mark.read().partition(" ")
            try:
                return reason, datetime.fromisoformat(at)
            except ValueError:
                # A mark that a power cut emptied still says that there was one.
                return "an unknown cause", self._files.modified(self._key(sha256) + _MARK)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageUnavailable(self.url, str(error)) from error

    def _missing(self, sha256: str) -> EvidenceMissing:
        gone = self.deleted(sha256)
        return EvidenceMissing(sha256) if gone is None else EvidenceDeleted(sha256, *gone)

    def exists(self, sha256: str) -> bool:
        """Whether a blob is stored under this hash."""
        if self._folder is not None:
            return (self._folder / blob_name(sha256)).is_file()
        key = self._key(sha256)
        try:
            return bool(self._files.exists(key))
        except OSError as error:
            raise StorageUnavailable(self.url, str(error)) from error

    def local_path(self, sha256: str) -> Path:
        """The blob as a local file; a remote one is copied into the cache first and its hash checked.

        A sealed one is opened into the vault's private folder, where it stays until :meth:`Vault.clear`.

        Raises:
            EvidenceMissing, EvidenceRefused (not a hash, larger than the limit, damaged), StorageUnavailable.
        """
        path = self._stored(sha256)
        if self.vault is not None:
            return self.vault.copy(path, sha256)
        _refuse_sealed(path, sha256)
        return path

    @contextmanager
    def lent(self, sha256: str) -> Iterator[Path]:
        """The blob as a local file for the time of the block. Raises as :meth:`local_path`."""
        path = self._stored(sha256)
        if self.vault is None:
            _refuse_sealed(path, sha256)
            yield path
        else:
            with self.vault.lent(path, sha256) as opened:
                yield opened

    def plain_path(self, sha256: str) -> Path | None:
        """The blob's own file where it is not sealed, else None. Raises as :meth:`local_path`."""
        path = self._stored(sha256)
        return None if is_sealed_file(path) else path

    def _stored(self, sha256: str) -> Path:
        """The file of a blob as it is stored, sealed or not."""
        if self._folder is not None:
            path = self._folder / blob_name(sha256)
            if not path.is_file():
                raise self._missing(sha256)
            return path
        return self._cache.stored(sha256) or self._download(sha256)

    def _download(self, sha256: str) -> Path:
        label = f"sha256:{sha256}"
        try:
            with self._files.open(self._key(sha256), "rb") as stream:
                head = stream.read(len(MAGIC))
                sealed = head == MAGIC
                with (
                    self._cache.receive_sealed(2 * self.max_bytes, label) if sealed else self._cache.receive(self.max_bytes, label) as taken
                ):
                    taken.write(head)
                    for chunk in _chunks(stream):
                        taken.write(chunk)
                    # Sealed bytes tell at every opening whether they are what was stored.
                    if not sealed and taken.sha256 != sha256:
                        raise EvidenceRefused(label, "the stored bytes are damaged", "Upload the evidence again")
                    return self._cache.keep_sealed(taken, sha256)
        except FileNotFoundError:
            raise self._missing(sha256) from None
        except OSError as error:
            raise StorageUnavailable(self.url, str(error)) from error

    def open(self, sha256: str) -> BinaryIO:
        """The blob as a seekable stream; the caller closes it. Raises as :meth:`local_path`, sealed blobs also while read."""
        path = self._stored(sha256)
        if self.vault is not None:
            return self.vault.reader(path, sha256)
        _refuse_sealed(path, sha256)
        return path.open("rb")

    def size(self, sha256: str) -> int:
        """Bytes of the blob's content. Raises EvidenceMissing or StorageUnavailable."""
        try:
            if self._folder is not None:
                path = self._folder / blob_name(sha256)
                stored, sealed = path.stat().st_size, is_sealed_file(path)
            else:
                stored = int(self._files.size(self._key(sha256)))
                with self._files.open(self._key(sha256), "rb") as stream:
                    sealed = stream.read(len(MAGIC)) == MAGIC
        except FileNotFoundError:
            raise EvidenceMissing(sha256) from None
        except OSError as error:
            raise StorageUnavailable(self.url, str(error)) from error
        return plain_size(stored) if sealed else stored

    def delete(self, sha256: str, reason: str | None = None, now: datetime | None = None) -> int:
        """Remove a blob and its local copy; its size, or 0 where it was not stored.

        With a ``reason`` a mark stays in its place that says why and when. Raises EvidenceRefused, StorageUnavailable.
        """
        self._cache.remove(sha256)
        try:
            if reason is not None and now is not None and self.exists(sha256):
                # Before the blob goes: a kill in between leaves a blob that is deleted the next time.
                self._write_mark(sha256, f"{reason} {now.isoformat()}")
            size = self.size(sha256)
            if self._folder is not None:
                path = self._folder / blob_name(sha256)
                path.unlink(missing_ok=True)
                sync(path.parent)
            else:
                self._files.rm_file(self._key(sha256))
        except (EvidenceMissing, FileNotFoundError):
            return 0
        except OSError as error:
            raise StorageUnavailable(self.url, str(error)) from error
        return size

    def _write_mark(self, sha256: str, text: str) -> None:
        if self._folder is not None:
            path = self._folder / blob_name(sha256)
            write_synced(path.with_name(path.name + _MARK), text.encode())
            return
        with self._files.open(self._key(sha256) + _MARK, "w") as mark:
            mark.write(text)

    def externalise(self, record: ResponseRecord) -> ResponseRecord:
        """The record with its inline evidence stored and replaced by ``sha256:`` references.

        Text of up to :data:`INLINE_TEXT_BYTES` stays inline. A declared hash is checked either way.

        Raises:
            RecordInvalid: content with another hash than it declares, or larger than the limit; names the field.
            StorageUnavailable: the store did not take the bytes.
        """
        evidence = tuple(self._externalised(index, piece) for index, piece in enumerate(record.evidence))
        return msgspec.structs.replace(record, evidence=evidence)

    def _externalised(self, index: int, piece: Evidence) -> Evidence:
        if piece.content is None:
            return piece
        content = piece.content_bytes()
        if piece.is_text and len(content) <= INLINE_TEXT_BYTES and piece.sha256 in (None, hashlib.sha256(content).hexdigest()):
            return piece
        try:
            stored = self.put(content, piece.sha256)
        except EvidenceRefused as error:
            name = "sha256" if piece.sha256 and len(content) <= self.max_bytes else "content"
            raise RecordInvalid(f"evidence[{index}].{name}", error.problem, error.remedy) from error
        return msgspec.structs.replace(piece, content=None, uri=f"sha256:{stored.sha256}", sha256=stored.sha256)


def _refuse_sealed(path: Path, sha256: str) -> None:
    """Raises EvidenceUnusable for a sealed file where there are no keys."""
    if is_sealed_file(path):
        with path.open("rb") as stream:
            # Whoever uploads a file that begins like a sealed one gets it back.
            if hashlib.file_digest(stream, "sha256").hexdigest() != sha256:
                problem = f"is sealed with the key {key_id_of(path)}, and no keys are set"
                raise EvidenceUnusable(f"sha256:{sha256}", problem)


def _chunks(source: bytes | BinaryIO | Iterable[bytes]) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
    elif hasattr(source, "read"):
        stream = cast(BinaryIO, source)
        while chunk := stream.read(_CHUNK):
            yield chunk
    else:
        yield from source

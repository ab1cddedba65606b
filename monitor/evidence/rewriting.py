"""Stored blobs written again, sealed with the newest key or plain: one by one, each replaced by rename."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import fsspec.core
import msgspec
from fsspec.implementations.local import LocalFileSystem

from monitor.errors import EvidenceUnusable, StorageUnavailable
from monitor.evidence.blobs import INCOMING, SHA256, Incoming
from monitor.sealing import MAGIC, KeyRing, Vault
from monitor.sealing.stream import CHUNK, HEADER_BYTES, ID_AT, SALT_AT


class Rewritten(msgspec.Struct, kw_only=True):
    """How many blobs were written again, were as they should be, and do not open (those are named)."""

    written: int = 0
    kept: int = 0
    unusable: list[str] = msgspec.field(default_factory=list)


def rewrite(url: str, vault: Vault, target: KeyRing | None) -> Rewritten:
    """Go over all blobs of all projects below the evidence URL; ``vault`` opens what is there, ``target`` seals it.

    Nothing else may write there meanwhile. Raises StorageUnavailable; what was written until then is done.
    """
    files, root = fsspec.core.url_to_fs(url)
    local = isinstance(files, LocalFileSystem)
    incoming = Path(root) / INCOMING if local else vault.plain.path / INCOMING
    if local:
        # What killed receivers left may be plain.
        for left in (Path(root), *(Path(root) / "projects").glob("*")):
            shutil.rmtree(left / INCOMING, ignore_errors=True)
    done = Rewritten()
    try:
        for key in _blobs(files, root):
            sha256 = key.rsplit("/", 1)[1]
            with files.open(key, "rb") as stream:
                head = stream.read(HEADER_BYTES)
            sealed_with = head[ID_AT:SALT_AT].hex() if head.startswith(MAGIC) else None
            if sealed_with == (None if target is None else target.newest):
                done.kept += 1
                continue
            path = Path(key) if local else _fetched(files, key, vault)
            try:
                with vault.reader(path, sha256) as content, Incoming(incoming, sys.maxsize, keys=target) as taken:
                    while chunk := content.read(CHUNK):
                        taken.write(chunk)
                    if taken.sha256 != sha256:
                        raise EvidenceUnusable(f"sha256:{sha256}", "has another hash than its name")
                    if local:
                        taken.publish(path)
                    else:
                        taken.sync()
                        files.put_file(str(taken.path), key)
                done.written += 1
            except EvidenceUnusable as error:
                done.unusable.append(str(error))
            finally:
                if not local:
                    path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageUnavailable(url, str(error)) from error
    return done


def _blobs(files: Any, root: str) -> Iterator[str]:
    for key in sorted(files.find(root)) if files.exists(root) else ():
        if SHA256.fullmatch(key.rsplit("/", 1)[1]):
            yield key


def _fetched(files: Any, key: str, vault: Vault) -> Path:
    stream: BinaryIO | io.BufferedIOBase
    with files.open(key, "rb") as stream:
        return vault.plain.write(iter(lambda: stream.read(CHUNK), b""), int(files.size(key)))

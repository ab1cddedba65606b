"""``groundwatch backup`` and ``restore``: one archive of a stopped data folder, checked file by file on the way back.

SQLite files are copied by SQLite itself, so that what its journal holds is in the copy. Every file is in the manifest
with its SHA-256; a restore that finds a difference leaves nothing behind. With keys the whole archive is sealed, so that
what lies plain in the databases does not lie plain in it. What lives elsewhere (a ClickHouse server,
PostgreSQL, object storage) is named in the manifest as left out and has to be backed up by its own tools.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

import monitor
from monitor.errors import GroundwatchError, SealBroken, SealKeyMissing, StorageUnavailable
from monitor.leader import LOCK_FILE, Leadership
from monitor.sealing import KeyRing, SealedReader, SealingWriter, is_sealed_file, keys_for
from monitor.sealing.keys import FILE_SETTING
from monitor.settings import SPOOL_FILE, Settings
from monitor.spool import renew_identity
from monitor.syncing import sync, sync_tree

MANIFEST = "manifest.json"
FORMAT = 1
# Joined weights and copies of evidence are made again when they are needed.
_LEFT_BEHIND = {"cache", LOCK_FILE}
_CONTEXT = b"groundwatch backup"
_SERVER = "ClickHouse server"


class BackupRefused(GroundwatchError):
    """An archive cannot be made or used; says why and what to do."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        self.path = path
        super().__init__(f"{path}: {problem}. {remedy}")


class FileEntry(msgspec.Struct, frozen=True):
    """One file of an archive."""

    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive holds. ``left_out`` names what lives outside the data folder."""

    format: int
    version: str
    created_at: datetime
    files: dict[str, FileEntry]
    left_out: list[str]


def backup(settings: Settings, archive: Path, now: datetime) -> Manifest:
    """Write an archive of a data folder that nothing runs on.

    Raises:
        AlreadyRunning: a sidecar runs on the folder.
        SettingsInvalid: the keys cannot be used, or the folder needs one that is missing.
        BackupRefused: there is nothing to back up, or the archive exists.
        StorageUnavailable: the archive cannot be written; nothing of it remains.
    """
    if not settings.data.is_dir():
        raise BackupRefused(settings.data, "there is no such data folder", "Name it with --data")
    if archive.exists():
        raise BackupRefused(archive, "exists already", "Choose another name, or remove it")
    keys = keys_for(settings)
    partial = archive.with_name(f"{archive.name}.partial")
    with Leadership(settings.data), tempfile.TemporaryDirectory() as scratch:
        try:
            with partial.open("wb") as out:
                sealing = None if keys is None else SealingWriter(out, keys)
                # The library asks for a whole file and uses what can be written to.
                target = cast(BinaryIO, sealing or out)
                with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=1) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
                    files = {name: _add(tar, name, path, Path(scratch)) for name, path in _files(settings.data)}
                    manifest = Manifest(
                        format=FORMAT, version=monitor.__version__, created_at=now, files=files, left_out=_elsewhere(settings)
                    )
                    _add_bytes(tar, msgspec.json.encode(manifest))
                if sealing is not None:
                    sealing.finish(_CONTEXT)
                out.flush()
                os.fsync(out.fileno())
            partial.rename(archive)
            sync(archive.absolute().parent)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise StorageUnavailable(archive, error.strerror or str(error)) from error
    return manifest


def restore(archive: Path, data: Path, keys: KeyRing | None = None) -> Manifest:
    """Make a data folder of an archive, checking every file against the manifest; ``keys`` open a sealed one.

    Raises:
        BackupRefused: the archive is damaged, no backup, or of a newer format; or the folder is not empty.
        StorageUnavailable: the folder cannot be written. In both cases nothing is left in it.
    """
    if data.exists() and any(data.iterdir()):
        raise BackupRefused(data, "is not empty", "Restore into a new folder, then move it into place")
    partial = data.with_name(f".{data.name}.restoring")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        manifest = _unpack(archive, partial, keys)
        if _SERVER in manifest.left_out and (partial / SPOOL_FILE).is_file():
            renew_identity(partial / SPOOL_FILE)
        sync_tree(partial)
        if data.exists():
            data.rmdir()
        partial.rename(data)
        sync(data.absolute().parent)
    except SealKeyMissing as error:
        remedy = f"Name the file that holds it with {FILE_SETTING}"
        raise BackupRefused(archive, f"is sealed with the key {error.key_id}, which is not among the keys", remedy) from error
    except SealBroken as error:
        raise BackupRefused(archive, error.problem, "Use another archive") from error
    except (tarfile.TarError, EOFError, zlib.error, msgspec.MsgspecError) as error:
        raise BackupRefused(archive, f"is no whole backup ({error})", "Use another archive") from error
    except FileNotFoundError as error:
        raise BackupRefused(archive, "there is no such archive", "Check its name") from error
    except OSError as error:
        raise StorageUnavailable(data, error.strerror or str(error)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def _files(data: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(data.rglob("*")):
        relative = path.relative_to(data)
        # A journal belongs to its database and is in the copy that SQLite makes of it.
        journal = path.name.endswith((".sqlite3-wal", ".sqlite3-shm", ".sqlite3-journal"))
        if relative.parts[0] not in _LEFT_BEHIND and not journal and (path.is_symlink() or path.is_file()):
            yield str(relative), path


def _add(tar: tarfile.TarFile, name: str, path: Path, scratch: Path) -> FileEntry:
    if path.is_symlink():
        tar.add(path, name, recursive=False)
        return FileEntry(0, hashlib.sha256(str(path.readlink()).encode()).hexdigest())
    source = path
    if path.suffix == ".sqlite3":
        source = scratch / path.name
        with closing(sqlite3.connect(path)) as live, closing(sqlite3.connect(source)) as copy:
            live.backup(copy)
    with source.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    tar.add(source, name, recursive=False)
    return FileEntry(source.stat().st_size, sha256)


def _add_bytes(tar: tarfile.TarFile, content: bytes) -> None:
    with tempfile.TemporaryFile() as stream:
        stream.write(content)
        stream.seek(0)
        entry = tarfile.TarInfo(MANIFEST)
        entry.size = len(content)
        tar.addfile(entry, stream)


def _unpack(archive: Path, folder: Path, keys: KeyRing | None) -> Manifest:
    with _opened(archive, keys) as stream, tarfile.open(fileobj=stream, mode="r:gz") as tar:
        # The filter keeps every member inside the folder and takes neither devices nor absolute links.
        tar.extractall(folder, filter="data")
    listed = folder / MANIFEST
    if not listed.is_file():
        raise BackupRefused(archive, "is damaged, or `groundwatch backup` did not make it: it has no manifest", "Use another archive")
    raw = listed.read_bytes()
    listed.unlink()
    if msgspec.json.decode(raw, type=dict)["format"] > FORMAT:
        raise BackupRefused(archive, "was made by a newer groundwatch", "Restore it with that version")
    manifest = msgspec.json.decode(raw, type=Manifest)
    found = dict(_files(folder))
    for name, entry in manifest.files.items():
        path = found.pop(name, None)
        if path is None or _hash(path) != entry.sha256:
            raise BackupRefused(archive, f"{name} is damaged or missing", "Use another archive")
    if found:
        raise BackupRefused(archive, f"{next(iter(found))} is not in its manifest", "Use another archive")
    return manifest


def _opened(archive: Path, keys: KeyRing | None) -> BinaryIO:
    if not is_sealed_file(archive):
        return archive.open("rb")
    reader = SealedReader(archive.open("rb"), keys, _CONTEXT, str(archive))
    return cast(BinaryIO, io.BufferedReader(reader))


def _hash(path: Path) -> str:
    if path.is_symlink():
        return hashlib.sha256(str(path.readlink()).encode()).hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _elsewhere(settings: Settings) -> list[str]:
    named = {
        _SERVER: settings.clickhouse_url,
        "metadata database": "" if settings.sqlalchemy_url.startswith("sqlite:") else settings.metadata_url,
        "evidence": settings.evidence_url,
    }
    return [name for name, url in named.items() if url]

"""``groundwatch seal``: everything in a data folder written again under the newest key, or plain again.

Each blob, row and record is replaced on its own, by rename or in a transaction, so a kill at any point loses nothing and
the command is simply run again. The register names the old keys until nothing needs them any more, so that none of them
can be taken away too early.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import msgspec

from monitor.clock import SystemClock
from monitor.errors import SettingsInvalid
from monitor.evidence.rewriting import rewrite
from monitor.leader import Leadership
from monitor.metadata.database import Database
from monitor.metadata.sealing import reseal
from monitor.migrate import migrate
from monitor.sealing import KeyRing, PlainFolder, Vault, begin_sealing, keys_for, note_keys
from monitor.sealing.keys import FILE_SETTING
from monitor.settings import Settings
from monitor.spool import Spool

# Copies that are made again when they are needed, and verdicts that are found again.
_COPIES = ("blobs", "evidence", "projects", "incoming", "plain")
_VERDICTS = "verdicts.sqlite3*"


class Resealed(msgspec.Struct, frozen=True, kw_only=True):
    """What was done. ``unusable`` names what does not open and stays as it is."""

    sealed_with: str | None
    blobs: int
    blobs_kept: int
    records: int
    rows: int
    unusable: list[str]


def reseal_folder(settings: Settings, *, plain: bool = False) -> Resealed:
    """Seal everything with the newest key, or open everything (``plain``), on a data folder that nothing runs on.

    Raises:
        AlreadyRunning: a sidecar owns the folder.
        SettingsInvalid: there are no keys, or not all that are needed.
        StorageUnavailable, MetadataUnavailable: run it again when that is mended.
    """
    with Leadership(settings.data):
        keys = keys_for(settings)
        if keys is None:
            problem = "is not set, so there is nothing to seal or open with"
            raise SettingsInvalid(FILE_SETTING, "", problem, "Name a file of keys; `groundwatch seal --new-key` makes one")
        target = None if plain else keys
        if target is not None:
            begin_sealing(settings)
        vault = Vault(keys, PlainFolder(settings.plain_dir))
        try:
            blobs = rewrite(settings.blob_url, vault, target)
        finally:
            vault.plain.close()
        records = sum(_reseal_spool(path, keys, target) for path in (settings.spool_path, settings.traces_path) if path.is_file())
        rows, lost = _reseal_metadata(settings, keys, target)
        _remove_copies(settings.cache_dir)
        note_keys(settings.data, [] if target is None else [target.newest])
    unusable = [*blobs.unusable, *([f"{lost} columns of the metadata do not open"] if lost else [])]
    return Resealed(
        sealed_with=None if target is None else target.newest,
        blobs=blobs.written,
        blobs_kept=blobs.kept,
        records=records,
        rows=rows,
        unusable=unusable,
    )


def _reseal_spool(path: Path, keys: KeyRing, target: KeyRing | None) -> int:
    with closing(Spool(path, 2**62, 0, SystemClock(), keys=keys)) as spool:
        return spool.reseal(target)


def _reseal_metadata(settings: Settings, keys: KeyRing, target: KeyRing | None) -> tuple[int, int]:
    migrate(settings)
    database, again = Database(settings.sqlalchemy_url, keys), Database(settings.sqlalchemy_url, target)
    try:
        return reseal(database, again)
    finally:
        database.dispose()
        again.dispose()


def _remove_copies(cache: Path) -> None:
    for name in _COPIES:
        shutil.rmtree(cache / name, ignore_errors=True)
    for path in cache.glob(_VERDICTS):
        path.unlink()

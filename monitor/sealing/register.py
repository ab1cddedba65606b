"""Which keys a data folder needs: a small file in it, written before anything is sealed with a new key.

It keeps the start from going ahead with keys that cannot open what is there, and from writing plain beside sealed
content because a setting was lost. It holds ids of keys only.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from monitor.errors import SettingsInvalid, StorageUnavailable
from monitor.sealing.keys import FILE_SETTING, KeyRing, read_keys
from monitor.settings import Settings
from monitor.syncing import sync, write_synced

REGISTER_FILE = "sealed.json"
_PLAIN = "run `groundwatch seal --plain` with the keys to turn encryption off"


class _Register(msgspec.Struct):
    keys: list[str]


def noted_keys(data: Path) -> list[str]:
    """Ids of the keys that something in the folder may be sealed with. Raises SettingsInvalid, StorageUnavailable."""
    path = data / REGISTER_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Register).keys
    except FileNotFoundError:
        return []
    except msgspec.MsgspecError as error:
        raise SettingsInvalid(REGISTER_FILE, str(path), f"is damaged ({error})", "Take it from a backup") from error
    except OSError as error:
        raise StorageUnavailable(path, error.strerror or str(error)) from error


def note_keys(data: Path, keys: list[str]) -> None:
    """Replace the list; it is on disk afterwards. Raises StorageUnavailable."""
    path = data / REGISTER_FILE
    try:
        data.mkdir(parents=True, exist_ok=True)
        if not keys:
            path.unlink(missing_ok=True)
            sync(data)
            return
        write_synced(path, msgspec.json.encode(_Register(keys)))
    except OSError as error:
        raise StorageUnavailable(path, error.strerror or str(error)) from error


def begin_sealing(settings: Settings) -> KeyRing | None:
    """As :func:`keys_for`, for those who write: the newest key is in the register before anything is sealed with it."""
    ring = keys_for(settings)
    if ring is not None:
        note_keys(settings.data, [ring.newest, *(known for known in noted_keys(settings.data) if known != ring.newest)])
    return ring


def keys_for(settings: Settings) -> KeyRing | None:
    """The keys of the settings, which open everything in the data folder; None where nothing is or shall be sealed.

    Raises:
        SettingsInvalid: the keys cannot be used, or something in the folder needs a key that is not among them.
    """
    needed = noted_keys(settings.data)
    if not settings.encryption_keys_file:
        if settings.encryption_key_service:
            raise SettingsInvalid(FILE_SETTING, "", "is not set, and a key service is", "Name the file that holds the sealed keys")
        if needed:
            problem = f"is not set, and {settings.data} holds content sealed with the key {', '.join(needed)}"
            raise SettingsInvalid(FILE_SETTING, "", problem, f"Name the file with that key, or {_PLAIN}")
        return None
    path = Path(settings.encryption_keys_file).expanduser().absolute()
    if not settings.encryption_key_service and path.resolve().is_relative_to(settings.data.resolve()):
        raise SettingsInvalid(FILE_SETTING, str(path), "lies in the data folder, beside what it locks", "Keep it elsewhere")
    ring = read_keys(path, settings.encryption_key_service)
    missing = [identifier for identifier in needed if identifier not in ring.ids]
    if missing:
        problem = f"lacks the key {', '.join(missing)}, and {settings.data} holds content sealed with it"
        remedy = (
            "Put that key back below the newest one and run `groundwatch seal` before you remove it; where it is lost for ever,"
            f" take its id out of {settings.data / REGISTER_FILE}: what it sealed is then unusable"
        )
        raise SettingsInvalid(FILE_SETTING, str(path), problem, remedy)
    return ring

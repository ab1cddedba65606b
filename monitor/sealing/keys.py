"""The keys: read from a file that nobody else can read, newest first, opened by the team's own key service where one is named.

A line of the file is one key in base64; empty lines and those that begin with ``#`` are notes. Without a key service a line
is the 32 bytes themselves, with one it is whatever :meth:`KeyWrapper.seal` made of them, so that the file is of no use
without the service. The id of a key is computed from it, so a key can never stand under the id of another.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import importlib
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, cast

from monitor.errors import SealBroken, SealKeyMissing, SettingsInvalid
from monitor.syncing import sync, write_synced

KEY_BYTES = 32
ID_BYTES = 8
FILE_SETTING = "GROUNDWATCH_ENCRYPTION_KEYS_FILE"
SERVICE_SETTING = "GROUNDWATCH_ENCRYPTION_KEY_SERVICE"
# What a key service is told about every key, for its own log and policies.
CONTEXT = b"groundwatch data key"
_MAKE = "Make one with `groundwatch seal --new-key`"


class KeyWrapper(Protocol):
    """A team's own key service. It sees keys, once a start, and never content.

    Whatever it raises stops the start with its message.
    """

    def seal(self, content: bytes, context: bytes) -> bytes:
        """The key, sealed; ``context`` must be given again to open it."""
        ...

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """What :meth:`seal` was given."""
        ...


class KeyRing:
    """Keys of 32 bytes, the newest first: it seals, all of them open. Never empty; shows ids only."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        self.raw = tuple(keys)
        self._by_id = {key_id(key): key for key in self.raw}
        self.ids = tuple(self._by_id)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.ids)})"

    @property
    def newest(self) -> str:
        """Id of the key that seals."""
        return self.ids[0]

    def key(self, identifier: str) -> bytes:
        """The key of an id. Raises SealKeyMissing."""
        try:
            return self._by_id[identifier]
        except KeyError:
            raise SealKeyMissing(identifier) from None


def key_id(key: bytes) -> str:
    """16 hex digits that name a key and tell nothing about it (the key is uniformly random)."""
    return hmac.digest(key, b"groundwatch key id", "sha256")[:ID_BYTES].hex()


def read_keys(path: Path, service: str = "") -> KeyRing:
    """The keys of a file, opened by ``service`` (``package.module:factory``) where one is named.

    Raises:
        SettingsInvalid: the file is missing, open to others, or not a list of keys; the service cannot be used.
    """
    lines = _lines(path)
    wrapper = wrapper_of(service) if service else None
    keys = [_key(path, number, line, wrapper) for number, line in lines]
    if not keys:
        raise _invalid(path, "holds no key", _MAKE)
    if len(set(keys)) < len(keys):
        raise _invalid(path, "holds a key twice", "Remove one of the two lines")
    return KeyRing(keys)


def _lines(path: Path) -> list[tuple[int, str]]:
    try:
        found = path.stat()
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise _invalid(path, "does not exist", _MAKE) from None
    except UnicodeDecodeError as error:
        raise _invalid(path, "is not a list of base64 keys", _MAKE) from error
    except OSError as error:
        raise _invalid(path, f"cannot be read ({error.strerror})", "Let the service's user read it, and nobody else") from error
    # A group may read what root owns: so do container orchestrators hand secrets to a process that is not root.
    allowed = 0o640 if found.st_uid == 0 else 0o600
    if stat.S_IMODE(found.st_mode) & ~allowed & 0o077:
        raise _invalid(path, f"is open to others (mode {stat.S_IMODE(found.st_mode):04o})", f"Close it with `chmod 600 {path}`")
    lines = enumerate((line.strip() for line in text.splitlines()), start=1)
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def _key(path: Path, number: int, line: str, wrapper: KeyWrapper | None) -> bytes:
    try:
        content = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid(path, f"line {number} is not base64", _MAKE) from error
    if wrapper is not None:
        try:
            content = wrapper.open(content, CONTEXT)
        except Exception as error:
            # A service of somebody else's may raise anything; whatever it is, there is no key and nothing can start.
            problem = f"the key service cannot open line {number} ({type(error).__name__}: {error})"
            raise _invalid(path, problem, f"Check {SERVICE_SETTING} and its access to the key") from error
    if not isinstance(content, bytes) or len(content) != KEY_BYTES:
        raise _invalid(path, f"line {number} is not a key of {KEY_BYTES} bytes in base64", _MAKE)
    return content


def wrapper_of(service: str) -> KeyWrapper:
    """The key service that a factory makes. Raises SettingsInvalid."""
    module, _, factory = service.partition(":")
    try:
        made = getattr(importlib.import_module(module), factory)()
    except Exception as error:
        # Importing and calling somebody else's code may raise anything.
        problem = f"cannot be made ({type(error).__name__}: {error})"
        raise SettingsInvalid(SERVICE_SETTING, service, problem, "Name a function without arguments as package.module:factory") from error
    if not callable(getattr(made, "seal", None)) or not callable(getattr(made, "open", None)):
        raise SettingsInvalid(
            SERVICE_SETTING, service, "gives no key service", "Give it seal(content, context) and open(sealed, context), bytes to bytes"
        )
    return cast(KeyWrapper, made)


def add_key(path: Path, service: str = "") -> str:
    """Put a new key first in the file, which is made where it is missing; the id of the key.

    Raises:
        SettingsInvalid: the file there is none of keys, cannot be written, or the service does not seal.
    """
    key = secrets.token_bytes(KEY_BYTES)
    before = ""
    if path.exists():
        read_keys(path, service)
        before = path.read_text(encoding="ascii")
    content = key
    if service:
        try:
            content = wrapper_of(service).seal(key, CONTEXT)
        except SettingsInvalid:
            raise
        except Exception as error:
            problem = f"cannot seal a key ({type(error).__name__}: {error})"
            raise SettingsInvalid(SERVICE_SETTING, service, problem, "Check its access") from error
    text = f"{base64.b64encode(content).decode()}\n{before}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The old keys are never gone, and the new one is on disk before anything is sealed with it.
        write_synced(path, text.encode("ascii"), 0o600)
        sync(path.parent.parent)
    except OSError as error:
        raise _invalid(path, f"cannot be written ({error.strerror})", "Choose a place that can be, outside the data folder") from error
    return key_id(key)


def opened_or_none(ring: KeyRing | None, identifier: str) -> bytes:
    """The key of an id from a ring that may not be there. Raises SealKeyMissing."""
    if ring is None:
        raise SealKeyMissing(identifier)
    return ring.key(identifier)


def broken(what: str, problem: str) -> SealBroken:
    """What is raised where sealed content was changed after it was written."""
    return SealBroken(what, problem, "It was damaged or replaced on the disk: take it from a backup, or send it again")


def _invalid(path: Path, problem: str, remedy: str) -> SettingsInvalid:
    return SettingsInvalid(FILE_SETTING, str(path), problem, remedy)

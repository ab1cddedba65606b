"""Files sealed in chunks, so that memory stays flat and any part can be read alone.

A sealed file is ``magic | key id | salt`` and then chunks of 64 KiB, each followed by its tag. The construction is STREAM
(Hoang, Reyhanitabar, Rogaway and Vizár, "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", CRYPTO
2015) over AES-256-GCM under a key of the file's own (HKDF-SHA256 with the salt): the nonce is the number of the chunk and
whether it is the last one, so a file that was cut, extended, or whose chunks were moved does not open. What the content
is bound to (its SHA-256, which is known only at its end) is authenticated with the last chunk; as every file has its own
key, that binds all of them. A reader opens the last chunk first.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from monitor.sealing.keys import ID_BYTES, KeyRing, broken, opened_or_none

# 0xC1 begins no UTF-8 text, no msgpack and none of the formats that evidence comes in.
MAGIC = b"\xc1GWSEAL\x02"
SALT_BYTES = 16
ID_AT = len(MAGIC)
SALT_AT = ID_AT + ID_BYTES
HEADER_BYTES = SALT_AT + SALT_BYTES
CHUNK = 1 << 16
TAG_BYTES = 16
_SEALED_CHUNK = CHUNK + TAG_BYTES
_PURPOSE = b"groundwatch file"


def derived(key: bytes, salt: bytes, purpose: bytes) -> AESGCM:
    """The cipher of one salt and purpose (HKDF-SHA256, RFC 5869)."""
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=salt, info=purpose).derive(key))


def is_sealed_file(path: Path) -> bool:
    """Whether a file begins as a sealed one does. Raises OSError."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def key_id_of(path: Path) -> str | None:
    """Id of the key a file is sealed with; None for a plain file. Raises OSError."""
    with path.open("rb") as stream:
        head = stream.read(HEADER_BYTES)
    return head[ID_AT:SALT_AT].hex() if head.startswith(MAGIC) else None


def plain_size(sealed_bytes: int) -> int:
    """Bytes of the content of a sealed file of this size; 0 where it is cut below its first chunk."""
    body = sealed_bytes - HEADER_BYTES
    return max(0, body - TAG_BYTES * max(1, -(-body // _SEALED_CHUNK)))


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


class Writable(Protocol):
    """Anything bytes can be written to."""

    def write(self, content: bytes, /) -> Any:
        """Take all of them."""
        ...


class SealingWriter:
    """Seals what is written into ``out``; :meth:`finish` writes the last chunk and with it what the content is bound to."""

    def __init__(self, out: Writable, keys: KeyRing) -> None:
        salt = os.urandom(SALT_BYTES)
        self._out = out
        self._header = MAGIC + bytes.fromhex(keys.newest) + salt
        self._cipher = derived(keys.key(keys.newest), salt, _PURPOSE)
        self._waiting = bytearray()
        self._number = 0
        self._begun = False

    def write(self, content: bytes | bytearray | memoryview) -> int:
        """Take the next bytes. Raises OSError."""
        self._waiting += content
        # The last chunk is told apart by its nonce, so a full one waits until more has come.
        while len(self._waiting) > CHUNK:
            self._put(bytes(self._waiting[:CHUNK]), self._header, last=False)
            del self._waiting[:CHUNK]
        return len(content)

    def flush(self) -> None:
        """For those who flush every file: nothing can be written before the chunk is full."""

    def finish(self, context: bytes) -> None:
        """Write the rest. Raises OSError."""
        self._put(bytes(self._waiting), self._header + context, last=True)
        self._waiting.clear()

    def _put(self, chunk: bytes, associated: bytes, *, last: bool) -> None:
        if not self._begun:
            self._out.write(self._header)
            self._begun = True
        self._out.write(self._cipher.encrypt(_nonce(self._number, last), chunk, associated))
        self._number += 1


class SealedReader(io.RawIOBase):
    """The content of a sealed file as a seekable stream. Owns ``sealed`` and closes it.

    Raises (from the constructor and from reads):
        SealKeyMissing: none of the keys sealed it.
        SealBroken: the file is cut, was changed, or holds something else than ``context`` says.
    """

    def __init__(self, sealed: BinaryIO, keys: KeyRing | None, context: bytes, what: str) -> None:
        super().__init__()
        self._sealed = sealed
        self._what = what
        self._at = 0
        self._held: tuple[int, bytes] = (-1, b"")
        try:
            self._open(keys, context)
        except BaseException:
            sealed.close()
            raise

    def _open(self, keys: KeyRing | None, context: bytes) -> None:
        self._header = self._sealed.read(HEADER_BYTES)
        body = self._sealed.seek(0, io.SEEK_END) - HEADER_BYTES
        self._chunks = max(1, -(-body // _SEALED_CHUNK))
        rest = body - (self._chunks - 1) * _SEALED_CHUNK
        if not self._header.startswith(MAGIC) or rest < TAG_BYTES + (self._chunks > 1):
            raise broken(self._what, "is cut off")
        self.key_id = self._header[ID_AT:SALT_AT].hex()
        self._context = context
        self._cipher = derived(opened_or_none(keys, self.key_id), self._header[SALT_AT:], _PURPOSE)
        self.size = body - TAG_BYTES * self._chunks
        self._chunk(self._chunks - 1)

    def _chunk(self, number: int) -> bytes:
        if self._held[0] == number:
            return self._held[1]
        last = number == self._chunks - 1
        self._sealed.seek(HEADER_BYTES + number * _SEALED_CHUNK)
        content = self._sealed.read(_SEALED_CHUNK)
        associated = self._header + self._context if last else self._header
        try:
            opened = self._cipher.decrypt(_nonce(number, last), content, associated)
        except InvalidTag:
            raise broken(self._what, f"does not open with its key {self.key_id}: it is not what was written there") from None
        self._held = (number, opened)
        return opened

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        if self._at >= self.size:
            return 0
        number, offset = divmod(self._at, CHUNK)
        found = self._chunk(number)[offset : offset + len(buffer)]
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def close(self) -> None:
        if not self.closed:
            self._sealed.close()
        super().close()

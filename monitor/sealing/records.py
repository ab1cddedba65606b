"""Small content sealed in one piece: records of the spool, payloads in the metadata, verdicts in the cache.

A sealed record is ``magic | key id | salt | nonce | ciphertext and tag``. Its AES-256-GCM key is derived from the ring's
newest by HKDF-SHA256 (RFC 5869) with the salt, drawn anew by every sealer and after :data:`ROLL_AFTER` records, so
the random 96-bit nonces of one key stay far below the bound of NIST SP 800-38D at any throughput. The header and the
caller's context are authenticated: a record in another's place does not open.
"""

from __future__ import annotations

import base64
import os
import threading

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from monitor.sealing.keys import KeyRing, broken
from monitor.sealing.stream import HEADER_BYTES, ID_AT, SALT_AT, SALT_BYTES, derived

MAGIC_RECORD = b"\xc1GWSEAL\x01"
NONCE_BYTES = 12
TAG_BYTES = 16
# 2^24 random nonces under one key collide with a probability of 2^-49.
ROLL_AFTER = 1 << 24
# What sealed text begins with in a database column; no JSON does.
TEXT_MARK = "sealed:"
_DERIVED_KEPT = 256


def is_sealed_record(content: bytes) -> bool:
    """Whether these bytes were made by a :class:`RecordSealer`. No UTF-8 text and no msgpack begins so."""
    return content.startswith(MAGIC_RECORD)


def record_key_id(sealed: bytes) -> str:
    """Id of the key a sealed record was sealed with."""
    return sealed[ID_AT:SALT_AT].hex()


class RecordSealer:
    """Seals and opens small content for one purpose. Thread-safe.

    Args:
        keys: the newest seals, all open.
        purpose: content sealed for one purpose does not open for another.
    """

    def __init__(self, keys: KeyRing, purpose: str) -> None:
        self.keys = keys
        self._purpose = f"groundwatch {purpose}".encode()
        self._lock = threading.Lock()
        self._derived: dict[bytes, AESGCM] = {}
        self._roll()

    def _roll(self) -> None:
        salt = os.urandom(SALT_BYTES)
        self._header = MAGIC_RECORD + bytes.fromhex(self.keys.newest) + salt
        self._cipher = derived(self.keys.key(self.keys.newest), salt, self._purpose)
        self._left = ROLL_AFTER

    def seal(self, content: bytes, context: bytes) -> bytes:
        """The content, sealed; :meth:`open` needs the same context."""
        with self._lock:
            if self._left <= 0:
                self._roll()
            self._left -= 1
            header, cipher = self._header, self._cipher
        nonce = os.urandom(NONCE_BYTES)
        return header + nonce + cipher.encrypt(nonce, content, header + context)

    def open(self, sealed: bytes, context: bytes, what: str = "a sealed record") -> bytes:
        """What was sealed; content that is not sealed comes back as it is (it was written before there were keys).

        Raises:
            SealKeyMissing: none of the keys sealed it.
            SealBroken: it was changed, or stands in another's place.
        """
        if not is_sealed_record(sealed):
            return sealed
        header, nonce = sealed[:HEADER_BYTES], sealed[HEADER_BYTES : HEADER_BYTES + NONCE_BYTES]
        if len(sealed) < HEADER_BYTES + NONCE_BYTES + TAG_BYTES:
            raise broken(what, "is cut off")
        try:
            return self._cipher_of(header).decrypt(nonce, sealed[HEADER_BYTES + NONCE_BYTES :], header + context)
        except InvalidTag:
            raise broken(what, f"does not open with its key {record_key_id(sealed)}: it is not what was written there") from None

    def _cipher_of(self, header: bytes) -> AESGCM:
        key = self.keys.key(record_key_id(header))
        with self._lock:
            if (cipher := self._derived.get(header)) is None:
                if len(self._derived) >= _DERIVED_KEPT:
                    self._derived.clear()
                cipher = self._derived[header] = derived(key, header[SALT_AT:], self._purpose)
            return cipher

    def seal_text(self, text: str, context: bytes) -> str:
        """As :meth:`seal`, for a column of text."""
        return TEXT_MARK + base64.b64encode(self.seal(text.encode("utf-8", "surrogatepass"), context)).decode()

    def open_text(self, text: str, context: bytes, what: str = "a sealed text") -> str:
        """As :meth:`open`, for a column of text."""
        if not text.startswith(TEXT_MARK):
            return text
        try:
            sealed = base64.b64decode(text[len(TEXT_MARK) :], validate=True)
        except ValueError:
            raise broken(what, "is not base64 any more") from None
        return self.open(sealed, context, what).decode("utf-8", "surrogatepass")

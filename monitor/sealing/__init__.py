"""Encryption at rest: keys, sealed records, sealed files, and the private folder in which they are opened.

AES-256-GCM throughout. What is sealed begins with :data:`MAGIC` and the id of its key, so plain and sealed content can lie
side by side, and a key can be replaced by a newer one without a moment at which everything has to be rewritten.
"""

from monitor.sealing.keys import KeyRing, KeyWrapper, add_key, read_keys
from monitor.sealing.plain import PlainFolder
from monitor.sealing.records import RecordSealer
from monitor.sealing.register import begin_sealing, keys_for, note_keys, noted_keys
from monitor.sealing.stream import MAGIC, SealedReader, SealingWriter, is_sealed_file, key_id_of
from monitor.sealing.vault import Vault

__all__ = [
    "MAGIC",
    "KeyRing",
    "KeyWrapper",
    "PlainFolder",
    "RecordSealer",
    "SealedReader",
    "SealingWriter",
    "Vault",
    "add_key",
    "begin_sealing",
    "is_sealed_file",
    "key_id_of",
    "keys_for",
    "note_keys",
    "noted_keys",
    "read_keys",
]

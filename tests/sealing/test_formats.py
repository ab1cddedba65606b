"""Sealed records and sealed files: what was written comes back, and nothing else does."""

from __future__ import annotations

import io
import os
from itertools import pairwise

import pytest

from monitor.errors import SealBroken, SealKeyMissing
from monitor.sealing import KeyRing, RecordSealer, SealedReader, SealingWriter
from monitor.sealing import records as records_module
from monitor.sealing.stream import CHUNK, HEADER_BYTES, TAG_BYTES, plain_size

OLD, NEW = bytes(32), bytes(range(32))
RING = KeyRing([NEW, OLD])
SEALED_CHUNK = CHUNK + TAG_BYTES
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7]


def sealed(content: bytes, context: bytes = b"it", keys: KeyRing = RING, step: int = 10_000) -> bytes:
    out = io.BytesIO()
    writer = SealingWriter(out, keys)
    for start in range(0, len(content), step):
        writer.write(content[start : start + step])
    writer.finish(context)
    return out.getvalue()


def opened(raw: bytes, context: bytes = b"it", keys: KeyRing = RING) -> bytes:
    with SealedReader(io.BytesIO(raw), keys, context, "it") as reader:
        return reader.read()


@pytest.mark.parametrize("size", SIZES)
def test_a_file_of_any_size_comes_back_and_its_size_is_known_unopened(size: int) -> None:
    content = os.urandom(size)
    raw = sealed(content)
    assert opened(raw) == content
    assert plain_size(len(raw)) == size
    assert content[:64] not in raw or size < 16


def test_a_part_is_read_without_the_rest() -> None:
    content = os.urandom(4 * CHUNK)
    raw = bytearray(sealed(content))
    raw[HEADER_BYTES + 5] ^= 1  # the first chunk is broken, the others are not touched by that
    reader = SealedReader(io.BytesIO(bytes(raw)), RING, b"it", "it")
    reader.seek(2 * CHUNK - 3)
    assert io.BufferedReader(reader).read(10) == content[2 * CHUNK - 3 : 2 * CHUNK + 7]


@pytest.mark.parametrize("size", [1, CHUNK, 2 * CHUNK + 9])
def test_a_flipped_bit_anywhere_is_found(size: int) -> None:
    raw = sealed(bytes(size))
    places = {0, 9, 20, HEADER_BYTES, HEADER_BYTES + size // 2, len(raw) - 1}
    for place in places:
        bad = bytearray(raw)
        bad[place] ^= 4
        with pytest.raises(SealBroken):
            opened(bytes(bad))


@pytest.mark.parametrize("size", [1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_a_file_cut_or_extended_anywhere_is_found(size: int) -> None:
    raw = sealed(bytes(size))
    whole_chunks = range(HEADER_BYTES, len(raw), SEALED_CHUNK)
    for end in {0, 5, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 3, len(raw) - 1, *whole_chunks}:
        with pytest.raises(SealBroken):
            opened(raw[:end])
    with pytest.raises(SealBroken):
        opened(raw + b"x")
    with pytest.raises(SealBroken):
        opened(raw + raw[HEADER_BYTES:])


def test_chunks_that_were_swapped_repeated_or_dropped_are_found() -> None:
    raw = sealed(os.urandom(4 * CHUNK))
    bounds = [HEADER_BYTES + number * SEALED_CHUNK for number in range(5)]
    a, b, c, d = (raw[start:end] for start, end in pairwise(bounds))
    for order in ((b, a, c, d), (a, a, c, d), (a, c, d), (a, b, d, c), (a, b, c, c, d)):
        with pytest.raises(SealBroken):
            opened(raw[:HEADER_BYTES] + b"".join(order))


def test_a_chunk_of_another_file_does_not_open() -> None:
    one, other = sealed(bytes(2 * CHUNK)), sealed(bytes(2 * CHUNK))
    at = HEADER_BYTES + SEALED_CHUNK
    with pytest.raises(SealBroken):
        opened(one[:at] + other[at:])


def test_a_file_in_the_place_of_another_is_found_before_a_byte_is_read() -> None:
    raw = sealed(bytes(3 * CHUNK), context=b"sha256:one")
    with pytest.raises(SealBroken, match="not what was written"):
        SealedReader(io.BytesIO(raw), RING, b"sha256:other", "it")


def test_old_keys_open_and_a_missing_one_is_named() -> None:
    raw = sealed(b"content", keys=KeyRing([OLD]))
    assert opened(raw) == b"content"
    with pytest.raises(SealKeyMissing, match=KeyRing([OLD]).newest):
        opened(raw, keys=KeyRing([NEW]))


def test_the_same_content_never_looks_the_same() -> None:
    assert len({sealed(b"same") for _ in range(20)}) == 20
    sealer = RecordSealer(RING, "spool")
    assert len({sealer.seal(b"same", b"id") for _ in range(1000)}) == 1000


def test_a_record_comes_back_and_nothing_of_it_shows() -> None:
    sealer = RecordSealer(RING, "spool")
    raw = sealer.seal(b'{"answer": "secret"}', b"id")
    assert b"secret" not in raw
    assert sealer.open(raw, b"id") == b'{"answer": "secret"}'
    assert RecordSealer(RING, "spool").open(raw, b"id") == b'{"answer": "secret"}'
    assert sealer.open_text(sealer.seal_text("Grüße \ud800", b"id"), b"id") == "Grüße \ud800"


def test_a_record_of_another_id_purpose_or_key_does_not_open() -> None:
    sealer = RecordSealer(RING, "spool")
    raw = sealer.seal(b"content", b"id")
    for other, context in ((sealer, b"other"), (RecordSealer(RING, "metadata"), b"id")):
        with pytest.raises(SealBroken):
            other.open(raw, context)
    with pytest.raises(SealKeyMissing, match=RING.newest):
        RecordSealer(KeyRing([OLD]), "spool").open(raw, b"id")


def test_a_record_changed_anywhere_does_not_open() -> None:
    sealer = RecordSealer(RING, "spool")
    raw = sealer.seal(b"content", b"id")
    for place in range(8, len(raw)):
        with pytest.raises(SealBroken):
            sealer.open(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :], b"id")
    for end in range(8, len(raw)):
        with pytest.raises(SealBroken):
            sealer.open(raw[:end], b"id")
    with pytest.raises(SealBroken):
        sealer.open_text("sealed:%%%", b"id")


def test_what_was_written_before_there_were_keys_is_read_as_it_is() -> None:
    sealer = RecordSealer(RING, "spool")
    assert sealer.open(b'{"plain": 1}', b"id") == b'{"plain": 1}'
    assert sealer.open_text('{"plain": 1}', b"id") == '{"plain": 1}'


def test_a_derived_key_seals_a_bounded_number_of_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_module, "ROLL_AFTER", 3)
    sealer = RecordSealer(RING, "spool")
    sealed_ones = [sealer.seal(b"x", b"id") for _ in range(9)]
    assert len({raw[:HEADER_BYTES] for raw in sealed_ones}) == 3
    assert all(sealer.open(raw, b"id") == b"x" for raw in sealed_ones)

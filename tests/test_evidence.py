"""The evidence store: bytes under their hash or not at all; references only where the operator allowed them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import httpcore
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from monitor.errors import EvidenceMissing, EvidenceRefused, RecordInvalid, SettingsInvalid, StorageUnavailable
from monitor.evidence import BlobCache, EvidenceStore, ReferenceReader, reference_allowed, references
from monitor.evidence.blobs import sweep_incoming
from monitor.evidence.faults import LEFT_ALONE_S, SLOW_WITHIN_S, Faults
from monitor.evidence.references import is_public
from monitor.media_types import media_type_of
from monitor.records import Answer, Evidence, ResponseRecord
from tests.detect.conftest import NOON

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(1000)
HASH = hashlib.sha256(PICTURE).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "evidence"


@pytest.fixture
def store(folder: Path, tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(folder.as_uri(), 10_000, tmp_path / "cache")


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[EvidenceStore]:
    yield EvidenceStore("memory://bucket/evidence", 10_000, tmp_path / "cache")
    fsspec.filesystem("memory").store.clear()


def record(*evidence: Evidence) -> ResponseRecord:
    return ResponseRecord(id="r", time=NOON, workflow="w", answer=Answer(text="a"), evidence=evidence)


def inline(content: bytes | str, media_type: str = "image/png", **more: Any) -> Evidence:
    text = content if isinstance(content, str) else base64.b64encode(content).decode()
    return Evidence(id="e", media_type=media_type, content=text, **more)


# --- the folder ---------------------------------------------------------------------------------------------------


def test_a_blob_lies_under_its_hash_and_is_stored_once(store: EvidenceStore, folder: Path) -> None:
    first, again = store.put(PICTURE), store.put(io.BytesIO(PICTURE))
    assert (first.sha256, first.size, first.created, again.created) == (HASH, len(PICTURE), True, False)
    assert store.local_path(HASH) == folder / HASH[:2] / HASH[2:4] / HASH
    assert store.exists(HASH)
    assert store.size(HASH) == len(PICTURE)
    with store.open(HASH) as stream:
        assert stream.read() == PICTURE
    assert list((folder / "incoming").iterdir()) == []


def test_bytes_may_arrive_piece_by_piece(store: EvidenceStore) -> None:
    with store.receive() as incoming:
        incoming.write(PICTURE[:10])
        incoming.write(PICTURE[10:])
        assert store.keep(incoming, HASH).created
    assert store.put(iter([b"a", b"b"])).sha256 == hashlib.sha256(b"ab").hexdigest()


def test_a_wrong_hash_is_refused_and_leaves_nothing(store: EvidenceStore, folder: Path) -> None:
    with pytest.raises(EvidenceRefused, match=f"the content has SHA-256 {HASH}"):
        store.put(PICTURE, "0" * 64)
    assert not store.exists(HASH)
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_a_blob_over_the_limit_is_refused_and_leaves_nothing(store: EvidenceStore, folder: Path) -> None:
    with pytest.raises(EvidenceRefused, match="larger than the limit of 10000 bytes"):
        store.put(bytes(10_001))
    assert [path for path in folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_a_name_that_is_no_hash_is_refused(store: EvidenceStore, name: str) -> None:
    for use in (store.exists, store.local_path, store.size, store.open):
        with pytest.raises(EvidenceRefused, match="not 64 lower-case hex digits"):
            use(name)
    with pytest.raises(EvidenceRefused):
        store.put(PICTURE, name)


def test_a_blob_that_is_not_there_is_missing(store: EvidenceStore) -> None:
    assert not store.exists(HASH)
    for use in (store.local_path, store.size, store.open):
        with pytest.raises(EvidenceMissing):
            use(HASH)


def test_a_disk_that_takes_no_more_is_storage_unavailable_and_shows_nothing(store: EvidenceStore, folder: Path) -> None:
    store.put(b"before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(StorageUnavailable, match="File too large"):
            store.put(PICTURE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not store.exists(HASH)
    assert list((folder / "incoming").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_storage_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = EvidenceStore((tmp_path / "file" / "evidence").as_uri(), 10_000, tmp_path / "cache")
    with pytest.raises(StorageUnavailable, match="Not a directory"):
        store.put(PICTURE)


def test_what_a_killed_upload_left_is_swept(folder: Path) -> None:
    incoming = folder / "incoming"
    incoming.mkdir(parents=True)
    old, young = incoming / "blob.old", incoming / "blob.young"
    old.touch()
    young.touch()
    os.utime(old, (0, 0))
    sweep_incoming(incoming)
    assert [path.name for path in incoming.iterdir()] == ["blob.young"]


def test_an_evidence_url_nobody_understands_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="GROUNDWATCH_EVIDENCE_URL"):
        EvidenceStore("teapot://bucket", 1, tmp_path)


# --- a remote store -----------------------------------------------------------------------------------------------


def test_a_remote_blob_is_read_through_a_local_copy(remote: EvidenceStore, tmp_path: Path) -> None:
    assert remote.put(PICTURE, HASH).created
    assert not remote.put(PICTURE).created
    path = remote.local_path(HASH)
    assert path.read_bytes() == PICTURE
    assert path.is_relative_to(tmp_path / "cache")
    fsspec.filesystem("memory").store.clear()
    assert remote.local_path(HASH) == path


def test_a_damaged_remote_blob_is_refused(remote: EvidenceStore) -> None:
    with fsspec.open(f"memory://bucket/evidence/{HASH[:2]}/{HASH[2:4]}/{HASH}", "wb") as stream:
        stream.write(b"something else")
    with pytest.raises(EvidenceRefused, match="the stored bytes are damaged"):
        remote.local_path(HASH)


def test_a_missing_remote_blob_is_missing(remote: EvidenceStore) -> None:
    for use in (remote.local_path, remote.size):
        with pytest.raises(EvidenceMissing):
            use(HASH)


def test_the_cache_drops_what_was_used_longest_ago(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path, 25)
    first, second = cache.add(b"a" * 10), cache.add(b"b" * 10)
    for path, age in ((first, 5000), (second, 4000)):
        os.utime(path, (time.time() - age,) * 2)
    third = cache.add(b"c" * 10)
    assert [path.exists() for path in (first, second, third)] == [False, True, True]
    assert cache.get(first.name) is None


# --- records ------------------------------------------------------------------------------------------------------


def test_inline_evidence_moves_out_of_the_record(store: EvidenceStore) -> None:
    moved = store.externalise(record(inline(PICTURE))).evidence[0]
    assert (moved.content, moved.uri, moved.sha256) == (None, f"sha256:{HASH}", HASH)
    assert store.local_path(HASH).read_bytes() == PICTURE


def test_short_text_stays_and_long_text_moves(store: EvidenceStore) -> None:
    short, long = "é" * 2048, "é" * 2049
    assert store.externalise(record(inline(short, "text/plain"))).evidence[0].content == short
    moved = store.externalise(record(inline(long, "text/plain"))).evidence[0]
    assert moved.uri == f"sha256:{hashlib.sha256(long.encode()).hexdigest()}"


def test_references_stay_as_they_are(store: EvidenceStore) -> None:
    given = record(Evidence(id="e", media_type="image/png", uri=f"sha256:{HASH}"))
    assert store.externalise(given) == given


@pytest.mark.parametrize("content", [PICTURE, "short text"])
def test_inline_content_with_another_hash_is_refused_naming_the_field(store: EvidenceStore, content: bytes | str) -> None:
    media_type = "image/png" if isinstance(content, bytes) else "text/plain"
    with pytest.raises(RecordInvalid) as refused:
        store.externalise(record(inline(content, media_type, sha256="0" * 64)))
    assert refused.value.field == "evidence[0].sha256"


def test_inline_content_over_the_limit_is_refused_naming_the_field(store: EvidenceStore) -> None:
    with pytest.raises(RecordInvalid) as refused:
        store.externalise(record(inline(bytes(10_001))))
    assert refused.value.field == "evidence[0].content"


# --- references ---------------------------------------------------------------------------------------------------

ALLOWED = ("https://cdn.example.com/media", "s3://bucket", "gs://other/", "file:/")


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("https://cdn.example.com/media/a.png", True),
        ("https://cdn.example.com/media", True),
        ("https://cdn.example.com/media-of-others/a.png", False),
        ("https://cdn.example.com.evil.net/media/a.png", False),
        ("https://cdn.example.com/media/../secret", False),
        ("https://cdn.example.com/media/%2e%2E/secret", False),
        ("https://cdn.example.com/media/..%2Fsecret", False),
        ("https://cdn.example.com/media\\..\\secret", False),
        ("https://user@cdn.example.com/media/a.png", False),
        ("s3://bucket/a/b.wav", True),
        ("s3://bucket-of-others/a.wav", False),
        ("gs://other/a.wav", True),
        ("file:/etc/passwd", False),
        ("https://elsewhere.example.com/a.png", False),
    ],
)
def test_a_reference_is_allowed_only_under_a_prefix(uri: str, allowed: bool) -> None:
    assert reference_allowed(uri, ALLOWED) is allowed


def test_nothing_is_allowed_without_prefixes() -> None:
    assert not reference_allowed("https://cdn.example.com/media/a.png", ())


def reader(tmp_path: Path, *reply: bytes, prefixes: tuple[str, ...] = ("https://cdn.example.com",), limit: int = 1000) -> ReferenceReader:
    network = httpcore.MockBackend(list(reply)) if reply else None
    return ReferenceReader(prefixes, limit, BlobCache(tmp_path, 1_000_000), network)


def test_an_allowed_reference_becomes_a_local_file_named_by_its_hash(tmp_path: Path) -> None:
    path = reader(tmp_path, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"hello").fetch("https://cdn.example.com/a.txt")
    assert path.read_bytes() == b"hello"
    assert path.name == hashlib.sha256(b"hello").hexdigest()


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    fetcher = reader(tmp_path, b"HTTP/1.1 302 Found\r\nLocation: https://10.0.0.1/\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(EvidenceRefused, match="redirects are not followed"):
        fetcher.fetch("https://cdn.example.com/a.txt")


def test_what_a_server_packs_is_not_taken_for_the_file(tmp_path: Path) -> None:
    packed = gzip.compress(b"hello")
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    with pytest.raises(EvidenceRefused, match=r"the server packs it \(gzip\)"):
        reader(tmp_path, head, packed).fetch("https://cdn.example.com/a.txt")


def test_an_endless_reply_is_cut_at_the_limit(tmp_path: Path) -> None:
    fetcher = reader(tmp_path, b"HTTP/1.1 200 OK\r\n\r\n", *[bytes(600)] * 50)
    with pytest.raises(EvidenceRefused, match="larger than the limit of 1000 bytes"):
        fetcher.fetch("https://cdn.example.com/a.txt")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_error_of_the_server_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvidenceRefused, match="the server answered 404"):
        reader(tmp_path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").fetch("https://cdn.example.com/a.txt")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "10.1.2.3", "169.254.169.254", "0.0.0.0"])  # noqa: S104 - addresses to refuse
def test_private_addresses_are_refused_even_when_allowed(tmp_path: Path, host: str) -> None:
    with pytest.raises(EvidenceRefused, match="not a public address"):
        reader(tmp_path, prefixes=(f"https://{host}",)).fetch(f"https://{host}/a.txt")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("64:ff9b::5db8:d822", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::a01:203", False),
        ("2002:a01:203::1", False),
        ("::ffff:10.1.2.3", False),
        ("2001:0:4136:e378:8000:63bf:f5fe:fdfc", False),
        ("224.0.0.1", False),
        ("100.64.0.1", False),
    ],
)
def test_an_address_is_as_public_as_the_one_it_is_translated_to(address: str, public: bool) -> None:
    assert is_public(address) is public


class Slow(httpcore.MockBackend):
    """Counts connections; each one times out."""

    def __init__(self) -> None:
        super().__init__([])
        self.asked: list[str] = []

    def connect_tcp(self, host: str, *_: Any, **__: Any) -> httpcore.NetworkStream:
        self.asked.append(host)
        raise httpcore.ConnectTimeout


def test_a_reference_that_failed_and_a_host_that_is_slow_are_left_alone_for_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, now = Slow(), [1_000.0]
    monkeypatch.setattr(references, "Faults", lambda: Faults(lambda: now[0]))
    fetcher = ReferenceReader(("https://slow.example.com", "https://other.example.com"), 1000, BlobCache(tmp_path, 1_000_000), network)

    def fetch(uri: str, problem: str) -> None:
        with pytest.raises(EvidenceRefused, match=problem):
            fetcher.fetch(uri)

    for _ in range(3):
        fetch("https://slow.example.com/a.txt", "did not answer in time")
    assert network.asked == ["slow.example.com"], "the second detector asks no more"
    fetch("https://slow.example.com/b.txt", "did not answer in time")
    fetch("https://slow.example.com/c.txt", r"slow\.example\.com was too slow 2 times")
    fetch("https://other.example.com/c.txt", "did not answer in time")
    assert network.asked == ["slow.example.com"] * 2 + ["other.example.com"]
    now[0] += LEFT_ALONE_S + 1
    fetch("https://slow.example.com/c.txt", "did not answer in time")
    fetch("https://slow.example.com/d.txt", "too slow 3 times")
    now[0] += SLOW_WITHIN_S + 1
    fetch("https://slow.example.com/d.txt", "did not answer in time")
    fetch("https://slow.example.com/e.txt", "did not answer in time")
    assert len(network.asked) == 6


def test_a_missing_file_says_nothing_against_its_host(tmp_path: Path) -> None:
    missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    fetcher = reader(tmp_path, missing)
    for name in "abc":
        with pytest.raises(EvidenceRefused, match="the server answered 404"):
            fetcher.fetch(f"https://cdn.example.com/{name}.txt")


def test_a_reference_that_is_not_allowed_is_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(EvidenceRefused, match="reference not allowed"):
        reader(tmp_path, b"HTTP/1.1 200 OK\r\n\r\n").fetch("https://elsewhere.example.com/a.txt")


class BucketInMemory(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A bucket for the ``gs:`` scheme."""

    protocol = "gs"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("gs://").lstrip("/")


def test_a_bucket_reference_is_read_through_fsspec(tmp_path: Path) -> None:
    fsspec.register_implementation("gs", BucketInMemory, clobber=True)
    bucket = BucketInMemory()
    bucket.pipe_file("gs://bucket/a.wav", b"sound")
    fetcher = reader(tmp_path, prefixes=("gs://bucket",))
    assert fetcher.fetch("gs://bucket/a.wav").read_bytes() == b"sound"
    with pytest.raises(EvidenceRefused, match="cannot be fetched"):
        fetcher.fetch("gs://bucket/b.wav")
    bucket.store.clear()


# --- media types --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("x", PICTURE, "image/png"),
        ("x.txt", b"\xff\xd8\xff\xe0rest", "image/jpeg"),
        ("x", b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        ("x", b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
        ("x", b"fLaC\x00\x00", "audio/flac"),
        ("x", b"%PDF-1.7", "application/pdf"),
        ("x", b"\x00\x00\x00\x20ftypisom", "video/mp4"),
        ("x", b"\x00\x00\x00\x20ftypM4A ", "audio/mp4"),
        ("x", b"BMW is a car maker", "text/plain"),
        ("x.csv", b"a,b\n1,2\n", "text/csv"),
        ("x.json", b"{}", "application/json"),
        ("x.txt", b"\x00\x01\x02\x03", "application/octet-stream"),
        ("x", "é".encode() * 2048, "text/plain"),
        ("x", b"a" + "é".encode() * 2048, "text/plain"),
        ("x", b"", "text/plain"),
    ],
)
def test_a_media_type_is_read_from_content_before_name(tmp_path: Path, name: str, head: bytes, expected: str) -> None:
    path = tmp_path / name
    path.write_bytes(head)
    assert media_type_of(path) == expected

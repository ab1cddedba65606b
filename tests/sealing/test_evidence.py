"""Evidence that is sealed on the disk: stored, served to whoever reads it, tampered with, mixed with plain blobs, rewritten."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from monitor.detect.bench import Bench
from monitor.detect.cases import CaseBuilder
from monitor.detect.verdict_cache import VerdictCache
from monitor.detect.wire import WorkerConfig
from monitor.errors import EvidenceRefused, EvidenceUnusable
from monitor.evidence import BlobCache, EvidenceStore, ReferenceReader
from monitor.evidence.blobs import blob_name
from monitor.evidence.rewriting import rewrite
from monitor.records import Evidence
from monitor.sealing import KeyRing, PlainFolder, Vault, is_sealed_file, key_id_of
from monitor.sealing.stream import CHUNK
from tests.detect import fakes
from tests.detect.conftest import FAKES, record

OLD, NEW = KeyRing([bytes(32)]), KeyRing([bytes(range(32)), bytes(32)])
MARKER = b"the marker of this test "


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    made = Vault(NEW, PlainFolder(tmp_path / "plain", None))
    yield made
    made.plain.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "evidence"


@pytest.fixture
def store(folder: Path, tmp_path: Path, vault: Vault) -> EvidenceStore:
    return EvidenceStore(folder.as_uri(), 10**7, tmp_path / "cache", vault)


def stored_file(folder: Path, sha256: str) -> Path:
    return folder / blob_name(sha256)


def lies_plain(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in folder.rglob("*") if path.is_file() and MARKER in path.read_bytes()]


def test_a_blob_keeps_its_name_and_is_sealed_from_the_first_byte_on(store: EvidenceStore, folder: Path) -> None:
    content = MARKER * 10_000
    with store.receive() as incoming:
        for start in range(0, len(content), 70_000):
            incoming.write(content[start : start + 70_000])
            assert lies_plain(folder) == []
        assert incoming.head == content[:4096]
        kept = store.keep(incoming)
    assert (kept.sha256, kept.size, kept.created) == (hashlib.sha256(content).hexdigest(), len(content), True)
    assert key_id_of(stored_file(folder, kept.sha256)) == NEW.newest
    assert lies_plain(folder) == []
    assert store.size(kept.sha256) == len(content)
    assert not store.put(content).created


def test_a_blob_is_read_as_stream_and_as_a_private_file(store: EvidenceStore, vault: Vault, tmp_path: Path) -> None:
    content = os.urandom(3 * CHUNK + 11)
    sha256 = store.put(content).sha256
    with store.open(sha256) as stream:
        stream.seek(CHUNK - 2)
        assert stream.read(4) == content[CHUNK - 2 : CHUNK + 2]
    with store.lent(sha256) as lent:
        assert lent.read_bytes() == content
    assert not lent.exists()
    path = store.local_path(sha256)
    assert path.read_bytes() == content
    assert path == store.local_path(sha256)
    assert path.is_relative_to(tmp_path / "plain")
    vault.clear()
    assert not path.exists()
    assert store.plain_path(sha256) is None


def test_old_plain_blobs_are_read_beside_sealed_ones(store: EvidenceStore, folder: Path, tmp_path: Path) -> None:
    old = EvidenceStore(folder.as_uri(), 10**6, tmp_path / "cache").put(b"from before").sha256
    assert store.local_path(old) == stored_file(folder, old) == store.plain_path(old)
    with store.open(old) as stream:
        assert stream.read() == b"from before"
    assert store.size(old) == 11


def test_a_plain_file_put_in_the_place_of_a_blob_is_not_believed(store: EvidenceStore, folder: Path, vault: Vault) -> None:
    sha256 = store.put(b"true").sha256
    stored_file(folder, sha256).write_bytes(b"false")
    with pytest.raises(EvidenceUnusable, match="another hash"):
        store.local_path(sha256)
    assert vault.damaged == {sha256}


@pytest.mark.parametrize("damage", ["bit", "header", "cut", "chunks", "another"])
def test_a_tampered_blob_is_refused_counted_and_mended_by_an_upload(store: EvidenceStore, folder: Path, vault: Vault, damage: str) -> None:
    content, other = os.urandom(3 * CHUNK), os.urandom(3 * CHUNK)
    sha256, another = store.put(content).sha256, store.put(other).sha256
    path = stored_file(folder, sha256)
    raw = path.read_bytes()
    step = CHUNK + 16
    changed = {
        "bit": raw[:100] + bytes([raw[100] ^ 1]) + raw[101:],
        "header": raw[:10] + bytes([raw[10] ^ 1]) + raw[11:],
        "cut": raw[: 32 + 2 * step],
        "chunks": raw[:32] + raw[32 + step : 32 + 2 * step] + raw[32 : 32 + step] + raw[32 + 2 * step :],
        "another": stored_file(folder, another).read_bytes(),
    }[damage]
    path.write_bytes(changed)
    with pytest.raises(EvidenceUnusable, match=f"sha256:{sha256}"):
        store.local_path(sha256)
    with pytest.raises(EvidenceUnusable), store.open(sha256) as stream:
        stream.read()
    assert vault.damaged == {sha256}
    assert [path.name for path in vault.plain.path.iterdir()] == ["lock"]
    assert store.put(content).created
    assert store.local_path(sha256).read_bytes() == content
    assert vault.damaged == set()


def test_without_the_key_a_blob_is_refused_by_the_id_of_its_key(store: EvidenceStore, folder: Path, tmp_path: Path) -> None:
    sha256 = store.put(b"content").sha256
    vault = Vault(OLD, PlainFolder(tmp_path / "other", None))
    for reader in (EvidenceStore(folder.as_uri(), 1000, tmp_path, vault), EvidenceStore(folder.as_uri(), 1000, tmp_path)):
        for read in (reader.local_path, reader.open):
            with pytest.raises(EvidenceUnusable, match=NEW.newest):
                read(sha256)
    vault.plain.close()


def test_a_file_that_only_begins_like_a_sealed_one_is_kept_and_given_back(folder: Path, tmp_path: Path, store: EvidenceStore) -> None:
    lookalike = b"\xc1GWSEAL\x02" + bytes(100)
    plain = EvidenceStore(folder.as_uri(), 1000, tmp_path / "cache")
    sha256 = plain.put(lookalike).sha256
    for reader in (plain, store):
        with reader.open(sha256) as stream:
            assert stream.read() == lookalike


def test_a_remote_store_and_its_local_copies_are_sealed(vault: Vault, tmp_path: Path) -> None:
    remote = EvidenceStore("memory://sealed-test/evidence", 10**6, tmp_path / "cache", vault)
    content = MARKER * 5000
    sha256 = remote.put(content).sha256
    files = fsspec.filesystem("memory")
    assert MARKER not in files.cat_file(f"/sealed-test/evidence/{blob_name(sha256)}")
    assert remote.size(sha256) == len(content)
    assert remote.local_path(sha256).read_bytes() == content
    assert lies_plain(tmp_path / "cache") == []
    done = rewrite(remote.url, Vault(NEW, vault.plain), None)
    assert (done.written, done.unusable) == (1, [])
    assert files.cat_file(f"/sealed-test/evidence/{blob_name(sha256)}") == content
    files.rm("/sealed-test", recursive=True)


def test_rewriting_seals_what_is_plain_or_old_and_passes_over_the_rest(folder: Path, tmp_path: Path, store: EvidenceStore) -> None:
    plain = EvidenceStore(folder.as_uri(), 10**6, tmp_path / "cache")
    old = EvidenceStore(folder.as_uri(), 10**6, tmp_path / "cache", Vault(OLD, PlainFolder(tmp_path / "old", None)))
    contents = [MARKER + bytes([number]) * number * 50_000 for number in range(3)]
    hashes = [one.of("team").put(content).sha256 for one, content in zip((plain, old, store), contents, strict=True)]
    (folder / "incoming").mkdir(exist_ok=True)
    (folder / "incoming" / "blob.left").write_bytes(MARKER)
    assert store.vault is not None
    done = rewrite(store.url, store.vault, NEW)
    assert (done.written, done.kept, done.unusable) == (2, 1, [])
    assert lies_plain(folder) == []
    again = rewrite(store.url, store.vault, NEW)
    assert (again.written, again.kept) == (0, 3)
    assert [store.of("team").local_path(sha256).read_bytes() for sha256 in hashes] == contents
    assert rewrite(store.url, store.vault, None).written == 3
    assert [plain.of("team").local_path(sha256).read_bytes() for sha256 in hashes] == contents


def test_rewriting_names_what_does_not_open_and_leaves_it(folder: Path, tmp_path: Path, vault: Vault) -> None:
    old = EvidenceStore(folder.as_uri(), 10**6, tmp_path / "cache", Vault(OLD, PlainFolder(tmp_path / "old", None)))
    sha256 = old.put(b"content").sha256
    path = stored_file(folder, sha256)
    bad = path.read_bytes()[:-1] + b"x"
    path.write_bytes(bad)
    done = rewrite(old.url, vault, NEW)
    assert done.written == 0
    assert sha256 in done.unusable[0]
    assert path.read_bytes() == bad


def case_builder(tmp_path: Path, store: EvidenceStore) -> CaseBuilder:
    cache = BlobCache(tmp_path / "inline", 10_000, store.vault)
    return CaseBuilder(fakes, store, ReferenceReader((), 1000, cache), cache, 1000)


def test_a_case_opens_its_evidence_again_after_each_batch(tmp_path: Path, store: EvidenceStore, vault: Vault) -> None:
    builder = case_builder(tmp_path, store)
    kept = store.put(b"stored").sha256
    said = record(
        "r",
        "two words",
        evidence=(
            Evidence(id="a", media_type="text/plain", uri=f"sha256:{kept}"),
            Evidence(id="b", media_type="text/plain", content=MARKER.decode()),
        ),
    )
    first = builder.build(said)
    assert [piece.path.read_bytes() for piece in first.evidence] == [b"stored", MARKER]
    vault.clear()
    assert lies_plain(tmp_path) == []
    second = builder.build(said)
    assert second is first
    assert [piece.path.read_bytes() for piece in second.evidence] == [b"stored", MARKER]


def test_a_damaged_piece_is_missing_from_the_case_and_says_why(tmp_path: Path, store: EvidenceStore, folder: Path) -> None:
    sha256 = store.put(b"stored").sha256
    path = stored_file(folder, sha256)
    path.write_bytes(path.read_bytes()[:-1])
    case = case_builder(tmp_path, store).build(
        record("r", "two words", evidence=(Evidence(id="a", media_type="text/plain", uri=f"sha256:{sha256}"),))
    )
    (missing,) = case.missing
    assert "was not read: cannot be opened" in missing.problem
    assert not missing.altered


def test_a_worker_judges_sealed_evidence_leaves_nothing_open_and_reports_damage(tmp_path: Path, folder: Path, store: EvidenceStore) -> None:
    config = WorkerConfig(
        cache_dir=str(tmp_path / "cache"),
        max_evidence_bytes=10**6,
        evidence_url=store.url,
        verdict_cache_bytes=10**6,
        encryption_keys=NEW.raw,
        catalogue=FAKES,
        claims=FAKES,
    )
    assert NEW.raw[0].hex() not in repr(config)
    assert repr(NEW.raw[0]) not in repr(config)
    bench = Bench(config)
    try:
        good, bad = store.put(MARKER).sha256, store.put(MARKER + b"2").sha256
        path = stored_file(folder, bad)
        path.write_bytes(path.read_bytes()[:-1])
        evidence = [(Evidence(id="doc", media_type="text/plain", uri=f"sha256:{sha256}"),) for sha256 in (good, bad)]
        said = [record(f"r{number}", "wrong word", evidence=piece) for number, piece in enumerate(evidence)]
        first, second = bench.judge("keyword", said)
        assert first.state == "judged"
        assert "hallucinated" not in {finding.verdict for finding in second.findings}
        assert bench.take_damaged() == (bad,)
        assert bench.take_damaged() == ()
        assert lies_plain(tmp_path) == []
    finally:
        bench.close()


def test_cached_verdicts_are_sealed_and_forgotten_without_their_key(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.sqlite3"
    cache = VerdictCache(file, 10**6, keys=NEW)
    cache.put({b"k" * 32: MARKER})
    assert cache.get([b"k" * 32]) == {b"k" * 32: MARKER}
    assert VerdictCache(file, 10**6, keys=NEW).get([b"k" * 32]) == {b"k" * 32: MARKER}
    assert VerdictCache(file, 10**6, keys=OLD).get([b"k" * 32]) == {}
    cache.close()
    assert lies_plain(tmp_path) == []


def test_a_copy_in_a_cache_that_does_not_open_is_made_again(tmp_path: Path, vault: Vault) -> None:
    cache = BlobCache(tmp_path / "copies", 10**6, vault)
    sha256 = hashlib.sha256(b"content").hexdigest()
    assert cache.add(b"content").read_bytes() == b"content"
    vault.clear()
    path = tmp_path / "copies" / blob_name(sha256)
    path.write_bytes(path.read_bytes()[:-1])
    assert cache.get(sha256) is None
    assert vault.damaged == set()
    assert cache.add(b"content").read_bytes() == b"content"
    assert is_sealed_file(path)


def test_more_than_the_limit_is_refused_as_ever(tmp_path: Path, vault: Vault) -> None:
    store = EvidenceStore((tmp_path / "small").as_uri(), 10, tmp_path / "cache", vault)
    with pytest.raises(EvidenceRefused, match="larger than the limit"):
        store.put(bytes(11))
    assert [path for path in (tmp_path / "small").rglob("*") if path.is_file()] == []

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.alerts.rules import RuleBook
from monitor.clock import MovableClock
from monitor.detect.cases import CaseBuilder
from monitor.drain import Drain
from monitor.errors import EvidenceDeleted, EvidenceMissing, SettingsInvalid
from monitor.evidence import BlobCache, EvidenceStore, ReferenceReader
from monitor.ingest import Ingest
from monitor.jobs.evidence_retention import EvidenceRetentionJob
from monitor.jobs.job import JobFacts
from monitor.metadata.checks import QueuedChecks
from monitor.metadata.database import Database
from monitor.records import Answer, Evidence, ResponseRecord
from monitor.retention import EvidenceRetention
from monitor.settings import Settings
from monitor.spool import Spool
from monitor.store.client import Store
from monitor.store.reading import Reader
from monitor.store.writer import Writer
from tests.api.conftest import TEXT_HASH, Api, small
from tests.conftest import NOON
from tests.detect import fakes

DAY = timedelta(days=1)
FACE, VOICE, PAGE = b"a face", b"a voice", b"a page"


class Kept:
    """A data folder whose pictures stay 30 days and whose recordings stay 7."""

    def __init__(self, settings: Settings, store: Store, database: Database, clock: MovableClock) -> None:
        self.settings = settings.model_copy(update={"evidence_retention_days_image": 30, "evidence_retention_days_audio": 7})
        self.store, self.database, self.clock = store, database, clock
        self.spool = Spool(settings.spool_path, 10**7, 0, clock)
        self.evidence = EvidenceStore(settings.blob_url, 10**6, settings.cache_dir)
        self.ingest = Ingest(self.settings, self.spool, self.evidence, clock)
        self.drain = Drain(self.spool, Writer(store), clock, lambda *_: None)
        self.job = self.restarted()
        RuleBook(database).ensure_defaults("default", NOON)

    def restarted(self) -> EvidenceRetentionJob:
        return EvidenceRetentionJob(EvidenceRetention(self.settings, self.store, self.spool, self.evidence, self.database, self.clock))

    def record(self, identifier: str, days: float, *pieces: tuple[str, bytes]) -> ResponseRecord:
        evidence = tuple(
            Evidence(id=f"e{number}", media_type=kind, uri=f"sha256:{self.evidence.put(blob).sha256}")
            for number, (kind, blob) in enumerate(pieces)
        )
        time = NOON + timedelta(days=days)
        return ResponseRecord(id=identifier, time=time, workflow="qa", answer=Answer(text="Said."), evidence=evidence)

    def log(self, identifier: str, days: float, *pieces: tuple[str, bytes], drained: bool = True) -> None:
        self.ingest.take_records("default", [self.record(identifier, days, *pieces)])
        if drained:
            self.drain.drain_once()

    def after(self, days: float) -> dict[str, int]:
        self.clock.move(NOON + timedelta(days=days) - self.clock.now())
        facts = JobFacts()
        self.job.look("default", facts)
        return facts.notes

    def has(self, blob: bytes) -> bool:
        return self.evidence.exists(hashlib.sha256(blob).hexdigest())


@pytest.fixture
def kept(settings: Settings, store: Store, database: Database, clock: MovableClock) -> Iterator[Kept]:
    made = Kept(settings, store, database, clock)
    yield made
    made.spool.close()


def test_each_class_goes_after_its_own_time_and_what_has_none_stays(kept: Kept) -> None:
    kept.log("r-1", 0, ("image/png", FACE), ("audio/wav", VOICE), ("application/pdf", PAGE))
    assert kept.after(6.9) == {"image": 0, "audio": 0}
    assert kept.after(7.1) == {"image": 0, "audio": 1}
    assert kept.after(30.1) == {"image": 1, "audio": 0}
    assert [kept.has(blob) for blob in (FACE, VOICE, PAGE)] == [False, False, True]
    assert Reader(kept.store).response("default", "r-1") is not None
    assert kept.restarted()._retention.delete_due("default") == {"image": 0, "audio": 0}


def test_a_blob_counts_from_its_last_use(kept: Kept) -> None:
    kept.log("r-1", 0, ("image/png", FACE))
    kept.log("r-2", 0.03, ("image/png", FACE))
    assert kept.after(30.01)["image"] == 0
    assert kept.has(FACE)
    assert kept.after(30.1)["image"] == 1


def test_what_the_spool_or_a_queued_check_still_needs_stays(kept: Kept) -> None:
    kept.log("r-1", 0, ("image/png", FACE), ("image/png", PAGE))
    kept.clock.move(31 * DAY)
    kept.log("r-2", 31, ("image/png", FACE), drained=False)
    QueuedChecks(kept.database).add("default", kept.record("c-1", 31, ("image/png", PAGE)), ("keyword",), None, kept.clock.now())
    assert kept.after(31)["image"] == 0
    assert kept.has(FACE)
    assert kept.has(PAGE)


def test_other_projects_keep_what_is_theirs(kept: Kept) -> None:
    kept.log("r-1", 0, ("image/png", FACE))
    kept.evidence.of("other").put(FACE)
    assert kept.after(31)["image"] == 1
    assert kept.evidence.of("other").exists(hashlib.sha256(FACE).hexdigest())


def test_detectors_hear_that_it_was_deleted_and_not_that_it_never_came(kept: Kept, tmp_path: Path) -> None:
    kept.log("r-1", 0, ("image/png", FACE))
    kept.after(31)
    with pytest.raises(EvidenceDeleted, match="deleted by retention on 2026-04-02"):
        kept.evidence.local_path(hashlib.sha256(FACE).hexdigest())
    cache = BlobCache(tmp_path / "cache", 1000)
    builder = CaseBuilder(fakes, kept.evidence, ReferenceReader((), 1000, cache), cache, 1000)
    stored = Reader(kept.store).response("default", "r-1")
    assert stored is not None
    _, missing = builder.locate(stored.record)
    assert missing[0].problem == "evidence 'e0' was deleted by retention on 2026-04-02"


def test_evidence_that_comes_again_is_there_again(kept: Kept) -> None:
    kept.log("r-1", 0, ("image/png", FACE))
    kept.after(31)
    sha256 = kept.evidence.put(FACE).sha256
    assert kept.evidence.deleted(sha256) is None
    assert kept.evidence.local_path(sha256).read_bytes() == FACE


def test_a_blob_that_never_came_is_only_missing(kept: Kept) -> None:
    with pytest.raises(EvidenceMissing) as missing:
        kept.evidence.local_path("0" * 64)
    assert not isinstance(missing.value, EvidenceDeleted)
    assert kept.evidence.delete("0" * 64, "retention", NOON) == 0
    assert kept.evidence.deleted("0" * 64) is None


def test_a_remote_store_keeps_the_mark_too(tmp_path: Path) -> None:
    store = EvidenceStore("memory://retention-test", 1000, tmp_path)
    sha256 = store.put(FACE).sha256
    assert store.local_path(sha256).is_file()
    assert store.delete(sha256, "retention", NOON) == len(FACE)
    assert store.deleted(sha256) == ("retention", NOON)
    with pytest.raises(EvidenceDeleted):
        store.local_path(sha256)


def test_a_time_as_long_as_the_responses_stops_the_start(settings: Settings, store: Store, database: Database, clock: MovableClock) -> None:
    wrong = settings.model_copy(update={"retention_days": 30, "evidence_retention_days_video": 30})
    spool = Spool(wrong.spool_path, 10**6, 0, clock)
    evidence = EvidenceStore(wrong.blob_url, 1000, wrong.cache_dir)
    with pytest.raises(SettingsInvalid, match="GROUNDWATCH_EVIDENCE_RETENTION_DAYS_VIDEO=30: is not less than retention_days"):
        EvidenceRetention(wrong, store, spool, evidence, database, clock)
    spool.close()


def test_the_page_of_a_response_says_when_its_evidence_was_deleted(settings: Settings, database: Database, clock: MovableClock) -> None:
    api = Api(small(settings), database, clock)
    api.evidence.put(b"hello")
    api.evidence.delete(TEXT_HASH, "retention", NOON)
    note = next(one for one in api.http.get("/v1/responses/r-1").json()["evidence"] if one["id"] == "note")
    assert (note["url"], note["deleted_at"]) == (None, "2026-03-02T12:00:00Z")
    reply = api.http.get(f"/v1/evidence/{TEXT_HASH}")
    assert (reply.status_code, "deleted by retention on 2026-03-02" in reply.text) == (404, True)
    api.desk.stop()

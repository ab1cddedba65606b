from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from monitor.alerts.rules import RuleBook
from monitor.clock import MovableClock
from monitor.detect.verdict_cache import FILE, VerdictCache
from monitor.drain import Drain
from monitor.erase import erase
from monitor.erasure import SWEEP_AFTER, Erasure, selector_of
from monitor.errors import AlreadyRunning, NotFound, RecordInvalid, StoreUnavailable
from monitor.evidence import EvidenceStore
from monitor.ingest import Ingest
from monitor.jobs.erasure import ErasureJob
from monitor.jobs.job import JobFacts
from monitor.leader import Leadership
from monitor.metadata.audit import AuditLog
from monitor.metadata.checks import QueuedChecks
from monitor.metadata.database import Database
from monitor.metadata.erasures import ErasureRecord, Erasures, Selector
from monitor.metadata.letters import DeadLetters
from monitor.metadata.review import NewItem, NewVerdict, ReviewItems
from monitor.records import Answer, Evidence, ResponseRecord, encode_response
from monitor.review.queue import ReviewQueue
from monitor.settings import Settings
from monitor.spool import Spool
from monitor.store.client import Store
from monitor.store.erasing import QUERIES, TABLES
from monitor.store.fragments import Query, parameters_of
from monitor.store.reading import Reader
from monitor.store.writer import Writer
from tests.api.conftest import Api, small
from tests.conftest import NOON
from tests.store.samples import outcome, spooled
from tests.store.test_queries import SAMPLES

CUSTOMER = Selector(cohort=("customer", "42"))


class Kept:
    """A data folder with its stages, and what a customer leaves behind in it."""

    def __init__(self, settings: Settings, store: Store, database: Database, clock: MovableClock) -> None:
        self.settings, self.store, self.database, self.clock = settings, store, database, clock
        self.spool = Spool(settings.spool_path, 10**7, 0, clock)
        self.evidence = EvidenceStore(settings.blob_url, 10**6, settings.cache_dir)
        self.ingest = Ingest(settings, self.spool, self.evidence, clock)
        self.writer, self.reader = Writer(store), Reader(store)
        self.letters = DeadLetters(database, clock)
        self.drain = Drain(self.spool, self.writer, clock, lambda *_: None)
        self.erasure = Erasure(settings, store, self.spool, self.evidence, database, clock)
        RuleBook(database).ensure_defaults("default", NOON)

    def log(self, identifier: str, customer: str = "42", *blobs: bytes, time: datetime = NOON, drained: bool = True, **more: Any) -> str:
        pieces = tuple(
            Evidence(id=f"e{number}", media_type="image/png", uri=f"sha256:{self.evidence.put(blob).sha256}")
            for number, blob in enumerate(blobs)
        )
        record = ResponseRecord(
            id=identifier, time=time, workflow="qa", answer=Answer(text="Said."), cohort={"customer": customer}, evidence=pieces, **more
        )
        (fate,) = self.ingest.take("default", encode_response(record))
        assert fate.status == "accepted"
        if drained:
            self.drain.drain_once()
        return identifier

    def judged(self, identifier: str) -> None:
        self.writer.insert_outcomes([outcome(spooled(identifier, workflow="qa"), "ocr_mismatch", "judged", 0.9)], f"t-{identifier}")

    def rows(self, identifier: str) -> int:
        counted = 0
        for table, column in TABLES.items():
            asked = Query("count", "", f"SELECT count() FROM {table} WHERE {column} = {{id:String}}")  # noqa: S608 - fixed names
            counted += self.store.rows(asked, {"id": identifier})[0][0]
        return counted

    def has(self, blob: bytes) -> bool:
        return self.evidence.exists(hashlib.sha256(blob).hexdigest())

    def queue(self, identifier: str) -> None:
        item = NewItem(
            response_id=identifier,
            response_time=NOON,
            workflow="qa",
            risk="assistive",
            stratum="floor",
            reason="drawn",
            priority=1.0,
            inclusion_probability=0.5,
        )
        ReviewItems(self.database).add("default", [item], NOON)


@pytest.fixture
def kept(settings: Settings, store: Store, database: Database, clock: MovableClock) -> Iterator[Kept]:
    made = Kept(settings, store, database, clock)
    yield made
    made.spool.close()


def test_everything_about_a_customer_goes_and_everything_else_stays(kept: Kept) -> None:
    kept.log("mine", "42", b"own", b"shared")
    kept.log("theirs", "7", b"shared", b"other")
    for identifier in ("mine", "theirs"):
        kept.judged(identifier)
        kept.queue(identifier)
        kept.letters.add("default", "detect", identifier, "ocr_mismatch", "failed", None)
    waiting = ResponseRecord(id="asked", time=NOON, workflow="check", answer=Answer(text="x"), cohort={"customer": "42"})
    QueuedChecks(kept.database).add("default", waiting, ("ocr_mismatch",), None, NOON)
    kept.letters.add("default", "store", "refused", None, "bad", encode_response(waiting).decode())

    done = kept.erasure.request("default", CUSTOMER, "officer")

    assert done.state == "sweeping"
    assert done.counts == {
        "blob_bytes": 3,
        "blobs": 1,
        "dead_letters": 2,
        "queued_checks": 1,
        "responses": 1,
        "review_items": 1,
        "verdicts": 0,
    }
    assert kept.rows("mine") == 0
    assert kept.rows("theirs") >= 3
    assert kept.reader.response("default", "theirs") is not None
    assert [kept.has(blob) for blob in (b"own", b"shared", b"other")] == [False, True, True]
    assert ReviewItems(kept.database).of_response("default", "mine") is None
    assert ReviewItems(kept.database).of_response("default", "theirs") is not None
    assert [letter.response_id for letter in kept.letters.list("default")[0]] == ["theirs"]


def test_what_reviewers_said_of_it_goes_too(kept: Kept) -> None:
    kept.log("mine")
    kept.queue("mine")
    reviews = ReviewQueue(kept.settings, kept.database, kept.clock)
    item = reviews.claim_next("default", "reviewer")
    assert item is not None
    reviews.judge("default", item.id, "reviewer", [NewVerdict(claim_text="Said.", hallucinated=False)])
    done = kept.erasure.request("default", Selector(response_ids=("mine",)), "officer")
    assert (done.counts["review_items"], done.counts["verdicts"]) == (1, 1)


@pytest.mark.parametrize("selector", [Selector(session_id="s-1"), Selector(response_ids=("mine", "never-logged"))])
def test_a_session_or_single_responses_are_erased_alike(kept: Kept, selector: Selector) -> None:
    kept.log("mine", session_id="s-1")
    kept.log("theirs", session_id="s-2")
    assert kept.erasure.request("default", selector, "officer").counts["responses"] == 1
    assert (kept.rows("mine"), kept.rows("theirs")) == (0, 2)


def test_another_projects_responses_of_the_same_customer_stay(kept: Kept) -> None:
    kept.log("mine")
    assert kept.erasure.request("other", CUSTOMER, "officer").counts["responses"] == 0
    assert kept.rows("mine") == 2


def test_what_is_still_in_the_spool_is_waited_for_and_then_erased(kept: Kept) -> None:
    kept.log("mine", "42", b"own", drained=False)
    asked = kept.erasure.request("default", CUSTOMER, "officer")
    assert (asked.state, asked.counts) == ("running", {})
    kept.drain.drain_once()
    ErasureJob(kept.erasure).look("default", JobFacts())
    assert Erasures(kept.database).get("default", asked.id).state == "sweeping"
    assert kept.rows("mine") == 0
    assert not kept.has(b"own")


def test_a_blob_that_a_waiting_record_needs_stays(kept: Kept) -> None:
    kept.log("mine", "42", b"shared")
    asked = Erasures(kept.database).add("default", CUSTOMER, kept.spool.newest(), "officer", NOON, NOON + SWEEP_AFTER)
    kept.log("next", "7", b"shared", drained=False)
    assert kept.erasure.go_on(asked).counts["blobs"] == 0
    assert kept.has(b"shared")


def test_late_outcomes_are_swept_and_a_finished_erasure_forgets_whom_it_was_about(kept: Kept) -> None:
    kept.log("mine")
    asked = kept.erasure.request("default", CUSTOMER, "officer")
    kept.judged("mine")  # a worker had it at hand
    assert kept.rows("mine") > 0
    job = ErasureJob(kept.erasure)
    job.look("default", JobFacts())
    assert Erasures(kept.database).get("default", asked.id).state == "sweeping"
    kept.clock.move(SWEEP_AFTER)
    job.look("default", JobFacts())
    done = Erasures(kept.database).get("default", asked.id)
    assert (done.state, done.response_ids, kept.rows("mine")) == ("done", (), 0)
    assert done.selector["cohort"][1] == f"sha256:{hashlib.sha256(b'42').hexdigest()}"
    assert kept.erasure.go_on(done) == done
    entries = AuditLog(kept.database).list("default")[0]
    assert [(entry.action, entry.actor) for entry in entries[:2]] == [("erasure.done", "officer"), ("erasure.requested", "officer")]
    assert entries[1].facts["cohort"][0] == "customer"
    assert entries[1].facts["cohort"][1].startswith("sha256:")


def test_a_customer_who_comes_back_is_not_erased_in_advance(kept: Kept) -> None:
    kept.erasure.request("default", CUSTOMER, "officer")
    kept.clock.move(SWEEP_AFTER)
    kept.log("later", time=NOON + timedelta(minutes=10))
    ErasureJob(kept.erasure).look("default", JobFacts())
    assert kept.rows("later") == 2


@pytest.mark.parametrize("dies_in", ["delete_rows", "delete", "_delete_blobs"])
def test_a_kill_between_any_two_steps_loses_nothing(kept: Kept, dies_in: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.log("mine", "42", b"own")
    kept.letters.add("default", "detect", "mine", "ocr_mismatch", "failed", None)
    owner: Any = {"delete_rows": kept.erasure._rows, "delete": kept.erasure._eraser, "_delete_blobs": kept.erasure}[dies_in]

    def die(*_: Any) -> None:
        raise StoreUnavailable("delete", "killed")

    with monkeypatch.context() as patched:
        patched.setattr(owner, dies_in, die)
        asked = kept.erasure.request("default", CUSTOMER, "officer")
    assert asked.state == "running"
    again = Erasure(kept.settings, kept.store, kept.spool, kept.evidence, kept.database, kept.clock)
    ErasureJob(again).look("default", JobFacts())
    assert Erasures(kept.database).get("default", asked.id).state == "sweeping"
    assert kept.rows("mine") == 0
    assert not kept.has(b"own")
    assert kept.letters.list("default")[0] == []


def test_cached_verdicts_and_copies_of_inline_evidence_are_forgotten(kept: Kept) -> None:
    cache = VerdictCache(kept.settings.cache_dir / FILE, 10**6)
    cache.put({b"k" * 32: b"quoted words of a customer"})
    cache.close()
    kept.erasure.request("default", CUSTOMER, "officer")
    assert VerdictCache(kept.settings.cache_dir / FILE, 10**6).get([b"k" * 32]) == {}
    assert b"quoted words" not in b"".join(path.read_bytes() for path in kept.settings.cache_dir.glob(f"{FILE}*"))
    with sqlite3.connect(kept.settings.cache_dir / FILE) as connection:
        assert connection.execute("SELECT count(*) FROM verdicts").fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize(
    ("cohort", "session", "ids", "field"),
    [
        (None, None, None, r"\$"),
        ("customer=42", "s", None, r"\$"),
        ("customer", None, None, "cohort"),
        ("customer=", None, None, "cohort"),
        (None, "", None, "session_id"),
    ],
)
def test_a_request_that_does_not_say_whose_is_refused(cohort: str | None, session: str | None, ids: list[str] | None, field: str) -> None:
    with pytest.raises(RecordInvalid, match=f"^{field}:"):
        selector_of(cohort, session, ids)


def test_another_projects_erasure_is_not_shown(kept: Kept) -> None:
    asked = kept.erasure.request("default", CUSTOMER, "officer")
    with pytest.raises(NotFound):
        Erasures(kept.database).get("other", asked.id)


@pytest.mark.parametrize("asked", QUERIES, ids=lambda asked: asked.name)
def test_clickhouse_can_plan_the_query(store: Store, asked: Query) -> None:
    sql = asked.render()
    store.rows(Query("explain", "", "EXPLAIN PLAN " + sql), {name: SAMPLES[kind] for name, kind in parameters_of(sql).items()})


def test_the_command_stores_what_waits_and_erases_it(settings: Settings, clock: MovableClock) -> None:
    spool = Spool(settings.spool_path, 10**7, 0, clock)
    record = ResponseRecord(id="mine", time=NOON, workflow="qa", answer=Answer(text="x"), cohort={"customer": "42"})
    spool.append("default", [("mine", encode_response(record))])
    spool.close()
    done = erase(settings, "default", CUSTOMER, clock)
    assert (done.state, done.counts["responses"]) == ("sweeping", 1)


def test_the_command_leaves_a_running_sidecars_data_alone(settings: Settings) -> None:
    with Leadership(settings.data), pytest.raises(AlreadyRunning):
        erase(settings, "default", CUSTOMER)


class NotedErasure:
    """Stands in for the stage: notes the row and deletes nothing."""

    def __init__(self, database: Database) -> None:
        self.rows = Erasures(database)

    def request(self, project: str, selector: Selector, actor: str) -> ErasureRecord:
        return self.rows.add(project, selector, 0, actor, NOON, NOON + SWEEP_AFTER)


def test_the_route_notes_who_asked_and_says_how_far_it_is(settings: Settings, database: Database, clock: MovableClock) -> None:
    api = Api(small(settings), database, clock)
    assert api.http.post("/v1/erasures", json={"session_id": "s"}).status_code == 409
    object.__setattr__(api.context, "erasure", NotedErasure(database))
    reply = api.http.post("/v1/erasures", json={"cohort": {"key": "customer", "value": "42"}, "actor": "officer"})
    assert (reply.status_code, reply.json()["state"], reply.json()["requested_by"]) == (202, "running", "officer")
    assert "response_ids" not in reply.json()
    assert api.http.get(f"/v1/erasures/{reply.json()['id']}").json() == reply.json()
    assert api.http.get("/v1/erasures").json()["items"] == [reply.json()]
    assert api.http.get(f"/v1/erasures/{'0' * 32}").status_code == 404
    for body in ({}, {"session_id": "s", "response_ids": ["r"]}, {"session_id": ""}, {"response_ids": []}):
        assert api.http.post("/v1/erasures", json=body).status_code in (400, 422), body
    api.desk.stop()


def test_a_selector_is_hashed_whatever_it_names() -> None:
    for selector in (CUSTOMER, Selector(session_id="42-secret"), Selector(response_ids=("42-secret",))):
        assert "42-secret" not in msgspec.json.encode(selector.hashed()).decode()

"""The detect driver: everything due ends in a named state, once, whatever stops or breaks in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.clock import MovableClock
from monitor.detect.driver import Driver, token_of
from monitor.detect.engine import DetectorReport, Finished, WorkItem, outcome_of
from monitor.detect.local import LocalEngine
from monitor.detect.policy import position
from monitor.detect.wire import Judgement, WorkerConfig
from monitor.errors import Conflict, SettingsInvalid
from monitor.evidence import EvidenceStore
from monitor.metadata.cursors import DetectionCursors
from monitor.metadata.database import Database
from monitor.metadata.letters import DeadLetters
from monitor.metadata.tables import Table
from monitor.records import encode_response
from monitor.settings import Settings
from tests.detect.conftest import FAKES, NOON, record
from tests.detect.memory_store import MemoryStore

MakeDriver = Callable[..., Driver]


class InstantEngine:
    """Judges at once, in this thread; keeps back what ``hold`` names."""

    def __init__(self) -> None:
        self.reports: dict[str, DetectorReport] = {}
        self.restarts = 0
        self.batches: list[tuple[str, list[str]]] = []
        self.hold: set[str] = set()
        self.poison: set[str] = set()
        self.raise_next = False
        self._queue: list[tuple[str, WorkItem]] = []

    @property
    def unfinished(self) -> int:
        return len(self._queue)

    def start(self) -> None:
        self._queue.clear()

    def submit(self, detector: str, items: Any, folder: str | None = None) -> None:
        if items:
            self.batches.append((detector, [item.record.id for item in items]))
        self._queue += [(detector, item) for item in items]

    def collect(self, timeout_s: float) -> list[Finished]:
        if self.raise_next:
            self.raise_next = False
            raise RuntimeError("a fault nobody thought of")
        ready = [(detector, item) for detector, item in self._queue if item.record.id not in self.hold]
        self._queue = [(detector, item) for detector, item in self._queue if item.record.id in self.hold]
        if not ready:
            time.sleep(0.005)
        return [self._finished(detector, item) for detector, item in ready]

    def _finished(self, detector: str, item: WorkItem) -> Finished:
        bad = item.record.id in self.poison
        judgement = Judgement(state="failed", reason="it broke") if bad else Judgement(state="judged")
        return Finished(detector=detector, items=(item,), outcomes=(outcome_of(item, detector, judgement, NOON),), poison=bad)

    def withdraw(self, response_ids: Collection[str], after_s: float) -> int:
        raise AssertionError("responses that were taken in are judged, whoever waits")

    def stop(self, *, drain: bool, timeout_s: float = 30.0) -> list[Finished]:
        self.hold.clear()
        return self.collect(0) if drain else []


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'metadata.sqlite3'}")
    Table.metadata.create_all(database.engine)
    yield database
    database.dispose()


@pytest.fixture
def letters() -> list[tuple[Any, ...]]:
    return []


@pytest.fixture
def make_driver(
    store: MemoryStore, metadata: Database, clock: MovableClock, tmp_path: Path, letters: list[tuple[Any, ...]]
) -> Iterator[MakeDriver]:
    made: list[Driver] = []

    def make(engine: Any = None, **settings: Any) -> Driver:
        chosen = Settings(data=tmp_path / "data", **{"workers": 1, "batch_size": 2, "detectors": ("keyword", "crashing"), **settings})
        evidence = EvidenceStore(chosen.blob_url, 1_000_000, chosen.cache_dir)
        driver = Driver(
            chosen, store, store, metadata, evidence, clock, lambda *facts: letters.append(facts), engine or InstantEngine(), FAKES
        )
        made.append(driver)
        return driver

    yield make
    for driver in made:
        driver.stop(drain=False)


def until(true: Callable[[], bool], within_s: float = 20.0) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)


def cursor(metadata: Database, clock: MovableClock) -> dict[str, int]:
    return DetectionCursors(metadata, clock).all()


def test_every_pair_ends_in_a_state_and_the_cursor_follows(
    make_driver: MakeDriver, store: MemoryStore, metadata: Database, clock: MovableClock
) -> None:
    store.add(*(record(f"r{number}", "words") for number in range(7)))
    driver = make_driver()
    driver.start()
    until(lambda: cursor(metadata, clock) == {"s1": 7})
    assert store.states() == {(f"r{number}", name): "judged" for number in range(7) for name in ("keyword", "crashing")}
    assert driver.undetected() == 0
    assert driver.counters().outcomes == {("keyword", "judged"): 7, ("crashing", "judged"): 7}


def test_batches_are_small_and_of_one_detector(make_driver: MakeDriver, store: MemoryStore) -> None:
    engine = InstantEngine()
    store.add(*(record(f"r{number}", "words") for number in range(5)))
    make_driver(engine).start()
    until(lambda: len(store.outcomes) == 10)
    assert [ids for detector, ids in engine.batches if detector == "keyword"] == [["r0", "r1"], ["r2", "r3"], ["r4"]]


def test_detectors_never_see_labels_or_attributes(make_driver: MakeDriver, store: MemoryStore) -> None:
    seen: list[WorkItem] = []
    engine = InstantEngine()
    original = engine.submit
    engine.submit = lambda detector, items, folder=None: (seen.extend(items), original(detector, items))[1]  # type: ignore[method-assign,func-returns-value]
    store.add(msgspec.structs.replace(record("r0", "words"), attributes={"altered": True}, cohort={"device": "x"}))
    make_driver(engine).start()
    until(lambda: len(store.outcomes) == 2)
    assert seen
    assert all(item.record.attributes == {} and item.record.labels == () and item.record.reference is None for item in seen)


def test_the_cursor_waits_for_the_slowest_response(
    make_driver: MakeDriver, store: MemoryStore, metadata: Database, clock: MovableClock
) -> None:
    engine = InstantEngine()
    engine.hold = {"r1"}
    store.add(*(record(f"r{number}", "words") for number in range(4)))
    driver = make_driver(engine)
    driver.start()
    until(lambda: len(store.outcomes) == 6)
    until(lambda: cursor(metadata, clock) == {"s1": 1})
    assert driver.undetected() == 1
    engine.hold = set()
    until(lambda: cursor(metadata, clock) == {"s1": 4})


def test_a_driver_killed_between_writing_and_the_cursor_does_nothing_twice(
    make_driver: MakeDriver, store: MemoryStore, metadata: Database, clock: MovableClock
) -> None:
    store.add(*(record(f"r{number}", "words") for number in range(3)))
    first = make_driver()
    first.start()
    until(lambda: cursor(metadata, clock) == {"s1": 3})
    first.stop(drain=False)
    with metadata.session() as session:
        session.query(Table.metadata.tables["detection_cursors"]).delete()
    store.outcomes = [outcome for outcome in store.outcomes if (outcome.response_id, outcome.detector) != ("r1", "crashing")]
    engine = InstantEngine()
    make_driver(engine).start()
    until(lambda: cursor(metadata, clock) == {"s1": 3})
    assert engine.batches == [("crashing", ["r1"])]


def test_outcomes_whose_reply_was_lost_arrive_once(
    make_driver: MakeDriver, store: MemoryStore, metadata: Database, clock: MovableClock
) -> None:
    store.lose_next_reply = True
    store.add(record("r0", "words"))
    make_driver().start()
    until(lambda: cursor(metadata, clock) == {"s1": 1})
    assert len(store.states()) == 2


def test_a_store_that_is_down_is_waited_for(make_driver: MakeDriver, store: MemoryStore, metadata: Database, clock: MovableClock) -> None:
    store.add(record("r0", "words"))
    store.down = True
    driver = make_driver()
    driver.start()
    time.sleep(0.3)
    assert store.outcomes == []
    store.down = False
    until(lambda: cursor(metadata, clock) == {"s1": 1})
    assert len(store.states()) == 2


def test_an_outcome_the_store_refuses_costs_its_neighbours_nothing(
    make_driver: MakeDriver, store: MemoryStore, metadata: Database, clock: MovableClock, letters: list[tuple[Any, ...]]
) -> None:
    store.refuse_findings_of = "r1"
    store.add(*(record(f"r{number}", "words") for number in range(3)))
    make_driver(detectors=("keyword",)).start()
    until(lambda: cursor(metadata, clock) == {"s1": 3})
    assert store.states() == {("r0", "keyword"): "judged", ("r1", "keyword"): "failed", ("r2", "keyword"): "judged"}
    ((_, stage, identifier, detector, reason, _),) = letters
    assert (stage, identifier, detector) == ("detect", "r1", "keyword")
    assert "its outcome could not be stored: ClickHouse refused an insert (code 53): a bad row" in reason


def test_a_fault_inside_starts_again_from_the_cursor(
    make_driver: MakeDriver, store: MemoryStore, metadata: Database, clock: MovableClock
) -> None:
    engine = InstantEngine()
    engine.raise_next = True
    store.add(record("r0", "words"))
    make_driver(engine).start()
    until(lambda: cursor(metadata, clock) == {"s1": 1})
    assert len(store.states()) == 2


def test_what_was_given_up_is_failed_and_becomes_a_dead_letter(
    make_driver: MakeDriver, store: MemoryStore, letters: list[tuple[Any, ...]]
) -> None:
    engine = InstantEngine()
    engine.poison = {"r0"}
    store.add(record("r0", "words"), record("r1", "words"))
    driver = make_driver(engine, detectors=("keyword",))
    driver.start()
    until(lambda: len(store.outcomes) == 2)
    assert store.states() == {("r0", "keyword"): "failed", ("r1", "keyword"): "judged"}
    ((project, stage, identifier, detector, reason, payload),) = letters
    assert (project, stage, identifier, detector, reason) == ("default", "detect", "r0", "keyword", "it broke")
    assert msgspec.json.decode(payload)["answer"] == {"text": "words"}
    assert driver.counters().dead_letters == 1


def test_only_assistive_responses_are_sampled_out_and_always_the_same(make_driver: MakeDriver, store: MemoryStore) -> None:
    risky = [msgspec.structs.replace(record(f"high{number}", "words"), risk="authoritative") for number in range(10)]
    store.add(*(record(f"r{number}", "words") for number in range(40)), *risky)
    make_driver(detectors=("keyword",), detect_share=0.5).start()
    until(lambda: len(store.outcomes) == 50)
    states = {identifier: state for (identifier, _), state in store.states().items()}
    assert all(states[f"high{number}"] == "judged" for number in range(10))
    expected = {f"r{number}": "judged" if position("default", f"r{number}") < 0.5 else "sampled_out" for number in range(40)}
    assert {name: states[name] for name in expected} == expected
    assert 8 <= sum(state == "sampled_out" for state in states.values()) <= 32
    assert next(one.reason for one in store.outcomes if one.state == "sampled_out") == "sampled out: 50% of assistive responses are checked"


def test_assistive_responses_that_waited_too_long_are_over_budget(make_driver: MakeDriver, store: MemoryStore, clock: MovableClock) -> None:
    old = NOON - timedelta(seconds=90)
    store.add(record("late", "words"), msgspec.structs.replace(record("high", "words"), risk="decision_support"), received_at=old)
    store.add(record("young", "words"))
    make_driver(detectors=("keyword",), detect_max_wait_s=60).start()
    until(lambda: len(store.outcomes) == 3)
    assert store.states() == {("late", "keyword"): "over_budget", ("high", "keyword"): "judged", ("young", "keyword"): "judged"}
    assert next(one.reason for one in store.outcomes if one.state == "over_budget") == "over budget: it waited 90 s, the limit is 60 s"


def test_what_the_budget_has_no_time_for_is_over_budget_with_the_reason(make_driver: MakeDriver, store: MemoryStore) -> None:
    engine = InstantEngine()
    engine.reports = {name: DetectorReport(available=True, costs={"text": 10.0}) for name in ("keyword", "crashing")}
    store.add(record("a", "words"), msgspec.structs.replace(record("z", "words"), risk="authoritative"))
    make_driver(engine=engine, detect_budget_s_per_hour=30).start()
    until(lambda: len(store.outcomes) == 4)
    states = store.states()
    assert [states["z", name] for name in ("keyword", "crashing")] == ["judged", "judged"]
    assert [states["a", name] for name in ("keyword", "crashing")] == ["over_budget", "over_budget"]
    assert {outcome.reason for outcome in store.outcomes if outcome.state == "over_budget"} == {
        "over budget: about 10.0 s of worker time are needed, 0.0 s of 30 s an hour are left for assistive responses"
    }


def test_an_id_that_two_sidecars_took_in_is_judged_once_and_ends_for_both(
    make_driver: MakeDriver, store: MemoryStore, metadata: Database, clock: MovableClock
) -> None:
    store.add(record("same", "words"), sidecar="s1")
    store.add(record("other", "words"), record("same", "words"), sidecar="s2")
    make_driver(detectors=("keyword",)).start()
    until(lambda: cursor(metadata, clock) == {"s1": 1, "s2": 2})
    assert store.states() == {("same", "keyword"): "judged", ("other", "keyword"): "judged"}


def test_the_same_id_in_two_projects_is_judged_in_both(make_driver: MakeDriver, store: MemoryStore) -> None:
    store.add(record("same", "words"), project="a")
    store.add(record("same", "words"), project="b")
    make_driver(detectors=("keyword",)).start()
    until(lambda: len(store.outcomes) == 2)
    assert {(outcome.project, outcome.state) for outcome in store.outcomes} == {("a", "judged"), ("b", "judged")}


def test_without_workers_nothing_is_detected_and_the_status_says_so(make_driver: MakeDriver, store: MemoryStore) -> None:
    store.add(record("r0", "words"))
    driver = make_driver(workers=0)
    driver.start()
    time.sleep(0.1)
    assert store.outcomes == []
    assert driver.undetected() == 1
    assert [(one.available, one.reason) for one in driver.detector_status()] == [(False, "detection is off (workers = 0)")] * 2
    assert threading.active_count() < 20


def test_a_detector_that_does_not_exist_stops_the_start(make_driver: MakeDriver) -> None:
    with pytest.raises(SettingsInvalid, match="GROUNDWATCH_DETECTORS='palmistry': there is no such detector"):
        make_driver(detectors=("palmistry",))


def test_a_graceful_stop_writes_what_was_at_work(
    make_driver: MakeDriver, store: MemoryStore, metadata: Database, clock: MovableClock
) -> None:
    engine = InstantEngine()
    engine.hold = {"r0"}
    store.add(record("r0", "words"))
    driver = make_driver(engine, detectors=("keyword",))
    driver.start()
    until(lambda: driver.undetected() == 1)
    driver.stop(drain=True)
    assert store.states() == {("r0", "keyword"): "judged"}
    assert cursor(metadata, clock) == {"s1": 1}


def test_a_hard_stop_leaves_open_work_due(make_driver: MakeDriver, store: MemoryStore, metadata: Database, clock: MovableClock) -> None:
    engine = InstantEngine()
    engine.hold = {"r0"}
    store.add(record("r0", "words"))
    driver = make_driver(engine, detectors=("keyword",))
    driver.start()
    until(lambda: driver.undetected() == 1)
    driver.stop(drain=False)
    assert store.outcomes == []
    assert cursor(metadata, clock) == {}
    make_driver(InstantEngine(), detectors=("keyword",)).start()
    until(lambda: store.states() == {("r0", "keyword"): "judged"})


def test_a_cursor_never_moves_back(metadata: Database, clock: MovableClock) -> None:
    cursors = DetectionCursors(metadata, clock)
    cursors.advance("s1", 5)
    cursors.advance("s1", 3)
    assert cursors.all() == {"s1": 5}


def test_the_same_judgements_made_again_have_the_same_token() -> None:
    item = WorkItem(project="default", record=record("r0", "words"))
    first = outcome_of(item, "keyword", Judgement(state="judged", duration_ms=1.0), NOON)
    again = outcome_of(item, "keyword", Judgement(state="judged", duration_ms=2.0), NOON + timedelta(minutes=1))
    failed = outcome_of(item, "keyword", Judgement(state="failed", reason="x"), NOON)
    assert token_of([first]) == token_of([again])
    assert token_of([first]) != token_of([failed])


def test_real_workers_judge_stored_evidence_and_survive_a_crash(
    make_driver: MakeDriver, store: MemoryStore, metadata: Database, clock: MovableClock, config: WorkerConfig, tmp_path: Path
) -> None:
    evidence = EvidenceStore((tmp_path / "data" / "evidence").as_uri(), 1_000_000, tmp_path / "cache")
    kept = evidence.put(b"a document")
    piece = {"id": "doc", "media_type": "text/plain"}
    here = msgspec.convert({**piece, "uri": f"sha256:{kept.sha256}"}, type(record("x", "x").evidence[0]))
    gone = msgspec.convert({**piece, "uri": "sha256:" + "0" * 64}, type(here))
    store.add(
        record("ok", "all wrong", evidence=(here,)), record("bad", "crash", evidence=(here,)), record("gone", "words", evidence=(gone,))
    )
    engine = LocalEngine(msgspec.structs.replace(config, evidence_url=evidence.url), 1, 30.0, clock)
    driver = make_driver(engine)
    driver.start()
    until(lambda: cursor(metadata, clock) == {"s1": 3}, 60)
    states = store.states()
    assert states[("ok", "keyword")] == states[("ok", "crashing")] == states[("bad", "keyword")] == "judged"
    assert states[("bad", "crashing")] == "failed"
    assert states[("gone", "keyword")] == "abstained"
    reason = next(one.reason for one in store.outcomes if one.response_id == "gone")
    assert reason == "evidence 'doc' is not stored (sha256:000000000000…)"
    assert [(one.name, one.available, one.version) for one in driver.detector_status()] == [("keyword", True, "1"), ("crashing", True, "1")]
    assert driver.counters().worker_restarts >= 1


def test_a_response_asked_for_again_is_judged_once_more_and_its_failure_is_a_new_letter(
    make_driver: MakeDriver, store: MemoryStore, letters: list[tuple[Any, ...]]
) -> None:
    engine = InstantEngine()
    engine.poison = {"r-1"}
    driver = make_driver(engine)
    driver.start()
    driver.again("default", record("r-1", "words"), "keyword")
    until(lambda: len(letters) == 1)
    assert "words" in letters[0][5]
    engine.poison = set()
    driver.again("default", record("r-1", "words"), "keyword")
    until(lambda: [outcome.state for outcome in store.outcomes] == ["failed", "judged"])


def asked_to_replay(metadata: Database, clock: MovableClock, detector: str = "keyword", payload: str | None = None) -> DeadLetters:
    held = DeadLetters(metadata, clock)
    held.add("default", "detect", "r-1", detector, "it broke", payload or encode_response(record("r-1", "words")).decode())
    held.close("default", held.list("default")[0][0].id, "replaying", "ann")
    return held


def test_a_replay_that_a_stop_cut_off_is_made_up_for_at_the_next_start(
    make_driver: MakeDriver, store: MemoryStore, metadata: Database, clock: MovableClock
) -> None:
    held = asked_to_replay(metadata, clock)
    engine = InstantEngine()
    engine.hold = {"r-1"}
    driver = make_driver(engine)
    driver.start()
    until(lambda: engine.batches == [("keyword", ["r-1"])])
    driver.stop(drain=False)
    assert (store.outcomes, held.list("default")[0][0].state) == ([], "replaying")
    make_driver().start()
    until(lambda: held.list("default")[0][0].state == "replayed")
    assert store.states() == {("r-1", "keyword"): "judged"}


@pytest.mark.parametrize(("detector", "payload"), [("unknown", None), ("keyword", "no record")])
def test_a_replay_that_cannot_be_made_up_for_waits_again(
    make_driver: MakeDriver, metadata: Database, clock: MovableClock, detector: str, payload: str | None
) -> None:
    held = asked_to_replay(metadata, clock, detector, payload)
    make_driver().start()
    until(lambda: held.list("default")[0][0].state == "waiting")


def test_a_detector_that_does_not_run_here_cannot_look_again(make_driver: MakeDriver) -> None:
    with pytest.raises(Conflict, match="GROUNDWATCH_DETECTORS"):
        make_driver().again("default", record("r-1", "words"), "unknown")


def test_where_most_fails_detection_stops_itself_and_goes_on_when_told(make_driver: MakeDriver, store: MemoryStore) -> None:
    engine = InstantEngine()
    engine.poison = {f"r{number}" for number in range(1000)}
    driver = make_driver(engine, detectors=("keyword",))
    store.add(*(record(f"r{number}", "words") for number in range(60)))
    driver.start()
    until(lambda: driver.halted is not None)
    assert driver.halted is not None
    assert "it broke" in driver.halted.reason
    engine.poison = set()
    store.add(*(record(f"r{number}", "words") for number in range(1000, 1020)))
    buried = len(store.outcomes)
    assert driver.resume()
    until(lambda: driver.undetected() == 0)
    assert [outcome.state for outcome in store.outcomes[buried:]] == ["judged"] * (80 - buried)
    assert not driver.resume()

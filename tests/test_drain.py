"""Everything in the spool reaches the store once; what cannot be stored becomes a dead letter beside its neighbours."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.clock import MovableClock, SystemClock
from monitor.drain import DEAD_LETTERS_A_BATCH, GATHER_S, LOAD_ROWS, Drain, backoff_s
from monitor.errors import StoreRefused, StoreUnavailable
from monitor.records import encode_response
from monitor.spool import Spool
from monitor.store.client import Store
from monitor.store.reading import Reader
from monitor.store.rows import SpooledResponse
from monitor.store.writer import Writer
from tests.store.samples import spooled, window


class CollectingWriter(Writer):
    """Keeps what it is given; refuses ids that say so, and is away while told to be."""

    def __init__(self) -> None:
        self.batches: dict[str, list[str]] = {}
        self.away = 0

    def insert_responses(self, batch: Sequence[SpooledResponse], token: str) -> None:
        if self.away:
            self.away -= 1
            raise StoreUnavailable("insert into records", "connection refused")
        if any(item.record.id.startswith("bad") for item in batch):
            raise StoreRefused("insert into records", 53, "type mismatch")
        self.batches[token] = [item.record.id for item in batch]

    @property
    def ids(self) -> list[str]:
        return [identifier for batch in self.batches.values() for identifier in batch]


class Letters(list[tuple[str, str, str, str | None, str, str | None]]):
    """Collects dead letters."""

    def __call__(self, project: str, stage: str, response_id: str, detector: str | None, reason: str, payload: str | None) -> None:
        self.append((project, stage, response_id, detector, reason, payload))


@pytest.fixture
def spool(tmp_path: Path, clock: MovableClock) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool.sqlite3", 2**26, 1.0, clock)
    yield spool
    spool.close()


def put(spool: Spool, *ids: str) -> None:
    spool.append("default", [(identifier, encode_response(spooled(identifier).record)) for identifier in ids])


def test_a_batch_goes_into_the_store_and_leaves_the_spool(spool: Spool, clock: MovableClock) -> None:
    writer, letters = CollectingWriter(), Letters()
    put(spool, "a", "b")
    drain = Drain(spool, writer, clock, letters)
    assert (drain.drain_once(), drain.drain_once()) == (2, 0)
    assert writer.ids == ["a", "b"]
    assert letters == []
    assert spool.pending().count == 0


def test_while_the_store_is_away_the_batch_stays_and_comes_again_under_its_token(spool: Spool, clock: MovableClock) -> None:
    writer = CollectingWriter()
    writer.away = 2
    put(spool, "a")
    token = spool.next_batch(10)
    drain = Drain(spool, writer, clock, Letters())
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            drain.drain_once()
    put(spool, "b")
    assert drain.drain_once() == 1
    assert token is not None
    assert writer.batches == {token.token: ["a"]}


def test_a_refused_record_becomes_a_dead_letter_and_its_neighbours_arrive(spool: Spool, clock: MovableClock) -> None:
    writer, letters = CollectingWriter(), Letters()
    put(spool, "a", "b", "bad1", "c", "d", "bad2", "e")
    Drain(spool, writer, clock, letters).drain_once()
    assert writer.ids == ["a", "b", "c", "d", "e"]
    assert [(project, stage, identifier) for project, stage, identifier, *_ in letters] == [
        ("default", "store", "bad1"),
        ("default", "store", "bad2"),
    ]
    assert "type mismatch" in letters[0][4]
    assert letters[0][5] is not None
    assert '"bad1"' in letters[0][5]
    assert spool.pending().count == 0


def test_a_record_that_cannot_be_read_becomes_a_dead_letter(spool: Spool, clock: MovableClock) -> None:
    writer, letters = CollectingWriter(), Letters()
    spool.append("default", [("broken", b'{"id": "broken"'), ("wrong", b'{"id": "wrong"}'), ("bytes", b"\xff")])
    put(spool, "a")
    Drain(spool, writer, clock, letters).drain_once()
    assert writer.ids == ["a"]
    assert [letter[2] for letter in letters] == ["broken", "wrong", "bytes"]


def test_where_most_of_a_batch_is_refused_nothing_becomes_a_dead_letter_and_nothing_is_lost(spool: Spool, clock: MovableClock) -> None:
    writer, letters = CollectingWriter(), Letters()
    put(spool, "a", *(f"bad{n}" for n in range(DEAD_LETTERS_A_BATCH + 1)))
    with pytest.raises(StoreRefused, match="most of a batch"):
        Drain(spool, writer, clock, letters).drain_once()
    assert letters == []
    assert spool.pending().count == DEAD_LETTERS_A_BATCH + 2


def test_a_dead_letter_that_nobody_takes_keeps_the_batch(spool: Spool, clock: MovableClock) -> None:
    def nobody(*_: object) -> None:
        raise RuntimeError("metadata is away")

    put(spool, "bad")
    with pytest.raises(RuntimeError):
        Drain(spool, CollectingWriter(), clock, nobody).drain_once()
    assert spool.pending().count == 1


def test_the_thread_outlives_a_store_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.drain.BACKOFF_S", (0.01, 0.02))
    spool = Spool(tmp_path / "spool.sqlite3", 2**26, 1.0, SystemClock())
    writer = CollectingWriter()
    writer.away = 5
    drain = Drain(spool, writer, SystemClock(), Letters())
    drain.start()
    put(spool, "a")
    deadline = time.monotonic() + 10
    while writer.ids != ["a"] and time.monotonic() < deadline:
        time.sleep(0.01)
    drain.stop()
    assert writer.ids == ["a"]
    assert (drain.drained, drain.last_error) == (1, None)
    spool.close()


def test_under_load_a_batch_waits_for_more(spool: Spool, clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.drain.GATHER_UNDER_LOAD_S", 60.0)
    monkeypatch.setattr("monitor.drain.BATCH_ROWS", LOAD_ROWS + 10)
    writer = CollectingWriter()
    drain = Drain(spool, writer, clock, Letters())
    put(spool, *(f"early-{number}" for number in range(LOAD_ROWS)))
    drain.start()
    try:
        time.sleep(2 * GATHER_S)
        assert writer.ids == []
        put(spool, *(f"late-{number}" for number in range(10)))
        limit = time.monotonic() + 20
        while not writer.batches and time.monotonic() < limit:
            time.sleep(0.02)
    finally:
        drain.stop()
    assert [len(batch) for batch in writer.batches.values()] == [LOAD_ROWS + 10]


def test_backoff_grows_to_its_ceiling_and_is_never_zero() -> None:
    waits = [backoff_s(failures) for failures in (1, 2, 5, 50)]
    assert 0.25 <= waits[0] <= 0.5
    assert 0.5 <= waits[1] <= 1.0
    assert 4.0 <= waits[2] <= 8.0
    assert 15.0 <= waits[3] <= 30.0


def test_a_single_record_can_be_read_within_a_second(settings: object, store: Store, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.sqlite3", 2**26, 1.0, SystemClock())
    drain = Drain(spool, Writer(store), SystemClock(), Letters())
    reader = Reader(store)
    put(spool, "warm")
    drain.drain_once()
    reader.exists("default", ["warm"])
    drain.start()
    now = datetime.now(UTC)
    spool.append("default", [("a", encode_response(spooled("a", time=now).record))])
    started = time.monotonic()
    while not reader.exists("default", ["a"]) and time.monotonic() - started < 10:
        time.sleep(0.02)
    took = time.monotonic() - started
    drain.stop()
    spool.close()
    # A second on a free machine; the bound leaves room for one that is busy with other tests.
    assert took < 3.0


def test_a_batch_that_arrived_before_the_crash_is_not_doubled_by_its_return(
    store: Store, writer: Writer, reader: Reader, spool: Spool, clock: MovableClock
) -> None:
    put(spool, *(f"r{n}" for n in range(20)))
    batch = spool.next_batch(100)
    drain = Drain(spool, writer, clock, Letters())
    assert batch is not None
    drain._write(batch)  # The store has it, the spool was never told.
    assert drain.drain_once() == 20
    assert reader.summary(window()).responses == 20
    counted = "SELECT count() FROM records"
    with store._client("count") as client:
        assert client.query(counted).result_rows == [(20,)], "not even a row that a merge would fold away"

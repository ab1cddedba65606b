"""What the spool acknowledged is on disk, comes out once under a stable token, and is known when it comes again."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.clock import MovableClock
from monitor.errors import SlowDown, StorageDamaged, StorageUnavailable
from monitor.spool import BATCH_BYTES, PRUNE_EVERY, Spool
from tests.conftest import NOON

MIB = 1024 * 1024


def items(*ids: str, size: int = 20) -> list[tuple[str, bytes]]:
    return [(identifier, identifier.encode().ljust(size, b".")) for identifier in ids]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "spool.sqlite3"


@pytest.fixture
def spool(path: Path, clock: MovableClock) -> Iterator[Spool]:
    spool = Spool(path, MIB, 1.0, clock)
    yield spool
    spool.close()


def test_records_come_out_as_they_went_in_with_growing_sequences(spool: Spool) -> None:
    assert spool.append("p", items("a", "b")) == [True, True]
    assert spool.append("q", [("c", b'{"\xc3\xa9": 1}')]) == [True]
    batch = spool.next_batch(10)
    assert batch is not None
    assert [(item.project, item.id, item.raw) for item in batch.items] == [
        ("p", "a", b"a".ljust(20, b".")),
        ("p", "b", b"b".ljust(20, b".")),
        ("q", "c", b'{"\xc3\xa9": 1}'),
    ]
    assert [item.sequence for item in batch.items] == [1, 2, 3]
    assert {item.received_at for item in batch.items} == {NOON}


def test_an_id_is_taken_once_a_project_even_within_one_request(spool: Spool) -> None:
    assert spool.append("p", items("a", "b", "a")) == [True, True, False]
    assert spool.append("p", items("b", "c")) == [False, True]
    assert spool.append("q", items("a")) == [True]
    assert spool.pending().count == 4


def test_an_id_stays_taken_after_its_record_has_left_the_spool_and_after_a_restart(spool: Spool, path: Path, clock: MovableClock) -> None:
    spool.append("p", items("a"))
    batch = spool.next_batch(10)
    assert batch is not None
    spool.confirm(batch)
    spool.close()
    again = Spool(path, MIB, 1.0, clock)
    assert again.append("p", items("a")) == [False]
    assert again.sidecar == spool.sidecar
    again.close()


def test_ids_are_forgotten_after_the_retention(path: Path, clock: MovableClock) -> None:
    spool = Spool(path, MIB, 1.0, clock, retention=timedelta(days=2))
    spool.append("p", items("old"))
    clock.move(timedelta(days=1, hours=2))
    spool.append("p", items("young", "now"))
    batch = spool.next_batch(10)
    assert batch is not None
    spool.confirm(batch)
    clock.move(timedelta(days=1))
    for _ in range(256):  # One slice of the ids each time.
        clock.move(PRUNE_EVERY / 4)
        spool._prune_after = clock.now()
        spool.confirm(batch)
    assert spool.append("p", items("old", "young")) == [True, False]
    spool.close()


def test_a_batch_stays_the_same_until_it_is_confirmed_whatever_arrives_meanwhile(spool: Spool) -> None:
    spool.append("p", items("a", "b", "c"))
    first = spool.next_batch(2)
    spool.append("p", items("d"))
    assert spool.next_batch(100) == first
    assert first is not None
    assert [item.id for item in first.items] == ["a", "b"]
    spool.confirm(first)
    second = spool.next_batch(100)
    assert second is not None
    assert [item.id for item in second.items] == ["c", "d"]
    assert second.token != first.token


def test_confirming_twice_changes_nothing(spool: Spool) -> None:
    spool.append("p", items("a", "b"))
    batch = spool.next_batch(1)
    assert batch is not None
    spool.confirm(batch)
    spool.confirm(batch)
    assert spool.pending().count == 1


def test_sequences_are_never_used_again_after_everything_was_deleted(spool: Spool, path: Path, clock: MovableClock) -> None:
    spool.append("p", items("a", "b"))
    batch = spool.next_batch(10)
    assert batch is not None
    spool.confirm(batch)
    spool.close()
    again = Spool(path, MIB, 1.0, clock)
    again.append("p", items("c"))
    batch = again.next_batch(10)
    assert batch is not None
    assert batch.items[0].sequence == 3
    again.close()


def test_an_empty_spool_has_no_batch_and_an_empty_request_is_done_at_once(spool: Spool) -> None:
    assert spool.append("p", []) == []
    assert spool.next_batch(10) is None
    state = spool.pending()
    assert (state.count, state.bytes, state.oldest_received_at) == (0, 0, None)


def test_a_batch_is_cut_at_its_ceiling_in_bytes_but_never_empty(path: Path, clock: MovableClock) -> None:
    spool = Spool(path, 200 * MIB, 1.0, clock)
    spool.append("p", items("huge", size=BATCH_BYTES + 1))
    spool.append("p", items("x", "y", size=BATCH_BYTES // 2))
    spool.append("p", items("z"))
    sizes = []
    while batch := spool.next_batch(100):
        sizes.append(len(batch.items))
        spool.confirm(batch)
    assert sizes == [1, 2, 1]
    spool.close()


def test_over_the_ceiling_nothing_of_the_request_is_taken_and_the_caller_is_told_when_to_come_again(spool: Spool) -> None:
    spool.append("p", items("a", size=MIB // 2))
    with pytest.raises(SlowDown) as refused:
        spool.append("p", items("b", "c", size=MIB // 3))
    assert refused.value.retry_after_s > 0
    assert spool.pending().count == 1
    batch = spool.next_batch(10)
    assert batch is not None
    spool.confirm(batch)
    assert spool.append("p", items("b", "c", size=MIB // 3)) == [True, True]


def test_pending_tells_count_bytes_and_age_also_after_a_restart(spool: Spool, path: Path, clock: MovableClock) -> None:
    spool.append("p", items("a", size=100))
    clock.move(timedelta(minutes=1))
    spool.append("p", items("b", size=50))
    before = spool.pending()
    assert (before.count, before.bytes, before.oldest_received_at) == (2, 150, NOON)
    spool.close()
    again = Spool(path, MIB, 1.0, clock)
    assert again.pending() == before
    again.close()


def test_many_threads_share_commits_and_each_gets_its_own_answer(path: Path, clock: MovableClock) -> None:
    spool = Spool(path, 10 * MIB, 2.0, clock)
    answers: dict[int, list[list[bool]]] = {}

    def call(number: int) -> None:
        answers[number] = [spool.append("p", items(f"{number}-{turn}", f"shared-{turn}")) for turn in range(20)]

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine for given in answers.values() for mine, _ in given)
    for turn in range(20):
        assert sum(given[turn][1] for given in answers.values()) == 1, "exactly one caller took the shared id"
    assert spool.pending().count == 8 * 20 + 20
    spool.close()


def test_a_full_disk_refuses_the_request_and_leaves_nothing_half_written(spool: Spool, path: Path) -> None:
    spool.append("p", items("a"))
    pages = spool._write.execute("PRAGMA page_count").fetchone()[0]
    spool._write.execute(f"PRAGMA max_page_count = {pages + 8}").fetchone()
    with pytest.raises(StorageUnavailable, match="full") as refused:
        spool.append("p", [("small", b"s"), *items("big", size=100_000)])
    assert refused.value.path == str(path)
    assert spool.pending().count == 1
    spool._write.execute("PRAGMA max_page_count = 1000000").fetchone()
    assert spool.append("p", [("small", b"s"), *items("big", size=100_000)]) == [True, True], "neither id was taken before"


def test_a_read_only_spool_is_refused_with_its_path(spool: Spool) -> None:
    spool._write.execute("PRAGMA query_only = ON")
    with pytest.raises(StorageUnavailable, match="readonly"):
        spool.append("p", items("a"))
    spool._write.execute("PRAGMA query_only = OFF")
    assert spool.append("p", items("a")) == [True]


def test_a_file_that_is_no_spool_is_refused(tmp_path: Path, clock: MovableClock) -> None:
    (tmp_path / "spool").write_bytes(b"not a database" * 1000)
    with pytest.raises(StorageUnavailable, match="not a database"):
        Spool(tmp_path / "spool", MIB, 1.0, clock)
    with pytest.raises(StorageUnavailable):
        Spool(Path("/proc/nowhere/spool"), MIB, 1.0, clock)


def test_a_closed_spool_takes_nothing(spool: Spool) -> None:
    spool.close()
    with pytest.raises(StorageUnavailable, match="closed"):
        spool.append("p", items("a"))


def test_deleted_records_give_their_space_back(path: Path, clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.spool.KEEP_FREE_PAGES", 100)
    spool = Spool(path, 100 * MIB, 1.0, clock)
    spool.append("p", items(*(f"r{n}" for n in range(50)), size=200_000))
    pages = spool._write.execute("PRAGMA page_count").fetchone()[0]
    while batch := spool.next_batch(10):
        spool.confirm(batch)
    assert spool._write.execute("PRAGMA page_count").fetchone()[0] < pages / 5
    spool.close()


WRITER = """
import sys, pathlib
from monitor.clock import SystemClock
from monitor.spool import Spool
spool = Spool(pathlib.Path(sys.argv[1]), 2**30, 1.0, SystemClock())
turn = 0
while True:
    names = [f"{turn}-{n}" for n in range(20)]
    assert all(spool.append("p", [(name, name.encode() * 50) for name in names]))
    print(*names, flush=True)
    if turn == 5:
        print("token", spool.next_batch(30).token, flush=True)
    turn += 1
"""


def test_kill_9_loses_nothing_that_was_acknowledged_and_keeps_the_open_batch(path: Path, clock: MovableClock) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline().split() for _ in range(40)]
    os.kill(process.pid, signal.SIGKILL)
    rest, _ = process.communicate()
    # The last line may have been cut by the kill; only whole lines were said.
    lines += [line.split() for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    token = next(line[1] for line in lines if line[0] == "token")
    said = {name for line in lines if line[0] != "token" for name in line}
    spool = Spool(path, 2**30, 1.0, clock)
    first = spool.next_batch(1000)
    assert first is not None
    assert (first.token, len(first.items)) == (token, 30)
    spool.confirm(first)
    stored = list(first.items)
    while batch := spool.next_batch(1000):
        stored += batch.items
        spool.confirm(batch)
    found = [item.id for item in stored]
    assert said <= set(found)
    assert len(found) == len(set(found))
    assert all(item.raw == item.id.encode() * 50 for item in stored)
    spool.close()


def test_the_file_is_synced_on_every_commit(spool: Spool) -> None:
    """FULL is 2; with NORMAL (1) a power cut takes back what was acknowledged."""
    assert spool._write.execute("PRAGMA synchronous").fetchone() == (2,)
    assert spool._write.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert sqlite3.threadsafety > 0


@pytest.mark.parametrize("damage", ["head", "tail"])
def test_a_damaged_file_is_named_with_what_is_given_up_without_it(path: Path, clock: MovableClock, damage: str) -> None:
    Spool(path, MIB, 1.0, clock).close()
    content = path.read_bytes()
    path.write_bytes(bytes(100) + content[100:] if damage == "head" else content[: len(content) // 2])
    with pytest.raises(StorageDamaged, match=r"spool\.sqlite3 is damaged: .*move this file .* what was not yet in the store is lost then"):
        Spool(path, MIB, 1.0, clock)


def test_a_page_that_became_unreadable_while_it_runs_is_damage_too(path: Path, clock: MovableClock) -> None:
    Spool(path, MIB, 1.0, clock).close()
    with closing(sqlite3.connect(path)) as file:
        ((page,),) = file.execute("SELECT rootpage FROM sqlite_master WHERE name = 'taken'").fetchall()
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    spool = Spool(path, MIB, 1.0, clock)
    with pytest.raises(StorageDamaged, match="malformed"):
        spool.append("p", items("a"))
    spool.close()

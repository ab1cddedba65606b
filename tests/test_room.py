"""Whether the data folder takes writes again, on a disk whose fsync fails while it is full."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitor import room
from monitor.errors import StorageUnavailable
from monitor.room import TELL_EVERY_S, Room


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the disk is full: then what is written does not reach it."""
    state = [True]
    sync = os.fsync

    def refuse(number: int) -> None:
        if state[0]:
            raise OSError(28, "No space left on device")
        sync(number)

    monkeypatch.setattr(os, "fsync", refuse)
    monkeypatch.setattr(room, "PROBE_EVERY_S", 0.0)
    return state


def test_a_refused_write_is_remembered_until_the_folder_takes_one_again(tmp_path: Path, full: list[bool]) -> None:
    kept = Room(tmp_path)
    assert kept.missing() is None, "without a refusal nothing is probed"
    kept.note(StorageUnavailable(tmp_path / "spool" / "records.db", "disk is full"))
    for _ in range(2):
        assert "disk is full" in (kept.missing() or "")
    full[0] = False
    assert kept.missing() is None
    assert list(tmp_path.iterdir()) == []


def test_an_address_of_the_evidence_in_the_folder_counts_and_one_elsewhere_does_not(tmp_path: Path, full: list[bool]) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    kept = Room(folder)
    kept.note(StorageUnavailable("s3://bucket/evidence", "no such bucket"))
    kept.note(StorageUnavailable("/dev/shm/plain", "no space"))  # noqa: S108 - only named
    assert kept.missing() is None
    kept.note(StorageUnavailable((folder / "evidence").as_uri(), "disk is full"))
    assert kept.missing() is not None


def test_the_log_hears_of_refused_writes_once_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000.0]
    monkeypatch.setattr(room.time, "monotonic", lambda: now[0])
    kept, refused = Room(tmp_path), StorageUnavailable(tmp_path / "spool.sqlite3", "disk is full")
    assert [kept.note(refused) for _ in range(3)] == [True, False, False]
    now[0] += TELL_EVERY_S
    assert [kept.note(refused) for _ in range(2)] == [True, False]
    assert kept.note(StorageUnavailable("s3://bucket/evidence", "no such bucket")) is True, "what lies elsewhere is told each time"

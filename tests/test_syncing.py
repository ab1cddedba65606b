"""What a command reports as done is synced, files and the folders that name them, so that a power cut does not take it back."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from monitor.backup import backup, restore
from monitor.evidence import EvidenceStore
from monitor.sealing import add_key, note_keys
from monitor.settings import Settings
from monitor.supervise import sign_in_file
from monitor.syncing import write_synced
from tests.conftest import NOON


class Disk:
    """Knows what was synced, by inode: a file that was renamed afterwards is the same one."""

    def __init__(self) -> None:
        self._synced: set[int] = set()

    def fsync(self, descriptor: int) -> None:
        self._synced.add(os.fstat(descriptor).st_ino)

    def holds(self, path: Path) -> bool:
        """Whether the file or folder and its name are there after a power cut."""
        return {path.stat().st_ino, path.parent.stat().st_ino} <= self._synced


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(os, "fsync", disk.fsync)
    return disk


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    (data / "evidence" / "ab").mkdir(parents=True)
    (data / "evidence" / "ab" / "blob").write_bytes(b"picture")
    with closing(sqlite3.connect(data / "metadata.sqlite3")) as live:
        live.execute("CREATE TABLE t (x)")
    return data


def test_an_archive_and_what_is_restored_of_it_survive_a_power_cut(disk: Disk, data: Path, tmp_path: Path) -> None:
    archive, again = tmp_path / "b.tar.gz", tmp_path / "deep" / "again"
    backup(Settings(data=data), archive, NOON)
    assert disk.holds(archive)
    restore(archive, again)
    assert [path for path in again.rglob("*") if not disk.holds(path)] == []
    assert disk.holds(again)
    assert disk.holds(again.parent)


def test_a_key_is_on_the_disk_before_it_seals_anything(disk: Disk, tmp_path: Path) -> None:
    keys = tmp_path / "keys" / "file"
    add_key(keys)
    assert disk.holds(keys)
    assert disk.holds(keys.parent)
    note_keys(tmp_path / "data", ["0" * 16])
    assert disk.holds(tmp_path / "data" / "sealed.json")


def test_what_a_killed_process_of_the_same_number_left_does_not_stop_the_next(tmp_path: Path) -> None:
    (tmp_path / f".keys.{os.getpid()}").write_text("half a key")
    add_key(tmp_path / "keys")
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_synced(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_synced(path, b"new")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("file", b"old")]


def test_the_mark_of_a_deleted_blob_is_on_the_disk_before_the_blob_goes(disk: Disk, tmp_path: Path) -> None:
    store = EvidenceStore((tmp_path / "evidence").as_uri(), 1000, tmp_path / "cache")
    sha256 = store.put(b"face").sha256
    store.delete(sha256, "retention", NOON)
    (mark,) = (tmp_path / "evidence").rglob("*.deleted")
    assert disk.holds(mark)


def test_a_mark_that_a_power_cut_emptied_still_says_that_the_blob_was_deleted(tmp_path: Path) -> None:
    store = EvidenceStore((tmp_path / "evidence").as_uri(), 1000, tmp_path / "cache")
    sha256 = store.put(b"face").sha256
    store.delete(sha256, "retention", NOON)
    (mark,) = (tmp_path / "evidence").rglob("*.deleted")
    mark.write_bytes(b"")
    gone = store.deleted(sha256)
    assert gone is not None
    assert gone[0] == "an unknown cause"
    assert gone[1].tzinfo is not None


@pytest.mark.parametrize("content", ["", "[auth", "auth = 3\n", "\x00\x00\x00"])
def test_a_damaged_sign_in_file_is_made_anew(content: str, disk: Disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(data=tmp_path, oidc_issuer="https://issuer.example.com", oidc_client_id="c")
    (tmp_path / "sign-in.toml").write_text(content)
    path = sign_in_file(settings)
    assert disk.holds(path)
    assert "cookie_secret" in path.read_text()
    assert "is damaged" in capsys.readouterr().err

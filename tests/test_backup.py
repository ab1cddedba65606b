from __future__ import annotations

import io
import sqlite3
import tarfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from monitor.backup import BackupRefused, backup, restore
from monitor.clock import SystemClock
from monitor.errors import AlreadyRunning
from monitor.leader import Leadership
from monitor.settings import Settings
from monitor.spool import Spool
from tests.serving import Sidecar, command

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with a database whose last row is only in its journal."""
    data = tmp_path / "data"
    (data / "evidence" / "ab").mkdir(parents=True)
    (data / "evidence" / "ab" / "blob").write_bytes(b"picture")
    (data / "cache").mkdir()
    (data / "cache" / "weights.bin").write_bytes(bytes(1000))
    return data


@pytest.fixture
def archive(folder: Path, tmp_path: Path) -> Path:
    with closing(sqlite3.connect(folder / "metadata.sqlite3")) as live:
        live.execute("PRAGMA journal_mode=WAL")
        live.execute("CREATE TABLE t (x)")
        live.execute("INSERT INTO t VALUES (7)")
        live.commit()
        backup(Settings(data=folder), tmp_path / "all.tar.gz", NOW)
    return tmp_path / "all.tar.gz"


def test_everything_comes_back_but_the_cache(archive: Path, tmp_path: Path) -> None:
    manifest = restore(archive, tmp_path / "again")
    assert set(manifest.files) == {"evidence/ab/blob", "metadata.sqlite3"}
    assert (tmp_path / "again" / "evidence" / "ab" / "blob").read_bytes() == b"picture"
    with closing(sqlite3.connect(tmp_path / "again" / "metadata.sqlite3")) as again:
        assert again.execute("SELECT x FROM t").fetchall() == [(7,)]
    assert not (tmp_path / "again" / "cache").exists()


def test_a_running_sidecar_is_not_backed_up_under_its_feet(folder: Path, tmp_path: Path) -> None:
    with Leadership(folder), pytest.raises(AlreadyRunning):
        backup(Settings(data=folder), tmp_path / "b.tar.gz", NOW)
    assert list(tmp_path.glob("b.tar*")) == []


def test_neither_an_archive_nor_a_folder_is_overwritten(archive: Path, folder: Path) -> None:
    with pytest.raises(BackupRefused, match="exists already"):
        backup(Settings(data=folder), archive, NOW)
    with pytest.raises(BackupRefused, match="not empty"):
        restore(archive, folder)
    assert (folder / "evidence" / "ab" / "blob").read_bytes() == b"picture"


def test_there_must_be_something_to_back_up_and_to_restore(tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="no such data folder"):
        backup(Settings(data=tmp_path / "nope"), tmp_path / "b.tar.gz", NOW)
    with pytest.raises(BackupRefused, match="no such archive"):
        restore(tmp_path / "nope.tar.gz", tmp_path / "again")


@pytest.mark.parametrize("damage", ["cut", "changed", "added", "without", "newer"])
def test_a_damaged_archive_is_refused_and_leaves_nothing(archive: Path, tmp_path: Path, damage: str) -> None:
    bad = tmp_path / "bad.tar.gz"
    if damage == "cut":
        bad.write_bytes(archive.read_bytes()[:-60])
    else:
        with tarfile.open(archive) as source, tarfile.open(bad, "w:gz") as out:
            for member in source.getmembers():
                content = source.extractfile(member).read() if member.isfile() else b""  # type: ignore[union-attr]
                if damage == "changed" and member.name.endswith("blob"):
                    content = b"another"
                if damage == "newer" and member.name == "manifest.json":
                    content = content.replace(b'"format":1', b'"format":9')
                if damage == "without" and member.name == "manifest.json":
                    continue
                member.size = len(content)
                out.addfile(member, io.BytesIO(content))
            if damage == "added":
                out.addfile(tarfile.TarInfo("stranger"), io.BytesIO())
    with pytest.raises(BackupRefused):
        restore(bad, tmp_path / "again")
    assert not (tmp_path / "again").exists()
    assert list(tmp_path.glob(".again*")) == []


def test_an_archive_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    bad = tmp_path / "bad.tar.gz"
    with tarfile.open(bad, "w:gz") as out:
        entry = tarfile.TarInfo("../escaped")
        out.addfile(entry, io.BytesIO())
    with pytest.raises(BackupRefused):
        restore(bad, tmp_path / "deep" / "again")
    assert not (tmp_path / "deep" / "escaped").exists()


@pytest.mark.parametrize("server", ["", "clickhouse://localhost:8123/groundwatch"])
def test_beside_a_server_that_did_not_go_back_a_restored_spool_gives_out_no_known_token(server: str, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", clickhouse_url=server)
    spool = Spool(settings.spool_path, 10**6, 0, SystemClock())
    spool.append("default", [("cut", b"{}")])
    cut = spool.next_batch(10)
    spool.close()
    backup(settings, tmp_path / "b.tar.gz", NOW)
    restore(tmp_path / "b.tar.gz", tmp_path / "again")
    again = Spool(Settings(data=tmp_path / "again").spool_path, 10**6, 0, SystemClock())
    assert (again.sidecar == spool.sidecar) == (server == "")
    # What was cut before may be stored already: it keeps its token.
    assert again.next_batch(10) == cut
    again.close()


@pytest.mark.server
def test_a_sidecar_goes_on_where_the_archive_was_made(tmp_path: Path) -> None:
    sidecar = Sidecar(tmp_path / "data")
    again = None
    try:
        sidecar.wait_ready()
        records = [
            {"id": f"b-{n}", "time": datetime.now(UTC).isoformat(), "workflow": "qa", "answer": {"text": f"Answer {n}."}} for n in range(30)
        ]
        httpx.post(f"{sidecar.url}/v1/responses", json=records).raise_for_status()
        sidecar.wait_drained()
        assert command("backup", str(tmp_path / "b.tar.gz"), data=sidecar.data).returncode == 2
        sidecar.stop()
        made = command("backup", str(tmp_path / "b.tar.gz"), data=sidecar.data)
        assert made.returncode == 0, made.stderr
        assert command("restore", str(tmp_path / "b.tar.gz"), data=tmp_path / "moved").returncode == 0
        again = Sidecar(tmp_path / "moved")
        again.wait_ready()
        assert sorted(again.everything()) == sorted(record["id"] for record in records)
        # Known ids are still known, and new ones are taken.
        reply = httpx.post(f"{again.url}/v1/responses", json=[*records[:1], {**records[0], "id": "b-new"}]).json()
        assert (reply["duplicates"], reply["accepted"]) == (1, 1)
    finally:
        sidecar.end()
        if again is not None:
            again.end()

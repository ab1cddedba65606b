"""Spool, metadata and backups under keys, and `groundwatch seal` over a whole data folder, killed on the way."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.alerts.rules import RuleBook
from monitor.backup import BackupRefused, backup, restore
from monitor.clock import SystemClock
from monitor.errors import SettingsInvalid
from monitor.evidence import EvidenceStore
from monitor.metadata.checks import QueuedChecks
from monitor.metadata.database import Database
from monitor.metadata.erasures import Erasures
from monitor.metadata.letters import DeadLetters
from monitor.migrate import migrate
from monitor.records import Answer, Evidence, ResponseRecord
from monitor.resealing import reseal_folder
from monitor.sealing import KeyRing, add_key, keys_for, noted_keys, read_keys
from monitor.settings import Settings
from monitor.spool import Spool
from tests.serving import ROOT, command

MARKER = "the marker of this test"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
BLOB = "ab" * 32


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    add_key(tmp_path / "keys")
    return Settings(data=tmp_path / "data", encryption_keys_file=str(tmp_path / "keys"))


def lies_plain(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and MARKER.encode() in path.read_bytes()]


def spool_of(settings: Settings, keys: KeyRing | None) -> Spool:
    return Spool(settings.spool_path, 10**7, 0, SystemClock(), keys=keys)


def said(identifier: str) -> ResponseRecord:
    return ResponseRecord(
        id=identifier,
        time=NOW,
        workflow="qa",
        answer=Answer(text=MARKER),
        evidence=(Evidence(id="e", media_type="image/png", uri=f"sha256:{BLOB}"),),
    )


def fill(settings: Settings, keys: KeyRing | None) -> None:
    """A data folder with something of everything that is sealed."""
    migrate(settings)
    with closing(spool_of(settings, keys)) as spool:
        spool.append("default", [(f"r{number}", f'{{"answer": "{MARKER} {number}"}}'.encode()) for number in range(1200)])
    database = Database(settings.sqlalchemy_url, keys)
    RuleBook(database).ensure_defaults("default", NOW)
    DeadLetters(database, SystemClock()).add("default", "store", "r", None, "refused", MARKER)
    DeadLetters(database, SystemClock()).add("default", "detect", "r", "ocr", "failed", None)
    QueuedChecks(database).add("default", said("q"), ("ocr",), None, NOW)
    database.dispose()


def contents(settings: Settings, keys: KeyRing | None) -> tuple[int, str | None, str]:
    with closing(spool_of(settings, keys)) as spool:
        items = spool.after(0, 5000)
    assert all(item.problem is None and MARKER.encode() in item.raw for item in items)
    database = Database(settings.sqlalchemy_url, keys)
    letters, _ = DeadLetters(database, SystemClock()).list("default")
    (check,) = QueuedChecks(database).next_queued(5)
    database.dispose()
    return len(items), next(letter.payload for letter in letters if letter.stage == "store"), check.record.answer.text


EVERYTHING = (1200, MARKER, MARKER)


def test_spool_letters_and_checks_come_back_and_nothing_lies_plain(settings: Settings) -> None:
    keys = keys_for(settings)
    fill(settings, keys)
    assert contents(settings, keys) == EVERYTHING
    assert lies_plain(settings.data) == []


def test_erasure_looks_into_sealed_rows(settings: Settings) -> None:
    keys = keys_for(settings)
    fill(settings, keys)
    database = Database(settings.sqlalchemy_url, keys)
    rows = Erasures(database)
    assert rows.referring("default", [BLOB, "cd" * 32]) == {BLOB}
    counts = rows.delete_rows("default", ["q"], lambda record: False)
    assert counts["queued_checks"] == 1
    database.dispose()


def test_the_size_of_the_spool_is_counted_as_it_lies_on_disk(settings: Settings) -> None:
    with closing(spool_of(settings, keys_for(settings))) as spool:
        spool.append("p", [("a", b"x" * 100), ("b", b"y" * 100)])
        size = spool.pending().bytes
        assert size > 200
        batch = spool.next_batch(1)
        assert batch is not None
        assert batch.items[0].raw == b"x" * 100
        spool.confirm(batch)
        assert spool.pending().bytes == size // 2
    with closing(spool_of(settings, keys_for(settings))) as spool:
        assert spool.pending().bytes == size // 2


def test_a_tampered_or_swapped_row_is_a_named_problem_and_its_neighbours_are_read(settings: Settings) -> None:
    keys = keys_for(settings)
    with closing(spool_of(settings, keys)) as spool:
        spool.append("p", [("a", b"A"), ("b", b"B"), ("c", b"C")])
    with closing(sqlite3.connect(settings.spool_path)) as raw:
        rows = dict(raw.execute("SELECT id, raw FROM waiting").fetchall())
        raw.execute("UPDATE waiting SET raw = ? WHERE id = 'a'", (rows["b"],))
        raw.execute("UPDATE waiting SET raw = ? WHERE id = 'b'", (rows["b"][:-1],))
        raw.commit()
    with closing(spool_of(settings, keys)) as spool:
        batch = spool.next_batch(10)
    assert batch is not None
    a, b, c = batch.items
    assert a.problem is not None
    assert "'a' does not open with its key" in a.problem
    assert b.problem is not None
    assert (c.problem, c.raw) == (None, b"C")


def test_a_letter_that_does_not_open_says_so_and_a_check_is_over(settings: Settings) -> None:
    keys = keys_for(settings)
    fill(settings, keys)
    with closing(sqlite3.connect(settings.data / "metadata.sqlite3")) as raw:
        raw.execute("UPDATE dead_letters SET payload = substr(payload, 1, 60) WHERE payload IS NOT NULL")
        raw.execute("UPDATE queued_checks SET record = substr(record, 1, 60)")
        raw.commit()
    database = Database(settings.sqlalchemy_url, keys)
    letters, _ = DeadLetters(database, SystemClock()).list("default")
    assert {letter.payload for letter in letters} == {None}
    assert any("what it held is lost" in letter.reason for letter in letters)
    checks = QueuedChecks(database)
    assert checks.next_queued(5) == []
    with database.session() as session:
        assert session.connection().exec_driver_sql("SELECT state FROM queued_checks").scalar() == "done"
    database.dispose()


def test_turning_it_on_seals_what_was_there_and_turning_it_off_opens_it(settings: Settings) -> None:
    fill(settings, None)
    sha256 = EvidenceStore(settings.blob_url, 10**6, settings.cache_dir).put(MARKER.encode()).sha256
    (settings.cache_dir / "evidence").mkdir(parents=True)
    (settings.cache_dir / "evidence" / "copy").write_text(MARKER)
    assert len(lies_plain(settings.data)) >= 4
    assert contents(settings, keys_for(settings)) == EVERYTHING  # a mixed folder is read
    done = reseal_folder(settings)
    assert (done.blobs, done.records, done.rows, done.unusable) == (1, 1200, 2, [])
    assert lies_plain(settings.data) == []
    assert contents(settings, keys_for(settings)) == EVERYTHING
    off = settings.model_copy(update={"encryption_keys_file": ""})
    with pytest.raises(SettingsInvalid, match="seal --plain"):
        keys_for(off)
    assert reseal_folder(settings, plain=True).sealed_with is None
    assert keys_for(off) is None
    assert contents(off, None) == EVERYTHING
    assert EvidenceStore(settings.blob_url, 10**6, settings.cache_dir).local_path(sha256).read_text() == MARKER


def test_a_key_is_replaced_and_the_old_one_can_go(settings: Settings) -> None:
    file = Path(settings.encryption_keys_file)
    old = read_keys(file).newest
    fill(settings, keys_for(settings))
    reseal_folder(settings)
    new = add_key(file)
    assert contents(settings, keys_for(settings)) == EVERYTHING
    reseal_folder(settings)
    assert noted_keys(settings.data) == [new]
    file.write_text(file.read_text().splitlines()[0] + "\n")
    assert contents(settings, keys_for(settings)) == EVERYTHING
    assert old not in read_keys(file).ids


def test_a_key_that_is_taken_away_too_early_stops_everything(settings: Settings) -> None:
    file = Path(settings.encryption_keys_file)
    old = read_keys(file).newest
    fill(settings, keys_for(settings))
    reseal_folder(settings)
    add_key(file)
    file.write_text(file.read_text().splitlines()[0] + "\n")
    for stopped in (lambda: keys_for(settings), lambda: reseal_folder(settings)):
        with pytest.raises(SettingsInvalid, match=f"lacks the key {old}"):
            stopped()


def test_without_keys_there_is_nothing_to_seal_with(settings: Settings) -> None:
    with pytest.raises(SettingsInvalid, match="nothing to seal or open with"):
        reseal_folder(settings.model_copy(update={"encryption_keys_file": ""}))


# Kills itself when so many blobs have been published.
_VICTIM = """
import os, pathlib, signal, sys
from monitor.evidence.blobs import Incoming
from monitor.resealing import reseal_folder
from monitor.settings import Settings
left, publish = int(sys.argv[3]), Incoming.publish
def counted(self, target):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    publish(self, target)
Incoming.publish = counted
reseal_folder(Settings(data=pathlib.Path(sys.argv[1]), encryption_keys_file=sys.argv[2]))
"""


def test_a_kill_in_the_middle_loses_nothing_and_the_next_run_goes_on(settings: Settings) -> None:
    plain = EvidenceStore(settings.blob_url, 10**6, settings.cache_dir)
    hashes = [plain.put(f"{MARKER} {number}".encode()).sha256 for number in range(12)]
    fill(settings, None)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for killed_after in (3, 4):
        line = [sys.executable, "-c", _VICTIM, str(settings.data), settings.encryption_keys_file, str(killed_after)]
        assert subprocess.run(line, env=environment, check=False).returncode == -signal.SIGKILL
        assert noted_keys(settings.data) == [read_keys(Path(settings.encryption_keys_file)).newest]
        assert contents(settings, keys_for(settings)) == EVERYTHING
    done = reseal_folder(settings)
    assert (done.blobs, done.blobs_kept) == (5, 7)
    assert lies_plain(settings.data) == []
    reseal_folder(settings, plain=True)
    assert [plain.local_path(sha256).read_text() for sha256 in hashes] == [f"{MARKER} {number}" for number in range(12)]


def test_a_backup_is_sealed_and_opens_with_its_key_only(settings: Settings, tmp_path: Path) -> None:
    fill(settings, keys_for(settings))
    (settings.data / "notes").write_text(MARKER)
    archive = tmp_path / "b.tar.gz"
    backup(settings, archive, NOW)
    assert not tarfile.is_tarfile(archive)
    keys = keys_for(settings)
    assert keys is not None
    with pytest.raises(BackupRefused, match=f"sealed with the key {keys.newest}"):
        restore(archive, tmp_path / "again")
    with pytest.raises(BackupRefused, match=keys.newest):
        restore(archive, tmp_path / "again", KeyRing([bytes(32)]))
    restore(archive, tmp_path / "again", keys)
    assert (tmp_path / "again" / "notes").read_text() == MARKER
    assert contents(settings.model_copy(update={"data": tmp_path / "again"}), keys) == EVERYTHING
    for damage in (archive.read_bytes()[:-40], archive.read_bytes()[:5000] + b"x" + archive.read_bytes()[5001:]):
        bad = tmp_path / "bad.tar.gz"
        bad.write_bytes(damage)
        with pytest.raises(BackupRefused):
            restore(bad, tmp_path / "third", keys)
        assert not (tmp_path / "third").exists()


def test_the_command_makes_keys_seals_and_opens(tmp_path: Path) -> None:
    data, keys = tmp_path / "data", {"GROUNDWATCH_ENCRYPTION_KEYS_FILE": str(tmp_path / "keys")}
    settings = Settings(data=data)
    fill(settings, None)
    refused = command("seal", data=data, **keys)
    assert refused.returncode == 2
    assert "groundwatch seal --new-key" in refused.stderr
    made = command("seal", "--new-key", data=data, **keys)
    (identifier,) = read_keys(tmp_path / "keys").ids
    assert identifier in made.stdout
    sealed = command("seal", data=data, **keys)
    assert sealed.returncode == 0, sealed.stderr
    assert "1200 waiting records and 2 rows" in sealed.stdout
    assert lies_plain(data) == []
    off = command("serve", "--port", "1", data=data)
    assert off.returncode == 2
    assert identifier in off.stderr
    assert command("seal", "--plain", data=data, **keys).returncode == 0
    assert contents(settings, None) == EVERYTHING
    assert command("seal", "--new-key", data=data).returncode == 2

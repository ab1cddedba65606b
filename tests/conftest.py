"""Shared fixtures. With GROUNDWATCH_REQUIRE_ALL=1 a missing PostgreSQL, browser or corpus is a failure, not a skip."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest

from monitor.clock import MovableClock
from monitor.metadata.database import Database
from monitor.migrate import migrate
from monitor.settings import Settings
from monitor.store.client import Store
from monitor.store.reading import Reader
from monitor.store.writer import Writer

REQUIRE_ALL = "GROUNDWATCH_REQUIRE_ALL"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
# Fixture → the marker that a test using it carries.
MARKED_BY = {"store": "store", "postgres_url": "postgres", "corpus": "corpus"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the fixtures they use, so that `-m "not store"` leaves out every test that opens the store."""
    for item in items:
        for fixture in set(MARKED_BY) & set(getattr(item, "fixturenames", ())):
            item.add_marker(MARKED_BY[fixture])


def missing(reason: str) -> NoReturn:
    """Skip, visibly; fail where everything is required."""
    if os.environ.get(REQUIRE_ALL) == "1":
        pytest.fail(f"{REQUIRE_ALL}=1 and {reason}")
    pytest.skip(reason)


@pytest.fixture
def clock() -> MovableClock:
    """Stands at noon UTC of 2 March 2026 until it is moved."""
    return MovableClock(NOON)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Defaults in a fresh data folder, whatever the caller's environment says; nothing is ever too old."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"GROUNDWATCH_{name.upper()}", raising=False)
    return Settings(data=tmp_path / "data", workers=0, retention_days=36_500)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """Migrated SQLite metadata in a fresh folder."""
    migrate(settings)
    database = Database(settings.sqlalchemy_url)
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The labelled corpus: GROUNDWATCH_CORPUS, or ``../shared/corpus`` beside the repository."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("GROUNDWATCH_CORPUS", root.parent / "shared" / "corpus"))
    if not any(folder.glob("*/corpus.json")):
        missing(f"there is no labelled corpus at {folder}")
    return folder


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """A migrated embedded store of its own. chDB holds one path a process, so tests must not keep it open."""
    store = Store.open(settings)
    migrate(settings, store)
    yield store
    store.close()


@pytest.fixture
def reader(store: Store) -> Reader:
    """Reads what tests wrote."""
    return Reader(store)


@pytest.fixture
def writer(store: Store) -> Writer:
    """Writes to the embedded store."""
    return Writer(store)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this test run, on a socket in a temporary folder and a free loopback port."""
    binaries = _postgres_binaries()
    if binaries is None:
        missing("initdb and pg_ctl of a PostgreSQL server are not installed")
    # Not in pytest's own temporary folder: that is closed to the user the server runs as.
    folder = Path(tempfile.mkdtemp(prefix="groundwatch-postgres-"))
    data, log, port = folder / "data", folder / "log", _free_port()
    as_user = _unprivileged(folder)
    initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "groundwatch", "--auth=trust", "-E", "UTF8", "--no-sync"]
    subprocess.run([*as_user, *initdb], check=True, capture_output=True, cwd="/")
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
    pg_ctl = [*as_user, str(binaries / "pg_ctl"), "-D", str(data)]
    # Not captured through a pipe: the server would inherit it and hold it open for ever.
    subprocess.run([*pg_ctl, "-w", "-l", str(log), "-o", options, "start"], check=True, stdout=subprocess.DEVNULL, cwd="/")
    yield f"postgresql://groundwatch@127.0.0.1:{port}/postgres"
    subprocess.run([*pg_ctl, "-w", "-m", "immediate", "stop"], check=True, stdout=subprocess.DEVNULL, cwd="/")
    shutil.rmtree(folder)


def _postgres_binaries() -> Path | None:
    """Folder with the server's binaries; wrappers on the PATH may lack the rest, so installed versions come first."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    found = installed[-1] if installed else Path(on_path) if on_path else None
    return found.parent if found is not None and (found.parent / "pg_ctl").exists() else None


def _unprivileged(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root: hand the folder to another user and become that user."""
    if os.geteuid() != 0:
        return []
    if shutil.which("runuser") is None:
        missing("running as root without runuser, PostgreSQL cannot be started")
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = "postgres" if "postgres" in names else "nobody"
    shutil.chown(folder, user)
    return ["runuser", "-u", user, "--"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

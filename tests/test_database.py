"""Sessions commit or leave nothing; SQLite behaves as strictly as PostgreSQL."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from monitor.errors import SettingsInvalid, StorageDamaged
from monitor.metadata.database import Database
from monitor.metadata.tables import ApiKey, DetectionCursor, Project
from monitor.migrate import migrate
from monitor.settings import Settings
from tests.conftest import NOON


def test_a_session_commits_at_its_end_and_rolls_back_when_it_raises(database: Database) -> None:
    with database.session() as session:
        session.add(Project(id="kept", name="kept", created_at=NOON))

    def broken() -> None:
        with database.session() as session:
            session.add(Project(id="lost", name="lost", created_at=NOON))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    with database.session() as session:
        assert session.scalars(select(Project.id)).all() == ["kept"]
        assert session.scalars(select(Project.created_at)).one() == NOON


def test_sqlite_keeps_foreign_keys_and_syncs(database: Database) -> None:
    key = ApiKey(id="k", project_id="nobody", name="n", role="ingest", digest="d", created_at=NOON)
    with pytest.raises(IntegrityError), database.session() as session:
        session.add(key)
    with database.session() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA synchronous")) == 2


def test_threads_that_read_and_then_write_wait_for_each_other(database: Database) -> None:
    with database.session() as session:
        session.add(DetectionCursor(sidecar="s", sequence=0, updated_at=NOON))
    failures: list[BaseException] = []

    def count() -> None:
        try:
            for _ in range(20):
                with database.session() as session:
                    session.get_one(DetectionCursor, "s").sequence += 1
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.session() as session:
        assert session.get_one(DetectionCursor, "s").sequence == 80


@pytest.mark.parametrize("url", ["mysql://u:secret@host/db", "nonsense"])
def test_another_database_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="GROUNDWATCH_METADATA_URL") as refused:
        Database(url)
    assert "secret" not in str(refused.value)


def test_the_folder_of_the_file_is_created(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a' / 'b' / 'metadata.sqlite3'}")
    with database.session() as session:
        session.execute(text("SELECT 1"))
    database.dispose()


def test_postgres_runs_through_psycopg_3_and_keeps_times_aware(postgres_url: str) -> None:
    database = Database(postgres_url)
    assert (database.dialect, database.engine.driver) == ("postgresql", "psycopg")
    with database.session() as session:
        assert session.scalar(text("SELECT now()")).tzinfo is not None
    database.dispose()


@pytest.mark.parametrize("damage", ["head", "tail"])
def test_a_damaged_file_is_named_with_what_can_be_done(damage: str, settings: Settings) -> None:
    migrate(settings)
    path = settings.data / "metadata.sqlite3"
    content = path.read_bytes()
    path.write_bytes(bytes(100) + content[100:] if damage == "head" else content[: len(content) // 2])
    with pytest.raises(StorageDamaged, match=r"metadata\.sqlite3 is damaged: .*from a backup"):
        migrate(settings)


def test_a_page_that_became_unreadable_while_it_runs_is_damage_too(settings: Settings) -> None:
    migrate(settings)
    path = settings.data / "metadata.sqlite3"
    database = Database(settings.sqlalchemy_url)
    with database.session() as session:
        page = session.scalar(text("SELECT rootpage FROM sqlite_master WHERE name = 'projects'"))
    database.dispose()
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    with pytest.raises(StorageDamaged, match="malformed"), database.session() as session:
        session.scalars(select(Project)).all()
    database.dispose()

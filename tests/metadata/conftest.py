"""Every repository test runs on SQLite and, where a server is installed, on PostgreSQL; migrated once, emptied for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monitor.metadata.database import Database
from monitor.metadata.tables import Table
from monitor.migrate import migrate
from monitor.settings import Settings


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def migrated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One database of each kind for all tests of this folder."""
    folder = tmp_path_factory.mktemp("metadata")
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else f"sqlite:///{folder}/metadata.sqlite3"
    settings = Settings(data=folder, metadata_url=url)
    migrate(settings)
    database = Database(settings.sqlalchemy_url)
    yield database
    database.dispose()


@pytest.fixture
def database(migrated: Database) -> Database:
    """Migrated and empty."""
    with migrated.session() as session:
        for table in reversed(Table.metadata.sorted_tables):
            session.execute(table.delete())
    return migrated

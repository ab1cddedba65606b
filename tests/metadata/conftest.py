"""Every repository test runs on SQLite and, where a server is installed, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from monitor.metadata.database import Database
from monitor.migrate import migrate
from monitor.settings import Settings


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Database]:
    """Migrated and empty."""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
        settings = settings.model_copy(update={"metadata_url": url})
        _empty(url)
    migrate(settings)
    database = Database(settings.sqlalchemy_url)
    yield database
    database.dispose()


def _empty(url: str) -> None:
    database = Database(url)
    with database.session() as session:
        session.execute(text("DROP SCHEMA public CASCADE"))
        session.execute(text("CREATE SCHEMA public"))
    database.dispose()

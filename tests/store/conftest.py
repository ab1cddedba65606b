"""The store's own tests share one store a module and empty it before each test: once embedded, once on a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monitor.migrate import migrate
from monitor.settings import Settings
from monitor.store.client import Store
from monitor.store.schema import RETENTION_COLUMNS
from tests.clickhouse_server import ClickHouse


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """One server for all modules."""
    server = ClickHouse(tmp_path_factory.mktemp("clickhouse"))
    yield server
    server.kill()


@pytest.fixture(scope="module", params=["embedded", "server"])
def module_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Opened and migrated once a module; chDB holds one path a process."""
    url = request.getfixturevalue("clickhouse").url if request.param == "server" else ""
    settings = Settings(data=tmp_path_factory.mktemp("store"), clickhouse_url=url, metadata_url="", retention_days=36_500)
    store = Store.open(settings)
    migrate(settings, store)
    yield store
    store.close()


@pytest.fixture
def store(module_store: Store) -> Store:
    """The module's store with nothing in it."""
    for table in RETENTION_COLUMNS:
        module_store.execute("truncate", f"TRUNCATE TABLE {table} SYNC")
    return module_store

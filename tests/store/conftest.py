"""The store's own tests share one embedded store a module and empty it before each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monitor.migrate import migrate
from monitor.settings import Settings
from monitor.store.client import Store
from monitor.store.schema import RETENTION_COLUMNS


@pytest.fixture(scope="module")
def module_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Opened and migrated once a module; chDB holds one path a process."""
    settings = Settings(data=tmp_path_factory.mktemp("store"), clickhouse_url="", metadata_url="", retention_days=36_500)
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

"""Both schemas up and down: ``metadata`` (SQLAlchemy) and ``clickhouse``, each a tree of Alembic revisions.

``groundwatch migrate`` and the first start run :func:`migrate`; running it again changes nothing. The ClickHouse tree
is only touched where an open store is given, because the embedded store belongs to one process.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import msgspec
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from monitor.errors import MigrationRequired
from monitor.metadata.database import Database
from monitor.settings import Settings
from monitor.store.client import Store
from monitor.store.schema import apply_retention

Tree = Literal["metadata", "clickhouse"]


class TreeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where a schema stands; ``current`` None = nothing there yet."""

    tree: Tree
    current: str | None
    head: str


def migrate(settings: Settings, store: Store | None = None) -> list[TreeStatus]:
    """Bring both trees to their newest revision and the store's retention to its setting.

    Raises:
        StoreUnavailable: ClickHouse did not answer.
        sqlalchemy.exc.SQLAlchemyError: the metadata database refused a statement; nothing of that revision remains.
    """
    for tree in _trees(store):
        with _connection(tree, settings, store) as connection:
            command.upgrade(_config(tree, connection), "head")
    if store is not None:
        apply_retention(store, settings.retention_days)
    return status(settings, store)


def downgrade(settings: Settings, tree: Tree, revision: str, store: Store | None = None) -> None:
    """Take one tree back to ``revision`` (``base`` = empty, ``-1`` = one step back)."""
    with _connection(tree, settings, store) as connection:
        command.downgrade(_config(tree, connection), revision)


def status(settings: Settings, store: Store | None = None) -> list[TreeStatus]:
    """Where each tree stands; the ClickHouse tree only where a store is given."""
    found = []
    for tree in _trees(store):
        with _connection(tree, settings, store) as connection:
            current = MigrationContext.configure(connection).get_current_revision()
        found.append(TreeStatus(tree=tree, current=current, head=head(tree)))
    return found


def require_current(settings: Settings, store: Store | None = None) -> None:
    """Raises MigrationRequired where a tree is not at its newest revision."""
    for found in status(settings, store):
        if found.current != found.head:
            raise MigrationRequired(found.tree, found.current, found.head)


def head(tree: Tree) -> str:
    """The newest revision this version of groundwatch carries."""
    newest = ScriptDirectory.from_config(_config(tree, None)).get_current_head()
    if newest is None:
        raise MigrationRequired(tree, None, "the revisions that belong to the package")
    return newest


def _trees(store: Store | None) -> tuple[Tree, ...]:
    return get_args(Tree) if store is not None else ("metadata",)


def _config(tree: Tree, connection: Connection | None) -> Config:
    config = Config()
    folder = importlib.resources.files("migrations") / tree
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@contextmanager
def _connection(tree: Tree, settings: Settings, store: Store | None) -> Iterator[Connection]:
    if tree == "metadata":
        database = Database(settings.sqlalchemy_url)
        try:
            with database.engine.begin() as connection:
                yield connection
        finally:
            database.dispose()
        return
    if store is None:
        raise ValueError("the clickhouse tree needs an open store")
    with store.sqlalchemy_engine().connect() as connection:
        yield connection

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
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from monitor.errors import MetadataUnavailable, MigrationRequired, SettingsInvalid
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
        SettingsInvalid, MetadataUnavailable: the metadata database, configured or SQLite, cannot be opened.
        sqlalchemy.exc.SQLAlchemyError: the metadata database refused a statement; nothing of that revision remains.
    """
    for tree in _trees(store):
        with _connection(tree, settings, store) as connection:
            command.upgrade(_config(tree, connection), "head")
    if store is not None:
        apply_retention(store, settings.retention_days)
    return status(settings, store)


def downgrade(settings: Settings, tree: Tree, revision: str, store: Store | None = None) -> None:
    """Take one tree back to ``revision`` (``base`` = empty, ``-1`` = one step back). Raises SettingsInvalid for one it does not have."""
    with _connection(tree, settings, store) as connection:
        try:
            command.downgrade(_config(tree, connection), revision)
        except CommandError as error:
            known = ", ".join(sorted(step.revision for step in ScriptDirectory.from_config(_config(tree, None)).walk_revisions()))
            problem = f"cannot be gone back to in the {tree} schema ({error})"
            raise SettingsInvalid("--to", revision, problem, f"Give base, -1 or one of {known}") from error


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


def _connected(database: Database, settings: Settings) -> Connection:
    try:
        return database.engine.connect()
    except OperationalError as error:
        cause = " ".join(str(error.orig).split())
        if not settings.metadata_url:
            raise MetadataUnavailable(cause) from error
        shown, remedy = database.url.render_as_string(), "Start that database, or correct the URL"
        raise SettingsInvalid("GROUNDWATCH_METADATA_URL", shown, f"cannot be opened ({cause})", remedy) from error


@contextmanager
def _connection(tree: Tree, settings: Settings, store: Store | None) -> Iterator[Connection]:
    if tree == "metadata":
        database = Database(settings.sqlalchemy_url)
        try:
            with _connected(database, settings) as connection, connection.begin():
                yield connection
        finally:
            database.dispose()
        return
    if store is None:
        raise ValueError("the clickhouse tree needs an open store")
    with store.sqlalchemy_connection() as connection:
        yield connection

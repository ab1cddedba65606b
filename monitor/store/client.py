"""The connection to ClickHouse: embedded chDB in this process, or a server by URL.

Errors that a retry can mend become :class:`~monitor.errors.StoreUnavailable`, all others
:class:`~monitor.errors.StoreRefused`. Every read carries ``max_execution_time``: an embedded query holds signals back
until it returns, so none may run for ever.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.cc_sqlalchemy import alembic as _alembic_dialect  # noqa: F401 - registers ClickHouse with Alembic
from clickhouse_connect.dbapi.connection import Connection as DbapiConnection
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from monitor.errors import SettingsInvalid, StoreRefused, StoreUnavailable
from monitor.settings import Settings
from monitor.store.fragments import Query

DATABASE = "groundwatch"
READ_TIMEOUT_S = 30
# Enough for the API's threads; a query beyond waits for a client instead of opening ever more of them.
MAX_CLIENTS = 8
_LOW_CARDINALITY = re.compile(r"LowCardinality\((\w+)\)")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

# Error codes of ClickHouse that say "not now": timeouts, memory, too many queries or parts, network, disk, shutdown,
# read-only replicas, and a schema that an operator is about to migrate.
RETRYABLE_CODES = frozenset(
    {3, 60, 81, 159, 164, 173, 202, 203, 209, 210, 225, 236, 241, 242, 243, 252, 279, 285, 319, 394, 425, 999, 1000}
)

READ_SETTINGS: Mapping[str, Any] = {
    "max_execution_time": READ_TIMEOUT_S,
    # A key never moves between months (its time is part of it), so FINAL may treat each month on its own.
    "do_not_merge_across_partitions_select_final": 1,
}


class Store:
    """One ClickHouse database, embedded or on a server. Thread-safe: each call borrows a client of its own."""

    def __init__(self, connect: Mapping[str, Any], database: str, location: str) -> None:
        self.database = database
        self.location = location
        self._connect = dict(connect)
        self._idle: list[Client] = []
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(MAX_CLIENTS)
        self._closed = False

    @classmethod
    def open(cls, settings: Settings) -> Store:
        """Connect and create the database where it is missing; the tables come from :mod:`monitor.migrate`.

        Raises:
            SettingsInvalid: ``clickhouse_url`` cannot be read.
            StoreUnavailable: the server does not answer, or another process holds the embedded store.
            StoreRefused: the server answers and does not let us in.
        """
        store = cls.named(settings)
        store.create()
        return store

    @classmethod
    def named(cls, settings: Settings) -> Store:
        """The store that the settings name, without asking whether it is there. Raises SettingsInvalid."""
        if settings.clickhouse_url:
            connect, database = _server(settings.clickhouse_url)
            return cls(connect, database, f"clickhouse://{connect['host']}:{connect['port']}/{database}")
        return cls({"interface": "chdb", "path": str(settings.chdb_path)}, DATABASE, str(settings.chdb_path))

    def create(self) -> None:
        """Create the database where it is missing. Raises as :meth:`open` does."""
        if self.embedded:
            Path(self.location).mkdir(parents=True, exist_ok=True)
        # The engine tells what it stumbled over on standard error only.
        remedy = (
            ". What it wrote above names the file: restore the data folder from a backup, or end what holds it" if self.embedded else ""
        )
        with _translated("open", remedy):
            client = clickhouse_connect.get_client(**self._connect)
            try:
                client.command(f"CREATE DATABASE IF NOT EXISTS `{self.database}`{' ENGINE = Atomic' if self.embedded else ''}")
            finally:
                client.close()
        self.ping()

    @property
    def embedded(self) -> bool:
        """Whether the data lives in this process."""
        return self._connect.get("interface") == "chdb"

    def ping(self) -> None:
        """Raises StoreUnavailable when the store does not answer."""
        with self._client("ping") as client:
            client.query("SELECT 1", settings={"max_execution_time": 5})

    def rows(self, query: Query, parameters: Mapping[str, Any], filters: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        """Run a named query with its parameters and the named filter fragments."""
        with self._client(query.name) as client:
            result = client.query(query.render(filters), parameters=dict(parameters), settings=dict(READ_SETTINGS))
            return list(result.result_rows)

    def insert(self, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]], token: str) -> None:
        """Insert rows (in the order of ``columns``, name → ClickHouse type) at most once for this table and token."""
        with self._client(f"insert into {table}") as client:
            client.insert(
                table,
                rows,
                column_names=list(columns),
                # ClickHouse makes the dictionaries of low-cardinality columns itself, faster than Python and beside it.
                column_type_names=[_LOW_CARDINALITY.sub(r"\1", kind) for kind in columns.values()],
                settings={
                    "insert_deduplicate": 1,
                    "insert_deduplication_token": token,
                    "async_insert": 0,
                    # Folding rows of one key is left to the merges and to FINAL: a batch hardly ever holds two, and looking for
                    # them took half of the time of an insert.
                    "optimize_on_insert": 0,
                },
            )

    def execute(self, operation: str, statement: str) -> None:
        """Run a fixed statement (DDL); never one that carries a caller's value."""
        with self._client(operation) as client:
            client.command(statement)

    def delete(self, table: str, condition: str, parameters: Mapping[str, Any]) -> None:
        """Delete the rows that meet a fixed condition with typed parameters; returns when they are gone from every part."""
        statement = f"ALTER TABLE {table} DELETE WHERE {condition} SETTINGS mutations_sync = 2"
        with self._client(f"delete from {table}") as client:  # noqa: S608 - names an operation, is no SQL
            client.command(statement, parameters=dict(parameters))

    @contextmanager
    def sqlalchemy_connection(self) -> Iterator[Connection]:
        """A SQLAlchemy connection to the same database, for Alembic. What goes wrong in the block is raised as everywhere else."""
        connect = {**self._connect, "database": self.database}
        engine = create_engine("clickhousedb://", creator=lambda: DbapiConnection(**connect), poolclass=NullPool)
        with _translated("migrate"):
            try:
                with engine.connect() as connection:
                    yield connection
            except DBAPIError as error:
                raise error.orig or error from error

    def close(self) -> None:
        """Close every idle client; one still in use is closed when its call ends."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for client in idle:
            client.close()

    @contextmanager
    def _client(self, operation: str) -> Iterator[Client]:
        with self._free, _translated(operation):
            client = self._borrow(operation)
            try:
                yield client
            except OperationalError:
                client.close()  # The connection may be half dead; the next call gets a new one.
                raise
            except BaseException:
                self._give_back(client)
                raise
            self._give_back(client)

    def _borrow(self, operation: str) -> Client:
        with self._lock:
            if self._closed:
                raise StoreUnavailable(operation, "the store is closed")
            if self._idle:
                return self._idle.pop()
        return clickhouse_connect.get_client(**self._connect, database=self.database)

    def _give_back(self, client: Client) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(client)
                return
        client.close()


@contextmanager
def _translated(operation: str, remedy: str = "") -> Iterator[None]:
    try:
        yield
    except ClickHouseError as error:
        code = getattr(error, "code", None)
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        # What the engine says against opening a path has no code: another process holds it.
        if isinstance(error, OperationalError) or code in RETRYABLE_CODES or (operation == "open" and code is None):
            raise StoreUnavailable(operation, cause + remedy) from error
        raise StoreRefused(operation, code, cause) from error


def _server(url: str) -> tuple[dict[str, Any], str]:
    setting = "GROUNDWATCH_CLICKHOUSE_URL"
    parts = urlsplit(url)
    if parts.scheme not in ("clickhouse", "clickhouses") or not parts.hostname:
        shown = f"{parts.scheme}://…@{parts.hostname}"
        raise SettingsInvalid(setting, shown, "is not a ClickHouse URL", "Use clickhouse://user:password@host:8123/database")
    database = unquote(parts.path.lstrip("/")) or DATABASE
    if not _IDENTIFIER.fullmatch(database):
        raise SettingsInvalid(setting, database, "is not a database name", "Use letters, digits and underscores")
    secure = parts.scheme == "clickhouses" or parse_qs(parts.query).get("secure", ["false"])[-1].lower() in ("1", "true")
    connect = {
        "host": parts.hostname,
        "port": parts.port or (8443 if secure else 8123),
        "username": unquote(parts.username or "default"),
        "password": unquote(parts.password or ""),
        "secure": secure,
        # Several threads share a server session otherwise, and ClickHouse refuses concurrent queries in one session.
        "autogenerate_session_id": False,
    }
    return connect, database

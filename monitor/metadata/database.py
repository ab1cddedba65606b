"""The metadata database: one engine, sessions that commit or roll back, the same code on SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from monitor.errors import MetadataUnavailable, SettingsInvalid, StorageDamaged
from monitor.sealing import KeyRing, RecordSealer

# Another thread's write is over in milliseconds; a longer wait means that something hangs.
BUSY_TIMEOUT_MS = 10_000


class Database:
    """Hands out sessions on one metadata database. Thread-safe.

    With ``keys`` the columns that hold what an application sent are sealed: :meth:`sealed` and :meth:`opened`.

    Raises:
        SettingsInvalid: the URL is neither SQLite nor PostgreSQL, or cannot be read.
    """

    def __init__(self, url: str, keys: KeyRing | None = None) -> None:
        self.url = _driver_url(url)
        self._sealer = None if keys is None else RecordSealer(keys, "metadata")
        self.engine = _engine(self.url)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    def sealed(self, text: str, where: str) -> str:
        """A text as it is written into the column and row that ``where`` names."""
        return text if self._sealer is None else self._sealer.seal_text(text, where.encode())

    def opened(self, text: str, where: str) -> str:
        """What was sealed for ``where``. Raises SealBroken."""
        return text if self._sealer is None else self._sealer.open_text(text, where.encode(), where.replace(":", " "))

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session that commits at the end of the block and rolls back where the block raises.

        Raises:
            MetadataUnavailable: the database is locked, full, gone or not migrated.
            StorageDamaged: its SQLite file is not what was written.
        """
        try:
            with self._sessions() as session, session.begin():
                yield session
        except OperationalError as error:
            raise MetadataUnavailable(str(error.orig)) from error

    def compact(self) -> None:
        """Give freed pages back, so that nothing of what was replaced stays in a SQLite file or its journal."""
        if self.dialect == "sqlite":
            with closing(self.engine.raw_connection()) as pooled:
                raw = cast(sqlite3.Connection, pooled.driver_connection)
                raw.execute("VACUUM")
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def _driver_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SettingsInvalid(
            "GROUNDWATCH_METADATA_URL", "***", f"is not a database URL ({error})", "Use sqlite:/// or postgresql://"
        ) from error
    if parsed.drivername in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise SettingsInvalid("GROUNDWATCH_METADATA_URL", parsed.render_as_string(), "is not supported", "Use sqlite:/// or postgresql://")
    return parsed


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        # A connection that the server closed meanwhile is replaced instead of failing the next request.
        return create_engine(url, pool_pre_ping=True)
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)
    event.listen(engine, "handle_error", _tell_damage)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's own BEGIN below decides when a transaction starts.
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:
            raise
        (path,) = [file for _, name, file in connection.execute("PRAGMA database_list") if name == "main"]
        raise _damaged(path, error) from error
    finally:
        cursor.close()


def _tell_damage(context: ExceptionContext) -> None:
    if type(context.original_exception) is sqlite3.DatabaseError and context.engine is not None:
        path = context.engine.url.database or ""
        raise _damaged(path, context.original_exception) from context.original_exception


def _damaged(path: str, error: sqlite3.DatabaseError) -> StorageDamaged:
    return StorageDamaged(path, str(error), "keys, rules, alerts, reviews and the audit log are lost then")


def _begin_immediate(connection: Any) -> None:
    # A deferred transaction that reads first and then writes fails at once with "database is locked" when another
    # writer came in between; taking the write lock at the start makes it wait instead.
    connection.exec_driver_sql("BEGIN IMMEDIATE")

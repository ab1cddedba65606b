"""Verdicts of earlier judgements by what they rest on, in one SQLite file that every worker of a data folder shares.

It may be deleted at any time: what it holds can be found again by looking at the evidence once more. So it is never
worth failing for. A file that is damaged is made anew, a full or read-only disk turns keeping off, both with a warning.
"""

from __future__ import annotations

import contextlib
import logging
import math
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from monitor.clock import Clock, SystemClock
from monitor.errors import SealBroken
from monitor.sealing import KeyRing, RecordSealer
from monitor.syncing import sync

FILE = "verdicts.sqlite3"
# Eviction goes this far below the limit, so that it does not happen at every write.
_KEPT_SHARE = 0.9
_EVICTED_SHARE = 0.05
# The time of last use is coarse: a hit must not cost a write each time.
_USE_COUNTED_AFTER_S = 600.0
_BUSY_S = 2.0
# Below the smallest number of variables a statement of SQLite may have.
_ASKED_AT_ONCE = 500
_SCHEMA = "CREATE TABLE IF NOT EXISTS verdicts (key BLOB PRIMARY KEY, value BLOB NOT NULL, used REAL NOT NULL) WITHOUT ROWID"
_INDEX = "CREATE INDEX IF NOT EXISTS verdicts_used ON verdicts (used)"
_log = logging.getLogger(__name__)
T = TypeVar("T")


class VerdictCache:
    """Values by key; when ``max_bytes`` are full the least recently used leave first. Not thread-safe: one a worker.

    With ``keys`` the values, which quote evidence, are sealed; the keys of the values are hashes.
    """

    def __init__(self, path: Path, max_bytes: int, clock: Clock | None = None, keys: KeyRing | None = None) -> None:
        self.path = path
        self._sealer = None if keys is None else RecordSealer(keys, "verdicts")
        self._max_bytes = max_bytes
        self._clock = clock or SystemClock()
        self._connection: sqlite3.Connection | None = None
        self._warned = False

    def get(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that are there."""
        wanted = list(dict.fromkeys(keys))
        return self._tried(lambda connection: self._get(connection, wanted), {}) if wanted else {}

    def put(self, items: Mapping[bytes, bytes]) -> None:
        """Keep values; a key that is there is replaced."""
        if items:
            self._tried(lambda connection: self._put(connection, items), None)

    def clear(self) -> None:
        """Forget everything, and give the pages back so that nothing of it stays in the file. Raises sqlite3.Error, OSError."""
        if not self.path.is_file():
            return
        try:
            connection = self._opened()
            # What was erased must not come back with a power cut.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("DELETE FROM verdicts")
            connection.commit()
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            _log.warning("the verdict cache %s is damaged (%s) and removed", self.path, error)
            self._remove()
            sync(self.path.parent)
        finally:
            self.close()

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _get(self, connection: sqlite3.Connection, keys: list[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        now = self._clock.now().timestamp()
        for start in range(0, len(keys), _ASKED_AT_ONCE):
            part = keys[start : start + _ASKED_AT_ONCE]
            marks = ",".join("?" * len(part))
            rows = connection.execute(f"SELECT key, value, used FROM verdicts WHERE key IN ({marks})", part).fetchall()  # noqa: S608 - marks only
            found.update((key, opened) for key, value, _ in rows if (opened := self._opened_value(key, value)) is not None)
            stale = [(now, key) for key, _, used in rows if now - used > _USE_COUNTED_AFTER_S]
            if stale:
                with connection:
                    connection.executemany("UPDATE verdicts SET used = ? WHERE key = ?", stale)
        return found

    def _opened_value(self, key: bytes, value: bytes) -> bytes | None:
        """The value; None where it does not open: it is found again as if it had never been kept."""
        if self._sealer is None:
            return value
        try:
            return self._sealer.open(value, key)
        except SealBroken:
            return None

    def _put(self, connection: sqlite3.Connection, items: Mapping[bytes, bytes]) -> None:
        now = self._clock.now().timestamp()
        if self._sealer is not None:
            items = {key: self._sealer.seal(value, key) for key, value in items.items()}
        with connection:
            connection.executemany(
                "INSERT OR REPLACE INTO verdicts (key, value, used) VALUES (?, ?, ?)", [(key, value, now) for key, value in items.items()]
            )
        if _size(connection) > self._max_bytes:
            self._evict(connection)

    def _evict(self, connection: sqlite3.Connection) -> None:
        while _size(connection) > self._max_bytes * _KEPT_SHARE:
            (count,) = connection.execute("SELECT count(*) FROM verdicts").fetchone()
            if not count:
                return
            oldest = "DELETE FROM verdicts WHERE key IN (SELECT key FROM verdicts ORDER BY used LIMIT ?)"
            with connection:
                connection.execute(oldest, (math.ceil(count * _EVICTED_SHARE),))

    def _tried(self, action: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """What the action gives; on a damaged file that of a second try on a new one, on any other fault ``otherwise``."""
        try:
            try:
                return action(self._opened())
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:
                _log.warning("the verdict cache %s is damaged (%s) and made anew", self.path, error)
                self._remove()
                return action(self._opened())
        except (sqlite3.Error, OSError) as error:
            if not self._warned:
                _log.warning("the verdict cache %s is not used: %s", self.path, error)
                self._warned = True
            self.close()
            return otherwise

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=_BUSY_S)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                # What is lost in a power cut is judged again.
                connection.execute("PRAGMA synchronous = OFF")
                connection.execute(_SCHEMA)
                connection.execute(_INDEX)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _remove(self) -> None:
        self.close()
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)


def _size(connection: sqlite3.Connection) -> int:
    """Bytes of the pages in use; those that eviction has emptied are used again before the file grows."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * page_bytes)

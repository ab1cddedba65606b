"""The spool: records are on disk before anybody hears 202.

One SQLite file in WAL mode with ``synchronous=FULL``. Callers hand their records to one committer thread, which writes
everything that waits in a single transaction and releases the callers after its fsync (group commit). Batches for the
store are cut once and remembered under a token until they are confirmed, so the same records go out under the same
token after a crash and the store can tell that it has them. Ids stay known for the retention: a record that is sent
again is answered as a duplicate without a look into the store.

With keys a record is sealed before it is queued, so neither the file nor its journal ever holds a plain one. Project, id
and time stay readable.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec

from monitor.clock import Clock
from monitor.errors import SealBroken, SlowDown, StorageDamaged, StorageUnavailable
from monitor.sealing import KeyRing, RecordSealer

# A batch is held in memory several times over on its way into the store.
BATCH_BYTES = 16 * 1024 * 1024
# Group commits stop growing here, so that the first caller does not wait for an endless train of others.
GROUP_RECORDS = 5_000
# The drain empties thousands of records a second; a full spool mostly means that the store is away.
RETRY_AFTER_S = 5
# Freed pages are kept for the records to come, up to 64 MiB; after a backlog the file shrinks by 16 MiB a batch.
KEEP_FREE_PAGES = 16_384
VACUUM_PAGES = 4_096
_RESEALED_AT_ONCE = 500
# SQLite takes 32,766 parameters; of whoever sends more, ids are asked for in parts.
_ASKED_AT_ONCE = 1_000
# Old ids are forgotten in 256 slices by the first byte of their hash; all slices take a day.
PRUNE_EVERY = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HOUR_US = 3_600_000_000

# AUTOINCREMENT: a sequence is never given out twice, not even after the row with the highest one was deleted.
# "taken" knows ids by a 128-bit hash of project and id: half the size on disk of the texts, twice as fast to write.
_SCHEMA = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA busy_timeout = 10000;
PRAGMA cache_size = -65536;
PRAGMA journal_size_limit = 67108864;
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL, id TEXT NOT NULL, received_us INTEGER NOT NULL, raw BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS taken (key BLOB PRIMARY KEY, received_hour INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (token TEXT PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL) WITHOUT ROWID;
COMMIT;
"""


class SpoolState(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for the store. ``bytes`` is the size of the waiting records as they lie on disk, without their indexes."""

    count: int
    bytes: int
    oldest_received_at: datetime | None


class SpooledItem(msgspec.Struct, frozen=True, kw_only=True):
    """One record as it was taken in; ``raw`` is its JSON, or nothing where it is sealed and does not open (``problem``)."""

    sequence: int
    project: str
    id: str
    received_at: datetime
    raw: bytes
    problem: str | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Records that go into the store together; the same token always means the same records."""

    token: str
    items: tuple[SpooledItem, ...]


class _Request:
    """One caller's records on their way to the disk; with ``again`` also those whose id is known."""

    def __init__(self, project: str, items: Sequence[tuple[str, bytes]], again: bool) -> None:
        self.project = project
        self.items = items
        self.again = again
        self.size = sum(len(raw) for _, raw in items)
        self.done = threading.Event()
        self.new: list[bool] = []
        # Made anew for each caller: several may wait for the same failed commit.
        self.failure: Callable[[], Exception] | None = None


class Spool:
    """Append, read in stable batches, confirm. Thread-safe; one process owns the file.

    Args:
        path: the SQLite file, created with its folder where missing.
        max_bytes: size of the waiting records at which ``append`` answers SlowDown.
        commit_ms: how long a commit waits for company where the one before had some; alone, nobody waits.
        retention: how long ids are remembered.
        keys: seal what is written and open what is read; without them records are written plain.

    Raises:
        StorageUnavailable: the file cannot be opened or written.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        commit_ms: float,
        clock: Clock,
        retention: timedelta = timedelta(days=365),
        keys: KeyRing | None = None,
    ) -> None:
        self._path = path
        self._sealer = None if keys is None else RecordSealer(keys, path.stem)
        self._max_bytes = max_bytes
        self._commit_s = commit_ms / 1000
        self._clock = clock
        self._retention = retention
        self._writing = threading.Lock()
        self._reading = threading.Lock()
        self._queue: deque[_Request] = deque()
        self._arrived = threading.Condition()
        self._closed = False
        with self._refusals():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._write.executescript(_SCHEMA)
            self._read = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self.sidecar = self._identity()
            self._count, self._bytes = self._read.execute("SELECT count(*), coalesce(sum(length(raw)), 0) FROM waiting").fetchone()
        self._prune_after = clock.now()
        self._prune_slot = 255
        self._committer = threading.Thread(target=self._commit_for_ever, name="spool-committer", daemon=True)
        self._committer.start()

    def append(self, project: str, items: Sequence[tuple[str, bytes]], *, again: bool = False) -> list[bool]:
        """Take records (id, JSON) in, all or none; returns when they are on disk. ``again`` takes known ids too (a replay).

        Returns:
            True for a new record, False for an id that this project sent before; in the order of ``items``.

        Raises:
            SlowDown: the spool is at its ceiling.
            StorageUnavailable: the disk is full, read-only or broken, or the spool is closed.
        """
        if not items:
            return []
        if self._sealer is not None:
            # Here, in the caller's thread: the committer has every caller waiting.
            items = [(identifier, self._sealer.seal(raw, context_of(project, identifier))) for identifier, raw in items]
        request = _Request(project, items, again)
        with self._arrived:
            if self._closed:
                raise StorageUnavailable(self._path, "the spool is closed")
            self._queue.append(request)
            self._arrived.notify()
        request.done.wait()
        if request.failure is not None:
            raise request.failure()
        return request.new

    def newest(self) -> int:
        """The highest sequence given out so far; 0 where there is none."""
        with self._reading, self._refusals():
            row = self._read.execute("SELECT seq FROM sqlite_sequence WHERE name = 'waiting'").fetchone()
        return int(row[0]) if row else 0

    def emptied_to(self, sequence: int) -> bool:
        """Whether nothing waits that was taken in up to this sequence."""
        with self._reading, self._refusals():
            return self._read.execute("SELECT 1 FROM waiting WHERE sequence <= ? LIMIT 1", (sequence,)).fetchone() is None

    def pending(self) -> SpoolState:
        """What waits for the store now."""
        with self._reading, self._refusals():
            oldest = self._read.execute("SELECT received_us FROM waiting ORDER BY sequence LIMIT 1").fetchone()
        return SpoolState(count=self._count, bytes=self._bytes, oldest_received_at=_time(oldest[0]) if oldest else None)

    def next_batch(self, limit: int) -> Batch | None:
        """The oldest waiting records; the same ones under the same token until they are confirmed.

        ``limit`` counts when a batch is cut (together with a ceiling in bytes), not when it is read again.
        """
        with self._reading, self._refusals():
            cut = self._read.execute("SELECT token, first, last FROM batches").fetchone() or self._cut(limit)
            if cut is None:
                return None
            token, first, last = cut
            rows = self._read.execute(
                "SELECT sequence, project, id, received_us, raw FROM waiting WHERE sequence BETWEEN ? AND ? ORDER BY sequence",
                (first, last),
            ).fetchall()
        return Batch(token=token, items=tuple(self._item(row) for row in rows))

    def confirm(self, batch: Batch) -> None:
        """The store has these records: delete them. Raises StorageUnavailable; the batch then comes again."""
        first, last = batch.items[0].sequence, batch.items[-1].sequence
        with self._writing, self._refusals(), self._transaction():
            (size,) = self._write.execute(
                "SELECT coalesce(sum(length(raw)), 0) FROM waiting WHERE sequence BETWEEN ? AND ?", (first, last)
            ).fetchone()
            deleted = self._write.execute("DELETE FROM waiting WHERE sequence BETWEEN ? AND ?", (first, last)).rowcount
            self._write.execute("DELETE FROM batches WHERE token = ?", (batch.token,))
        if deleted:
            with self._arrived:
                self._count -= deleted
                self._bytes -= size
        self._tidy()

    def after(self, sequence: int, limit: int) -> list[SpooledItem]:
        """Waiting records behind a sequence, oldest first: for a reader that chooses itself what to :meth:`remove`."""
        with self._reading, self._refusals():
            rows = self._read.execute(
                "SELECT sequence, project, id, received_us, raw FROM waiting WHERE sequence > ? ORDER BY sequence LIMIT ?",
                (sequence, limit),
            ).fetchall()
        return [self._item(row) for row in rows]

    def reseal(self, keys: KeyRing | None) -> int:
        """Write every waiting record again, under the newest of ``keys`` or plain, and leave nothing else in the file; how many.

        Only where nothing else uses the spool. A kill at any point loses nothing: the rest is written the next time.
        """
        sealer = None if keys is None else RecordSealer(keys, self._path.stem)
        count = after = 0
        while page := self.after(after, _RESEALED_AT_ONCE):
            after = page[-1].sequence
            with self._writing, self._refusals(), self._transaction():
                for item in page:
                    if item.problem is None:  # what does not open becomes a dead letter when it is read
                        raw = item.raw if sealer is None else sealer.seal(item.raw, context_of(item.project, item.id))
                        self._write.execute("UPDATE waiting SET raw = ? WHERE sequence = ?", (raw, item.sequence))
                        count += 1
        with self._writing, self._refusals():
            # Freed pages and the journal still hold what was there before.
            self._write.execute("VACUUM")
            self._write.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return count

    def _item(self, row: tuple[int, str, str, int, bytes]) -> SpooledItem:
        sequence, project, identifier, received_us, raw = row
        problem = None
        try:
            if self._sealer is not None:
                raw = self._sealer.open(raw, context_of(project, identifier), f"the spooled record {identifier!r}")
        except SealBroken as error:
            raw, problem = b"", str(error)
        return SpooledItem(sequence=sequence, project=project, id=identifier, received_at=_time(received_us), raw=raw, problem=problem)

    def remove(self, sequences: Sequence[int]) -> None:
        """Delete these records, whoever needed them has them. Raises StorageUnavailable; then all of them stay."""
        count = size = 0
        with self._writing, self._refusals(), self._transaction():
            for sequence in sequences:
                row = self._write.execute("DELETE FROM waiting WHERE sequence = ? RETURNING length(raw)", (sequence,)).fetchone()
                if row is not None:
                    count, size = count + 1, size + row[0]
        with self._arrived:
            self._count -= count
            self._bytes -= size
        self._tidy()

    def close(self) -> None:
        """Write what is queued, then stop. Idempotent."""
        with self._arrived:
            if self._closed:
                return
            self._closed = True
            self._arrived.notify()
        self._committer.join()
        self._read.close()
        self._write.close()

    # --- the committer thread ----------------------------------------------------------------------------------------

    def _commit_for_ever(self) -> None:
        company = False
        while group := self._gather(company):
            company = len(group) > 1
            try:
                self._commit(group)
            except Exception as error:  # noqa: BLE001 - a dead committer would leave every caller waiting for ever
                cause = error.cause if isinstance(error, StorageUnavailable) else repr(error)
                raised = _damaged if isinstance(error, StorageDamaged) else StorageUnavailable
                for request in group:
                    request.failure = partial(raised, self._path, cause)
            for request in group:
                request.done.set()

    def _gather(self, company: bool) -> list[_Request]:
        """Everything that waits; blocks until there is something. Empty when the spool is closed and all is written."""
        with self._arrived:
            while not self._queue and not self._closed:
                self._arrived.wait()
            if company and len(self._queue) == 1 and not self._closed:
                self._arrived.wait(self._commit_s)
            group: list[_Request] = []
            records = 0
            while self._queue and records < GROUP_RECORDS:
                group.append(self._queue.popleft())
                records += len(group[-1].items)
            return group

    def _commit(self, group: Sequence[_Request]) -> None:
        """One transaction for the whole group; a request that does not fit is left out of it."""
        received_us = (self._clock.now() - _EPOCH) // _MICROSECOND
        count = size = 0
        with self._writing, self._refusals(), self._transaction():
            for request in group:
                if self._bytes + size + request.size > self._max_bytes:
                    request.failure = partial(SlowDown, "spool", f"{self._max_bytes} bytes waiting", RETRY_AFTER_S)
                    continue
                request.new = self._take(request, received_us)
                count += sum(request.new)
                size += sum(len(raw) for (_, raw), new in zip(request.items, request.new, strict=True) if new)
        with self._arrived:
            self._count += count
            self._bytes += size

    def _take(self, request: _Request, received_us: int) -> list[bool]:
        """Put what is new among the items into the tables: by few statements, each of which would hand the interpreter on."""
        keys = [_key(request.project, identifier) for identifier, _ in request.items]
        known: set[bytes] = set()
        for start in range(0, len(keys), _ASKED_AT_ONCE):
            asked = keys[start : start + _ASKED_AT_ONCE]
            marks = ",".join("?" * len(asked))
            known.update(key for (key,) in self._write.execute(f"SELECT key FROM taken WHERE key IN ({marks})", asked))  # noqa: S608
        new: list[bool] = []
        for key in keys:
            new.append(request.again or key not in known)
            known.add(key)
        rows = [
            (key, request.project, identifier, raw) for key, fresh, (identifier, raw) in zip(keys, new, request.items, strict=True) if fresh
        ]
        hour = received_us // _HOUR_US
        self._write.executemany("INSERT OR IGNORE INTO taken VALUES (?, ?)", [(key, hour) for key, *_ in rows])
        self._write.executemany(
            "INSERT INTO waiting (project, id, received_us, raw) VALUES (?, ?, ?, ?)",
            [(project, identifier, received_us, raw) for _, project, identifier, raw in rows],
        )
        return new

    # --- batches and housekeeping ------------------------------------------------------------------------------------

    def _cut(self, limit: int) -> tuple[str, int, int] | None:
        """Choose the next batch and remember its bounds; rows that come later have higher sequences."""
        size = 0
        bounds: list[int] = []
        for sequence, length in self._read.execute("SELECT sequence, length(raw) FROM waiting ORDER BY sequence LIMIT ?", (limit,)):
            size += length
            if bounds and size > BATCH_BYTES:
                break
            bounds.append(sequence)
        if not bounds:
            return None
        cut = (f"{self.sidecar}:{bounds[0]}-{bounds[-1]}", bounds[0], bounds[-1])
        with self._writing, self._transaction():
            self._write.execute("INSERT INTO batches (token, first, last) VALUES (?, ?, ?)", cut)
        return cut

    def _tidy(self) -> None:
        """Give freed pages back to the disk and forget ids that are older than the retention, a little at a time."""
        now = self._clock.now()
        with self._writing, self._refusals():
            if self._write.execute("PRAGMA freelist_count").fetchone()[0] > KEEP_FREE_PAGES:
                # execute() would stop after one page.
                self._write.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
            if now < self._prune_after:
                return
            oldest_hour = (now - self._retention - _EPOCH) // _MICROSECOND // _HOUR_US
            self._prune_slot = (self._prune_slot + 1) % 256
            bounds = (bytes([self._prune_slot]), bytes([self._prune_slot, *[255] * 16]))
            self._write.execute("DELETE FROM taken WHERE key BETWEEN ? AND ? AND received_hour < ?", (*bounds, oldest_hour))
            self._prune_after = now + PRUNE_EVERY

    def _identity(self) -> str:
        self._write.execute("INSERT OR IGNORE INTO about VALUES ('sidecar', ?)", (uuid.uuid4().hex,))
        return str(self._write.execute("SELECT value FROM about WHERE name = 'sidecar'").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._write.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._write.execute("COMMIT")
        except BaseException:
            # SQLite rolls back by itself on a full disk; then there is nothing left to roll back.
            if self._write.in_transaction:
                self._write.execute("ROLLBACK")
            raise

    def _refusals(self) -> AbstractContextManager[None]:
        return _refusals(self._path)


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        # Of what the library raises for a file that it cannot make sense of, its own class alone is exact.
        if type(error) is sqlite3.DatabaseError:
            raise _damaged(path, str(error)) from error
        raise StorageUnavailable(path, str(error)) from error


def _damaged(path: Path, cause: str) -> StorageDamaged:
    return StorageDamaged(path, cause, "what was not yet in the store is lost then")


def renew_identity(path: Path) -> None:
    """Give the closed spool that was restored from a backup a name of its own; batches that are cut keep theirs.

    Its sequences go on where the backup was made. A store that did not go back with it knows tokens of later batches by the
    old name, and would take new records for those. Raises StorageUnavailable, StorageDamaged.
    """
    with _refusals(path), closing(sqlite3.connect(path)) as spool, spool:
        spool.execute("UPDATE about SET value = ? WHERE name = 'sidecar'", (uuid.uuid4().hex,))


def context_of(project: str, identifier: str) -> bytes:
    """What a sealed record is bound to."""
    return f"{project}\0{identifier}".encode()


def _key(project: str, identifier: str) -> bytes:
    return hashlib.blake2b(f"{project}\0{identifier}".encode(), digest_size=16).digest()


def _time(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND

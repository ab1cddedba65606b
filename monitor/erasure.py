"""The right to erasure: everything about a cohort value, a session or single responses is deleted, wherever it lies.

Asked for once, an erasure is a row that says what is still to do, so a kill at any point only delays it. It waits until
what was taken in before it is stored, deletes, and looks over everything again after :data:`SWEEP_AFTER`: outcomes that
workers were still making and spans that waited for their trace are gone then, too. Deleted responses leave every count.

What stays: ids in the spool's list of known ids (as hashes, so the same record is not taken in again), alerts and job runs
(numbers and ids), backups, and the free pages of SQLite files until they are written over.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import msgspec
import structlog

from monitor.clock import Clock
from monitor.detect.verdict_cache import FILE, VerdictCache
from monitor.errors import GroundwatchError, RecordInvalid
from monitor.evidence import BlobCache, EvidenceStore
from monitor.metadata.database import Database
from monitor.metadata.erasures import ErasureRecord, Erasures, Selector
from monitor.records import Evidence, ResponseRecord
from monitor.settings import Settings
from monitor.spool import Spool
from monitor.store.client import Store
from monitor.store.erasing import Eraser
from monitor.store.schema import decode_record

# Longer than a response stays with workers, retries included, and than spans wait for their trace by default.
SWEEP_AFTER = timedelta(minutes=15)
_PAGE = 1_000

log = structlog.get_logger(__name__)


class Erasure:
    """Begins erasures and goes on with those that are not done. Only the process that owns the data folder has one."""

    def __init__(self, settings: Settings, store: Store, spool: Spool, evidence: EvidenceStore, database: Database, clock: Clock) -> None:
        self._settings = settings
        self._eraser = Eraser(store)
        self._spool = spool
        self._evidence = evidence
        self._rows = Erasures(database)
        self._clock = clock

    def request(self, project: str, selector: Selector, actor: str) -> ErasureRecord:
        """Note an erasure and do at once what can be done. Raises RecordInvalid, MetadataUnavailable."""
        now = self._clock.now()
        erasure = self._rows.add(project, selector, self._spool.newest(), actor, now, now + SWEEP_AFTER)
        try:
            return self.go_on(erasure)
        except GroundwatchError as error:
            # The row is kept: the job tries again.
            log.warning("an erasure waits", erasure=erasure.id, cause=str(error))
            return self._rows.get(project, erasure.id)

    def unfinished(self, project: str) -> list[ErasureRecord]:
        """What is to be gone on with now."""
        return list(self._rows.unfinished(project, self._clock.now()))

    def go_on(self, erasure: ErasureRecord) -> ErasureRecord:
        """Take one as far as it can be taken now; doing it again changes nothing.

        Raises:
            StoreUnavailable, StorageUnavailable, MetadataUnavailable: it stays where it was.
        """
        if erasure.state == "done" or not self._spool.emptied_to(erasure.spooled_to):
            return erasure
        wanted = erasure.wanted()
        ids = set(erasure.response_ids) | self._ids(erasure, wanted)
        pieces = list(self._eraser.evidence_of(erasure.project, ids))
        blobs = set(erasure.blobs) | {_hash_of(piece) for piece in pieces} - {""}
        self._rows.found(erasure, ids, blobs)
        counts = {"responses": len(self._eraser.present(erasure.project, ids))}
        until = erasure.requested_at

        def mine(record: ResponseRecord) -> bool:
            return record.time <= until and wanted.matches(record)

        counts |= self._rows.delete_rows(erasure.project, ids, mine)
        self._eraser.delete(erasure.project, ids)
        counts |= self._delete_blobs(erasure.project, blobs)
        self._forget_verdicts()
        total = {name: erasure.counts.get(name, 0) + counts.get(name, 0) for name in {*erasure.counts, *counts}}
        swept = self._clock.now() >= erasure.sweep_at
        return self._rows.advance(erasure, "done" if swept else "sweeping", dict(sorted(total.items())), self._clock.now())

    def _ids(self, erasure: ErasureRecord, wanted: Selector) -> set[str]:
        """Of what was produced before the request: a customer who comes back is not erased in advance."""
        if wanted.cohort is not None:
            return self._eraser.of_cohort(erasure.project, *wanted.cohort, until=erasure.requested_at)
        if wanted.session_id is not None:
            return self._eraser.of_session(erasure.project, wanted.session_id, until=erasure.requested_at)
        return set(wanted.response_ids)

    def _delete_blobs(self, project: str, blobs: Collection[str]) -> dict[str, int]:
        """Delete what nothing else needs; a blob that a younger response shares stays."""
        used = (
            self._eraser.referred_to(project, sorted(blobs))
            | self._rows.referring(project, blobs)
            | waiting_for(self._spool, project, blobs)
        )
        store = self._evidence.of(project)
        copies = BlobCache(self._settings.cache_dir / "evidence", 0)
        sizes = []
        for sha256 in sorted(set(blobs) - used):
            sizes.append(store.delete(sha256))
            copies.remove(sha256)
        return {"blobs": sum(size > 0 for size in sizes), "blob_bytes": sum(sizes)}

    def _forget_verdicts(self) -> None:
        """Verdicts quote evidence under hashes that nobody can resolve: all are forgotten, and found again when needed."""
        try:
            VerdictCache(self._settings.cache_dir / FILE, 0).clear()
        except (sqlite3.Error, OSError) as error:
            raise StorageBusy(error) from error


class StorageBusy(GroundwatchError):
    """A worker holds the verdict cache; the erasure goes on later."""

    permanent = False

    def __init__(self, cause: sqlite3.Error | OSError) -> None:
        super().__init__(f"the verdict cache cannot be emptied now: {cause}")


def waiting_for(spool: Spool, project: str, blobs: Collection[str]) -> set[str]:
    """Which of these blobs a record in the spool names."""
    found: set[str] = set()
    after = 0
    while blobs and (page := spool.after(after, _PAGE)):
        after = page[-1].sequence
        for item in page:
            if item.project == project and item.problem is None:
                found.update({_hash_of(piece) for piece in decode_record(item.raw).evidence} & set(blobs))
    return found


def _hash_of(piece: Evidence) -> str:
    """The name of its blob, or of the copy that detection makes of inline content."""
    if piece.uri is not None and piece.uri.startswith("sha256:"):
        return piece.uri.removeprefix("sha256:")
    return piece.sha256 or ("" if piece.content is None else hashlib.sha256(piece.content_bytes()).hexdigest())


def selector_of(cohort: str | None, session_id: str | None, response_ids: list[str] | None) -> Selector:
    """A selector from words such as ``customer=42``. Raises RecordInvalid."""
    key, named, value = (cohort or "").partition("=")
    if cohort is not None and not named:
        raise RecordInvalid("cohort", f"{cohort!r} names no value", "Write key=value, such as customer=42")
    selector = Selector(cohort=None if cohort is None else (key, value), session_id=session_id, response_ids=tuple(response_ids or ()))
    selector.check()
    return selector


def plain(erasure: ErasureRecord) -> dict[str, Any]:
    """What may be shown of one: not the ids it still works on."""
    shown = msgspec.to_builtins(erasure)
    return {name: value for name, value in shown.items() if name not in ("blobs", "response_ids", "spooled_to", "project")}

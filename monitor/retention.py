"""Raw evidence leaves before its responses do: pictures, recordings, films, documents and texts, each after its own time.

What was derived from them stays: findings with their places and quotes, input quality, verdicts of reviewers. A mark in the
evidence store says when a blob was deleted, so that pages and detectors do not take it for one that never came. A blob
counts from its last use; whatever a younger response, a queued check or a waiting letter names stays.

Text of up to 4 KB lies inside its record, not in a blob, and leaves with it. Blobs that no response names are not found.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from monitor.clock import Clock
from monitor.erasure import waiting_for
from monitor.errors import SettingsInvalid
from monitor.evidence import EvidenceStore
from monitor.metadata.database import Database
from monitor.metadata.erasures import Erasures
from monitor.settings import Settings
from monitor.spool import Spool
from monitor.store.client import Store
from monitor.store.erasing import Eraser

# Records may come late with an old time; each run looks back further than the one before ended.
OVERLAP = timedelta(days=2)
_SINCE_EVER = datetime(1970, 1, 1, tzinfo=UTC)


class EvidenceRetention:
    """Deletes the blobs of one project whose class's time is over.

    Raises:
        SettingsInvalid: a class is to stay as long as the responses by which its blobs are found, or longer.
    """

    def __init__(self, settings: Settings, store: Store, spool: Spool, evidence: EvidenceStore, database: Database, clock: Clock) -> None:
        self._days = {name: days for name, days in settings.evidence_retention_days.items() if days}
        for name, days in self._days.items():
            if days >= settings.retention_days:
                setting = f"GROUNDWATCH_EVIDENCE_RETENTION_DAYS_{name.upper()}"
                problem = f"is not less than retention_days ({settings.retention_days}), after which nothing tells whose it was"
                raise SettingsInvalid(setting, days, problem, "Choose fewer days, or raise GROUNDWATCH_RETENTION_DAYS")
        self._eraser = Eraser(store)
        self._spool = spool
        self._evidence = evidence
        self._rows = Erasures(database)
        self._clock = clock
        self._looked_to: dict[tuple[str, str], datetime] = {}

    def delete_due(self, project: str) -> dict[str, int]:
        """Blobs deleted now, by class. Raises StoreUnavailable, StorageUnavailable; what is left goes the next time."""
        now = self._clock.now()
        store = self._evidence.of(project)
        deleted: dict[str, int] = {}
        for name, days in self._days.items():
            before = now - timedelta(days=days)
            last = self._looked_to.get((project, name))
            since = _SINCE_EVER if last is None else last - OVERLAP
            due = self._eraser.last_used_before(project, name, since, before)
            due = {sha256 for sha256 in due if store.exists(sha256)}
            due -= self._rows.referring(project, due) | waiting_for(self._spool, project, due)
            for sha256 in sorted(due):
                store.delete(sha256, "retention", now)
            deleted[name] = len(due)
            self._looked_to[project, name] = before
        return deleted

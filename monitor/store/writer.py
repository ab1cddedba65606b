"""What goes into ClickHouse, in batches that may be sent twice and arrive once."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.findings import OutcomeRecord
from monitor.store.client import Store
from monitor.store.rows import SpooledResponse


class Writer:
    """Inserts on one store. ``token`` names the batch: the same rows under the same token arrive once."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def insert_responses(self, batch: Sequence[SpooledResponse], token: str) -> None:
        """Raises StoreUnavailable (retry the same batch) or StoreRefused (the rows themselves are bad)."""
        raise NotImplementedError

    def insert_outcomes(self, outcomes: Sequence[OutcomeRecord], token: str) -> None:
        """Outcomes with their findings, in one insert; a later ``finished_at`` replaces an earlier outcome."""
        raise NotImplementedError

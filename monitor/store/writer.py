"""What goes into ClickHouse, in batches that may be sent twice and arrive once.

Each batch goes into several tables under one token. ClickHouse remembers the tokens of a table's last thousand inserts, so
a batch that is sent again after a failure between the two only does what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor.findings import OutcomeRecord
from monitor.store.client import Store
from monitor.store.rows import SpooledResponse
from monitor.store.schema import (
    EVIDENCE_QUALITY,
    OUTCOMES,
    RECORDS,
    RESPONSE_OUTCOMES,
    RESPONSES,
    evidence_quality_rows,
    outcome_row,
    record_row,
    response_outcomes,
    response_row,
)


class Writer:
    """Inserts on one store. ``token`` names the batch: the same rows under the same token arrive once."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def insert_responses(self, batch: Sequence[SpooledResponse], token: str) -> None:
        """Log the records and their lines for lists and charts.

        Raises:
            StoreUnavailable: send the same batch again later.
            StoreRefused: a row is bad; the same batch fails again.
        """
        if not batch:
            return
        # Records first: a line in the list always has its record.
        self._store.insert("records", RECORDS, [record_row(item) for item in batch], token)
        self._store.insert("responses", RESPONSES, [response_row(item) for item in batch], token)

    def insert_outcomes(self, outcomes: Sequence[OutcomeRecord], token: str) -> None:
        """Outcomes with findings and input quality; one with a later ``finished_at`` replaces the detector's earlier one.

        Raises:
            StoreUnavailable: send the same outcomes again later.
            StoreRefused: a row is bad; the same outcomes fail again.
        """
        if not outcomes:
            return
        self._store.insert("outcomes", OUTCOMES, [outcome_row(outcome) for outcome in outcomes], token)
        # Before the line in the list says how good the input was, the detail page can say why.
        if qualities := evidence_quality_rows(outcomes):
            self._store.insert("evidence_quality", EVIDENCE_QUALITY, qualities, token)
        self._store.insert("responses", RESPONSE_OUTCOMES, response_outcomes(outcomes), f"{token}:outcomes")

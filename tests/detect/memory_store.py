"""A store that works in memory: due responses out, outcomes in once a token, and it can be taken down."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime

from monitor.errors import StoreRefused, StoreUnavailable
from monitor.findings import OutcomeRecord, OutcomeState
from monitor.records import ResponseRecord
from monitor.store.rows import SpooledResponse
from tests.detect.conftest import NOON


class MemoryStore:
    """Reader and writer of the detect driver in one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.responses: dict[str, list[SpooledResponse]] = {}
        self.outcomes: list[OutcomeRecord] = []
        self.tokens: list[str] = []
        self.down = False
        self.lose_next_reply = False
        self.refuse_findings_of = ""

    def add(self, *records: ResponseRecord, sidecar: str = "s1", project: str = "default", received_at: datetime = NOON) -> None:
        with self._lock:
            rows = self.responses.setdefault(sidecar, [])
            for record in records:
                sequence = len(rows) + 1
                rows.append(SpooledResponse(project=project, sidecar=sidecar, sequence=sequence, received_at=received_at, record=record))

    def _answer(self) -> None:
        if self.down:
            raise StoreUnavailable("a query", "it is down")

    def sidecars(self) -> list[str]:
        self._answer()
        return list(self.responses)

    def due(self, sidecar: str, after: int, limit: int) -> list[SpooledResponse]:
        self._answer()
        return [row for row in self.responses[sidecar] if row.sequence > after][:limit]

    def due_count(self, sidecar: str, after: int) -> int:
        self._answer()
        return sum(row.sequence > after for row in self.responses[sidecar])

    def outcome_states(self, project: str, response_ids: Sequence[str]) -> dict[str, dict[str, OutcomeState]]:
        self._answer()
        found: dict[str, dict[str, OutcomeState]] = {}
        for outcome in self.outcomes:
            if outcome.project == project and outcome.response_id in response_ids:
                found.setdefault(outcome.response_id, {})[outcome.detector] = outcome.state
        return found

    def insert_outcomes(self, outcomes: Sequence[OutcomeRecord], token: str) -> None:
        self._answer()
        if any(outcome.response_id == self.refuse_findings_of and outcome.state == "judged" for outcome in outcomes):
            raise StoreRefused("an insert", 53, "a bad row")
        with self._lock:
            if token not in self.tokens:
                self.tokens.append(token)
                self.outcomes += outcomes
        if self.lose_next_reply:
            self.lose_next_reply = False
            raise StoreUnavailable("an insert", "the reply was lost")

    def states(self) -> dict[tuple[str, str], str]:
        """State by (response, detector); fails on a pair that came twice."""
        pairs = [(outcome.response_id, outcome.detector) for outcome in self.outcomes]
        assert len(pairs) == len(set(pairs)), f"doubled: {sorted(pairs)}"
        return {(outcome.response_id, outcome.detector): outcome.state for outcome in self.outcomes}

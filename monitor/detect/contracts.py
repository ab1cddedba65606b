"""What the detect driver needs from its neighbours, and what it tells about itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from monitor.findings import OutcomeRecord, OutcomeState
from monitor.store.rows import SpooledResponse


class DueReader(Protocol):
    """What the driver reads; :class:`monitor.store.reading.Reader` has it."""

    def sidecars(self) -> list[str]:
        """Every sidecar that has records in the store."""
        ...

    def due(self, sidecar: str, after: int, limit: int) -> list[SpooledResponse]:
        """Records of one sidecar after a sequence, in order."""
        ...

    def due_count(self, sidecar: str, after: int) -> int:
        """How many records of one sidecar lie after a sequence."""
        ...

    def outcome_states(self, project: str, response_ids: Sequence[str]) -> dict[str, dict[str, OutcomeState]]:
        """State by response and detector, where there is an outcome."""
        ...


class OutcomeWriter(Protocol):
    """What the driver writes; :class:`monitor.store.writer.Writer` has it."""

    def insert_outcomes(self, outcomes: Sequence[OutcomeRecord], token: str) -> None:
        """The same outcomes under the same token arrive once. Raises StoreUnavailable or StoreRefused."""
        ...


class OnDeadLetter(Protocol):
    """Takes what was given up; ``stage`` is ``detect``, ``payload`` the record's JSON."""

    def __call__(self, project: str, stage: str, response_id: str, detector: str | None, reason: str, payload: str | None) -> None:
        """Keep the letter."""
        ...


class DetectorStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a detector can run here. ``available`` stays True until a worker has found that it cannot."""

    name: str
    failure: str
    version: str | None
    weights_version: str | None
    available: bool
    reason: str | None


class DetectCounters(msgspec.Struct, frozen=True, kw_only=True):
    """Since the start: outcomes by (detector, state), responses by detector whose verdicts were all known before (hits) or
    not (misses), dead letters, worker restarts; and what is open now.
    """

    outcomes: dict[tuple[str, OutcomeState], int]
    cache_hits: dict[str, int]
    cache_misses: dict[str, int]
    dead_letters: int
    worker_restarts: int
    open_responses: int

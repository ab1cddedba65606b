"""Everything that is read from ClickHouse, as frozen rows of :mod:`monitor.store.rows`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from monitor.findings import OutcomeState
from monitor.store.client import Store
from monitor.store.rows import (
    FacetValues,
    ListedResponse,
    MissingModality,
    ResponseFilter,
    ReviewCandidate,
    SliceBucket,
    SpooledResponse,
    StageLatency,
    StoredResponse,
    TrendBucket,
    WindowSummary,
)


class Reader:
    """Named queries on one store. Every method raises StoreUnavailable when ClickHouse does not answer in time."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list_responses(self, f: ResponseFilter, limit: int, cursor: str | None = None) -> tuple[list[ListedResponse], str | None]:
        """Newest first, and the cursor of the next page. Raises CursorInvalid (RecordInvalid) for a foreign cursor."""
        raise NotImplementedError

    def response(self, project: str, response_id: str) -> StoredResponse | None:
        raise NotImplementedError

    def exists(self, project: str, ids: Sequence[str]) -> set[str]:
        raise NotImplementedError

    def summary(self, f: ResponseFilter) -> WindowSummary:
        raise NotImplementedError

    def trends(self, f: ResponseFilter, bucket_s: int) -> list[TrendBucket]:
        raise NotImplementedError

    def release_marks(self, f: ResponseFilter) -> list[tuple[datetime, str]]:
        raise NotImplementedError

    def facets(self, project: str, since: datetime, until: datetime) -> FacetValues:
        raise NotImplementedError

    def slice_buckets(self, project: str, since: datetime, until: datetime) -> list[SliceBucket]:
        raise NotImplementedError

    def stage_latencies(self, project: str, since: datetime, until: datetime) -> list[StageLatency]:
        raise NotImplementedError

    def missing_modalities(self, project: str, since: datetime, until: datetime) -> list[MissingModality]:
        raise NotImplementedError

    def review_candidates(self, project: str, since: datetime, until: datetime) -> list[ReviewCandidate]:
        raise NotImplementedError

    def projects(self, since: datetime) -> list[str]:
        raise NotImplementedError

    def due(self, sidecar: str, after: int, limit: int) -> list[SpooledResponse]:
        raise NotImplementedError

    def outcome_states(self, project: str, response_ids: Sequence[str]) -> dict[str, dict[str, OutcomeState]]:
        raise NotImplementedError

    def sidecars(self) -> list[str]:
        raise NotImplementedError

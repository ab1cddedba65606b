"""A reader that works on lists instead of a store: what jobs need, filtered by time as the real one does."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TypeVar

from monitor.errors import StoreUnavailable
from monitor.findings import OutcomeState
from monitor.store.rows import MissingModality, ReviewCandidate, SliceBucket, StageLatency

T = TypeVar("T")


class ListReader:
    """Set its lists; ``down`` makes every read fail as a store that is away does."""

    def __init__(self) -> None:
        self.buckets: list[SliceBucket] = []
        self.latencies: list[StageLatency] = []
        # time, workflow, the evidence families the response carries
        self.carried: list[tuple[datetime, str, frozenset[str]]] = []
        self.candidates: list[ReviewCandidate] = []
        self.states: dict[str, dict[str, OutcomeState]] = {}
        # When the last outcome ended, where that was not at once.
        self.ended: dict[str, datetime] = {}
        self.names = ["default"]
        self.down = False

    def projects(self, since: datetime) -> list[str]:
        return self._read(self.names)

    def slice_buckets(self, project: str, since: datetime, until: datetime) -> list[SliceBucket]:
        return self._read([bucket for bucket in self.buckets if since <= bucket.start < until])

    def stage_latencies(self, project: str, since: datetime, until: datetime) -> list[StageLatency]:
        return self._read(self.latencies)

    def missing_modalities(self, project: str, since: datetime, until: datetime) -> list[MissingModality]:
        found = []
        workflows = {workflow for _, workflow, _ in self.carried}
        for workflow in sorted(workflows):
            inside = [(n, families) for n, (time, name, families) in enumerate(self.carried) if name == workflow and since <= time < until]
            for family in sorted(set().union(*(families for _, families in inside))):
                lacking = [f"r{n}" for n, families in inside if family not in families]
                if len(lacking) * 2 < len(inside):
                    row = MissingModality(
                        workflow=workflow, family=family, responses=len(inside), missing=len(lacking), sample_ids=lacking[-5:]
                    )
                    found.append(row)
        return self._read(found)

    def review_candidates(
        self, project: str, since: datetime, until: datetime, *, detectors: Collection[str], ended_since: datetime, old: datetime
    ) -> list[ReviewCandidate]:
        def ready(one: ReviewCandidate) -> bool:
            all_ended = set(detectors) <= self.states[one.id].keys() and self.ended.get(one.id, one.time) >= ended_since
            return one.time <= old or all_ended

        return self._read([one for one in self.candidates if since <= one.time < until and self.states.get(one.id) and ready(one)])

    def _read(self, found: T) -> T:
        if self.down:
            raise StoreUnavailable("a query", "connection refused")
        return found


def bucket(start: datetime, checked: int, flagged: int, *, cohort: str = "", workflow: str = "w") -> SliceBucket:
    """One hour; ``cohort`` is ``key:value`` or nothing for the whole workflow."""
    key, _, value = cohort.partition(":")
    return SliceBucket(
        workflow=workflow,
        cohort_key=key,
        cohort_value=value,
        start=start,
        responses=checked,
        checked=checked,
        flagged=flagged,
        cost_mean=None,
        cost_total=None,
        priced=0,
        duration_ms_p95=None,
    )


def priced(start: datetime, mean: float, count: int, *, responses: int | None = None, workflow: str = "w") -> SliceBucket:
    """One hour of costs of a whole workflow."""
    return SliceBucket(
        workflow=workflow,
        cohort_key="",
        cohort_value="",
        start=start,
        responses=count if responses is None else responses,
        checked=0,
        flagged=0,
        cost_mean=mean if count else None,
        cost_total=mean * count if count else None,
        priced=count,
        duration_ms_p95=None,
    )

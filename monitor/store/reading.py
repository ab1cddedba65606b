"""Everything that is read from ClickHouse, as frozen rows of :mod:`monitor.store.rows`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from monitor.findings import OutcomeState
from monitor.store import queries
from monitor.store.asking import ID_CHUNK, chunks, conditions, descending, times_of, window
from monitor.store.client import Store
from monitor.store.rows import (
    DetectorCount,
    FacetValues,
    ListedResponse,
    MissingModality,
    QualityCount,
    ResponseFilter,
    ReviewCandidate,
    SliceBucket,
    SpooledResponse,
    StageLatency,
    StoredResponse,
    TrendBucket,
    WindowSummary,
)
from monitor.store.task_sums import GroupBy, task_sums
from monitor.store.unfolding import (
    decode_cursor,
    encode_cursor,
    evidence_quality,
    from_epoch,
    grade_of,
    listed,
    number,
    outcome,
    quantile,
    record_of,
    stamp,
    utc,
)
from monitor.task_metrics.windows import GroupSums

# Releases are marked for the slice that is looked at, whatever its responses were found to be.
MARK_FILTERS = ("workflow", "risk", "model", "release", "modality", "cohort")


class Reader:
    """Named queries on one store. Every method raises StoreUnavailable when ClickHouse does not answer in time."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # --- one response, or a page of them -----------------------------------------------------------------------------

    def list_responses(self, f: ResponseFilter, limit: int, cursor: str | None = None) -> tuple[list[ListedResponse], str | None]:
        """Newest first, and the cursor of the next page. Raises RecordInvalid naming ``cursor`` for a foreign one."""
        filters, parameters = conditions(f)
        until = f.until
        if cursor is not None:
            at, after = decode_cursor(cursor)
            filters.append("before")
            parameters |= {"cursor_time": stamp(at), "cursor_id": after}
            until = min(until, at + timedelta(milliseconds=1))
        rows: list[tuple[Any, ...]] = []
        for low, high in descending(f.since, until):
            window = {"since": stamp(low), "until": stamp(high), "limit": limit + 1 - len(rows)}
            rows += self._store.rows(queries.LIST, parameters | window, filters)
            if len(rows) > limit:
                break
        more, rows = len(rows) > limit, rows[:limit]
        excerpts = self._excerpts(f.project, rows)
        page = [listed(row, excerpts.get(row[0], ""), f.detector) for row in rows]
        return page, encode_cursor(page[-1].time, page[-1].id) if more else None

    def response(self, project: str, response_id: str) -> StoredResponse | None:
        """One response as logged with every outcome known so far; None where there is none."""
        time = self._locate(project, [response_id]).get(response_id)
        if time is None:
            return None
        key = {"project": project, "time": stamp(time), "id": response_id}
        lines = self._store.rows(queries.ONE, key | {"detector": ""})
        records = self._store.rows(queries.RECORD, key)
        if not lines or not records:
            return None
        received_at, answer, raw = records[0]
        of_outcome = {"project": project, "response_id": response_id, "response_time": time}
        return StoredResponse(
            listed=listed(lines[0], answer[:240], None),
            record=record_of(answer, raw),
            received_at=utc(received_at),
            outcomes=[outcome(of_outcome, row) for row in self._store.rows(queries.OUTCOMES_OF, key)],
            quality=[evidence_quality(row) for row in self._store.rows(queries.QUALITY_OF, key)],
        )

    def exists(self, project: str, ids: Sequence[str]) -> set[str]:
        """Which of these ids are stored."""
        return set(self._locate(project, ids))

    def outcome_states(self, project: str, response_ids: Sequence[str]) -> dict[str, dict[str, OutcomeState]]:
        """Response id → detector → how it ended. A stored response without outcomes has an empty entry."""
        found: dict[str, dict[str, OutcomeState]] = {}
        times = self._locate(project, response_ids)
        for chunk in chunks(list(times)):
            parameters = {"project": project, "ids": chunk, "times": times_of(times[i] for i in chunk)}
            for identifier, detectors, states in self._store.rows(queries.STATES_OF, parameters):
                found[identifier] = dict(zip(detectors, states, strict=True))
        return found

    # --- a window in numbers -----------------------------------------------------------------------------------------

    def summary(self, f: ResponseFilter) -> WindowSummary:
        """Counts and quantiles of a window. ``unpriced_responses`` are those whose cost is unknown or incomplete.

        The detection lag is from taking a response in to its last outcome. With a detector named, counts are its own.
        """
        filters, parameters = conditions(f)
        row = self._store.rows(queries.SUMMARY, parameters, filters)[0]
        responses, checked, flagged, pending, durations, timed, cost_total, cost_mean, currency, currencies, unpriced, lag, qualities = row
        counts = self._store.rows(queries.DETECTORS, parameters, filters)
        return WindowSummary(
            responses=responses,
            checked=checked,
            not_checked=responses - checked - pending,
            pending=pending,
            flagged=flagged,
            duration_ms_p50=quantile(durations, 0, timed),
            duration_ms_p95=quantile(durations, 1, timed),
            duration_ms_p99=quantile(durations, 2, timed),
            cost_total=number(cost_total) if currencies else None,
            cost_mean=number(cost_mean),
            currency=(currency or None) if currencies == 1 else None,
            mixed_currencies=currencies > 1,
            unpriced_responses=unpriced,
            detection_lag_s_p95=number(lag) if responses > pending else None,
            detectors=[
                DetectorCount(detector=d, state=state, responses=n, flagged=bad) for d, state, whole, n, bad, _, _ in counts if not whole
            ],
            qualities=[
                QualityCount(grade=grade_of(code), responses=n, checked=seen, flagged=bad)
                for code, n, seen, bad in zip(*qualities, strict=True)
            ],
            detector_duration_ms={d: (float(work[0]), float(work[1])) for d, _, whole, _, _, work, ran in counts if whole and ran},
        )

    def trends(self, f: ResponseFilter, bucket_s: int) -> list[TrendBucket]:
        """Buckets with at least one response, in time order; a bucket starts at a multiple of ``bucket_s``, UTC."""
        filters, parameters = conditions(f)
        return [
            TrendBucket(
                start=from_epoch(start),
                responses=responses,
                checked=checked,
                flagged=flagged,
                duration_ms_p50=quantile(durations, 0, timed),
                duration_ms_p95=quantile(durations, 1, timed),
                cost_mean=number(mean),
                cost_total=number(total) if mean is not None else None,
            )
            for start, responses, checked, flagged, durations, timed, mean, total in self._store.rows(
                queries.TRENDS, parameters | {"bucket": bucket_s}, filters
            )
        ]

    def task_sums(self, f: ResponseFilter, by: GroupBy, cohort_key: str = "") -> list[GroupSums]:
        """Task metrics, attempts, confidences and abstentions of a window, counted by group, largest group first."""
        return task_sums(self._store, f, by, cohort_key)

    def release_marks(self, f: ResponseFilter) -> list[tuple[datetime, str]]:
        """Releases first seen in the window, in order; one that ran before the window began has no mark."""
        filters, parameters = conditions(f)
        rows = self._store.rows(queries.RELEASE_MARKS, parameters, [name for name in filters if name in MARK_FILTERS])
        return [(utc(first_seen), release) for first_seen, release in rows]

    def facets(self, project: str, since: datetime, until: datetime) -> FacetValues:
        """Values present in a window, most frequent first, at most 200 each."""
        found: dict[str, list[str]] = {}
        cohorts: dict[str, list[str]] = {}
        for facet, key, value, _ in self._store.rows(queries.FACETS, window(project, since, until)):
            values = cohorts.setdefault(key, []) if facet == "cohort" else found.setdefault(facet, [])
            values.append(value)
        return FacetValues(
            workflows=found.get("workflow", []),
            models=found.get("model", []),
            releases=found.get("release", []),
            risks=found.get("risk", []),
            cohorts=cohorts,
            detectors=found.get("detector", []),
        )

    # --- what the jobs and the driver ask ----------------------------------------------------------------------------

    def slice_buckets(self, project: str, since: datetime, until: datetime) -> list[SliceBucket]:
        """Hourly buckets of every workflow and of every cohort value in it."""
        return [
            SliceBucket(
                workflow=workflow,
                cohort_key=key,
                cohort_value=value,
                start=from_epoch(start),
                responses=responses,
                checked=checked,
                flagged=flagged,
                cost_mean=number(mean),
                cost_total=number(total) if mean is not None else None,
                priced=priced,
                duration_ms_p95=quantile(durations, 0, timed),
            )
            for workflow, key, value, start, responses, checked, flagged, mean, total, priced, durations, timed in self._store.rows(
                queries.SLICES, window(project, since, until)
            )
        ]

    def stage_latencies(self, project: str, since: datetime, until: datetime) -> list[StageLatency]:
        """Latency of every stage that responses of the window name, and of the whole chain as ``total``."""
        return [
            StageLatency(
                workflow=workflow,
                stage=stage,
                responses=responses,
                p50_ms=durations[0],
                p95_ms=durations[1],
                p99_ms=durations[2],
                over_budget=over,
                with_budget=budgeted,
            )
            for workflow, stage, responses, durations, over, budgeted in self._store.rows(queries.STAGES, window(project, since, until))
        ]

    def missing_modalities(self, project: str, since: datetime, until: datetime) -> list[MissingModality]:
        """Where responses lack evidence of a family that over half of their workflow's responses carry."""
        return [
            MissingModality(workflow=workflow, family=family, responses=responses, missing=missing, sample_ids=list(samples))
            for workflow, family, responses, missing, samples in self._store.rows(queries.MISSING_MODALITIES, window(project, since, until))
        ]

    def review_candidates(
        self, project: str, since: datetime, until: datetime, *, detectors: Collection[str], ended_since: datetime, old: datetime
    ) -> list[ReviewCandidate]:
        """Responses that all ``detectors`` have ended on, the last one after ``ended_since``; oldest first.

        Those produced until ``old`` need no more than one outcome, however long ago it ended.
        """
        asked = {
            **window(project, since, until),
            "detectors": sorted(detectors),
            "ended_ms": max(0, round(ended_since.timestamp() * 1000)),
            "old": stamp(old),
        }
        return [
            ReviewCandidate(
                id=identifier,
                time=utc(time),
                workflow=workflow,
                risk=risk,
                max_score=number(score),
                flagged=bool(flagged),
                checked=bool(checked),
            )
            for identifier, time, workflow, risk, score, flagged, checked in self._store.rows(queries.REVIEW_CANDIDATES, asked)
        ]

    def projects(self, since: datetime) -> list[str]:
        """Projects with responses produced since then."""
        return [project for (project,) in self._store.rows(queries.PROJECTS, {"since": stamp(since)})]

    def due(self, sidecar: str, after: int, limit: int) -> list[SpooledResponse]:
        """Records that a sidecar took in after a sequence number, in that order."""
        parameters = {"sidecar": sidecar, "after": after}
        ((last,),) = self._store.rows(queries.DUE_UNTIL, parameters | {"limit": limit})
        if last <= after:
            return []
        return [
            SpooledResponse(
                project=project,
                sidecar=sidecar,
                sequence=sequence,
                received_at=utc(received_at),
                record=record_of(answer, raw),
            )
            for project, sequence, received_at, answer, raw in self._store.rows(queries.DUE, parameters | {"last": last})
        ]

    def due_count(self, sidecar: str, after: int) -> int:
        """How many records ``due`` would give without a limit."""
        return int(self._store.rows(queries.DUE_COUNT, {"sidecar": sidecar, "after": after})[0][0])

    def sidecars(self) -> list[str]:
        """Every sidecar whose records are stored."""
        return [sidecar for (sidecar,) in self._store.rows(queries.SIDECARS, {})]

    def _locate(self, project: str, ids: Sequence[str]) -> dict[str, datetime]:
        found: dict[str, datetime] = {}
        for chunk in chunks(list(dict.fromkeys(ids))):
            rows = self._store.rows(queries.LOCATE, {"project": project, "ids": chunk})
            found |= {identifier: utc(time) for identifier, time in rows}
        return found

    def _excerpts(self, project: str, rows: Sequence[Sequence[Any]]) -> dict[str, str]:
        found: dict[str, str] = {}
        for start in range(0, len(rows), ID_CHUNK):
            chunk = rows[start : start + ID_CHUNK]
            parameters = {"project": project, "ids": [row[0] for row in chunk], "times": times_of(utc(row[1]) for row in chunk)}
            found |= {identifier: excerpt for _, identifier, excerpt in self._store.rows(queries.EXCERPTS, parameters)}
        return found

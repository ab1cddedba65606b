"""Quality, latency and cost together: summary, trends, and what there is to filter by."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query

from monitor.api.access import GuardedRoute, Who
from monitor.api.context import Running
from monitor.api.models import DetectorSummary, Facets, QualitySummary, ReleaseMark, Share, Summary, TrendPoint, Trends
from monitor.api.window import Filter, Since, Until, span_of
from monitor.findings import CHECKED_STATES, QUALITY_GRADES, OutcomeState
from monitor.score import share
from monitor.store.rows import ResponseFilter, WindowSummary

router = APIRouter(route_class=GuardedRoute, tags=["overview"])

_MINUTE, _TEN_MINUTES, _HOUR, _DAY = 60, 600, 3600, 86_400
MAX_POINTS = 2000
# Bucket → the longest window that is cut into it when the caller leaves the choice.
_BY_ITSELF = ((_MINUTE, 3 * _HOUR), (_TEN_MINUTES, 14 * _HOUR), (_HOUR, 14 * _DAY))


@router.get("/v1/summary")
def get_summary(found: Filter, running: Running) -> Summary:
    """Counts, shares and quantiles of a window. Shares are over checked responses only."""
    window = running.reader.summary(found)
    fields = msgspec.structs.asdict(window)
    same = {name: fields[name] for name in Summary.model_fields if name in fields and name not in ("flagged", "detectors")}
    return Summary(
        since=found.since,
        until=found.until,
        flagged=share_view(window.flagged, window.checked),
        detectors=_detectors(window),
        input_quality=_qualities(window),
        **same,
    )


def _qualities(window: WindowSummary) -> list[QualitySummary]:
    by_grade = {count.grade: count for count in window.qualities}
    return [
        QualitySummary(grade=grade, responses=count.responses, flagged=share_view(count.flagged, count.checked))
        for grade in (*QUALITY_GRADES, None)
        if (count := by_grade.get(grade)) is not None
    ]


def share_view(flagged: int, checked: int) -> Share:
    """A share as the API shows it."""
    return Share(**msgspec.structs.asdict(share(flagged, checked)))


def _detectors(window: WindowSummary) -> list[DetectorSummary]:
    states: dict[str, dict[OutcomeState, int]] = {}
    judged: dict[str, tuple[int, int]] = {}
    for count in window.detectors:
        states.setdefault(count.detector, {})[count.state] = count.responses
        if count.state in CHECKED_STATES:
            judged[count.detector] = (count.flagged, count.responses)
    views = []
    for name in sorted(states):
        p50, p95 = window.detector_duration_ms.get(name, (None, None))
        flagged = share_view(*judged.get(name, (0, 0)))
        views.append(DetectorSummary(detector=name, states=states[name], flagged=flagged, duration_ms_p50=p50, duration_ms_p95=p95))
    return views


@router.get("/v1/trends")
def get_trends(
    found: Filter,
    running: Running,
    bucket: Annotated[Literal["auto", "60", "600", "3600", "86400"], Query(description="Seconds, or auto.")] = "auto",
) -> Trends:
    """The same numbers over time. A window that would need more than 2,000 buckets gets the next larger ones."""
    bucket_s = _bucket_of(found, bucket)
    points = [
        TrendPoint(
            start=point.start,
            responses=point.responses,
            checked=point.checked,
            flagged=share_view(point.flagged, point.checked),
            duration_ms_p50=point.duration_ms_p50,
            duration_ms_p95=point.duration_ms_p95,
            cost_mean=point.cost_mean,
            cost_total=point.cost_total,
        )
        for point in running.reader.trends(found, bucket_s)
    ]
    marks = [ReleaseMark(time=time, version=version) for time, version in running.reader.release_marks(found)]
    return Trends(bucket_s=bucket_s, points=points, marks=marks)


def _bucket_of(found: ResponseFilter, bucket: str) -> int:
    seconds = (found.until - found.since).total_seconds()
    by_itself = next((size for size, longest in _BY_ITSELF if seconds <= longest), _DAY)
    wanted = by_itself if bucket == "auto" else int(bucket)
    return next((size for size in (_MINUTE, _TEN_MINUTES, _HOUR, _DAY) if size >= wanted and seconds / size <= MAX_POINTS), _DAY)


@router.get("/v1/facets")
def get_facets(running: Running, who: Who, since: Since = None, until: Until = None) -> Facets:
    """Values present in a window, most frequent first."""
    start, end = span_of(running, since, until)
    return Facets(**msgspec.structs.asdict(running.reader.facets(who.project, start, end)))

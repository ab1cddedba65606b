"""The filter that the list, the summary and the trends share, read from the query string."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Query
from pydantic import AwareDatetime

from monitor.api.access import Who
from monitor.api.context import Context, Running
from monitor.errors import RecordInvalid
from monitor.findings import QualityGrade, Verdict
from monitor.records import MAX_COHORT_KEYS, Risk
from monitor.store.rows import ResponseFilter

DEFAULT_WINDOW = timedelta(hours=24)

Since = Annotated[AwareDatetime | None, Query(description="RFC 3339 with offset; default 24 hours before `until`.")]
Until = Annotated[AwareDatetime | None, Query(description="RFC 3339 with offset, exclusive; default now and what clocks may run ahead.")]
Short = Annotated[str | None, Query(min_length=1, max_length=256)]


def span_of(running: Context, since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    """The window as two aware times. A response from a clock that runs ahead still shows in the default window.

    Raises:
        RecordInvalid: it ends before it starts, or lies outside the calendar.
    """
    now = running.clock.now()
    end = until or now + timedelta(seconds=running.settings.future_tolerance_s)
    try:
        start = since or min(end, now) - DEFAULT_WINDOW
        start, end = start.astimezone(UTC), end.astimezone(UTC)
    except OverflowError:
        raise RecordInvalid(
            "until" if since is None else "since", "lies outside the calendar", "Send a time between 1900 and 2299"
        ) from None
    if end <= start:
        raise RecordInvalid("until", f"{end.isoformat()} is not after since {start.isoformat()}", "Send since < until")
    return start, end


def _cohort_of(pairs: list[str]) -> dict[str, str]:
    if len(pairs) > MAX_COHORT_KEYS:
        raise RecordInvalid("cohort", f"{len(pairs)} pairs are given", f"Send at most {MAX_COHORT_KEYS}")
    cohort: dict[str, str] = {}
    for pair in pairs:
        key, colon, value = pair.partition(":")
        if not colon or not key:
            raise RecordInvalid("cohort", f"{pair[:80]!r} is not key:value", "Send cohort=device:phone")
        cohort[key] = value
    return cohort


async def _filter_of(
    running: Running,
    who: Who,
    since: Since = None,
    until: Until = None,
    workflow: Short = None,
    risk: Annotated[Risk | None, Query()] = None,
    model: Short = None,
    release: Short = None,
    detector: Short = None,
    verdict: Annotated[Verdict | None, Query(description="The worst over all detectors; not_checked = judged by none.")] = None,
    modality: Short = None,
    quality: Annotated[QualityGrade | None, Query(description="The worst grade of the evidence; one not measured matches none.")] = None,
    cohort: Annotated[list[str], Query(description="key:value; repeat it to narrow further.")] = [],  # noqa: B006 - FastAPI copies it
    text: Annotated[str | None, Query(min_length=1, max_length=1000, description="Part of the answer, or the exact id.")] = None,
    min_score: Annotated[float | None, Query(ge=0, le=1)] = None,
) -> ResponseFilter:
    start, end = span_of(running, since, until)
    return ResponseFilter(
        project=who.project,
        since=start,
        until=end,
        workflow=workflow,
        risk=risk,
        model=model,
        release=release,
        detector=detector,
        verdict=verdict,
        modality=modality,
        quality=quality,
        cohort=_cohort_of(cohort),
        text=text,
        min_score=min_score,
    )


Filter = Annotated[ResponseFilter, Depends(_filter_of)]

"""From a filter to the conditions and typed parameters of a query, and how large windows and id lists are cut up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from monitor.store.rows import ResponseFilter
from monitor.store.unfolding import stamp

# The newest page usually lies in the last hour; only a rare filter makes the list look at the whole window.
LIST_SPANS = (timedelta(hours=1), timedelta(hours=12), timedelta(days=6), timedelta(days=60))
ID_CHUNK = 1000


def window(project: str, since: datetime, until: datetime) -> dict[str, Any]:
    """Parameters of a question about a project's window, for all detectors."""
    return {"project": project, "since": stamp(since), "until": stamp(until), "detector": ""}


def conditions(f: ResponseFilter) -> tuple[list[str], dict[str, Any]]:
    """Names of the fragments a filter needs, and the parameters of the whole question."""
    given = {
        "workflow": f.workflow,
        "risk": f.risk,
        "model": f.model,
        "release": f.release,
        "modality": f.modality,
        "quality": f.quality,
        "detector": f.detector,
        "text": f.text,
        "min_score": f.min_score,
    }
    present = {name: value for name, value in given.items() if value is not None and value != ""}
    parameters = window(f.project, f.since, f.until) | present
    filters = list(present)
    if f.verdict is not None:
        filters.append(f.verdict)
    if f.cohort:
        filters.append("cohort")
        parameters |= {"cohort_keys": list(f.cohort), "cohort_values": list(f.cohort.values())}
    return filters, parameters


def descending(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The window in growing pieces from its end to its start."""
    high = until
    for span in LIST_SPANS:
        if high - span <= since:
            break
        yield high - span, high
        high -= span
    if since < high:
        yield since, high


def times_of(times: Iterable[datetime]) -> list[str]:
    """Distinct times as parameters."""
    return sorted({stamp(time) for time in times})


def chunks(ids: list[str]) -> Iterator[list[str]]:
    """Ids in lists that fit into one question."""
    for start in range(0, len(ids), ID_CHUNK):
        yield ids[start : start + ID_CHUNK]

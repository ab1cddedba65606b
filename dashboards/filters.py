"""What the reader looks at – range and filters – as one value that lives in the address bar, so a link shows the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta

from dashboards.wording import moment

RANGES: dict[str, tuple[str, timedelta]] = {
    "1h": ("Last hour", timedelta(hours=1)),
    "6h": ("Last 6 hours", timedelta(hours=6)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
    "90d": ("Last 90 days", timedelta(days=90)),
}
DEFAULT_RANGE = "24h"
SINGLE = ("workflow", "model", "release", "detector", "verdict", "risk", "modality", "quality", "text", "min_score")
# Relative windows start on a whole minute, so that readers within a minute share one cached answer.
STEP_S = 60


@dataclass(frozen=True, slots=True)
class Filters:
    """A window of time and what it is narrowed to. ``since`` (RFC 3339) beats ``range``; ``cohort`` is ``key:value``."""

    range: str = DEFAULT_RANGE
    since: str | None = None
    until: str | None = None
    workflow: str | None = None
    model: str | None = None
    release: str | None = None
    detector: str | None = None
    verdict: str | None = None
    risk: str | None = None
    modality: str | None = None
    quality: str | None = None
    text: str | None = None
    min_score: str | None = None
    cohort: tuple[str, ...] = ()

    @property
    def narrowed(self) -> dict[str, str]:
        """The filters that are set, without the window, as words for the reader."""
        set_ones = {name: getattr(self, name) for name in SINGLE if getattr(self, name)}
        return {**set_ones, **({"cohort": ", ".join(self.cohort)} if self.cohort else {})}

    def window(self, now: datetime) -> tuple[datetime, datetime | None]:
        """Start and end in UTC; the end is None where the window reaches to now."""
        if (fixed := parse_time(self.since)) is not None:
            return fixed, parse_time(self.until)
        start = now - RANGES[self.range][1]
        return datetime.fromtimestamp(start.timestamp() // STEP_S * STEP_S, UTC), None

    def before(self, now: datetime) -> Filters:
        """The window of equal length that ends where this one starts, with the same filters."""
        since, until = self.window(now)
        length = (until or datetime.fromtimestamp(now.timestamp() // STEP_S * STEP_S, UTC)) - since
        return replace(self, since=(since - length).isoformat(), until=since.isoformat())

    def describe(self, now: datetime) -> str:
        """The window in words."""
        if self.since is None:
            return RANGES[self.range][0].lower()
        since, until = self.window(now)
        return f"{moment(since, UTC)} to {moment(until, UTC) if until else 'now'}"

    def api(self, now: datetime) -> tuple[tuple[str, str], ...]:
        """Query parameters of the API."""
        since, until = self.window(now)
        pairs = [("since", since.isoformat())]
        if until is not None:
            pairs.append(("until", until.isoformat()))
        pairs += [(name, value) for name in SINGLE if (value := getattr(self, name))]
        return (*pairs, *(("cohort", pair) for pair in self.cohort))

    def address(self) -> dict[str, str | list[str]]:
        """Query parameters of the dashboard's own pages; defaults are left out."""
        params: dict[str, str | list[str]] = {name: value for name in SINGLE if (value := getattr(self, name))}
        if self.since is not None:
            params["since"] = self.since
            if self.until is not None:
                params["until"] = self.until
        elif self.range != DEFAULT_RANGE:
            params["range"] = self.range
        if self.cohort:
            params["cohort"] = list(self.cohort)
        return params


def parse_time(text: str | None) -> datetime | None:
    """An RFC 3339 time; None where there is none or it cannot be read (a link typed by hand must not break the page)."""
    if not text:
        return None
    try:
        when = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        return None
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def from_address(params: Mapping[str, str], cohorts: Iterable[str]) -> Filters:
    """Read the address bar; what is unknown or unreadable falls back to the default."""
    known = {field.name for field in fields(Filters)} - {"cohort", "range", "since", "until"}
    values = {name: value for name, value in params.items() if name in known and value}
    chosen = params.get("range", DEFAULT_RANGE)
    since = params.get("since") if parse_time(params.get("since")) else None
    return Filters(
        range=chosen if chosen in RANGES else DEFAULT_RANGE,
        since=since,
        until=params.get("until") if since and parse_time(params.get("until")) else None,
        cohort=tuple(dict.fromkeys(pair for pair in cohorts if ":" in pair)),
        **values,
    )


def from_samples(samples: Mapping[str, str]) -> Filters:
    """The list filter an alert carries: at most one cohort, as ``key:value``."""
    return from_address(samples, [samples["cohort"]] if "cohort" in samples else [])

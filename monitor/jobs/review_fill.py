"""Draws responses into the review queue as soon as all detectors are done with them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from monitor.jobs.job import JobFacts, Watch
from monitor.metadata.database import Database
from monitor.metadata.review import ReviewItems
from monitor.review.sampling import SamplingPolicy, item_of
from monitor.settings import Settings

# Responses come late (a backlog, a client that was offline), so each run looks back beyond the last one, and once an hour
# far back.
LOOK_BACK = timedelta(hours=1)
DEEP_LOOK_BACK = timedelta(hours=24)
FIRST_LOOK_BACK = timedelta(days=7)
DEEP_EVERY = timedelta(hours=1)
# A detector that has not ended by then will not be waited for.
PATIENCE = timedelta(hours=1)
# How long an outcome may take into the store; one that takes longer is drawn for when patience ends.
ON_THE_WAY = timedelta(minutes=2)
SLAB = timedelta(hours=1)
BATCH = 1000
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


class ReviewFillJob:
    """Fills the queue; running it again changes nothing, because draws depend on nothing but the response."""

    name = "review_fill"

    def __init__(self, watch: Watch, settings: Settings, database: Database) -> None:
        self.interval_s = settings.review_interval_s
        self._watch = watch
        self._items = ReviewItems(database)
        self._policy = SamplingPolicy(floor=settings.review_floor)
        self._detectors = frozenset(settings.detectors)
        self._deep: dict[str, datetime] = {}
        self._until: dict[str, datetime] = {}

    def look(self, project: str, facts: JobFacts) -> None:
        """Draw among the responses that all detectors have ended on since the last look, or that were waited for long enough.

        Drawing before all have ended would use a chance that later findings change.
        """
        now = self._watch.clock.now()
        begin, ended_since = self._since(project, now)
        queued = 0
        for since, until in slabs(begin, now):
            candidates = self._watch.reader.review_candidates(
                project, since, until, detectors=self._detectors, ended_since=ended_since, old=now - PATIENCE
            )
            facts.examined += len(candidates)
            for first in range(0, len(candidates), BATCH):
                drawn = (item_of(self._policy, project, candidate) for candidate in candidates[first : first + BATCH])
                items = [item for item in drawn if item is not None]
                known = self._items.known(project, [item.response_id for item in items])
                queued += self._items.add(project, [item for item in items if item.response_id not in known], now)
        facts.notes["queued"] = facts.notes.get("queued", 0) + queued
        self._until[project] = now

    def _since(self, project: str, now: datetime) -> tuple[datetime, datetime]:
        """From which response on to look, and from which outcome on."""
        last = self._until.get(project)
        if last is None:
            self._deep[project] = now
            return now - FIRST_LOOK_BACK, _EVER
        if now - self._deep[project] >= DEEP_EVERY:
            self._deep[project] = now
            return min(last - LOOK_BACK, now - DEEP_LOOK_BACK), _EVER
        return last - LOOK_BACK, last - ON_THE_WAY


def slabs(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The time between, cut at full hours, so that no query has to return more than an hour of responses."""
    while since < until:
        end = min(until, since.replace(minute=0, second=0, microsecond=0) + SLAB)
        yield since, end
        since = end

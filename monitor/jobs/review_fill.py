"""Draws responses into the review queue as soon as all detectors are done with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from monitor.jobs.job import JobFacts, Watch
from monitor.metadata.database import Database
from monitor.metadata.review import ReviewItems
from monitor.review.sampling import SamplingPolicy, item_of
from monitor.settings import Settings
from monitor.store.rows import ReviewCandidate

# Responses come late (a backlog, a client that was offline), so each run looks back beyond the last one. What it saw
# before it knows by heart; a longer look back is made once an hour.
LOOK_BACK = timedelta(hours=1)
DEEP_LOOK_BACK = timedelta(hours=24)
FIRST_LOOK_BACK = timedelta(days=7)
DEEP_EVERY = timedelta(hours=1)
# A detector that has not ended by then will not be waited for.
PATIENCE = timedelta(hours=1)
SLAB = timedelta(hours=1)
BATCH = 1000


class ReviewFillJob:
    """Fills the queue; running it again changes nothing, because draws depend on nothing but the response."""

    name = "review_fill"

    def __init__(self, watch: Watch, settings: Settings, database: Database) -> None:
        self.interval_s = settings.review_interval_s
        self._watch = watch
        self._items = ReviewItems(database)
        self._policy = SamplingPolicy(floor=settings.review_floor)
        self._detectors = frozenset(settings.detectors)
        self._drawn: dict[str, dict[str, datetime]] = {}
        self._deep: dict[str, datetime] = {}
        self._until: dict[str, datetime] = {}

    def look(self, project: str, facts: JobFacts) -> None:
        """Draw among the responses that were not drawn for yet."""
        now = self._watch.clock.now()
        drawn = self._drawn.setdefault(project, {})
        queued = 0
        for since, until in slabs(self._since(project, now), now):
            candidates = [c for c in self._watch.reader.review_candidates(project, since, until) if c.id not in drawn]
            for first in range(0, len(candidates), BATCH):
                ready = self._ready(project, candidates[first : first + BATCH], now)
                facts.examined += len(ready)
                items = [item for item in (item_of(self._policy, project, candidate) for candidate in ready) if item is not None]
                known = self._items.known(project, [item.response_id for item in items])
                queued += self._items.add(project, [item for item in items if item.response_id not in known], now)
                drawn.update((candidate.id, candidate.time) for candidate in ready)
        facts.notes["queued"] = facts.notes.get("queued", 0) + queued
        # Only what the short look back meets again is worth remembering.
        self._drawn[project] = {key: time for key, time in drawn.items() if time >= now - LOOK_BACK - SLAB}
        self._until[project] = now

    def _since(self, project: str, now: datetime) -> datetime:
        last = self._until.get(project)
        if last is None:
            self._deep[project] = now
            return now - FIRST_LOOK_BACK
        if now - self._deep[project] >= DEEP_EVERY:
            self._deep[project] = now
            return min(last - LOOK_BACK, now - DEEP_LOOK_BACK)
        return last - LOOK_BACK

    def _ready(self, project: str, candidates: Sequence[ReviewCandidate], now: datetime) -> list[ReviewCandidate]:
        """Those all detectors are done with. Drawing earlier would use a chance that later findings change."""
        young = [candidate.id for candidate in candidates if now - candidate.time <= PATIENCE]
        states = self._watch.reader.outcome_states(project, young) if young else {}
        done = {identifier for identifier in young if self._detectors <= states.get(identifier, {}).keys()}
        return [candidate for candidate in candidates if candidate.id in done or now - candidate.time > PATIENCE]


def slabs(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The time between, cut at full hours, so that no query has to return more than an hour of responses."""
    while since < until:
        end = min(until, since.replace(minute=0, second=0, microsecond=0) + SLAB)
        yield since, end
        since = end

"""Has the mean cost of a response left its usual range? Unpriced responses are counted beside it, never as free."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Literal, cast

import msgspec

from monitor.alerts.params import CostParams, read_params
from monitor.alerts.rules import governs
from monitor.jobs.job import Condition, JobFacts, Watch
from monitor.metadata.rules import RuleRecord
from monitor.store.rows import SliceBucket

HOUR = timedelta(hours=1)
# MAD × 1.4826 estimates the standard deviation of normal data: Rousseeuw & Croux 1993, JASA 88:1273-1283.
MAD_TO_SIGMA = 1.4826
# Hours whose costs never vary would make every cent an anomaly; 5% of the cost is the least scatter assumed.
LEAST_SCATTER = 0.05
# Other weeks (days) needed before the median of the same hour of the week (day) is used.
WEEKS_FOR_SEASON = 3
DAYS_FOR_SEASON = 4
# An hour with fewer priced responses says nothing of what is usual.
LEAST_PRICED = 5
# A workflow with little traffic is judged over as many hours as it takes, up to this.
LONGEST_WINDOW = 6

Season = Literal["hour of the week", "hour of the day", "none"]


class HourCost(msgspec.Struct, frozen=True):
    """Mean cost over the ``priced`` responses of one hour."""

    start: datetime
    mean: float
    priced: int


class CostVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The window beside what is usual: ``z`` robust standard deviations of log cost, ``ratio`` = mean / usual."""

    mean: float
    priced: int
    usual: float
    ratio: float
    z: float
    hours: int
    season: Season


def judge_cost(window: Sequence[HourCost], history: Sequence[HourCost], params: CostParams) -> CostVerdict | None:
    """Robust z-score of the window's log mean cost; None where window or history hold too little.

    z = (log mean − usual) / (1.4826 · MAD), Iglewicz & Hoaglin 1993, "How to Detect and Handle Outliers", section 3,
    on logarithms because costs multiply. ``usual`` is the median of all hours, with enough days that of the same hour of
    the day and with enough weeks that of the same hour of the week, neighbouring hours included. Each hour of the
    history is measured against the hours of *other* days: against a median it is part of it would look too regular.
    A window with less traffic than usual scatters more, so the scale grows with √(usual count / count).
    """
    usable = [hour for hour in history if hour.mean > 0 and hour.priced >= LEAST_PRICED]
    priced = sum(hour.priced for hour in window)
    total = sum(hour.mean * hour.priced for hour in window)
    if priced < params.min_priced or total <= 0 or len(usable) < params.min_hours:
        return None
    seasons = _Seasons(usable)
    scatter = MAD_TO_SIGMA * statistics.median(abs(math.log(hour.mean) - seasons.usual(hour.start)[0]) for hour in usable)
    scatter = max(LEAST_SCATTER, scatter) * math.sqrt(max(1.0, statistics.median(hour.priced for hour in usable) / priced))
    usual, season = seasons.usual(window[-1].start)
    mean = total / priced
    return CostVerdict(
        mean=mean,
        priced=priced,
        usual=math.exp(usual),
        ratio=mean / math.exp(usual),
        z=(math.log(mean) - usual) / scatter,
        hours=len(usable),
        season=season,
    )


def window_of(hours: Sequence[HourCost], this_hour: datetime, params: CostParams) -> list[HourCost]:
    """The hour under way and the last full one, and as many before as it takes to have enough priced responses."""
    window: list[HourCost] = []
    for hour in sorted(hours, key=lambda hour: hour.start, reverse=True):
        if hour.start < this_hour - HOUR and sum(one.priced for one in window) >= params.min_priced:
            break
        window.insert(0, hour)
    return window


class _Seasons:
    """What an hour usually costs, in logarithms, from the hours of other days."""

    def __init__(self, hours: Sequence[HourCost]) -> None:
        self._overall = statistics.median(math.log(hour.mean) for hour in hours)
        self._slots: dict[tuple[Season, int], list[tuple[date, float]]] = defaultdict(list)
        for hour in hours:
            for neighbour in (-HOUR, timedelta(0), HOUR):
                for season, _, slot in _slots(hour.start + neighbour):
                    self._slots[season, slot].append((hour.start.date(), math.log(hour.mean)))

    def usual(self, start: datetime) -> tuple[float, Season]:
        """The median of the narrowest season that other days know enough of."""
        for season, days, slot in _slots(start):
            others = [(day, value) for day, value in self._slots.get((season, slot), []) if day != start.date()]
            if len({day for day, _ in others}) >= days:
                return statistics.median(value for _, value in others), season
        return self._overall, "none"


def _slots(start: datetime) -> list[tuple[Season, int, int]]:
    """Seasons an hour belongs to, the narrowest first: name, days needed, slot."""
    return [("hour of the week", WEEKS_FOR_SEASON, start.weekday() * 24 + start.hour), ("hour of the day", DAYS_FOR_SEASON, start.hour)]


class CostJob:
    """Looks at the mean cost of every workflow of a project."""

    name = "cost_anomaly"

    def __init__(self, watch: Watch, interval_s: int) -> None:
        self.interval_s = interval_s
        self._watch = watch

    def look(self, project: str, facts: JobFacts) -> None:
        """Examine all workflows under each cost rule."""
        rules = self._watch.rules.enabled(project, "cost_anomaly")
        for rule in rules:
            self._look(project, rule, rules, facts)

    def _look(self, project: str, rule: RuleRecord, rules: Sequence[RuleRecord], facts: JobFacts) -> None:
        params = cast(CostParams, read_params(rule.kind, rule.params))
        now = self._watch.clock.now()
        this_hour = now.replace(minute=0, second=0, microsecond=0)
        since = this_hour - LONGEST_WINDOW * HOUR
        conditions: list[Condition] = []
        clear: list[tuple[str, ...]] = []
        workflows: dict[str, list[SliceBucket]] = defaultdict(list)
        for bucket in self._watch.reader.slice_buckets(project, since - timedelta(days=params.history_days), now):
            if not bucket.cohort_key and governs(rule, bucket.workflow, rules):
                workflows[bucket.workflow].append(bucket)
        frozen = {alert.labels.get("workflow"): alert.opened_at - 2 * HOUR for alert in self._watch.lifecycle.unresolved(project, rule)}
        for workflow, buckets in sorted(workflows.items()):
            hours = [HourCost(b.start, b.cost_mean, b.priced) for b in buckets if b.cost_mean is not None and b.priced]
            # What is under alert must not become usual by lasting.
            before = min(since, frozen.get(workflow, since))
            window = window_of([hour for hour in hours if hour.start >= since], this_hour, params)
            verdict = judge_cost(window, [hour for hour in hours if hour.start < before], params)
            if verdict is None:
                continue
            facts.examined += 1
            if verdict.z >= params.threshold and verdict.ratio >= params.min_ratio:
                conditions.append(_condition(workflow, verdict, [b for b in buckets if b.start >= window[0].start], now))
            elif verdict.z <= -params.threshold and verdict.ratio <= 1 / params.min_ratio:
                facts.note("fallen", {"workflow": workflow, **msgspec.structs.asdict(verdict)})
                clear.append((workflow,))
            elif verdict.z < params.threshold / 2 or verdict.ratio < params.min_ratio:
                clear.append((workflow,))
        self._watch.report(project, rule, conditions, clear, params.resolve_after_s, facts)


def _condition(workflow: str, verdict: CostVerdict, window: Sequence[SliceBucket], now: datetime) -> Condition:
    since = window[0].start
    responses = sum(bucket.responses for bucket in window)
    unpriced = responses - verdict.priced
    season = "" if verdict.season == "none" else f" for this {verdict.season}"
    summary = (
        f"The mean over {verdict.priced} priced responses since {since:%Y-%m-%d %H:%M} UTC is {verdict.mean:.4g}; usual{season} is "
        f"{verdict.usual:.4g} ({verdict.z:.1f} robust standard deviations)."
    )
    if unpriced > 0:
        summary += f" {unpriced} of {responses} responses have no price and are in neither number."
    return Condition(
        parts=(workflow,),
        title=f"A response of {workflow} costs {verdict.ratio:.1f} times the usual",
        summary=summary,
        labels={"workflow": workflow},
        facts={**msgspec.structs.asdict(verdict), "responses": responses, "unpriced": unpriced, "since": since.isoformat()},
        samples={"since": since.isoformat(), "until": now.isoformat(), "workflow": workflow},
        window_start=since,
    )

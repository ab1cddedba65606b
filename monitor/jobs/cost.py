"""Has the mean cost of a response left its usual range? Unpriced responses are counted beside it, never as free."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

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
# Values of the same hour of the week needed before that hour's own median is used.
WEEKS_FOR_SEASON = 3


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
    seasonal: bool


def judge_cost(window: Sequence[HourCost], history: Sequence[HourCost], params: CostParams) -> CostVerdict | None:
    """Robust z-score of the window's log mean cost; None where window or history hold too little.

    z = (log mean − median) / (1.4826 · MAD), Iglewicz & Hoaglin 1993, "How to Detect and Handle Outliers", section 3,
    on logarithms because costs multiply. With enough weeks the median of the same hour of the week is taken out first.
    An hour with less traffic than usual scatters more, so the scale grows with √(usual count / count).
    """
    usable = [hour for hour in history if hour.mean > 0 and hour.priced >= max(5, params.min_priced // 2)]
    priced = sum(hour.priced for hour in window)
    total = sum(hour.mean * hour.priced for hour in window)
    if priced < params.min_priced or total <= 0 or len(usable) < params.min_hours:
        return None
    logs = [math.log(hour.mean) for hour in usable]
    seasons: dict[int, list[float]] = defaultdict(list)
    for hour, value in zip(usable, logs, strict=True):
        seasons[_hour_of_week(hour.start)].append(value)
    overall = statistics.median(logs)
    medians = {slot: statistics.median(values) for slot, values in seasons.items() if len(values) >= WEEKS_FOR_SEASON}
    rest = [value - medians.get(_hour_of_week(hour.start), overall) for hour, value in zip(usable, logs, strict=True)]
    centre = statistics.median(rest)
    scatter = max(LEAST_SCATTER, MAD_TO_SIGMA * statistics.median(abs(value - centre) for value in rest))
    scatter *= math.sqrt(max(1.0, statistics.median(hour.priced for hour in usable) / priced))
    slot = _hour_of_week(window[-1].start)
    usual = medians.get(slot, overall) + centre
    mean = total / priced
    return CostVerdict(
        mean=mean,
        priced=priced,
        usual=math.exp(usual),
        ratio=mean / math.exp(usual),
        z=(math.log(mean) - usual) / scatter,
        hours=len(usable),
        seasonal=slot in medians,
    )


def _hour_of_week(start: datetime) -> int:
    return start.weekday() * 24 + start.hour


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
        # The hour under way and the last full one: right after the full hour the former alone would be too little.
        since = now.replace(minute=0, second=0, microsecond=0) - HOUR
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
            verdict = judge_cost([h for h in hours if h.start >= since], [h for h in hours if h.start < before], params)
            if verdict is None:
                continue
            facts.examined += 1
            if verdict.z >= params.threshold and verdict.ratio >= params.min_ratio:
                conditions.append(_condition(workflow, verdict, [b for b in buckets if b.start >= since], since, now))
            elif verdict.z <= -params.threshold and verdict.ratio <= 1 / params.min_ratio:
                facts.note("fallen", {"workflow": workflow, **msgspec.structs.asdict(verdict)})
                clear.append((workflow,))
            elif verdict.z < params.threshold / 2 or verdict.ratio < params.min_ratio:
                clear.append((workflow,))
        self._watch.report(project, rule, conditions, clear, params.resolve_after_s, facts)


def _condition(workflow: str, verdict: CostVerdict, window: Sequence[SliceBucket], since: datetime, now: datetime) -> Condition:
    responses = sum(bucket.responses for bucket in window)
    unpriced = responses - verdict.priced
    summary = (
        f"The mean over {verdict.priced} priced responses since {since:%Y-%m-%d %H:%M} UTC is {verdict.mean:.4g}; usual "
        f"{'for this hour of the week ' if verdict.seasonal else ''}is {verdict.usual:.4g} ({verdict.z:.1f} robust standard deviations)."
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

"""Is a stage slower than its rule allows, or are too many responses over the budget they were sent with?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

from monitor.alerts.params import LatencyParams, read_params
from monitor.alerts.rules import governs
from monitor.jobs.job import Condition, JobFacts, Watch
from monitor.metadata.rules import RuleRecord
from monitor.score import share
from monitor.store.rows import StageLatency

# An alert clears only well below its limit, or a percentile that sits on the limit would open and close it all day.
CLEAR_BELOW = 0.95


class LatencyJob:
    """Looks at every stage of every workflow of a project."""

    name = "latency_threshold"

    def __init__(self, watch: Watch, interval_s: int) -> None:
        self.interval_s = interval_s
        self._watch = watch

    def look(self, project: str, facts: JobFacts) -> None:
        """Examine the last window under each latency rule."""
        rules = self._watch.rules.enabled(project, "latency_threshold")
        for rule in rules:
            self._look(project, rule, rules, facts)

    def _look(self, project: str, rule: RuleRecord, rules: Sequence[RuleRecord], facts: JobFacts) -> None:
        params = cast(LatencyParams, read_params(rule.kind, rule.params))
        now = self._watch.clock.now()
        since = now - timedelta(seconds=params.window_s)
        conditions: list[Condition] = []
        clear: list[tuple[str, ...]] = []
        for stage in self._watch.reader.stage_latencies(project, since, now):
            if governs(rule, stage.workflow, rules):
                facts.examined += 1
                for condition, parts in (_too_slow(stage, params, since, now), _over_budget(stage, params, since, now)):
                    if condition is not None:
                        conditions.append(condition)
                    elif parts is not None:
                        clear.append(parts)
        self._watch.report(project, rule, conditions, clear, params.resolve_after_s, facts)


Judged = tuple[Condition | None, tuple[str, ...] | None]


def _too_slow(stage: StageLatency, params: LatencyParams, since: datetime, now: datetime) -> Judged:
    """The 95th percentile against the rule; (None, None) where there is no limit or too little to judge."""
    limit = params.p95_ms.get(stage.stage)
    parts = (stage.workflow, stage.stage, "p95")
    if limit is None or stage.responses < params.min_responses:
        return None, None
    if stage.p95_ms <= limit:
        return None, parts if stage.p95_ms <= limit * CLEAR_BELOW else None
    named = "responses" if stage.stage == "total" else f"stage {stage.stage}"
    return (
        Condition(
            parts=parts,
            title=f"{stage.workflow}: 95th percentile of {named} is {stage.p95_ms / 1000:.1f} s, limit {limit / 1000:.1f} s",
            summary=(
                f"Over {stage.responses} responses since {since:%Y-%m-%d %H:%M} UTC: p50 {stage.p50_ms:.0f} ms, "
                f"p95 {stage.p95_ms:.0f} ms, p99 {stage.p99_ms:.0f} ms."
            ),
            labels={"workflow": stage.workflow, "stage": stage.stage},
            facts={
                "p50_ms": stage.p50_ms,
                "p95_ms": stage.p95_ms,
                "p99_ms": stage.p99_ms,
                "limit_ms": limit,
                "responses": stage.responses,
                "since": since.isoformat(),
            },
            samples={"since": since.isoformat(), "until": now.isoformat(), "workflow": stage.workflow},
            window_start=since,
        ),
        parts,
    )


def _over_budget(stage: StageLatency, params: LatencyParams, since: datetime, now: datetime) -> Judged:
    """The share of responses over their own budget; the lower end of its interval must exceed the rule's share."""
    parts = (stage.workflow, stage.stage, "budget")
    if stage.with_budget < params.min_responses:
        return None, None
    over = share(stage.over_budget, stage.with_budget)
    value, low = over.value or 0.0, over.low or 0.0
    if low <= params.over_budget_share:
        return None, parts if value <= params.over_budget_share else None
    return (
        Condition(
            parts=parts,
            title=f"{stage.workflow}: {value:.0%} of responses are over the budget of stage {stage.stage}",
            summary=(
                f"{stage.over_budget} of {stage.with_budget} responses since {since:%Y-%m-%d %H:%M} UTC took longer than the budget "
                f"they were sent with (95% interval {low:.0%} to {over.high or 0:.0%}; the rule allows {params.over_budget_share:.0%})."
            ),
            labels={"workflow": stage.workflow, "stage": stage.stage},
            facts={
                "over_budget": stage.over_budget,
                "with_budget": stage.with_budget,
                "share": value,
                "limit_share": params.over_budget_share,
                "since": since.isoformat(),
            },
            samples={"since": since.isoformat(), "until": now.isoformat(), "workflow": stage.workflow},
            window_start=since,
        ),
        parts,
    )

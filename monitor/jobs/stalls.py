"""Raises an alert while a stage makes no progress: the store is away or refuses everything, or detection has stopped itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import cast

import msgspec

from monitor.alerts.params import StallParams, read_params
from monitor.jobs.job import Condition, JobFacts, Watch


class Stall(msgspec.Struct, frozen=True, kw_only=True):
    """A stage that stands still. Nothing is lost meanwhile: what was acknowledged waits on disk."""

    stage: str
    reason: str
    since: datetime


class StallJob:
    """Asks the stages of this process; every active project is told, since all of them wait."""

    name = "pipeline_stalled"

    def __init__(self, watch: Watch, interval_s: int, stalls: Callable[[], Sequence[Stall]]) -> None:
        self.interval_s = interval_s
        self._watch = watch
        self._stalls = stalls

    def look(self, project: str, facts: JobFacts) -> None:
        """One alert a stage; it resolves when the stage moves again."""
        now = self._watch.clock.now()
        stalls = self._stalls()
        facts.examined += 1
        for rule in self._watch.rules.enabled(project, "pipeline_stalled"):
            params = cast(StallParams, read_params(rule.kind, rule.params))
            long = [stall for stall in stalls if now - stall.since >= timedelta(seconds=params.min_stalled_s)]
            standing = {stall.stage for stall in stalls}
            moving = [(stage,) for stage in ("store", "detect") if stage not in standing]
            self._watch.report(project, rule, [_condition(stall) for stall in long], moving, params.resolve_after_s, facts)


def _condition(stall: Stall) -> Condition:
    what = {"store": "responses are not stored", "detect": "responses are not checked"}[stall.stage]
    return Condition(
        parts=(stall.stage,),
        title=f"Stage {stall.stage} stands still: {what}",
        summary=f"Since {stall.since:%Y-%m-%d %H:%M} UTC {what}. What was acknowledged waits on disk. Reason: {stall.reason}",
        labels={"stage": stall.stage},
        facts={"stage": stall.stage, "reason": stall.reason, "since": stall.since.isoformat()},
        samples={},
        window_start=stall.since,
    )

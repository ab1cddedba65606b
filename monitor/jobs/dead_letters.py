"""Raises an alert while dead letters wait for somebody."""

from __future__ import annotations

from typing import cast

from monitor.alerts.params import LetterParams, read_params
from monitor.jobs.job import Condition, JobFacts, Watch
from monitor.metadata.database import Database
from monitor.metadata.letters import DeadLetters


class DeadLetterJob:
    """Counts the waiting dead letters of a project."""

    name = "dead_letters"

    def __init__(self, watch: Watch, interval_s: int, database: Database) -> None:
        self.interval_s = interval_s
        self._watch = watch
        self._letters = DeadLetters(database, watch.clock)

    def look(self, project: str, facts: JobFacts) -> None:
        """One alert for all of them; it resolves when none is left."""
        now = self._watch.clock.now()
        stages = self._letters.waiting_by_stage(project)
        waiting = sum(stages.values())
        facts.examined += waiting
        for rule in self._watch.rules.enabled(project, "dead_letters"):
            params = cast(LetterParams, read_params(rule.kind, rule.params))
            if waiting < params.min_waiting:
                self._watch.report(project, rule, [], [("waiting",)], params.resolve_after_s, facts)
                continue
            named = ", ".join(f"{count} in {stage}" for stage, count in sorted(stages.items()))
            latest = self._letters.list(project, limit=5, state="waiting")[0]
            condition = Condition(
                parts=("waiting",),
                title=f"{waiting} dead letter{'s' if waiting > 1 else ''} waiting",
                summary=f"What could not be processed waits for a person: {named}. Latest reason: {latest[0].reason}",
                labels={},
                facts={"waiting": waiting, "stages": stages, "latest": [letter.response_id for letter in latest]},
                samples={},
                # Resolved by hand while they still wait: told again only when a newer one comes.
                window_start=max((letter.created_at for letter in latest), default=now),
            )
            self._watch.report(project, rule, [condition], [], params.resolve_after_s, facts)

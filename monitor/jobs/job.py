"""What every job is given and what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from monitor.alerts.lifecycle import Lifecycle, fingerprint_of
from monitor.alerts.rules import RuleBook
from monitor.clock import Clock
from monitor.metadata.keys import ApiKeys
from monitor.metadata.rules import RuleRecord
from monitor.store.reading import Reader

# Projects that logged nothing for so long have nothing to watch but their unresolved alerts.
ACTIVE = timedelta(days=30)


class JobFacts:
    """What a run counted: ``examined`` things looked at, alerts ``opened`` and ``resolved``, and a job's own ``notes``."""

    def __init__(self) -> None:
        self.examined = 0
        self.opened = 0
        self.folded = 0
        self.resolved = 0
        self.notes: dict[str, Any] = {}

    def note(self, key: str, value: object) -> None:
        """Add to a list of the run's own findings, at most 50 long."""
        entries = self.notes.setdefault(key, [])
        if len(entries) < 50:
            entries.append(value)

    def plain(self) -> dict[str, Any]:
        """As JSON for the run's row."""
        counted = {"examined": self.examined, "opened": self.opened, "folded": self.folded, "resolved": self.resolved}
        return {**counted, **self.notes}


class Job(Protocol):
    """One scheduled job: looks at one project at a time."""

    @property
    def name(self) -> str: ...

    @property
    def interval_s(self) -> int: ...

    def look(self, project: str, facts: JobFacts) -> None:
        """Examine one project and raise, fold or settle its alerts; whatever it raises fails the run, not the service."""
        ...


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Something a job sees now. ``parts`` name the slice; with the rule they tell this trouble from others."""

    parts: tuple[str, ...]
    title: str
    summary: str
    labels: dict[str, str]
    facts: dict[str, Any]
    samples: dict[str, str]
    window_start: datetime


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """The stages a job may use."""

    reader: Reader
    rules: RuleBook
    lifecycle: Lifecycle
    keys: ApiKeys
    clock: Clock

    def projects(self) -> list[str]:
        """Every project that has rows here or logged something lately; each has its first rules from now on."""
        now = self.clock.now()
        projects = sorted({*self.keys.projects(), *self.reader.projects(now - ACTIVE)})
        for project in projects:
            self.rules.ensure_defaults(project, now)
        return projects

    def report(
        self,
        project: str,
        rule: RuleRecord,
        conditions: Sequence[Condition],
        clear: Iterable[tuple[str, ...]],
        quiet_s: float,
        facts: JobFacts,
    ) -> None:
        """Raise or fold every condition of a rule, and settle what was looked at and found normal."""
        now = self.clock.now()
        for condition in conditions:
            raised = self.lifecycle.raise_alert(
                project,
                rule,
                condition.parts,
                title=condition.title,
                summary=condition.summary,
                labels={"kind": rule.kind, **condition.labels},
                facts=condition.facts,
                samples=condition.samples,
                now=now,
                window_start=condition.window_start,
            )
            facts.opened += raised.opened
            facts.folded += not raised.opened
        normal = {fingerprint_of(rule.id, parts) for parts in clear}
        facts.resolved += len(self.lifecycle.settle(project, rule, normal, now, quiet_s))

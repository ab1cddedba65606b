"""The rules of a project: the ones it starts with, what may be written into them, and which one rules a workflow.

A rule with a workflow takes that workflow over from the project-wide rules of its kind, so that the same trouble is
never raised twice.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, get_args

from monitor.alerts.params import full_params
from monitor.errors import RecordInvalid
from monitor.metadata.database import Database
from monitor.metadata.keys import ApiKeys
from monitor.metadata.rules import AlertRules, RuleKind, RuleRecord, Severity

KINDS: tuple[RuleKind, ...] = get_args(RuleKind)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)

# Wrong answers and slow answers reach users now; the others can wait for the morning.
DEFAULT_SEVERITY: dict[RuleKind, Severity] = {
    "drift": "page",
    "latency_threshold": "page",
    "cost_anomaly": "ticket",
    "missing_modality": "ticket",
    "dead_letters": "ticket",
    "pipeline_stalled": "page",
}


class RuleBook:
    """Alert rules as stages and the API see them. Every change is in the audit log."""

    def __init__(self, database: Database) -> None:
        self._rules = AlertRules(database)
        self._keys = ApiKeys(database)

    def ensure_defaults(self, project: str, now: datetime) -> bool:
        """Make the project and its first rules, one of each kind; True the first time only."""
        self._keys.ensure_project(project, now)
        return self._rules.add_defaults(project, [_default(project, kind, now) for kind in KINDS], now)

    def list(self, project: str) -> list[RuleRecord]:
        """All rules of a project."""
        return self._rules.list(project)

    def enabled(self, project: str, kind: RuleKind) -> Sequence[RuleRecord]:
        """The rules a job has to look after."""
        return [rule for rule in self._rules.list(project) if rule.kind == kind and rule.enabled]

    def get(self, project: str, rule_id: str) -> RuleRecord:
        """One rule; raises NotFound."""
        return self._rules.get(project, rule_id)

    def create(
        self,
        project: str,
        kind: str,
        now: datetime,
        *,
        actor: str,
        workflow: str | None = None,
        severity: str = "ticket",
        enabled: bool = True,
        params: dict[str, Any] | None = None,
    ) -> RuleRecord:
        """A new rule; raises RecordInvalid naming what is wrong with it."""
        self._keys.ensure_project(project, now)
        checked = _check(kind, severity, params or {})
        rule = RuleRecord(
            id=uuid.uuid4().hex, project=project, workflow=workflow, enabled=enabled, created_at=now, updated_at=now, **checked
        )
        self._rules.add(rule, actor)
        return rule

    def update(
        self,
        project: str,
        rule_id: str,
        now: datetime,
        *,
        actor: str,
        kind: str,
        workflow: str | None,
        severity: str,
        enabled: bool,
        params: dict[str, Any],
    ) -> RuleRecord:
        """What an existing rule becomes; raises NotFound, RecordInvalid."""
        before = self._rules.get(project, rule_id)
        if kind != before.kind:
            raise RecordInvalid("kind", f"of this rule is {before.kind} and stays so", "Make a new rule for another kind")
        checked = _check(kind, severity, params)
        rule = RuleRecord(
            id=rule_id, project=project, workflow=workflow, enabled=enabled, created_at=before.created_at, updated_at=now, **checked
        )
        self._rules.replace(rule, actor)
        return rule

    def delete(self, project: str, rule_id: str, now: datetime, *, actor: str) -> None:
        """Remove a rule; raises NotFound, Conflict when alerts name it (disable it then)."""
        self._rules.delete(project, rule_id, actor, now)


def governs(rule: RuleRecord, workflow: str, rules: Sequence[RuleRecord]) -> bool:
    """Whether ``rule`` is the one to look after ``workflow`` among the enabled ``rules`` of its kind."""
    if rule.workflow is not None:
        return rule.workflow == workflow
    return all(other.workflow != workflow for other in rules)


def _default(project: str, kind: RuleKind, now: datetime) -> RuleRecord:
    # The same id at every call: two processes that start at once collide on it instead of making each rule twice.
    identifier = hashlib.sha256(f"{project}\n{kind}".encode()).hexdigest()[:32]
    return RuleRecord(
        id=identifier,
        project=project,
        kind=kind,
        workflow=None,
        severity=DEFAULT_SEVERITY[kind],
        enabled=True,
        params=full_params(kind, {}),
        created_at=now,
        updated_at=now,
    )


def _check(kind: str, severity: str, params: dict[str, Any]) -> dict[str, Any]:
    if kind not in KINDS:
        raise RecordInvalid("kind", f"{kind!r} is not a kind of rule", f"Use one of {', '.join(KINDS)}")
    if severity not in SEVERITIES:
        raise RecordInvalid("severity", f"{severity!r} is not a severity", f"Use one of {', '.join(SEVERITIES)}")
    return {"kind": kind, "severity": severity, "params": full_params(kind, params)}

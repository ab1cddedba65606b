"""Alert rules as rows; what their numbers mean is said in :mod:`monitor.alerts.rules`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, cast

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from monitor.errors import Conflict, NotFound
from monitor.metadata.audit import add_entry
from monitor.metadata.changes import changed_rows
from monitor.metadata.database import Database
from monitor.metadata.tables import Alert, AlertRule, AuditEntry

RuleKind = Literal["drift", "cost_anomaly", "latency_threshold", "missing_modality", "dead_letters", "pipeline_stalled"]
Severity = Literal["page", "ticket", "info"]

_DEFAULTS_MADE = "alert_rule.defaults"


class RuleRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One rule as it stands."""

    id: str
    project: str
    kind: RuleKind
    workflow: str | None
    severity: Severity
    enabled: bool
    params: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class AlertRules:
    """The rules of all projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, project: str) -> list[RuleRecord]:
        """Rules of a project, by kind, oldest first."""
        query = select(AlertRule).where(AlertRule.project_id == project).order_by(AlertRule.kind, AlertRule.created_at, AlertRule.id)
        with self._database.session() as session:
            return [_record(row) for row in session.scalars(query)]

    def get(self, project: str, rule_id: str) -> RuleRecord:
        """One rule; raises NotFound."""
        with self._database.session() as session:
            row = session.get(AlertRule, rule_id)
            if row is None or row.project_id != project:
                raise NotFound("alert rule", rule_id)
            return _record(row)

    def add(self, rule: RuleRecord, actor: str) -> None:
        """Keep a new rule."""
        with self._database.session() as session:
            session.add(_row(rule))
            add_entry(session, rule.project, rule.created_at, actor, "alert_rule.create", f"alert_rule:{rule.id}", _said(rule))

    def add_defaults(self, project: str, rules: Sequence[RuleRecord], now: datetime) -> bool:
        """Keep the first rules of a project, once in its life: one that was deleted does not come back.

        False when they had been made before. The rules' ids must be the same at every call, so that of two processes
        that try at once one fails on the primary key and counts as "made before".
        """
        try:
            with self._database.session() as session:
                made = select(AuditEntry.id).where(AuditEntry.project_id == project, AuditEntry.action == _DEFAULTS_MADE).limit(1)
                if session.scalar(made) is not None:
                    return False
                session.add_all([_row(rule) for rule in rules])
                add_entry(
                    session, project, now, "groundwatch", _DEFAULTS_MADE, f"project:{project}", {"rules": [rule.kind for rule in rules]}
                )
        except IntegrityError:
            return False
        return True

    def replace(self, rule: RuleRecord, actor: str) -> None:
        """Write a changed rule over the one of its id; raises NotFound."""
        with self._database.session() as session:
            changed = changed_rows(
                session,
                update(AlertRule)
                .where(AlertRule.id == rule.id, AlertRule.project_id == rule.project)
                .values(
                    kind=rule.kind,
                    workflow=rule.workflow,
                    severity=rule.severity,
                    enabled=rule.enabled,
                    params=rule.params,
                    updated_at=rule.updated_at,
                ),
            )
            if not changed:
                raise NotFound("alert rule", rule.id)
            add_entry(session, rule.project, rule.updated_at, actor, "alert_rule.update", f"alert_rule:{rule.id}", _said(rule))

    def delete(self, project: str, rule_id: str, actor: str, now: datetime) -> None:
        """Remove a rule that never raised an alert; raises NotFound, or Conflict when alerts point to it."""
        with self._database.session() as session:
            row = session.get(AlertRule, rule_id)
            if row is None or row.project_id != project:
                raise NotFound("alert rule", rule_id)
            if session.scalar(select(Alert.id).where(Alert.rule_id == rule_id).limit(1)) is not None:
                raise Conflict("alert rule", rule_id, "named by alerts it raised", "disable it instead, so that they stay readable")
            said = _said(_record(row))
            changed_rows(session, delete(AlertRule).where(AlertRule.id == rule_id))
            add_entry(session, project, now, actor, "alert_rule.delete", f"alert_rule:{rule_id}", said)


def _said(rule: RuleRecord) -> dict[str, Any]:
    return {"kind": rule.kind, "workflow": rule.workflow, "severity": rule.severity, "enabled": rule.enabled, "params": rule.params}


def _row(rule: RuleRecord) -> AlertRule:
    return AlertRule(
        id=rule.id,
        project_id=rule.project,
        kind=rule.kind,
        workflow=rule.workflow,
        severity=rule.severity,
        enabled=rule.enabled,
        params=rule.params,
        created_at=rule.created_at,
        updated_at=rule.updated_at,
    )


def _record(row: AlertRule) -> RuleRecord:
    return RuleRecord(
        id=row.id,
        project=row.project_id,
        kind=cast(RuleKind, row.kind),
        workflow=row.workflow,
        severity=cast(Severity, row.severity),
        enabled=row.enabled,
        params=dict(row.params),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )

"""Alerts and the rules that raise them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from monitor.alerts.lifecycle import Lifecycle
from monitor.alerts.rules import RuleBook
from monitor.api.access import GuardedRoute, Who
from monitor.api.context import Context, Running
from monitor.api.desk_models import ActorBody, AlertPage, AlertRuleBody, AlertRuleView, AlertView, DeliveryView
from monitor.metadata.alerts import AlertRecord
from monitor.metadata.rules import RuleRecord

router = APIRouter(route_class=GuardedRoute, tags=["alerts"])


@router.get("/v1/alerts")
def list_alerts(
    running: Running,
    who: Who,
    state: Annotated[Literal["open", "acknowledged", "resolved"] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str | None, Query(max_length=1000)] = None,
) -> AlertPage:
    """Alerts, newest first."""
    records, following = _lifecycle(running).list(who.project, state, limit, cursor)
    return AlertPage(items=[_view(record) for record in records], next=following)


@router.get("/v1/alerts/{alert_id}")
def get_alert(alert_id: str, running: Running, who: Who) -> AlertView:
    """One alert with its numbers, its sample filter and its deliveries."""
    return _view(_lifecycle(running).get(who.project, alert_id))


@router.post("/v1/alerts/{alert_id}/acknowledge")
def acknowledge_alert(alert_id: str, body: ActorBody, running: Running, who: Who) -> AlertView:
    """Say that somebody looks at it; 409 when it is resolved."""
    return _view(_lifecycle(running).acknowledge(who.project, alert_id, who.actor(body.actor), body.note, running.clock.now()))


@router.post("/v1/alerts/{alert_id}/resolve")
def resolve_alert(alert_id: str, body: ActorBody, running: Running, who: Who) -> AlertView:
    """Say that it is over. Doing it again changes nothing."""
    return _view(_lifecycle(running).resolve(who.project, alert_id, who.actor(body.actor), body.note, running.clock.now()))


@router.get("/v1/alert-rules")
def list_alert_rules(running: Running, who: Who) -> list[AlertRuleView]:
    """Every rule of the project."""
    book = RuleBook(running.database)
    book.ensure_defaults(who.project, running.clock.now())
    return [_rule(rule) for rule in book.list(who.project)]


@router.post("/v1/alert-rules", status_code=201)
def create_alert_rule(body: AlertRuleBody, running: Running, who: Who) -> AlertRuleView:
    """Add a rule."""
    rule = RuleBook(running.database).create(
        who.project,
        body.kind,
        running.clock.now(),
        actor=who.actor("local"),
        workflow=body.workflow,
        severity=body.severity,
        enabled=body.enabled,
        params=body.params,
    )
    return _rule(rule)


@router.put("/v1/alert-rules/{rule_id}")
def replace_alert_rule(rule_id: str, body: AlertRuleBody, running: Running, who: Who) -> AlertRuleView:
    """Change a rule; its kind stays."""
    rule = RuleBook(running.database).update(
        who.project,
        rule_id,
        running.clock.now(),
        actor=who.actor("local"),
        kind=body.kind,
        workflow=body.workflow,
        severity=body.severity,
        enabled=body.enabled,
        params=body.params,
    )
    return _rule(rule)


@router.delete("/v1/alert-rules/{rule_id}", status_code=204, response_class=Response)
def delete_alert_rule(rule_id: str, running: Running, who: Who) -> None:
    """Remove a rule; 409 when alerts name it (disable it then)."""
    RuleBook(running.database).delete(who.project, rule_id, running.clock.now(), actor=who.actor("local"))


def _lifecycle(running: Context) -> Lifecycle:
    return Lifecycle(running.settings, running.database)


def _view(record: AlertRecord) -> AlertView:
    return AlertView(
        id=record.id,
        rule_id=record.rule_id,
        kind=record.kind,
        state=record.state,
        severity=record.severity,
        title=record.title,
        summary=record.summary,
        labels=record.labels,
        # The filter has a field of its own.
        facts={name: value for name, value in record.facts.items() if name != "samples"},
        samples=record.samples,
        occurrences=record.occurrences,
        opened_at=record.opened_at,
        last_seen_at=record.last_seen_at,
        acknowledged_at=record.acknowledged_at,
        acknowledged_by=record.acknowledged_by,
        resolved_at=record.resolved_at,
        resolved_by=record.resolved_by,
        deliveries=[
            DeliveryView(channel=sent.channel, event=sent.event, state=sent.state, attempts=sent.attempts, last_error=sent.last_error)
            for sent in record.deliveries
        ],
    )


def _rule(rule: RuleRecord) -> AlertRuleView:
    return AlertRuleView(
        id=rule.id,
        kind=rule.kind,
        workflow=rule.workflow,
        severity=rule.severity,
        enabled=rule.enabled,
        params=rule.params,
        updated_at=rule.updated_at,
    )

"""Alerts as rows. Each change of state writes its audit line and its delivery in the same transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, cast

import msgspec
from sqlalchemy import Select, and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from monitor.errors import Conflict, NotFound
from monitor.metadata.audit import add_entry
from monitor.metadata.changes import changed_rows
from monitor.metadata.database import Database
from monitor.metadata.paging import decode_cursor, encode_cursor
from monitor.metadata.rules import RuleKind, Severity
from monitor.metadata.tables import Alert, AlertDelivery, AlertRule

AlertState = Literal["open", "acknowledged", "resolved"]
DeliveryEvent = Literal["firing", "resolved"]
DeliveryState = Literal["pending", "delivered", "failed"]

# Who resolves when the condition is gone; a person's resolution is told from this one.
SYSTEM = "groundwatch"


class DeliveryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One change of an alert on its way to one channel."""

    id: str
    alert_id: str
    channel: str
    event: DeliveryEvent
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime
    delivered_at: datetime | None
    last_error: str | None
    created_at: datetime


class AlertRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One alert with its deliveries, oldest first. ``kind`` is its rule's."""

    id: str
    project: str
    rule_id: str
    kind: RuleKind
    fingerprint: str
    state: AlertState
    severity: Severity
    title: str
    summary: str
    labels: dict[str, str]
    facts: dict[str, Any]
    opened_at: datetime
    last_seen_at: datetime
    occurrences: int
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    resolved_by: str | None
    deliveries: tuple[DeliveryRecord, ...] = ()

    @property
    def samples(self) -> dict[str, str]:
        """The list filter that shows the offending responses."""
        return {str(key): str(value) for key, value in self.facts.get("samples", {}).items()}


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """A condition a job sees now. ``window_start``: the earliest response that shows it."""

    project: str
    rule_id: str
    fingerprint: str
    severity: Severity
    title: str
    summary: str
    labels: dict[str, str]
    facts: dict[str, Any]
    window_start: datetime | None = None


class Alerts:
    """The alerts of all projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open_or_fold(self, seen: Sighting, now: datetime, channels: Sequence[str]) -> tuple[AlertRecord, bool]:
        """The unresolved alert of this fingerprint, told again; or a new one (True) with one delivery per channel.

        Where a person resolved the same fingerprint after ``window_start``, that alert is returned and nothing opens:
        they have judged these very responses. It opens again as soon as newer responses alone show it.
        """
        for _ in range(3):
            try:
                with self._database.session() as session:
                    folded = self._fold(session, seen, now)
                    if folded is not None:
                        return folded, False
                    return self._open(session, seen, now, channels), True
            except IntegrityError:
                # The partial unique index: another process opened it in between, so the next round folds.
                continue
        raise Conflict("alert", seen.fingerprint, "being opened and resolved by others all the time", "try again")

    def _fold(self, session: Session, seen: Sighting, now: datetime) -> AlertRecord | None:
        same = (Alert.project_id == seen.project, Alert.fingerprint == seen.fingerprint)
        folded = changed_rows(
            session,
            update(Alert)
            .where(*same, Alert.state != "resolved")
            .values(
                last_seen_at=now,
                occurrences=Alert.occurrences + 1,
                severity=seen.severity,
                title=seen.title[:512],
                summary=seen.summary,
                facts=seen.facts,
            ),
        )
        query = select(Alert.id).where(*same)
        if folded:
            query = query.where(Alert.state != "resolved")
        elif seen.window_start is not None:
            query = query.where(Alert.resolved_at > seen.window_start, Alert.resolved_by != SYSTEM)
        else:
            return None
        found = session.scalar(query.order_by(Alert.opened_at.desc()).limit(1))
        return None if found is None else read_alert(session, found)

    def _open(self, session: Session, seen: Sighting, now: datetime, channels: Sequence[str]) -> AlertRecord:
        alert_id = uuid.uuid4().hex
        row = Alert(
            id=alert_id,
            project_id=seen.project,
            rule_id=seen.rule_id,
            fingerprint=seen.fingerprint,
            state="open",
            severity=seen.severity,
            title=seen.title[:512],
            summary=seen.summary,
            labels=seen.labels,
            facts=seen.facts,
            opened_at=now,
            last_seen_at=now,
            occurrences=1,
        )
        session.add(row)
        session.flush()
        _announce(session, alert_id, "firing", now, channels)
        add_entry(session, seen.project, now, SYSTEM, "alert.open", f"alert:{alert_id}", {"title": seen.title, "severity": seen.severity})
        return read_alert(session, alert_id)

    def get(self, project: str, alert_id: str) -> AlertRecord:
        """One alert; raises NotFound."""
        with self._database.session() as session:
            return read_alert(session, alert_id, project)

    def list(
        self, project: str, state: AlertState | None = None, limit: int = 100, cursor: str | None = None
    ) -> tuple[list[AlertRecord], str | None]:
        """A page, newest first, and the cursor of the next page (None on the last)."""
        query = _alerts().where(Alert.project_id == project)
        if state is not None:
            query = query.where(Alert.state == state)
        if cursor is not None:
            time, identifier = decode_cursor(cursor)
            query = query.where(or_(Alert.opened_at < time, and_(Alert.opened_at == time, Alert.id < identifier)))
        with self._database.session() as session:
            records = _records(session, query.order_by(Alert.opened_at.desc(), Alert.id.desc()).limit(limit + 1))
        if len(records) <= limit:
            return records, None
        last = records[limit - 1]
        return records[:limit], encode_cursor(last.opened_at, last.id)

    def unresolved(self, project: str, rule_id: str | None = None) -> Sequence[AlertRecord]:
        """Every alert that is not resolved, of one rule or of all; oldest first."""
        query = _alerts().where(Alert.project_id == project, Alert.state != "resolved")
        if rule_id is not None:
            query = query.where(Alert.rule_id == rule_id)
        with self._database.session() as session:
            return _records(session, query.order_by(Alert.opened_at, Alert.id))

    def counts(self, project: str) -> dict[str, int]:
        """How many alerts are in each state; states without any are absent."""
        query = select(Alert.state, func.count()).where(Alert.project_id == project).group_by(Alert.state)
        with self._database.session() as session:
            return {row[0]: row[1] for row in session.execute(query)}

    def acknowledge(self, project: str, alert_id: str, actor: str, note: str | None, now: datetime) -> AlertRecord:
        """Somebody looks at it. Doing it again changes nothing; raises NotFound, Conflict when it is resolved."""
        with self._database.session() as session:
            changed = changed_rows(
                session,
                update(Alert)
                .where(Alert.id == alert_id, Alert.project_id == project, Alert.state == "open")
                .values(state="acknowledged", acknowledged_at=now, acknowledged_by=actor),
            )
            record = read_alert(session, alert_id, project)
            if changed:
                add_entry(session, project, now, actor, "alert.acknowledge", f"alert:{alert_id}", {"note": note})
            elif record.state == "resolved":
                raise Conflict("alert", alert_id, "resolved", "only an open alert can be acknowledged")
            return record

    def resolve(
        self, project: str, alert_id: str, actor: str, note: str | None, now: datetime, channels: Sequence[str]
    ) -> tuple[AlertRecord, bool]:
        """It is over; True when this call ended it, False when it was resolved before. Raises NotFound."""
        with self._database.session() as session:
            changed = changed_rows(
                session,
                update(Alert)
                .where(Alert.id == alert_id, Alert.project_id == project, Alert.state != "resolved")
                .values(state="resolved", resolved_at=now, resolved_by=actor),
            )
            if changed:
                _announce(session, alert_id, "resolved", now, channels)
                add_entry(session, project, now, actor, "alert.resolve", f"alert:{alert_id}", {"note": note})
            return read_alert(session, alert_id, project), bool(changed)


def _announce(session: Session, alert_id: str, event: DeliveryEvent, now: datetime, channels: Iterable[str]) -> None:
    for channel in channels:
        session.add(
            AlertDelivery(
                id=uuid.uuid4().hex,
                alert_id=alert_id,
                channel=channel,
                event=event,
                state="pending",
                attempts=0,
                next_attempt_at=now,
                delivered_at=None,
                last_error=None,
                created_at=now,
            )
        )
    session.flush()


def _alerts() -> Select[Alert, str]:
    return select(Alert, AlertRule.kind).join(AlertRule, AlertRule.id == Alert.rule_id)


def read_alert(session: Session, alert_id: str, project: str | None = None) -> AlertRecord:
    """The frozen copy of an alert with its deliveries; raises NotFound, also where it belongs to another project."""
    found = _records(session, _alerts().where(Alert.id == alert_id))
    if not found or (project is not None and found[0].project != project):
        raise NotFound("alert", alert_id)
    return found[0]


def _records(session: Session, query: Select[Alert, str]) -> list[AlertRecord]:
    rows = [(row, kind) for row, kind in session.execute(query)]
    deliveries: dict[str, list[DeliveryRecord]] = {row.id: [] for row, _ in rows}
    sent = select(AlertDelivery).where(AlertDelivery.alert_id.in_(deliveries)).order_by(AlertDelivery.created_at, AlertDelivery.event)
    for delivery in session.scalars(sent):
        deliveries[delivery.alert_id].append(delivery_record(delivery))
    return [_record(row, kind, deliveries[row.id]) for row, kind in rows]


def delivery_record(row: AlertDelivery) -> DeliveryRecord:
    """The frozen copy of a delivery row."""
    return DeliveryRecord(
        id=row.id,
        alert_id=row.alert_id,
        channel=row.channel,
        event=cast(DeliveryEvent, row.event),
        state=cast(DeliveryState, row.state),
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        delivered_at=row.delivered_at,
        last_error=row.last_error,
        created_at=row.created_at,
    )


def _record(row: Alert, kind: str, deliveries: list[DeliveryRecord]) -> AlertRecord:
    return AlertRecord(
        id=row.id,
        project=row.project_id,
        rule_id=row.rule_id,
        kind=cast(RuleKind, kind),
        fingerprint=row.fingerprint,
        state=cast(AlertState, row.state),
        severity=cast(Severity, row.severity),
        title=row.title,
        summary=row.summary,
        labels={key: str(value) for key, value in row.labels.items()},
        facts=dict(row.facts),
        opened_at=row.opened_at,
        last_seen_at=row.last_seen_at,
        occurrences=row.occurrences,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        resolved_at=row.resolved_at,
        resolved_by=row.resolved_by,
        deliveries=tuple(deliveries),
    )

"""The delivery rows: what is due, who is sending it, how it went."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import exists, select, update
from sqlalchemy.orm import aliased

from monitor.metadata.alerts import AlertRecord, DeliveryRecord, delivery_record, read_alert
from monitor.metadata.changes import changed_rows
from monitor.metadata.database import Database
from monitor.metadata.tables import AlertDelivery


class DueDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery to make now, with the alert it tells of."""

    delivery: DeliveryRecord
    alert: AlertRecord


class Deliveries:
    """Deliveries of all alerts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, now: datetime, limit: int) -> list[DueDelivery]:
        """What may be sent now, oldest first. "resolved" waits until its alert's "firing" went out or was given up."""
        earlier = aliased(AlertDelivery)
        blocked = exists().where(
            earlier.alert_id == AlertDelivery.alert_id,
            earlier.channel == AlertDelivery.channel,
            earlier.state == "pending",
            earlier.event == "firing",
            AlertDelivery.event == "resolved",
        )
        query = (
            select(AlertDelivery)
            .where(AlertDelivery.state == "pending", AlertDelivery.next_attempt_at <= now, ~blocked)
            .order_by(AlertDelivery.next_attempt_at, AlertDelivery.created_at)
            .limit(limit)
        )
        with self._database.session() as session:
            rows = session.scalars(query).all()
            return [DueDelivery(delivery=delivery_record(row), alert=read_alert(session, row.alert_id)) for row in rows]

    def claim(self, delivery: DeliveryRecord, lease_until: datetime) -> bool:
        """Count one attempt and keep others away until ``lease_until``; False when somebody else has it."""
        return self._change(delivery, delivery.attempts, attempts=delivery.attempts + 1, next_attempt_at=lease_until)

    def delivered(self, delivery: DeliveryRecord, now: datetime) -> bool:
        """It arrived. ``delivery`` is the record as it was before the claim."""
        return self._change(delivery, delivery.attempts + 1, state="delivered", delivered_at=now, last_error=None)

    def again(self, delivery: DeliveryRecord, error: str, next_attempt_at: datetime) -> bool:
        """It did not; try again then."""
        return self._change(delivery, delivery.attempts + 1, last_error=error, next_attempt_at=next_attempt_at)

    def failed(self, delivery: DeliveryRecord, error: str) -> bool:
        """It did not and will not be tried again."""
        return self._change(delivery, delivery.attempts + 1, state="failed", last_error=error)

    def _change(self, delivery: DeliveryRecord, expected: int, **values: object) -> bool:
        mine = (AlertDelivery.id == delivery.id, AlertDelivery.state == "pending", AlertDelivery.attempts == expected)
        with self._database.session() as session:
            return bool(changed_rows(session, update(AlertDelivery).where(*mine).values(**values)))

"""The life of an alert: raised or folded, acknowledged, resolved by a person or because the condition is gone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from monitor.metadata.alerts import SYSTEM, AlertRecord, Alerts, AlertState, Sighting
from monitor.metadata.database import Database
from monitor.metadata.rules import RuleRecord, Severity
from monitor.settings import Settings

WEBHOOK = "webhook"


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """The alert as it stands now; ``opened`` when this sighting made it."""

    alert: AlertRecord
    opened: bool


def fingerprint_of(rule_id: str, parts: Iterable[str]) -> str:
    """What makes two sightings the same trouble: the rule and the slice it names, as SHA-256 in hex."""
    return hashlib.sha256(json.dumps([rule_id, *parts], ensure_ascii=False).encode()).hexdigest()


class Lifecycle:
    """All changes of alerts; each writes its audit line and its deliveries in the same transaction."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._alerts = Alerts(database)
        self._channels = (WEBHOOK,) if settings.webhook_url else ()

    def raise_alert(
        self,
        project: str,
        rule: RuleRecord,
        parts: Iterable[str],
        *,
        title: str,
        summary: str,
        labels: dict[str, str],
        facts: dict[str, Any],
        samples: dict[str, str],
        now: datetime,
        severity: Severity | None = None,
        window_start: datetime | None = None,
    ) -> Raised:
        """Open an alert, or fold into the unresolved one of the same rule and ``parts``.

        ``samples`` is the list filter (since, until, workflow, cohort, verdict …) that shows the offending responses.
        ``window_start`` is the earliest response behind it: what a person resolved after that time is not opened
        again on the same responses.
        """
        seen = Sighting(
            project=project,
            rule_id=rule.id,
            fingerprint=fingerprint_of(rule.id, parts),
            severity=severity or rule.severity,
            title=title,
            summary=summary,
            labels=labels,
            facts={**facts, "samples": samples},
            window_start=window_start,
        )
        alert, opened = self._alerts.open_or_fold(seen, now, self._channels)
        return Raised(alert=alert, opened=opened)

    def get(self, project: str, alert_id: str) -> AlertRecord:
        """One alert; raises NotFound."""
        return self._alerts.get(project, alert_id)

    def list(
        self, project: str, state: AlertState | None = None, limit: int = 100, cursor: str | None = None
    ) -> tuple[list[AlertRecord], str | None]:
        """A page, newest first, and the cursor of the next page."""
        return self._alerts.list(project, state, limit, cursor)

    def unresolved(self, project: str, rule: RuleRecord | None = None) -> Sequence[AlertRecord]:
        """Alerts that are open or acknowledged, of one rule or of all."""
        return self._alerts.unresolved(project, None if rule is None else rule.id)

    def acknowledge(self, project: str, alert_id: str, actor: str, note: str | None, now: datetime) -> AlertRecord:
        """Somebody looks at it; raises NotFound, Conflict when it is resolved."""
        return self._alerts.acknowledge(project, alert_id, actor, note, now)

    def resolve(self, project: str, alert_id: str, actor: str, note: str | None, now: datetime) -> AlertRecord:
        """A person says it is over; resolving it again changes nothing. Raises NotFound."""
        return self._alerts.resolve(project, alert_id, actor, note, now, self._channels)[0]

    def settle(
        self, project: str, rule: RuleRecord, clear: Collection[str], now: datetime, quiet_s: float, reason: str = "the condition is gone"
    ) -> Sequence[AlertRecord]:
        """Resolve alerts of ``rule`` whose fingerprint is in ``clear`` and that nobody saw for ``quiet_s`` seconds.

        ``clear`` holds only what a job looked at and found normal: where it had too little to judge, an alert stays.
        """
        resolved = []
        for alert in self._alerts.unresolved(project, rule.id):
            if alert.fingerprint in clear and now - alert.last_seen_at >= timedelta(seconds=quiet_s):
                record, ended = self._alerts.resolve(project, alert.id, SYSTEM, reason, now, self._channels)
                if ended:
                    resolved.append(record)
        return resolved

"""Posts alerts to the webhook, as Alertmanager would (webhook payload version "4"), until they arrive or are given up.

Every change of an alert left a row; a thread takes what is due, so a restart forgets nothing. Delivery is at least
once: a process that dies between the answer and the row's update posts again, under the same ``groupKey`` and
``fingerprint``. https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import structlog

from monitor.alerts.lifecycle import WEBHOOK
from monitor.clock import Clock
from monitor.metadata.alerts import AlertRecord, DeliveryEvent
from monitor.metadata.database import Database
from monitor.metadata.deliveries import Deliveries, DueDelivery
from monitor.settings import Settings
from monitor.signing import signed

TIMEOUT_S = 10.0
MAX_ATTEMPTS = 10
# 5 s, 10 s, 20 s … 15 min, each times 0.5–1.5: ten attempts span about an hour, longer than a receiver's deployment.
FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 900.0
POLL_S = 1.0
_BATCH = 20
# What Alertmanager writes for an alert that has not ended.
_NEVER = "0001-01-01T00:00:00Z"

log = structlog.get_logger(__name__)


def payload(alert: AlertRecord, event: DeliveryEvent, dashboard_url: str) -> dict[str, Any]:
    """The webhook body for one change of one alert; each alert is a group of its own."""
    link = f"{dashboard_url.rstrip('/')}/alerts?id={quote(alert.id)}"
    labels = {
        "alertname": alert.kind,
        "severity": alert.severity,
        "project": alert.project,
        **{key: value for key, value in alert.labels.items() if value},
    }
    annotations = {"title": alert.title, "summary": alert.summary, "dashboard": link}
    ended = _rfc3339(alert.resolved_at) if event == "resolved" and alert.resolved_at is not None else _NEVER
    group = {"alertname": alert.kind, "project": alert.project}
    return {
        "version": "4",
        "groupKey": f"{{}}:{{alertname={alert.kind!r}, project={alert.project!r}}}:{alert.fingerprint}",
        "truncatedAlerts": 0,
        "status": event,
        "receiver": "groundwatch",
        "groupLabels": group,
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": link,
        "alerts": [
            {
                "status": event,
                "labels": labels,
                "annotations": annotations,
                "startsAt": _rfc3339(alert.opened_at),
                "endsAt": ended,
                "generatorURL": link,
                # Alertmanager's are 64 bits in hex; receivers take it for an opaque word.
                "fingerprint": alert.fingerprint[:16],
            }
        ],
    }


def wait_s(attempts: int, chance: float) -> float:
    """Seconds before the next try after ``attempts`` failures; ``chance`` in [0, 1) spreads tries of many alerts."""
    return float(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(attempts - 1, 30)) * (0.5 + chance))


class Delivery:
    """The delivery thread. Without ``webhook_url`` it does nothing, and what is pending stays so."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock,
        transport: httpx.BaseTransport | None = None,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> None:
        self._settings = settings
        self._deliveries = Deliveries(database)
        self._clock = clock
        self._transport = transport
        self._max_attempts = max_attempts
        self._random = random.Random()  # noqa: S311 - spreads retries, keeps no secret
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to deliver."""
        if self._settings.webhook_url and self._thread is None:
            self._ending.clear()
            self._thread = threading.Thread(target=self._run, name="alert-delivery", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End after the attempt under way."""
        thread, self._thread = self._thread, None
        self._ending.set()
        if thread is not None:
            thread.join(timeout=TIMEOUT_S + POLL_S)

    def deliver_due(self) -> int:
        """Make one attempt at everything that is due; how many arrived."""
        waiting = self._deliveries.due(self._clock.now(), _BATCH)
        if not waiting:
            return 0
        arrived = 0
        # A redirect could lead inside the network, so it is a failure that names its target.
        with httpx.Client(transport=self._transport, timeout=TIMEOUT_S, follow_redirects=False) as client:
            for due in waiting:
                arrived += self._attempt(client, due)
                if self._ending.is_set():
                    break
        return arrived

    def _run(self) -> None:
        while not self._ending.wait(POLL_S):
            try:
                self.deliver_due()
            except Exception as trouble:  # noqa: BLE001 - the database may be away; rows stay pending and the loop goes on
                log.warning("delivery_round_failed", error=f"{type(trouble).__name__}: {trouble}")
                self._ending.wait(FIRST_WAIT_S)

    def _attempt(self, client: httpx.Client, due: DueDelivery) -> bool:
        delivery, now = due.delivery, self._clock.now()
        if not self._deliveries.claim(delivery, now + timedelta(seconds=2 * TIMEOUT_S)):
            return False
        error = self._post(client, due) if delivery.channel == WEBHOOK else f"there is no channel {delivery.channel!r}"
        if error is None:
            self._deliveries.delivered(delivery, self._clock.now())
            return True
        attempts = delivery.attempts + 1
        log.info("delivery_failed", alert=due.alert.id, attempts=attempts, error=error)
        if attempts >= self._max_attempts:
            self._deliveries.failed(delivery, error)
        else:
            again = self._clock.now() + timedelta(seconds=wait_s(attempts, self._random.random()))
            self._deliveries.again(delivery, error, again)
        return False

    def _post(self, client: httpx.Client, due: DueDelivery) -> str | None:
        """What went wrong, or None."""
        body = payload(due.alert, due.delivery.event, self._settings.public_dashboard_url)
        content, headers = signed(body, str(due.delivery.id), self._clock.now(), self._settings.webhook_secrets)
        try:
            answer = client.post(self._settings.webhook_url, content=content, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"{type(error).__name__}: {error}"
        if answer.is_success:
            return None
        if answer.is_redirect:
            return f"HTTP {answer.status_code}: redirects are not followed (to {answer.headers.get('location', '?')[:200]})"
        return f"HTTP {answer.status_code}: {answer.text[:200]}"


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from monitor.alerts.delivery import Delivery, wait_s
from monitor.alerts.lifecycle import Lifecycle
from monitor.alerts.rules import RuleBook
from monitor.clock import MovableClock
from monitor.metadata.alerts import AlertRecord
from monitor.metadata.database import Database
from monitor.settings import Settings

P = "default"
Answer = Callable[[httpx.Request], httpx.Response]


class Channel:
    """Collects what is posted and answers as told."""

    def __init__(self, *answers: int | Exception) -> None:
        self.bodies: list[dict[str, Any]] = []
        self._answers = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(json.loads(request.content))
        answer = self._answers.pop(0) if self._answers else 200
        if isinstance(answer, Exception):
            raise answer
        headers = {"location": "http://169.254.169.254/"} if 300 <= answer < 400 else {}
        return httpx.Response(answer, text="no room", headers=headers)


class Post:
    """A project with one alert on its way to a channel."""

    def __init__(self, settings: Settings, database: Database, clock: MovableClock) -> None:
        self.settings = settings.model_copy(update={"webhook_url": "http://hook.test/in", "dashboard_url": "https://watch.test/"})
        self.database, self.clock = database, clock
        self.lifecycle = Lifecycle(self.settings, database)
        book = RuleBook(database)
        book.ensure_defaults(P, clock.now())
        rule = next(rule for rule in book.list(P) if rule.kind == "drift")
        self.alert = self.lifecycle.raise_alert(
            P,
            rule,
            ["w"],
            title="it rose",
            summary="from 1% to 3%",
            labels={"workflow": "w", "kind": "drift", "cohort_key": ""},
            facts={},
            samples={},
            now=clock.now(),
        ).alert

    def through(self, channel: Answer, max_attempts: int = 10) -> Delivery:
        return Delivery(self.settings, self.database, self.clock, httpx.MockTransport(channel), max_attempts)

    def now_is(self) -> AlertRecord:
        return self.lifecycle.get(P, self.alert.id)


@pytest.fixture
def post(settings: Settings, database: Database, clock: MovableClock) -> Post:
    return Post(settings, database, clock)


def test_the_body_is_an_alertmanager_webhook_of_version_4(post: Post) -> None:
    channel = Channel()
    assert post.through(channel).deliver_due() == 1
    (body,) = channel.bodies
    link = f"https://watch.test/alerts?id={post.alert.id}"
    assert body["version"] == "4"
    assert (body["status"], body["receiver"], body["truncatedAlerts"]) == ("firing", "groundwatch", 0)
    assert body["externalURL"] == link
    assert body["groupLabels"] == {"alertname": "drift", "project": P}
    assert body["commonLabels"] == {"alertname": "drift", "severity": "page", "project": P, "workflow": "w", "kind": "drift"}
    assert body["commonAnnotations"]["summary"] == "from 1% to 3%"
    assert post.alert.fingerprint in body["groupKey"]
    (alert,) = body["alerts"]
    assert alert["startsAt"] == "2026-03-02T12:00:00Z"
    assert alert["endsAt"] == "0001-01-01T00:00:00Z"
    assert alert["fingerprint"] == post.alert.fingerprint[:16]
    assert (alert["status"], alert["labels"], alert["generatorURL"]) == ("firing", body["commonLabels"], link)


def test_the_end_of_an_alert_is_told_under_the_same_key(post: Post) -> None:
    channel = Channel()
    post.clock.move(timedelta(hours=1))
    post.lifecycle.resolve(P, post.alert.id, "ann", None, post.clock.now())
    delivery = post.through(channel)
    assert delivery.deliver_due() + delivery.deliver_due() == 2
    firing, resolved = channel.bodies
    assert (firing["status"], resolved["status"]) == ("firing", "resolved")
    assert firing["groupKey"] == resolved["groupKey"]
    assert firing["alerts"][0]["endsAt"] == "0001-01-01T00:00:00Z"
    assert resolved["alerts"][0]["endsAt"] == "2026-03-02T13:00:00Z"


def test_what_arrived_is_not_sent_again(post: Post) -> None:
    channel = Channel()
    delivery = post.through(channel)
    delivery.deliver_due()
    post.clock.move(timedelta(days=1))
    assert delivery.deliver_due() == 0
    assert len(channel.bodies) == 1
    (sent,) = post.now_is().deliveries
    assert (sent.state, sent.attempts, sent.last_error) == ("delivered", 1, None)


def test_a_failed_attempt_waits_and_is_made_again_after_a_restart(post: Post) -> None:
    assert post.through(Channel(503)).deliver_due() == 0
    (sent,) = post.now_is().deliveries
    assert (sent.state, sent.attempts, sent.last_error) == ("pending", 1, "HTTP 503: no room")
    assert timedelta(seconds=2.5) <= sent.next_attempt_at - post.clock.now() <= timedelta(seconds=7.5)
    # Another Delivery, as after a restart, finds the row and not yet anything to do.
    channel = Channel()
    later = post.through(channel)
    assert later.deliver_due() == 0
    post.clock.move(timedelta(seconds=8))
    assert later.deliver_due() == 1
    assert post.now_is().deliveries[0].attempts == 2


def test_after_the_last_attempt_the_delivery_has_failed_with_its_error(post: Post) -> None:
    channel = Channel(*[httpx.ConnectError("connection refused")] * 3)
    delivery = post.through(channel, max_attempts=3)
    for _ in range(6):
        delivery.deliver_due()
        post.clock.move(timedelta(hours=1))
    (sent,) = post.now_is().deliveries
    assert (sent.state, sent.attempts, sent.last_error) == ("failed", 3, "ConnectError: connection refused")
    assert len(channel.bodies) == 3


def test_a_redirect_is_not_followed(post: Post) -> None:
    channel = Channel(307)
    assert post.through(channel).deliver_due() == 0
    assert len(channel.bodies) == 1
    assert "redirects are not followed (to http://169.254.169.254/)" in str(post.now_is().deliveries[0].last_error)


def test_one_alert_that_cannot_be_delivered_does_not_hold_up_another(post: Post) -> None:
    channel = Channel(500)
    rule = RuleBook(post.database).enabled(P, "drift")[0]
    post.clock.move(timedelta(seconds=1))
    post.lifecycle.raise_alert(P, rule, ["v"], title="t", summary="s", labels={}, facts={}, samples={}, now=post.clock.now())
    assert post.through(channel).deliver_due() == 1
    assert len(channel.bodies) == 2


def test_waits_double_up_to_a_quarter_of_an_hour() -> None:
    assert [wait_s(attempts, 0.5) for attempts in (1, 2, 3, 20, 1000)] == [5, 10, 20, 900, 900]
    assert (wait_s(1, 0.0), wait_s(1, 0.999)) == (2.5, pytest.approx(7.5, abs=0.01))


def test_without_a_webhook_no_thread_starts(settings: Settings, database: Database, clock: MovableClock) -> None:
    before = threading.active_count()
    delivery = Delivery(settings, database, clock)
    delivery.start()
    assert threading.active_count() == before
    delivery.stop()


def test_the_thread_delivers_over_a_real_socket_and_stops(post: Post) -> None:
    got: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name http.server gives it
            return

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        settings = post.settings.model_copy(update={"webhook_url": f"http://127.0.0.1:{server.server_port}/"})
        delivery = Delivery(settings, post.database, post.clock)
        delivery.start()
        limit = time.monotonic() + 20
        while not got and time.monotonic() < limit:
            time.sleep(0.02)
        delivery.stop()
        server.shutdown()
    assert json.loads(got[0])["version"] == "4"
    assert post.now_is().deliveries[0].state == "delivered"


def test_alerts_are_signed_where_a_secret_is_set(post: Post) -> None:
    heads: list[httpx.Headers] = []

    def channel(request: httpx.Request) -> httpx.Response:
        heads.append(request.headers)
        return httpx.Response(200)

    post.settings = post.settings.model_copy(update={"webhook_secrets": ("whsec_" + "A" * 32,)})
    assert post.through(channel).deliver_due() == 1
    assert heads[0]["webhook-signature"].startswith("v1,")
    assert heads[0]["content-type"] == "application/json"

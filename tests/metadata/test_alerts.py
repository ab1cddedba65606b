from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from monitor.alerts.lifecycle import Lifecycle, Raised
from monitor.alerts.rules import RuleBook
from monitor.clock import MovableClock
from monitor.errors import Conflict, NotFound
from monitor.metadata.audit import AuditLog
from monitor.metadata.database import Database
from monitor.metadata.deliveries import Deliveries
from monitor.metadata.rules import RuleRecord
from monitor.settings import Settings

P = "default"


class Desk:
    """A project with its rules and a webhook."""

    def __init__(self, settings: Settings, database: Database, clock: MovableClock) -> None:
        self.clock, self.database = clock, database
        self.book = RuleBook(database)
        self.book.ensure_defaults(P, clock.now())
        self.lifecycle = Lifecycle(settings.model_copy(update={"webhook_url": "http://hook.test/"}), database)

    def rule(self, kind: str = "drift") -> RuleRecord:
        return next(rule for rule in self.book.list(P) if rule.kind == kind)

    def see(self, *parts: str, window_s: float | None = None, title: str = "it rose") -> Raised:
        now = self.clock.now()
        return self.lifecycle.raise_alert(
            P,
            self.rule(),
            parts or ("w", "", ""),
            title=title,
            summary="from 1% to 3%",
            labels={"workflow": "w"},
            facts={"n": 3},
            samples={"workflow": "w", "verdict": "hallucinated"},
            now=now,
            window_start=None if window_s is None else now - timedelta(seconds=window_s),
        )

    def actions(self) -> list[str]:
        return [entry.action for entry in reversed(AuditLog(self.database).list(P)[0]) if entry.action.startswith("alert.")]


@pytest.fixture
def desk(settings: Settings, database: Database, clock: MovableClock) -> Desk:
    return Desk(settings, database, clock)


def test_an_alert_opens_with_its_delivery_and_its_audit_line(desk: Desk) -> None:
    raised = desk.see()
    assert raised.opened
    alert = desk.lifecycle.get(P, raised.alert.id)
    assert alert == raised.alert
    assert (alert.state, alert.kind, alert.severity, alert.occurrences) == ("open", "drift", "page", 1)
    assert alert.samples == {"workflow": "w", "verdict": "hallucinated"}
    assert [(sent.channel, sent.event, sent.state) for sent in alert.deliveries] == [("webhook", "firing", "pending")]
    assert desk.actions() == ["alert.open"]


def test_a_repeated_sighting_folds_into_the_unresolved_alert(desk: Desk) -> None:
    first = desk.see()
    desk.clock.move(timedelta(hours=1))
    again = desk.see(title="it rose more")
    assert not again.opened
    assert again.alert.id == first.alert.id
    assert (again.alert.occurrences, again.alert.title) == (2, "it rose more")
    assert again.alert.last_seen_at - again.alert.opened_at == timedelta(hours=1)
    assert len(again.alert.deliveries) == 1
    assert desk.actions() == ["alert.open"]


def test_other_parts_make_another_alert(desk: Desk) -> None:
    assert desk.see("w", "", "").opened
    assert desk.see("w", "device", "ios").opened
    assert len(desk.lifecycle.unresolved(P)) == 2


def test_many_threads_that_see_the_same_open_one_alert(desk: Desk) -> None:
    raised: list[Raised] = []
    threads = [threading.Thread(target=lambda: raised.append(desk.see())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.opened for one in raised) == 1
    alerts, _ = desk.lifecycle.list(P)
    assert [alert.occurrences for alert in alerts] == [6]


def test_an_acknowledged_alert_still_folds_and_keeps_its_first_acknowledgement(desk: Desk) -> None:
    alert = desk.see().alert
    desk.lifecycle.acknowledge(P, alert.id, "ann", "looking", desk.clock.now())
    desk.clock.move(timedelta(minutes=1))
    again = desk.lifecycle.acknowledge(P, alert.id, "bob", None, desk.clock.now())
    assert (again.state, again.acknowledged_by) == ("acknowledged", "ann")
    assert not desk.see().opened
    assert desk.actions() == ["alert.open", "alert.acknowledge"]


def test_resolving_tells_the_channel_once_and_a_later_sighting_opens_anew(desk: Desk) -> None:
    alert = desk.see().alert
    desk.lifecycle.resolve(P, alert.id, "ann", None, desk.clock.now())
    resolved = desk.lifecycle.resolve(P, alert.id, "bob", None, desk.clock.now())
    assert (resolved.state, resolved.resolved_by) == ("resolved", "ann")
    assert [sent.event for sent in resolved.deliveries] == ["firing", "resolved"]
    assert desk.actions() == ["alert.open", "alert.resolve"]
    assert desk.see().opened


def test_a_resolved_alert_cannot_be_acknowledged(desk: Desk) -> None:
    alert = desk.see().alert
    desk.lifecycle.resolve(P, alert.id, "ann", None, desk.clock.now())
    with pytest.raises(Conflict, match="resolved"):
        desk.lifecycle.acknowledge(P, alert.id, "ann", None, desk.clock.now())


def test_what_a_person_resolved_does_not_open_again_on_the_same_responses(desk: Desk) -> None:
    alert = desk.see(window_s=3600).alert
    desk.clock.move(timedelta(minutes=5))
    desk.lifecycle.resolve(P, alert.id, "ann", "a known bad batch", desk.clock.now())
    desk.clock.move(timedelta(minutes=30))
    held = desk.see(window_s=3600)
    assert not held.opened
    assert held.alert.state == "resolved"
    desk.clock.move(timedelta(hours=1))
    assert desk.see(window_s=3600).opened


def test_what_resolved_by_itself_opens_again_at_once(desk: Desk) -> None:
    alert = desk.see(window_s=3600).alert
    desk.clock.move(timedelta(minutes=5))
    assert len(desk.lifecycle.settle(P, desk.rule(), [alert.fingerprint], desk.clock.now(), 60)) == 1
    assert desk.see(window_s=3600).opened


def test_an_alert_settles_only_when_looked_at_and_quiet_for_long_enough(desk: Desk) -> None:
    seen, other = desk.see("w", "", "").alert, desk.see("w", "device", "ios").alert
    desk.clock.move(timedelta(seconds=59))
    assert list(desk.lifecycle.settle(P, desk.rule(), [seen.fingerprint], desk.clock.now(), 60)) == []
    desk.clock.move(timedelta(seconds=1))
    (settled,) = desk.lifecycle.settle(P, desk.rule(), [seen.fingerprint], desk.clock.now(), 60)
    assert (settled.id, settled.state, settled.resolved_by) == (seen.id, "resolved", "groundwatch")
    assert [alert.id for alert in desk.lifecycle.unresolved(P)] == [other.id]
    assert desk.lifecycle.get(P, seen.id).deliveries[-1].event == "resolved"


def test_without_a_webhook_nothing_is_queued_for_delivery(desk: Desk, settings: Settings) -> None:
    quiet = Lifecycle(settings, desk.database)
    raised = quiet.raise_alert(
        P, desk.rule(), ["x"], title="t", summary="s", labels={}, facts={}, samples={}, now=desk.clock.now(), severity="info"
    )
    assert raised.alert.deliveries == ()
    assert raised.alert.severity == "info"


def test_alerts_are_paged_newest_first_and_filtered_by_state(desk: Desk) -> None:
    ids = []
    for number in range(5):
        ids.append(desk.see("w", "n", str(number)).alert.id)
        desk.clock.move(timedelta(seconds=number % 2))
    desk.lifecycle.resolve(P, ids[0], "ann", None, desk.clock.now())
    first, cursor = desk.lifecycle.list(P, None, 3)
    rest, end = desk.lifecycle.list(P, None, 3, cursor)
    assert sorted(alert.id for alert in [*first, *rest]) == sorted(ids)
    assert end is None
    assert [alert.id for alert in desk.lifecycle.list(P, "resolved")[0]] == [ids[0]]
    assert len(desk.lifecycle.list(P, "open")[0]) == 4


def test_an_alert_of_another_project_is_not_found(desk: Desk) -> None:
    alert = desk.see().alert
    for call in (
        lambda: desk.lifecycle.get("other", alert.id),
        lambda: desk.lifecycle.acknowledge("other", alert.id, "eve", None, desk.clock.now()),
        lambda: desk.lifecycle.resolve("other", alert.id, "eve", None, desk.clock.now()),
    ):
        with pytest.raises(NotFound):
            call()
    assert desk.lifecycle.get(P, alert.id).state == "open"


def test_only_one_sender_gets_a_delivery_and_resolved_waits_for_firing(desk: Desk) -> None:
    alert = desk.see().alert
    desk.lifecycle.resolve(P, alert.id, "ann", None, desk.clock.now())
    deliveries = Deliveries(desk.database)
    (due,) = deliveries.due(desk.clock.now(), 10)
    assert due.delivery.event == "firing"
    lease = desk.clock.now() + timedelta(seconds=20)
    assert deliveries.claim(due.delivery, lease)
    assert not deliveries.claim(due.delivery, lease)
    assert deliveries.due(desk.clock.now(), 10) == []
    assert deliveries.delivered(due.delivery, desk.clock.now())
    (after,) = deliveries.due(desk.clock.now(), 10)
    assert after.delivery.event == "resolved"


def test_a_sender_that_died_leaves_its_delivery_to_the_next_when_the_lease_ends(desk: Desk) -> None:
    desk.see()
    deliveries = Deliveries(desk.database)
    (due,) = deliveries.due(desk.clock.now(), 10)
    deliveries.claim(due.delivery, desk.clock.now() + timedelta(seconds=20))
    desk.clock.move(timedelta(seconds=20))
    (again,) = deliveries.due(desk.clock.now(), 10)
    assert again.delivery.attempts == 1

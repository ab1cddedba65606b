from __future__ import annotations

from datetime import timedelta

from monitor.alerts.rules import RuleBook
from monitor.clock import MovableClock
from monitor.jobs.runner import JobRunner
from monitor.jobs.stalls import Stall
from monitor.metadata.alerts import Alerts
from monitor.metadata.database import Database
from monitor.settings import Settings
from monitor.store.client import Store
from monitor.store.reading import Reader
from tests.conftest import NOON


def test_a_stage_that_stands_still_is_told_of_after_a_while_and_until_it_moves(
    settings: Settings, database: Database, store: Store, clock: MovableClock
) -> None:
    RuleBook(database).ensure_defaults("default", NOON)
    stalls = [Stall(stage="store", reason="the store is away", since=clock.now())]
    runner = JobRunner(settings, Reader(store), database, clock, lambda: stalls)
    assert runner.run("pipeline_stalled").facts["opened"] == 0
    clock.move(timedelta(minutes=3))
    assert runner.run("pipeline_stalled").facts["opened"] == 1
    assert runner.run("pipeline_stalled").facts["folded"] == 1
    (alert,) = Alerts(database).list("default")[0]
    assert (alert.severity, alert.labels["stage"]) == ("page", "store")
    assert "the store is away" in alert.summary
    stalls.clear()
    clock.move(timedelta(seconds=5))
    assert runner.run("pipeline_stalled").facts["resolved"] == 1

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.clock import MovableClock
from monitor.errors import NotFound
from monitor.metadata.database import Database
from monitor.metadata.jobs import JobRuns


def test_a_run_is_running_until_it_ends_well_or_badly(database: Database, clock: MovableClock) -> None:
    runs = JobRuns(database)
    good = runs.begin("drift", clock.now())
    running = runs.last("drift")
    assert running is not None
    assert (running.state, running.finished_at) == ("running", None)
    clock.move(timedelta(seconds=3))
    assert runs.finish(good, clock.now(), {"examined": 4}).state == "succeeded"
    clock.move(timedelta(seconds=3))
    bad = runs.finish(runs.begin("drift", clock.now()), clock.now(), {}, "boom")
    assert (bad.state, bad.error) == ("failed", "boom")
    assert runs.last("drift") == bad
    succeeded = runs.last("drift", "succeeded")
    assert succeeded is not None
    assert succeeded.facts == {"examined": 4}
    assert runs.last("cost_anomaly") is None


def test_ending_an_unknown_run_is_an_error(database: Database, clock: MovableClock) -> None:
    with pytest.raises(NotFound):
        JobRuns(database).finish("nope", clock.now(), {})


def test_what_a_killed_process_left_running_becomes_failed(database: Database, clock: MovableClock) -> None:
    runs = JobRuns(database)
    runs.begin("drift", clock.now())
    assert runs.interrupt_running(clock.now()) == 1
    last = runs.last("drift")
    assert last is not None
    assert last.state == "failed"
    assert "interrupted" in str(last.error)
    assert runs.interrupt_running(clock.now()) == 0


def test_old_runs_are_forgotten_but_the_latest_of_each_job_stays(database: Database, clock: MovableClock) -> None:
    runs = JobRuns(database)
    for _ in range(3):
        runs.finish(runs.begin("drift", clock.now()), clock.now(), {})
        clock.move(timedelta(days=1))
    runs.finish(runs.begin("cost_anomaly", clock.now() - timedelta(days=9)), clock.now(), {})
    assert runs.prune(clock.now()) == 2
    assert runs.last("drift") is not None
    assert runs.last("cost_anomaly") is not None

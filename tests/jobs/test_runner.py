from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import cast

import pytest

from monitor.alerts.lifecycle import Lifecycle
from monitor.clock import MovableClock, SystemClock
from monitor.errors import Conflict, NotFound
from monitor.jobs.runner import JobRunner
from monitor.metadata.database import Database
from monitor.metadata.jobs import JobRuns, RunRecord
from monitor.metadata.letters import DeadLetters
from monitor.settings import Settings
from monitor.store.reading import Reader
from tests.jobs.fakes import ListReader

NAMES = ["drift", "cost_anomaly", "latency_threshold", "missing_modality", "dead_letters", "pipeline_stalled", "review_fill"]
Run = Callable[[str], RunRecord]


def wait_until(true: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20
    while not true():
        assert time.monotonic() < limit, "it never came true"
        time.sleep(0.02)


def test_every_job_is_listed_before_it_ever_ran(runner: JobRunner, settings: Settings) -> None:
    jobs = runner.list()
    assert [job.name for job in jobs] == NAMES
    assert [job.interval_s for job in jobs] == [3600, 3600, 60, 60, 60, 60, 60]
    assert all(job.last_state is None and job.next_run_at is None for job in jobs)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_project_is_no_error(runner: JobRunner, clock: MovableClock, name: str) -> None:
    record = runner.run(name)
    assert (record.state, record.error, record.facts["opened"]) == ("succeeded", None, 0)
    status = runner.status(name)
    assert (status.last_state, status.last_finished_at) == ("succeeded", clock.now())


def test_a_job_that_fails_says_why_and_works_again_later(runner: JobRunner, lists: ListReader, run: Run) -> None:
    run("latency_threshold")
    lists.down = True
    failed = runner.run("drift")
    assert failed.state == "failed"
    assert "connection refused" in str(failed.error)
    assert runner.status("drift").last_error == failed.error
    # What needs no store goes on meanwhile once the project is known; the others recover by themselves.
    lists.down = False
    assert runner.run("drift").state == "succeeded"


def test_one_project_in_trouble_does_not_stop_the_others(runner: JobRunner, lists: ListReader, monkeypatch: pytest.MonkeyPatch) -> None:
    lists.names = ["bad", "good"]
    looked: list[str] = []

    def stage_latencies(project: str, since: object, until: object) -> list[object]:
        looked.append(project)
        if project == "bad":
            raise ValueError("what it is")
        return []

    monkeypatch.setattr(lists, "stage_latencies", stage_latencies)
    record = runner.run("latency_threshold")
    assert looked == ["bad", "good"]
    assert (record.state, record.error) == ("failed", "bad: ValueError: what it is")


def test_a_job_does_not_run_twice_at_once(runner: JobRunner, lists: ListReader, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(project: str, since: object, until: object) -> list[object]:
        entered.set()
        leave.wait(20)
        return []

    monkeypatch.setattr(lists, "stage_latencies", slow)
    first = threading.Thread(target=runner.run, args=["latency_threshold"])
    first.start()
    entered.wait(20)
    with pytest.raises(Conflict, match="running"):
        runner.run("latency_threshold")
    assert runner.status("latency_threshold").last_state == "running"
    leave.set()
    first.join()
    assert runner.run("latency_threshold").state == "succeeded"


def test_an_unknown_job_is_not_found(runner: JobRunner) -> None:
    for call in (runner.run, runner.run_now, runner.status):
        with pytest.raises(NotFound):
            call("earthquakes")


def test_without_a_scheduler_a_job_cannot_be_asked_for(runner: JobRunner) -> None:
    with pytest.raises(Conflict, match="leads"):
        runner.run_now("drift")


def test_the_scheduler_runs_jobs_by_itself_and_at_once_when_asked(settings: Settings, lists: ListReader, database: Database) -> None:
    settings = settings.model_copy(update={"latency_interval_s": 1})
    runner = JobRunner(settings, cast(Reader, lists), database, SystemClock())
    runner.start()
    runner.start()
    try:
        wait_until(lambda: runner.status("latency_threshold").last_state == "succeeded")
        assert runner.status("cost_anomaly").last_state is None
        asked = runner.run_now("cost_anomaly")
        assert asked.next_run_at is not None
        wait_until(lambda: runner.status("cost_anomaly").last_state == "succeeded")
    finally:
        runner.stop()
    assert runner.status("cost_anomaly").next_run_at is None
    runner.stop()


def test_a_run_that_a_kill_interrupted_is_failed_after_the_next_start(runner: JobRunner, database: Database, clock: MovableClock) -> None:
    JobRuns(database).begin("drift", clock.now())
    runner.start()
    runner.stop()
    assert runner.status("drift").last_state == "failed"


def test_waiting_dead_letters_raise_one_alert_until_none_is_left(
    settings: Settings, database: Database, clock: MovableClock, run: Run
) -> None:
    letters = DeadLetters(database, clock)
    run("dead_letters")
    letters.add("default", "detect", "r1", "ocr_mismatch", "the worker died twice", None)
    letters.add("default", "store", "r2", None, "refused", None)
    assert run("dead_letters").facts["opened"] == 1
    clock.move(timedelta(minutes=1))
    assert run("dead_letters").facts["folded"] == 1
    (alert,) = Lifecycle(settings, database).list("default")[0]
    assert alert.title == "2 dead letters waiting"
    assert alert.facts["stages"] == {"detect": 1, "store": 1}
    for letter in letters.list("default")[0]:
        letters.close("default", letter.id, "discarded", "ann")
    clock.move(timedelta(minutes=1))
    assert run("dead_letters").facts["resolved"] == 1


def test_dead_letters_a_person_has_seen_are_told_again_only_with_a_new_one(
    settings: Settings, database: Database, clock: MovableClock, run: Run
) -> None:
    letters, lifecycle = DeadLetters(database, clock), Lifecycle(settings, database)
    letters.add("default", "store", "r1", None, "refused", None)
    run("dead_letters")
    clock.move(timedelta(minutes=1))
    lifecycle.resolve("default", lifecycle.list("default")[0][0].id, "ann", "known", clock.now())
    clock.move(timedelta(minutes=1))
    assert run("dead_letters").facts["opened"] == 0
    letters.add("default", "store", "r2", None, "refused", None)
    assert run("dead_letters").facts["opened"] == 1

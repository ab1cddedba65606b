from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import cast

from monitor.clock import MovableClock
from monitor.jobs.review_fill import slabs
from monitor.jobs.runner import JobRunner
from monitor.metadata.database import Database
from monitor.metadata.jobs import RunRecord
from monitor.metadata.review import ReviewItems
from monitor.settings import Settings
from monitor.store.reading import Reader
from monitor.store.rows import ReviewCandidate
from tests.conftest import NOON
from tests.jobs.fakes import ListReader

Run = Callable[[str], RunRecord]


def add(lists: ListReader, settings: Settings, identifier: str, time: datetime, *, done: bool = True, flagged: bool = True) -> None:
    """An authoritative response; flagged ones are always drawn."""
    one = ReviewCandidate(id=identifier, time=time, workflow="w", risk="authoritative", max_score=0.9, flagged=flagged, checked=True)
    lists.candidates.append(one)
    lists.states[identifier] = dict.fromkeys(settings.detectors if done else settings.detectors[:1], "judged")


def queued(database: Database, clock: MovableClock) -> set[str]:
    return {item.response_id for item in ReviewItems(database).page("default", clock.now())}


def test_the_queue_is_filled_once_however_often_the_job_runs(
    settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run
) -> None:
    for number in range(20):
        add(lists, settings, f"r{number}", clock.now() - timedelta(hours=number, seconds=1))
    first = run("review_fill").facts
    assert (first["examined"], first["queued"]) == (20, 20)
    again = run("review_fill").facts
    assert again["queued"] == 0
    # A new process remembers nothing and still adds nothing.
    fresh = JobRunner(settings, cast(Reader, lists), database, clock).run("review_fill").facts
    assert (fresh["examined"], fresh["queued"]) == (20, 0)
    assert len(queued(database, clock)) == 20


def test_a_response_is_drawn_when_all_detectors_are_done_or_patience_ends(
    settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run
) -> None:
    add(lists, settings, "slow", clock.now(), done=False)
    add(lists, settings, "stuck", clock.now(), done=False)
    add(lists, settings, "done", clock.now() - timedelta(minutes=1))
    clock.move(timedelta(minutes=5))
    run("review_fill")
    assert queued(database, clock) == {"done"}
    lists.states["slow"] = dict.fromkeys(settings.detectors, "judged")
    lists.ended["slow"] = clock.now()
    run("review_fill")
    assert queued(database, clock) == {"done", "slow"}
    clock.move(timedelta(minutes=56))
    run("review_fill")
    assert queued(database, clock) == {"done", "slow", "stuck"}


def test_a_response_that_comes_late_is_found_by_the_hourly_look_back(
    settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run
) -> None:
    run("review_fill")
    add(lists, settings, "late", clock.now() - timedelta(hours=20))
    clock.move(timedelta(minutes=1))
    run("review_fill")
    assert queued(database, clock) == set()
    clock.move(timedelta(hours=1))
    run("review_fill")
    assert queued(database, clock) == {"late"}


def test_a_look_reads_only_what_ended_since_the_one_before(
    settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run
) -> None:
    for number in range(20):
        add(lists, settings, f"r{number}", clock.now() - timedelta(minutes=1))
    run("review_fill")
    clock.move(timedelta(minutes=5))
    assert run("review_fill").facts["examined"] == 20, "an outcome may still have been on its way when the job ran"
    clock.move(timedelta(minutes=5))
    add(lists, settings, "new", clock.now() - timedelta(seconds=1))
    facts = run("review_fill").facts
    assert (facts["examined"], facts["queued"]) == (1, 1)


def test_after_a_pause_nothing_between_is_left_out(
    settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run
) -> None:
    run("review_fill")
    clock.move(timedelta(days=3))
    add(lists, settings, "meanwhile", clock.now() - timedelta(days=2))
    run("review_fill")
    assert queued(database, clock) == {"meanwhile"}


def test_only_what_the_policy_draws_is_queued(
    settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run
) -> None:
    for number in range(300):
        add(lists, settings, f"r{number}", clock.now() - timedelta(seconds=number + 1), flagged=False)
    facts = run("review_fill").facts
    # Floor 2% and unflagged authoritative 10%: 11.8% of 300.
    assert facts["examined"] == 300
    assert 15 <= facts["queued"] <= 60
    chances = {round(item.inclusion_probability, 9) for item in ReviewItems(database).page("default", clock.now())}
    assert chances == {round(1 - 0.98 * 0.9, 9)}


def test_time_is_cut_at_full_hours_without_gaps() -> None:
    cut = list(slabs(NOON + timedelta(minutes=30), NOON + timedelta(hours=2, minutes=10)))
    assert cut == [
        (NOON + timedelta(minutes=30), NOON + timedelta(hours=1)),
        (NOON + timedelta(hours=1), NOON + timedelta(hours=2)),
        (NOON + timedelta(hours=2), NOON + timedelta(hours=2, minutes=10)),
    ]
    assert list(slabs(NOON, NOON)) == []

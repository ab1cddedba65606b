from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import pytest

from monitor.alerts.lifecycle import Lifecycle
from monitor.alerts.params import DriftParams
from monitor.alerts.rules import RuleBook
from monitor.clock import MovableClock
from monitor.jobs.drift import examine, told
from monitor.metadata.alerts import AlertRecord
from monitor.metadata.database import Database
from monitor.metadata.jobs import RunRecord
from monitor.settings import Settings
from monitor.store.rows import SliceBucket
from tests.conftest import NOON
from tests.jobs.fakes import ListReader, bucket

HOUR = timedelta(hours=1)
P = "default"
Run = Callable[[str], RunRecord]


def hourly(
    rng: np.random.Generator, start: datetime, count: int, cohorts: int, rate: float, share: float, rho: float = 0.0, times: float = 1.0
) -> list[list[SliceBucket]]:
    """Hours of a workflow and its cohorts, with a day's rhythm and shocks that all cohorts share."""
    found = []
    for number in range(count):
        p = share if rho == 0 else rng.beta(share * (1 - rho) / rho, (1 - share) * (1 - rho) / rho)
        sizes = rng.poisson(rate * (1 + 0.5 * np.sin(2 * np.pi * number / 24)), cohorts)
        flagged = rng.binomial(sizes, min(1.0, p * times))
        at = start + number * HOUR
        slices = [bucket(at, int(n), int(x), cohort=f"c:{c}") for c, (n, x) in enumerate(zip(sizes, flagged, strict=True))]
        found.append([bucket(at, int(sizes.sum()), int(flagged.sum())), *slices])
    return found


def alerting_hours(hours: list[list[SliceBucket]], first: int) -> list[int]:
    """The hours at whose end a job would open an alert; one that goes on is one alarm."""
    params, found, last = DriftParams(), [], -99
    for number in range(first, len(hours) + 1):
        seen = [one for hour in hours[max(0, number - 174) : number] for one in hour]
        now = hours[0][0].start + number * HOUR + timedelta(minutes=3)
        if told(examine(seen, now, params, {}), {}):
            if number - last > 3:
                found.append(number)
            last = number
    return found


@pytest.mark.parametrize(("rate", "share", "rho"), [(20, 0.05, 0.0), (20, 0.1, 0.02)])
def test_quiet_weeks_of_fifty_cohorts_raise_at_most_one_false_alarm_each(rate: float, share: float, rho: float) -> None:
    hours = hourly(np.random.default_rng(11), NOON, 168 * 2, 50, rate, share, rho)
    assert len(alerting_hours(hours, 168)) <= 1


@pytest.mark.parametrize("seed", range(6))
def test_a_tripled_share_is_found_within_two_hours(seed: int) -> None:
    rng = np.random.default_rng(seed)
    quiet = hourly(rng, NOON, 168, 5, 40, 0.08)
    loud = hourly(rng, NOON + 168 * HOUR, 2, 5, 40, 0.08, times=3)
    found = alerting_hours(quiet + loud, 169)
    assert found
    assert found[0] in (169, 170)


def fill(lists: ListReader, now: datetime, *, recent: int, cohort: str = "", hours: int = 2, normal: int = 4, workflow: str = "w") -> None:
    """A week with ``normal`` of 100 flagged, then ``hours`` up to now with ``recent``."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    for number in range(176):
        flagged = recent if number < hours else normal + number % 3 - 1
        lists.buckets.append(bucket(this_hour - number * HOUR, 100, flagged, cohort=cohort, workflow=workflow))


def alerts_of(settings: Settings, database: Database) -> list[AlertRecord]:
    return Lifecycle(settings, database).list(P)[0]


def test_a_risen_workflow_raises_one_alert_with_numbers_and_samples(
    settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run
) -> None:
    clock.move(timedelta(minutes=30))
    fill(lists, clock.now(), recent=14)
    fill(lists, clock.now(), recent=20, cohort="device:ios")
    fill(lists, clock.now(), recent=12, cohort="region:eu")
    fill(lists, clock.now(), recent=4, cohort="device:android")
    facts = run("drift").facts
    assert (facts["examined"], facts["opened"], facts["resolved"]) == (4, 1, 0)
    (alert,) = alerts_of(settings, database)
    assert (alert.kind, alert.labels["workflow"], alert.title) == ("drift", "w", "Flagged share of w rose from 4.0% to 14.0%")
    assert [one["cohort"] for one in alert.facts["worst_cohorts"]] == ["device:ios", "region:eu"]
    assert (alert.facts["checked"], alert.facts["flagged"]) == (200, 28)
    assert alert.facts["p_value"] < 1e-4
    assert alert.samples == {
        "since": "2026-03-02T11:00:00+00:00",
        "until": "2026-03-02T12:30:00+00:00",
        "workflow": "w",
        "verdict": "hallucinated",
    }
    assert "28 of 200 checked responses" in alert.summary
    assert "device:ios" in alert.summary


def test_a_cohort_that_rises_alone_is_named_and_speaks_for_those_that_overlap(
    settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run
) -> None:
    fill(lists, clock.now(), recent=4)
    fill(lists, clock.now(), recent=25, cohort="device:ios")
    fill(lists, clock.now(), recent=18, cohort="region:eu")
    run("drift")
    (alert,) = alerts_of(settings, database)
    assert alert.labels == {"kind": "drift", "workflow": "w", "cohort_key": "device", "cohort_value": "ios"}
    assert alert.samples["cohort"] == "device:ios"
    assert alert.facts["also_risen"] == [["region", "eu"]]
    assert "Also risen: region=eu" in alert.summary
    # The next run folds, and what the alert speaks for opens nothing of its own.
    assert run("drift").facts["opened"] == 0
    assert [one.occurrences for one in alerts_of(settings, database)] == [2]


def test_a_fall_is_recorded_but_raises_nothing(lists: ListReader, clock: MovableClock, run: Run) -> None:
    fill(lists, clock.now(), recent=5, normal=30)
    facts = run("drift").facts
    assert facts["opened"] == 0
    assert [one["workflow"] for one in facts["fallen"]] == ["w"]


def test_a_rise_smaller_than_the_rule_minds_raises_nothing(lists: ListReader, clock: MovableClock, run: Run) -> None:
    for number in range(176):
        lists.buckets.append(bucket(clock.now() - number * HOUR, 20_000, 400 if number < 2 else 200))
    assert run("drift").facts["opened"] == 0


@pytest.mark.parametrize(("checked", "weeks_hours"), [(9, 176), (100, 3)])
def test_too_few_checked_responses_or_hours_are_not_examined(
    lists: ListReader, clock: MovableClock, run: Run, checked: int, weeks_hours: int
) -> None:
    for number in range(weeks_hours):
        lists.buckets.append(bucket(clock.now() - number * HOUR, checked if number < 7 else 100, 9 if number < 2 else 1))
    lists.buckets = [one for number, one in enumerate(lists.buckets) if number < 1 or number >= 6]
    assert run("drift").facts["examined"] == 0


def test_a_lasting_shift_does_not_become_normal_and_its_end_resolves_the_alert(
    settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run
) -> None:
    fill(lists, clock.now(), recent=14)
    run("drift")
    for _ in range(9 * 24 // 6):
        for _ in range(6):
            clock.move(HOUR)
            lists.buckets.append(bucket(clock.now(), 100, 14))
        run("drift")
    (alert,) = alerts_of(settings, database)
    assert (alert.state, alert.occurrences) == ("open", 37)
    for number in range(9):
        clock.move(HOUR)
        lists.buckets.append(bucket(clock.now(), 100, 3 + number % 3))
        run("drift")
    (alert,) = alerts_of(settings, database)
    assert (alert.state, alert.resolved_by) == ("resolved", "groundwatch")


def test_silence_does_not_resolve_an_alert(
    settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run
) -> None:
    fill(lists, clock.now(), recent=14)
    run("drift")
    clock.move(timedelta(hours=12))
    run("drift")
    assert [alert.state for alert in alerts_of(settings, database)] == ["open"]


def test_a_rule_of_the_workflow_replaces_the_project_wide_one(
    settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run
) -> None:
    book = RuleBook(database)
    narrow = book.create(P, "drift", clock.now(), actor="ann", workflow="w", severity="info", params={"min_effect": 0.5})
    fill(lists, clock.now(), recent=14)
    fill(lists, clock.now(), recent=14, workflow="other")
    run("drift")
    (alert,) = alerts_of(settings, database)
    assert alert.labels["workflow"] == "other"
    assert alert.rule_id != narrow.id

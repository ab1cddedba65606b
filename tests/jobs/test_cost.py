from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest

from monitor.alerts.lifecycle import Lifecycle
from monitor.alerts.params import CostParams
from monitor.clock import MovableClock
from monitor.jobs.cost import CostVerdict, HourCost, judge_cost, window_of
from monitor.metadata.database import Database
from monitor.metadata.jobs import RunRecord
from monitor.settings import Settings
from tests.conftest import NOON
from tests.jobs.fakes import ListReader, priced

HOUR = timedelta(hours=1)
PARAMS = CostParams()
Run = Callable[[str], RunRecord]


def hourly(rng: np.random.Generator, count: int, rate: float, sigma: float) -> list[HourCost]:
    """Mean costs of log-normal responses, dearer by day, with less traffic at night and on weekends."""
    found = []
    for number in range(count):
        at = NOON + number * HOUR
        size = rng.poisson(rate * (1 + 0.8 * np.sin(2 * np.pi * at.hour / 24)) * (0.4 if at.weekday() >= 5 else 1))
        costs = rng.lognormal(0.3 * np.sin(2 * np.pi * (at.hour - 6) / 24), sigma, size)
        found.append(HourCost(at, float(costs.mean()) if size else 0.0, int(size)))
    return found


def verdict_at(hours: list[HourCost], number: int) -> CostVerdict | None:
    at = hours[0].start + number * HOUR
    window = window_of([hour for hour in hours[number - 6 : number] if hour.priced], at, PARAMS)
    return judge_cost(window, [hour for hour in hours[max(0, number - 678) : number - 6] if hour.priced], PARAMS)


def alarming(verdict: CostVerdict) -> bool:
    return verdict.z >= PARAMS.threshold and verdict.ratio >= PARAMS.min_ratio


@pytest.mark.parametrize(("rate", "sigma"), [(30, 1.2), (300, 0.5)])
def test_thirty_quiet_days_raise_no_alert(rate: float, sigma: float) -> None:
    hours = hourly(np.random.default_rng(5), 24 * 37, rate, sigma)
    # Every ninth hour walks through all hours of the day and the week.
    looks = range(24 * 7, len(hours), 9)
    judged = [one for number in looks if (one := verdict_at(hours, number)) is not None]
    # Some nights of the small workflow have too few priced responses; most hours must be judged for this to mean anything.
    assert len(judged) > 0.8 * len(looks)
    assert [one for one in judged if alarming(one)] == []


@pytest.mark.parametrize("seed", range(5))
def test_a_doubled_cost_is_found_within_two_hours(seed: int) -> None:
    hours = hourly(np.random.default_rng(seed), 24 * 14 + 8, 100, 0.5)
    first = 24 * 14
    hours = [HourCost(hour.start, hour.mean * (2 if number >= first else 1), hour.priced) for number, hour in enumerate(hours)]
    judged = [verdict_at(hours, first + 1), verdict_at(hours, first + 2)]
    assert any(one is not None and alarming(one) for one in judged)


def test_the_narrowest_season_with_enough_days_is_used() -> None:
    hours = [HourCost(NOON + number * HOUR, 5.0 if (NOON + number * HOUR).weekday() == 0 else 1.0, 50) for number in range(24 * 28)]
    judged = {days: verdict_at(hours, days * 24 + 1) for days in (2, 7, 25)}
    seasons = {days: one.season for days, one in judged.items() if one is not None}
    assert seasons == {2: "none", 7: "hour of the day", 25: "hour of the week"}
    monday = verdict_at(hours, 21 * 24 + 1)
    assert monday is not None
    assert monday.usual == pytest.approx(5.0)
    assert monday.z == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("window", "history"),
    [
        ([], [HourCost(NOON, 1.0, 50)] * 48),
        ([HourCost(NOON, 1.0, 19)], [HourCost(NOON, 1.0, 50)] * 48),
        ([HourCost(NOON, 1.0, 50)], [HourCost(NOON, 1.0, 50)] * 23),
        ([HourCost(NOON, 1.0, 50)], [HourCost(NOON, 1.0, 4)] * 48),
        ([HourCost(NOON, 0.0, 50)], [HourCost(NOON, 1.0, 50)] * 48),
    ],
)
def test_too_little_is_no_decision(window: list[HourCost], history: list[HourCost]) -> None:
    assert judge_cost(window, history, PARAMS) is None


def fill(lists: ListReader, clock: MovableClock, recent: float, *, unpriced: int = 0, hours: int = 200) -> None:
    start = clock.now()
    clock.move(HOUR / 2)
    for number in range(hours):
        mean = recent if number < 2 else 0.02 * (1 + 0.02 * (number % 5))
        lists.buckets.append(priced(start - number * HOUR, mean, 50, responses=50 + unpriced))


def test_a_dearer_workflow_raises_an_alert_that_counts_the_unpriced(
    settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run
) -> None:
    fill(lists, clock, 0.06, unpriced=7)
    facts = run("cost_anomaly").facts
    assert (facts["examined"], facts["opened"]) == (1, 1)
    (alert,) = Lifecycle(settings, database).list("default")[0]
    assert alert.title == "A response of w costs 2.9 times the usual"
    assert (alert.facts["unpriced"], alert.facts["responses"]) == (14, 114)
    assert "14 of 114 responses have no price" in alert.summary
    assert alert.samples["workflow"] == "w"


def test_a_cheaper_workflow_is_recorded_but_raises_nothing(lists: ListReader, clock: MovableClock, run: Run) -> None:
    fill(lists, clock, 0.005)
    facts = run("cost_anomaly").facts
    assert facts["opened"] == 0
    assert [one["workflow"] for one in facts["fallen"]] == ["w"]


@pytest.mark.parametrize("recent", [0.0208, 0.025])
def test_a_rise_smaller_than_the_rule_minds_raises_nothing(lists: ListReader, clock: MovableClock, run: Run, recent: float) -> None:
    fill(lists, clock, recent)
    facts = run("cost_anomaly").facts
    assert (facts["examined"], facts["opened"]) == (1, 0)


def test_a_workflow_without_prices_is_not_examined(lists: ListReader, clock: MovableClock, run: Run) -> None:
    lists.buckets = [priced(clock.now() - number * HOUR, 0.0, 0, responses=50) for number in range(200)]
    assert run("cost_anomaly").facts["examined"] == 0


def test_the_alert_resolves_when_costs_are_usual_again(
    settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run
) -> None:
    fill(lists, clock, 0.06)
    run("cost_anomaly")
    for _ in range(5):
        clock.move(HOUR)
        lists.buckets.append(priced(clock.now() - HOUR / 2, 0.0206, 50))
        run("cost_anomaly")
    (alert,) = Lifecycle(settings, database).list("default")[0]
    assert (alert.state, alert.resolved_by) == ("resolved", "groundwatch")

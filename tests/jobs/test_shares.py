from __future__ import annotations

import math
import random

import pytest
from scipy.stats import betabinom, binom

from monitor.jobs.shares import Counts, discoveries, overdispersion, shift
from monitor.jobs.shares import _tails as tails


def hours(rng: random.Random, count: int, size: int, share: float, rho: float = 0.0) -> list[Counts]:
    """Beta-binomial hours."""
    found = []
    for _ in range(count):
        p = share if rho == 0 else rng.betavariate(share * (1 - rho) / rho, (1 - share) * (1 - rho) / rho)
        found.append(Counts(size, sum(rng.random() < p for _ in range(size))))
    return found


@pytest.mark.parametrize(
    ("flagged", "checked", "mean", "rho"), [(7, 60, 0.05, 0.02), (0, 60, 0.05, 0.1), (60, 60, 0.3, 0.01), (9, 500, 0.01, 0.3)]
)
def test_tails_are_those_of_the_beta_binomial(flagged: int, checked: int, mean: float, rho: float) -> None:
    law = betabinom(checked, mean * (1 - rho) / rho, (1 - mean) * (1 - rho) / rho)
    up, down = tails(flagged, checked, mean, rho)
    assert up == pytest.approx(law.sf(flagged - 1), rel=1e-8)
    assert down == pytest.approx(law.cdf(flagged), rel=1e-8)


@pytest.mark.parametrize("flagged", [0, 3, 50])
def test_without_scatter_the_tails_are_those_of_the_binomial(flagged: int) -> None:
    up, down = tails(flagged, 50, 0.1, 0.0)
    assert up == pytest.approx(binom.sf(flagged - 1, 50, 0.1))
    assert down == pytest.approx(binom.cdf(flagged, 50, 0.1))


@pytest.mark.parametrize("rho", [0.0, 0.02, 0.1])
def test_the_scatter_between_hours_is_recovered(rho: float) -> None:
    found = overdispersion(hours(random.Random(1), 1000, 60, 0.1, rho))
    assert found == pytest.approx(rho, abs=0.005 + rho * 0.15)


@pytest.mark.parametrize(
    "counts", [[], [Counts(10, 1)], [Counts(10, 0)] * 9, [Counts(10, 10)] * 9, [Counts(0, 0)] * 9, [Counts(1, 1), Counts(1, 0)]]
)
def test_hours_that_say_nothing_of_scatter_have_none(counts: list[Counts]) -> None:
    assert overdispersion(counts) == 0


def test_p_values_of_quiet_windows_are_not_too_small() -> None:
    rng = random.Random(2)
    small = {0.05: 0, 0.01: 0}
    rounds = 1500
    for _ in range(rounds):
        baseline = hours(rng, 48, 25, 0.08, 0.03)
        found = shift(hours(rng, 2, 25, 0.08, 0.03), baseline)
        assert found is not None
        for level in small:
            small[level] += found.p_up <= level
    for level, count in small.items():
        # Four standard errors above the nominal level.
        assert count / rounds <= level + 4 * math.sqrt(level * (1 - level) / rounds)


def test_scatter_makes_the_same_rise_less_surprising() -> None:
    rng = random.Random(3)
    window = [Counts(100, 15)]
    calm = shift(window, hours(rng, 100, 100, 0.05))
    rough = shift(window, hours(rng, 100, 100, 0.05, 0.03))
    assert calm is not None
    assert rough is not None
    assert calm.p_up < 1e-3 < rough.p_up


@pytest.mark.parametrize(
    ("window", "baseline"), [([], [Counts(9, 1)] * 9), ([Counts(0, 0)], [Counts(9, 1)] * 9), ([Counts(9, 1)], [Counts(900, 9)] * 5)]
)
def test_too_little_is_no_decision(window: list[Counts], baseline: list[Counts]) -> None:
    assert shift(window, baseline) is None


def test_a_spotless_baseline_is_not_taken_for_certainty() -> None:
    found = shift([Counts(30, 1)], [Counts(30, 0)] * 10)
    assert found is not None
    assert found.p_up > 0.01


def test_discoveries_follow_benjamini_and_hochberg() -> None:
    # The fifteen p-values of the paper's own example (1995, section 3.2): four are discoveries at 0.05.
    values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert sum(discoveries(values, 0.05)) == 4
    assert discoveries([0.9, 0.0001], 0.05) == [False, True]
    assert discoveries([], 0.05) == []

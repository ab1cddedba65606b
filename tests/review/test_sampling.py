from __future__ import annotations

from datetime import UTC, datetime

import pytest

from monitor.review.sampling import SamplingPolicy, chances_of, draw, item_of, uniform
from monitor.store.rows import ReviewCandidate

TIME = datetime(2026, 3, 2, 12, tzinfo=UTC)
POLICY = SamplingPolicy()


def candidate(identifier: str = "r", *, risk: str = "assistive", score: float | None = 0.1, flagged: bool = False) -> ReviewCandidate:
    return ReviewCandidate(id=identifier, time=TIME, workflow="w", risk=risk, max_score=score, flagged=flagged, checked=score is not None)


def test_a_draw_depends_on_nothing_but_project_response_and_reason() -> None:
    assert uniform("p", "r", "floor") == uniform("p", "r", "floor")
    others = {uniform("q", "r", "floor"), uniform("p", "s", "floor"), uniform("p", "r", "flagged")}
    assert len(others | {uniform("p", "r", "floor")}) == 4


def test_draws_are_uniform() -> None:
    numbers = [uniform("p", f"r{n}", "floor") for n in range(20_000)]
    for tenth in range(10):
        share = sum(tenth / 10 <= number < (tenth + 1) / 10 for number in numbers) / len(numbers)
        # Five standard errors of 0.1 at n = 20,000.
        assert share == pytest.approx(0.1, abs=0.011)


def test_everything_has_the_floors_chance_even_what_nobody_checked() -> None:
    assert chances_of(POLICY, candidate(score=None)) == {"floor": 0.02}
    assert draw(POLICY, "p", candidate(score=None)).inclusion_probability == pytest.approx(0.02)


def test_the_chance_rises_as_the_score_nears_the_boundary() -> None:
    chances = [chances_of(POLICY, candidate(score=score)).get("uncertain", 0.0) for score in (0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9)]
    assert chances == pytest.approx([0.0, 0.1, 0.3, 0.5, 0.3, 0.1, 0.0])


def test_a_costly_risk_has_a_higher_chance_and_more_so_when_flagged() -> None:
    def chance(risk: str, flagged: bool) -> float:
        return chances_of(POLICY, candidate(risk=risk, flagged=flagged)).get("high_risk", 0.0)

    assert chance("assistive", True) == 0
    assert 0 < chance("decision_support", False) < chance("authoritative", False)
    assert chance("decision_support", False) < chance("decision_support", True) < chance("authoritative", True) == 1


@pytest.mark.parametrize(
    "one",
    [
        candidate(),
        candidate(score=0.45),
        candidate(score=0.9, flagged=True),
        candidate(risk="authoritative", score=0.6),
        candidate(risk="decision_support", score=0.55, flagged=True),
    ],
)
def test_the_recorded_probability_is_how_often_such_a_response_is_drawn(one: ReviewCandidate) -> None:
    draws = [draw(POLICY, "p", ReviewCandidate(**{**_fields(one), "id": f"r{n}"})) for n in range(20_000)]
    expected = draws[0].inclusion_probability
    taken = sum(bool(drawn.taken_by) for drawn in draws) / len(draws)
    assert taken == pytest.approx(expected, abs=4 * (expected * (1 - expected) / len(draws)) ** 0.5)


def test_weighting_by_the_inverse_probability_recovers_the_true_share() -> None:
    # The detector is right most of the time and flagged responses are drawn far more often; the plain share is biased.
    population = [candidate(f"r{n}", score=0.9 if n % 10 == 0 else 0.1, flagged=n % 10 == 0) for n in range(50_000)]
    wrong = {one.id for n, one in enumerate(population) if (n % 10 == 0 and n % 30 != 0) or n % 100 == 1}
    truth = len(wrong) / len(population)
    drawn = [item for item in (item_of(POLICY, "p", one) for one in population) if item is not None]
    plain = sum(item.response_id in wrong for item in drawn) / len(drawn)
    weighted = sum((item.response_id in wrong) / item.inclusion_probability for item in drawn) / len(population)
    assert plain > 2 * truth
    assert weighted == pytest.approx(truth, rel=0.1)


def test_an_item_names_the_reason_that_took_it_in_words() -> None:
    policy = SamplingPolicy(floor=1.0)
    floor = item_of(policy, "p", candidate())
    assert floor is not None
    assert (floor.stratum, floor.reason) == (
        "floor",
        "Picked at random, whatever the detectors said, to measure what they miss. All of its kind are reviewed.",
    )
    risky = item_of(POLICY, "p", candidate(risk="authoritative", score=0.93, flagged=True))
    assert risky is not None
    assert (risky.stratum, risky.inclusion_probability) == ("high_risk", 1.0)
    assert risky.reason == "The answer is authoritative and was flagged (highest score 0.93). All of its kind are reviewed."
    assert risky.priority > floor.priority


def test_without_a_floor_an_unremarkable_response_is_never_drawn() -> None:
    assert all(item_of(SamplingPolicy(floor=0), "p", candidate(f"r{n}")) is None for n in range(1000))


def _fields(one: ReviewCandidate) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__struct_fields__}

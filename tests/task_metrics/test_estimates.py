"""Means, pass@k, calibration and risk–coverage: against brute force, by simulation, and at their edges."""

from __future__ import annotations

from itertools import combinations, permutations
from math import isclose

import numpy as np
import pytest

from monitor.task_metrics.confidence import confidence_quality
from monitor.task_metrics.estimates import mean_estimate, pass_at_k, pass_estimates
from monitor.task_metrics.windows import AnswerCell, GroupSums, MetricSum, selection, task_quality


@pytest.mark.parametrize(("n", "c", "k"), [(5, 2, 1), (5, 2, 3), (6, 0, 2), (6, 6, 6), (7, 3, 5), (4, 3, 2)])
def test_pass_at_k_is_the_share_of_draws_with_a_correct_attempt(n: int, c: int, k: int) -> None:
    draws = list(combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(any(draw) for draw in draws) / len(draws))


def test_pass_at_k_of_many_attempts_neither_overflows_nor_cancels() -> None:
    assert pass_at_k(100_000, 1, 10) == pytest.approx(1e-4)


@pytest.mark.parametrize(("n", "c", "k"), [(2, 1, 3), (2, 3, 1), (2, 1, 0)])
def test_pass_at_k_refuses_what_cannot_be(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="pass@"):
        pass_at_k(n, c, k)


def test_only_questions_asked_often_enough_count_for_a_k() -> None:
    found = pass_estimates([(1, 1, 50), (2, 1, 30), (5, 0, 10)])
    assert (found[1].n, found[2].n, found[5].n) == (40, 40, 10)
    assert found[1].value == pytest.approx(30 * 0.5 / 40)
    assert found[2].value == pytest.approx(30 / 40)
    assert 10 not in found


def test_a_mean_has_an_interval_of_the_right_coverage() -> None:
    random = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        sample = random.beta(2, 3, size=25)
        found = mean_estimate("token_f1", 25, float(sample.mean()), float(sample.var(ddof=1)))
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.4 <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_a_mean_of_one_answer_has_no_interval_and_of_none_no_value() -> None:
    assert mean_estimate("bleu", 1, 0.4, float("nan")).low is None
    assert mean_estimate("bleu", 0, 0.0, 0.0).value is None


def test_a_share_keeps_an_interval_where_all_are_alike() -> None:
    found = mean_estimate("exact_match", 10, 1.0, 0.0)
    assert found.high == 1.0
    assert found.low is not None
    assert 0.6 < found.low < 0.8


def brute_aurc(answers: list[tuple[float, bool]]) -> float:
    """Over every order that has the higher confidence first."""
    areas = []
    for order in permutations(answers):
        if all(order[i][0] >= order[i + 1][0] for i in range(len(order) - 1)):
            wrong = np.cumsum([not right for _, right in order])
            areas.append(float(np.mean(wrong / np.arange(1, len(order) + 1))))
    return float(np.mean(areas))


def test_the_area_under_risk_and_coverage_is_the_mean_over_all_orders_of_ties() -> None:
    answers = [(0.9, True), (0.9, False), (0.7, True), (0.7, True), (0.7, False), (0.2, False)]
    found = confidence_quality([(confidence, right, 1) for confidence, right in answers])
    assert found.aurc.value == pytest.approx(brute_aurc(answers))
    best = sorted((not right for _, right in answers))
    assert found.aurc_best == pytest.approx(float(np.mean(np.cumsum(best) / np.arange(1, 7))))


def test_cells_count_like_single_answers() -> None:
    together = confidence_quality([(0.9, True, 3), (0.4, False, 2)])
    alone = confidence_quality([(0.9, True, 1)] * 3 + [(0.4, False, 1)] * 2)
    for name in ("aurc", "brier", "ece"):
        assert getattr(together, name).value == pytest.approx(getattr(alone, name).value)


def test_a_known_calibration_error() -> None:
    found = confidence_quality([(0.95, True, 50), (0.95, False, 50), (0.3, True, 30), (0.3, False, 70)])
    assert found.ece.value == pytest.approx(0.5 * 0.45)
    assert found.brier.value == pytest.approx((50 * 0.05**2 + 50 * 0.95**2 + 30 * 0.7**2 + 70 * 0.3**2) / 200)
    assert [(one.low, one.correct.value) for one in found.bins] == [(0.3, 0.3), (0.9, 0.5)]
    assert found.error.value == pytest.approx(0.6)


def test_the_interval_of_the_brier_score_covers_the_truth() -> None:
    random = np.random.default_rng(2)
    held = 0
    for _ in range(100):
        confidence = random.choice([0.2, 0.5, 0.8, 0.95], size=150)
        right = random.random(150) < confidence
        found = confidence_quality([(float(one), bool(ok), 1) for one, ok in zip(confidence, right, strict=True)]).brier
        assert found.low is not None
        assert found.high is not None
        held += found.low <= float(np.mean([p * (1 - p) for p in (0.2, 0.5, 0.8, 0.95)])) <= found.high
    assert held >= 88


def test_the_curve_ends_at_full_coverage_with_the_share_of_wrong_answers() -> None:
    found = confidence_quality([(number / 500, number % 3 > 0, 1) for number in range(500)])
    assert len(found.curve) <= 200
    assert found.curve[-1].coverage == 1.0
    assert found.curve[-1].risk == found.error.value


def test_nothing_known_gives_no_number() -> None:
    found = confidence_quality([])
    assert (found.brier.value, found.aurc_best, found.error.n, found.curve) == (None, None, 0, [])


def cell(responses: int, *, abstained: bool = False, right: bool | None = True, confidence: float | None = None) -> AnswerCell:
    return AnswerCell(truth="verdict", abstained=abstained, confidence=confidence, right=right, responses=responses)


def test_what_nobody_checked_is_neither_right_nor_wrong() -> None:
    cells = [cell(10, confidence=0.9), cell(5, right=False, confidence=0.6), cell(85, right=None, confidence=0.9)]
    cells += [cell(3, abstained=True), cell(2, abstained=True, right=False), cell(1, abstained=True, right=None)]
    found = selection("verdict", cells)
    assert (found.right_answers, found.missed_abstentions, found.unknown_answers) == (10, 5, 85)
    assert (found.right_abstentions, found.wrong_abstentions, found.unknown_abstentions) == (3, 2, 1)
    assert found.risk.value == pytest.approx(1 / 3)
    assert found.coverage.value == pytest.approx(100 / 106)
    assert found.confidence.error.n == 15


def test_the_two_kinds_of_truth_are_told_apart() -> None:
    sums = GroupSums(
        group="qa",
        responses=3,
        metrics=[MetricSum(name="correct", n=2, mean=0.5, variance=0.5), MetricSum(name="answerable", n=2, mean=1.0, variance=0.0)],
        attempts=[],
        cells=[AnswerCell(truth="reference", abstained=False, confidence=0.5, right=True, responses=2), cell(1, right=None)],
    )
    found = task_quality(sums)
    assert [one.truth for one in found.selections] == ["reference", "verdict"]
    assert list(found.metrics) == ["correct"]
    assert found.metrics["correct"].n == 2
    assert isclose(found.metrics["correct"].value or 0.0, 0.5)

"""A team's own calibration: fitted with weights, refused without enough labels, applied and undone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.calibration import Calibration, CalibrationInvalid
from detectors.calibration.recalibration import Recalibration, log_odds
from detectors.calibration.refit import (
    FOLDS,
    LEAST_LABELS,
    LEAST_OF_EACH,
    Method,
    TooFewLabels,
    brier,
    calibration_error,
    missing_labels,
    refit,
)

PLATT = {"detector": "d", "detector_version": "1", "method": "platt", "slope": 0.8, "intercept": -2.0, "threshold": 0.2}
ISOTONIC = PLATT | {"method": "isotonic", "raw": [-3, 0, 4], "probability": [0.01, 0.1, 0.7]}


def traffic(n: int = 3000, seed: int = 1) -> tuple[Any, Any, Any]:
    """Scores that overstate: the true log-odds are 0.7 of the score's less 2. Half of what scores high is reviewed, little of the rest."""
    random = np.random.default_rng(seed)
    logit = random.normal(0, 2, n)
    truth = random.random(n) < 1 / (1 + np.exp(-(0.7 * logit - 2)))
    chance = np.where(logit > 1, 0.5, 0.1)
    seen = random.random(n) < chance
    return 1 / (1 + np.exp(-logit[seen])), truth[seen], chance[seen]


def fitted(method: Method = "platt") -> Any:
    scores, truth, chance = traffic()
    return refit(list(scores), list(scores), list(truth), list(chance), list(range(len(truth))), name="d", method=method)


def test_the_weighted_fit_finds_the_map_of_all_traffic_and_lowers_brier_and_ece() -> None:
    found = fitted()
    assert found.calibration.slope == pytest.approx(0.7, abs=0.15)
    assert found.calibration.intercept == pytest.approx(-2, abs=0.35)
    assert found.better
    assert found.brier_after.high < found.brier_before.low
    assert found.ece_after.value < 0.05 < found.ece_before.value
    assert found.brier_after.low <= found.brier_after.value <= found.brier_after.high
    assert found.effective < found.labels


def test_isotonic_rises_everywhere_so_that_it_can_be_undone() -> None:
    shape = fitted("isotonic").calibration
    assert list(shape.raw) == sorted(set(shape.raw))
    assert list(shape.probability) == sorted(set(shape.probability))


def test_scores_that_are_calibrated_already_are_not_called_better_for_nothing() -> None:
    random = np.random.default_rng(2)
    scores = random.random(2000)
    truth = random.random(2000) < scores
    found = refit(list(scores), list(scores), list(truth), [1.0] * 2000, list(range(2000)), name="d")
    assert abs(found.brier_after.value - found.brier_before.value) < 0.002


@pytest.mark.parametrize(
    ("truth", "missing"),
    [
        ([], f"{LEAST_LABELS} more judged claims and {LEAST_OF_EACH} more hallucinated claims and {LEAST_OF_EACH} more supported claims"),
        ([True] * 5 + [False] * 200, "15 more hallucinated claims"),
        ([True] * 200, "20 more supported claims"),
        ([True] * 50 + [False] * 49, "1 more judged claims"),
        ([True] * 50 + [False] * 50, None),
    ],
)
def test_what_is_missing_for_a_fit_is_said(truth: list[bool], missing: str | None) -> None:
    assert missing_labels(truth) == missing


def test_too_few_labels_or_responses_are_refused() -> None:
    with pytest.raises(TooFewLabels, match="more judged claims"):
        refit([0.5], [0.5], [True], [1.0], ["r"], name="d")
    many = [True, False] * 60
    with pytest.raises(TooFewLabels, match=f"{FOLDS - 2} more reviewed responses"):
        refit([0.5] * 120, [0.5] * 120, many, [1.0] * 120, ["a", "b"] * 60, name="d")


def test_the_figures_weigh_each_claim() -> None:
    p, y, weights = np.asarray([0.2, 0.8]), np.asarray([False, False]), np.asarray([3.0, 1.0])
    assert brier(p, y, weights) == pytest.approx((3 * 0.04 + 0.64) / 4)
    assert calibration_error(p, y, weights) == pytest.approx((3 * 0.2 + 0.8) / 4)


@pytest.mark.parametrize("fields", [PLATT, ISOTONIC], ids=["platt", "isotonic"])
def test_a_probability_is_led_back_to_the_score_it_came_from(fields: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(json.dumps(fields))
    own = Recalibration.read(tmp_path / "d.json", "d", "1")
    for score in (0.1, 0.5, 0.9):
        assert own.undo(own.apply(score)) == pytest.approx(score, abs=1e-6)
    assert own.apply(0.0) < own.apply(1.0)
    assert own.mark == f"calibration@{own.digest}"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "cannot be read"),
        ("[]", "not for this detector"),
        (json.dumps(PLATT | {"detector": "other"}), "not for this detector"),
        (json.dumps(PLATT | {"detector_version": "0"}), "fitted on version 0, this is 1"),
        (json.dumps(PLATT | {"slope": -1}), "does not rise"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_the_reason(content: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(content)
    with pytest.raises(CalibrationInvalid, match=problem):
        Recalibration.read(tmp_path / "d.json", "d", "1")


def test_log_odds_are_finite_at_the_ends() -> None:
    assert log_odds(0.5) == 0.0
    assert Calibration("d", "platt", 0.5).apply(log_odds(1.0)) == pytest.approx(1.0, abs=1e-5)
    assert log_odds(0.0) == pytest.approx(-log_odds(1.0))

"""The calibration module: loading, applying and fitting."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from detectors.calibration import Calibration, CalibrationInvalid
from detectors.calibration.fit import MOST_FALSE_ALARMS, choose_threshold, fit_isotonic, fit_platt


def _scores(seed: int = 7) -> tuple[list[float], list[bool], list[int]]:
    random = np.random.default_rng(seed)
    labels = [bool(number % 2) for number in range(400)]
    raw = [float(random.normal(0.75 if label else 0.25, 0.1)) for label in labels]
    return raw, labels, [number // 4 for number in range(400)]


def test_platt_rises_and_stays_within_bounds() -> None:
    calibration = Calibration.from_fields("x", {"method": "platt", "slope": 10, "intercept": -5, "threshold": 0.5})
    assert calibration.apply(0.5) == pytest.approx(0.5)
    assert calibration.apply(0.2) < calibration.apply(0.8)
    assert 0.0 <= calibration.apply(-1e9) < calibration.apply(1e9) <= 1.0


def test_isotonic_interpolates_between_its_points_and_clips_outside() -> None:
    calibration = Calibration.from_fields("x", {"method": "isotonic", "raw": [0.0, 1.0], "probability": [0.1, 0.9], "threshold": 0.5})
    assert calibration.apply(-3) == 0.1
    assert calibration.apply(0.5) == pytest.approx(0.5)
    assert calibration.apply(7) == 0.9


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"method": "guess", "threshold": 0.5}, "method"),
        ({"method": "platt", "slope": 1, "intercept": 0}, "threshold"),
        ({"method": "platt", "slope": 1, "intercept": 0, "threshold": 2}, "threshold"),
        ({"method": "platt", "slope": -1, "intercept": 0, "threshold": 0.5}, "slope"),
        ({"method": "platt", "slope": "1", "intercept": 0, "threshold": 0.5}, "slope"),
        ({"method": "isotonic", "raw": [0], "probability": [0, 1], "threshold": 0.5}, "points"),
        ({"method": "isotonic", "raw": [0, 1], "probability": [1, 0], "threshold": 0.5}, "rise"),
        ({"method": "platt", "slope": 1, "intercept": 0, "threshold": 0.5, "risk_thresholds": {"reckless": 0.1}}, "reckless"),
        ({"method": "platt", "slope": 1, "intercept": 0, "threshold": 0.5, "risk_thresholds": {"authoritative": 0.6}}, "fall"),
        ({"method": "platt", "slope": 1, "intercept": 0, "threshold": 0.5, "risk_thresholds": {"authoritative": -0.1}}, "below 0"),
        ({"method": "platt", "slope": 1, "intercept": 0, "threshold": 0.5, "risk_thresholds": 0.4}, "map"),
        ({"method": "isotonic", "raw": "01", "probability": [1, 0], "threshold": 0.5}, "raw"),
    ],
)
def test_a_malformed_calibration_is_refused_by_field(fields: dict[str, object], problem: str) -> None:
    with pytest.raises(CalibrationInvalid, match=problem):
        Calibration.from_fields("x", fields)


def test_an_absent_or_broken_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationInvalid, match="no file"):
        Calibration.load("nothing", tmp_path)
    (tmp_path / "half.json").write_text('{"method": ')
    with pytest.raises(CalibrationInvalid, match="not JSON"):
        Calibration.load("half", tmp_path)


def test_a_raw_score_that_is_not_a_number_is_refused() -> None:
    calibration = Calibration("x", "platt", 0.5)
    with pytest.raises(ValueError, match="number"):
        calibration.apply(float("nan"))


@pytest.mark.parametrize("fit", [fit_platt, fit_isotonic])
def test_a_fit_is_saved_with_its_provenance_and_read_back_the_same(fit, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    raw, labels, groups = _scores()
    fitted = fit(raw, labels, groups, 5, name="made", false_alarm_ceiling=0.01)
    fitted.save(tmp_path, "1.0.0", {"corpus": "drawn numbers", "date": "2026-01-01"})
    loaded = Calibration.load("made", tmp_path)
    assert loaded.apply(0.6) == pytest.approx(fitted.calibration.apply(0.6))
    assert loaded.threshold == pytest.approx(fitted.calibration.threshold, abs=1e-5)
    provenance = json.loads((tmp_path / "made.json").read_text())["provenance"]
    assert (provenance["n"], provenance["positives"], provenance["groups"], provenance["folds"]) == (400, 200, 100, 5)
    assert fitted.measured.auroc > 0.98
    assert fitted.measured.catch > 0.9
    assert fitted.measured.false_alarms < 0.05


def test_the_threshold_obeys_the_false_alarm_ceiling() -> None:
    scores = np.asarray([0.1, 0.2, 0.3, 0.6, 0.5, 0.8, 0.9])
    truth = np.asarray([False, False, False, False, True, True, True])
    assert choose_threshold(scores, truth, 0.0) == pytest.approx(0.7)
    assert choose_threshold(scores, truth, 0.25) == pytest.approx(0.4)


def test_a_higher_risk_flags_earlier_and_an_unnamed_one_as_shipped() -> None:
    shipped = {"method": "platt", "slope": 1, "intercept": 0, "threshold": 0.5, "risk_thresholds": {"authoritative": 0.2}}
    calibration = Calibration.from_fields("x", shipped)
    assert [calibration.threshold_for(risk) for risk in ("assistive", "decision_support", "authoritative")] == [0.5, 0.5, 0.2]
    assert calibration.for_risk("authoritative").threshold == 0.2
    assert calibration.for_risk("authoritative").apply(0.3) == calibration.apply(0.3)


def test_fitted_risk_thresholds_catch_more_and_never_lie_above_the_first(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    labels = [bool(number % 3 == 0) for number in range(600)]
    raw = [float(random.normal(0.6 if label else 0.4, 0.08)) for label in labels]
    fitted = fit_platt(raw, labels, list(range(600)), 5, name="made", false_alarm_ceiling=0.05)
    fitted.save(tmp_path, "1", {})
    loaded = Calibration.load("made", tmp_path)
    thresholds = [loaded.threshold_for(risk) for risk in ("assistive", "decision_support", "authoritative")]
    assert thresholds == sorted(thresholds, reverse=True)
    assert loaded.threshold == pytest.approx(fitted.calibration.threshold, abs=1e-6)
    seen = fitted.by_risk
    assert fitted.measured.catch < seen["decision_support"].catch < seen["authoritative"].catch
    assert json.loads((tmp_path / "made.json").read_text())["provenance"]["by_risk"]["authoritative"]["miss_cost"] == 5.0
    # Bayes' rule: with a third of the claims wrong, a miss at cost 5 is worth flagging from odds of (1/2) / 5.
    assert thresholds[2] == pytest.approx(1 / 11, abs=1e-6)


def test_risk_thresholds_of_a_weak_detector_leave_most_right_claims_alone() -> None:
    random = np.random.default_rng(5)
    labels = [bool(number % 2) for number in range(1000)]
    raw = [float(random.normal(0.55 if label else 0.45, 0.2)) for label in labels]
    fitted = fit_platt(raw, labels, list(range(1000)), 5, name="weak", false_alarm_ceiling=0.05)
    # By cost alone an answer of high risk would be flagged from 1/6 on, which is nearly every one.
    assert fitted.calibration.apply(min(raw)) > 0.1
    assert fitted.by_risk["decision_support"].false_alarms <= MOST_FALSE_ALARMS["decision_support"] + 0.03
    assert fitted.by_risk["authoritative"].false_alarms <= MOST_FALSE_ALARMS["authoritative"] + 0.03
    assert fitted.by_risk["authoritative"].catch > fitted.by_risk["decision_support"].catch > fitted.measured.catch


def test_fitting_refuses_one_class_and_uneven_lists() -> None:
    with pytest.raises(ValueError, match="both"):
        fit_platt([0.1, 0.2], [True, True], ["a", "b"], 2)
    with pytest.raises(ValueError, match="one of each"):
        fit_platt([0.1, 0.2], [True], ["a", "b"], 2)

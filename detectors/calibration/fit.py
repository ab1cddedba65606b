"""Fits a detector's calibration on labelled claims, by cross-validation over groups that must not be split.

A group is whatever would leak between folds: a receipt, its company, a picture, a speaker. Platt scaling follows
Platt (1999) with the smoothed targets of his equation 6, which keeps the slope finite on separable scores; isotonic
regression is scikit-learn's. Nothing here is needed to run a detector.

Where more is at stake a miss costs more than a false alarm. The thresholds of the higher risks follow from the
calibrated probability by the rule of least expected cost (Elkan 2001, "The Foundations of Cost-Sensitive Learning",
equation 2): flag from the probability at which the expected cost of staying silent equals that of flagging. Of a weak
detector that rule flags nearly everything, which nobody reads: a ceiling on false alarms bounds it, :data:`MOST_FALSE_ALARMS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import GroupKFold

from detectors.calibration import Calibration

Floats = NDArray[np.float64]
# What one missed hallucination costs in false alarms, with as many right as wrong claims; assistive keeps the ceiling.
MISS_COSTS = {"decision_support": 2.0, "authoritative": 5.0}

# The share of right claims that may be flagged for it, whatever a miss costs.
MOST_FALSE_ALARMS = {"decision_support": 0.2, "authoritative": 0.3}


@dataclass(frozen=True, slots=True)
class Measured:
    """What the held-out folds showed. ``catch`` and ``false_alarms`` use, in each fold, a threshold chosen without it."""

    n: int
    positives: int
    groups: int
    folds: int
    auroc: float
    brier: float
    catch: float
    false_alarms: float


@dataclass(frozen=True, slots=True)
class AtRisk:
    """What the held-out folds showed at the threshold of one risk."""

    miss_cost: float
    catch: float
    false_alarms: float


@dataclass(frozen=True, slots=True)
class Fit:
    """A calibration fitted on everything, and what cross-validation says to expect of it."""

    calibration: Calibration
    measured: Measured
    by_risk: Mapping[str, AtRisk] = field(default_factory=dict)

    def save(self, folder: Path, detector_version: str, provenance: Mapping[str, Any]) -> Path:
        """Write ``<name>.json`` in the format of :mod:`detectors.calibration`; provenance gains what was measured.

        A caller may have replaced the calibration's threshold; those of higher risks are never above it.
        """
        shape = self.calibration
        parameters: dict[str, Any] = (
            {"slope": shape.slope, "intercept": shape.intercept}
            if shape.method == "platt"
            else {"raw": list(shape.raw), "probability": list(shape.probability)}
        )
        fields = {
            "detector": shape.name,
            "detector_version": detector_version,
            "method": shape.method,
            **parameters,
            "threshold": round(shape.threshold, 6),
            "risk_thresholds": {risk: round(min(value, shape.threshold), 6) for risk, value in shape.risk_thresholds.items()},
            "provenance": {
                **provenance,
                **{key: _rounded(value) for key, value in asdict(self.measured).items()},
                "by_risk": {risk: {key: _rounded(value) for key, value in asdict(seen).items()} for risk, seen in self.by_risk.items()},
            },
        }
        path = folder / f"{shape.name}.json"
        path.write_text(json.dumps(fields, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return path


def fit_platt(
    raw: Sequence[float],
    labels: Sequence[bool],
    groups: Sequence[Hashable],
    folds: int,
    *,
    name: str = "",
    false_alarm_ceiling: float = 0.007,
) -> Fit:
    """Platt scaling, and the threshold that catches most at no more than ``false_alarm_ceiling`` false alarms.

    Args:
        raw: raw score of each claim, higher means hallucinated.
        labels: True where the claim is hallucinated.
        groups: key of each claim's group; a group is never in two folds.
        folds: number of folds, at most the number of groups.

    Raises:
        ValueError: lengths differ, or only one class is present.
    """
    return _fit(_platt, raw, labels, groups, folds, name, false_alarm_ceiling)


def fit_isotonic(
    raw: Sequence[float],
    labels: Sequence[bool],
    groups: Sequence[Hashable],
    folds: int,
    *,
    name: str = "",
    false_alarm_ceiling: float = 0.007,
) -> Fit:
    """As :func:`fit_platt` with a rising step map; wants some hundred claims a class."""
    return _fit(_isotonic, raw, labels, groups, folds, name, false_alarm_ceiling)


def choose_threshold(scores: Floats, truth: NDArray[np.bool_], false_alarm_ceiling: float) -> float:
    """The threshold that catches most under the ceiling, with the fewest false alarms, in the middle of the gap around it."""
    clean, wrong = np.sort(scores[~truth]), scores[truth]
    allowed = int(np.floor(false_alarm_ceiling * len(clean)))
    tolerated = float(clean[len(clean) - allowed - 1]) if len(clean) > allowed else 0.0
    caught = wrong[wrong > tolerated]
    lowest = float(caught.min()) if len(caught) else 1.0
    below = clean[clean < lowest]
    return (max(tolerated, float(below.max()) if len(below) else 0.0) + lowest) / 2


def least_cost_threshold(positives: int, n: int, miss_cost: float) -> float:
    """From which calibrated probability flagging costs less than silence, were half of the claims wrong.

    Args:
        positives: hallucinated claims among the ``n`` that the probabilities were fitted on.
        miss_cost: cost of a miss in false alarms.
    """
    odds = positives / (n - positives) / miss_cost
    return odds / (1 + odds)


def lowest_threshold(scores: Floats, truth: NDArray[np.bool_], false_alarm_ceiling: float) -> float:
    """The lowest threshold under the ceiling: right above the highest score of a right claim that must not be flagged."""
    clean = np.sort(scores[~truth])
    allowed = int(np.floor(false_alarm_ceiling * len(clean)))
    return float(np.nextafter(clean[len(clean) - allowed - 1], np.inf)) if len(clean) > allowed else 0.0


def _fit(
    shape: Callable[[Floats, NDArray[np.bool_], str], Calibration],
    raw: Sequence[float],
    labels: Sequence[bool],
    groups: Sequence[Hashable],
    folds: int,
    name: str,
    ceiling: float,
) -> Fit:
    x, y = np.asarray(raw, dtype=np.float64), np.asarray(labels, dtype=bool)
    if not len(x) == len(y) == len(groups):
        raise ValueError(f"{len(x)} scores, {len(y)} labels and {len(groups)} groups: give one of each a claim")
    if y.all() or not y.any():
        raise ValueError("both hallucinated and supported claims are needed to calibrate")
    keys = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    numbers = np.asarray([keys[group] for group in groups])
    held_out, flagged = np.zeros_like(x), np.zeros_like(y)
    at_risk = {risk: np.zeros_like(y) for risk in MISS_COSTS}
    for train, test in GroupKFold(n_splits=folds).split(x, y, numbers):
        fitted = shape(x[train], y[train], name)
        threshold = choose_threshold(_apply(fitted, x[train]), y[train], ceiling)
        held_out[test] = _apply(fitted, x[test])
        flagged[test] = held_out[test] >= threshold
        for risk, lower in _risk_thresholds(_apply(fitted, x[train]), y[train], threshold).items():
            at_risk[risk][test] = held_out[test] >= lower
    whole = shape(x, y, name)
    threshold = choose_threshold(_apply(whole, x), y, ceiling)
    measured = Measured(
        n=len(x),
        positives=int(y.sum()),
        groups=len(keys),
        folds=folds,
        auroc=float(roc_auc_score(y, held_out)),
        brier=float(brier_score_loss(y, held_out)),
        catch=float(flagged[y].mean()),
        false_alarms=float(flagged[~y].mean()),
    )
    by_risk = {risk: AtRisk(MISS_COSTS[risk], float(seen[y].mean()), float(seen[~y].mean())) for risk, seen in at_risk.items()}
    return Fit(replace(whole, threshold=threshold, risk_thresholds=_risk_thresholds(_apply(whole, x), y, threshold)), measured, by_risk)


def _risk_thresholds(p: Floats, y: NDArray[np.bool_], assistive: float) -> dict[str, float]:
    """By risk the threshold of least cost, raised until few enough right claims are flagged, and never above the assistive one."""
    return {
        risk: min(assistive, max(least_cost_threshold(int(y.sum()), len(y), cost), lowest_threshold(p, y, MOST_FALSE_ALARMS[risk])))
        for risk, cost in MISS_COSTS.items()
    }


def _platt(x: Floats, y: NDArray[np.bool_], name: str) -> Calibration:
    positives, negatives = int(y.sum()), int((~y).sum())
    target = np.where(y, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(parameters: Floats) -> float:
        logit = parameters[0] * x + parameters[1]
        return float(-(target * log_expit(logit) + (1 - target) * log_expit(-logit)).sum())

    def gradient(parameters: Floats) -> Floats:
        residual = expit(parameters[0] * x + parameters[1]) - target
        return np.asarray([(residual * x).sum(), residual.sum()])

    start = np.asarray([1.0, np.log((positives + 1) / (negatives + 1))])
    found = minimize(loss, start, jac=gradient, method="L-BFGS-B", bounds=[(1e-6, None), (None, None)])
    return Calibration(name, "platt", 0.5, slope=float(found.x[0]), intercept=float(found.x[1]))


def _isotonic(x: Floats, y: NDArray[np.bool_], name: str) -> Calibration:
    model = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(x, y.astype(np.float64))
    return Calibration(
        name, "isotonic", 0.5, raw=tuple(map(float, model.X_thresholds_)), probability=tuple(map(float, model.y_thresholds_))
    )


def _apply(calibration: Calibration, x: Floats) -> Floats:
    return np.asarray([calibration.apply(float(value)) for value in x])


def _rounded(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value

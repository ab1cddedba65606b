"""Fits a team's own calibration on its reviewers' verdicts: weighted, cross-validated by response, with before and after.

Reviewed responses are not a plain sample: flagged and uncertain ones are drawn more often. Every verdict therefore
weighs the inverse of its response's inclusion probability (Horvitz & Thompson 1952), in the fit and in every figure.
Platt scaling is fitted on the log-odds of the shipped score with the smoothed targets of Platt (1999, equation 6), the
class counts being effective sizes (Kish 1965). Isotonic regression is centred (Oron & Flournoy 2017, "Centered
Isotonic Regression"): each flat stretch becomes one point in its middle, so that the map rises and can be undone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import GroupKFold

from detectors.calibration import Calibration
from detectors.calibration.recalibration import log_odds

Method = Literal["platt", "isotonic"]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
# With fewer, two fitted numbers would follow chance: about ten verdicts of the rarer kind for each.
LEAST_LABELS, LEAST_OF_EACH = 100, 20
FOLDS = 5
BINS = 10
_DRAWS = 1000


class TooFewLabels(Exception):
    """There is not enough to fit on; says what is missing."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its 95% interval by bootstrap over responses."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Refit:
    """The fitted map, and held-out Brier score and expected calibration error before and after it."""

    calibration: Calibration
    labels: int
    hallucinated: int
    responses: int
    effective: float
    brier_before: Figure
    brier_after: Figure
    ece_before: Figure
    ece_after: Figure

    @property
    def better(self) -> bool:
        """Whether the held-out Brier score fell."""
        return self.brier_after.value < self.brier_before.value


def missing_labels(truth: Sequence[bool]) -> str | None:
    """What is missing for a fit, in words; None when there is enough."""
    wrong = sum(truth)
    lacks = [
        f"{least - count} more {name}"
        for name, count, least in (
            ("judged claims", len(truth), LEAST_LABELS),
            ("hallucinated claims", wrong, LEAST_OF_EACH),
            ("supported claims", len(truth) - wrong, LEAST_OF_EACH),
        )
        if count < least
    ]
    return " and ".join(lacks) or None


def refit(
    scores: Sequence[float],
    before: Sequence[float],
    truth: Sequence[bool],
    inclusion: Sequence[float],
    responses: Sequence[Hashable],
    *,
    name: str,
    method: Method = "platt",
) -> Refit:
    """Fit on all labels; the figures come from folds that share no response.

    Args:
        scores: the shipped score of each claim in [0, 1], which the new map starts from.
        before: the score that is in use now, which the new one is compared with.
        truth: True where the reviewer found the claim hallucinated.
        inclusion: the chance in (0, 1] that the claim's response had of being reviewed.
        responses: key of each claim's response; its claims are never in two folds.

    Raises:
        TooFewLabels: fewer than :data:`LEAST_LABELS`, :data:`LEAST_OF_EACH` of a kind, or :data:`FOLDS` responses.
    """
    if (lack := missing_labels(truth)) is not None:
        raise TooFewLabels(f"needs {lack}")
    x, y = np.asarray([log_odds(score) for score in scores]), np.asarray(truth, dtype=bool)
    weights = 1.0 / np.asarray(inclusion, dtype=np.float64)
    keys = {key: number for number, key in enumerate(dict.fromkeys(responses))}
    if len(keys) < FOLDS:
        raise TooFewLabels(f"needs {FOLDS - len(keys)} more reviewed responses")
    groups = np.asarray([keys[key] for key in responses])
    shape = _platt if method == "platt" else _isotonic
    held_out = np.zeros_like(x)
    for train, test in GroupKFold(n_splits=FOLDS).split(x, y, groups):
        fitted = shape(x[train], y[train], weights[train], name)
        held_out[test] = [fitted.apply(float(value)) for value in x[test]]
    known = np.asarray(before, dtype=np.float64)
    figures = [_figure(measure, p, y, weights, groups) for measure in (brier, calibration_error) for p in (known, held_out)]
    return Refit(
        calibration=shape(x, y, weights, name),
        labels=len(y),
        hallucinated=int(y.sum()),
        responses=len(keys),
        effective=_effective(weights),
        brier_before=figures[0],
        brier_after=figures[1],
        ece_before=figures[2],
        ece_after=figures[3],
    )


def brier(p: Floats, y: Flags, weights: Floats) -> float:
    """Weighted mean squared distance of probability and truth (Brier 1950)."""
    return float(np.average((p - y) ** 2, weights=weights))


def calibration_error(p: Floats, y: Flags, weights: Floats) -> float:
    """Weighted mean distance of probability and share hallucinated over ten bins of equal width (Guo et al. 2017, eq. 3)."""
    bins = np.minimum((p * BINS).astype(int), BINS - 1)
    gap = np.abs(np.bincount(bins, weights * p, BINS) - np.bincount(bins, weights * y, BINS))
    return float(gap.sum() / weights.sum())


def _figure(measure: Callable[[Floats, Flags, Floats], float], p: Floats, y: Flags, weights: Floats, groups: NDArray[np.int64]) -> Figure:
    random = np.random.default_rng(0)
    count = int(groups.max()) + 1
    # Drawing responses with replacement is weighing each by how often it was drawn.
    times = random.multinomial(count, np.full(count, 1 / count), size=_DRAWS)
    drawn = [measure(p, y, weights * one[groups]) for one in times]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Figure(measure(p, y, weights), float(low), float(high))


def _effective(weights: Floats) -> float:
    """Kish's effective sample size."""
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def _platt(x: Floats, y: Flags, weights: Floats, name: str) -> Calibration:
    wrong, right = _effective(weights[y]), _effective(weights[~y])
    target = np.where(y, (wrong + 1) / (wrong + 2), 1 / (right + 2))
    share = weights / weights.sum()

    def loss(parameters: Floats) -> float:
        logit = parameters[0] * x + parameters[1]
        return float(-(share * (target * log_expit(logit) + (1 - target) * log_expit(-logit))).sum())

    def gradient(parameters: Floats) -> Floats:
        residual = share * (expit(parameters[0] * x + parameters[1]) - target)
        return np.asarray([(residual * x).sum(), residual.sum()])

    found = minimize(loss, np.asarray([1.0, 0.0]), jac=gradient, method="L-BFGS-B", bounds=[(1e-6, None), (None, None)])
    return Calibration(name, "platt", 0.5, slope=float(found.x[0]), intercept=float(found.x[1]))


def _isotonic(x: Floats, y: Flags, weights: Floats, name: str) -> Calibration:
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit_transform(x, y.astype(np.float64), sample_weight=weights)
    levels = np.unique(fitted)
    middles = [float(np.average(x[fitted == level], weights=weights[fitted == level])) for level in levels]
    return Calibration(name, "isotonic", 0.5, raw=tuple(middles), probability=tuple(map(float, levels)))

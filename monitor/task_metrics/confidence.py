"""How far the answering model's own confidence can be trusted: Brier score, calibration error, risk against coverage.

Answers come as cells ``(confidence, correct, count)``, so that millions of them take a thousand rows. Only answers whose truth is
known are in them; whoever builds the cells says where the truth is from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.score import Share, share
from monitor.task_metrics.estimates import NOTHING, Estimate

BINS = 10
DRAWS = 500
_SEED = 20260301
# Points of a curve that is drawn; its area is counted on all of them.
_MOST_POINTS = 200
Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """Answers whose confidence lies in ``[low, high)`` (the last one with its end): mean confidence and share correct."""

    low: float
    high: float
    confidence: float
    correct: Share


class CurvePoint(msgspec.Struct, frozen=True, kw_only=True):
    """Keeping only answers of at least this confidence: how many of all are kept, and what share of the kept is wrong."""

    confidence: float
    coverage: float
    risk: float


class ConfidenceQuality(msgspec.Struct, frozen=True, kw_only=True):
    """Over the answers with a confidence and a known truth.

    ``brier`` is the mean squared difference of confidence and truth. ``ece`` is the expected calibration error in 10 bins of
    equal width (Guo et al. 2017, arXiv 1706.04599, eq. 3); chance alone lifts it above 0 where n is small. ``aurc`` is the area
    under the risk–coverage curve (Geifman & El-Yaniv 2017, arXiv 1705.08500), ``aurc_best`` that of a confidence which puts every
    right answer before every wrong one; ``error`` is the share of wrong answers, the area of a confidence that says nothing.
    """

    brier: Estimate
    ece: Estimate
    aurc: Estimate
    aurc_best: float | None
    error: Share
    bins: list[Bin]
    curve: list[CurvePoint]


@dataclass(frozen=True, slots=True)
class _Cells:
    confidence: Floats
    correct: Floats
    count: Counts


def confidence_quality(cells: Sequence[tuple[float, bool, int]]) -> ConfidenceQuality:
    """The numbers of all cells; intervals by a percentile bootstrap over answers (Efron & Tibshirani 1993, ch. 13)."""
    kept = sorted((confidence, correct, count) for confidence, correct, count in cells if count > 0)
    if not kept:
        nothing = share(0, 0)
        return ConfidenceQuality(brier=NOTHING, ece=NOTHING, aurc=NOTHING, aurc_best=None, error=nothing, bins=[], curve=[])
    table = _Cells(
        np.array([confidence for confidence, _, _ in kept]),
        np.array([float(correct) for _, correct, _ in kept]),
        np.array([count for _, _, count in kept], dtype=np.int64),
    )
    total = int(table.count.sum())
    drawn = np.random.default_rng(_SEED).multinomial(total, table.count / total, size=DRAWS)
    weights = np.vstack([table.count, drawn])
    wrong = int(total - table.correct @ table.count)
    return ConfidenceQuality(
        brier=_estimate(_brier(table, weights), total),
        ece=_estimate(_ece(table, weights), total),
        aurc=_estimate(_aurc(table, weights), total),
        aurc_best=_best(wrong, total),
        error=share(wrong, total),
        bins=_bins(table),
        curve=_curve(table),
    )


def _estimate(values: Floats, n: int) -> Estimate:
    """The first value is the sample's own, the others those of the draws."""
    if n < 2:
        return Estimate(value=float(values[0]), low=None, high=None, n=n)
    low, high = np.percentile(values[1:], [2.5, 97.5])
    # The calibration error of a draw is larger on average than the sample's own, which may then lie below the percentiles.
    return Estimate(value=float(values[0]), low=float(min(low, values[0])), high=float(max(high, values[0])), n=n)


def _brier(table: _Cells, weights: Counts) -> Floats:
    loss: Floats = (table.confidence - table.correct) ** 2
    mean: Floats = weights @ loss / weights.sum(axis=1)
    return mean


def _bin_of(confidence: Floats) -> Counts:
    # A hair is added: 0.3 * 10 is a little less than 3.
    return np.minimum((confidence * BINS + 1e-9).astype(np.int64), BINS - 1)


def _ece(table: _Cells, weights: Counts) -> Floats:
    member = np.eye(BINS)[_bin_of(table.confidence)]
    gap: Floats = np.abs((weights * (table.confidence - table.correct)) @ member)
    mean: Floats = gap.sum(axis=1) / weights.sum(axis=1)
    return mean


def _bins(table: _Cells) -> list[Bin]:
    which = _bin_of(table.confidence)
    bins = []
    for number in np.unique(which):
        inside = which == number
        count = table.count[inside]
        right = int(table.correct[inside] @ count)
        mean = float(table.confidence[inside] @ count / count.sum())
        bins.append(Bin(low=int(number) / BINS, high=(int(number) + 1) / BINS, confidence=mean, correct=share(right, int(count.sum()))))
    return bins


def _levels(table: _Cells, weights: Counts) -> tuple[Floats, Floats, Floats]:
    """Distinct confidences from the highest down, and by draw how many answers and wrong answers have them."""
    levels, place = np.unique(-table.confidence, return_inverse=True)
    member = np.eye(len(levels))[place]
    return -levels, weights @ member, (weights * (1 - table.correct)) @ member


def _aurc(table: _Cells, weights: Counts) -> Floats:
    """Mean risk over all coverages k/n. Answers of equal confidence come in random order: the mean over all orders, in closed form.

    With k answers and E errors before m of equal confidence, e of them wrong, the sum over j = 1..m of (E + e·j/m) / (k + j) is
    e + (E - e·k/m)·(ψ(k+m+1) - ψ(k+1)), where ψ is the digamma function.
    """
    # scipy takes a quarter of a second to import, which the start of the service should not wait for.
    from scipy import special

    _, m, e = _levels(table, weights)
    k, errors = np.cumsum(m, axis=1) - m, np.cumsum(e, axis=1) - e
    each = e / np.maximum(m, 1)
    total: Floats = (e + (errors - each * k) * (special.digamma(k + m + 1) - special.digamma(k + 1))).sum(axis=1)
    mean: Floats = total / weights.sum(axis=1)
    return mean


def _best(wrong: int, total: int) -> float:
    # scipy takes a quarter of a second to import, which the start of the service should not wait for.
    from scipy import special

    right = total - wrong
    # Sum over j = 1..wrong of j / (right + j), by the same digamma identity.
    return float(wrong - right * (special.digamma(total + 1) - special.digamma(right + 1))) / total


def _curve(table: _Cells) -> list[CurvePoint]:
    levels, m, e = _levels(table, table.count[None, :])
    kept, wrong = np.cumsum(m[0]), np.cumsum(e[0])
    chosen = np.unique(np.linspace(0, len(levels) - 1, min(len(levels), _MOST_POINTS)).round().astype(int))
    return [CurvePoint(confidence=float(levels[i]), coverage=float(kept[i] / kept[-1]), risk=float(wrong[i] / kept[i])) for i in chosen]

"""Means with the uncertainty that their sample size leaves, and pass@k over attempts at the same question."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from monitor.score import share

# What one answer can score at most; None: without limit.
METRICS: dict[str, float | None] = {
    "exact_match": 1.0,
    "token_f1": 1.0,
    "edit_distance": 1.0,
    "rouge_1": 1.0,
    "rouge_2": 1.0,
    "rouge_l": 1.0,
    "bleu": 1.0,
    "claim_recall": 1.0,
    "wer": None,
    "cer": None,
}
LOWER_IS_BETTER = frozenset(("edit_distance", "wer", "cer"))
SHARES = frozenset(("exact_match",))
PASS_AT = (1, 2, 3, 5, 10)
DRAWS = 1000
_SEED = 20260301


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A number with its 95% interval and the ``n`` it rests on; the interval is None where n says nothing about it."""

    value: float | None
    low: float | None
    high: float | None
    n: int


NOTHING = Estimate(value=None, low=None, high=None, n=0)


def mean_estimate(name: str, n: int, mean: float, variance: float) -> Estimate:
    """The mean of a metric over ``n`` answers; ``variance`` is the sample's (divisor n - 1).

    A share has the Wilson interval; any other mean Student's, cut at what the metric can be.
    """
    # scipy takes a quarter of a second to import, which the start of the service should not wait for.
    from scipy import special

    if n == 0:
        return NOTHING
    if name in SHARES:
        found = share(round(mean * n), n)
        return Estimate(value=mean, low=found.low, high=found.high, n=n)
    if n == 1 or not math.isfinite(variance):
        return Estimate(value=mean, low=None, high=None, n=n)
    half = float(special.stdtrit(n - 1, 0.975)) * math.sqrt(max(0.0, variance) / n)
    most = METRICS.get(name)
    high = mean + half
    return Estimate(value=mean, low=max(0.0, mean - half), high=high if most is None else min(most, high), n=n)


def pass_at_k(attempts: int, correct: int, k: int) -> float:
    """Chance that one of ``k`` of these attempts is correct: ``1 - C(n-c, k) / C(n, k)``, unbiased (Chen et al. 2021,
    arXiv 2107.03374, eq. 1).

    Raises:
        ValueError: fewer than ``k`` attempts, or more correct ones than attempts.
    """
    if not 0 <= correct <= attempts or not 1 <= k <= attempts:
        raise ValueError(f"pass@{k} of {correct} correct in {attempts} attempts")
    if attempts - correct < k:
        return 1.0
    # As a product, which neither overflows nor cancels.
    return 1.0 - math.prod(1.0 - k / number for number in range(attempts - correct + 1, attempts + 1))


def pass_estimates(groups: Sequence[tuple[int, int, int]]) -> dict[int, Estimate]:
    """pass@k by k over questions; ``groups`` are ``(attempts, correct, questions)``: how many questions went like that.

    Only questions with at least k attempts count for a k, and only those asked more than once count at all. The interval is a
    percentile bootstrap over questions (Efron & Tibshirani 1993, ch. 13), since attempts at one question are alike.
    """
    repeated = [group for group in groups if group[0] > 1]
    found = {}
    for k in PASS_AT:
        fit = [(pass_at_k(n, c, k), questions) for n, c, questions in repeated if n >= k]
        if fit:
            found[k] = _over_questions(np.array([value for value, _ in fit]), np.array([count for _, count in fit]))
    return found


def _over_questions(values: np.ndarray, counts: np.ndarray) -> Estimate:
    total = int(counts.sum())
    mean = float(values @ counts) / total
    if total < 2:
        return Estimate(value=mean, low=None, high=None, n=total)
    drawn = np.random.default_rng(_SEED).multinomial(total, counts / total, size=DRAWS) @ values / total
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(value=mean, low=float(low), high=float(high), n=total)

"""Has a share of flagged responses shifted? Counts in, decision out; knows no store and no clock."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

# Hours of a baseline needed before the scatter between hours can be told from chance.
MIN_HOURS = 6
# A looser overdispersion would mean that hours say nothing of each other, and no test could be made.
MAX_OVERDISPERSION = 0.5


class Counts(msgspec.Struct, frozen=True):
    """One hour of one slice: ``flagged`` of ``checked`` responses."""

    checked: int
    flagged: int


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """The window beside its baseline; ``p_up`` and ``p_down`` are one-sided."""

    checked: int
    flagged: int
    baseline_checked: int
    baseline_flagged: int
    overdispersion: float
    p_up: float
    p_down: float

    @property
    def share(self) -> float:
        """Flagged share of the window."""
        return self.flagged / self.checked

    @property
    def baseline_share(self) -> float:
        """Flagged share of the baseline."""
        return self.baseline_flagged / self.baseline_checked

    @property
    def effect(self) -> float:
        """By how much the share rose, as a difference of shares."""
        return self.share - self.baseline_share


def overdispersion(hours: Sequence[Counts]) -> float:
    """Intraclass correlation ρ of responses in the same hour, 0 where hours scatter no more than chance lets them.

    Method of moments on Pearson's X² = Σ nᵢ(pᵢ − p)²/p(1 − p), whose mean under the beta-binomial is
    (k − 1) + ρ·(N − Σnᵢ²/N − (k − 1)): Williams 1982, Applied Statistics 31:144-148, eq. 3 with constant weights.
    """
    sizes = [hour.checked for hour in hours if hour.checked > 0]
    total, flagged = sum(sizes), sum(hour.flagged for hour in hours)
    if len(sizes) < 2 or flagged in (0, total):
        return 0.0
    mean = flagged / total
    pearson = sum(hour.checked * (hour.flagged / hour.checked - mean) ** 2 for hour in hours if hour.checked) / (mean * (1 - mean))
    free = len(sizes) - 1
    room = total - sum(size**2 for size in sizes) / total - free
    return 0.0 if room <= 0 else min(MAX_OVERDISPERSION, max(0.0, (pearson - free) / room))


def shift(window: Sequence[Counts], baseline: Sequence[Counts]) -> Shift | None:
    """Compare a window with the hours before it; None where either has nothing checked or the baseline too few hours.

    The flagged count of the window is beta-binomial around the baseline's share (half a flagged response is added to
    it, Jeffreys, so that a spotless baseline is not taken for certainty). Its variance holds three parts: chance in the
    window, scatter between hours (:func:`overdispersion`), and the baseline's own uncertainty under the same scatter.
    The tails are exact sums, not a normal approximation.
    """
    checked, flagged = sum(hour.checked for hour in window), sum(hour.flagged for hour in window)
    before, before_flagged = sum(hour.checked for hour in baseline), sum(hour.flagged for hour in baseline)
    if checked == 0 or before == 0 or sum(hour.checked > 0 for hour in baseline) < MIN_HOURS:
        return None
    rho = overdispersion(baseline)
    mean = (before_flagged + 0.5) / (before + 1)
    variance = _relative_variance(window, rho) + _relative_variance(baseline, rho)
    up, down = _tails(flagged, checked, mean, (checked * variance - 1) / (checked - 1) if checked > 1 else 0.0)
    return Shift(
        checked=checked,
        flagged=flagged,
        baseline_checked=before,
        baseline_flagged=before_flagged,
        overdispersion=rho,
        p_up=up,
        p_down=down,
    )


def _relative_variance(hours: Sequence[Counts], rho: float) -> float:
    """Var(share) / p(1 − p) of a sum of beta-binomial hours."""
    total = sum(hour.checked for hour in hours)
    return sum(hour.checked * (1 + (hour.checked - 1) * rho) for hour in hours if hour.checked) / total**2


def _tails(flagged: int, checked: int, mean: float, rho: float) -> tuple[float, float]:
    """P(X ≥ flagged) and P(X ≤ flagged) under the beta-binomial of this mean and intraclass correlation."""
    # scipy takes a quarter of a second to import, which the start of the service should not wait for.
    from scipy import special

    # Below this the beta-binomial is the binomial to all digits that matter, and its parameters overflow.
    if rho < 1e-7:
        return float(special.bdtrc(flagged - 1, checked, mean)) if flagged else 1.0, float(special.bdtr(flagged, checked, mean))
    strength = (1 - min(rho, 0.99)) / min(rho, 0.99)
    a, b = mean * strength, (1 - mean) * strength
    k = np.arange(checked + 1)
    # The probability mass in logarithms; scipy.stats.betabinom sums the same terms, ten times slower.
    log_ways = -np.log1p(checked) - special.betaln(checked - k + 1, k + 1)
    mass = np.exp(log_ways + special.betaln(k + a, checked - k + b) - special.betaln(a, b))
    return min(1.0, float(mass[flagged:].sum())), min(1.0, float(mass[: flagged + 1].sum()))


def discoveries(p_values: Sequence[float], level: float) -> list[bool]:
    """Which tests are discoveries at false-discovery rate ``level``, in the order given.

    Benjamini & Hochberg 1995, JRSS B 57:289-300, procedure (1); it holds for the positively dependent slices of one
    workflow as well: Benjamini & Yekutieli 2001, Annals of Statistics 29:1165-1188, theorem 1.2.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    last = max((rank for rank, index in enumerate(order, 1) if p_values[index] <= level * rank / len(order)), default=0)
    found = [False] * len(p_values)
    for index in order[:last]:
        found[index] = True
    return found

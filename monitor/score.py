"""Shares of what was checked, with the uncertainty that their sample size leaves."""

from __future__ import annotations

import math

import msgspec

# Two-sided 95% of the normal distribution.
Z_95 = 1.959963984540054


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A fraction with its 95% interval; all None where nothing was checked (n = 0)."""

    value: float | None
    low: float | None
    high: float | None
    n: int


def share(flagged: int, checked: int) -> Share:
    """``flagged / checked`` with the Wilson score interval.

    The interval stays inside [0, 1] and keeps its coverage for small n and shares near 0 or 1, where the plain normal
    interval does not (Wilson 1927, JASA 22:209-212; Brown, Cai & DasGupta 2001, Statistical Science 16:101-133).

    Raises:
        ValueError: ``flagged`` is not in 0..``checked``.
    """
    if not 0 <= flagged <= checked:
        raise ValueError(f"{flagged} of {checked} is not a share")
    if checked == 0:
        return Share(value=None, low=None, high=None, n=0)
    fraction, z2 = flagged / checked, Z_95**2
    centre = (fraction + z2 / (2 * checked)) / (1 + z2 / checked)
    half = Z_95 / (1 + z2 / checked) * math.sqrt(fraction * (1 - fraction) / checked + z2 / (4 * checked**2))
    # At 0 and n rounding may leave the interval a hair off the point it must contain.
    low = 0.0 if flagged == 0 else max(0.0, centre - half)
    high = 1.0 if flagged == checked else min(1.0, centre + half)
    return Share(value=fraction, low=low, high=high, n=checked)

"""Finds axes: numbers in a column or row whose values fall on a straight line over their positions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from detectors.charting.chart import Axis
from detectors.charting.layout import Number, Year
from detectors.contract import Region
from detectors.reading.lines import Line

# Ticks of one axis line up to within this share of the picture, and their values to within this share of their range.
_ALIGNED, _LINEAR = 0.018, 0.02
_FEW, _MOST_TICKS, _MOST_OF = 3, 40, 0.6


def value_axis(numbers: Sequence[Number], labels: Sequence[Line]) -> tuple[Axis, tuple[Number, ...]] | None:
    """The axis with most ticks and the numbers that are its ticks, or None. A column is preferred to a row of equal length."""
    bare = [number for number in numbers if not number.own]
    best: tuple[Axis, tuple[Number, ...]] | None = None
    for vertical in (True, False):
        for group in _aligned(bare, vertical):
            places = [(_along(number.region, vertical), number.value * number.factor, number) for number in group]
            found, log = _fit(places), False
            if found is None or len(found[3]) <= len(places) / 2:
                decades = _fit([(at, float(np.log10(value)), number) for at, value, number in places if value > 0])
                if decades is not None and _in_decades(decades[3], len(places)):
                    found, log = decades, True
            if found is None:
                continue
            scale, offset, residual, ticks = found
            # In a table of printed values some always fall on a line.
            if len(ticks) < _MOST_OF * len(group):
                continue
            if len(ticks) < _FEW + 2 and _labelled(ticks, labels, vertical):
                continue
            # Values rise upwards and to the right; anything else is a coincidence of printed values.
            if (scale > 0) == vertical or not (log or _stepped(ticks, vertical)):
                continue
            if best is None or len(ticks) > len(best[1]):
                points = tuple((_along(tick.region, vertical), tick.value * tick.factor) for tick in ticks)
                best = (Axis(vertical, scale, offset, residual, points, tuple(tick.line for tick in ticks), log=log), tuple(ticks))
    return best


def misread(numbers: Sequence[Number], axis: Axis) -> list[Number]:
    """The bare numbers in line with the ticks of an axis that are none of them: ticks read wrongly, not values."""
    kind = -1 if axis.vertical else 0
    ends = sorted(_edges(line.region, axis.vertical)[kind] for line in axis.lines)
    usual = float(np.median(ends))
    ticks = set(map(id, axis.lines))
    return [
        number
        for number in numbers
        if not number.own and id(number.line) not in ticks and abs(_edges(number.region, axis.vertical)[kind] - usual) < _ALIGNED / 2
    ]


def ticks_alone(numbers: Sequence[Number], labels: Sequence[Line]) -> bool:
    """Whether all numbers look like the ticks of an axis that could not be made out: one column or row of them, without labels beside."""
    bare = [number for number in numbers if not number.own]
    if not bare or len(bare) < len(numbers):
        return False
    for vertical in (True, False):
        ends = [_edges(number.region, vertical)[-1] for number in bare]
        if max(ends) - min(ends) < _ALIGNED and not _named(bare, labels, vertical):
            return True
    return False


def _named(numbers: Sequence[Number], labels: Sequence[Line], vertical: bool) -> bool:
    """Whether a label of its own stands level with, or straight above or below, most of the numbers."""
    beside = 0
    for number in numbers:
        x, y, w, h = number.region
        level = (abs(line.middle - (y + h / 2)) < 0.5 * h and line.region[3] < 2 * h for line in labels)
        upright = (abs(line.region[0] + line.region[2] / 2 - (x + w / 2)) < 0.03 for line in labels)
        beside += any(level if vertical else upright)
    return beside * 2 > len(numbers)


def _in_decades(ticks: Sequence[Number], among: int) -> bool:
    """Whether ticks are those of a logarithmic axis: most of their column, over two decades or more, each a round number."""
    values = [tick.value * tick.factor for tick in ticks]
    rounds = all(f"{value:.6g}".replace(".", "").strip("0").split("e")[0] in ("1", "2", "3", "5") for value in values)
    return rounds and max(values) / min(values) >= 99.0 and len(ticks) >= max(_FEW, 0.7 * among)


def year_axis(years: Sequence[Year]) -> Axis | None:
    """The time axis: years in a row that rise evenly to the right (the row with most), or down a column."""
    best: Axis | None = None
    for vertical in (False, True):
        for group in _aligned_years(years, vertical):
            points = sorted((_along(year.region, vertical), float(year.value)) for year in group)
            values = [value for _, value in points]
            if len(points) < 2 or len(set(values)) < len(values) or values != sorted(values):
                continue
            x, y = np.asarray(points).T
            scale, offset = np.polyfit(x, y, 1)
            residual = float(np.sqrt(np.mean((scale * x + offset - y) ** 2)))
            # Uneven survey years are placed as evenly spaced columns: then the fit is off and only the ticks themselves count.
            if scale > 0 and (best is None or len(points) > len(best.ticks)):
                best = Axis(vertical, float(scale), float(offset), residual, tuple(points), tuple(year.line for year in group), years=True)
    return best


def _along(region: Region, vertical: bool) -> float:
    return region[1] + region[3] / 2 if vertical else region[0] + region[2] / 2


def _edges(region: Region, vertical: bool) -> tuple[float, ...]:
    """Where alignment shows: left edge, centre and right edge in a column, the middle in a row."""
    x, y, w, h = region
    return (x, x + w / 2, x + w) if vertical else (y + h / 2,)


def _aligned(numbers: Sequence[Number], vertical: bool) -> list[list[Number]]:
    groups: dict[tuple[int, ...], list[Number]] = {}
    for kind in range(3 if vertical else 1):
        for seed in numbers:
            group = [
                other
                for other in numbers
                if abs(_edges(other.region, vertical)[kind] - _edges(seed.region, vertical)[kind]) < _ALIGNED
                and 0.6 < (other.region[3] + 1e-6) / (seed.region[3] + 1e-6) < 1.7
            ]
            if _FEW <= len(group) <= _MOST_TICKS:
                groups[tuple(sorted(map(id, group)))] = group
    return list(groups.values())


def _aligned_years(years: Sequence[Year], vertical: bool) -> list[list[Year]]:
    groups: dict[tuple[int, ...], list[Year]] = {}
    for seed in years:
        edge = _edges(seed.region, vertical)[-1]
        group = [other for other in years if abs(_edges(other.region, vertical)[-1] - edge) < _ALIGNED]
        groups[tuple(sorted(map(id, group)))] = group
    return list(groups.values())


def _fit(points: list[tuple[float, float, Number]]) -> tuple[float, float, float, list[Number]] | None:
    """The line through two of the points that most others lie on; at least three, with values that differ."""
    best: list[tuple[float, float, Number]] = []
    for one, other in combinations(points, 2):
        if abs(one[0] - other[0]) < 1e-3 or one[1] == other[1]:
            continue
        scale = (other[1] - one[1]) / (other[0] - one[0])
        spread = abs(other[1] - one[1])
        on = [point for point in points if abs(one[1] + scale * (point[0] - one[0]) - point[1]) <= _LINEAR * spread]
        if len(on) > len(best):
            best = on
    if len(best) < _FEW or len({value for _, value, _ in best}) < len(best):
        return None
    x = np.asarray([point[0] for point in best])
    y = np.asarray([point[1] for point in best])
    scale, offset = np.polyfit(x, y, 1)
    residual = float(np.sqrt(np.mean((scale * x + offset - y) ** 2)))
    return float(scale), float(offset), residual, [number for _, _, number in best]


def _stepped(ticks: Sequence[Number], vertical: bool) -> bool:
    """Whether the steps between neighbours are multiples of the smallest, which has at most two leading digits (5, 20, 0.25)."""
    values = sorted(tick.value * tick.factor for tick in ticks)
    steps = np.diff(values)
    smallest = float(steps.min())
    if smallest <= 0 or np.abs(steps / smallest - np.round(steps / smallest)).max() > 0.06:
        return False
    # A tick or two may not have been read; most have. Five on one line are no coincidence, whichever are missing.
    if float((steps < 1.5 * smallest).mean()) < (0.5 if len(ticks) < _FEW + 2 else 0.2):
        return False
    digits = f"{smallest:.6g}".replace(".", "").strip("0")
    round_step = digits in {"1", "2", "5", "25", "3", "4", "6", "15", "75", "12", "125", "8", "35", "45", "7", "9"}
    even = abs(values[0] / smallest - round(values[0] / smallest)) < 0.06
    return round_step and even and (len(ticks) > _FEW or digits in {"1", "2", "5", "25", "4", "3"})


def _labelled(ticks: Sequence[Number], labels: Sequence[Line], vertical: bool) -> bool:
    """Whether most of the numbers stand beside a label of their own, as the values of bars do."""
    if not vertical:
        return False
    beside = sum(any(abs(line.middle - (tick.region[1] + tick.region[3] / 2)) < 0.5 * tick.region[3] for line in labels) for tick in ticks)
    return beside * 2 > len(ticks)

"""Measures marks against a calibrated axis: the ends of bars, the heights of lines and areas, one colour at a time.

A horizontal chart is measured as a vertical one with its axes exchanged: arrays are transposed, so that the value axis always runs
along the first dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.charting.anchors import rhythm
from detectors.charting.chart import Axis, Colour
from detectors.charting.colours import Floats
from detectors.charting.series import series_in
from detectors.contract import Interval, Region

Mask = NDArray[np.bool_]
# Pixels a mark's edge may be off by: blur and half a stroke.
_EDGE_PX = 1.5
# Columns of one mark around a position, as a share of the distance between positions.
_BAR_REACH = 0.42
# Columns to both sides of a year at which an area is measured: it ends with its last year.
_AREA_REACH = 2.0
# A line or area is one of the time axis when it is seen at so many positions.
_FEWEST = 3
# How many of the smallest steps between ticks that were read may lie between the last of them and zero.
_UNREAD_STEPS = 2.6
UNNAMED = -1


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands at ``position`` (index of a position asked for, or :data:`UNNAMED`) in ``colour``; ``shape`` is bar, line or area."""

    position: int
    value: float
    uncertainty: float
    region: Region
    colour: Colour
    shape: str


def measure(
    lab: Floats, axis: Axis, positions: Sequence[float], blanks: Sequence[Region], page: Colour, across: Interval | None = None
) -> tuple[list[Mark], complex]:
    """The marks at positions across the value axis (fractions of the picture), of every colour in the plot, and the rhythm of its bars.

    ``blanks`` are regions of print and legend, which are no marks. ``across`` is where the plot begins and ends; bars in it that stand at
    none of the positions are measured as well. Empty where the axis or the positions give no plot; the rhythm
    (:func:`~detectors.charting.anchors.rhythm`) is 0 where there are no bars.
    """
    if len(positions) < 2 or len(axis.ticks) < 2:
        return [], 0j
    tall, wide = lab.shape[:2]
    lab = lab.copy()
    for x, y, w, h in blanks:
        lab[max(0, int(y * tall)) : int(np.ceil((y + h) * tall)), max(0, int(x * wide)) : int(np.ceil((x + w) * wide))] = np.nan
    turned = lab if axis.vertical else lab.transpose(1, 0, 2)
    plot = _Plot(axis, turned.shape[0], turned.shape[1], positions, across)
    if axis.vertical:
        plot.reach_down_to([y for x, y, w, _ in blanks if plot.left < (x + w / 2) * wide < plot.right])
    window = turned[plot.top : plot.bottom, plot.left : plot.right]
    if window.shape[0] < 12 or window.shape[1] < 12:
        return [], 0j
    series = series_in(window, page)
    bars = [mask for _, mask in series if plot.shape(mask) == "bar"]
    plot.stand_on(bars)
    places = [position * plot.across - plot.left for position in positions]
    columns = np.logical_or.reduce([mask.any(axis=0) for mask in bars]) if bars else np.zeros(window.shape[1], bool)
    return [mark for colour, mask in series for mark in plot.marks(mask, colour)], rhythm(columns, places, plot.step * plot.across)


class _Plot:
    """The rectangle between the axes in pixels, value axis along rows."""

    def __init__(self, axis: Axis, length: int, across: int, positions: Sequence[float], bounds: Interval | None) -> None:
        self.axis, self.length, self.across, self.positions = axis, length, across, positions
        ends = [position for position, _ in axis.ticks]
        # Marks reach beyond the last tick read, but not by two steps.
        margin = 0.02 + 1.3 * float(np.median(np.diff(sorted(ends))))
        self.lowest, self.margin = max(ends), margin
        self.top, self.bottom = max(0, int((min(ends) - margin) * length)), min(length, int((max(ends) + 0.012) * length) + 2)
        if not axis.vertical:
            self.top, self.bottom = max(0, int((min(ends) - 0.012) * length)), min(length, int((max(ends) + margin) * length))
        # Bars go down to zero, also where its tick was not read.
        zero = axis.where(0.0) if not axis.log else -1.0
        if axis.vertical and max(ends) < zero < min(1.0, max(ends) + _UNREAD_STEPS * float(np.diff(sorted(ends)).min())):
            self.bottom = min(length, int((zero + 0.012) * length) + 2)
        elif not axis.vertical and max(0.0, min(ends) - _UNREAD_STEPS * float(np.diff(sorted(ends)).min())) < zero < min(ends):
            self.top = max(0, int((zero - 0.012) * length))
        self.foot: float | None = None
        ordered = sorted(positions)
        steps = np.diff(ordered)
        self.step = float(np.median(steps)) if len(steps) else 0.1
        low, high = ordered[0] - 0.6 * self.step, ordered[-1] + 0.6 * self.step
        if bounds is not None:
            low, high = min(low, bounds[0]), max(high, bounds[1])
        self.left, self.right = max(0, int(low * across)), min(across, int(np.ceil(high * across)) + 1)

    def reach_down_to(self, tops: Sequence[float]) -> None:
        """Look below the lowest tick as well, as far as the print under the plot and not by more than a step or so."""
        below = [top for top in tops if self.lowest + 0.012 < top < self.lowest + self.margin]
        if below:
            self.bottom = max(self.bottom, min(self.length, int(min(below) * self.length) - 1))

    def stand_on(self, bars: Sequence[Mask]) -> None:
        """Note where the bars begin, when they stand on one line: there they have no value, even where the axis does not begin at zero."""
        if not bars:
            return
        rows = np.flatnonzero(np.logical_or.reduce(bars).any(axis=1))
        self.foot = float(rows[-1] + 1 if self.axis.vertical else rows[0]) + self.top

    def marks(self, mask: Mask, colour: Colour) -> list[Mark]:
        """One mark a position where this colour has one there, and its bars at no position."""
        shape = self.shape(mask)
        reach = max(1.0, _BAR_REACH * self.step * self.across) if shape == "bar" else _AREA_REACH
        found = []
        for index, position in enumerate(self.positions):
            centre = position * self.across - self.left
            low, high = max(0, round(centre - reach)), min(mask.shape[1], round(centre + reach) + 1)
            extent = self._extent(mask[:, low:high]) if shape != "line" else self._height(mask, round(centre))
            if extent is not None:
                found.append(self._mark(index, position, extent, colour, shape))
        if shape == "bar":
            return found + self._unnamed(mask, colour, len(found))
        return found if len(found) >= min(_FEWEST, len(self.positions)) else []

    def _unnamed(self, mask: Mask, colour: Colour, named: int) -> list[Mark]:
        """Bars whose name was not read: runs of columns away from every position, as wide as bars are."""
        if named == 0:
            return []
        columns = np.flatnonzero(mask.any(axis=0))
        runs = [run for run in np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1) if len(run) >= 3]
        centres = np.asarray(self.positions) * self.across - self.left
        widths = [len(run) for run in runs if np.abs(centres - run.mean()).min() < _BAR_REACH * self.step * self.across]
        usual = float(np.median(widths)) if widths else 0.0
        found = []
        for run in runs:
            if not 0.6 * usual <= len(run) <= 1.6 * usual or np.abs(centres - run.mean()).min() < 0.6 * self.step * self.across:
                continue
            extent = self._extent(mask[:, run[0] : run[-1] + 1])
            if extent is not None:
                found.append(self._mark(UNNAMED, (run.mean() + self.left) / self.across, extent, colour, "bar"))
        return found

    def shape(self, mask: Mask) -> str:
        """Lines are thin; bars leave gaps between columns; what is thick and unbroken is an area."""
        filled = mask.sum(axis=0)
        columns = filled > 0
        if not columns.any():
            return "line"
        inside = np.flatnonzero(columns)
        covered = columns[inside[0] : inside[-1] + 1].mean()
        thick = float(np.median(filled[columns]))
        if thick <= max(6.0, 0.03 * mask.shape[0]) and covered > 0.6:
            return "line"
        return "bar" if covered < 0.9 or self._flat(mask) else "area"

    def _flat(self, mask: Mask) -> bool:
        tops = np.where(mask.any(axis=0), mask.argmax(axis=0), -1)
        steps = np.abs(np.diff(tops))
        return float((steps == 0).mean()) > 0.9

    def _extent(self, part: Mask) -> tuple[float, float, float] | None:
        """First and last row of the mark in some columns, and how many pixels they may be off; None without a mark."""
        columns = part.any(axis=0)
        if not columns.any():
            return None
        tops = part.argmax(axis=0)[columns]
        ends = part.shape[0] - part[::-1].argmax(axis=0)[columns]
        longest = ends - tops >= 0.6 * (ends - tops).max()
        return (float(np.median(tops[longest])), float(np.median(ends[longest])), _EDGE_PX)

    def _height(self, mask: Mask, column: int) -> tuple[float, float, float] | None:
        """The row of a line at a column or the one beside it; where it is steep a pixel to the side counts for more."""
        near = [c for c in (column, column - 1, column + 1, column - 2, column + 2) if 0 <= c < mask.shape[1] and mask[:, c].any()]
        if not near:
            return None
        middles = [float(np.flatnonzero(mask[:, c]).mean()) for c in near[:3]]
        rows = np.flatnonzero(mask[:, near[0]])
        # Two lines of one colour, or a rule across the plot: not one value.
        if len(rows) < 0.5 * (rows[-1] - rows[0] + 1):
            return None
        return (middles[0] + 0.5, middles[0] + 0.5, _EDGE_PX + (max(middles) - min(middles)) / 2)

    def _mark(self, index: int, position: float, extent: tuple[float, float, float], colour: Colour, shape: str) -> Mark:
        first, last = extent[0] + self.top, extent[1] + self.top
        value = self._value(first, last, shape)
        uncertainty = self.axis.slack(value, extent[2] / self.length)
        half = max(0.4 * self.step, 2 / self.across) if shape == "bar" else 3 / self.across
        place = (position - half, min(first, last) / self.length, 2 * half, max(2.0, abs(last - first)) / self.length)
        region = place if self.axis.vertical else (place[1], place[0], place[3], place[2])
        clipped = tuple(min(1.0, max(0.0, side)) for side in region)
        return Mark(index, float(value), float(uncertainty), (clipped[0], clipped[1], clipped[2], clipped[3]), colour, shape)

    def _value(self, first: float, last: float, shape: str) -> float:
        """The end away from zero; of a piece of a stack, which does not begin there, its length."""
        one, other = self.axis.at(first / self.length), self.axis.at(last / self.length)
        tip = one if self.axis.vertical else other
        if shape == "line" or self.axis.log:
            return tip
        zero = self.axis.where(0.0) * self.length
        near = max(4.0, 0.02 * self.length)
        if min(abs(first - zero), abs(last - zero)) <= near or first < zero < last:
            return max(one, other, key=abs)
        begin = last if self.axis.vertical else first
        if self.foot is not None and abs(begin - self.foot) <= near:
            return tip
        return abs(one - other) if 0 <= zero <= self.length else tip

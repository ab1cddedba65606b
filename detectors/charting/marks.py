"""Measures marks against a calibrated axis: the ends of bars, the heights of lines and areas, one colour at a time.

A horizontal chart is measured as a vertical one with its axes exchanged: arrays are transposed, so that the value axis always runs
along the first dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.charting.chart import Axis, Colour
from detectors.charting.colours import DIFFERENT, SAME, Floats, distance, marked
from detectors.contract import Region

Mask = NDArray[np.bool_]
# A colour is a series when it covers this share of the plot; at most so many are told apart.
_SERIES_SHARE, _MOST_SERIES = 0.0025, 8
# Pixels a mark's edge may be off by: blur and half a stroke.
_EDGE_PX = 1.5
# Columns of one mark around a position, as a share of the distance between positions.
_BAR_REACH = 0.42


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands at ``position`` (index into the positions asked for) in ``colour``; ``shape`` is bar, line or area."""

    position: int
    value: float
    uncertainty: float
    region: Region
    colour: Colour
    shape: str


def measure(lab: Floats, axis: Axis, positions: Sequence[float], texts: Sequence[Region], page: Colour) -> list[Mark]:
    """The marks at positions across the value axis (fractions of the picture), of every colour in the plot.

    ``texts`` are regions of print, which are not marks. Empty where the axis or the positions give no plot.
    """
    if len(positions) < 2 or len(axis.ticks) < 2:
        return []
    tall, wide = lab.shape[:2]
    lab = lab.copy()
    for x, y, w, h in texts:
        lab[int(y * tall) : int(np.ceil((y + h) * tall)), int(x * wide) : int(np.ceil((x + w) * wide))] = np.nan
    turned = lab if axis.vertical else lab.transpose(1, 0, 2)
    length, across = turned.shape[:2]
    plot = _Plot(axis, length, across, positions)
    window = turned[plot.top : plot.bottom, plot.left : plot.right]
    if window.shape[0] < 12 or window.shape[1] < 12:
        return []
    marks: list[Mark] = []
    for colour, mask in _series(window, page):
        marks += plot.marks(mask, colour)
    return marks


class _Plot:
    """The rectangle between the axes in pixels, value axis along rows."""

    def __init__(self, axis: Axis, length: int, across: int, positions: Sequence[float]) -> None:
        self.axis, self.length, self.across, self.positions = axis, length, across, positions
        ends = [position for position, _ in axis.ticks]
        margin = 0.02 + (max(ends) - min(ends)) * 0.12
        self.top, self.bottom = max(0, int((min(ends) - margin) * length)), min(length, int((max(ends) + 0.012) * length) + 2)
        if not axis.vertical:
            self.top, self.bottom = max(0, int((min(ends) - 0.012) * length)), min(length, int((max(ends) + margin) * length))
        ordered = sorted(positions)
        steps = np.diff(ordered)
        self.step = float(np.median(steps)) if len(steps) else 0.1
        self.left = max(0, int((ordered[0] - 0.6 * self.step) * across))
        self.right = min(across, int(np.ceil((ordered[-1] + 0.6 * self.step) * across)) + 1)
        self.pixel = abs(axis.scale) / length

    def marks(self, mask: Mask, colour: Colour) -> list[Mark]:
        """One mark a position where this colour has one there."""
        shape = self._shape(mask)
        reach = max(1.0, _BAR_REACH * self.step * self.across) if shape == "bar" else 1.0
        found = []
        for index, position in enumerate(self.positions):
            centre = position * self.across - self.left
            low, high = max(0, round(centre - reach)), min(mask.shape[1], round(centre + reach) + 1)
            extent = self._extent(mask[:, low:high], shape)
            if extent is not None:
                found.append(self._mark(index, position, extent, colour, shape))
        return found if len(found) * 2 >= len(self.positions) or shape == "bar" else []

    def _shape(self, mask: Mask) -> str:
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

    def _extent(self, part: Mask, shape: str) -> tuple[float, float] | None:
        """First and last row of the mark in some columns, or None."""
        columns = part.any(axis=0)
        if not columns.any():
            return None
        if shape == "line":
            rows = np.flatnonzero(part.any(axis=1))
            return (float(rows.mean()), float(rows.mean())) if len(rows) and rows[-1] - rows[0] < 0.25 * part.shape[0] else None
        tops = part.argmax(axis=0)[columns]
        ends = part.shape[0] - part[::-1].argmax(axis=0)[columns]
        longest = ends - tops >= 0.6 * (ends - tops).max()
        return (float(np.median(tops[longest])), float(np.median(ends[longest])))

    def _mark(self, index: int, position: float, extent: tuple[float, float], colour: Colour, shape: str) -> Mark:
        first, last = (row + self.top for row in extent)
        at = [self.axis.at(row / self.length) for row in (first, last)]
        zero = self.axis.where(0.0) * self.length
        grows_up = self.axis.vertical
        base, tip = (last, first) if grows_up else (first, last)
        value = at[0] if shape == "line" or grows_up else at[1]
        # A piece of a stacked bar, which does not begin at zero, is as large as it is long.
        if shape != "line" and 0 <= zero <= self.length and abs(base - zero) > max(4.0, 0.02 * self.length) and self._touches(tip, zero):
            value = abs(at[0] - at[1])
        uncertainty = _EDGE_PX * self.pixel + self.axis.residual
        half = max(0.4 * self.step, 2 / self.across) if shape == "bar" else 3 / self.across
        place = (position - half, min(first, last) / self.length, 2 * half, max(2.0, abs(last - first)) / self.length)
        region = place if self.axis.vertical else (place[1], place[0], place[3], place[2])
        clipped = tuple(min(1.0, max(0.0, side)) for side in region)
        return Mark(index, float(value), float(uncertainty), (clipped[0], clipped[1], clipped[2], clipped[3]), colour, shape)

    def _touches(self, tip: float, zero: float) -> bool:
        return abs(tip - zero) > 4.0


def _series(window: Floats, page: Colour) -> list[tuple[Colour, Mask]]:
    """The colours of the plot that can be marks, commonest first, each with the pixels of it."""
    flat = window.reshape(-1, 3)
    valid = ~np.isnan(flat[:, 0])
    away = valid & (np.linalg.norm(np.nan_to_num(flat) - np.asarray(page, np.float32), axis=1) > DIFFERENT)
    pixels = flat[away]
    if len(pixels) < 20:
        return []
    codes = np.round(pixels / 5.0).astype(np.int64)
    values, counts = np.unique(codes, axis=0, return_counts=True)
    chosen: list[Colour] = []
    for value, count in sorted(zip(values, counts, strict=True), key=lambda item: -item[1]):
        colour = (float(value[0] * 5), float(value[1] * 5), float(value[2] * 5))
        if count < _SERIES_SHARE / 5 * len(flat) or len(chosen) >= _MOST_SERIES:
            break
        visible = float(np.hypot(colour[1], colour[2])) > 12 or (marked(colour) and colour[0] < 78)
        if visible and all(distance(colour, other) > 2.2 * SAME for other in chosen):
            chosen.append(colour)
    found = []
    clean = np.nan_to_num(window, nan=1e3)
    for colour in chosen:
        mask = np.linalg.norm(clean - np.asarray(colour, np.float32), axis=2) < 1.1 * SAME
        if mask.mean() >= _SERIES_SHARE and mask.any(axis=0).mean() > 0.1:
            found.append((colour, mask))
    return found

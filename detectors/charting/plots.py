"""Makes the marks of a plot into cells: which positions to measure at, and what each mark is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.charting.anchors import anchored, slant, stands
from detectors.charting.chart import Axis, Block, Cell, Colour, Context
from detectors.charting.colours import SAME, Floats, distance
from detectors.charting.legend import Entry, names_of
from detectors.charting.marks import UNNAMED, Mark, measure
from detectors.charting.pies import slices_of
from detectors.contract import Interval
from detectors.reading.lines import Line

Floats1 = NDArray[np.float64]

# A tick of time this far from the line through the others (in steps) was moved to keep its print inside the picture.
_MOVED = 0.12
# Names of a row begin within this share of the height of the picture.
_ROW = 0.02
# Bars repeat at least so clearly where slanted names are hung up by them.
_GAPS = 0.05
# How far behind the end of a line its name may begin, and how far above or below, in heights of the name.
_BEHIND, _LEVEL = 3.0, 0.9


@dataclass(frozen=True)
class Plotted:
    """What measuring needs of a chart: pixels in Lab, colour of the page, axes, labels, legend, and all print.

    ``headed`` are the lines under the first of the title: the uppermost name beside a plot is easily taken for one.
    """

    lab: Floats
    page: Colour
    axis: Axis | None
    times: Axis | None
    blocks: tuple[Block, ...]
    headed: tuple[Line, ...]
    entries: tuple[Entry, ...]
    lines: tuple[Line, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.lab.shape[1], self.lab.shape[0]


def measured_cells(plot: Plotted) -> list[Cell]:
    """Cells for the marks at the categories, at every year of a time axis, or for the slices of a pie; empty where there are none."""
    blanks = [line.region for line in plot.lines] + [entry.region for entry in plot.entries]
    if plot.axis is None:
        labels = [*plot.blocks, *(Block(line.text, line.region, (line,)) for line in plot.headed)]
        return slices_of(plot.lab, blanks, plot.page, plot.entries, labels)
    axis, times, across = plot.axis, plot.times, None
    if times is not None and axis.vertical and not times.vertical and len(times.ticks) > 1:
        names, positions = _years_along(times)
        options, dated = _hung_up(positions, times, plot.size), True
    else:
        names, options = _categories(plot)
        across, dated = _across(plot), False
    tried = [measure(plot.lab, axis, positions, blanks, plot.page, across) for positions in options]
    marks, found = max(tried, key=lambda one: one[1].real)
    # Names that stand beside the bars, or slanted ones at no bars, could belong to the neighbours.
    if axis.vertical and (not stands(found) or (len(options) > 1 and abs(found) < _GAPS)):
        return []
    called = _series_names(marks, plot)
    return [_cell(mark, names[mark.position] if mark.position != UNNAMED else "", called.get(mark.colour, []), dated) for mark in marks]


def _cell(mark: Mark, name: str, called: Sequence[str], dated: bool) -> Cell:
    contexts = [Context(name, 1.0, "year" if dated else "row")] if name else []
    contexts += [Context(series, 0.9, "colour") for series in called]
    year = float(name) if dated else None
    return Cell(mark.value, mark.region, None, f"{mark.value:.4g}", tuple(contexts), mark.colour, year, mark.uncertainty, measured=True)


def _series_names(marks: Sequence[Mark], plot: Plotted) -> dict[Colour, list[str]]:
    """Names by colour: from the legend, else labels written in the colour itself, else what stands at the end of a line."""
    found: dict[Colour, list[str]] = {}
    for colour in dict.fromkeys(mark.colour for mark in marks):
        names = names_of(colour, plot.entries, plot.page)[:2]
        if not names:
            names = [block.text for block in plot.blocks if block.colour is not None and distance(block.colour, colour) < 1.5 * SAME][:2]
        if not names:
            names = _at_the_end([mark for mark in marks if mark.colour == colour and mark.shape == "line"], plot.blocks)
        found[colour] = names
    return found


def _at_the_end(marks: Sequence[Mark], blocks: Sequence[Block]) -> list[str]:
    if not marks:
        return []
    x, y, w, h = max(marks, key=lambda mark: mark.region[0]).region
    right, middle = x + w, y + h / 2
    near = [
        (abs(block.centre[1] - middle), block.text)
        for block in blocks
        if -0.01 <= block.region[0] - right <= _BEHIND * block.region[3] and abs(block.centre[1] - middle) <= _LEVEL * block.region[3]
    ]
    return [min(near)[1]] if near else []


def _years_along(times: Axis) -> tuple[list[str], list[float]]:
    """Every year on the time axis, and those a step before the first and behind the last tick, with their places."""
    positions, values = (np.asarray(column) for column in zip(*sorted(times.ticks), strict=True))
    first, last = round(values[0]), round(values[-1])
    # Beyond sixty years one year is a few pixels: then not each is looked at.
    step = max(1, (last - first) // 60)
    line = _straight(values, positions)
    if line is None:
        years = sorted({*range(first, last + 1, step), *(round(value) for value in values)})
        return [str(year) for year in years], [float(np.interp(year, values, positions)) for year in years]
    more = max(1, round(float(np.diff(values).min())))
    years = sorted({*range(first - more, last + more + 1, step), *(round(value) for value in values)})
    placed = [(str(year), line[0] * year + line[1]) for year in years]
    inside = [(name, at) for name, at in placed if 0.0 < at < 1.0]
    return [name for name, _ in inside], [at for _, at in inside]


def _straight(values: Floats1, positions: Floats1) -> tuple[float, float] | None:
    """Slope and offset of place over year, where the ticks are even but for ends moved inwards; else None."""
    if len(values) < 3:
        return None
    slopes = np.diff(positions) / np.diff(values)
    slope = float(np.median(slopes))
    offset = float(np.median(positions - slope * values))
    off = np.abs(slope * values + offset - positions) / (slope * float(np.diff(values).min()))
    return (slope, offset) if (off[1:-1] if len(values) > 3 else off).max(initial=0.0) < _MOVED and off.max() < 0.5 else None


def _across(plot: Plotted) -> Interval | None:
    """Where the plot begins and ends across the value axis: from the print of the axis to the legend or the edge of the picture."""
    if plot.axis is None or not plot.axis.vertical:
        return None
    begin = max(line.region[0] + line.region[2] for line in plot.axis.lines)
    beside = [entry.region[0] for entry in plot.entries if entry.region[0] > 0.6]
    end = min(beside, default=1.0)
    return (begin, end) if begin < 0.4 else None


def _hung_up(positions: list[float], times: Axis, size: tuple[int, int]) -> list[list[float]]:
    """The places of years, and those they have when slanted print stands at its upper end. All years are equally long."""
    _, *others = anchored([Block(line.text, line.region, (line,)) for line in times.lines], size) or [[]]
    if not others:
        return [positions]
    shift = float(np.median([end - (line.region[0] + line.region[2] / 2) for end, line in zip(others[0], times.lines, strict=True)]))
    return [positions, [position + shift for position in positions]]


def _categories(plot: Plotted) -> tuple[list[str], list[list[float]]]:
    """Names and places of the categories across the value axis: the largest set of labels in a row below it, or in a column beside it.

    There are two lists of places where names are set at a slant (:func:`~detectors.charting.anchors.anchored`).
    """
    axis = plot.axis
    assert axis is not None  # noqa: S101 - the caller has just asked
    ends = [position for position, _ in axis.ticks]
    low, high = min(ends), max(ends)
    blocks = [block for block in plot.blocks if block.text not in {entry.text for entry in plot.entries}]
    if axis.vertical:
        left = min(line.region[0] for line in axis.lines)
        inside = [b for b in blocks if b.region[1] >= high - 0.01 and b.region[1] < high + 0.25 and abs(b.region[0] - left) > 0.0]
        row = _largest_row(inside, plot.size)
        return [block.text for block in row], anchored(row, plot.size)
    inside = [b for b in blocks if b.region[0] < low and b.region[0] + b.region[2] <= low + 0.03]
    edge = float(np.mean([line.middle for line in axis.lines]))
    found = [(b.text, b.region[1] + b.region[3] / 2, b.region[0] + b.region[2]) for b in inside]
    ends_at = [end for _, _, end in found]
    # The first name may have been taken for a line of the title: it ends where the others do.
    found += [
        (line.text, line.middle, line.region[0] + line.region[2])
        for line in plot.headed
        if sum(abs(line.region[0] + line.region[2] - end) < 0.012 for end in ends_at) >= 2
    ]
    names, places = _largest_column(found, edge)
    return names, [places]


def _largest_column(items: Sequence[tuple[str, float, float]], edge: float) -> tuple[list[str], list[float]]:
    """The names that end where most do (beside the axis): the title of the axis stands further out."""
    rows = [item for item in items if abs(item[1] - edge) > 0.02]
    best = max(([item for item in rows if abs(item[2] - seed[2]) < 0.025] for seed in rows), key=len, default=[])
    # Left-aligned names end anywhere.
    best = best if len(best) * 3 >= len(rows) * 2 else rows
    best = sorted(set(best), key=lambda item: item[1])
    return [name for name, _, _ in best], [position for _, position, _ in best]


def _largest_row(blocks: Sequence[Block], size: tuple[int, int]) -> list[Block]:
    """The names that begin at the height most do, from left to right. The boxes of slanted ones end a little apart."""
    best: list[Block] = []
    for seed in blocks:
        reach = _ROW if not slant(seed.lines[0], size) else 2 * _ROW
        row = [block for block in blocks if abs(block.region[1] - seed.region[1]) < reach]
        best = row if len(row) > len(best) else best
    return sorted(best, key=lambda block: block.centre[0])

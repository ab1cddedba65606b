"""Finds the swatches of a legend: small patches of colour on the left of a text, filled or hollow, square, round or a stroke."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.charting.chart import Colour
from detectors.charting.colours import DIFFERENT, SAME, Floats, distance
from detectors.contract import Region
from detectors.reading.lines import Line

# All in heights of the text: how far a swatch may be from its text, how small and how long it is, how far to look.
_GAP, _SHORTEST, _LONGEST, _REACH = 1.4, 0.3, 3.6, 6.0
# Chroma from which a few pixels are a swatch; a grey one must be filled.
_CHROMA = 14.0
# What it weighs, in units of Lab, that a swatch is paled towards the page altogether.
_PALER = 12.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A name of a legend with the place (fractions of the picture) and colour of its swatch."""

    text: str
    region: Region
    colour: Colour


def entries_of(lines: Sequence[Line], lab: Floats, page: Colour) -> list[Entry]:
    """The lines that have a swatch."""
    found = []
    for line in lines:
        seen = _swatch(lab, line.region, page)
        if seen is not None:
            found.append(Entry(line.text, *seen))
    return found


def names_of(colour: Colour, entries: Sequence[Entry], page: Colour) -> list[str]:
    """The names of the legend for a colour of the plot, the closest swatch first."""
    near = sorted((_unlike(entry.colour, colour, page), entry.text) for entry in entries)
    return [text for apart, text in near if apart < 2 * SAME and apart < near[0][0] + 0.5 * SAME]


def _unlike(swatch: Colour, colour: Colour, page: Colour) -> float:
    """Distance of two colours, little of it for a swatch paled towards the page: strokes and rings are blurred."""
    whole, part = np.subtract(colour, page), np.subtract(swatch, page)
    share = float(part @ whole) / max(1e-6, float(whole @ whole))
    if not 0.5 <= share <= 1.15:
        return distance(swatch, colour)
    return min(distance(swatch, colour), float(np.linalg.norm(part - share * whole)) + _PALER * abs(1 - share))


def _swatch(lab: Floats, region: Region, page: Colour) -> tuple[Region, Colour] | None:
    tall, wide = lab.shape[:2]
    x, y, h = region[0] * wide, region[1] * tall, region[3] * tall
    top, bottom = max(0, round(y + 0.1 * h)), min(tall, round(y + 0.9 * h))
    left, right = max(0, round(x - _REACH * h)), max(0, round(x - 1))
    if bottom - top < 3 or right - left < 3:
        return None
    strip = lab[top:bottom, left:right]
    away = np.linalg.norm(strip - np.asarray(page, np.float32), axis=2) > DIFFERENT
    columns = away.any(axis=0)
    run = _nearest_run(columns, _GAP * h)
    if run is None or not _SHORTEST * h <= run[1] - run[0] <= _LONGEST * h or (run[0] == 0 and left > 0):
        return None
    first, last = run[0] + left, run[1] + left
    # A swatch ends above and below its line; a bar or the rim of a plot goes on.
    for low, high in ((y - 0.6 * h, y + 0.3 * h), (y + 0.7 * h, y + 1.6 * h)):
        beyond = lab[max(0, round(low)) : max(1, min(tall, round(high))), first:last]
        if beyond.size and (np.linalg.norm(beyond - np.asarray(page, np.float32), axis=2) > DIFFERENT).mean(axis=1).min() > 0.34:
            return None
    colour, filled = _strongest(strip[:, run[0] : run[1]][away[:, run[0] : run[1]]], page)
    chroma = float(np.hypot(colour[1], colour[2]))
    if chroma < _CHROMA and not (filled and colour[0] < 85 and away[:, run[0] : run[1]].mean() > 0.6):
        return None
    return (first / wide, y / tall, (last - first) / wide, region[3]), colour


def _nearest_run(columns: np.ndarray[tuple[int], np.dtype[np.bool_]], gap: float) -> tuple[int, int] | None:
    """The run of marked columns nearest to the right end, if it begins within ``gap`` of it; one empty column does not break it."""
    marked = np.flatnonzero(columns)
    if not len(marked) or len(columns) - 1 - marked[-1] > gap:
        return None
    start = end = int(marked[-1])
    for column in marked[-2::-1]:
        if start - column > 2:
            break
        start = int(column)
    return start, end + 1


def _strongest(pixels: Floats, page: Colour) -> tuple[Colour, bool]:
    """The colour of a patch without its blurred rim, and whether most of it has that colour."""
    apart = np.linalg.norm(pixels - np.asarray(page, np.float32), axis=1)
    ink = np.median(pixels[np.argsort(-apart)[: max(3, len(pixels) // 3)]], axis=0)
    filled = float((np.linalg.norm(pixels - ink, axis=1) < SAME).mean()) > 0.6
    return (float(ink[0]), float(ink[1]), float(ink[2])), filled

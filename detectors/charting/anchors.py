"""Decides which part of a name set at a slant stands at its mark, and whether names stand at the bars at all.

Programs turn names by 30 to 60 degrees and hang them up by their end, their beginning or their middle. Bars tell which: under the right
choice they repeat with the names. This is the phase of their first harmonic over one step, taken at each name.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.charting.chart import Block
from detectors.reading.lines import Line

# A line whose rise is between these shares of its run, in pixels, is set at a slant.
_SLANT_FROM, _SLANT_TO = 0.2, 4.0
# Names further from their bars than this share of a step are not taken for theirs; gaps that show less than this prove nothing.
_AWAY, _SEEN = 0.2, 0.05


def slant(line: Line, size: tuple[int, int]) -> int:
    """1 for a line that rises to the right in a picture of that size (width, height in pixels), -1 for one that falls, else 0."""
    if line.corners is None:
        return 0
    (left, top), (right, bottom) = line.corners[0], line.corners[1]
    run, fall = abs(right - left) * size[0], (bottom - top) * size[1] * (1 if right >= left else -1)
    if len(line.text.strip()) < 2 or not _SLANT_FROM * run < abs(fall) < _SLANT_TO * run:
        return 0
    return 1 if fall < 0 else -1


def anchored(blocks: Sequence[Block], size: tuple[int, int]) -> list[list[float]]:
    """Where names in a row may stand along it, in fractions of the picture: their middles, and for slanted ones their upper ends."""
    middles = [block.centre[0] for block in blocks]
    slants = [slant(block.lines[0], size) for block in blocks]
    leaning = sum(slants)
    if abs(leaning) < 2 or abs(leaning) * 2 <= len(blocks):
        return [middles]
    ends = [_upper_end(block, leaning > 0) for block in blocks]
    return [middles, ends]


def _upper_end(block: Block, rising: bool) -> float:
    corners = block.lines[0].corners
    if corners is None:
        return block.centre[0]
    one, other = (corners[1], corners[2]) if rising else (corners[0], corners[3])
    return (one[0] + other[0]) / 2


def rhythm(columns: NDArray[np.bool_], places: Sequence[float], step: float) -> complex:
    """How bars (columns of the plot that hold some) repeat about the places: 1 for slim bars on them, e^(2πi/4) a quarter of a step behind.

    All in pixels. 0 where nothing repeats or nothing is there.
    """
    at = np.arange(len(columns), dtype=float) + 0.5
    total, weight = 0j, 0
    for place in places:
        near = columns & (np.abs(at - place) <= step / 2)
        total += complex(np.exp(2j * np.pi * (at[near] - place) / step).sum())
        weight += int(near.sum())
    return total / weight if weight else 0j


def stands(found: complex) -> bool:
    """Whether the bars lie at the places asked for, or leave too small gaps to tell."""
    return abs(found) < _SEEN or abs(float(np.angle(found))) <= 2 * np.pi * _AWAY

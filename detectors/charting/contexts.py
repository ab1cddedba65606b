"""Ties a printed value to its labels: by row, by column, by colour, by the time axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.charting.chart import Axis, Block, Cell, Colour, Context
from detectors.charting.colours import SAME, distance
from detectors.charting.layout import Number, Year
from detectors.contract import Region


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the labels of a value are taken from: all ``blocks``, those without values beside them (``heads``), years and the time axis."""

    blocks: tuple[Block, ...]
    heads: tuple[Block, ...]
    years: tuple[Year, ...]
    times: Axis | None


def printed_cell(number: Number, surroundings: Surroundings, colour: Colour | None) -> Cell:
    """The cell of a printed value, with the labels its place and colour give it."""
    year = _year_at(number.region[0] + number.region[2] / 2, surroundings.times)
    contexts = _contexts(number.region, number.own, surroundings, colour, year)
    return Cell(
        number.value * number.factor,
        number.region,
        number.unit,
        number.text,
        contexts,
        colour,
        year,
        confidence=number.line.confidence,
    )


def _year_at(x: float, times: Axis | None) -> float | None:
    """The year at a height of the time axis: the tick next to it, else the fit where it is good."""
    if times is None or times.vertical:
        return None
    nearest = min(times.ticks, key=lambda tick: abs(tick[0] - x))
    gaps = np.diff(sorted(position for position, _ in times.ticks))
    if abs(nearest[0] - x) < 0.3 * float(gaps.min()):
        return nearest[1]
    low, high = min(p for p, _ in times.ticks), max(p for p, _ in times.ticks)
    if low - 0.05 <= x <= high + 0.05:
        positions, values = zip(*sorted(times.ticks), strict=True)
        return float(np.interp(x, positions, values))
    return None


def _contexts(region: Region, own: str, around: Surroundings, colour: Colour | None, year: float | None) -> tuple[Context, ...]:
    """Every label of a value once, with its strongest tie."""
    found = [Context(own, 1.2, "own")] if own else []
    rows = _nearest_rows(around.blocks, region)
    found += [
        *_row_labels(region, rows, around),
        *_column_labels(region, rows, around),
        *_colour_labels(colour, around),
        *_year_labels(region, year, around),
    ]
    best: dict[str, Context] = {}
    for context in found:
        if context.text not in best or best[context.text].weight < context.weight:
            best[context.text] = context
    return tuple(best.values())


def _row_labels(region: Region, rows: Sequence[Block], around: Surroundings) -> Iterator[Context]:
    x = region[0] + region[2] / 2
    left = [block for block in rows if block.region[0] + block.region[2] <= x]
    right = [block for block in rows if block.region[0] > x]
    if left:
        nearest = max(left, key=lambda block: block.region[0] + block.region[2])
        first = min(left, key=lambda block: block.region[0])
        yield Context(nearest.text, 1.0, "row")
        if first.text != nearest.text:
            yield Context(first.text, 0.8, "row")
        parent = _parent(first, around.blocks)
        if parent is not None and parent not in around.heads:
            yield Context(parent.text, 0.5, "heading")
    elif right:
        yield Context(min(right, key=lambda block: block.region[0]).text, 0.9, "row")


def _column_labels(region: Region, rows: Sequence[Block], around: Surroundings) -> Iterator[Context]:
    x, y = region[0] + region[2] / 2, region[1] + region[3] / 2
    above = sorted(
        (b for b in around.heads if b.region[1] + b.region[3] <= y and _over(b, x, 0.02)), key=lambda b: -(b.region[1] + b.region[3])
    )
    for block, weight in zip(above, (0.8, 0.5, 0.3), strict=False):
        if block not in rows:
            yield Context(block.text, weight, "column")
    below = [b for b in around.heads if b.region[1] >= y and _over(b, x, 0.0)]
    if below:
        yield Context(min(below, key=lambda b: b.region[1]).text, 0.7, "column")
    over = [b for b in around.heads if b.region[1] + b.region[3] < y and b.region[0] < x]
    if over:
        yield Context(max(over, key=lambda b: b.region[1]).text, 0.6, "heading")


def _colour_labels(colour: Colour | None, around: Surroundings) -> Iterator[Context]:
    if colour is None:
        return
    same = sorted((distance(b.colour, colour), b.text) for b in around.blocks if b.colour is not None)
    near = [text for apart, text in same if apart < 1.3 * SAME]
    for text in near[:3]:
        # A colour many labels share (all print in one tone) ties nothing.
        yield Context(text, 0.9 if len(near) <= 3 else 0.5, "colour")


def _year_labels(region: Region, year: float | None, around: Surroundings) -> Iterator[Context]:
    x, y = region[0] + region[2] / 2, region[1] + region[3] / 2
    if year is not None:
        yield Context(f"{year:.0f}", 0.9, "year")
    tops = [y_ for y_ in around.years if y_.region[1] < y and abs(y_.region[0] + y_.region[2] / 2 - x) < max(y_.region[2], region[2])]
    if year is None and tops:
        yield Context(str(max(tops, key=lambda item: item.region[1]).value), 0.8, "year")
    lefts = [y_ for y_ in around.years if y_.region[0] < x and abs(y_.region[1] + y_.region[3] / 2 - y) < 0.6 * region[3]]
    if lefts:
        yield Context(str(max(lefts, key=lambda item: item.region[0]).value), 0.8, "year")


def _parent(label: Block, blocks: Sequence[Block]) -> Block | None:
    """The label an indented one belongs to: the nearest above that begins further left."""
    above = [
        b
        for b in blocks
        if b.region[1] < label.region[1] - 0.5 * label.region[3] and b.region[0] + b.region[2] < label.region[0] + label.region[2] + 0.25
    ]
    outer = [b for b in above if b.region[0] < label.region[0] - 0.012 and label.region[0] - b.region[0] < 0.12]
    return max(outer, key=lambda b: b.region[1]) if outer else None


def _nearest_rows(blocks: Sequence[Block], region: Region) -> list[Block]:
    """The blocks in the row of a value; where rows stand so close that boxes overlap, only those whose lines are level with it."""
    y = region[1] + region[3] / 2
    rows = [(_off(block, y), block) for block in blocks if in_row(block, y, region[3])]
    least = min((off for off, _ in rows), default=0.0)
    return [block for off, block in rows if off <= least + 0.2 * region[3]]


def _off(block: Block, y: float) -> float:
    """How far a height is from the middles of a block's first to last line."""
    top, bottom = block.lines[0].middle, block.lines[-1].middle
    return max(top - y, y - bottom, 0.0)


def in_row(block: Block, y: float, height: float) -> bool:
    top, bottom = block.region[1], block.region[1] + block.region[3]
    return top - 0.35 * height <= y <= bottom + 0.35 * height


def _over(block: Block, x: float, slack: float) -> bool:
    return block.region[0] - slack <= x <= block.region[0] + block.region[2] + slack

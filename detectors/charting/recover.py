"""Recovers a chart from its reading and its pixels, and tells charts from other pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.charting.axes import value_axis, year_axis
from detectors.charting.blocks import blocks_of, by_colour
from detectors.charting.chart import Axis, Block, Cell, Chart, Colour, Context
from detectors.charting.colours import SAME, Floats, colour_at, distance, lab_of, mode
from detectors.charting.contexts import Surroundings, in_row, printed_cell
from detectors.charting.layout import Layout, arrange, factor_of
from detectors.charting.marks import Mark, measure
from detectors.reading.lines import Line, Reading

# A rendered picture has few colours: this share of its pixels lies within a step of its sixteen commonest.
_RENDERED, _MARKS = 0.72, 0.006
_LONGEST_SIDE = 1200


@dataclass(frozen=True, slots=True)
class Look:
    """What the pixels say: share of pixels in few colours, share that could be marks, and the page's colour."""

    rendered: float
    marks: float
    page: Colour


def recover(reading: Reading, picture: Any | None, page_number: int = 1) -> Chart:
    """The chart model of one page. Without a picture (a PDF's own text) labels are bound by place alone and nothing is measured."""
    lines = [line for line in reading.lines if line.page == page_number]
    lab = lab_of(_small(picture)) if picture is not None else None
    seen = look(lab) if lab is not None else None
    page = seen.page if seen else (100.0, 0.0, 0.0)
    layout = arrange([piece for line in lines for piece in (by_colour(line, lab, page) if lab is not None else (line,))])
    axis_found = value_axis(layout.numbers, layout.labels)
    axis, ticks = axis_found or (None, ())
    tick_ids = set(map(id, ticks))
    times = year_axis(layout.years)
    blocks = blocks_of(
        layout.labels, lab, page, [number.region for number in layout.numbers if not number.own and id(number) not in tick_ids]
    )
    title = blocks_of(layout.title, None, page, ())
    numbers = [number for number in layout.numbers if id(number) not in tick_ids]
    beside = [number.region for number in numbers if not number.own]
    heads = tuple(block for block in blocks if not any(in_row(block, y + h / 2, -0.5 * h) for _, y, _, h in beside))
    around = Surroundings(tuple(blocks), heads, layout.years, times)
    colours = [colour_at(lab, number.region, page, legend=False) if lab is not None else None for number in numbers]
    cells = [printed_cell(number, around, colour) for number, colour in zip(numbers, colours, strict=True)]
    factor = factor_of(" ".join(line.text for line in (*layout.title, *layout.labels)))
    measured = _measured(lab, axis, times, layout, blocks, lines, page) if lab is not None and axis is not None else []
    return Chart(
        title=tuple(title),
        blocks=tuple(blocks),
        notes=layout.notes,
        cells=(*cells, *measured),
        value_axis=axis,
        year_axis=times,
        texts=tuple(lines),
        unit_factor=factor,
        confidence=reading.confidence,
        rendered=seen.rendered if seen else 1.0,
        marks=seen.marks if seen else 0.0,
    )


def not_a_chart(chart: Chart) -> str | None:
    """Why a picture is not a chart that can be read, or None when it is one.

    A chart is a rendered picture with few colours, some of them marks, and with an axis or at least two printed values.
    """
    if len(chart.texts) < 3:
        return "hardly any text was read"
    if chart.rendered < _RENDERED:
        return "the picture is not a chart (too many colours for a drawn one)"
    if chart.value_axis is None and len(chart.printed) < 2:
        return "the picture has neither an axis nor printed values"
    if chart.marks < _MARKS and not chart.measured:
        # A thin line covers few pixels, but it is measured.
        return "the picture has no bars, lines or other marks in colour"
    return None


def look(lab: Floats) -> Look:
    """The colours of a picture in a few numbers."""
    pixels = lab[:: max(1, lab.shape[0] // 300), :: max(1, lab.shape[1] // 300)].reshape(-1, 3)
    keys = np.round(pixels / 6.0).astype(np.int64)
    _, inverse, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    rendered = float(np.sort(counts)[::-1][:16].sum() / len(pixels))
    found = mode(pixels)
    page = found[0] if found else (100.0, 0.0, 0.0)
    away = np.linalg.norm(pixels - np.asarray(page, np.float32), axis=1) > 14
    chroma = np.hypot(pixels[:, 1], pixels[:, 2])
    grey = (pixels[:, 0] > 38) & (pixels[:, 0] < 85) & (chroma <= 10)
    # Antialiased print is grey too, but never in one shade: a mark's grey fills many pixels.
    common = counts[inverse.reshape(-1)] > 0.004 * len(pixels)
    return Look(rendered, float((away & ((chroma > 12) | (grey & common))).mean()), page)


def _measured(
    lab: Floats, axis: Axis, times: Axis | None, layout: Layout, blocks: Sequence[Block], lines: Sequence[Line], page: Colour
) -> list[Cell]:
    """Cells for the marks at the categories, or at every year of a time axis."""
    texts = [line.region for line in lines]
    if axis.vertical and times is not None and not times.vertical:
        names, positions = _years_along(times)
    else:
        names, positions = _categories(axis, layout, blocks)
    marks = measure(lab, axis, positions, texts, page)
    return [_measured_cell(mark, names[mark.position], blocks, times) for mark in marks]


def _measured_cell(mark: Mark, name: str, blocks: Sequence[Block], times: Axis | None) -> Cell:
    year = float(name) if times is not None and name.isdigit() else None
    contexts = [Context(name, 1.0, "year" if year is not None else "row")]
    same = [block for block in blocks if block.colour is not None and distance(block.colour, mark.colour) < 1.5 * SAME]
    contexts += [Context(block.text, 0.9, "colour") for block in same[:2]]
    return Cell(mark.value, mark.region, None, f"{mark.value:.4g}", tuple(contexts), mark.colour, year, mark.uncertainty, measured=True)


def _years_along(times: Axis) -> tuple[list[str], list[float]]:
    """Every year between the first and the last tick, placed by interpolation."""
    positions, values = zip(*sorted(times.ticks), strict=True)
    first, last = round(values[0]), round(values[-1])
    # Thirty years at most are sampled one by one: beyond that a year is a few pixels.
    step = max(1, (last - first) // 60)
    years = sorted({*range(first, last + 1, step), *(round(value) for value in values)})
    return [str(year) for year in years], [float(np.interp(year, values, positions)) for year in years]


def _categories(axis: Axis, layout: Layout, blocks: Sequence[Block]) -> tuple[list[str], list[float]]:
    """Names and places of the categories across the value axis: the largest set of labels in a row below it, or in a column beside it."""
    ends = [position for position, _ in axis.ticks]
    low, high = min(ends), max(ends)
    if axis.vertical:
        left = min(line.region[0] for line in axis.lines)
        inside = [b for b in blocks if b.region[1] >= high - 0.01 and b.region[1] < high + 0.25 and abs(b.region[0] - left) > 0.0]
        return _largest_row([(b.text, b.region[0] + b.region[2] / 2, b.region[1]) for b in inside])
    inside = [b for b in blocks if b.region[0] < low and b.region[0] + b.region[2] <= low + 0.03]
    rows = sorted({(b.text, b.region[1] + b.region[3] / 2) for b in inside}, key=lambda item: item[1])
    edge = [line.middle for line in axis.lines]
    rows = [row for row in rows if abs(row[1] - float(np.mean(edge))) > 0.02]
    return [name for name, _ in rows], [position for _, position in rows]


def _largest_row(items: Sequence[tuple[str, float, float]]) -> tuple[list[str], list[float]]:
    best: list[tuple[str, float, float]] = []
    for _, _, top in items:
        row = [item for item in items if abs(item[2] - top) < 0.02]
        best = row if len(row) > len(best) else best
    best = sorted(best, key=lambda item: item[1])
    return [name for name, _, _ in best], [position for _, position, _ in best]


def _small(picture: Any) -> Any:
    """The picture with its longer side at most 1,200 px: marks stay sharp enough, colours cost less."""
    side = max(picture.size)
    if side <= _LONGEST_SIDE:
        return picture
    scale = _LONGEST_SIDE / side
    return picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))

"""Recovers a chart from its reading and its pixels, and tells charts from other pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from detectors.charting.axes import misread, ticks_alone, value_axis, year_axis
from detectors.charting.blocks import blocks_of, by_colour
from detectors.charting.chart import Axis, Chart, Colour
from detectors.charting.colours import Floats, codes_of, colour_at, lab_of, mode
from detectors.charting.contexts import Surroundings, in_row, printed_cell
from detectors.charting.layout import arrange, factor_of
from detectors.charting.legend import entries_of
from detectors.charting.plots import Plotted, measured_cells
from detectors.charting.turned import on_its_side
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
    tick_ids = set(map(id, [*ticks, *(misread(layout.numbers, axis) if axis is not None else ())]))
    if axis is not None and picture is not None:
        layout = replace(layout, labels=tuple(line for line in layout.labels if not _names_axis(line, axis, picture.size)))
    entries = entries_of([*layout.title, *layout.labels, *(year.line for year in layout.years)], lab, page) if lab is not None else []
    if entries:
        inside = {entry.text for entry in entries}
        layout = replace(
            layout,
            title=tuple(line for line in layout.title if line.text not in inside),
            labels=(*layout.labels, *(line for line in layout.title if line.text in inside)),
        )
    # Years with a swatch are names of a legend (2019, 2020 as two series), not ticks of time.
    named = {entry.text for entry in entries}
    times = year_axis([year for year in layout.years if year.line.text not in named] if len(named) > 1 else layout.years)
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
    factor = factor_of(" ".join(line.text for line in lines))
    measured = (
        measured_cells(Plotted(lab, page, axis, times, tuple(blocks), layout.title[1:], tuple(entries), tuple(lines)))
        if lab is not None
        else []
    )
    return Chart(
        title=tuple(title),
        blocks=tuple(blocks),
        notes=layout.notes,
        cells=(*cells, *measured),
        value_axis=axis,
        year_axis=times,
        texts=tuple(lines),
        unit_factor=factor,
        ticks_alone=axis is None and not measured and ticks_alone(layout.numbers, layout.labels),
        confidence=reading.confidence,
        rendered=seen.rendered if seen else 1.0,
        marks=seen.marks if seen else 0.0,
    )


def _names_axis(line: Line, axis: Axis, size: tuple[int, int]) -> bool:
    """Whether a line on its side stands beside the values of an upright axis: its title, no name of a row."""
    if not axis.vertical or not on_its_side(line, size):
        return False
    ends = [position for position, _ in axis.ticks]
    return min(ends) - 0.05 < line.middle < max(ends)


def not_a_chart(chart: Chart) -> str | None:
    """Why a picture is not a chart that can be read, or None when it is one.

    A chart is a rendered picture with few colours, some of them marks, and with an axis or at least two printed values.
    """
    if len(chart.texts) < 3:
        return "hardly any text was read"
    if chart.rendered < _RENDERED:
        return "the picture is not a chart (too many colours for a drawn one)"
    if chart.value_axis is None and len(chart.cells) < 2:
        return "the picture has neither an axis nor printed values"
    if chart.ticks_alone:
        return "the numbers on the picture are those of an axis, and its scale could not be made out"
    if chart.marks < _MARKS and not chart.measured:
        # A thin line covers few pixels, but it is measured.
        return "the picture has no bars, lines or other marks in colour"
    return None


def look(lab: Floats) -> Look:
    """The colours of a picture in a few numbers."""
    pixels = lab[:: max(1, lab.shape[0] // 300), :: max(1, lab.shape[1] // 300)].reshape(-1, 3)
    codes = codes_of(pixels, 6.0)
    counts = np.bincount(codes)
    rendered = float(np.sort(counts)[::-1][:16].sum() / len(pixels))
    page = _page_of(lab)
    away = np.linalg.norm(pixels - np.asarray(page, np.float32), axis=1) > 14
    chroma = np.hypot(pixels[:, 1], pixels[:, 2])
    grey = (pixels[:, 0] > 38) & (pixels[:, 0] < 85) & (chroma <= 10)
    # Antialiased print is grey too, but never in one shade: a mark's grey fills many pixels.
    common = counts[codes] > 0.004 * len(pixels)
    return Look(rendered, float((away & ((chroma > 12) | (grey & common))).mean()), page)


def _page_of(lab: Floats) -> Colour:
    """The colour of the paper: the commonest along the rim of the picture. In the middle a large area may outweigh it."""
    deep = max(2, round(0.02 * min(lab.shape[:2])))
    rim = [lab[:deep], lab[-deep:], lab[:, :deep], lab[:, -deep:]]
    found = mode(np.concatenate([strip.reshape(-1, 3) for strip in rim]))
    return found[0] if found else (100.0, 0.0, 0.0)


def _small(picture: Any) -> Any:
    """The picture with its longer side at most 1,200 px: marks stay sharp enough, colours cost less."""
    side = max(picture.size)
    if side <= _LONGEST_SIDE:
        return picture
    scale = _LONGEST_SIDE / side
    return picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))

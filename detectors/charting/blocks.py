"""Joins the label lines of a chart into wrapped labels, and splits lines that run over several headings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from detectors.charting.chart import Block, Colour
from detectors.charting.colours import SAME, Floats, colour_at, distance, marked
from detectors.charting.layout import part_of
from detectors.contract import Region
from detectors.reading.lines import Line, around

# What a legend is read as between its names.
_SWATCH = re.compile(r"\s*[■□▪●•◆▲]\s*|\s{2,}")
# Words, and the words of a line read without its spaces ("WhiteAsian").
_PIECE = re.compile(r"[^\s]+?(?=[A-Z][a-z]{2}|\s|$)|[^\s]+")


def by_colour(line: Line, lab: Floats, page: Colour) -> list[Line]:
    """A line in pieces where its colour changes: the headings of neighbouring columns are often read as one line."""
    swatches = [match.span() for match in _SWATCH.finditer(line.text.rstrip())]
    if swatches and not re.search(r"\d", line.text):
        starts = [0, *(end for _, end in swatches)]
        stops = [*(start for start, _ in swatches), len(line.text)]
        pieces = [(start, stop) for start, stop in zip(starts, stops, strict=True) if line.text[start:stop].strip()]
        return [replace(line, text=line.text[start:stop].strip(), region=part_of(line, start, stop)) for start, stop in pieces]
    words = list(_PIECE.finditer(line.text))
    if len(words) < 2 or not any(character.isalpha() for character in line.text):
        return [line]
    colours = [colour_at(lab, part_of(line, *word.span()), page, legend=True) for word in words]
    if sum(colour is not None and float(np.hypot(colour[1], colour[2])) > 12 for colour in colours) < 2:
        return [line]
    cuts = [0]
    for number in range(1, len(words)):
        one, other = colours[number - 1], colours[number]
        if one is not None and other is not None and distance(one, other) > 2.5 * SAME:
            cuts.append(words[number].start())
    ends = [*cuts[1:], len(line.text)]
    return [
        replace(line, text=line.text[start:end].strip(), region=part_of(line, start, end)) for start, end in zip(cuts, ends, strict=True)
    ]


def blocks_of(lines: Sequence[Line], lab: Floats | None, page: Colour, values: Sequence[Region]) -> list[Block]:
    """Lines joined into wrapped labels: below each other, close, aligned, of one size and colour, not each beside its own ``values``."""
    own = {id(line): any(abs(y + h / 2 - line.middle) < 0.5 * line.region[3] for _, y, _, h in values) for line in lines}
    colours = {id(line): colour_at(lab, line.region, page, legend=True) if lab is not None else None for line in lines}
    groups: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: (line.region[1], line.region[0])):
        home = next(
            (
                group
                for group in reversed(groups)
                if not (own[id(group[-1])] and own[id(line)] and not _open(group[-1].text)) and _continues(group, line, colours)
            ),
            None,
        )
        if home is None:
            groups.append([line])
        else:
            home.append(line)
    return [
        Block(" ".join(line.text for line in group), around(group), tuple(group), next((c for g in group if (c := colours[id(g)])), None))
        for group in groups
    ]


def _open(text: str) -> bool:
    """Whether a bracket is still open: the label goes on in the next line."""
    return text.count("(") > text.count(")")


def _continues(group: list[Line], line: Line, colours: dict[int, Colour | None]) -> bool:
    last = group[-1]
    gap = line.region[1] - (last.region[1] + last.region[3])
    height = min(last.region[3], line.region[3])
    if not -0.5 * height < gap < 0.45 * height or not 0.7 < last.region[3] / max(line.region[3], 1e-6) < 1.45:
        return False
    one, other = colours[id(last)], colours[id(line)]
    if one and other and distance(one, other) > 2 * SAME:
        return False
    if (one is None) != (other is None) and any(colour and marked(colour) and colour[0] < 75 for colour in (one, other)):
        return False
    x, w, u, v = last.region[0], last.region[2], line.region[0], line.region[2]
    aligned = abs(x - u) < 0.02 or abs(x + w - u - v) < 0.02 or abs(x + w / 2 - u - v / 2) < 0.02
    return aligned and len(group) < 6

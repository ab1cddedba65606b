"""Puts the lines of pages in the order they are read in and joins them to paragraphs: columns one after another, wrapped lines in one.

Only columns of running text are taken apart. Labels with their values beside them, as on receipts and forms, stay rows,
which is how they are meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from statistics import median

from detectors.contract import Region
from detectors.reading.lines import Line, around, rows_of

# A column of running text has so many lines, and words on the typical one.
_COLUMN_LINES, _COLUMN_WORDS = 3, 3
# Of the lines of a page so many may cross the gutter between two columns: headings and captions.
_CROSSING = 0.25
# On a page seen from the side the gutter leans: a line reaches over it by up to this share of its width.
_LEANING = 0.1
# Columns stand beside each other over this share of the shorter one's height.
_BESIDE = 0.5
# A wrapped line reaches the column's right edge up to this share of its width; the next one begins within this share of the left edge.
_RAGGED, _INDENT = 0.25, 0.12
# Lines of a paragraph follow each other at the page's usual distance, up to this many times it.
_LOOSE = 1.4
# Pieces of one line stand no further apart than so many signs.
_BLANKS = 3.0
_ENDS = (".", "!", "?", ":", ";", "”", '"')


def reading_order(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Lines page by page, column by column, each from top to bottom."""
    ordered: list[Line] = []
    for _, page in groupby(sorted(lines, key=lambda line: line.page), key=lambda line: line.page):
        ordered += _columns(list(page))
    return tuple(ordered)


def flowing(lines: Iterable[Line]) -> tuple[str, tuple[int, ...], tuple[Line, ...]]:
    """The lines as text: in reading order, wrapped lines joined by a blank, others by a line break, paragraphs by an empty line.

    Returns:
        The text, the start of each line in it, and the lines; one that ends in the middle of a word comes without its hyphen.
    """
    ordered = list(reading_order(lines))
    steps = _steps(ordered)
    text, starts = "", []
    for number, line in enumerate(ordered):
        starts.append(len(text))
        following = ordered[number + 1] if number + 1 < len(ordered) else None
        gap = "" if following is None else _between(ordered, number, steps)
        if gap == " " and following is not None and _hyphened(line.text, following.text):
            ordered[number] = line = replace(line, text=line.text[:-1])
            gap = ""
        text += line.text + gap
    return text, tuple(starts), tuple(ordered)


def _columns(lines: Sequence[Line]) -> list[Line]:
    gutter = _gutter(lines)
    if gutter is None:
        return [line for row in rows_of(lines) for line in row]
    crossing = sorted((line for line in lines if _side(line, gutter) == 0), key=lambda line: line.middle)
    edges = [float("-inf"), *(line.middle for line in crossing), float("inf")]
    ordered: list[Line] = []
    for number, (top, bottom) in enumerate(pairwise(edges)):
        band = [line for line in lines if _side(line, gutter) and top <= line.middle < bottom]
        for side in (-1, 1):
            ordered += _columns([line for line in band if _side(line, gutter) == side])
        ordered += crossing[number : number + 1]
    return ordered


def _gutter(lines: Sequence[Line]) -> float | None:
    """Where a page parts into columns of running text, in fractions of its width; None where it does not."""
    if len(lines) < 2 * _COLUMN_LINES:
        return None
    best: tuple[int, float] | None = None
    for place in sorted({line.level[0] for line in lines}):
        at = place - 1e-4
        left, right = ([line for line in lines if _side(line, at) == side] for side in (-1, 1))
        crossing = len(lines) - len(left) - len(right)
        if crossing > _CROSSING * len(lines) or not (_is_column(left) and _is_column(right) and _beside(left, right)):
            continue
        if best is None or crossing < best[0]:
            best = (crossing, at)
    return None if best is None else best[1]


def _side(line: Line, gutter: float) -> int:
    """-1 left of it, 1 right of it, 0 across it."""
    over = _LEANING * line.level[2]
    return -1 if line.level[0] + line.level[2] - over <= gutter else 1 if line.level[0] + over >= gutter else 0


def _is_column(lines: Sequence[Line]) -> bool:
    return len(lines) >= _COLUMN_LINES and median(len(line.text.split()) for line in lines) >= _COLUMN_WORDS


def _beside(left: Sequence[Line], right: Sequence[Line]) -> bool:
    spans = [(min(line.level[1] for line in side), max(line.level[1] + line.level[3] for line in side)) for side in (left, right)]
    shared = min(spans[0][1], spans[1][1]) - max(spans[0][0], spans[1][0])
    return shared >= _BESIDE * min(bottom - top for top, bottom in spans)


def _steps(lines: Sequence[Line]) -> dict[int, float]:
    """The usual distance from one line to the next, by page."""
    drops: dict[int, list[float]] = {}
    for one, other in pairwise(lines):
        drop = other.middle - one.middle
        if one.page == other.page and drop > 0.5 * min(one.level[3], other.level[3]):
            drops.setdefault(one.page, []).append(drop)
    return {page: median(found) for page, found in drops.items()}


def _between(lines: Sequence[Line], number: int, steps: dict[int, float]) -> str:
    """What stands between a line and the next."""
    line, following = lines[number], lines[number + 1]
    drop = following.middle - line.middle
    if line.page != following.page or drop < -0.5 * line.level[3]:
        # The sentence may go on at the top of the next column or page.
        return " " if not line.text.endswith(_ENDS) and following.text[:1].islower() else "\n\n"
    if drop < 0.5 * min(line.level[3], following.level[3]):
        return " " if _apart(line, following) <= _BLANKS else "\n"
    if drop > _LOOSE * steps.get(line.page, drop):
        return "\n\n"
    left, right = _edges(lines, number)
    wide = right - left
    wrapped = line.level[0] + line.level[2] >= right - _RAGGED * wide
    return " " if wrapped and abs(following.level[0] - left) <= _INDENT * wide else "\n"


def _apart(line: Line, following: Line) -> float:
    """The distance between two pieces of a row, in signs."""
    sign = max(1e-6, line.level[2] / max(1, len(line.text)))
    return (following.level[0] - line.level[0] - line.level[2]) / sign


def _edges(lines: Sequence[Line], number: int) -> tuple[float, float]:
    """Left and right edge of the column around a line: of its neighbours in reading order that stand under or over it."""
    line = lines[number]
    near = [
        other
        for other in lines[max(0, number - 6) : number + 7]
        if other.page == line.page and _shared(other.level, line.level) > 0 and other.level[2] <= 2 * max(line.level[2], 0.1)
    ]
    return min(other.level[0] for other in near), max(other.level[0] + other.level[2] for other in near)


def _shared(first: Region, second: Region) -> float:
    """How much of the page's width two regions share."""
    return min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])


def _hyphened(text: str, following: str) -> bool:
    return len(text) > 2 and text[-1] in "-‐" and text[-2].isalpha() and following[:1].islower()


def longest_column(lines: Sequence[Line]) -> Region:
    """The region of lines in reading order, of one page; of those that go on in another column the part with more words."""
    parts: list[list[Line]] = [[]]
    for line in lines:
        if parts[-1] and line.middle < parts[-1][-1].middle - line.level[3] and _shared(line.level, parts[-1][-1].level) <= 0:
            parts.append([])
        parts[-1].append(line)
    return around(max(parts, key=lambda part: sum(len(line.text) for line in part)))

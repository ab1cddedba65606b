"""Lines of text as a reader found them, and the rows of a page they form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from detectors.contract import Region

# Two lines stand in one row when their centres differ by less than this share of the smaller line's height.
_SAME_ROW = 0.6


Corner = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """Text at ``region`` (fractions of its page, origin top left) of ``page`` (from 1). ``confidence`` in [0, 1].

    ``corners`` are those of the line itself in fractions, top left first, then clockwise as it is read; None where it fills
    its region. ``straight`` is where it would stand on the page made level and upright; None where the page is so already.
    """

    text: str
    confidence: float
    region: Region
    page: int = 1
    corners: tuple[Corner, Corner, Corner, Corner] | None = None
    straight: Region | None = None

    @property
    def level(self) -> Region:
        """Its region on the page made level: what rows and columns are told by."""
        return self.straight or self.region

    @property
    def middle(self) -> float:
        """Height of the line's centre on the level page."""
        return self.level[1] + self.level[3] / 2


@dataclass(frozen=True)
class Reading:
    """Everything one reader saw in one piece of evidence.

    ``pages`` is how many pages were read; ``complete`` is False when the evidence has more than the limit or than there
    was time for, so that what was not found may still be there. ``reader`` names the reader and its version, or the PDF's own text.
    """

    lines: tuple[Line, ...]
    reader: str
    pages: int = 1
    complete: bool = True

    @cached_property
    def rows(self) -> tuple[tuple[Line, ...], ...]:
        """The lines in reading order: grouped into rows from top to bottom, each row from left to right."""
        return rows_of(self.lines)

    @cached_property
    def characters(self) -> int:
        """How many letters and digits were read."""
        return sum(character.isalnum() for line in self.lines for character in line.text)

    @cached_property
    def confidence(self) -> float:
        """Mean confidence over letters and digits, 0 where there are none."""
        weights = [sum(character.isalnum() for character in line.text) for line in self.lines]
        total = sum(weights)
        return sum(line.confidence * weight for line, weight in zip(self.lines, weights, strict=True)) / total if total else 0.0


def rows_of(lines: Iterable[Line]) -> tuple[tuple[Line, ...], ...]:
    """Rows from top to bottom, each from left to right. A slanting row is followed from neighbour to neighbour."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: (line.page, line.middle)):
        home = next((row for row in reversed(rows[-4:]) if _in_row(row, line)), None)
        if home is None:
            rows.append([line])
        else:
            home.append(line)
    for row in rows:
        row.sort(key=lambda line: line.level[0])
    return tuple(tuple(row) for row in rows)


def _in_row(row: list[Line], line: Line) -> bool:
    nearest = min(row, key=lambda other: _gap(other, line))
    height = min(nearest.level[3], line.level[3])
    beside = _gap(nearest, line) > -0.25 * min(nearest.level[2], line.level[2])
    return nearest.page == line.page and beside and abs(nearest.middle - line.middle) < _SAME_ROW * height


def _gap(first: Line, second: Line) -> float:
    """Horizontal distance between two lines; negative when they overlap."""
    one, other = first.level, second.level
    return max(one[0], other[0]) - min(one[0] + one[2], other[0] + other[2])


def around(lines: Iterable[Line]) -> Region:
    """The smallest region holding all of these lines (of one page)."""
    boxes = [line.region for line in lines]
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    return (left, top, right - left, bottom - top)


def within(region: Region, part: Region) -> Region:
    """``part``, given in fractions of ``region``, in fractions of the whole."""
    return (region[0] + part[0] * region[2], region[1] + part[1] * region[3], part[2] * region[2], part[3] * region[3])


def spot(region: Region) -> str:
    """Where on the page a region lies, in words for a person."""
    x, y = region[0] + region[2] / 2, region[1] + region[3] / 2
    height = "at the top" if y < 1 / 3 else "at the bottom" if y > 2 / 3 else "in the middle"
    side = " left" if x < 1 / 3 else " right" if x > 2 / 3 else ""
    return height + side

"""Holds the direction a sentence claims (rises, falls) against its own numbers and against the dated series it speaks of."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

from detectors.charting.association import Association
from detectors.charting.chart import Cell
from detectors.charting.checking import NumberCheck
from detectors.claims.charts import Stated

_WHOLE = re.compile(
    r"\b(?:over\s+(?:time|the\s+(?:years|period|decades?))|overall|steadily|trends?|throughout|generally"
    r"|consistent(?:ly)?|continu\w+|across\s+the\s+years|gradually)\b",
    re.IGNORECASE,
)
_STEP = re.compile(r"\b(?:from|between)\b", re.IGNORECASE)
# A year behind such a word begins a stretch that lasts to the end, or ends one that lasts from the beginning.
_SINCE = re.compile(r"\b(?:since|after|starting\s+in|beginning\s+in|from)\s+$", re.IGNORECASE)
_UNTIL = re.compile(r"\b(?:until|till|up\s+to|before|prior\s+to)\s+$", re.IGNORECASE)
# A change within this share of the largest value is no direction.
_LEVEL = 0.05


def stated_direction(text: str, checks: Sequence[NumberCheck], relations: Sequence[str]) -> int:
    """1 where the sentence's own from-to numbers go the way its verb says, -1 where they go the other way, 0 where it has none."""
    rise, fall = "rise" in relations, "fall" in relations
    if rise == fall:
        return 0
    for one, other in pairwise(checks):
        left = text[max(0, one.stated.span[0] - 40) : one.stated.span[0]]
        between = text[one.stated.span[1] : other.stated.span[0]]
        if _STEP.search(left) and re.search(r"\bto\b", between) and len(between) < 80 and one.stated.value != other.stated.value:
            return 1 if (other.stated.value > one.stated.value) == rise else -1
        if re.search(r"\b(?:up|down)\s+from\b", between) and one.stated.value != other.stated.value:
            return 1 if (one.stated.value > other.stated.value) == bool(re.search(r"\bup\s+from", between)) else -1
    return 0


def series_direction(text: str, numbers: Sequence[Stated], relations: Sequence[str], association: Association) -> tuple[int, Cell | None]:
    """1 where the series the words point to moves as they say, -1 where the other way, 0 where it cannot be seen; and its last cell.

    Only between two stated years, from or up to one, or over the whole time where the sentence speaks of it: a *rise* may be of any part.
    """
    rise, fall = "rise" in relations, "fall" in relations
    stretch = _stretch(text, numbers)
    if rise == fall or "stable" in relations or stretch is None:
        return 0, None
    members = [cell for cell in _pointed_series(text, association) if cell.year and stretch[0] - 0.5 <= cell.year <= stretch[1] + 0.5]
    if len(members) < 2:
        return 0, None
    begins, ends = members[0].year or 0.0, members[-1].year or 0.0
    if (math.isfinite(stretch[0]) and begins > stretch[0] + 0.5) or (math.isfinite(stretch[1]) and ends < stretch[1] - 0.5):
        return 0, None
    change = members[-1].value - members[0].value
    scale = max(abs(cell.value) for cell in members) or 1.0
    noise = members[0].uncertainty + members[-1].uncertainty + _LEVEL * scale
    if abs(change) <= noise or math.isnan(change):
        return 0, members[-1]
    return (1 if (change > 0) == rise else -1), members[-1]


def _stretch(text: str, numbers: Sequence[Stated]) -> tuple[float, float] | None:
    """The years a claimed direction is about; infinite where it lasts from the beginning or to the end. None where it is not said."""
    years = [stated for stated in numbers if stated.role == "year"]
    values = sorted({year.value for year in years})
    if len(values) >= 2:
        return values[0], values[-1]
    if len(values) == 1:
        before = text[: years[0].span[0]]
        if _SINCE.search(before):
            return values[0], math.inf
        return (-math.inf, values[0]) if _UNTIL.search(before) else None
    return (-math.inf, math.inf) if _WHOLE.search(text) else None


def _pointed_series(text: str, association: Association) -> list[Cell]:
    """The dated cells of the one series the words point to, in time order; empty where several could be meant."""
    strengths = association.strengths(association.nearness(text, 0, (), spread=True))
    series: dict[tuple[object, ...], list[tuple[Cell, float]]] = {}
    for cell, strength in zip(association.chart.cells, strengths, strict=True):
        if cell.year:
            series.setdefault(_series_key(cell), []).append((cell, strength))
    ranked = sorted(
        (
            (sum(strength for _, strength in members) / len(members), [cell for cell, _ in members])
            for members in series.values()
            if len({cell.year for cell, _ in members}) >= 2
        ),
        key=lambda item: -item[0],
    )
    if not ranked or (len(ranked) > 1 and not ranked[0][0] > max(0.3, 1.3 * ranked[1][0])):
        return []
    return sorted(ranked[0][1], key=lambda cell: cell.year or 0)


def _series_key(cell: Cell) -> tuple[object, ...]:
    colour = tuple(round(part / 12) for part in cell.colour) if cell.colour else None
    rows = tuple(sorted(context.text for context in cell.contexts if context.how in ("row", "own")))
    return (cell.measured, colour or rows)

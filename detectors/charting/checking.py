"""Holds each number, year and extreme of a sentence against a chart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from detectors.charting.association import Association
from detectors.charting.chart import Cell, Chart
from detectors.charting.colours import SAME, distance
from detectors.charting.layout import mentioned_years
from detectors.claims.charts import RELATIONS, Stated

# How far a hedged number may be from the value, in percentage points and as a share; fractions in words are looser.
_HEDGED_POINTS, _HEDGED_SHARE, _WORDED_POINTS = 3.0, 0.06, 5.0
# What a measured mark may be off beyond its own uncertainty, as a share of the axis: answers read such marks by eye.
_BY_EYE, _BY_EYE_HEDGED = 0.025, 0.03
_EPS = 1e-9
# From this strength on the words point to one cell firmly enough to compare it with its neighbours.
_FIRM = 0.5
# A cell whose labels weigh less than this together is not tied to any.
_TIED = 0.85


@dataclass(frozen=True, slots=True)
class NumberCheck:
    """How one stated number stands against the chart.

    ``how`` is ``printed``, ``rounded``, ``measured``, ``derived`` (sum, difference or rest of printed values), ``text`` (in a title, note
    or label) or ``absent``. ``bond`` is how strongly its words point to the best cell with this value, ``rival`` to the best with another.
    ``cell`` is the best cell with the value, ``pointed`` the cell the words point to. ``extreme`` is 1 where a claimed extreme holds,
    -1 where it does not, 0 where none is claimed or it cannot be seen. ``gap`` is the relative distance to the value pointed at.
    """

    stated: Stated
    how: str
    bond: float
    rival: float
    cell: Cell | None
    pointed: Cell | None
    extreme: int = 0
    gap: float = 1.0
    year: int = 0

    @property
    def margin(self) -> float:
        """In [-1, 1]: above 0 the words point to a cell with this value, below 0 to one with another."""
        top = max(self.bond, self.rival)
        return (self.bond - self.rival) / top if top > _EPS else 0.0


def readings_of(stated: Stated, chart: Chart) -> tuple[float, ...]:
    """The numbers a chart may print for a stated one: as written, written out, and in the chart's own counting."""
    written = stated.value * stated.scale
    return tuple(dict.fromkeys((written, stated.value, written / chart.unit_factor, stated.value / chart.unit_factor)))


def agrees(stated: Stated, cell: Cell, chart: Chart) -> str | None:
    """``printed``, ``rounded`` or ``measured`` where the cell's value is the stated one, else None."""
    best: str | None = None
    for number in readings_of(stated, chart):
        gap = abs(cell.value - number)
        step = 10.0**-stated.decimals * (number / stated.value if stated.value else 1.0)
        if cell.measured:
            share = _BY_EYE + (_BY_EYE_HEDGED if stated.approx else 0.0)
            # Slices of a pie are shares of a hundred.
            by_eye = chart.value_axis.by_eye(cell.value, share) if chart.value_axis else 100 * share
            if gap <= cell.uncertainty + by_eye:
                best = best or "measured"
            continue
        if gap < 1e-6 * max(1.0, abs(number)):
            return "printed"
        if _rounds(stated, number, cell, gap, 0.5 * abs(step)):
            best = "rounded"
    return best


def _rounds(stated: Stated, number: float, cell: Cell, gap: float, half_step: float) -> bool:
    """Whether a value that differs from the stated number by ``gap`` is rounded, hedged or put in words to it."""
    if gap <= half_step + _EPS and (stated.scale > 1 or not float(cell.value).is_integer()):
        return True
    if stated.worded:
        return gap <= _WORDED_POINTS
    points = _HEDGED_POINTS if cell.unit == "%" or abs(cell.value) <= 100 else 0.0
    return stated.approx and gap <= max(points, _HEDGED_SHARE * abs(number))


def check_numbers(
    text: str, numbers: Sequence[Stated], relations: Sequence[str], before: str, association: Association
) -> list[NumberCheck]:
    """One check a stated value (role ``value``), in order.

    Sentences name a label before its number or after it; the order under which more numbers agree with the chart is taken for the whole
    sentence, as a reader would.
    """
    orders = [_check_all(text, numbers, relations, before, association, side) for side in (0, -1, 1)]
    return max(orders, key=lambda checks: sum(check.margin for check in checks if check.cell is not None))


def _check_all(
    text: str, numbers: Sequence[Stated], relations: Sequence[str], before: str, association: Association, side: int
) -> list[NumberCheck]:
    values = [stated for stated in numbers if stated.role == "value" and not _names_a_label(stated, association.chart)]
    places = [stated.span[0] for stated in values]
    years = [stated for stated in numbers if stated.role == "year"]
    found = []
    for stated, at in zip(values, places, strict=True):
        near = association.nearness(text, at, [place for place in places if place != at], before, "respectively" in relations, side)
        near = _with_years(near, at, years)
        found.append(_check(stated, near, association, relations, text, at, places))
    return found


def _names_a_label(stated: Stated, chart: Chart) -> bool:
    """Whether the number is part of a label (*$30,000*, *S&P 500*): three digits or more in a label's words, and no percentage."""
    written = f"{stated.value:,.0f}"
    if stated.unit == "%" or stated.decimals or stated.value < 100:
        return False
    pattern = re.compile(rf"(?<![\d.,])(?:{written}|{written.replace(',', '')})(?![\d%]|[.,]\d)")
    return any(pattern.search(block.text) for block in (*chart.blocks, *chart.title))


def _with_years(near: dict[str, float], at: int, years: Sequence[Stated]) -> dict[str, float]:
    """Years count by nearness like other labels; with as many years as values, each goes to the value beside it."""
    if not years:
        return near
    near = dict(near)
    closest = min(years, key=lambda year: abs(year.span[0] - at))
    for year in years:
        name = f"{year.value:.0f}"
        if name in near:
            near[name] = max(near[name], 0.9) if year is closest else near[name] * 0.6
    return near


def _check(
    stated: Stated, near: dict[str, float], association: Association, relations: Sequence[str], text: str, at: int, places: Sequence[int]
) -> NumberCheck:
    chart = association.chart
    strengths = association.strengths(near)
    bond = rival = -1.0
    cell = pointed = None
    how = ""
    order = {"printed": 0.02, "rounded": 0.01, "measured": 0.0}
    for candidate, strength in zip(chart.cells, strengths, strict=True):
        verdict = agrees(stated, candidate, chart)
        if verdict is not None:
            if strength + order[verdict] > bond:
                bond, cell, how = strength + order[verdict], candidate, verdict
        elif strength > rival:
            rival, pointed = strength, candidate
    if cell is None:
        how = _elsewhere(stated, association, strengths)
    if cell is not None and sum(context.weight for context in cell.contexts) < _TIED:
        # Nothing ties this value to a label, so that words cannot point to it.
        bond = max(bond, 0.8 * rival)
    gap = 1.0
    if pointed is not None:
        gap = min(abs(pointed.value - number) / max(abs(pointed.value), abs(number), _EPS) for number in readings_of(stated, chart))
    extreme = _extreme(cell, chart, relations, text, at, places) if cell and bond >= max(_FIRM, rival) else 0
    return NumberCheck(stated, how, max(0.0, bond), max(0.0, rival), cell, pointed, extreme, min(1.0, gap))


def _elsewhere(stated: Stated, association: Association, strengths: Sequence[float]) -> str:
    chart = association.chart
    written = f"{stated.value:,.{stated.decimals}f}"
    pattern = re.compile(rf"(?<![\d.,])(?:{re.escape(written)}|{re.escape(written.replace(',', ''))})(?![\d]|[.,]\d)")
    if any(pattern.search(line.text) for line in chart.texts):
        return "text"
    ranked = sorted(zip(strengths, chart.printed, strict=False), key=lambda item: -item[0])
    likely = [cell for strength, cell in ranked[:8] if strength > 0.15]
    for one in likely:
        if one.value <= 100 and abs(100 - one.value - stated.value) < 0.51:
            return "derived"
        for other in likely:
            if (
                other is not one
                and min(abs(abs(one.value - other.value) - stated.value), abs(one.value + other.value - stated.value))
                < 0.051 + 0.5 * stated.approx
            ):
                return "derived"
    return "absent"


def _extreme(cell: Cell, chart: Chart, relations: Sequence[str], text: str, at: int, places: Sequence[int]) -> int:
    """Whether the cell is the highest or lowest of any group it belongs to, where words just before or behind the number claim so."""
    start = max((place for place in places if place < at), default=0)
    end = min((place for place in places if place > at), default=len(text))
    clause = text[start:at] if RELATIONS["highest"].search(text[start:at]) or RELATIONS["lowest"].search(text[start:at]) else text[at:end]
    first = at == min(places)
    wanted = (
        wanted_extreme(clause, len(clause) if clause == text[start:at] else 0)
        if relations and (first or clause == text[start:at])
        else None
    )
    return 0 if wanted is None else (1 if is_extreme(cell, chart, wanted) else -1)


def wanted_extreme(text: str, at: int) -> str | None:
    """``highest`` or ``lowest``: which extreme is claimed nearest to a position."""
    found = [(abs(match.start() - at), name) for name in ("highest", "lowest") for match in RELATIONS[name].finditer(text)]
    return min(found)[1] if found else None


def is_extreme(cell: Cell, chart: Chart, wanted: str) -> bool:
    """Whether no other cell of some group (all, same colour, same column, same row) lies beyond it, uncertainty allowed for."""
    sign = 1 if wanted == "highest" else -1
    for group in groups_of(cell, chart):
        if len(group) >= 2 and all(sign * (other.value - cell.value) <= other.uncertainty + cell.uncertainty + _EPS for other in group):
            return True
    return False


def groups_of(cell: Cell, chart: Chart) -> list[list[Cell]]:
    """The groups of cells a value is compared within, itself included."""
    cells = [other for other in chart.cells if other.measured == cell.measured]
    found = [cells]
    for context in cell.contexts:
        found.append([other for other in cells if any(item.text == context.text for item in other.contexts)])
    if cell.colour is not None:
        found.append([other for other in cells if other.colour is not None and distance(other.colour, cell.colour) < SAME])
    if cell.measured:
        # Where a bar's middle stands says nothing: its labels do.
        return found
    x, y = cell.region[0] + cell.region[2] / 2, cell.region[1] + cell.region[3] / 2
    found.append([other for other in cells if abs(other.region[0] + other.region[2] / 2 - x) < 0.03])
    found.append([other for other in cells if abs(other.region[1] + other.region[3] / 2 - y) < 0.02])
    return found


def unknown_years(numbers: Sequence[Stated], chart: Chart) -> list[Stated]:
    """The stated years the chart neither prints nor spans."""
    printed = {year for line in chart.texts for year in mentioned_years(line.text)}
    if chart.year_axis is not None:
        values = [round(value) for _, value in chart.year_axis.ticks]
        printed.update(range(min(values), max(values) + 1))
    short = {int(match) for line in chart.texts for match in re.findall(r"['’‘](\d\d)(?!\d)", line.text)}
    return [
        stated
        for stated in numbers
        if stated.role == "year" and round(stated.value) not in printed and round(stated.value) % 100 not in short
    ]

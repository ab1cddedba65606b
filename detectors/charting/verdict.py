"""Weighs an inspection into one raw score (log odds of a wrong statement), and names what speaks against the statement."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

from detectors.charting.chart import Cell
from detectors.charting.checking import NumberCheck
from detectors.charting.features import FEATURES, STRAY, Inspection
from detectors.contract import Region

MODEL = Path(__file__).with_name("chart_model.json")
# From here on the words of a statement point to a value firmly enough to name it.
_NAMED = 0.3


@dataclass(frozen=True, slots=True)
class ChartModel:
    """Logistic regression over :data:`FEATURES` with signs held to their meaning; fitted by ``benchmarks/fit_chart_mismatch.py``."""

    weights: tuple[float, ...]
    intercept: float

    def log_odds(self, inspection: Inspection) -> float:
        """Log odds that the statement is wrong."""
        return self.intercept + sum(weight * value for weight, value in zip(self.weights, inspection.values, strict=True))


@functools.lru_cache(maxsize=1)
def chart_model() -> ChartModel:
    """The shipped model. Raises ValueError when its file names other features than this code computes."""
    fields = json.loads(MODEL.read_text(encoding="utf-8"))
    if tuple(fields["features"]) != FEATURES:
        raise ValueError(f"{MODEL.name} was fitted on {fields['features']}, this version computes {list(FEATURES)}")
    return ChartModel(tuple(fields["weights"]), float(fields["intercept"]))


@dataclass(frozen=True, slots=True)
class Objection:
    """What speaks most against a statement: ``error`` (value, label, trend or magnitude), a sentence, and where it is seen."""

    error: str
    told: str
    region: Region | None
    quote: str | None


def objection(inspection: Inspection) -> Objection:
    """The strongest objection: a contradiction first, then an absent value, a value elsewhere, an unknown year or name."""
    if inspection.direction < 0:
        return _against_direction(inspection)
    if inspection.series < 0 and inspection.series_cell is not None:
        cell = inspection.series_cell
        return Objection(
            "trend", f"The answer has the series move the other way than the chart, which ends at {shown(cell)}.", cell.region, cell.text
        )
    if inspection.comparison is not None and inspection.comparison.holds < 0:
        more, less = inspection.comparison.more, inspection.comparison.less
        told = f"The answer puts {shown(more)} above {shown(less)}; the chart has it the other way round."
        return Objection("magnitude", told, more.region, more.text)
    if inspection["extreme_label"] > 0 and inspection.extreme_cell is not None:
        cell = inspection.extreme_cell
        return Objection("label", f"The answer calls {shown(cell)} an extreme, and the chart has one beyond it.", cell.region, cell.text)
    absent = [check for check in inspection.checks if check.cell is None and check.how == "absent"]
    stray = [check for check in inspection.checks if check.cell is not None and check.margin < STRAY and check.pointed is not None]
    if absent:
        return _against_value(max(absent, key=lambda check: check.rival))
    if inspection["majority"] > 0:
        check = inspection.checks[0]
        return Objection(
            "magnitude", f"The answer calls {_stated(check)} a majority.", _region(check), check.cell.text if check.cell else None
        )
    wrong_extreme = [check for check in inspection.checks if check.extreme < 0 and check.cell is not None]
    if wrong_extreme and wrong_extreme[0].cell is not None:
        cell = wrong_extreme[0].cell
        return Objection("value", f"The answer calls {shown(cell)} an extreme, and the chart has one beyond it.", cell.region, cell.text)
    if stray:
        return _against_label(min(stray, key=lambda check: check.margin))
    if inspection.years:
        return Objection("label", f"The answer speaks of {inspection.years[0].value:.0f}, which the chart does not show.", None, None)
    if inspection.missing:
        names = ", ".join(dict.fromkeys(inspection.missing[:3]))
        return Objection("label", f"The chart does not print what the answer speaks of ({names}).", None, None)
    check_ = max(inspection.checks, key=lambda check: check.rival, default=None)
    if check_ is None:
        return Objection("label", "Little of the statement is found on the chart.", None, None)
    return _against_value(check_) if check_.cell is None else _against_label(check_)


def support(inspection: Inspection) -> Objection:
    """What speaks for a statement, in the same form (``error`` is empty)."""
    held = [check for check in inspection.checks if check.cell is not None]
    if held:
        check = max(held, key=lambda item: item.bond)
        cell = check.cell
        if cell is not None:
            verb = "measures about" if cell.measured else "prints"
            return Objection("", f"The answer states {_stated(check)}; the chart {verb} {shown(cell)}.", cell.region, cell.text)
    comparison = inspection.comparison
    if comparison is not None and comparison.holds > 0:
        told = f"The chart has {shown(comparison.more)} above {shown(comparison.less)}, as the answer says."
        return Objection("", told, comparison.more.region, comparison.more.text)
    seen = inspection.extreme_cell or inspection.series_cell
    if seen is not None:
        return Objection("", f"The chart bears the statement out at {shown(seen)}.", seen.region, seen.text)
    return Objection("", "The chart shows what the statement speaks of, and nothing against it.", None, None)


def shown(cell: Cell) -> str:
    """A cell for a person: its value and its two closest labels."""
    labels = [context.text for context in sorted(cell.contexts, key=lambda context: -context.weight)][:2]
    text = f"{cell.value:.4g}" if cell.measured else cell.text
    return f"{text} ({'; '.join(label[:50] for label in labels)})" if labels else text


def _stated(check: NumberCheck) -> str:
    stated = check.stated
    scale = {1e3: " thousand", 1e6: " million", 1e9: " billion", 1e12: " trillion"}.get(stated.scale, "")
    return f"{stated.value:,.{max(stated.decimals, 0)}f}{scale}{'%' if stated.unit == '%' else ''}"


def _against_direction(inspection: Inspection) -> Objection:
    place = next((check for check in inspection.checks if check.cell is not None), None)
    first, last = inspection.checks[0], inspection.checks[-1]
    told = f"The answer's own numbers ({_stated(first)} … {_stated(last)}) go against the direction it claims."
    return Objection("trend", told, _region(place) if place else None, place.cell.text if place and place.cell else None)


def _against_value(check: NumberCheck) -> Objection:
    if check.pointed is None or check.rival < _NAMED:
        return Objection("value", f"The answer states {_stated(check)}, which the chart does not show.", None, None)
    verb = "measures about" if check.pointed.measured else "prints"
    told = f"The answer states {_stated(check)}; the chart {verb} {shown(check.pointed)} there."
    return Objection("value", told, check.pointed.region, check.pointed.text)


def _against_label(check: NumberCheck) -> Objection:
    if check.cell is None or check.pointed is None:
        return Objection("label", f"What the answer says of {_stated(check)} is not on the chart.", None, None)
    told = f"The answer ties {_stated(check)} to words that the chart puts at {shown(check.pointed)}; it stands at {shown(check.cell)}."
    return Objection("label", told, check.cell.region, check.cell.text)


def _region(check: NumberCheck) -> Region | None:
    return check.cell.region if check.cell is not None else None

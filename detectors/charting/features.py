"""What a statement and a chart have to do with each other, as numbers a model can weigh, and what decides it for a person."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from detectors.charting.association import Association
from detectors.charting.chart import Cell, Chart
from detectors.charting.checking import (
    NumberCheck,
    check_numbers,
    is_extreme,
    unknown_years,
    wanted_extreme,
)
from detectors.charting.comparisons import Comparison, compared
from detectors.charting.directions import series_direction, stated_direction
from detectors.charting.words import Vocabulary, located, words
from detectors.claims.charts import Stated
from detectors.contract import Claim

# In model order; the meaning of each is at its computation in ``_numbers``, ``_words`` and ``_moves``.
FEATURES = (
    "number", "values", "absent", "absent_share", "derived", "measured", "rounded", "mean_margin", "mean_bond", "no_bond", "rival",
    "unheld", "stray", "pointed_gap", "duplicate", "coherent", "words", "words_missing", "names_missing", "years_unknown", "counts",
    "extreme", "extreme_label", "from_to", "series", "compare", "denied", "majority", "borne_out", "cells", "few_cells",
)  # fmt: skip

# From this strength on, and this much over that of the stated value, words point to one measured mark and no other.
_POINTED, _BEYOND = 0.6, 1.1
# Below this margin the words point to another value than the stated one.
STRAY = -0.15


@dataclass(frozen=True)
class Inspection:
    """A statement held against a chart. ``values`` are in the order of :data:`FEATURES`; the rest tells a person why."""

    values: tuple[float, ...]
    checks: tuple[NumberCheck, ...]
    years: tuple[Stated, ...]
    missing: tuple[str, ...]
    direction: int
    series: int
    series_cell: Cell | None
    extreme_cell: Cell | None
    comparison: Comparison | None

    def __getitem__(self, name: str) -> float:
        return self.values[FEATURES.index(name)]


def inspect(claim: Claim, chart: Chart, association: Association, vocabulary: Vocabulary) -> Inspection | None:
    """The statement against the chart; None when it has no part that could be checked there."""
    facts = claim.facts
    text = claim.text
    numbers, relations = facts["numbers"], facts["relations"]
    checks = check_numbers(text, numbers, relations, facts["before"], association)
    years = unknown_years(numbers, chart)
    stems = [(text[at : at + 40].split()[0], stem) for at, stem in located(text) if not stem[0].isdigit()]
    missing = [shown for shown, stem in stems if not vocabulary.has(stem)]
    direction = stated_direction(text, checks, relations)
    series, series_cell = series_direction(text, numbers, relations, association)
    label_extreme, extreme_cell = _label_extreme(text, checks, relations, association)
    comparison = compared(text, association)
    dated = any(stated.role == "year" for stated in numbers)
    if not (checks or dated or series or association.words_of(text) or facts["labels"]):
        return None
    if chart.measured and not chart.printed and any(word[0].isupper() for word in missing):
        # Where marks are all there is, a name that is not in the print may be that of a bar whose name was not read.
        return None
    found = _numbers(checks) | _words(facts["labels"], stems, missing, vocabulary)
    # Contradictions and confirmations apart: a direction that fits says far less than one that does not.
    moves = {
        "extreme": -min((check.extreme for check in checks), default=0),
        "extreme_label": -label_extreme,
        "from_to": -direction,
        "series": -series,
        "compare": -comparison.holds if comparison else 0,
        "majority": _majority(checks, relations, text),
    }
    found |= {name: max(0.0, float(against)) for name, against in moves.items()}
    seen = [(label_extreme, extreme_cell), (series, series_cell), (comparison.holds, comparison.more) if comparison else (0, None)]
    seen += [(check.extreme, check.cell) for check in checks]
    found["denied"] = float(
        any(_against(check) for check in checks) or any(way < 0 and cell is not None and cell.measured for way, cell in seen)
    )
    found |= {
        "borne_out": float(any(against < 0 for against in moves.values())),
        "years_unknown": float(len(years)),
        "cells": min(60.0, len(chart.cells)) / 60,
        "few_cells": float(len(chart.cells) < 3),
        "counts": float(sum(stated.role in ("count", "label", "date") for stated in numbers)),
    }
    return Inspection(
        tuple(float(found[name]) for name in FEATURES),
        tuple(checks),
        tuple(years),
        tuple(missing),
        direction,
        series,
        series_cell,
        extreme_cell,
        comparison,
    )


def _numbers(checks: list[NumberCheck]) -> dict[str, float]:
    count = len(checks)
    ways = [check.how for check in checks]
    absent = [check for check in checks if check.how == "absent"]
    held = [check for check in checks if check.cell is not None]
    cells = [id(check.cell) for check in held]
    return {
        "number": float(count > 0),
        "values": min(8.0, count),
        "absent": min(4.0, len(absent)),
        "absent_share": len(absent) / count if count else 0.0,
        "derived": float(ways.count("derived")) / max(1, count),
        "measured": float(ways.count("measured")) / max(1, count),
        "rounded": float(ways.count("rounded")) / max(1, count),
        "mean_margin": sum(check.margin for check in held) / len(held) if held else 0.0,
        "mean_bond": sum(min(1.5, check.bond) for check in held) / len(held) if held else 0.7,
        "no_bond": sum(check.bond < 0.1 for check in held) / max(1, count),
        "rival": max((min(1.5, check.rival) for check in checks), default=0.0),
        "pointed_gap": max((check.gap for check in absent), default=0.0),
        "duplicate": float(len(cells) - len(set(cells))),
        "unheld": max((min(1.5, check.rival) for check in checks if check.cell is None), default=0.0),
        "stray": max((min(1.5, check.rival) for check in held if check.margin < STRAY), default=0.0),
        "coherent": _coherence([check.cell for check in held if check.cell]),
    }


def _against(check: NumberCheck) -> bool:
    """Whether the words point to one measured mark, whose value is another: measured marks have all their labels, and no others."""
    firm = check.pointed is not None and check.pointed.measured and check.rival >= _POINTED and check.rival > _BEYOND * check.bond
    return firm and check.how in ("absent", "measured", "text")


def _coherence(cells: list[Cell]) -> float:
    """Share of neighbouring pairs of values that have a label in common; 1 for fewer than two."""
    pairs = list(pairwise(cells))
    shared = [bool({context.text for context in one.contexts} & {context.text for context in other.contexts}) for one, other in pairs]
    return sum(shared) / len(shared) if shared else 1.0


def _words(labels: tuple[str, ...], stems: list[tuple[str, str]], missing: list[str], vocabulary: Vocabulary) -> dict[str, float]:
    names = [stem for label in labels for stem in words(label) if not stem[0].isdigit()]
    lost = [stem for stem in names if not vocabulary.has(stem)]
    return {
        "words": min(40.0, len(stems)) / 40,
        "words_missing": len(missing) / max(1, len(stems)),
        "names_missing": min(4.0, len(lost)),
    }


def _majority(checks: list[NumberCheck], relations: tuple[str, ...], text: str) -> float:
    """1 where *majority* stands before a share under a half, -1 where before one over."""
    if "majority" not in relations or not checks:
        return 0.0
    match = re.search(r"majorit|most ", text, re.IGNORECASE)
    after = [check for check in checks if match and check.stated.span[0] > match.start()]
    if not after:
        return 0.0
    return 1.0 if after[0].stated.value < 49.5 else -1.0


def _label_extreme(text: str, checks: list[NumberCheck], relations: tuple[str, ...], association: Association) -> tuple[int, Cell | None]:
    """For an extreme claimed of labels: 1 where one of the cells they point to is it, -1 where none is, 0 where none is pointed to."""
    wanted = wanted_extreme(text, 0) if ("highest" in relations) != ("lowest" in relations) else None
    if wanted is None or checks:
        return 0, None
    cells = association.chart.cells
    ranked = sorted(
        zip(association.strengths(association.nearness(text, 0, (), spread=True)), range(len(cells)), strict=True), reverse=True
    )
    top = [(strength, index) for strength, index in ranked if strength > 0.2 and strength > 0.75 * ranked[0][0]][:4]
    if not top:
        return 0, None
    holds = any(is_extreme(cells[index], association.chart, wanted) for _, index in top)
    return (1 if holds else -1), cells[top[0][1]]

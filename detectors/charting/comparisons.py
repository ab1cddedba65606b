"""Decides "A is higher than B" where the words point to values of both sides, and every pair of them that can be compared agrees."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from detectors.charting.association import Association
from detectors.charting.chart import Cell
from detectors.charting.words import alike, words

_THAN = re.compile(
    r"\b(?:(?P<more>more|higher|greater|larger|bigger)|(?P<less>less|lower|fewer|smaller))\b(?P<between>[^.;:,]{0,60}?)\bthan\b"
    r"|\b(?P<over>exceed(?:s|ed|ing)?|surpass(?:es|ed|ing)?|outnumber(?:s|ed|ing)?|outpac(?:es|ed|ing))\b"
    r"|\b(?P<under>(?:lag|trail)(?:s|ged|ed|ging|ing)?(?:\s+behind)?)\b",
    re.IGNORECASE,
)
# What is compared with is no label: a number, a part, another time.
_NO_LABEL = re.compile(
    r"\s*(?:\$?\d[\d.,]*\s?(?:%|percent|per cent|points?)|half|twice|a\s|an\s|any|ever|not\b|usual|expected|one\s)", re.IGNORECASE
)
_CLAUSE = re.compile(r"[.;:()]|,\s|\b(?:while|whereas|but|although|though|with|compared)\b", re.IGNORECASE)
# How strongly words must point to a cell, how close to the strongest the others of a side are, and what shared words weigh.
_POINTED, _AMONG, _SHARED = 0.3, 0.8, 0.6
_MOST = 6


@dataclass(frozen=True, slots=True)
class Comparison:
    """``holds`` is 1 where the chart bears the comparison out, -1 where it denies it; ``more`` and ``less`` are as the answer has them."""

    holds: int
    more: Cell
    less: Cell


def compared(text: str, association: Association) -> Comparison | None:
    """The first comparison of the text that can be decided, or None."""
    for match in _THAN.finditer(text):
        if _NO_LABEL.match(text, match.end()):
            continue
        left = _CLAUSE.split(text[: match.start()])[-1]
        right = _CLAUSE.split(text[match.end() :])[0]
        # "Women have more trust than men" compares women, "more apples than pears" apples.
        decided = _decided(left, right, text, association) or _decided(match["between"] or "", right, text, association)
        if decided is not None:
            one, other, sign = decided
            claims_more = match["more"] is not None or match["over"] is not None
            more, less = (one, other) if claims_more else (other, one)
            return Comparison(sign if claims_more else -sign, more, less)
    return None


def _decided(left: str, right: str, text: str, association: Association) -> tuple[Cell, Cell, int] | None:
    """A pair of cells and the sign of their difference, where all comparable pairs have the same sign beyond their uncertainty."""
    here, there = _labels(left, association), _labels(right, association)
    only_here, only_there = here - there, there - here
    if not only_here or not only_there:
        return None
    shared = _labels(text, association) - only_here - only_there
    ones, others = _side(only_here, only_there, shared, association), _side(only_there, only_here, shared, association)
    pairs = [(a, b) for a in ones for b in others if a is not b and _comparable(a, b, only_here, only_there)]
    if not pairs:
        return None
    signs = {_sign(a, b) for a, b in pairs}
    if len(signs) != 1 or 0 in signs:
        return None
    widest = max(pairs, key=lambda pair: abs(pair[0].value - pair[1].value))
    return (*widest, signs.pop())


def _labels(text: str, association: Association) -> frozenset[str]:
    return frozenset(label for _, label in association.words_of(text))


def _side(mine: frozenset[str], theirs: frozenset[str], shared: frozenset[str], association: Association) -> Sequence[Cell]:
    """The cells one side points to: those that carry a word of its own and none of the other's."""
    near = dict.fromkeys(shared, _SHARED) | dict.fromkeys(mine, 1.0)
    strengths = association.strengths(near)
    carrying = [
        (strength, cell)
        for strength, cell in zip(strengths, association.chart.cells, strict=True)
        if strength > _POINTED and _carries(cell, mine) and not _carries(cell, theirs)
    ]
    best = max((strength for strength, _ in carrying), default=0.0)
    chosen = [cell for strength, cell in carrying if strength >= _AMONG * best]
    return chosen if len(chosen) <= _MOST else []


def _carries(cell: Cell, labels: frozenset[str]) -> bool:
    return any(stem in labels for context in cell.contexts if context.how != "heading" for stem in words(context.text))


def _comparable(one: Cell, other: Cell, mine: frozenset[str], theirs: frozenset[str]) -> bool:
    """Whether two cells differ in the labels compared and in no others: one measure, one group, one year."""
    if one.measured != other.measured or (one.unit or "") != (other.unit or ""):
        return False
    return _rest(one, mine) == _rest(other, theirs)


def _rest(cell: Cell, own: frozenset[str]) -> frozenset[str]:
    return frozenset(
        context.text
        for context in cell.contexts
        if context.how != "heading" and not any(alike(stem, label) for stem in words(context.text) for label in own)
    )


def _sign(one: Cell, other: Cell) -> int:
    apart = one.value - other.value
    return 0 if abs(apart) <= one.uncertainty + other.uncertainty else (1 if apart > 0 else -1)

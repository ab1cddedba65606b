"""Finds where the sources themselves disagree: two of them tell of the same thing with different numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from detectors.citing.origin import Indexed, Share, Statement
from detectors.citing.wording import words
from detectors.contract import Span

# How much of what a statement says besides its numbers the other source must say too, in one passage.
SAME_THING = 0.75
# Fewer words than this beside the number do not say what it is a number of.
_FEWEST = 4
_UNIT = re.compile(
    r"\s*(%|percent|per\s?cent|million|billion|thousand|trillion|years?|months?|days?|hours?|minutes?|people|points?|km|kg|miles?)?",
    re.IGNORECASE,
)
_MONEY = re.compile(r"(?:[$€£¥]|\b(?:USD|EUR|GBP|CHF)\s?)$")


@dataclass(frozen=True, slots=True)
class Conflict:
    """``says`` stands at ``span`` of ``source`` where the cited source has ``instead_of``."""

    source: str
    span: Span
    says: str
    instead_of: str


def conflicts(text: str, statement: Statement, cited: Share, texts: Mapping[str, str], others: Mapping[str, Indexed]) -> list[Conflict]:
    """Numbers of a statement that its cited source bears out and another source contradicts.

    Args:
        text: the statement.
        statement: its words.
        cited: what the cited source has of it.
        texts: text of each other source.
        others: the same sources cut into passages.
    """
    numbers = {word.key: _sort(text, word.span) for word in statement.words if word.number and word.key in cited.has}
    rest = {word.key for word in statement.words if not word.number}
    names = {word.key for position, word in enumerate(statement.words) if word.name and position > 0}
    if not numbers or len(rest) < _FEWEST:
        return []
    found = []
    for source, index in others.items():
        if (place := _same_thing(statement, rest, names, index)) is None:
            continue
        passage = texts[source][slice(*place)]
        there = [word for word in words(passage) if word.number]
        for number, sort in numbers.items():
            rivals = [word for word in there if _sort(passage, word.span) == sort]
            if rivals and number not in {word.key for word in there} and len(rivals) == len([s for s in numbers.values() if s == sort]):
                rival = rivals[list(numbers.values())[: list(numbers).index(number) + 1].count(sort) - 1]
                found.append(Conflict(source, place, passage[slice(*rival.span)], number))
    return found


def _same_thing(statement: Statement, rest: set[str], names: set[str], index: Indexed) -> Span | None:
    """The passage of a source that says what the statement says besides its numbers; None where none does."""
    total = sum(statement.weights[key] for key in rest)
    scored = [(sum(statement.weights[key] for key in rest & part) / total, number) for number, part in enumerate(index.passages)]
    best, number = max(scored, default=(0.0, 0))
    if best < SAME_THING or not names <= index.passages[number]:
        return None
    return index.spans[number]


def _sort(text: str, span: Span) -> str:
    """What kind of number it is: its unit, ``money``, ``year`` or plain."""
    if _MONEY.search(text[: span[0]]):
        return "money"
    unit = _UNIT.match(text, span[1])
    if unit and unit[1]:
        name = unit[1].lower()
        return "%" if name.startswith("per") else name.rstrip("s")
    digits = text[slice(*span)]
    return "year" if re.fullmatch(r"(?:19|20)\d\d", digits) else "plain"

"""From which of several sources the content of a statement comes, by the telling words they share.

A source's share of a statement is the weight of the statement's words that the source has, over the weight of all of them.
A word weighs more the fewer passages of all sources have it (inverse document frequency, Spärck Jones 1972, over
passages), and numbers and names weigh more than other words, because they are what cannot be paraphrased.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from detectors.citing.wording import Word, passages, words
from detectors.contract import Span

# A statement is often put together from neighbouring sentences.
_WINDOW = 3
_NUMBER, _NAME = 2.0, 1.5


@dataclass(frozen=True)
class Indexed:
    """A source cut into passages: their spans and the words of each."""

    spans: tuple[Span, ...]
    passages: tuple[frozenset[str], ...]
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a statement one source has: anywhere in it, and within its best stretch of up to three passages at ``span``."""

    anywhere: float
    together: float
    span: Span
    has: frozenset[str]

    @property
    def mean(self) -> float:
        """The mean of both shares: what is scattered over a long source counts half."""
        return (self.anywhere + self.together) / 2


@dataclass(frozen=True)
class Statement:
    """The words of a statement with their weights."""

    words: tuple[Word, ...]
    weights: dict[str, float]

    @property
    def total(self) -> float:
        """Weight of all words."""
        return sum(self.weights.values())


@lru_cache(maxsize=256)
def indexed(text: str) -> Indexed:
    """A source ready for comparing."""
    spans = passages(text)
    parts = tuple(frozenset(word.key for word in words(text[slice(*span)])) for span in spans)
    return Indexed(tuple(spans), parts, frozenset().union(*parts))


def weighed(text: str, sources: Sequence[Indexed]) -> Statement:
    """The words of a statement, weighed against all sources at hand."""
    found = words(text)
    count = sum(len(source.passages) for source in sources)
    wanted = {word.key for word in found}
    held = Counter(key for source in sources for part in source.passages for key in wanted & part)
    weights: dict[str, float] = {}
    for position, word in enumerate(found):
        rarity = math.log(1 + count / (1 + held[word.key]))
        # The first word of a sentence is upper case whatever it is.
        kind = _NUMBER if word.number else _NAME if word.name and position > 0 else 1.0
        weights[word.key] = max(weights.get(word.key, 0.0), rarity * kind)
    return Statement(tuple(found), weights)


def share(statement: Statement, source: Indexed) -> Share:
    """How much of the statement the source has."""
    total = statement.total or 1.0
    mine = frozenset(statement.weights) & source.keys
    best, place = 0.0, (0, 0)
    for first in range(len(source.passages)):
        held: set[str] = set()
        for last in range(first, min(first + _WINDOW, len(source.passages))):
            held |= mine & source.passages[last]
            # Of stretches that have the same, the shortest is shown.
            weight = sum(statement.weights[key] for key in held) - 1e-6 * (last - first)
            if weight > best:
                best, place = weight, (source.spans[first][0], source.spans[last][1])
    return Share(sum(statement.weights[key] for key in mine) / total, max(0.0, best) / total, place, mine)


def joint(statement: Statement, shares: Collection[Share]) -> float:
    """The mean share of several sources cited together: what any of them has, and the best stretch of one."""
    if not shares:
        return 0.0
    held = frozenset().union(*(one.has for one in shares))
    anywhere = sum(statement.weights[key] for key in held) / (statement.total or 1.0)
    return (anywhere + max(one.together for one in shares)) / 2

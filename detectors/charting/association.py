"""Says which cells of a chart a part of a sentence talks about: labels that occur near a number bind their cells to it.

A word counts by how few cells carry it (inverse document frequency over the cells' labels) and by how near it stands
to the number; words on the far side of another number count less, unless the sentence lists *respectively*.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from detectors.charting.chart import Cell, Chart
from detectors.charting.words import alike, located, words

# What a word keeps of its weight behind each other number, its reach in characters, and the least it keeps in the sentence.
_BEHIND, _REACH, _FLOOR, _BEFORE, _OTHER_SIDE = 0.45, 90.0, 0.1, 0.06, 0.5


@dataclass(frozen=True, slots=True)
class Bound:
    """A cell with how strongly the words near a number point to it, in [0, 1] or a little over."""

    cell: Cell
    strength: float


class Association:
    """The labels of one chart, ready to be compared with sentences."""

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self._stems = [[(context.weight, frozenset(words(context.text))) for context in cell.contexts] for cell in chart.cells]
        carrying = Counter(stem for contexts in self._stems for stem in frozenset().union(*(stems for _, stems in contexts)))
        total = len(chart.cells)
        self._rarity = {stem: max(0.05, math.log((total + 1) / (count + 0.5))) for stem, count in carrying.items()}
        self.stems = frozenset(self._rarity)

    def words_of(self, text: str) -> list[tuple[int, str]]:
        """The words of a text that are labels here: (where, stem of the label)."""
        found = []
        for at, stem in located(text):
            found += [(at, label) for label in self.stems if alike(stem, label)]
        return found

    def nearness(
        self, text: str, at: int, others: Sequence[int], before: str = "", spread: bool = False, side: int = 0
    ) -> dict[str, float]:
        """How near each label word of the text stands to position ``at``; ``others`` are where other numbers stand.

        ``side`` -1 favours words before the position, 1 words after it.
        """
        near: dict[str, float] = {}
        for label in {label for _, label in self.words_of(before)}:
            near[label] = _BEFORE
        for position, label in self.words_of(text):
            between = sum(min(at, position) < other < max(at, position) for other in others)
            gap = abs(position - at)
            weight = 0.5 if spread else max(_FLOOR, _BEHIND**between * math.exp(-gap / _REACH))
            if side and (position - at) * side < 0:
                weight = max(_FLOOR, weight * _OTHER_SIDE)
            near[label] = max(near.get(label, 0.0), weight)
        return near

    def strengths(self, near: dict[str, float]) -> list[float]:
        """How strongly these words point to each cell, in the order of the chart's cells."""
        found = []
        for contexts in self._stems:
            strength = 0.0
            for weight, stems in contexts:
                total = sum(self._rarity[stem] for stem in stems)
                if total > 0:
                    # A long label needs many of its words; one rare word of two is worth more than one of six.
                    share = sum(self._rarity[stem] * near.get(stem, 0.0) for stem in stems)
                    strength += weight * share / (total**0.5)
            found.append(strength)
        return found

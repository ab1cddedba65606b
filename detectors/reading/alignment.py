"""Finds where a page prints a name or a text, tolerating how readers err but not a changed word.

Only letters and digits are compared, folded to one case and without accents, so spacing, punctuation and line breaks
do not matter. The alignment is a semi-global edit distance (Sellers 1980: the page may run on at both ends) in which
signs that readers confuse (O and 0, l and 1, S and 5) cost little; its cost is then counted word by word, because a
name with one other word is another name however long it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from detectors.reading.lines import Line, Reading

_CLASSES = ("O0QDC", "I1LTJ", "T7", "S5", "B8", "Z2", "G6", "UV", "A4", "EF", "NHM", "CG", "VY", "RK", "MW", "PF", "3B")
_CONFUSED = {frozenset((a, b)) for group in _CLASSES for a in group for b in group if a != b}
CONFUSED_COST, EXTRA_COST = 0.35, 0.6
# A digit never passes for another digit: that is what a wrong number looks like.
DIGIT_ERROR = 0.7
# Shorter words are weighed as if they had this many signs: specks beside a name come and go.
_SHORTEST = 3
_WINDOWS, _ROOM = 4, 12


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the claim: its length in letters and digits, what aligning it with the page cost, how many signs are equal.

    ``digit_changed`` when the page has another digit where the word has one.
    """

    text: str
    length: int
    cost: float
    equal: int
    digit_changed: bool = False

    @property
    def error(self) -> float:
        """Cost a sign in [0, 1]; a word of which half or less is there is another word, a changed digit another number."""
        if self.length > _SHORTEST and self.equal * 2 <= self.length:
            return 1.0
        share = min(1.0, self.cost / max(self.length, _SHORTEST))
        return max(share, DIGIT_ERROR) if self.digit_changed else share


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where the page comes closest to a claim: the ``lines``, what is ``printed`` there, and each word's cost.

    ``cut`` when that begins or ends inside a longer word of the page.
    """

    words: tuple[Word, ...]
    lines: tuple[Line, ...]
    printed: str
    cut: bool = False

    @property
    def error(self) -> float:
        """Cost a sign over the whole claim, in [0, 1]."""
        return min(1.0, sum(word.cost for word in self.words) / max(1, sum(word.length for word in self.words)))

    @property
    def confidence(self) -> float:
        """The reader's confidence in the least certain line."""
        return min((line.confidence for line in self.lines), default=0.0)


def fold(text: str) -> tuple[str, list[int]]:
    """Letters and digits in capitals without accents, and for each the index in ``text`` it came from."""
    signs: list[str] = []
    where: list[int] = []
    for index, character in enumerate(text):
        for part in unicodedata.normalize("NFKD", character).upper():
            if part.isalnum():
                signs.append(part)
                where.append(index)
    return "".join(signs), where


def align(text: str, reading: Reading) -> Alignment | None:
    """The place of the page closest to ``text``; None when either has no letters or digits."""
    claim, where = fold(text)
    if not claim:
        return None
    ranked = []
    for lines in _windows(reading, len(claim)):
        page, origin = _folded(lines)
        if page:
            ranked.append((fuzz.partial_ratio(claim, page), page, origin, lines))
    ranked.sort(key=lambda item: -item[0])
    best: Alignment | None = None
    for _, page, origin, lines in ranked[:_WINDOWS]:
        found = _aligned(text, claim, where, page, origin, lines)
        if best is None or sum(word.cost for word in found.words) < sum(word.cost for word in best.words):
            best = found
    return best


def sign_cost(first: str, second: str) -> float:
    """What it costs to read ``first`` as ``second``: 0 the same, little for signs readers confuse, else 1."""
    if first == second:
        return 0.0
    return CONFUSED_COST if frozenset((first, second)) in _CONFUSED else 1.0


def _windows(reading: Reading, length: int) -> Iterable[tuple[Line, ...]]:
    """Runs of rows, and runs of lines below each other, each long enough to hold the claim wherever in it it begins."""
    seen: set[tuple[int, ...]] = set()
    for start in range(len(reading.rows)):
        lines: list[Line] = []
        for row in reading.rows[start:]:
            if lines and row[0].page != lines[0].page:
                break
            lines += row
            if len(lines) > len(reading.rows[start]) and sum(len(line.text) for line in lines) >= 2 * length + _ROOM:
                break
        seen.add(tuple(map(id, lines)))
        yield tuple(lines)
    for line in reading.lines:
        chain = [line]
        while sum(len(part.text) for part in chain) < 2 * length + _ROOM and (below := _below(chain[-1], reading.lines)):
            chain.append(below)
        if tuple(map(id, chain)) not in seen:
            yield tuple(chain)


def _below(line: Line, lines: Sequence[Line]) -> Line | None:
    """The next line under this one that shares at least a third of the narrower one's width."""
    best: Line | None = None
    for other in lines:
        drop = other.middle - line.middle
        here, there = line.level, other.level
        if other.page != line.page or not 0.5 * here[3] < drop < 3.0 * max(here[3], there[3]):
            continue
        shared = min(here[0] + here[2], there[0] + there[2]) - max(here[0], there[0])
        if shared > min(here[2], there[2]) / 3 and (best is None or other.middle < best.middle):
            best = other
    return best


def _folded(lines: Sequence[Line]) -> tuple[str, list[tuple[int, int]]]:
    """The lines' folded signs in a row, and for each its line and the index in that line's text."""
    signs: list[str] = []
    origin: list[tuple[int, int]] = []
    for number, line in enumerate(lines):
        text, where = fold(line.text)
        signs.append(text)
        origin += [(number, index) for index in where]
    return "".join(signs), origin


def _aligned(text: str, claim: str, where: list[int], page: str, origin: list[tuple[int, int]], lines: Sequence[Line]) -> Alignment:
    costs, partners, begin, end = edit_costs(claim, page)
    words = []
    for match in re.finditer(r"\S+", text):
        inside = [number for number, index in enumerate(where) if match.start() <= index < match.end()]
        if inside:
            pairs = [(claim[number], page[partner]) for number in inside if (partner := partners[number]) is not None]
            equal = sum(one == other for one, other in pairs)
            changed = any(one != other and one.isdigit() and other.isdigit() for one, other in pairs)
            words.append(Word(match.group(), len(inside), sum(costs[number] for number in inside), equal, changed))
    used = origin[begin:end]
    if not used:
        return Alignment(tuple(words), (), "")
    numbers = sorted({number for number, _ in used})
    printed = []
    for number in numbers:
        indexes = [index for line, index in used if line == number]
        printed.append(_whole_words(lines[number].text, min(indexes), max(indexes) + 1))
    (first, left), (last, right) = used[0], used[-1]
    cut = lines[first].text[left - 1 : left].isalpha() if left else False
    cut = cut or lines[last].text[right + 1 : right + 2].isalpha()
    return Alignment(tuple(words), tuple(lines[number] for number in numbers), " ".join(printed), cut)


def _whole_words(text: str, start: int, end: int) -> str:
    """``text[start:end]`` out to the ends of its first and last word: what a person sees there."""
    while start > 0 and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and not text[end].isspace():
        end += 1
    return text[start:end]


def edit_costs(claim: str, page: str) -> tuple[list[float], list[int | None], int, int]:
    """Semi-global alignment of two folded texts.

    Returns:
        The cost at each sign of ``claim``, the index in ``page`` it is paired with, and the ``[begin, end)`` of ``page`` used.
    """
    table = _table(claim, page)
    end = min(range(len(page) + 1), key=lambda j: table[-1][j])
    costs = [0.0] * len(claim)
    partners: list[int | None] = [None] * len(claim)
    i, j = len(claim), end
    while i > 0:
        step = sign_cost(claim[i - 1], page[j - 1]) if j else 2.0
        if j and abs(table[i][j] - (table[i - 1][j - 1] + step)) < 1e-9:
            i, j = i - 1, j - 1
            costs[i] += step
            partners[i] = j
        elif abs(table[i][j] - (table[i - 1][j] + 1.0)) < 1e-9:
            i -= 1
            costs[i] += 1.0
        else:
            j -= 1
            costs[min(i, len(claim) - 1)] += EXTRA_COST
    return costs, partners, j, end


def _table(claim: str, page: str) -> list[list[float]]:
    columns = len(page) + 1
    table = [[0.0] * columns]
    for i, sign in enumerate(claim, start=1):
        above, row = table[-1], [float(i)] + [0.0] * (columns - 1)
        # A page sign the claim lacks costs less than one: readers join neighbouring words and see specks as signs.
        for j in range(1, columns):
            row[j] = min(above[j - 1] + sign_cost(sign, page[j - 1]), above[j] + 1.0, row[j - 1] + EXTRA_COST)
        table.append(row)
    return table

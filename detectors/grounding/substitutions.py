"""A sentence copied from a passage word for word, but for a number or a name in it.

Where nearly all words of a sentence stand in a passage in their order, what stands in the place of a number is the number meant,
whatever kind it is taken for: "between 1989 and 215" is no year, but the passage's "between 1989 and 1992" shows that it was to be one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein, Opcode

from detectors.contract import Span

# Of a sentence's words so many, and this share, stand in the passage in their order; what is replaced has up to so many words.
_FEWEST, _SHARE, _LONGEST = 6, 0.8, 3
_WORD = re.compile(r"[$€£¥]?\d+(?:[.,:]\d+)*%?|[^\W\d_]+(?:['’-][^\W\d_]+)*")
_MARKS = "$€£¥%"


@dataclass(frozen=True, slots=True)
class Substitution:
    """``span`` of the sentence, where the passage numbered ``passage`` has what stands at ``place``; ``share`` of the words are equal."""

    span: Span
    passage: int
    place: Span
    share: float


def substitutions(sentence: str, passages: Sequence[str]) -> list[Substitution]:
    """Every replaced run of words of the sentence; nothing where a passage has all of its words in their order."""
    mine = [(match[0].lower().strip(_MARKS).replace("’", "'"), match.span()) for match in _WORD.finditer(sentence)]
    if len(mine) < _FEWEST:
        return []
    words = [word for word, _ in mine]
    known = set(words)
    found: list[Substitution] = []
    for number, passage in enumerate(passages):
        theirs = [(match[0].lower().strip(_MARKS).replace("’", "'"), match.span()) for match in _WORD.finditer(passage)]
        if len(known & {word for word, _ in theirs}) < _SHARE * len(known) - _LONGEST:
            continue
        edits = list(Levenshtein.opcodes(words, [word for word, _ in theirs]))
        equal = sum(edit.src_end - edit.src_start for edit in edits if edit.tag == "equal")
        if equal == len(words):
            return []
        if equal >= max(_FEWEST, _SHARE * len(words)):
            found += _replaced(edits, mine, theirs, number, equal / len(words))
    return found


def stands_in(sentence: str, passage: str) -> bool:
    """Whether a passage has a sentence as it stands, but for case, blanks and the stop at its end."""
    return _plain(sentence).rstrip(".!?") in _plain(passage)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _replaced(
    edits: Sequence[Opcode], mine: Sequence[tuple[str, Span]], theirs: Sequence[tuple[str, Span]], number: int, share: float
) -> Iterator[Substitution]:
    for edit in edits:
        if edit.tag == "replace" and edit.src_end - edit.src_start <= _LONGEST:
            span = (mine[edit.src_start][1][0], mine[edit.src_end - 1][1][1])
            yield Substitution(span, number, (theirs[edit.dest_start][1][0], theirs[edit.dest_end - 1][1][1]), share)

"""Words of a text as they are compared between a claim and its sources: content words by stem, numbers by value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from spacy.lang.en.stop_words import STOP_WORDS

from detectors.contract import Span

_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)?")
_BREAK = re.compile(r"(?<=[.!?])[\"”’')\]]*\s+(?=[\"“‘'(\[]?[^\W_a-z])|\n+|(?<=\.)\s+(?=[a-z`])|(?<=[:;])\s*\|+")
_ENDINGS = ("ations", "ation", "ments", "ment", "ings", "ing", "ies", "ied", "ed", "es", "ly", "s", "e", "y")
_SHORTEST_STEM = 4
# A passage longer than this is cut at a blank: lists and tables without stops.
_LONGEST = 600


@dataclass(frozen=True, slots=True)
class Word:
    """A content word: what it is compared by, whether it is a number or written like a name, and where it stands."""

    key: str
    number: bool
    name: bool
    span: Span


def words(text: str) -> list[Word]:
    """Content words and numbers of a text in order; spans are code points of it."""
    found = []
    for match in _WORD.finditer(text):
        word = match.group()
        if word[0].isdigit():
            found.append(Word(_value(word), True, False, match.span()))
        elif (lower := word.lower().replace("’", "'")) not in STOP_WORDS and len(lower.removesuffix("'s")) > 1:
            found.append(Word(stem(lower.removesuffix("'s")), False, word[0].isupper(), match.span()))
    return found


def passages(text: str) -> list[Span]:
    """Sentences and lines of a source, none longer than 600 characters."""
    edges = [0, *(match.end() for match in _BREAK.finditer(text)), len(text)]
    spans: list[Span] = []
    for start, end in pairwise(edges):
        while end - start > _LONGEST:
            cut = text.rfind(" ", start, start + _LONGEST)
            cut = cut if cut > start else start + _LONGEST
            spans.append((start, cut))
            start = cut
        spans.append((start, end))
    return [trimmed for span in spans if (trimmed := _trimmed(text, span))[0] < trimmed[1]]


def stem(word: str) -> str:
    """The word without a common English ending, at least four letters of it: close enough to meet its other forms."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word[: -len(ending)]
    return word


def _value(digits: str) -> str:
    """ "1,500.00" and "1500" alike."""
    plain = re.sub(r",(?=\d{3}(?!\d))", "", digits)
    return re.sub(r"\.0+$", "", plain)


def _trimmed(text: str, span: Span) -> Span:
    piece = text[slice(*span)]
    lead = len(piece) - len(piece.lstrip())
    return span[0] + lead, span[0] + len(piece.rstrip())

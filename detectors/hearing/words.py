"""Brings written and heard words to one form, finds where in a transcript claimed words fit, and lists the differences.

Tokens are lower-case words without apostrophes; numbers are single digits whatever way they are written; contractions
are written out. Every token remembers the raw word it came from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Indel
from rapidfuzz.process import cdist

from detectors.hearing import numbers

_RAW = re.compile(r"[^\s—–…]+")
_PIECES = re.compile(r"[$€£]|\d+(?:st|nd|rd|th)\b|\d+|[^\W\d_]+(?:['’][^\W\d_]+)*['’]?|%")
_SIGNS = {"$": "dollars", "€": "euros", "£": "pounds", "%": "percent"}
_SAME = {
    "mr": "mister", "mrs": "missus", "dr": "doctor", "ok": "okay", "cannot": "can not", "alright": "all right",
    "gonna": "going to", "wanna": "want to", "gotta": "got to", "dollar": "dollars", "cent": "cents", "euro": "euros",
    "colour": "color", "favour": "favor", "honour": "honor", "grey": "gray", "till": "until", "shan't": "shall not",
    "won't": "will not", "can't": "can not", "let's": "let us", "it's": "it is", "that's": "that is", "what's": "what is",
    "there's": "there is", "here's": "here is", "he's": "he is", "she's": "she is", "who's": "who is", "where's": "where is",
    "how's": "how is", "i'm": "i am", "'tis": "it is",
}  # fmt: skip
_ENDINGS = (("n't", " not"), ("'re", " are"), ("'ve", " have"), ("'ll", " will"), ("'d", " would"))
_INSERT, _DELETE, _SUBSTITUTE = 0.8, 1.05, 1.0
# Another place counts as an equally good fit when it costs at most this much more a claimed word.
_TIE = 0.08
# Words between the two halves of a swap, at most.
_SWAP_REACH = 2


@dataclass(frozen=True, slots=True)
class Token:
    """One comparable word; ``raw`` is the index of the raw word it comes from."""

    text: str
    raw: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Where claimed and heard words part: ``claimed`` and ``heard`` are ``[start, end)`` in their token lists, one may be empty."""

    claimed: tuple[int, int]
    heard: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Fit:
    """A place where claimed words fit: ``heard`` tokens ``[start, end)``, cost a claimed word (0 same, 1 nothing alike), differences."""

    heard: tuple[int, int]
    cost: float
    differences: tuple[Difference, ...]


def raw_words(text: str) -> list[str]:
    """The words of a text as written, with their punctuation."""
    return _RAW.findall(text)


def tokens(raw: Sequence[str]) -> list[Token]:
    """The comparable tokens of raw words."""
    plain = _without_and([(piece, index) for index, word in enumerate(raw) for piece in _pieces(word)])
    found: list[Token] = []
    position = 0
    while position < len(plain):
        run = _run_length(plain, position)
        words = [word for word, _ in plain[position : position + run]]
        if run and numbers.digits_wanted(words):
            start = position
            for digits, used in numbers.read_run(words):
                # A number of several words is told apart digit by digit; its digits are spread over its raw words.
                origin = [plain[start + min(used - 1, number * used // len(digits))][1] for number in range(len(digits))]
                found += [Token(digit, place) for digit, place in zip(digits, origin, strict=True)]
                start += used
            position += run
            continue
        word, index = plain[position]
        found += [Token(digit, index) for digit in word] if word.isdigit() else [Token(word, index)]
        position += 1
    return found


def fits(claimed: Sequence[Token], heard: Sequence[Token], most: int = 4) -> list[Fit]:
    """The best places for the claimed words, best first: semi-global alignment, free at both ends of the transcript."""
    if not claimed or not heard:
        return []
    table, substitution = _table([t.text for t in claimed], [t.text for t in heard])
    last = table[-1].copy()
    found: list[Fit] = []
    while len(found) < most:
        end = int(np.argmin(last[1:])) + 1
        if not np.isfinite(last[end]) or (found and last[end] > found[0].cost * len(claimed) + _TIE * len(claimed)):
            break
        fit = _trace(table, substitution, claimed, heard, end)
        found.append(fit)
        # The same place, a word shorter or longer, is not another place.
        last[max(1, fit.heard[0] + 1) : fit.heard[1] + max(1, len(claimed) // 2) + 1] = np.inf
    return found


def differences(claimed: Sequence[Token], heard: Sequence[Token]) -> tuple[Difference, ...]:
    """The differences of two whole token lists, both ends fixed."""
    if not claimed or not heard:
        return (Difference((0, len(claimed)), (0, len(heard))),) if len(claimed) or len(heard) else ()
    table, substitution = _table([t.text for t in claimed], [t.text for t in heard], fixed=True)
    return _trace(table, substitution, claimed, heard, len(heard), fixed=True).differences


def joined(parts: Sequence[Token]) -> str:
    """Tokens run together, so that "be guile" equals "beguile"."""
    return "".join(token.text for token in parts)


def _pieces(word: str) -> list[str]:
    lowered = word.lower().replace("’", "'")
    amount = re.fullmatch(r"\W*([$€£])\s?([\d.,]*\d)\W*", lowered)
    # A sign before an amount is spoken after it, and cents of zero are not spoken.
    if amount:
        lowered = re.sub(r"[.,]00$", "", amount[2]) + " " + _SIGNS[amount[1]]
    pieces: list[str] = []
    for match in _PIECES.finditer(re.sub(r"(?<=\d),(?=\d{3})", "", lowered)):
        pieces += _written_out(match.group())
    return pieces


def _written_out(piece: str) -> list[str]:
    if piece in _SIGNS:
        return [_SIGNS[piece]]
    bare = piece.rstrip("'") if piece not in _SAME else piece
    if bare in _SAME:
        return _SAME[bare].split()
    for ending, full in _ENDINGS:
        if bare.endswith(ending) and len(bare) > len(ending) + 1:
            # "feed'd" style participles of verse keep their d.
            if ending == "'d" and bare[:-2] not in ("i", "he", "she", "we", "they", "you", "it", "who", "that"):
                break
            return [bare[: -len(ending)], *full.split()]
    if bare in numbers.ORDINALS:
        return [f"{numbers.ORDINALS[bare]}th"]
    ordinal = re.fullmatch(r"(\d+)(?:st|nd|rd|th)", bare)
    return [f"{ordinal[1]}th"] if ordinal else [bare.replace("'", "")]


def _run_length(plain: Sequence[tuple[str, int]], start: int) -> int:
    end = start
    while end < len(plain) and numbers.is_number_word(plain[end][0]):
        end += 1
    return end - start


def _without_and(plain: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Pieces without the "and" of "one hundred and five"."""
    return [
        piece
        for number, piece in enumerate(plain)
        if not (
            piece[0] == "and"
            and 0 < number < len(plain) - 1
            and plain[number - 1][0] in ("hundred", "thousand")
            and numbers.is_number_word(plain[number + 1][0])
        )
    ]


def _table(claimed: list[str], heard: list[str], fixed: bool = False) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Costs of aligning each head of the claim to the transcript, row by row; and the substitution costs."""
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(heard))}
    alike = cdist(claimed, list(vocabulary), scorer=Indel.normalized_distance, dtype=np.float32)
    same = np.asarray([[word == other for other in vocabulary] for word in claimed])
    alike = np.where(same, 0.0, np.minimum(1.0, 0.2 + alike) * _SUBSTITUTE).astype(np.float32)
    substitution = alike[:, [vocabulary[word] for word in heard]]
    steps = np.arange(len(heard) + 1, dtype=np.float32) * _INSERT
    table = np.zeros((len(claimed) + 1, len(heard) + 1), np.float32)
    table[0] = steps if fixed else 0.0
    for row in range(1, len(claimed) + 1):
        entered = table[row - 1] + _DELETE
        entered[1:] = np.minimum(entered[1:], table[row - 1, :-1] + substitution[row - 1])
        # min over k <= j of entered[k] + insert * (j - k), in one pass
        table[row] = np.minimum.accumulate(entered - steps) + steps
    return table, substitution


def _trace(
    table: NDArray[np.float32],
    substitution: NDArray[np.float32],
    claimed: Sequence[Token],
    heard: Sequence[Token],
    end: int,
    fixed: bool = False,
) -> Fit:
    row, column = len(claimed), end
    pairs: list[tuple[int, int, bool]] = []
    while row > 0 or (fixed and column > 0):
        here = table[row, column]
        if row and column and np.isclose(here, table[row - 1, column - 1] + substitution[row - 1, column - 1], atol=1e-4):
            row, column = row - 1, column - 1
            pairs.append((row, column, claimed[row].text == heard[column].text))
        elif row and np.isclose(here, table[row - 1, column] + _DELETE, atol=1e-4):
            row -= 1
            pairs.append((row, column, False))
        else:
            column -= 1
            pairs.append((row, column, False))
    pairs.append((len(claimed), end, True))
    pairs.insert(0, pairs.pop())
    return Fit((column, end), float(table[-1, end]) / len(claimed), _blocks(pairs[::-1], claimed, heard))


def _blocks(steps: list[tuple[int, int, bool]], claimed: Sequence[Token], heard: Sequence[Token]) -> tuple[Difference, ...]:
    """Runs of steps that are not equal words; ``steps`` are alignment positions in order, closed by the end position."""
    found: list[Difference] = []
    begun: tuple[int, int] | None = None
    for row, column, equal in steps:
        if not equal and begun is None:
            begun = (row, column)
        elif equal and begun is not None:
            difference = Difference((begun[0], row), (begun[1], column))
            begun = None
            if joined(claimed[slice(*difference.claimed)]) != joined(heard[slice(*difference.heard)]):
                found.append(difference)
    return tuple(_swaps_joined(found))


def _swaps_joined(found: list[Difference]) -> list[Difference]:
    """Differences with an insertion and a deletion close together made one: swapped words must be weighed as a whole."""
    merged: list[Difference] = []
    for difference in found:
        if merged and _swapped(merged[-1], difference):
            last = merged.pop()
            difference = Difference((last.claimed[0], difference.claimed[1]), (last.heard[0], difference.heard[1]))
        merged.append(difference)
    return merged


def _swapped(one: Difference, other: Difference) -> bool:
    empty = [(d.claimed[0] == d.claimed[1], d.heard[0] == d.heard[1]) for d in (one, other)]
    near = other.claimed[0] - one.claimed[1] <= _SWAP_REACH
    return near and {(True, False), (False, True)} == set(empty)

"""Reads numbers written in words: "twenty-five", "one hundred and twenty", "three and a half million", "a dozen"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from detectors.contract import Span
from detectors.hearing.numbers import is_number_word, read_run

_ALONE = {"dozen": 12, "half": 0.5, "quarter": 0.25}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_WORD = re.compile(r"[A-Za-z]+")
# "Nine hundred and ninety-nine thousand nine hundred and ninety-nine" has ten words; more would only cost time.
_LONGEST = 12
# What may stand between the words of one number.
_GAP = re.compile(r"(?:\s+|\s?[-‐‑]\s?)$")


@dataclass(frozen=True, slots=True)
class Worded:
    """A number in words at ``span`` of a text."""

    span: Span
    value: float


def find_worded(text: str) -> list[Worded]:
    """Numbers in words, in reading order. "A" and "an" count only before dozen, half and the scales ("a million")."""
    return [Worded((run[0].start(), run[-1].end()), value) for run in _runs(text) if (value := _value(_lowered(run))) is not None]


def value_of(text: str) -> float | None:
    """The number that the whole text says, in digits or words; None where it says none, or more than one."""
    bare = text.strip()
    if bare.isascii() and bare.replace(",", "").isdigit():
        return float(bare.replace(",", ""))
    found = find_worded(bare)
    return found[0].value if len(found) == 1 and found[0].span == (0, len(bare)) else None


def _lowered(run: list[re.Match[str]]) -> list[str]:
    return [match.group().lower() for match in run]


def _runs(text: str) -> Iterator[list[re.Match[str]]]:
    """Neighbouring words that may form one number, without an "and" or "a" left over at their ends."""
    run: list[re.Match[str]] = []
    for match in [*_WORD.finditer(text), None]:
        joined = match is not None and (not run or _GAP.match(text, run[-1].end(), match.start()) is not None)
        if match is not None and joined and _may_belong(match.group().lower()):
            run.append(match)
            continue
        yield from _trimmed(run)
        run = [match] if match is not None and _may_belong(match.group().lower()) else []


def _may_belong(word: str) -> bool:
    return is_number_word(word) or word in _ALONE or word in ("and", "a", "an")


def _trimmed(run: list[re.Match[str]]) -> Iterator[list[re.Match[str]]]:
    """The number within a run: "two and" is two, "a cat and" nothing, "five and six" two numbers."""
    words = _lowered(run)
    start = 0
    while start < len(run):
        if not _may_begin(words, start):
            start += 1
            continue
        for end in range(min(len(run), start + _LONGEST), start, -1):
            if _value(words[start:end]) is not None:
                yield run[start:end]
                start = end - 1
                break
        start += 1


def _may_begin(words: list[str], at: int) -> bool:
    if words[at] in ("a", "an", "and"):
        return words[at] == "a" and at + 1 < len(words) and (words[at + 1] in _SCALES or words[at + 1] == "dozen")
    return True


def _value(words: list[str]) -> float | None:
    """The value of exactly these words, or None."""
    if not words:
        return None
    if words[-1] == "dozen":
        factor = 1.0 if words[:-1] in ([], ["a"]) else 0.5 if words[:-1] in (["half", "a"], ["half"]) else _value(words[:-1])
        return None if factor is None else factor * 12
    if words[-1] in _SCALES and words[:-1] in (["a"], ["half", "a"]):
        return _SCALES[words[-1]] * (1.0 if words[:-1] == ["a"] else 0.5)
    if words[-3:] == ["and", "a", "half"] or words[-3:] == ["and", "a", "quarter"]:
        whole = _value(words[:-3])
        return None if whole is None or whole % 1 or whole == 0 else whole + _ALONE[words[-1]]
    if words[-1] in _SCALES and words[-4:-1] == ["and", "a", "half"]:
        part = _value(words[:-1])
        return None if part is None else part * _SCALES[words[-1]]
    return _cardinal(words)


def _cardinal(words: list[str]) -> float | None:
    if words[:1] == ["a"] and words[1:2] and words[1] in _SCALES:
        words = ["one", *words[1:]]
    # "One hundred and twenty": the "and" follows a scale and leads to less than a hundred.
    plain = [word for at, word in enumerate(words) if not (word == "and" and 0 < at < len(words) - 1 and words[at - 1] in _SCALES)]
    if not plain or not all(is_number_word(word) for word in plain) or plain[0] in _SCALES or plain == ["oh"]:
        return None
    numbers = read_run(plain)
    return float(numbers[0][0]) if len(numbers) == 1 else None

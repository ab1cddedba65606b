"""Reads English number words, so that "eighty-five", "85" and "8 5" become the same digits."""

from __future__ import annotations

_ONES = {word: value for value, word in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])} | {
    "oh": 0,
    "nought": 0,
}
_TEENS = {
    w: v
    for v, w in enumerate(
        ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"], 10
    )
}
_TENS = {
    w: v for v, w in zip(range(20, 100, 10), ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], strict=True)
}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000}
_ORDINAL_ONES = ["zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"]
_ORDINAL_TEENS = [
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
]
_ORDINAL_TENS = ["twentieth", "thirtieth", "fortieth", "fiftieth", "sixtieth", "seventieth", "eightieth", "ninetieth"]
ORDINALS = (
    dict(zip(_ORDINAL_ONES, range(10), strict=True))
    | dict(zip(_ORDINAL_TEENS, range(10, 20), strict=True))
    | dict(zip(_ORDINAL_TENS, range(20, 100, 10), strict=True))
)
DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# "oh" is a zero only among other digits; alone it is an exclamation.
_ONLY_AMONG_DIGITS = frozenset({"oh"})


def is_number_word(word: str) -> bool:
    """Whether a lower-case word can be part of a cardinal number."""
    return word in _ONES or word in _TEENS or word in _TENS or word in _SCALES


def read_run(words: list[str]) -> list[tuple[str, int]]:
    """The numbers in a run of number words: ``(digits, how many words)`` each, covering the run in order.

    ``eighty five`` is one number, ``four seven one`` are three, ``nineteen eighty four`` are ``19`` and ``84``.
    """
    numbers: list[tuple[str, int]] = []
    position = 0
    while position < len(words):
        value, used = _one_number(words[position:])
        numbers.append((str(value), used))
        position += used
    return numbers


def digits_wanted(words: list[str]) -> bool:
    """Whether a run of number words is a number at all: a lone ``oh`` or ``hundred`` is not."""
    return any((word in _ONES and word not in _ONLY_AMONG_DIGITS) or word in _TEENS or word in _TENS for word in words)


def _one_number(words: list[str]) -> tuple[int, int]:
    total, group, used = 0, 0, 0
    last = ""
    for word in words:
        kind = _kind(word)
        if not _may_follow(last, kind, word, group):
            break
        if kind == "scale":
            scale = _SCALES[word]
            if scale == 100:
                group = max(1, group) * 100
            else:
                total, group = total + max(1, group) * scale, 0
        else:
            group += _ONES.get(word, 0) + _TEENS.get(word, 0) + _TENS.get(word, 0)
        used += 1
        last = kind
    return total + group, max(1, used)


def _kind(word: str) -> str:
    return "one" if word in _ONES else "teen" if word in _TEENS else "ten" if word in _TENS else "scale"


def _may_follow(last: str, kind: str, word: str, group: int) -> bool:
    if not last:
        return True
    if kind == "one":
        return last in ("ten", "scale") and _ONES[word] > 0
    if kind in ("teen", "ten"):
        return last == "scale"
    # "five thousand" but not "five hundred hundred"; "nineteen hundred" is one number.
    return _SCALES[word] > 100 or group < 100

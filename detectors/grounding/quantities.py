"""Numbers of a text brought to one form: value and unit, whatever way they are written."""

from __future__ import annotations

import re
from dataclasses import dataclass

from detectors.contract import Span
from detectors.hearing import numbers

_SCALES = {
    "hundred": 1e2,
    "thousand": 1e3,
    "k": 1e3,
    "million": 1e6,
    "millions": 1e6,
    "mln": 1e6,
    "mn": 1e6,
    "m": 1e6,
    "billion": 1e9,
    "billions": 1e9,
    "bn": 1e9,
    "b": 1e9,
    "trillion": 1e12,
    "tn": 1e12,
}
_MONEY = {
    "$": "money",
    "€": "money",
    "£": "money",
    "¥": "money",
    "usd": "money",
    "eur": "money",
    "gbp": "money",
    "dollar": "money",
    "dollars": "money",
    "euro": "money",
    "euros": "money",
    "pound": "money",
    "pounds": "money",
    "bucks": "money",
    "quid": "money",
}
_RATE = {"%": "percent", "percent": "percent", "pct": "percent", "percentage": "percent", "bps": "points", "basis": "points"}
_DIGITS = re.compile(
    r"(?<![\w.,])(?P<sign>[$€£¥]\s?)?(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?P<ordinal>st|nd|rd|th)?"
    r"(?P<tail>\s?-?\s?(?:%|(?:hundred|thousand|k|million|millions|mln|mn|m|billion|billions|bn|b|trillion|tn)\b)"
    r"|\s?-?\s?(?:usd|eur|gbp|dollars?|euros?|pounds?|bucks|percent|per\s+cent|pct|percentage|bps|basis)\b)*",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z]+")
_FRACTIONS = {
    "half": 0.5,
    "quarter": 0.25,
    "third": 1 / 3,
    "dozen": 12.0,
    "dozens": 12.0,
    "couple": 2.0,
    "twice": 2.0,
    "once": 1.0,
    "double": 2.0,
}
_SAME = 1e-6


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number: ``value`` in units of one (a percentage in percent), ``unit`` money, percent, points, ordinal or empty."""

    value: float
    unit: str
    span: Span
    text: str

    def equals(self, other: Quantity) -> bool:
        """The same value, and units that do not exclude each other."""
        return abs(self.value - other.value) <= _SAME * max(1.0, abs(self.value)) and not self._excludes(other)

    def rounds(self, other: Quantity) -> bool:
        """Whether this number may be the other one rounded: equal to within 3 % and no more exact."""
        return (
            not self._excludes(other)
            and abs(self.value - other.value) <= 0.03 * max(abs(self.value), abs(other.value))
            and _figures(self.value) < _figures(other.value)
        )

    def _excludes(self, other: Quantity) -> bool:
        return self.unit != other.unit and "" not in (self.unit, other.unit) and "ordinal" not in (self.unit, other.unit)


def find_quantities(text: str) -> list[Quantity]:
    """All numbers of a text, in digits or words, in reading order."""
    found = [_of_digits(match) for match in _DIGITS.finditer(text)]
    taken = [quantity.span for quantity in found]
    found += [q for q in _of_words(text) if not any(q.span[0] < end and start < q.span[1] for start, end in taken)]
    return sorted(found, key=lambda quantity: quantity.span)


def _of_digits(match: re.Match[str]) -> Quantity:
    value = float(match["number"].replace(",", ""))
    unit = "money" if match["sign"] else "ordinal" if match["ordinal"] else ""
    tail = match.group()[match.end("ordinal") - match.start() if match["ordinal"] else match.end("number") - match.start() :].lower()
    for piece in re.findall(r"[a-z]+|%", tail):
        if piece in _SCALES:
            value *= _SCALES[piece]
        else:
            unit = _RATE.get(piece) or _MONEY.get(piece) or ("percent" if piece in ("per", "cent") else unit)
    return Quantity(value, unit, match.span(), match.group())


def _of_words(text: str) -> list[Quantity]:
    words = [(match.group().lower(), match.span()) for match in _WORD.finditer(text)]
    found: list[Quantity] = []
    index = 0
    while index < len(words):
        word, span = words[index]
        if word in numbers.ORDINALS and word != "second":
            found.append(Quantity(float(numbers.ORDINALS[word]), "ordinal", span, text[slice(*span)]))
        elif word in _FRACTIONS:
            found.append(Quantity(_FRACTIONS[word], "", span, text[slice(*span)]))
        elif numbers.is_number_word(word) and word not in ("oh", "zero"):
            run = index
            while run < len(words) and numbers.is_number_word(words[run][0]) and _joined(text, words, index, run):
                run += 1
            names = [name for name, _ in words[index:run]]
            if numbers.digits_wanted(names):
                position = index
                for digits, used in numbers.read_run(names):
                    place = (words[position][1][0], words[position + used - 1][1][1])
                    after = words[position + used][0] if position + used < len(words) else ""
                    found.append(Quantity(float(digits), _RATE.get(after) or _MONEY.get(after) or "", place, text[slice(*place)]))
                    position += used
            index = run
            continue
        index += 1
    return found


def _joined(text: str, words: list[tuple[str, Span]], first: int, index: int) -> bool:
    return index == first or text[words[index - 1][1][1] : words[index][1][0]] in (" ", "-", "\n")


def _figures(value: float) -> int:
    return len(f"{value:.12g}".replace(".", "").strip("0-").split("e")[0])

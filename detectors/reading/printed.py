"""The amounts, dates and times a page prints, repaired where a reader took a digit for a letter.

Every printed value keeps its line and whether it stands beside a word like *total*, so a claim about a total can be
held against the totals and not against any number that happens to be equal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import fuzz

from detectors.claims.amounts import CLOCK, clock_time, find_amounts
from detectors.claims.dates import find_dates, iso_day
from detectors.reading.lines import Line, Reading

_DIGIT_FOR = str.maketrans(
    {
        "O": "0",
        "o": "0",
        "Q": "0",
        "D": "0",
        "C": "0",
        "l": "1",
        "I": "1",
        "|": "1",
        "i": "1",
        "S": "5",
        "s": "5",
        "B": "8",
        "Z": "2",
        "z": "2",
    }
)
_NUMBER_LIKE = re.compile(r"(?<![A-Za-z])[0-9OoQDlI|iSsBZzC][0-9OoQDlI|iSsBZzC.,:/-]*(?![A-Za-z])")
_BARE_DATE = re.compile(r"(?<!\d)\d{8}(?!\d)")
# A date that lost a separator or a digit: five to eight digits around one or two separators, a likely year at the end.
_TORN_DATE = re.compile(
    r"(?<![\d.,/-])(?:[0-3]?\d[01]\d[-/](?:20[0-4]\d?|[0-4]\d)|[0-3]?\d[-/][01]\d(?:20)?[0-4]\d|\d{1,2}[-/]\d{1,2}[-/]20[0-4])(?![\d/-])"
)
# "29/06/2018.8:26": a speck between a date and a time is no decimal point.
_DOTTED_TIME = re.compile(r"(?<=\d)[.,](?=\d{1,2}:\d\d)")
# What stands before an amount on receipts and invoices. The first that fits names its role, so exceptions come first.
_LABELS = (
    ("rounding", r"round\w*\s*(?:ing)?\s*adj\w*|rounding$|bundar\w*|pelarasan"),
    ("subtotal", r"sub\s*-?\s*total|excl\w*|before\s*(?:tax|gst|vat|disc\w*)|taxable|net\s*sales?"),
    ("discount", r"discount|disc\b|saving\w*|rebate|less\b"),
    ("count", r"qty|quantity|total\s*(?:items?|pcs|units?)|items?\s*(?:sold|count)|no\.?\s*of\s*items|points?"),
    ("change", r"change|balance\s*returned|baki"),
    ("total", r"total.*incl|incl.*total|total\s*(?:with|sales)|rounded|rounding\s*rm|grand|am(?:oun)?t\s*(?:due|payable|paid)"),
    ("total", r"net\s*total|final|nett?\b|balance\s*due|payable"),
    ("tax", r"total\s*(?:gst|vat|tax|sst)|^\W*(?:gst|vat|sst|tax)\b|service\s*(?:charge|tax)|(?:gst|vat|sst|tax)\s*(?:amo?u?n?t|@|\d)"),
    ("tendered", r"cash|tender\w*|visa|master\w*|amex|debit|credit|card|paid|payment|tunai|received"),
    ("total", r"t[o0]ta[l1i]|jumlah|summe|gesamt\w*|montant|importe|totale|\bamount\b\s*[:(]|\bdue\b|to\s*pay"),
)  # fmt: skip
_LABEL_WORDS = tuple((role, re.compile(words, re.IGNORECASE)) for role, words in _LABELS)


@dataclass(frozen=True, slots=True)
class PrintedAmount:
    """A number on the page. ``role`` is what the words before it say it is (total, subtotal, tax, change, tendered …).

    ``digits`` are its signs without marks; ``undotted`` the value it would have had a decimal point been lost.
    """

    values: tuple[float, ...]
    digits: str
    text: str
    line: Line
    repaired: bool
    role: str | None
    currency: str | None = None
    undotted: float | None = None


@dataclass(frozen=True, slots=True)
class PrintedDate:
    """A date on the page and the days it can mean.

    ``sure`` is False for eight bare digits, which may be any number, and for a torn date (``0502-18``, ``20/03/201``),
    which means no day; its ``digits`` can still be compared.
    """

    days: tuple[str, ...]
    text: str
    line: Line
    sure: bool = True

    @property
    def digits(self) -> str:
        """The digits in their printed order."""
        return re.sub(r"\D", "", self.text)


@dataclass(frozen=True, slots=True)
class Printed:
    """All values of one reading."""

    amounts: tuple[PrintedAmount, ...]
    dates: tuple[PrintedDate, ...]
    times: tuple[tuple[str, Line], ...]

    def of_role(self, role: str) -> tuple[PrintedAmount, ...]:
        """The amounts the page gives that role."""
        return tuple(amount for amount in self.amounts if amount.role == role)


@lru_cache(maxsize=64)
def printed(reading: Reading) -> Printed:
    """The values of a reading, line by line and, for numbers torn into pieces, row by row."""
    amounts: list[PrintedAmount] = []
    dates: list[PrintedDate] = []
    times: list[tuple[str, Line]] = []
    waiting = ""
    for row in reading.rows:
        label = waiting
        for line in row:
            found = _amounts(line, label)
            amounts += found
            label = "" if found else f"{label} {line.text}"
        # A label alone in its row may have its amount in the next one.
        waiting = label if not any(any(sign.isdigit() for sign in line.text) for line in row) else ""
        for line in row:
            dates += _dates(line, line.text)
            times += [(clock_time(match), line) for match in CLOCK.finditer(line.text)]
        if len(row) > 1:
            joined = " ".join(line.text for line in row)
            known = {day for date in dates for day in date.days}
            dates += [date for date in _dates(row[0], joined) if not known.issuperset(date.days)]
    return Printed(tuple(amounts), tuple(dates), tuple(times))


def mend(text: str) -> str:
    """Number-like words with their letters turned to digits (``1O.5O`` → ``10.50``) torn decimals joined, ``.02`` made ``0.02``."""

    def digits(match: re.Match[str]) -> str:
        word = match.group()
        real = sum(character.isdigit() for character in word)
        return word.translate(_DIGIT_FOR) if real and real * 2 >= sum(character.isalnum() for character in word) else word

    mended = _DOTTED_TIME.sub(" ", _NUMBER_LIKE.sub(digits, text))
    joined = re.sub(r"(?<=\d)\s?([.,])\s?(?=\d\d(?!\d))", r"\1", mended)
    return re.sub(r"(?<![\d.,])\.(?=\d\d(?!\d))", "0.", joined)


def _amounts(line: Line, label: str) -> list[PrintedAmount]:
    found = []
    plain = {amount.values for amount in find_amounts(line.text)}
    text = mend(line.text)
    start = 0
    for amount in find_amounts(text):
        digits = re.sub(r"\D", "", amount.text)
        undotted = int(digits) / 100 if not amount.decimals and 3 <= len(digits) <= 9 else None
        role = role_of(f"{label} {text[start : amount.span[0]]}") if amount.unit != "%" else None
        found.append(
            PrintedAmount(amount.values, digits, amount.text.strip(), line, amount.values not in plain, role, amount.currency, undotted)
        )
        # "GST 6% 3.40": a rate belongs to the label of the amount after it.
        start = amount.span[1] if amount.unit != "%" else start
    return found


def _dates(line: Line, text: str) -> list[PrintedDate]:
    mended = mend(text)
    found = [PrintedDate(date.days, date.text, line) for date in find_dates(text)]
    known = {date.days for date in found}
    found += [PrintedDate(date.days, date.text, line) for date in find_dates(mended) if date.days not in known]
    for match in _BARE_DATE.finditer(mended):
        digits = match.group()
        orders = ((digits[4:], digits[2:4], digits[:2]), (digits[4:], digits[:2], digits[2:4]), (digits[:4], digits[4:6], digits[6:]))
        days = tuple(day for year, month, number in orders if (day := iso_day(int(year), int(month), int(number))))
        if days:
            found.append(PrintedDate(days, digits, line, sure=False))
    if not found:
        found = [PrintedDate((), match.group(), line, sure=False) for match in _TORN_DATE.finditer(mended)]
    return found


def role_of(label: str) -> str | None:
    """What the words before an amount make of it; None where they say nothing. Tolerates a misread *total*."""
    for role, pattern in _LABEL_WORDS:
        if pattern.search(label):
            return role
    return "total" if any(fuzz.ratio(word.lower(), "total") >= 80 for word in re.findall(r"[A-Za-z0-9]{4,6}", label)) else None

"""Sorts the lines of a chart reading into values, ticks, labels, title and notes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from detectors.contract import Region
from detectors.reading.lines import Line

_NUMBER = r"(?P<sign>[+\-−–<>≤≥~]?)\s?(?P<money>US\$|[$€£¥]?)\s?(?P<number>\d{1,3}(?:[,  ]\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)?|\.\d+)"
_UNIT = r"\s?(?P<unit>%|‰|pts?\b|K\b|k\b|M\b|m\b|B\b|bn\b|mn\b|T\b|million\b|billion\b|thousand\b|trillion\b)?(?:[*†‡]+)?"
_VALUE = re.compile(rf"(?<![\w.,])(?:{_NUMBER}){_UNIT}(?![\w])(?!\.\d)", re.IGNORECASE)
_ALONE = re.compile(rf"^(?:\s*(?:{_NUMBER}){_UNIT}\s*)$", re.IGNORECASE)
_YEAR = re.compile(r"^['’‘`]?(?P<year>(?:1[89]|20)\d\d)(?:[*†]|e|f)?$")
_SHORT_YEAR = re.compile(r"^['’‘`](?P<year>\d\d)$")
_ANY_YEAR = re.compile(r"(?<!\d)(?:1[89]|20)\d\d(?!\d)")
_NOTE = re.compile(
    r"^(?:notes?\b|sources?\b|\*|†|©|based on |pew research center|survey conducted|q\.?\d+|n\s?=|data (?:for|from)"
    r"|figures may|question:|see )",
    re.IGNORECASE,
)
_MONTH_YEAR = re.compile(
    r"^(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
    r"\s?['’‘`]?(?P<year>\d\d)$",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"^(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b",
    re.IGNORECASE,
)
_FACTORS = {
    "k": 1e3,
    "thousand": 1e3,
    "m": 1e6,
    "mn": 1e6,
    "million": 1e6,
    "b": 1e9,
    "bn": 1e9,
    "billion": 1e9,
    "t": 1e12,
    "trillion": 1e12,
}
# Ticks of a logarithmic axis as they are read: 10⁵, 10^4.
_POWER = re.compile(r"^10\s?\^?\s?(?P<exponent>[⁻-]?[⁰¹²³⁴⁵⁶⁷⁸⁹]|(?<=\^)\d)$")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_RANGE = re.compile(r"\d\s?[-–/]\s?\d|\d\s?[-–]$|\d\s?\+|\d\s+to\s+\d")
# A label that ends in its value ("YouTube 73%") has at most this many words.
_LABEL_WORDS = 7


@dataclass(frozen=True, slots=True)
class Number:
    """A number standing as a value: with its unit, its factor (``6 M`` → 10**6), and the words of its own line, if any."""

    value: float
    text: str
    region: Region
    line: Line
    unit: str | None = None
    factor: float = 1.0
    own: str = ""
    decimals: int = 0


@dataclass(frozen=True, slots=True)
class Year:
    """A year standing alone as a tick or heading."""

    value: int
    region: Region
    line: Line


@dataclass(frozen=True)
class Layout:
    """The lines of a chart by what they are."""

    title: tuple[Line, ...]
    labels: tuple[Line, ...]
    numbers: tuple[Number, ...]
    years: tuple[Year, ...]
    notes: tuple[Line, ...]


def arrange(lines: Sequence[Line]) -> Layout:
    """Sort the lines. Notes start at the first line that begins like one in the lower half, or run below the last value."""
    ordered = sorted(lines, key=lambda line: (line.middle, line.region[0]))
    foot = _foot(ordered)
    notes = [line for line in ordered if line.middle >= foot]
    labels: list[Line] = []
    numbers: list[Number] = []
    years: list[Year] = []
    for line in ordered:
        if line.middle >= foot:
            continue
        found = years_of(line)
        if found:
            years += found
            continue
        values, rest = numbers_of(line)
        numbers += values
        # Round markers of a line chart are read as the letter O.
        if rest and len(re.sub(r"[\W_]", "", rest.text)) >= (1 if rest.text.strip() not in ("O", "o", "0", "C", "c") else 2):
            labels.append(rest)
    head = min((number.region[1] for number in numbers if not number.own), default=1.0)
    title = _title(labels, head)
    taken = set(map(id, title))
    return Layout(tuple(title), tuple(line for line in labels if id(line) not in taken), tuple(numbers), tuple(years), tuple(notes))


def numbers_of(line: Line) -> tuple[list[Number], Line | None]:
    """The values a line consists of or ends or begins with, and what is left of it as a label."""
    text = line.text.strip()
    power = _POWER.match(text)
    if power:
        exponent = int(power["exponent"].translate(_SUPERSCRIPTS))
        return [Number(10.0**exponent, text, line.region, line)], None
    matches = [match for match in _VALUE.finditer(text) if not _bound(match) and not _dated(match)]
    if not matches or _RANGE.search(text) or _DATE.match(text):
        return [], line
    left_over = _VALUE.sub(" ", text)
    words = [word for word in re.findall(r"[^\W\d_]+", left_over) if len(word) > 1 or word.isupper()]
    if not words:
        return [_number(line, match, "") for match in matches], None
    last, first = matches[-1], matches[0]
    at_end = last.end() >= len(text.rstrip(" .*†")) and len(words) <= _LABEL_WORDS
    at_start = first.start() == 0 and len(words) <= _LABEL_WORDS - 3
    if at_end or at_start:
        match = last if at_end else first
        own = (text[: match.start()] + text[match.end() :]).strip(" :,–-")
        if own and not re.search(r"\d", own):
            number = _number(line, match, own)
            return [number], replace(line, text=own, region=part_of(line, *((0, match.start()) if at_end else (match.end(), len(text)))))
    return [], line


def years_of(line: Line) -> list[Year]:
    """The years a line consists of; empty where anything else stands in it."""
    words = line.text.replace(",", " ").split()
    found: list[Year] = []
    position = 0
    for word in words:
        position = line.text.find(word, position)
        match, short = _YEAR.match(word), _SHORT_YEAR.match(word) or _MONTH_YEAR.match(line.text)
        if match:
            value = int(match["year"])
        elif short:
            value = int(short["year"]) + (2000 if int(short["year"]) < 50 else 1900)
        elif re.fullmatch(r"\d\d", word) and found and found[-1].value % 100 < int(word):
            value = found[-1].value // 100 * 100 + int(word)
        else:
            return []
        if short and _MONTH_YEAR.match(line.text):
            return [Year(value, line.region, line)]
        found.append(Year(value, part_of(line, position, position + len(word)), line))
        position += len(word)
    return found


def mentioned_years(text: str) -> set[int]:
    """Every four-digit year anywhere in a text."""
    return {int(match.group()) for match in _ANY_YEAR.finditer(text)}


def factor_of(words: str) -> float:
    """What printed values are counted in, where a title says so (*in millions*)."""
    match = re.search(r"\b(?:in|u\.?s\.? dollars?,?)\s+(?:u\.?s\.?\s+)?(thousand|million|billion|trillion)s?\b", words, re.IGNORECASE)
    return _FACTORS[match.group(1).lower()] if match else 1.0


def _dated(match: re.Match[str]) -> bool:
    """Whether the number is a year inside other words."""
    return not match["unit"] and not match["money"] and bool(_YEAR.match(match["number"]))


def _bound(match: re.Match[str]) -> bool:
    """``>60`` and ``<25`` name a class of things; only ``<1`` stands for a value too small to print."""
    return match["sign"] in (">", "≥", "≤") or (match["sign"] == "<" and float(match["number"].replace(",", "")) > 1)


def _number(line: Line, match: re.Match[str], own: str) -> Number:
    digits = re.sub(r"[,  ](?=\d{3}(?!\d))", "", match["number"]).replace(",", ".")
    value = float(digits)
    if match["sign"] in ("-", "−", "–"):
        value = -value
    unit = (match["unit"] or "").lower()
    kind = "%" if unit == "%" else match["money"] or None
    decimals = len(digits.partition(".")[2])
    return Number(
        value, match.group().strip(), part_of(line, match.start(), match.end()), line, kind, _FACTORS.get(unit, 1.0), own, decimals
    )


def part_of(line: Line, start: int, end: int) -> Region:
    """Where characters ``[start, end)`` of a line stand, taking all to be of one width."""
    length = max(1, len(line.text))
    x, y, w, h = line.region
    return (x + w * start / length, y, w * max(1, end - start) / length, h)


def _foot(ordered: Sequence[Line]) -> float:
    """Height at which the notes begin; 2 where there are none."""
    for line in ordered:
        if line.middle > 0.3 and _NOTE.match(line.text.strip()) and not _ALONE.match(line.text):
            later = sum(1 for other in ordered if other.middle > line.middle + line.region[3] and _ALONE.match(other.text))
            if later <= 1:
                return line.region[1]
    return 2.0


def _title(labels: Sequence[Line], head: float) -> list[Line]:
    """The lines at the top, down to the first that does not follow the one above closely."""
    found: list[Line] = []
    for line in labels:
        if line.region[1] > 0.45 or line.region[1] + line.region[3] > head + line.region[3]:
            break
        if found:
            gap = line.region[1] - max(other.region[1] + other.region[3] for other in found)
            if gap > 1.6 * max(line.region[3], found[-1].region[3]) or len(found) >= 7:
                break
            # Side by side: headings of columns, not a title.
            if gap < -0.5 * line.region[3]:
                above = [other for other in found if abs(other.middle - line.middle) < 0.6 * line.region[3]]
                found = [other for other in found if other not in above]
                break
        found.append(line)
    return found

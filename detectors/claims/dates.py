"""Dates in answers and on pages: where they stand and which calendar days they can mean.

``11.02.18`` can be 11 February or 2 November 2018; both readings are kept, the day-first one before the other, because
only the evidence can decide. Partial dates (``May 2018``, ``8 May``) keep what they say.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass

MONTHS = {
    name.lower(): number
    for number in range(1, 13)
    for name in (calendar.month_name[number], calendar.month_abbr[number], calendar.month_name[number][:4])
}
_MONTH = r"(?P<month>" + "|".join(sorted(MONTHS, key=len, reverse=True)) + r")\.?"
_DAY = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d\d|'?\d\d)"
_EDGE_L, _EDGE_R = r"(?<![\d.,/-])(?<![A-Za-z])", r"(?![\d])(?![A-Za-z])(?![/-]\d)"
# The order matters: the first pattern that matches at a place wins, so whole dates come before partial ones.
_PATTERNS = tuple(
    re.compile(text, re.IGNORECASE)
    for text in (
        _EDGE_L + r"(?P<year>(?:19|20)\d\d)\s?(?P<sep>[-/.])\s?(?P<second>[01]?\d)\s?(?P=sep)\s?(?P<third>[0-3]?\d)(?=T?\d\d:\d|\D|$)",
        _EDGE_L
        + r"(?P<first>[0-3]?\d)\s?(?P<sep>[-/.])\s?(?P<second>[0-3]?\d)\s?(?P=sep)\s?(?P<year>(?:19|20)\d\d|\d\d)"
        + r"(?:(?!\d)|(?=\d{1,2}:\d\d))(?!\.\d)",
        _EDGE_L + _DAY + r"(?:\s+of)?[\s./,-]*" + _MONTH + r"[\s./,-]*" + _YEAR + _EDGE_R,
        r"(?<![A-Za-z])" + _MONTH + r"[\s./-]*" + _DAY + r"[\s,./-]+" + _YEAR + _EDGE_R,
        r"(?<![\d-])(?P<year>(?:19|20)\d\d)[\s./-]*" + _MONTH + r"[\s./-]*" + _DAY + _EDGE_R,
        r"(?<![A-Za-z])" + _MONTH + r"[\s./,-]*(?:of\s+)?(?P<year>(?:19|20)\d\d)" + _EDGE_R,
        _EDGE_L + _DAY + r"(?:\s+of)?\s+" + _MONTH + r"(?![A-Za-z])",
        r"(?<![A-Za-z])" + _MONTH + r"\s+" + _DAY + r"(?![\d.,%:]*\d)(?![A-Za-z%])",
    )
)
_MAY_VERB = re.compile(r"\b(?:may|march|mar)\b")


@dataclass(frozen=True, slots=True)
class DateMention:
    """A date at ``span``. ``days`` are the ISO days it can mean (``2018-05``, ``--05-08`` for partial ones), likeliest first."""

    span: tuple[int, int]
    text: str
    days: tuple[str, ...]


def find_dates(text: str) -> list[DateMention]:
    """Dates in reading order, never overlapping. Impossible days (31/02/2018) are left out."""
    taken: list[DateMention] = []
    for pattern in _PATTERNS:
        for match in pattern.finditer(text):
            if any(match.start() < known.span[1] and known.span[0] < match.end() for known in taken):
                continue
            days = _days(match)
            if days and not _is_a_verb(match):
                taken.append(DateMention(match.span(), match.group(), days))
    return sorted(taken, key=lambda mention: mention.span)


def _days(match: re.Match[str]) -> tuple[str, ...]:
    parts = match.groupdict()
    if parts.get("month"):
        return _written_out(parts)
    year = _year(parts["year"])
    if parts.get("third"):
        orders = [(int(parts["second"]), int(parts["third"]))]
    else:
        first, second = int(parts["first"]), int(parts["second"])
        orders = [(second, first), (first, second)]
    found = [iso for month, day in orders if (iso := iso_day(year, month, day))]
    # Two-digit years also come first (18/05/11): read so only when day-first is impossible or the year is plausible.
    if not parts.get("third") and len(parts["year"]) == 2 and not found:
        iso = iso_day(_year(parts["first"]), int(parts["second"]), int(parts["year"]))
        found = [iso] if iso else []
    return tuple(dict.fromkeys(found))


def _written_out(parts: dict[str, str | None]) -> tuple[str, ...]:
    month = MONTHS[str(parts["month"]).lower().rstrip(".")]
    day, year = parts.get("day"), parts.get("year")
    if day is None:
        return (f"{_year(str(year)):04d}-{month:02d}",)
    if year is None:
        return (f"--{month:02d}-{int(day):02d}",) if iso_day(2000, month, int(day)) else ()
    iso = iso_day(_year(year), month, int(day))
    return (iso,) if iso else ()


def iso_day(year: int, month: int, day: int) -> str:
    """``YYYY-MM-DD``, or an empty string where the calendar has no such day."""
    if not (1900 <= year <= 2099 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
        return ""
    return f"{year:04d}-{month:02d}-{day:02d}"


def same_day(first: str, second: str) -> bool:
    """Whether two (perhaps partial) ISO days can be the same; what one of them leaves open does not count against it."""
    if first.startswith("--") or second.startswith("--"):
        return first[-5:] == second[-5:]
    shorter = min(len(first), len(second))
    return first[:shorter] == second[:shorter]


def _year(text: str) -> int:
    digits = text.lstrip("'")
    number = int(digits)
    if len(digits) == 4:
        return number
    # A two-digit year lies within the last eighty or next twenty years of the turn of the century, as POSIX reads it.
    return 2000 + number if number < 69 else 1900 + number


def _is_a_verb(match: re.Match[str]) -> bool:
    """``may`` and ``march`` in lower case are dates only with a year or a day beside them written as a date."""
    return bool(match.groupdict().get("month")) and match.groupdict().get("year") is None and bool(_MAY_VERB.search(match.group()))

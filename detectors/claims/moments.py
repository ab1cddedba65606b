"""Finds the times an answer states about a recording: ``at 0:04``, ``1:02:03``, ``12 seconds in``, ``from 0:10 to 0:15``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from detectors.contract import Span

_CLOCK = r"(?:(?P<{0}h>\d{{1,2}}):)?(?P<{0}m>\d{{1,3}}):(?P<{0}s>[0-5]\d)(?P<{0}f>[.,]\d{{1,3}})?(?!\d|:\d|[.,]\d)"
_WORDS = {
    "half a": 0.5, "a": 1, "an": 1, "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17,
    "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90,
}  # fmt: skip
NUMBER = r"\d{1,5}(?:\.\d{1,3})?|\b(?:" + "|".join(sorted(_WORDS, key=len, reverse=True)) + r")\b"
_MINUTE, _SECOND = r"(?:minutes?|mins?|m)(?![\w-])", r"(?:seconds?|secs?|s)(?![\w-])"
_LENGTH = (
    rf"(?P<minutes>{NUMBER})\s*{_MINUTE}(?:\s*(?:and\s*)?(?P<rest>{NUMBER})\s*{_SECOND})?(?!\s*(?:and\s+a\s+)?half)"
    rf"|(?P<seconds>{NUMBER})\s*{_SECOND}"
)
# A length of time becomes a place in the recording only through the words around it.
_LEADS = (
    r"(?:\b(?:at|around|about|approximately|roughly|near|after|from|between|second|by|timestamp)|[~@(\[])"
    r"\s*(?:the\s+|about\s+|around\s+|roughly\s+|[~≈])?"
)
_TRAILS = r"\s*(?:mark\b|in\b(?!\s+(?:length|duration|total))|into\b)"
_JOIN = r"\s*(?:to|until|till|and|through|[-–—])\s*"
_CLOCK_RANGE = re.compile(rf"(?<![\d:.,]){_CLOCK.format('a')}(?:{_JOIN}{_CLOCK.format('b')})?")
_NUMBERED = re.compile(
    rf"(?<![\d:.])(?P<from>{NUMBER})\s*(?:to|until|and|[-–—])\s*(?P<to>{NUMBER})\s*(?:(?P<minute>{_MINUTE})|{_SECOND})", re.IGNORECASE
)
_LED = re.compile(rf"(?P<lead>{_LEADS})(?:{_LENGTH})", re.IGNORECASE)
_TRAILED = re.compile(rf"(?<![\d:.])(?:{_LENGTH}){_TRAILS}", re.IGNORECASE)
_OF_DAY = re.compile(r"\s*(?:[ap]\.?m\b|o'clock|uhr\b|hours\b)", re.IGNORECASE)
_APPROXIMATE = re.compile(
    r"(?:\b(?:about|around|approximately|approx\.?|roughly|near|circa|nearly|shortly\s+after)\s+(?:the\s+)?|[~≈]\s*)$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A stated time: seconds from the start of the recording, the end where a range is given, and where it is written."""

    span: Span
    start_s: float
    end_s: float | None
    approximate: bool


def find_moments(text: str, offset: int = 0) -> list[Moment]:
    """Stated times in reading order; ``offset`` is added to their spans. Times of day and mere lengths are left out."""
    found: list[Moment] = []
    for match in _CLOCK_RANGE.finditer(text):
        if _OF_DAY.match(text, match.end()):
            continue
        end = _clock(match, "b") if match["bs"] else None
        found.append(_moment(text, match.span(), _clock(match, "a"), end))
    for match in _NUMBERED.finditer(text):
        unit = 60.0 if match["minute"] else 1.0
        found += _free(_moment(text, match.span(), unit * number_of(match["from"]), unit * number_of(match["to"])), found)
    for match in _LED.finditer(text):
        span = (match.end("lead"), match.end())
        found += _free(_moment(text, span, _length(match), None), found)
    for match in _TRAILED.finditer(text):
        found += _free(_moment(text, match.span(), _length(match), None), found)
    ordered = sorted(found, key=lambda moment: moment.span)
    return [Moment((m.span[0] + offset, m.span[1] + offset), m.start_s, m.end_s, m.approximate) for m in ordered]


def clock_text(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``, the way people write a place in a recording."""
    whole = max(0, int(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def number_of(word: str) -> float:
    """What a match of :data:`NUMBER` says: digits, or a word up to ninety."""
    return float(_WORDS.get(word.lower(), word))


def _moment(text: str, span: Span, start: float, end: float | None) -> Moment:
    before = text[max(0, span[0] - 24) : span[0]]
    return Moment(span, start, end if end is not None and end >= start else None, bool(_APPROXIMATE.search(before)))


def _free(moment: Moment, found: list[Moment]) -> list[Moment]:
    return [] if any(moment.span[0] < other.span[1] and other.span[0] < moment.span[1] for other in found) else [moment]


def _clock(match: re.Match[str], which: str) -> float:
    fraction = float("0." + match[which + "f"][1:]) if match[which + "f"] else 0.0
    return int(match[which + "h"] or 0) * 3600 + int(match[which + "m"]) * 60 + int(match[which + "s"]) + fraction


def _length(match: re.Match[str]) -> float:
    if match["seconds"]:
        return number_of(match["seconds"])
    return number_of(match["minutes"]) * 60 + (number_of(match["rest"]) if match["rest"] else 0.0)

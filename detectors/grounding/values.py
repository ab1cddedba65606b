"""Values of a text brought to one form: dates, times of day, sums of money, percentages, lengths of time, measures and counts.

Two values are equal in whatever form they are written: 47 and forty-seven, 1.2k and 1,200, 12 September 2026 and
12/09/2026, 4 pm and 16:00, 90 minutes and an hour and a half. Equality is generous, because it clears a statement; what
differs is decided on values of one kind alone.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from detectors.claims.amounts import CURRENCIES, UNITS, find_amounts
from detectors.claims.dates import MONTHS, find_dates
from detectors.claims.numerals import find_worded
from detectors.contract import Span
from detectors.hearing.numbers import ORDINALS

_SECONDS = {
    "second": 1.0, "sec": 1.0, "s": 1.0, "minute": 60.0, "min": 60.0, "hour": 3600.0, "hr": 3600.0, "day": 86400.0, "week": 604800.0,
    "fortnight": 1209600.0, "month": 2629800.0, "quarter": 7889400.0, "year": 31557600.0, "decade": 315576000.0,
}  # fmt: skip
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HOURS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_CLOCK = re.compile(
    r"(?<![\w:.,$€£])(?:(?P<hour>[01]?\d|2[0-3])[:.](?P<minute>[0-5]\d)(?!\d|[:.]\d|\s?%)(?:\s?(?P<half>[ap])\.?\s?m\b\.?)?"
    r"|(?P<full>1[0-2]|0?[1-9])\s?(?P<side>[ap])\.?\s?m\b\.?|(?P<word>noon|midnight)\b|(?P<round>1[0-2]|[1-9])\s?o['’]clock)",
    re.IGNORECASE,
)
# A bare number is an hour where it ends what follows such a word: "opens at nine on Mondays".
_HOUR = re.compile(
    r"\b(?:at|until|till|before|after|by)\s+(?P<hour>1[0-2]|[1-9]|" + "|".join(_HOURS) + r")(?:\s+o['’]clock)?"
    r"(?=\s*(?:[.,;!?)]\s|[.,;!?)]?$|on\b|and\b|every\b|each\b|in\s+the\b|this\b|tomorrow\b|today\b))",
    re.IGNORECASE,
)
_DATE_RANGE = re.compile(r"(?<!\d)(?P<first>[0-3]?\d)(?:st|nd|rd|th)?\s?(?:-|–|to|and|until|,)\s?$")
_RANGE_END = re.compile(r"\s?(?:-|–|to|and|until)\s?(?P<last>[0-3]?\d)(?:st|nd|rd|th)?\b(?!\s?[%:.,]\d)")
_MONTH = re.compile(r"\b(" + "|".join(name.capitalize() for name in sorted(MONTHS, key=len, reverse=True)) + r")\b")
_VERBLIKE = frozenset({"may", "march", "mar", "sept", "dec", "jan", "sun"})
_BEFORE_MONTH = re.compile(r"\b(?:in|of|since|until|till|by|last|this|next|early|late|mid|for|from|to|through)[\s-]$", re.IGNORECASE)
_DASHED_DAY = re.compile(r"(?<=\d)[-–](?=[0-3]?\d\s+(?:" + "|".join(sorted(MONTHS, key=len, reverse=True)) + r")\b)", re.IGNORECASE)
# Fewer digits stand in groups by chance.
_GROUPED = 4
_TORN = re.compile(r"(?<=\d)(?: [.,] ?|[.,] )(?=\d)")
_BEFORE_YEAR = re.compile(r"(?:\b(?:in|of|since|until|by|after|before|around|circa|from)\s|\()$", re.IGNORECASE)
_WEEKDAY = re.compile(r"\b(" + "|".join(day.capitalize() for day in _DAYS) + r")s?\b")
_UNIT_AFTER = re.compile(
    rf"[\s-]\s?(?:(?P<percent>per\s?cent|percent|%)(?!age)|(?P<currency>{'|'.join(k for k in CURRENCIES if k.isalpha() and len(k) > 3)})"
    rf"|(?P<unit>{UNITS}))\b",
    re.IGNORECASE,
)
_LENGTH = re.compile(
    r"\b(?:(?P<half>half\s+an?|half[\s-](?=hour|day|year))\s*|(?P<one>an?|one)\s+)(?P<unit>hour|minute|day|week|fortnight|month|year|decade)\b(?!ly)"
    r"(?P<more>\s+and\s+a\s+half)?",
    re.IGNORECASE,
)
_SHARE = re.compile(
    r"\b(?:(?P<count>one|two|three|four|a|an)[\s-]+(?P<part>half|thirds?|quarters?|fifths?|tenths?)|(?P<alone>half))\b(?!\s+(?:an?\s+)?(?:hour|million))",
    re.IGNORECASE,
)
_PARTS = {"half": 50.0, "third": 100 / 3, "quarter": 25.0, "fifth": 20.0, "tenth": 10.0}
_COUNTS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4}
_DIGIT_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b")
_APPROXIMATE = re.compile(
    r"(?:\b(?:about|around|approximately|approx\.?|roughly|nearly|almost|circa|ca\.?|some|close\s+to|just\s+(?:over|under)|an?\s+estimated|estimated"
    r"|at\s+least|at\s+most|up\s+to|over|under|above|below|(?:more|less|fewer|greater|no\s+more|no\s+less)\s+than|well\s+over)|[~≈<>±])\s*(?:an?\s+|the\s+)?$",
    re.IGNORECASE,
)
_OVER = re.compile(r"\b(?:over|above|at\s+least|(?:more|greater|no\s+less)\s+than)\s*$|[>]\s*$", re.IGNORECASE)
_UNDER = re.compile(r"\b(?:under|below|at\s+most|up\s+to|(?:less|fewer|no\s+more)\s+than)\s*$|[<]\s*$", re.IGNORECASE)
_ROUGHLY_AFTER = re.compile(r"\s*(?:or\s+so|or\s+more|\+|-?\s?odd\b|plus\b)", re.IGNORECASE)
# What a statement works out, and may rest on no single value of the evidence.
_WORKED_OUT = re.compile(
    r"\b(?:total(?:l?ing)?|combined|altogether|together|average|mean|median|sum|difference|gap|margin|add(?:s|ed|ing)?\s+up\s+to|equivalent"
    r"|i\.e\.|that\s+is|roughly\s+equal)\b[^.;:]{0,24}$",
    re.IGNORECASE,
)
_WORKED_OUT_AFTER = re.compile(
    r"[^.;,]{0,16}\b(?:in\s+total|altogether|combined|in\s+all|on\s+average|per\s+\w+\s+on\s+average|more\s+than|less\s+than|fewer\s+than|higher|lower"
    r"|later|earlier)\b",
    re.IGNORECASE,
)
# The distance within which a rounded value stands for another, and one said to be about it.
ROUNDED, ABOUT = 0.05, 0.25


@dataclass(frozen=True, slots=True)
class Value:
    """A value at ``span``. ``kind``: date, weekday, clock, money, percent, duration, measure, ordinal or number.

    ``numbers`` are its readings without sign; ``seconds`` of a duration; ``day`` (year, month, day) of a date, None where left open;
    ``clock`` (hour, minute, whether the half of the day is known). ``bound``: over or under, where
    the value is a limit. ``loose``: good enough to confirm another value, not to be one.
    """

    kind: str
    span: Span
    text: str
    numbers: tuple[float, ...] = ()
    unit: str = ""
    seconds: float | None = None
    days: tuple[tuple[int | None, int | None, int | None], ...] = ()
    clock: tuple[int, int, bool] | None = None
    weekday: str = ""
    approximate: bool = False
    bound: str = ""
    worked_out: bool = False
    loose: bool = False

    def equals(self, other: Value) -> bool:
        """Whether the other confirms this one: both may be the same value, in any form."""
        if self.kind == "date" and other.kind == "date":
            return any(_same_day(mine, theirs) for mine in self.days for theirs in other.days)
        if self.weekday or other.weekday:
            return self.weekday == other.weekday
        if self.clock and other.clock:
            known = self.clock[2] and other.clock[2]
            return self.clock[1] == other.clock[1] and (self.clock[0] - other.clock[0]) % (24 if known else 12) == 0
        if self.clock or other.clock:
            return False
        if "date" in (self.kind, other.kind):
            date, number = (self, other) if self.kind == "date" else (other, self)
            return any((day[2] if number.kind == "ordinal" else day[0]) in number.numbers for day in date.days)
        if self.seconds is not None and other.seconds is not None:
            return _near(self.seconds, other.seconds, 0.02)
        if self.kind != other.kind and "number" not in (self.kind, other.kind):
            return {self.kind, other.kind} == {"money", "measure"} and self._meets(other)
        return self._meets(other)

    def may_stand_for(self, other: Value) -> bool:
        """Whether this value is the other one rounded, or about it where it is said to be approximate."""
        pairs = [(self.seconds, other.seconds)] if self.seconds and other.seconds else [(a, b) for a in self.numbers for b in other.numbers]
        if self.bound and self.bound == other.bound:
            return False
        if self.bound:
            return any(two / 2 <= one <= two * 2 and (one >= two) == (self.bound == "under") for one, two in pairs)
        if self.approximate or other.approximate:
            return any(_near(one, two, ABOUT) for one, two in pairs)
        return any(_near(one, two, ROUNDED) and _figures(one) < _figures(two) for one, two in pairs)

    def rivals(self, other: Value) -> bool:
        """Whether the other is a different value of the same kind, that could stand in this one's place."""
        if self.loose or other.loose or self.equals(other):
            return False
        if self.kind == "date" and other.kind == "date":
            return any(_comparable(mine, theirs) for mine in self.days for theirs in other.days)
        if self.kind == other.kind == "measure":
            return self.unit == other.unit
        return self.kind == other.kind

    def _meets(self, other: Value) -> bool:
        exact = any(_near(one, two, 1e-6) for one in self.numbers for two in other.numbers)
        shared = "percent" in (self.kind, other.kind) and self.kind != other.kind
        return exact or (
            shared and any(_near(one, two * 100, 1e-6) or _near(one * 100, two, 1e-6) for one in self.numbers for two in other.numbers)
        )


@functools.lru_cache(maxsize=16384)
def find_values(text: str) -> tuple[Value, ...]:
    """The values of a text in reading order; those that only part of a word is, or that count loosely, are marked loose."""
    found: list[Value] = []
    for reader in (_dates, _clocks, _lengths, _amounts, _shares, _worded, _ordinals, _weekdays, _months):
        found += [value for value in reader(text) if not any(value.span[0] < k.span[1] and k.span[0] < value.span[1] for k in found)]
    ordered = _joined(text, [_trimmed(value) for value in sorted(found, key=lambda value: value.span)])
    return tuple(_marked(text, value) for value in ordered)


def in_groups(value: str, text: str) -> bool:
    """Whether the digits of a value stand in a text in groups: "3 000", "1, 056"."""
    digits = [character for character in value if character.isdigit()]
    return len(digits) >= _GROUPED and re.search(r"(?<!\d)" + r"[ .,]{0,3}".join(digits) + r"(?!\d)", text) is not None


def known_values(text: str) -> tuple[Value, ...]:
    """The values of evidence: those of :func:`find_values`, and of numbers torn apart by tokenising ("1, 056", "3 . 5")."""
    whole = _TORN.sub(lambda match: match.group().replace(" ", ""), text)
    return find_values(text) if whole == text else (*find_values(text), *find_values(whole))


def _trimmed(value: Value) -> Value:
    """Without the full stop that ends the sentence."""
    bare = value.text.rstrip(". ")
    return replace(value, text=bare, span=(value.span[0], value.span[0] + len(bare)))


def confirmed(text: str, evidence: Iterable[str]) -> list[Span]:
    """Where a text has values that stand in the evidence in some form or may stand for one, with the words that make them approximate."""
    known = [value for other in evidence for value in known_values(other)]
    found = []
    for value in find_values(text):
        if any(value.equals(other) or value.may_stand_for(other) for other in known if other.kind == value.kind or value.equals(other)):
            marked = _APPROXIMATE.search(text[: value.span[0]]) if value.approximate else None
            found.append((marked.start() if marked else value.span[0], value.span[1]))
    return found


def _dates(text: str) -> Iterator[Value]:
    # "3-5 June" is no telephone number: the dash must not hide the day behind it.
    for mention in find_dates(_DASHED_DAY.sub(" ", text)):
        days = tuple(_parts(day) for day in mention.days)
        span = mention.span
        # "3–5 June" is the 3rd, the 5th and what lies between.
        extra: list[tuple[int | None, int | None, int | None]] = []
        if (before := _DATE_RANGE.search(text[max(0, span[0] - 12) : span[0]])) and days[0][2]:
            extra = [(year, month, int(before["first"])) for year, month, _ in days]
            span = (max(0, span[0] - 12) + before.start(), span[1])
        if (after := _RANGE_END.match(text, span[1])) and days[0][2] and not re.match(r"\s*[A-Za-z%]", text[after.end() :]):
            extra += [(year, month, int(after["last"])) for year, month, _ in days]
        yield Value("date", span, text[slice(*span)], days=(*days, *extra))


def _clocks(text: str) -> Iterator[Value]:
    for match in _CLOCK.finditer(text):
        half = (match["half"] or match["side"] or "").lower()
        if match["word"]:
            clock = (12 if match["word"].lower() == "noon" else 0, 0, True)
        else:
            if match["hour"] and "." in match.group()[:3] and not half:
                continue
            hour = int(match["hour"] or match["full"] or match["round"])
            hour += 12 if half == "p" and hour < 12 else -12 if half == "a" and hour == 12 else 0
            clock = (hour, int(match["minute"] or 0), bool(half) or hour > 12)
        yield Value("clock", match.span(), match.group(), clock=clock)
    for match in _HOUR.finditer(text):
        word = match["hour"].lower()
        clock = (_HOURS.index(word) + 1 if word in _HOURS else int(word), 0, False)
        yield Value("clock", match.span("hour"), match["hour"], clock=clock, loose=True)


def _lengths(text: str) -> Iterator[Value]:
    for match in _LENGTH.finditer(text):
        length = (0.5 if match["half"] else 1.0) + (0.5 if match["more"] else 0.0)
        sure = bool(match["half"] or match["more"])
        unit = match["unit"].lower()
        yield Value("duration", match.span(), match.group(), (length,), unit, length * _SECONDS[unit], loose=not sure)


def _amounts(text: str) -> Iterator[Value]:
    for amount in find_amounts(text):
        start, end = amount.number_span
        whole = text[start:end]
        before = text[max(0, start - 2) : start]
        part = bool(before) and ((before[-1].isalpha() and amount.currency is None) or (before[-1] in "-–/#" and before[:1].isalpha()))
        numbers = tuple(abs(value) for value in amount.values)
        if amount.unit == "m":
            numbers += tuple(value * 1e6 for value in numbers)
        if _DIGIT_ORDINAL.match(text, end):
            yield Value("ordinal", (start, end + 2), text[start : end + 2], numbers, loose=part)
        elif amount.currency is None and amount.unit is None and not amount.scaled and _is_year(text[:start], whole):
            yield Value(
                "date", (start, end), whole, numbers, days=((int(whole), None, None),), loose=part or text[end : end + 1] in ("s", "'", "’")
            )
        else:
            part = part or (text[end : end + 1].isalpha() and amount.unit is None and not amount.scaled)
            yield _measured(amount.span, amount.text, numbers, amount.currency, amount.unit, part)


def _is_year(before: str, digits: str) -> bool:
    return bool(re.fullmatch(r"(?:19|20)\d\d", digits) or (re.fullmatch(r"1[0-8]\d\d", digits) and _BEFORE_YEAR.search(before[-10:])))


def _worded(text: str) -> Iterator[Value]:
    for number in find_worded(text):
        after = _UNIT_AFTER.match(text, number.span[1])
        end = after.end() if after else number.span[1]
        currency = CURRENCIES.get(after["currency"].lower()) if after and after["currency"] else None
        unit = None if after is None else "%" if after["percent"] else after["unit"]
        word = text[slice(*number.span)].lower()
        # "One" is mostly no number; "two hundred" may stand for many as little as "two" may.
        yield _measured(
            (number.span[0], end), text[number.span[0] : end], (number.value,), currency, unit, word in ("one", "half", "quarter")
        )


def _ordinals(text: str) -> Iterator[Value]:
    for match in re.finditer(r"[A-Za-z]+", text):
        number = ORDINALS.get(match.group().lower())
        if number is not None:
            yield Value("ordinal", match.span(), match.group(), (float(number),), loose=number < 3)


def _shares(text: str) -> Iterator[Value]:
    for match in _SHARE.finditer(text):
        part = (match["part"] or match["alone"]).lower()
        value = _PARTS[part if part == "half" else part.rstrip("s")] * _COUNTS.get((match["count"] or "a").lower(), 1)
        yield Value("percent", match.span(), match.group(), (value, round(value), value / 100), "%", loose=True)


def _weekdays(text: str) -> Iterator[Value]:
    for match in _WEEKDAY.finditer(text):
        yield Value("weekday", match.span(), match.group(), weekday=match[1].lower())


def _months(text: str) -> Iterator[Value]:
    for match in _MONTH.finditer(text):
        if match[1].lower() not in _VERBLIKE or _BEFORE_MONTH.search(text[: match.start()][-12:]):
            yield Value("date", match.span(), match.group(), days=((None, MONTHS[match[1].lower()], None),))


def _measured(span: Span, text: str, numbers: tuple[float, ...], currency: str | None, unit: str | None, loose: bool) -> Value:
    name = (unit or "").lower()
    bare = name.rstrip("s") if len(name) > 2 else name
    if currency:
        return Value("money", span, text, numbers, currency, loose=loose)
    if name == "%":
        return Value("percent", span, text, numbers, "%", loose=loose)
    if bare in _SECONDS:
        return Value("duration", span, text, numbers, bare, numbers[0] * _SECONDS[bare])
    return Value("measure" if bare else "number", span, text, numbers, bare, loose=loose)


def _joined(text: str, values: list[Value]) -> list[Value]:
    """ "1 hour 30 minutes" is one length of time."""
    kept: list[Value] = []
    for value in values:
        last = kept[-1] if kept else None
        gap = text[last.span[1] : value.span[0]] if last else ""
        if (
            last is not None
            and last.seconds is not None
            and value.seconds is not None
            and re.fullmatch(r",?\s*(?:and\s+)?", gap)
            and _SECONDS[last.unit] > _SECONDS[value.unit]
        ):
            span = (last.span[0], value.span[1])
            kept[-1] = replace(last, span=span, text=text[slice(*span)], seconds=last.seconds + value.seconds, numbers=(), loose=False)
        else:
            kept.append(value)
    return kept


def _marked(text: str, value: Value) -> Value:
    before, after = text[max(0, value.span[0] - 48) : value.span[0]], text[value.span[1] : value.span[1] + 40]
    return replace(
        value,
        bound="over" if _OVER.search(before) else "under" if _UNDER.search(before) else "",
        approximate=bool(_APPROXIMATE.search(before) or _ROUGHLY_AFTER.match(after)),
        worked_out=value.kind not in ("date", "clock", "weekday", "ordinal")
        and bool(_WORKED_OUT.search(before) or _WORKED_OUT_AFTER.match(after)),
    )


def _parts(iso: str) -> tuple[int | None, int | None, int | None]:
    if iso.startswith("--"):
        return None, int(iso[2:4]), int(iso[5:7])
    pieces = [int(piece) for piece in iso.split("-")]
    return pieces[0], pieces[1] if len(pieces) > 1 else None, pieces[2] if len(pieces) > 2 else None


def _same_day(one: tuple[int | None, ...], two: tuple[int | None, ...]) -> bool:
    """Whether the second names the first day: a year may be left out, but "June" does not confirm "4 June"."""
    shared = [(a, b) for a, b in zip(one, two, strict=True) if a is not None and b is not None]
    coarser = any(a is not None and b is None for a, b in zip(one[1:], two[1:], strict=True))
    return bool(shared) and not coarser and all(a == b for a, b in shared)


def _comparable(one: tuple[int | None, ...], two: tuple[int | None, ...]) -> bool:
    """Whether both name a part of the date and differ in it: a month is no rival of a year, nor of a day in it."""
    return any(a is not None and b is not None and a != b for a, b in zip(one, two, strict=True))


def _near(one: float, two: float, share: float) -> bool:
    return abs(one - two) <= share * max(abs(one), abs(two)) or one == two


def _figures(value: float) -> int:
    return len(f"{value:.12g}".replace(".", "").strip("0-").split("e")[0])

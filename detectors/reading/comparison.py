"""Holds one claim against what a reader found on the page and says how badly they differ.

The raw score is a distance in [0, 1]: 0 printed as claimed, 1 something else is printed. Its landmarks are set by
what kind of difference readers make by themselves and what kind only a wrong answer makes; the detector's calibration
turns it into a probability.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from detectors.claims.dates import same_day
from detectors.contract import Claim
from detectors.reading.alignment import Alignment, align
from detectors.reading.lines import Line, Reading
from detectors.reading.printed import Printed, PrintedAmount, printed

# Landmarks of the raw score.
PRINTED, MENDED, BY_ROUNDING = 0.02, 0.1, 0.08
UNLABELLED, PART, BEFORE_ROUNDING, ELSEWHERE = 0.45, 0.62, 0.65, 0.75
DIFFERS, DIFFERS_FROM_TORN = 0.97, 0.85
# What cash rounding can move a total by (5-cent coins; the widest step in use is 10).
_ROUNDING = 0.051
# Words of a legal form and linking words: readers and keys drop or shorten them, so alone they never make another name.
_FORMS = frozenset(
    {
        "sdn",
        "bhd",
        "sb",
        "ltd",
        "limited",
        "inc",
        "llc",
        "llp",
        "co",
        "company",
        "corp",
        "corporation",
        "plc",
        "pte",
        "pty",
        "plt",
        "gmbh",
        "the",
        "and",
        "of",
    }
)
_FORM_WEIGHT, _LOST_INITIAL = 0.3, 0.2
_STEEPNESS, _CUT, _SLIP = 2.2, 0.15, 0.12


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a claim stands against the page.

    ``raw`` is the distance, None where the page says nothing to compare with (``reason`` says why). ``lines`` are the
    best place, ``quote`` what is read there, ``note`` why a found value still counts against the claim.
    ``absent`` when nothing on the page resembles the claim at all; ``confirmed`` when two readers read the same there.
    """

    raw: float | None
    lines: tuple[Line, ...] = ()
    quote: str = ""
    note: str = ""
    reason: str = ""
    absent: bool = False
    confirmed: bool = False


def compare(claim: Claim, reading: Reading) -> Comparison:
    """The claim against one reading, by its kind and facts."""
    facts = claim.facts
    if "dates" in facts:
        return _compare_date(claim, printed(reading))
    if "clock" in facts:
        return _compare_clock(claim, printed(reading))
    if "values" in facts:
        return _compare_amount(claim, printed(reading))
    return compare_text(str(facts.get("text") or claim.text), reading)


def places_to_reread(claim: Claim, reading: Reading, comparison: Comparison) -> tuple[Line, ...]:
    """The lines on which a second reader's opinion could change the comparison, the likeliest first, at most four."""
    lines = list(comparison.lines)
    if "dates" in claim.facts:
        lines += [date.line for date in printed(reading).dates]
    elif "values" in claim.facts:
        amounts = sorted(printed(reading).amounts, key=lambda amount: _distance(claim, amount))
        lines += [amount.line for amount in amounts if _distance(claim, amount) <= 2]
    return tuple(dict.fromkeys(lines))[:4]


def compare_text(text: str, reading: Reading) -> Comparison:
    """A name or a visible text: the worst of its words decides."""
    found = align(text, reading)
    if found is None or not found.words:
        return Comparison(None, reason="there is no word in the claim to compare" if reading.characters else "no text was read")
    worst = max(found.error, *(_weighted(found, index) for index in range(len(found.words))))
    # A name read with slips and cut out of a longer word ("Castle" in "Cashier") is not there.
    raw = _STEEPNESS * worst + (_CUT if found.cut and worst > _SLIP else 0.0)
    return Comparison(max(PRINTED, min(1.0, raw)), found.lines, found.printed, absent=_nothing_alike(found))


def _weighted(found: Alignment, index: int) -> float:
    word, last = found.words[index], len(found.words) - 1
    if last and re.sub(r"[^a-z]", "", word.text.lower()) in _FORMS:
        return word.error * _FORM_WEIGHT
    # An initial at the edge of a name is the first thing a bad print loses.
    if last and index in (0, last) and word.length <= 2 and not word.equal and not word.digit_changed:
        return min(word.error, _LOST_INITIAL)
    return word.error


def _nothing_alike(found: Alignment) -> bool:
    """No word of the claim is there: the page does not print another version of it, it prints nothing like it."""
    return all(word.error > 0.5 for word in found.words if word.length > 2)


def _compare_date(claim: Claim, page: Printed) -> Comparison:
    days = claim.facts["dates"]
    for date in page.dates:
        if any(same_day(day, other) for day in days for other in date.days):
            return Comparison(PRINTED, (date.line,), date.text)
    if not page.dates:
        return Comparison(None, reason="no date was read on the page")
    written = {form for day in days for form in _digit_forms(day)}
    for date in page.dates:
        if not date.days and any(form == date.digits or _shortened(form, date.digits) for form in written):
            return Comparison(MENDED, (date.line,), date.text)
    sure = [date for date in page.dates if date.sure]
    nearest = min(sure or page.dates, key=lambda date: min(Levenshtein.distance(form, date.digits) for form in written | {""}))
    return Comparison(DIFFERS if sure else DIFFERS_FROM_TORN, (nearest.line,), nearest.text)


def _digit_forms(day: str) -> tuple[str, ...]:
    """The digit strings a whole ISO day is printed as; none for a partial one."""
    parts = day.split("-")
    if len(parts) != 3 or not parts[0]:
        return ()
    year, month, number = parts
    ends = (year, year[2:])
    forms = (
        [number + month + end for end in ends] + [month + number + end for end in ends] + [year + month + number, year[2:] + month + number]
    )
    return tuple(dict.fromkeys(forms))


def _shortened(form: str, digits: str) -> bool:
    """Whether ``digits`` is ``form`` with one digit lost."""
    return len(digits) == len(form) - 1 and any(form[:index] + form[index + 1 :] == digits for index in range(len(form)))


def _compare_clock(claim: Claim, page: Printed) -> Comparison:
    if not page.times:
        return Comparison(None, reason="no time of day was read on the page")
    clock = str(claim.facts["clock"])
    shown, line = min(page.times, key=lambda item: min(Levenshtein.distance(clock, item[0]), 1 + _half_day_off(clock, item[0])))
    if shown == clock:
        return Comparison(PRINTED, (line,), shown)
    # A page may leave am and pm out.
    return Comparison(MENDED if not _half_day_off(clock, shown) else DIFFERS, (line,), shown)


def _half_day_off(first: str, second: str) -> int:
    """0 when two times differ by twelve hours exactly, else 9."""
    minutes = [int(text[:2]) * 60 + int(text[3:]) for text in (first, second)]
    return 0 if abs(minutes[0] - minutes[1]) == 720 else 9


def _compare_amount(claim: Claim, page: Printed) -> Comparison:
    if not page.amounts:
        return Comparison(None, reason="no number was read on the page")
    equal = [amount for amount in page.amounts if _equal(claim, amount)]
    if equal:
        return _in_its_role(claim, page, equal)
    value = claim.facts["values"][0]
    undotted = [amount for amount in page.amounts if claim.facts["decimals"] == 2 and amount.undotted == abs(value)]
    if undotted:
        return Comparison(MENDED, (undotted[0].line,), undotted[0].text)
    role = _role(claim)
    if role == "total" and any(_near(value, amount) for amount in page.of_role("total")) and _adjusted(value, page):
        nearby = next(amount for amount in page.of_role("total") if _near(value, amount))
        return Comparison(BY_ROUNDING, (nearby.line,), nearby.text)
    nearest = min(page.amounts, key=lambda amount: _distance(claim, amount))
    return Comparison(DIFFERS, (nearest.line,), nearest.text, absent=_distance(claim, nearest) > 2)


def _in_its_role(claim: Claim, page: Printed, equal: list[PrintedAmount]) -> Comparison:
    """The value is printed; where the answer says what it is, the page must not give that role to another value alone."""
    best = next((amount for amount in equal if not amount.repaired), equal[0])
    role = _role(claim)
    in_role = [amount for amount in equal if amount.role == role]
    plain = Comparison(MENDED if best.repaired else PRINTED, (best.line,), best.text)
    if role != "total":
        return plain if not in_role else Comparison(PRINTED, (in_role[0].line,), in_role[0].text)
    value = claim.facts["values"][0]
    if after := _after_rounding(value, page):
        return Comparison(BEFORE_ROUNDING, (after.line,), after.text, note="after rounding")
    if in_role:
        return Comparison(PRINTED, (in_role[0].line,), in_role[0].text)
    totals = [amount for amount in page.of_role("total") if "." in amount.text or "," in amount.text]
    if not totals or any(_near(value, amount) for amount in totals):
        return plain
    unlabelled = any(amount.role in (None, "rounding") for amount in equal)
    largest = max(totals, key=lambda amount: amount.values[0])
    if value > largest.values[0] and unlabelled:
        # The real total may stand beside a word that was misread; only a part of the bill is smaller than a total.
        return plain if len(equal) > 1 else Comparison(UNLABELLED, (largest.line,), largest.text, note="as the total")
    return Comparison(PART if unlabelled else ELSEWHERE, (largest.line,), largest.text, note="as the total")


def _role(claim: Claim) -> str | None:
    """What the answer says an amount is; nothing that is measured in kilograms is a total, whatever sentence it stands in."""
    return None if claim.facts.get("unit") else claim.facts.get("role")


def _after_rounding(value: float, page: Printed) -> PrintedAmount | None:
    """The printed total that a printed rounding adjustment makes of ``value``, when it is another one."""
    for adjustment in page.of_role("rounding"):
        step = adjustment.values[0]
        if 0 < abs(step) < _ROUNDING:
            for amount in page.amounts:
                if amount.line is not adjustment.line and abs(amount.values[0] - (value + step)) < 1e-6:
                    return amount
    return None


def _adjusted(value: float, page: Printed) -> bool:
    """Whether a printed rounding adjustment leads from a printed total to ``value``."""
    steps = [amount.values[0] for amount in page.of_role("rounding") if 0 < abs(amount.values[0]) < _ROUNDING]
    return any(abs(amount.values[0] + step - value) < 1e-6 for step in steps for amount in page.of_role("total"))


def _near(value: float, amount: PrintedAmount) -> bool:
    return any(abs(value - other) < _ROUNDING for other in amount.values)


def _equal(claim: Claim, amount: PrintedAmount) -> bool:
    """Same value in some reading; ``3.5 million`` may be printed as 3.5 (a column in millions) or 3,500 (in thousands)."""
    bare = "." not in amount.text and "," not in amount.text
    if claim.facts["decimals"] and bare and amount.currency is None and (amount.role is None or amount.role != _role(claim)):
        # The 7 of "7 pcs" does not confirm 7.00.
        return False
    pairs = [(abs(one), abs(other)) for one in claim.facts["values"] for other in amount.values]
    if any(abs(one - other) < 1e-6 * max(1.0, one) for one, other in pairs):
        return True
    return bool(claim.facts.get("scaled")) and any(abs(one / scale - other) < 1e-9 for one, other in pairs for scale in (1e3, 1e6, 1e9))


def _distance(claim: Claim, amount: PrintedAmount) -> float:
    """Digits to change, amounts of the claimed role and of the claim's own decimals first."""
    digits = re.sub(r"\D", "", f"{abs(claim.facts['values'][0]):.{max(claim.facts['decimals'], 0)}f}")
    same_role = _role(claim) is not None and amount.role == _role(claim)
    marked = ("." in amount.text or "," in amount.text) == bool(claim.facts["decimals"])
    return Levenshtein.distance(digits, amount.digits) - 1.5 * same_role - 0.5 * marked

"""Numbers in answers and on pages: money, percentages, measures, plain numbers, times of day.

The decimal sign is read from the shape of the number; where the shape leaves it open (``1,234``) every reading is kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

# Sign or code → ISO 4217 where it is certain, else the sign itself ("$" is used by twenty countries).
CURRENCIES = {
    "rm": "MYR", "myr": "MYR", "us$": "USD", "usd": "USD", "$": "$", "€": "EUR", "eur": "EUR", "£": "GBP", "gbp": "GBP", "¥": "¥",
    "jpy": "JPY", "cny": "CNY", "rmb": "CNY", "yen": "JPY", "₹": "INR", "inr": "INR", "rs": "Rs", "rs.": "Rs", "s$": "SGD", "sgd": "SGD",
    "hk$": "HKD", "hkd": "HKD", "a$": "AUD", "aud": "AUD", "c$": "CAD", "cad": "CAD",
    "nz$": "NZD", "nzd": "NZD", "chf": "CHF", "sek": "SEK",
    "nok": "NOK", "dkk": "DKK", "kr": "kr", "zł": "PLN", "pln": "PLN", "₩": "KRW", "krw": "KRW", "฿": "THB", "thb": "THB", "rp": "IDR",
    "idr": "IDR", "php": "PHP", "₱": "PHP", "vnd": "VND", "₫": "VND", "r$": "BRL", "brl": "BRL", "mxn": "MXN", "₺": "TRY", "try": "TRY",
    "zar": "ZAR", "aed": "AED", "sar": "SAR", "₪": "ILS", "ils": "ILS", "₦": "NGN", "ngn": "NGN", "₽": "RUB", "rub": "RUB", "nt$": "TWD",
    "twd": "TWD", "dollars": "$", "dollar": "$", "euros": "EUR", "euro": "EUR", "pounds": "GBP", "ringgit": "MYR", "rupees": "Rs",
    "cents": "cents",
}  # fmt: skip
SCALES = {
    "thousand": 10**3, "k": 10**3, "million": 10**6, "mn": 10**6, "m": 10**6, "billion": 10**9, "bn": 10**9, "b": 10**9, "trillion": 10**12,
    "lakh": 10**5, "crore": 10**7,
}  # fmt: skip
UNITS = (
    "percentage points?|percent|per cent|pct|kilograms?|kilometers?|kilometres?|kg|mg|µg|grams?|g|lbs?|pounds?|oz|ounces?|tonnes?|tons?"
    "|km/h|kph|mph|km|cm|mm|nm|metres?|meters?|miles?|feet|foot|ft|inches|inch|in\\.|ml|cl|litres?|liters?|l|gallons?|gal|kwh|mwh|kw|mw|watts?"
    "|volts?|v|amps?|mah|ghz|mhz|khz|hz|gb|mb|kb|tb|°c|°f|°|degrees?|celsius|fahrenheit|kcal|cal|calories|kj|bar|psi|pcs|pieces|units?"
    "|hours?|hrs?|minutes?|mins?|seconds?|secs?|ms|days?|weeks?|months?|years?|dpi|px|pixels?|m²|m2|sqm|sq ft|m³|m|w"
)
# Indian grouping (1,50,000) comes first: as a Western number it would end after its first pair.
_NUMBER = r"\d{1,2}(?:,\d\d)+,\d{3}(?:\.\d{1,4})?|\d{1,3}(?:[,.' \u00a0\u202f]\d{3})+(?:[.,]\d{1,4})?|\d+(?:[.,]\d+)?"
_SIGNS = "|".join(re.escape(sign) for sign in sorted(CURRENCIES, key=len, reverse=True) if not sign.isalpha() or len(sign) <= 3)
_WORDS = "|".join(re.escape(sign) for sign in sorted(CURRENCIES, key=len, reverse=True))
AMOUNT = re.compile(
    rf"(?:(?<![A-Za-z])(?P<before>{_SIGNS})\s?)?"
    rf"(?<![\d])(?<!\d[.,:/])(?P<minus>[-−–])?(?:(?P<late>[$€£¥₹])\s?)?(?P<number>{_NUMBER})(?![\d])"
    r"(?:\s?(?P<scale>thousand|million|billion|trillion|lakh|crore|mn|bn|k|m|b)(?![A-Za-z²³/0-9]))?"
    rf"(?:\s?(?P<percent>%|‰)|\s?(?P<after>{_WORDS})(?![A-Za-z]|\s?\d)|(?P<hyphen>[\s-])?(?P<unit>{UNITS})(?![A-Za-z0-9]))?",
    re.IGNORECASE,
)
CLOCK = re.compile(
    r"(?<![\d:.])(?P<hour>[01]?\d|2[0-3])[:.](?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?\s?(?P<half>[ap]\.?m\b\.?)?(?![\d:])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Amount:
    """A number at ``span`` of a text. ``values`` are its possible readings, likeliest first; ``decimals`` those of the first."""

    span: tuple[int, int]
    number_span: tuple[int, int]
    text: str
    values: tuple[float, ...]
    decimals: int
    currency: str | None = None
    unit: str | None = None
    scaled: bool = False


def find_amounts(text: str) -> list[Amount]:
    """Every number with its currency or unit, in reading order."""
    return [_amount(match) for match in AMOUNT.finditer(text)]


def clock_time(match: re.Match[str]) -> str:
    """``HH:MM`` of a :data:`CLOCK` match, on the 24-hour clock."""
    hour, half = int(match["hour"]), (match["half"] or "").lower().replace(".", "")
    if half == "pm" and hour < 12:
        hour += 12
    if half == "am" and hour == 12:
        hour = 0
    return f"{hour:02d}:{match['minute']}"


def readings(number: str) -> tuple[tuple[Decimal, int], ...]:
    """Possible values of a written number with their decimals: ``1,234.50`` one, ``1,234`` two (thousands first)."""
    bare = re.sub(r"[' \u00a0\u202f]", "", number)
    marks = [character for character in bare if character in ".,"]
    if not marks:
        return ((Decimal(bare), 0),)
    if len(set(marks)) == 2 or len(marks) > 1:
        decimal = bare[max(bare.rfind("."), bare.rfind(","))] if len(set(marks)) == 2 else ""
        whole, _, fraction = bare.rpartition(decimal) if decimal else (bare, "", "")
        digits = re.sub(r"[.,]", "", whole)
        return ((Decimal(f"{digits}.{fraction or 0}"), len(fraction)),)
    whole, _, fraction = bare.partition(marks[0])
    as_decimal = (Decimal(f"{whole}.{fraction}"), len(fraction))
    if len(fraction) != 3 or not 1 <= len(whole) <= 3 or whole == "0":
        return (as_decimal,)
    as_thousands = (Decimal(whole + fraction), 0)
    return (as_thousands, as_decimal) if marks[0] == "," else (as_decimal, as_thousands)


def _amount(match: re.Match[str]) -> Amount:
    sign = -1 if match["minus"] and not match.string[: match.start("minus")][-1:].isalnum() else 1
    scale_word = (match["scale"] or "").lower()
    # "5m" is five million and "5B" five billion only of money; elsewhere it is metres, or the letter of a flat.
    money = match["before"] or match["late"]
    metres = scale_word == "m" and not money
    scale = SCALES[scale_word] if scale_word and (money or scale_word not in ("m", "b")) else 1
    read = readings(match["number"])
    currency = match["before"] or match["late"] or match["after"]
    unit = match["percent"] or match["unit"] or ("m" if metres else None)
    if unit and unit.lower() in ("percent", "per cent", "pct"):
        unit = "%"
    return Amount(
        span=match.span(),
        number_span=match.span("number"),
        text=match.group(),
        values=tuple(float(value * sign * scale) for value, _ in read),
        decimals=read[0][1],
        currency=CURRENCIES.get(currency.lower()) if currency else None,
        unit=unit.lower() if unit else None,
        scaled=scale != 1,
    )

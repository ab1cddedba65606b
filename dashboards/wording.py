"""How numbers, times and states are written: one format each, and a dash for what is not known, never 0."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Any

from dashboards.bodies import Share

UNKNOWN = "—"
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}

# icon, word: colour never carries a verdict alone.
VERDICTS: dict[str, tuple[str, str]] = {
    "hallucinated": ("✕", "Hallucinated"),
    "supported": ("✓", "Supported"),
    "not_checked": ("○", "Not checked"),
    "pending": ("…", "Waiting"),
}
STATES = {
    "judged": "Judged",
    "abstained": "Abstained",
    "not_applicable": "Not applicable",
    "failed": "Failed",
    "sampled_out": "Sampled out",
    "over_budget": "Over budget",
}
ERRORS = {
    "object": "Object",
    "value": "Value",
    "label": "Label",
    "trend": "Trend",
    "magnitude": "Magnitude",
    "quote": "Quote",
    "entity": "Entity",
    "time": "Time",
    "speaker": "Speaker",
    "event": "Event",
    "source": "Source",
    "unsupported": "Unsupported",
}
CAUSES = {
    "perception": ("Perception", "saw or heard wrongly"),
    "grounding": ("Grounding", "right reading, wrong place or source"),
    "reasoning": ("Reasoning", "right evidence, wrong conclusion"),
}
RISKS = {"assistive": "Assistive", "decision_support": "Decision support", "authoritative": "Authoritative"}
# Icon, word and tone of an input's grade; what was not measured is none of them.
GRADES: dict[str, tuple[str, str, str]] = {
    "good": ("●", "Good", "good"),
    "poor": ("◐", "Poor", "warn"),
    "unusable": ("○", "Unusable", "hallucinated"),
}
SEVERITIES = {"page": ("▲", "Page"), "ticket": ("■", "Ticket"), "info": ("i", "Info")}


def verdict(name: str) -> str:
    """Icon and word of a verdict."""
    icon, word = VERDICTS.get(name, ("?", name))
    return f"{icon} {word}"


def grade(name: str | None) -> str:
    """Icon and word of an input's grade."""
    if name is None:
        return "Not measured"
    icon, word, _ = GRADES.get(name, ("?", name, ""))
    return f"{icon} {word}"


def count(number: float | None) -> str:
    """A count with thousands separators."""
    return UNKNOWN if number is None else f"{number:,.0f}" if float(number).is_integer() else f"{number:,.2f}"


def many(number: int, noun: str) -> str:
    """A count with its noun: ``1 region``, ``3 regions``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def percent(fraction: float | None) -> str:
    """A fraction 0–1 as percent with one decimal; two below 1%."""
    if fraction is None:
        return UNKNOWN
    return f"{100 * fraction:.2f}%" if 0 < fraction < 0.01 else f"{100 * fraction:.1f}%"


def interval(share: Share) -> str:
    """The 95% interval in percent and the sample size: ``(3.1–5.6), n = 1,203``."""
    if share.value is None or share.low is None or share.high is None:
        return f"n = {share.n:,}"
    digits = 2 if 0 < share.value < 0.01 else 1
    return f"({100 * share.low:.{digits}f}–{100 * share.high:.{digits}f}), n = {share.n:,}"


def share(value: Share) -> str:
    """Percent with interval and n: ``4.2% (3.1–5.6), n = 1,203``."""
    return f"{UNKNOWN}, n = {value.n:,}" if value.value is None else f"{percent(value.value)} {interval(value)}"


def score(value: float | None) -> str:
    """A detector's score 0–1."""
    if value is None:
        return UNKNOWN
    return "<0.01" if 0 < value < 0.005 else ">0.99" if 0.995 <= value < 1 else f"{value:.2f}"


def duration(milliseconds: float | None) -> str:
    """Milliseconds below one second, seconds below two minutes, then minutes."""
    if milliseconds is None:
        return UNKNOWN
    if 0 < milliseconds < 0.1:
        return "<0.1 ms"
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms" if milliseconds >= 10 or milliseconds == 0 else f"{milliseconds:.1f} ms"
    if milliseconds < 120_000:
        return f"{milliseconds / 1000:.2f} s" if milliseconds < 10_000 else f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds / 60_000:.1f} min"


def span_of(seconds: float | None) -> str:
    """A length of time in the largest unit that keeps it readable."""
    if seconds is None:
        return UNKNOWN
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def media_time(seconds: float) -> str:
    """A position in audio or video: ``0:04.1``."""
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}:{rest:04.1f}"


def money(amount: float | None, currency: str | None) -> str:
    """An amount with its currency; at least two decimals and two significant digits."""
    if amount is None:
        return UNKNOWN
    digits = 2 if amount >= 0.1 or amount == 0 else 4 if amount >= 0.001 else 6
    text = f"{amount:,.{digits}f}"
    if currency is None:
        return f"{text} (no currency)"
    return f"{SYMBOLS[currency]}{text}" if currency in SYMBOLS else f"{text} {currency}"


def size(number: int | None) -> str:
    """Bytes in decimal units."""
    if number is None:
        return UNKNOWN
    value = float(number)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def moment(when: datetime | None, zone: tzinfo) -> str:
    """A time in the reader's zone: ``18 Jun 2026, 14:03:22 CEST``."""
    if when is None:
        return UNKNOWN
    local = when.astimezone(zone)
    return f"{local.day} {local:%b %Y, %H:%M:%S %Z}"


def short_moment(when: datetime | None, zone: tzinfo) -> str:
    """A time without year and zone, for tables whose heading names the zone: ``18 Jun 14:03``."""
    if when is None:
        return UNKNOWN
    local = when.astimezone(zone)
    return f"{local.day} {local:%b %H:%M}"


def ago(when: datetime | None, now: datetime) -> str:
    """How long ago: ``3 min ago``."""
    if when is None:
        return UNKNOWN
    elapsed = now - when
    if elapsed < timedelta(0):
        return f"in {span_of(-elapsed.total_seconds())}"
    return "just now" if elapsed < timedelta(seconds=5) else f"{span_of(elapsed.total_seconds())} ago"


def fact(value: Any) -> str:
    """A value out of an open map as one line of text."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {fact(item)}" for key, item in value.items()) or UNKNOWN
    if isinstance(value, (list, tuple)):
        return ", ".join(fact(item) for item in value) or UNKNOWN
    return str(value)


def plain(name: str) -> str:
    """A name of the API as words: ``missing_modality`` → ``Missing modality``."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]

"""One span as the rest of this package sees it, whichever encoding it arrived in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

# Values nested deeper than any convention goes are cut off here, so that nobody can exhaust the stack.
DEEPEST = 32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SpanEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something noted during a span; some instrumentations put the messages here."""

    name: str
    attributes: dict[str, Any]


class Span(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A finished span. Ids are lower-case hex, ``parent_id`` is empty for a root, times are nanoseconds since 1970 UTC.

    Attribute values are JSON types; bytes are base64 text. A ``stand_in`` holds messages of a span that came apart from it.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start_ns: int
    end_ns: int
    failed: bool = False
    attributes: dict[str, Any] = {}
    events: tuple[SpanEvent, ...] = ()
    resource: dict[str, Any] = {}
    stand_in: bool = False

    @property
    def ended_at(self) -> datetime:
        """When it ended."""
        return time_of(self.end_ns)


def time_of(nanoseconds: int) -> datetime:
    """An aware UTC time; raises OverflowError where it cannot be written."""
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def first(attributes: dict[str, Any], *names: str) -> Any:
    """The value under the first of these names that has one; None where none has."""
    for name in names:
        value = attributes.get(name)
        if value is not None and value != "":
            return value
    return None


def text_of(attributes: dict[str, Any], *names: str) -> str | None:
    """As :func:`first`, as text."""
    value = first(attributes, *names)
    return None if value is None else str(value)


def number_of(attributes: dict[str, Any], *names: str) -> float | None:
    """As :func:`first`, as a number that is not negative; None where it is none."""
    value = first(attributes, *names)
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number < float("inf") else None

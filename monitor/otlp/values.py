"""Values, attributes, ids and times of OTLP in both encodings, whatever signal carries them."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from monitor.otlp.spans import DEEPEST

_INT64 = (-(1 << 63), (1 << 63) - 1)


# --- protobuf -----------------------------------------------------------------------------------------------------


def attributes_pb(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes as JSON types; bytes as base64 text."""
    return {pair.key: value_pb(pair.value) for pair in pairs}


def value_pb(value: AnyValue, depth: int = 0) -> Any:
    """One value as a JSON type; None below :data:`~monitor.otlp.spans.DEEPEST`."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind is None or depth > DEEPEST:
        return None
    if kind == "array_value":
        return [value_pb(item, depth + 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: value_pb(pair.value, depth + 1) for pair in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return _finite(getattr(value, kind))


def _finite(value: Any) -> Any:
    # JSON, in which a record is kept, knows neither infinity nor NaN.
    return None if isinstance(value, float) and not math.isfinite(value) else value


# --- JSON ---------------------------------------------------------------------------------------------------------


class Lenient(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """OTLP asks receivers to ignore fields they do not know; null is the same as absent."""


class JsonValue(Lenient, frozen=True):
    """``AnyValue``."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    bytes_value: str | None = None
    array_value: JsonArray | None = None
    kvlist_value: JsonPairs | None = None


class JsonArray(Lenient, frozen=True):
    """``ArrayValue``."""

    values: list[JsonValue] | None = None


class JsonPair(Lenient, frozen=True):
    """``KeyValue``."""

    key: str
    value: JsonValue | None = None


class JsonPairs(Lenient, frozen=True):
    """``KeyValueList``."""

    values: list[JsonPair] | None = None


class JsonResource(Lenient, frozen=True):
    """``Resource``."""

    attributes: list[JsonPair] | None = None


def nanoseconds_of(value: int | str | None) -> int:
    """A time that came as a number or as text; 0 where it is neither."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) <= 20 else 0
    return value or 0


def attributes_of(pairs: Sequence[JsonPair] | None) -> dict[str, Any]:
    """As :func:`attributes_pb`."""
    return {pair.key: value_of(pair.value) for pair in pairs or ()}


def value_of(value: JsonValue | None, depth: int = 0) -> Any:
    """As :func:`value_pb`."""
    if value is None or depth > DEEPEST:
        return None
    if value.array_value is not None:
        return [value_of(item, depth + 1) for item in value.array_value.values or ()]
    if value.kvlist_value is not None:
        return {pair.key: value_of(pair.value, depth + 1) for pair in value.kvlist_value.values or ()}
    for plain in (value.string_value, value.bool_value, value.bytes_value):
        if plain is not None:
            return plain
    if value.int_value is not None:
        return _integer(str(value.int_value))
    if isinstance(value.double_value, str):
        return None  # "NaN", "Infinity"
    return _finite(value.double_value)


def _integer(text: str) -> int | str:
    """A 64-bit integer, as the protocol has it; anything else stays the text it came as."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
        return text
    number = int(text)
    return number if _INT64[0] <= number <= _INT64[1] else text

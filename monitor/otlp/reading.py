"""From the bytes of an OTLP/HTTP trace request to spans: protobuf and JSON, one bad span never costs its neighbours.

The encodings are those of OTLP 1.x: in JSON ids are hex, 64-bit numbers may be text, unknown fields are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

from monitor.errors import BodyUnsupported, RecordInvalid
from monitor.otlp.spans import Span, SpanEvent
from monitor.otlp.values import JsonPair, JsonResource, Lenient, attributes_of, attributes_pb, nanoseconds_of

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_ERROR = 2
_UINT64 = 1 << 64


class SpanRejected(Exception):
    """This span cannot be taken; the message says why."""


def encoding_of(content_type: str) -> str:
    """``application/x-protobuf`` or ``application/json``. Raises BodyUnsupported for anything else."""
    bare = content_type.split(";")[0].strip().lower()
    if bare not in (PROTOBUF, JSON):
        raise BodyUnsupported("Content-Type", content_type, f"Send {PROTOBUF} or {JSON}")
    return bare


def read_spans(body: bytes, encoding: str) -> tuple[list[Span], list[str]]:
    """The spans of a request, and why others were rejected, one reason a span.

    Raises:
        RecordInvalid: the body as a whole cannot be read.
    """
    spans: list[Span] = []
    rejected: list[str] = []
    for read in _protobuf(body) if encoding == PROTOBUF else _json(body):
        try:
            spans.append(read())
        except SpanRejected as error:
            rejected.append(str(error))
    return spans, rejected


def _span(
    ids: tuple[str, str, str],
    name: str,
    times: tuple[int, int],
    status: int | str,
    rest: tuple[dict[str, Any], Iterable[SpanEvent], dict[str, Any]],
) -> Span:
    trace_id, span_id, parent_id = ids
    named = f"span {name[:80]!r}"
    _check_id(named, "trace_id", trace_id, 32)
    _check_id(named, "span_id", span_id, 16)
    if parent_id.strip("0"):
        _check_id(named, "parent_span_id", parent_id, 16)
    else:
        parent_id = ""
    start, end = times
    if not 0 < start < _UINT64 or not 0 < end < _UINT64:
        raise SpanRejected(f"{named}: start_time_unix_nano and end_time_unix_nano are required")
    if end < start:
        raise SpanRejected(f"{named}: it ends before it starts")
    attributes, events, resource = rest
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id,
        name=name,
        start_ns=start,
        end_ns=end,
        failed=status in (_ERROR, "STATUS_CODE_ERROR"),
        attributes=attributes,
        events=tuple(events),
        resource=resource,
    )


def _check_id(named: str, field: str, value: str, digits: int) -> None:
    if len(value) != digits or not value.strip("0"):
        raise SpanRejected(f"{named}: {field} must be {digits // 2} bytes that are not all zero")


# --- protobuf -----------------------------------------------------------------------------------------------------


def _protobuf(body: bytes) -> Iterable[Callable[[], Span]]:
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise RecordInvalid("$", f"the body is no ExportTraceServiceRequest ({error})", "Send OTLP protobuf, or name its type") from None
    reads: list[Callable[[], Span]] = []
    for group in request.resource_spans:
        resource = attributes_pb(group.resource.attributes)
        reads += [_reader_pb(span, resource) for scope in group.scope_spans for span in scope.spans]
    return reads


def _reader_pb(span: trace_pb2.Span, resource: dict[str, Any]) -> Callable[[], Span]:
    def read() -> Span:
        events = (SpanEvent(name=event.name, attributes=attributes_pb(event.attributes)) for event in span.events)
        return _span(
            (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()),
            span.name,
            (span.start_time_unix_nano, span.end_time_unix_nano),
            span.status.code,
            (attributes_pb(span.attributes), events, resource),
        )

    return read


# --- JSON ---------------------------------------------------------------------------------------------------------


class _Event(Lenient, frozen=True):
    name: str | None = None
    attributes: list[JsonPair] | None = None


class _Status(Lenient, frozen=True):
    code: int | str | None = None


class _Span(Lenient, frozen=True):
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    name: str | None = None
    start_time_unix_nano: int | str | None = None
    end_time_unix_nano: int | str | None = None
    attributes: list[JsonPair] | None = None
    events: list[_Event] | None = None
    status: _Status | None = None


class _ScopeSpans(Lenient, frozen=True):
    spans: list[msgspec.Raw] | None = None


class _ResourceSpans(Lenient, frozen=True):
    resource: JsonResource | None = None
    scope_spans: list[_ScopeSpans] | None = None


class _Request(Lenient, frozen=True):
    resource_spans: list[_ResourceSpans] | None = None


_request_decoder = msgspec.json.Decoder(_Request)
_span_decoder = msgspec.json.Decoder(_Span)


def _json(body: bytes) -> Iterable[Callable[[], Span]]:
    if not body.strip():
        return []
    try:
        request = _request_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RecordInvalid("$", f"the body is no OTLP trace request ({error})", "Send the JSON of an ExportTraceServiceRequest") from None
    reads: list[Callable[[], Span]] = []
    for group in request.resource_spans or ():
        resource = attributes_of(group.resource.attributes if group.resource else None)
        reads += [_reader(raw, resource) for scope in group.scope_spans or () for raw in scope.spans or ()]
    return reads


def _reader(raw: msgspec.Raw, resource: dict[str, Any]) -> Callable[[], Span]:
    def read() -> Span:
        try:
            span = _span_decoder.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise SpanRejected(f"a span is malformed: {error}") from None
        name = span.name or ""
        events = (SpanEvent(name=event.name or "", attributes=attributes_of(event.attributes)) for event in span.events or ())
        return _span(
            (_hex(name, span.trace_id), _hex(name, span.span_id), _hex(name, span.parent_span_id)),
            name,
            (nanoseconds_of(span.start_time_unix_nano), nanoseconds_of(span.end_time_unix_nano)),
            (span.status.code if span.status else None) or 0,
            (attributes_of(span.attributes), events, resource),
        )

    return read


def _hex(name: str, value: str | None) -> str:
    try:
        return bytes.fromhex(value or "").hex()
    except ValueError:
        raise SpanRejected(f"span {name[:80]!r}: ids must be hexadecimal") from None

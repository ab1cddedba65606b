"""Messages that come apart from their spans: the GenAI events, which instrumentations send as OTLP log records.

Known are ``gen_ai.client.inference.operation.details`` (messages in its attributes) and the older ``gen_ai.user.message``,
``gen_ai.choice`` and their kin (the message in the body); see
https://github.com/open-telemetry/semantic-conventions-genai. Each becomes a span that stands in for its own until that comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from monitor.errors import RecordInvalid
from monitor.otlp.conventions import OPERATION
from monitor.otlp.reading import PROTOBUF
from monitor.otlp.shapes import shape_of
from monitor.otlp.spans import Span, SpanEvent
from monitor.otlp.values import (
    JsonPair,
    JsonResource,
    JsonValue,
    Lenient,
    attributes_of,
    attributes_pb,
    nanoseconds_of,
    value_of,
    value_pb,
)

DETAILS = "gen_ai.client.inference.operation.details"
_CHOICE = "gen_ai.choice"
_MESSAGES = ("gen_ai.input.messages", "gen_ai.output.messages")
_SAID = ("content", "parts", "tool_calls")
_UINT64 = 1 << 64


class _Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A log record as far as it matters here."""

    name: str
    trace_id: str
    span_id: str
    time_ns: int
    attributes: dict[str, Any]
    body: Any
    resource: dict[str, Any]


def read_events(body: bytes, encoding: str) -> tuple[list[Span], int]:
    """The messages of a request, and how many log records hold none of a span and are passed over.

    Raises:
        RecordInvalid: the body as a whole cannot be read.
    """
    spans: list[Span] = []
    passed_over = 0
    for record in _protobuf(body) if encoding == PROTOBUF else _json(body):
        span = None if record is None else _stand_in(record)
        if span is None:
            passed_over += 1
        else:
            spans.append(span)
    return spans, passed_over


def _stand_in(record: _Record) -> Span | None:
    """None where it says nothing, or of no span: an instrumentation that may not tell contents sends empty messages."""
    named = len(record.trace_id) == 32 and len(record.span_id) == 16 and record.trace_id.strip("0") and record.span_id.strip("0")
    if not named or not 0 < record.time_ns < _UINT64:
        return None
    attributes = record.attributes
    if record.name == DETAILS:
        said = {name: attributes[name] for name in _MESSAGES if attributes.get(name)}
    elif record.name == _CHOICE or (record.name.startswith("gen_ai.") and record.name.endswith(".message")):
        said = _message(record.body)
    else:
        return None
    if not said:
        return None
    own = {name: attributes[name] for name in shape_of(attributes).beside if name != "event.name"}
    return Span(
        trace_id=record.trace_id,
        span_id=record.span_id,
        parent_id="",
        name=record.name,
        start_ns=record.time_ns,
        end_ns=record.time_ns,
        attributes={OPERATION: "chat", **own},
        events=(SpanEvent(name=record.name, attributes=said),),
        resource=record.resource,
        stand_in=True,
    )


def _message(body: Any) -> dict[str, Any]:
    """The body of an older event, as a map; empty where nothing is said in it."""
    if isinstance(body, str):
        try:
            body = msgspec.json.decode(body)
        except (msgspec.MsgspecError, RecursionError):
            body = {"content": body}
    if not isinstance(body, Mapping):
        return {}
    nested = body.get("message")
    spoken = nested if isinstance(nested, Mapping) else body
    return dict(body) if any(spoken.get(name) for name in _SAID) else {}


# --- protobuf -----------------------------------------------------------------------------------------------------


def _protobuf(body: bytes) -> Iterator[_Record]:
    request = ExportLogsServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise RecordInvalid("$", f"the body is no ExportLogsServiceRequest ({error})", "Send OTLP protobuf, or name its type") from None
    for group in request.resource_logs:
        resource = attributes_pb(group.resource.attributes)
        for one in (record for scope in group.scope_logs for record in scope.log_records):
            attributes = attributes_pb(one.attributes)
            yield _Record(
                name=one.event_name or str(attributes.get("event.name", "")),
                trace_id=one.trace_id.hex(),
                span_id=one.span_id.hex(),
                time_ns=one.time_unix_nano or one.observed_time_unix_nano,
                attributes=attributes,
                body=value_pb(one.body),
                resource=resource,
            )


# --- JSON ---------------------------------------------------------------------------------------------------------


class _LogRecord(Lenient, frozen=True):
    trace_id: str | None = None
    span_id: str | None = None
    time_unix_nano: int | str | None = None
    observed_time_unix_nano: int | str | None = None
    event_name: str | None = None
    attributes: list[JsonPair] | None = None
    body: JsonValue | None = None


class _ScopeLogs(Lenient, frozen=True):
    log_records: list[msgspec.Raw] | None = None


class _ResourceLogs(Lenient, frozen=True):
    resource: JsonResource | None = None
    scope_logs: list[_ScopeLogs] | None = None


class _Request(Lenient, frozen=True):
    resource_logs: list[_ResourceLogs] | None = None


_request_decoder = msgspec.json.Decoder(_Request)
_record_decoder = msgspec.json.Decoder(_LogRecord)


def _json(body: bytes) -> Iterable[_Record | None]:
    if not body.strip():
        return []
    try:
        request = _request_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RecordInvalid("$", f"the body is no OTLP log request ({error})", "Send the JSON of an ExportLogsServiceRequest") from None
    return [
        _read(raw, attributes_of(group.resource.attributes if group.resource else None))
        for group in request.resource_logs or ()
        for scope in group.scope_logs or ()
        for raw in scope.log_records or ()
    ]


def _read(raw: msgspec.Raw, resource: dict[str, Any]) -> _Record | None:
    """None for a record that is malformed, which costs its neighbours nothing."""
    try:
        one = _record_decoder.decode(raw)
        trace_id, span_id = (bytes.fromhex(value or "").hex() for value in (one.trace_id, one.span_id))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    attributes = attributes_of(one.attributes)
    return _Record(
        name=one.event_name or str(attributes.get("event.name", "")),
        trace_id=trace_id,
        span_id=span_id,
        time_ns=nanoseconds_of(one.time_unix_nano) or nanoseconds_of(one.observed_time_unix_nano),
        attributes=attributes,
        body=value_of(one.body),
        resource=resource,
    )

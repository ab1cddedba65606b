"""Spans for tests: small builders, and both encodings of the same request."""

from __future__ import annotations

import json
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanPb

from monitor.otlp.spans import Span

TRACE = "0af7651916cd43dd8448eb211c80319c"
# Noon UTC of 2 March 2026, where the tests' clock stands.
NOON_NS = 1_772_452_800 * 1_000_000_000
SECOND = 1_000_000_000


def span(number: int, parent: int = 0, name: str = "span", start_s: float = 0.0, end_s: float = 1.0, **fields: Any) -> Span:
    """Span ``number`` of a trace, from ``start_s`` to ``end_s`` after noon; parent 0 = a root."""
    return Span(
        trace_id=fields.pop("trace_id", TRACE),
        span_id=f"{number:016x}",
        parent_id=f"{parent:016x}" if parent else "",
        name=name,
        start_ns=NOON_NS + int(start_s * SECOND),
        end_ns=NOON_NS + int(end_s * SECOND),
        **fields,
    )


def chat(number: int, text: str = "A dog.", parent: int = 0, **fields: Any) -> Span:
    """A GenAI chat span whose output is ``text``; nothing but tool calls where it is empty."""
    parts = [{"type": "text", "content": text}] if text else [{"type": "tool_call", "name": "search", "arguments": {}}]
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-x",
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": parts, "finish_reason": "stop"}]),
        **fields.pop("attributes", {}),
    }
    return span(number, parent, name="chat gpt-x", attributes=attributes, **fields)


def value_pb(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[value_pb(item) for item in value]))
    if isinstance(value, dict):
        return AnyValue(kvlist_value=KeyValueList(values=pairs_pb(value)))
    return AnyValue(string_value=str(value))


def pairs_pb(attributes: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value_pb(value)) for key, value in attributes.items()]


def protobuf(spans: list[Span]) -> bytes:
    """As an exporter sends them, one resource for all."""
    made = [
        SpanPb(
            trace_id=bytes.fromhex(one.trace_id),
            span_id=bytes.fromhex(one.span_id),
            parent_span_id=bytes.fromhex(one.parent_id),
            name=one.name,
            start_time_unix_nano=one.start_ns,
            end_time_unix_nano=one.end_ns,
            attributes=pairs_pb(one.attributes),
            events=[SpanPb.Event(name=event.name, attributes=pairs_pb(event.attributes)) for event in one.events],
        )
        for one in spans
    ]
    resource = Resource(attributes=pairs_pb(spans[0].resource if spans else {}))
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=resource, scope_spans=[ScopeSpans(spans=made)])]
    ).SerializeToString()


def value_json(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [value_json(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": pairs_json(value)}}
    return {"stringValue": str(value)}


def pairs_json(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value_json(value)} for key, value in attributes.items()]


def span_json(one: Span) -> dict[str, Any]:
    return {
        "traceId": one.trace_id,
        "spanId": one.span_id,
        "parentSpanId": one.parent_id,
        "name": one.name,
        "kind": 3,
        "startTimeUnixNano": str(one.start_ns),
        "endTimeUnixNano": str(one.end_ns),
        "attributes": pairs_json(one.attributes),
        "events": [{"name": event.name, "timeUnixNano": "1", "attributes": pairs_json(event.attributes)} for event in one.events],
        "status": {"code": 2} if one.failed else {},
    }


def as_json(spans: list[Span], **changes: Any) -> dict[str, Any]:
    made = [{**span_json(one), **changes} for one in spans]
    resource = {"attributes": pairs_json(spans[0].resource if spans else {})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "x"}, "spans": made}]}]}

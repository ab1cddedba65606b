"""Log records for tests: the GenAI events of one call, and both encodings of the same request."""

from __future__ import annotations

import json
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from monitor.otlp.events import DETAILS
from tests.otlp.spans import NOON_NS, SECOND, TRACE, pairs_json, pairs_pb, value_json, value_pb


def record(
    name: str, body: Any = None, *, number: int = 2, at_s: float = 1.0, attribute: bool = False, **attributes: Any
) -> dict[str, Any]:
    """A log record of span ``number``; its name is an attribute, as in the first versions, where ``attribute`` says so."""
    named = {"event.name": name} if attribute else {}
    return {
        "trace_id": TRACE,
        "span_id": f"{number:016x}",
        "time": NOON_NS + int(at_s * SECOND),
        "event_name": "" if attribute else name,
        "attributes": {"gen_ai.system": "openai", **named, **attributes},
        "body": body,
    }


def protobuf(records: list[dict[str, Any]]) -> bytes:
    made = [
        LogRecord(
            trace_id=bytes.fromhex(one["trace_id"]),
            span_id=bytes.fromhex(one["span_id"]),
            time_unix_nano=one["time"],
            event_name=one["event_name"],
            attributes=pairs_pb(one["attributes"]),
            body=None if one["body"] is None else value_pb(one["body"]),
        )
        for one in records
    ]
    group = ResourceLogs(resource=Resource(attributes=pairs_pb({"service.name": "app"})), scope_logs=[ScopeLogs(log_records=made)])
    return ExportLogsServiceRequest(resource_logs=[group]).SerializeToString()


def as_json(records: list[dict[str, Any]]) -> bytes:
    made = [
        {
            "traceId": one["trace_id"],
            "spanId": one["span_id"],
            "observedTimeUnixNano": str(one["time"]),
            "eventName": one["event_name"],
            "attributes": pairs_json(one["attributes"]),
            **({} if one["body"] is None else {"body": value_json(one["body"])}),
        }
        for one in records
    ]
    resource = {"attributes": pairs_json({"service.name": "app"})}
    return json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": made}]}]}).encode()


PICTURE = "data:image/png;base64,iVBORw0KGgo="
QUESTION = record(
    "gen_ai.user.message",
    {"content": [{"type": "text", "text": "What is shown?"}, {"type": "image_url", "image_url": {"url": PICTURE}}]},
)
CHOICE = record("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "A dog."}})
WHOLE = record(
    DETAILS,
    **{
        "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "What is shown?"}]}],
        "gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "A dog."}], "finish_reason": "stop"}],
        "gen_ai.request.model": "gpt-x",
    },
)

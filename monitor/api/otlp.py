"""``POST /v1/traces`` and ``/v1/logs``: OTLP/HTTP, as any OpenTelemetry SDK or Collector sends it.

Of logs only the messages of GenAI calls are taken, which some instrumentations send apart from their spans.

Answers are in the encoding of the request: 200 with ``partial_success`` where spans were rejected, 400 for what cannot
be read, and only 429 and 503 (with ``Retry-After``) for what may be sent again, as the OTLP specification has it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, HTTPException, Request, Response
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsPartialSuccess, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTracePartialSuccess, ExportTraceServiceResponse

from monitor.api.access import GuardedRoute, Who
from monitor.api.context import Context, Running
from monitor.api.intake import Intake
from monitor.api.problems import CHALLENGE, OUR_FAULT, PROBLEM_TYPE, note_fault, status_of
from monitor.errors import BodyUnsupported, GroundwatchError, SlowDown
from monitor.ingest import decompress
from monitor.otlp.events import read_events
from monitor.otlp.reading import JSON, PROTOBUF, encoding_of

# Google's canonical codes (google/rpc/code.proto) of the statuses given here.
_CODES = {400: 3, 401: 16, 403: 7, 413: 11, 415: 3, 429: 8, 503: 14}
_RETRY_AFTER_S = 5
_NAMED_REASONS = 5
_OBJECT = {"schema": {"type": "object", "description": "The JSON of an OTLP export request or its reply."}}
_BINARY = {"schema": {"type": "string", "format": "binary", "description": "An OTLP export request or its reply."}}
_REFUSALS = {PROTOBUF: _BINARY, JSON: _OBJECT, PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
# Both signals speak alike.
_DOCUMENTED: dict[str, Any] = {
    "status_code": 200,
    "response_model": None,
    "responses": {
        200: {"description": "Taken, or taken in part", "content": {PROTOBUF: _BINARY, JSON: _OBJECT}},
        "default": {"description": "A google.rpc.Status in the encoding of the request, or a problem", "content": _REFUSALS},
    },
    "openapi_extra": {"requestBody": {"required": False, "content": {PROTOBUF: _BINARY, JSON: _OBJECT}}},
}


class OtlpRoute(GuardedRoute):
    """A guarded route whose refusals are all a ``google.rpc.Status``, also those before its body is read."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The guarded handler, and what becomes of its errors."""
        answer = super().get_route_handler()

        async def answering(request: Request) -> Response:
            try:
                return await answer(request)
            except (GroundwatchError, HTTPException) as error:
                reply = _refusal(error, _encoding_to_answer_in(request))
                running: Context = request.app.state.context
                if isinstance(error, GroundwatchError):
                    note_fault(request, error)
            running.metrics.refused_requests.labels(str(reply.status_code)).inc()
            return reply

        return answering


router = APIRouter(route_class=OtlpRoute, tags=["ingest"])


@router.post("/v1/traces", **_DOCUMENTED)
async def take_traces(request: Request, running: Running, who: Who) -> Response:
    """Log spans of GenAI calls (OTLP/HTTP). 200: what was not rejected is on disk."""
    intake: Intake = request.app.state.intake
    encoding = encoding_of(request.headers.get("content-type", ""))
    async with intake.body(request) as body:
        taken, rejected = await run_sync(
            _take, running, who.project, body, encoding, request.headers.get("content-encoding", ""), limiter=intake.threads
        )
    running.metrics.otlp_spans.labels("accepted").inc(taken)
    running.metrics.otlp_spans.labels("rejected").inc(len(rejected))
    message = ExportTraceServiceResponse()
    if rejected:
        message.partial_success.CopyFrom(ExportTracePartialSuccess(rejected_spans=len(rejected), error_message=_told(rejected)))
    return _success(message, encoding)


def _take(running: Context, project: str, body: bytes, encoding: str, content_encoding: str) -> tuple[int, list[str]]:
    running.limits.check(project)
    request = running.span_requests.read(decompress(body, content_encoding, running.settings.max_body_bytes), encoding)
    refused, responses = running.traces.take(project, request.traces)
    running.limits.charge(project, responses=responses)
    return sum(trace.spans for trace in request.traces) - len(refused), request.malformed + refused


@router.post("/v1/logs", **_DOCUMENTED)
async def take_logs(request: Request, running: Running, who: Who) -> Response:
    """Log the messages of GenAI calls that come as events (OTLP/HTTP); they join their spans. Other log records are rejected."""
    intake: Intake = request.app.state.intake
    encoding = encoding_of(request.headers.get("content-type", ""))
    async with intake.body(request) as body:
        rejected, reasons = await run_sync(
            _take_events, running, who.project, body, encoding, request.headers.get("content-encoding", ""), limiter=intake.threads
        )
    message = ExportLogsServiceResponse()
    if rejected:
        message.partial_success.CopyFrom(ExportLogsPartialSuccess(rejected_log_records=rejected, error_message=_told(reasons)))
    return _success(message, encoding)


def _take_events(running: Context, project: str, body: bytes, encoding: str, content_encoding: str) -> tuple[int, list[str]]:
    """How many log records were rejected, and why."""
    running.limits.check(project)
    events, passed_over = read_events(decompress(body, content_encoding, running.settings.max_body_bytes), encoding)
    reasons = running.traces.take_events(project, events)
    rejected = passed_over + len(reasons)
    running.metrics.otlp_events.labels("accepted").inc(len(events) - len(reasons))
    running.metrics.otlp_events.labels("rejected").inc(rejected)
    if passed_over:
        reasons.append(f"{passed_over} log records hold no message of a GenAI span; only those are kept here")
    return rejected, reasons


def _told(reasons: Sequence[str]) -> str:
    more = f"; and {len(reasons) - _NAMED_REASONS} more" if len(reasons) > _NAMED_REASONS else ""
    return "; ".join(reasons[:_NAMED_REASONS]) + more


def _success(message: ExportTraceServiceResponse | ExportLogsServiceResponse, encoding: str) -> Response:
    if encoding == PROTOBUF:
        return Response(message.SerializeToString(), 200, media_type=PROTOBUF)
    return Response(MessageToJson(message, indent=None), 200, media_type=JSON)


def _encoding_to_answer_in(request: Request) -> str:
    try:
        return encoding_of(request.headers.get("content-type", ""))
    except BodyUnsupported:
        return PROTOBUF


def _refusal(error: GroundwatchError | HTTPException, encoding: str) -> Response:
    """A ``google.rpc.Status``. A full disk is 503 here: the only status of its kind that exporters send again after."""
    known = error.status_code if isinstance(error, HTTPException) else status_of(error)
    status = 503 if known in (500, 507) else known
    headers = {}
    if status in (429, 503):
        headers["Retry-After"] = str(error.retry_after_s if isinstance(error, SlowDown) else _RETRY_AFTER_S)
    elif status == 401:
        headers["WWW-Authenticate"] = CHALLENGE
    detail = OUR_FAULT if known == 500 else error.detail if isinstance(error, HTTPException) else str(error)
    message: Message = Status(code=_CODES.get(status, 2), message=detail)
    if encoding == PROTOBUF:
        return Response(message.SerializeToString(), status, headers, PROTOBUF)
    return Response(json.dumps({"code": _CODES.get(status, 2), "message": detail}), status, headers, JSON)

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from monitor.errors import SlowDown, StorageUnavailable
from monitor.otlp.reading import JSON, PROTOBUF
from tests.api.conftest import Api
from tests.otlp import logs
from tests.otlp.spans import as_json, chat, protobuf, span

PATHS = ("/v1/traces", "/v1/logs")


def post(api: Api, body: bytes, kind: str = PROTOBUF, path: str = "/v1/traces", **headers: str) -> Any:
    return api.http.post(path, content=body, headers={"Content-Type": kind, **headers})


def test_a_full_success_says_nothing_in_the_encoding_of_the_request(api: Api) -> None:
    reply = post(api, protobuf([chat(1)]))
    assert (reply.status_code, reply.headers["content-type"], reply.content) == (200, PROTOBUF, b"")
    reply = post(api, json.dumps(as_json([chat(1)])).encode(), JSON)
    assert (reply.status_code, reply.json()) == (200, {})
    assert len(api.spool.taken) == 1


def test_gzip_and_empty_requests_are_taken(api: Api) -> None:
    assert post(api, gzip.compress(protobuf([chat(1)])), **{"Content-Encoding": "gzip"}).status_code == 200
    assert post(api, b"").status_code == 200
    assert len(api.spool.taken) == 1


def test_rejected_spans_are_counted_and_named_and_the_others_kept(api: Api) -> None:
    body = as_json([chat(1), span(2, name="broken")])
    body["resourceSpans"][0]["scopeSpans"][0]["spans"][1]["traceId"] = "00"
    reply = post(api, json.dumps(body).encode(), JSON)
    assert reply.status_code == 200
    assert reply.json()["partialSuccess"]["rejectedSpans"] == "1"
    assert "broken" in reply.json()["partialSuccess"]["errorMessage"]
    assert len(api.spool.taken) == 1
    message = ExportTraceServiceResponse.FromString(post(api, protobuf([chat(1, start_s=1e6, end_s=1e6 + 1)])).content)
    assert message.partial_success.rejected_spans == 1


def test_messages_that_come_as_log_records_are_taken_and_other_log_records_are_named(api: Api) -> None:
    path = "/v1/logs"
    assert (post(api, b"", path=path).status_code, post(api, b"", path=path).content) == (200, b"")
    reply = post(api, logs.protobuf([logs.QUESTION, logs.CHOICE]), path=path)
    assert (reply.status_code, reply.headers["content-type"], reply.content) == (200, PROTOBUF, b"")
    ((_, identifier),) = api.spool.taken
    assert identifier.startswith(f"{logs.TRACE}:"), "they wait for their span"
    mixed = [logs.CHOICE, logs.record("app.started", "hello")]
    partial = post(api, logs.as_json(mixed), JSON, path).json()["partialSuccess"]
    assert partial["rejectedLogRecords"] == "1"
    assert "only those are kept" in partial["errorMessage"]
    message = ExportLogsServiceResponse.FromString(post(api, logs.protobuf(mixed), path=path).content)
    assert message.partial_success.rejected_log_records == 1


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("body", "kind", "headers", "status"),
    [
        (b"\x0a\xff\xff\xff\xff\x0f", PROTOBUF, {}, 400),
        (b"{", JSON, {}, 400),
        (b"x", PROTOBUF, {"Content-Encoding": "gzip"}, 400),
        (b"{}", "text/plain", {}, 415),
        (b"{}", JSON, {"Content-Encoding": "br"}, 415),
        (gzip.compress(bytes(60_000)), JSON, {"Content-Encoding": "gzip"}, 413),
    ],
)
def test_what_cannot_be_read_is_a_status_in_the_encoding_of_the_request(
    api: Api, body: bytes, kind: str, headers: dict[str, str], status: int, path: str
) -> None:
    reply = post(api, body, kind, path, **headers)
    assert reply.status_code == status
    assert "retry-after" not in reply.headers
    told = reply.json()["message"] if kind == JSON else Status.FromString(reply.content).message
    assert told


@pytest.mark.parametrize(("path", "body"), [(PATHS[0], protobuf([chat(1)])), (PATHS[1], logs.protobuf([logs.CHOICE]))])
@pytest.mark.parametrize(
    ("failure", "status"), [(SlowDown("spool", "1 byte", 7), 429), (StorageUnavailable("/data", "No space left on device"), 503)]
)
def test_what_may_be_sent_again_says_when(api: Api, failure: Exception, status: int, path: str, body: bytes) -> None:
    api.spool.failure = failure
    reply = post(api, body, path=path)
    assert reply.status_code == status
    assert int(reply.headers["retry-after"]) > 0
    assert Status.FromString(reply.content).message
    assert len(api.refused_writes) == (status == 503), "readiness hears of a full disk"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_whose_size_alone_is_too_much_is_a_status_too(api: Api, chunked: bool, path: str) -> None:
    body = b" " * 60_000
    reply = api.http.post(path, content=iter([body]) if chunked else body, headers={"Content-Type": JSON})
    assert (reply.status_code, reply.headers["content-type"]) == (413, JSON)
    assert "larger than" in reply.json()["message"]


@pytest.mark.parametrize("path", PATHS)
def test_spans_and_their_messages_need_the_role_ingest_and_the_refusal_is_a_status(guarded: Api, path: str) -> None:
    reply = post(guarded, b"", path=path)
    assert (reply.status_code, reply.headers["content-type"]) == (401, PROTOBUF)
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert "Authorization" in Status.FromString(reply.content).message

"""The real SDK and real instrumentations against a running sidecar."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

from tests.otlp.spans import as_json, chat, protobuf
from tests.serving import Sidecar, environment

pytestmark = pytest.mark.server

APPLICATION = Path(__file__).parent / "instrumented.py"


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    running = Sidecar(tmp_path_factory.mktemp("otlp") / "data", GROUNDWATCH_TRACE_WAIT_S="1")
    running.wait_ready()
    yield running
    running.end()


class Model(BaseHTTPRequestHandler):
    """Answers as OpenAI's chat API does."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1,
                "model": "gpt-x-2026",
                "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "A red square."}}],
                "usage": {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15},
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def responses(sidecar: Sidecar, workflow: str, count: int) -> list[dict[str, Any]]:
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        items: list[dict[str, Any]] = sidecar.get(f"/v1/responses?workflow={workflow}&limit=500")["items"]
        if len(items) >= count:
            return items
        time.sleep(0.1)
    raise AssertionError(f"{workflow}: {len(items)} of {count} responses\n{sidecar.log.read_text()}")


@pytest.mark.parametrize("processor", [SimpleSpanProcessor, BatchSpanProcessor])
def test_the_sdk_exporter_logs_a_trace_as_one_response(sidecar: Sidecar, processor: type[SimpleSpanProcessor]) -> None:
    workflow = f"sdk-{processor.__name__}"
    provider = TracerProvider(resource=Resource.create({"service.name": workflow}))
    provider.add_span_processor(processor(OTLPSpanExporter(f"{sidecar.url}/v1/traces")))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("request"):
        with tracer.start_as_current_span("retrieve", attributes={"openinference.span.kind": "RETRIEVER"}) as retrieval:
            retrieval.set_attribute("retrieval.documents.0.document.content", "The square is red.")
        with tracer.start_as_current_span("chat", attributes={"gen_ai.operation.name": "chat"}) as call:
            parts = [{"type": "text", "content": "It is red."}]
            call.set_attribute("gen_ai.output.messages", json.dumps([{"role": "assistant", "parts": parts}]))
    provider.shutdown()
    (item,) = responses(sidecar, workflow, 1)
    detail = sidecar.get(f"/v1/responses/{item['id']}")
    assert detail["answer"] == "It is red."
    assert [piece["text"] for piece in detail["evidence"]] == ["The square is red."]
    assert {stage["name"] for stage in detail["stages"]} == {"request", "retrieve", "infer"}


@pytest.mark.parametrize("instrumentation", ["opentelemetry", "opentelemetry-events", "openinference"])
def test_a_real_instrumentation_logs_question_answer_picture_and_tokens(sidecar: Sidecar, model: str, instrumentation: str) -> None:
    workflow = f"app-{instrumentation}"
    run = subprocess.run(
        [sys.executable, str(APPLICATION), instrumentation, model],
        env=environment(OTEL_EXPORTER_OTLP_ENDPOINT=sidecar.url, OTEL_SERVICE_NAME=workflow),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    (item,) = responses(sidecar, workflow, 1)
    detail = sidecar.get(f"/v1/responses/{item['id']}")
    assert (detail["question"], detail["answer"], item["model"]) == ("What is shown?", "A red square.", "gpt-x-2026")
    assert sum(one["quantity"] for one in detail["usage"]) == 15
    (picture,) = detail["evidence"]
    assert picture["media_type"] == "image/png"
    assert picture["url"].startswith("/v1/evidence/")


def test_a_collector_batch_of_many_services_is_taken_at_once(sidecar: Sidecar) -> None:
    # The Collector's batch processor puts resources of many services, thousands of spans, into one gzip request.
    body = {"resourceSpans": []}
    for number in range(60):
        spans = [chat(n + 1, f"Answer {n}.", trace_id=f"{number:030x}{n + 1:02x}", resource={"service.name": "fleet"}) for n in range(10)]
        now = time.time_ns()
        for entry in as_json(spans)["resourceSpans"]:
            for one in entry["scopeSpans"][0]["spans"]:
                one["startTimeUnixNano"], one["endTimeUnixNano"] = str(now - 10**9), str(now)
            body["resourceSpans"].append(entry)
    with httpx.Client(base_url=sidecar.url) as client:
        reply = client.post("/v1/traces", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()) == (200, {})
    assert len(responses(sidecar, "fleet", 500)) == 500


def test_acknowledged_spans_survive_a_kill(tmp_path: Path) -> None:
    sidecar = Sidecar(tmp_path / "data", GROUNDWATCH_TRACE_WAIT_S="0.5")
    sidecar.wait_ready()
    now = time.time_ns()
    sent = []
    for number in range(1, 41):
        # Half of them wait for a root that never comes.
        one = chat(number, parent=99 if number % 2 else 0, trace_id=f"{number:032x}", resource={"service.name": "killed"})
        body = as_json([one], startTimeUnixNano=str(now - 10**9), endTimeUnixNano=str(now))
        reply = httpx.post(f"{sidecar.url}/v1/traces", json=body)
        assert reply.json() == {}
        sent.append(f"{one.trace_id}-{one.span_id}")
    sidecar.kill()
    sidecar.restart()
    try:
        assert sorted(item["id"] for item in responses(sidecar, "killed", 40)) == sorted(sent)
    finally:
        sidecar.end()


def test_protobuf_of_the_wrong_type_is_refused_without_harm(sidecar: Sidecar) -> None:
    reply = httpx.post(f"{sidecar.url}/v1/traces", content=protobuf([chat(1)]), headers={"Content-Type": "application/json"})
    assert reply.status_code == 400

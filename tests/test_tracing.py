from __future__ import annotations

import gzip
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from monitor.errors import SettingsInvalid
from monitor.tracing import configure_tracing, end_tracing, span
from tests.serving import Sidecar, command


def test_without_an_address_nothing_is_traced() -> None:
    assert configure_tracing("") is None
    with span("quiet") as own:
        assert own is None


def test_spans_carry_counts_errors_and_the_callers_trace() -> None:
    exporter = InMemorySpanExporter()
    provider = configure_tracing("http://127.0.0.1:9/v1/traces", exporter)
    caller = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    with span("outer", {"groundwatch.records": 3}, caller), pytest.raises(ValueError, match="wrong"), span("inner"):
        raise ValueError("wrong")
    provider.force_flush()
    found = {one.name: one for one in exporter.get_finished_spans()}
    end_tracing(provider)
    assert f"{found['outer'].context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert found["outer"].attributes == {"groundwatch.records": 3}
    assert found["inner"].status.status_code is StatusCode.ERROR


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(SettingsInvalid, match=r"groundwatch\[tracing\]"):
        configure_tracing("http://127.0.0.1:4318/v1/traces")


class Collector(BaseHTTPRequestHandler):
    names: set[str] = set()  # noqa: RUF012 - shared by all requests on purpose

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        for group in ExportTraceServiceRequest.FromString(plain).resource_spans:
            self.names.update(one.name for scope in group.scope_spans for one in scope.spans)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.mark.server
def test_a_sidecar_tells_a_collector_of_its_requests_and_batches(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sidecar = Sidecar(tmp_path / "data", GROUNDWATCH_OWN_TRACES_URL=f"http://127.0.0.1:{server.server_port}/v1/traces")
    try:
        sidecar.wait_ready()
        record = {"id": "t-1", "time": datetime.now(UTC).isoformat(), "workflow": "qa", "answer": {"text": "x"}}
        httpx.post(f"{sidecar.url}/v1/responses", json=record).raise_for_status()
        sidecar.wait_drained()
        assert sidecar.stop()[0] == 0
        assert {"POST request", "GET request", "store batch"} <= Collector.names
    finally:
        sidecar.end()
        server.shutdown()
        server.server_close()


def test_an_unreadable_setting_stops_the_start_and_names_the_variable(tmp_path: Path) -> None:
    done = command("serve", data=tmp_path, GROUNDWATCH_TRACE_WAIT_S="soon")
    assert done.returncode == 2
    assert "GROUNDWATCH_TRACE_WAIT_S" in done.stderr

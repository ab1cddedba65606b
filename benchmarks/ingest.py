"""How fast spans and responses are taken in, durable and readable, beside Phoenix and MLflow on the same bodies.

    python -m benchmarks.ingest --rounds 5 [--phoenix /path/to/venv] [--mlflow /path/to/venv]

Each server runs alone with its own defaults on this machine; rounds go through the servers in turn. A round sends the same
number of GenAI chat spans (fresh ids, OTLP protobuf, 50 a request, several connections) and stops two clocks: when the
last request is answered, and when the last span can be read through the server's own API. ``native`` sends batches of
100 records of 2 KB to groundwatch. Prints medians and ranges as JSON. A load of one machine against itself: ratios count.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from monitor.otlp.spans import Span
from tests.otlp.spans import chat, protobuf
from tests.serving import Sidecar, free_port

CONNECTIONS = 4
SPANS_A_REQUEST = 50
RECORDS_A_REQUEST = 100
LONGEST_S = 300.0
TEXT = "The receipt shows a total of 41.20 EUR, paid by card. " * 8


def otlp_bodies(spans: int, service: str) -> list[bytes]:
    """Requests of whole traces, each a chat span with a question, an answer and token counts."""
    now = time.time_ns()
    made: list[Span] = []
    for _ in range(spans):
        span = chat(
            1,
            TEXT,
            trace_id=secrets.token_hex(16),
            attributes={
                "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": TEXT}]}]),
                "gen_ai.usage.input_tokens": 120,
                "gen_ai.usage.output_tokens": 30,
                "openinference.span.kind": "LLM",
            },
            resource={"service.name": service, "openinference.project.name": service},
        )
        made.append(msgspec.structs.replace(span, span_id=secrets.token_hex(8), start_ns=now - 10**9, end_ns=now))
    return [protobuf(made[start : start + SPANS_A_REQUEST]) for start in range(0, spans, SPANS_A_REQUEST)]


def native_bodies(records: int) -> list[bytes]:
    """Requests of 100 records of about 2 KB."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    made = [
        {
            "id": secrets.token_hex(12),
            "time": now,
            "workflow": "bench",
            "answer": {"text": TEXT * 2},
            "question": {"text": TEXT},
            "cohort": {"device": "phone", "region": "eu"},
            "model": {"provider": "openai", "name": "gpt-x"},
            "stages": [{"name": "infer", "duration_ms": 812.5}],
            "usage": [{"item": "input_tokens", "quantity": 120, "unit": "tokens"}],
        }
        for _ in range(records)
    ]
    return [msgspec.json.encode(made[start : start + RECORDS_A_REQUEST]) for start in range(0, records, RECORDS_A_REQUEST)]


def send_all(url: str, bodies: list[bytes], headers: dict[str, str]) -> tuple[float, dict[int, int]]:
    """Seconds until every request was answered well, and how often it had to be sent again, by status."""
    waiting = list(reversed(bodies))
    lock = threading.Lock()
    again: dict[int, int] = {}

    def work() -> None:
        with httpx.Client(timeout=120, trust_env=False) as client:
            while True:
                with lock:
                    if not waiting:
                        return
                    body = waiting.pop()
                reply = client.post(url, content=body, headers=headers)
                if not reply.is_success:
                    with lock:
                        again[reply.status_code] = again.get(reply.status_code, 0) + 1
                        waiting.append(body)
                    time.sleep(float(reply.headers.get("retry-after", 0.2)))

    began = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began, again


class Groundwatch:
    """Detection off; the embedded store."""

    def __init__(self, folder: Path) -> None:
        self.sidecar = Sidecar(folder / "data")
        self.sidecar.wait_ready()
        self.url = f"{self.sidecar.url}/v1/traces"
        self.headers: dict[str, str] = {}

    def readable(self, service: str) -> int:
        return int(self.sidecar.get(f"/v1/summary?workflow={service}")["responses"])

    def stop(self) -> None:
        self.sidecar.end()


class Peer:
    """A server of another project, started from a virtual environment of its own."""

    def __init__(self, command: list[str], environment: dict[str, str], health: str, folder: Path) -> None:
        self.log = (folder / "log").open("wb")
        self.process = subprocess.Popen(
            command, env={**os.environ, **environment}, cwd=folder, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True
        )
        self.headers: dict[str, str] = {}
        limit = time.monotonic() + 180
        while time.monotonic() < limit:
            try:
                if httpx.get(health, timeout=5, trust_env=False).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.5)
        raise SystemExit(f"{command[0]} did not start: {(folder / 'log').read_text()[-2000:]}")

    def stop(self) -> None:
        os.killpg(self.process.pid, 9)
        self.process.wait()
        self.log.close()


class Phoenix(Peer):
    """SQLite in a folder."""

    def __init__(self, venv: Path, folder: Path) -> None:
        port, grpc = free_port(), free_port()
        self.base = f"http://127.0.0.1:{port}"
        self.url = f"{self.base}/v1/traces"
        environment = {
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(grpc),
            "PHOENIX_WORKING_DIR": str(folder),
            "PHOENIX_HOST": "127.0.0.1",
        }
        super().__init__([str(venv / "bin" / "phoenix"), "serve"], environment, f"{self.base}/healthz", folder)

    def readable(self, service: str) -> int:
        count, cursor = 0, ""
        while cursor is not None:
            reply = httpx.get(f"{self.base}/v1/projects/{service}/spans?limit=1000&cursor={cursor}", timeout=120, trust_env=False)
            if reply.status_code == 404:
                return 0
            page = reply.raise_for_status().json()
            count, cursor = count + len(page["data"]), page.get("next_cursor")
        return count


class MLflow(Peer):
    """SQLite in a folder."""

    def __init__(self, venv: Path, folder: Path) -> None:
        port = free_port()
        self.base = f"http://127.0.0.1:{port}"
        self.url = f"{self.base}/v1/traces"
        command = [str(venv / "bin" / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
        super().__init__([*command, "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"], {}, f"{self.base}/health", folder)
        self.headers = {"x-mlflow-experiment-id": "0"}
        self._before = 0

    def readable(self, service: str) -> int:
        """Traces beyond those of earlier rounds."""
        location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}
        count, token = 0, None
        while True:
            body: dict[str, Any] = {"locations": [location], "max_results": 500, **({"page_token": token} if token else {})}
            reply = httpx.post(f"{self.base}/api/3.0/mlflow/traces/search", json=body, timeout=120, trust_env=False)
            page = reply.raise_for_status().json()
            count += len(page.get("traces", []))
            token = page.get("next_page_token")
            if not token:
                return count - self._before

    def forget(self) -> None:
        self._before += self.readable("")


def one_round(server: Any, bodies: list[bytes], spans: int, service: str) -> dict[str, float]:
    headers = {"Content-Type": "application/x-protobuf", **server.headers}
    began = time.perf_counter()
    answered, again = send_all(server.url, bodies, headers)
    while (found := server.readable(service)) < spans and time.perf_counter() - began < LONGEST_S:
        time.sleep(0.05)
    whole = time.perf_counter() - began
    if hasattr(server, "forget"):
        server.forget()
    return {
        "acked_per_s": spans / answered,
        "readable_per_s": found / whole,
        "readable_lag_s": whole - answered,
        "sent_again": sum(again.values()),
    }


def native_round(server: Groundwatch, records: int) -> dict[str, float]:
    before = server.readable("bench")
    bodies = native_bodies(records)
    began = time.perf_counter()
    answered, again = send_all(f"{server.sidecar.url}/v1/responses", bodies, {"Content-Type": "application/json"})
    while server.readable("bench") - before < records and time.perf_counter() - began < LONGEST_S:
        time.sleep(0.05)
    whole = time.perf_counter() - began
    return {
        "acked_per_s": records / answered,
        "readable_per_s": records / whole,
        "readable_lag_s": whole - answered,
        "sent_again": sum(again.values()),
    }


def spread(rounds: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Median and range of every number."""
    return {
        name: {"median": statistics.median(values), "low": min(values), "high": max(values)}
        for name in rounds[0]
        if (values := [one[name] for one in rounds])
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--spans", type=int, default=3000)
    parser.add_argument("--records", type=int, default=20000)
    parser.add_argument("--phoenix", type=Path, help="virtual environment with arize-phoenix")
    parser.add_argument("--mlflow", type=Path, help="virtual environment with mlflow")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-ingest-"))
    makers: dict[str, Callable[[Path], Any]] = {"groundwatch": Groundwatch}
    if given.phoenix:
        makers["phoenix"] = lambda at: Phoenix(given.phoenix, at)
    if given.mlflow:
        makers["mlflow"] = lambda at: MLflow(given.mlflow, at)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in makers}
    native: list[dict[str, float]] = []
    try:
        for number in range(given.rounds):
            for name, make in makers.items():
                at = folder / f"{name}-{number}"
                at.mkdir()
                server = make(at)
                try:
                    service = f"bench-{number}"
                    one_round(server, otlp_bodies(SPANS_A_REQUEST, "warm"), SPANS_A_REQUEST, "warm")
                    found[name].append(one_round(server, otlp_bodies(given.spans, service), given.spans, service))
                    if isinstance(server, Groundwatch):
                        native.append(native_round(server, given.records))
                finally:
                    server.stop()
                print(f"round {number + 1} {name}: {found[name][-1]}", file=sys.stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps({"otlp": {name: spread(rounds) for name, rounds in found.items()}, "native": spread(native)}, indent=1))


if __name__ == "__main__":
    main()

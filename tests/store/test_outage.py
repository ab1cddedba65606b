"""A sidecar on a ClickHouse server that goes away under load and comes back."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from tests.clickhouse_server import ClickHouse
from tests.serving import Sidecar


def batch(start: int) -> list[dict[str, Any]]:
    now = datetime.now(UTC).isoformat()
    return [
        {"id": f"r{number}", "time": now, "workflow": "outage", "answer": {"text": f"It is {number}."}}
        for number in range(start, start + 50)
    ]


def test_a_sidecar_that_starts_while_the_server_is_away_takes_responses_in_and_stores_them_later(tmp_path: Path) -> None:
    server = ClickHouse(tmp_path / "clickhouse")
    server.kill()
    sidecar = Sidecar(tmp_path / "data", GROUNDWATCH_CLICKHOUSE_URL=server.url)
    try:
        sidecar.wait_ready()
        assert httpx.post(f"{sidecar.url}/v1/responses", json=batch(0), timeout=30).status_code == 202
        assert sidecar.get("/v1/status")["store_problem"]
        server.start()
        sidecar.wait_drained()
        assert Counter(sidecar.everything()) == {f"r{number}": 1 for number in range(50)}
        assert sidecar.get("/v1/status")["store_problem"] is None
    finally:
        sidecar.end()
        server.kill()


def test_what_was_acknowledged_while_the_server_was_away_is_there_once_afterwards(tmp_path: Path) -> None:
    server = ClickHouse(tmp_path / "clickhouse")
    sidecar = Sidecar(tmp_path / "data", GROUNDWATCH_CLICKHOUSE_URL=server.url)
    try:
        sidecar.wait_ready()
        assert sidecar.get("/v1/status")["store"].startswith("clickhouse://127.0.0.1")
        with httpx.Client(base_url=sidecar.url, timeout=30) as client:
            assert client.post("/v1/responses", json=batch(0)).status_code == 202
            sidecar.wait_drained()
            server.kill()
            for start in range(50, 500, 50):
                assert client.post("/v1/responses", json=batch(start)).status_code == 202
            status = sidecar.get("/v1/status")
            assert (status["spooled"], status["undetected"]) == (450, None)
            assert status["store_problem"]
            assert client.get("/readyz").is_success
            assert client.get("/v1/responses").status_code == 503
            server.start()
            # Sent again, as a client does that never had its answer.
            assert client.post("/v1/responses", json=batch(450)).json()["duplicates"] == 50
        sidecar.wait_drained()
        assert Counter(sidecar.everything()) == {f"r{number}": 1 for number in range(500)}
        assert sidecar.stop()[0] == 0
    finally:
        sidecar.end()
        server.kill()

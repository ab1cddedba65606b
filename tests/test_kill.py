"""``kill -9`` at any moment: what was acknowledged is there, once."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving import Sidecar

pytestmark = pytest.mark.server
KILLS = 3
THREADS = 6


def record(identifier: str) -> dict[str, Any]:
    return {
        "id": identifier,
        "time": datetime.now(UTC).isoformat(),
        "workflow": "kill-test",
        "answer": {"text": f"The number is {identifier}."},
        "cohort": {"device": "phone"},
        "stages": [{"name": "infer", "duration_ms": 12.5}],
    }


class Load:
    """Threads that post batches; knows what was acknowledged, and what was sent without an answer."""

    def __init__(self, url: str, round_number: int) -> None:
        self._url, self._round = url, round_number
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self.acknowledged: Counter[str] = Counter()
        self.unanswered: list[list[str]] = []
        self.refused: list[Any] = []
        self._threads = [threading.Thread(target=self._post, args=(number,)) for number in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def _post(self, number: int) -> None:
        chance = random.Random(f"{self._round}-{number}")
        with httpx.Client(base_url=self._url, timeout=30) as client:
            for batch in range(100_000):
                if self._ending.is_set():
                    return
                ids = [f"r{self._round}-t{number}-b{batch}-{item}" for item in range(chance.randint(1, 20))]
                if not self.send(client, ids):
                    return

    def send(self, client: httpx.Client, ids: list[str]) -> bool:
        """False when the sidecar is gone; its answer stays unknown then."""
        try:
            reply = client.post("/v1/responses", json=[record(identifier) for identifier in ids])
        except httpx.TransportError:
            with self._lock:
                self.unanswered.append(ids)
            return False
        with self._lock:
            for item in reply.json().get("items", [{"status": reply.text}]):
                if item["status"] in ("accepted", "duplicate"):
                    self.acknowledged[item["id"]] += 1
                else:
                    self.refused.append(item)
        return True

    def end(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def sidecar(tmp_path: Path) -> Iterator[Sidecar]:
    sidecar = Sidecar(tmp_path / "data")
    try:
        sidecar.wait_ready()
        yield sidecar
    finally:
        sidecar.end()


def test_nothing_acknowledged_is_lost_or_doubled_by_kill_9(sidecar: Sidecar) -> None:
    acknowledged: set[str] = set()
    for number in range(KILLS):
        load = Load(sidecar.url, number)
        # At different moments of the drain's work, whose batches take some tenths of a second.
        time.sleep(0.8 + 0.35 * number)
        sidecar.kill()
        load.end()
        assert load.refused == []
        sidecar.restart()
        acknowledged |= set(load.acknowledged)
        # A client that got no answer sends again: accepted or duplicate, both must end as one row.
        with httpx.Client(base_url=sidecar.url, timeout=30) as client:
            unanswered, load.unanswered = load.unanswered, []
            assert all(load.send(client, ids) for ids in unanswered)
        assert load.refused == []
        acknowledged |= set(load.acknowledged)
    assert len(acknowledged) > 500
    sidecar.wait_drained()
    found = Counter(sidecar.everything())
    lost, doubled = acknowledged - set(found), {identifier: times for identifier, times in found.items() if times > 1}
    assert (lost, doubled) == (set(), {})
    assert set(found) == acknowledged
    assert sidecar.get("/v1/summary")["responses"] == len(acknowledged)


def test_what_was_killed_before_the_store_took_it_is_drained_after_the_restart(sidecar: Sidecar) -> None:
    ids = [f"late-{number}" for number in range(50)]
    reply = httpx.post(f"{sidecar.url}/v1/responses", json=[record(identifier) for identifier in ids])
    sidecar.kill()
    assert reply.json()["accepted"] == 50
    sidecar.restart()
    again = httpx.post(f"{sidecar.url}/v1/responses", json=[record(identifier) for identifier in ids])
    assert again.json()["duplicates"] == 50
    sidecar.wait_drained()
    assert Counter(sidecar.everything()) == Counter(ids)


def test_sigterm_stops_within_seconds_and_leaves_an_empty_spool(sidecar: Sidecar) -> None:
    httpx.post(f"{sidecar.url}/v1/responses", json=[record(f"last-{number}") for number in range(200)]).raise_for_status()
    code, seconds = sidecar.stop()
    assert code == 0, sidecar.log.read_text()
    assert seconds < 10
    assert "Traceback" not in sidecar.log.read_text()
    with closing(sqlite3.connect(sidecar.data / "spool.sqlite3")) as spool:
        assert spool.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    sidecar.restart()
    assert sidecar.get("/v1/status")["spooled"] == 0
    assert len(sidecar.everything()) == 200


def test_a_sidecar_starts_without_what_only_workers_need(sidecar: Sidecar) -> None:
    # What makes a start slow and large is what it loads; benchmarks/start.py has the seconds and the memory.
    loaded = Path(f"/proc/{sidecar.process.pid}/maps").read_text()
    assert "_chdb" in loaded
    heavy = ("torch", "spacy", "cv2", "onnxruntime", "scipy", "sklearn", "ctranslate2", "pandas", "av/")
    assert [name for name in heavy if f"/site-packages/{name}" in loaded] == []

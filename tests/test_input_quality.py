"""From the upload to the filtered list: a real sidecar with a worker measures what it was sent."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.detectors.test_quality import page
from tests.serving import Sidecar

pytestmark = [pytest.mark.server, pytest.mark.models]


@pytest.fixture
def sidecar(tmp_path: Path) -> Iterator[Sidecar]:
    running = Sidecar(tmp_path / "data", GROUNDWATCH_WORKERS="1", GROUNDWATCH_DETECTORS='["quote_mismatch", "object_hallucination"]')
    try:
        running.wait_ready()
        yield running
    finally:
        running.end()


def record(identifier: str, picture: Image.Image | None) -> dict[str, Any]:
    evidence: list[dict[str, Any]] = []
    if picture is not None:
        out = io.BytesIO()
        picture.save(out, "PNG")
        evidence = [{"id": "page", "media_type": "image/png", "content": base64.b64encode(out.getvalue()).decode()}]
    else:
        evidence = [{"id": "page", "media_type": "image/png", "uri": "sha256:" + "0" * 64}]
    answer = {"text": "There is a dog in the picture."}
    return {"id": identifier, "time": datetime.now(UTC).isoformat(), "workflow": "quality", "answer": answer, "evidence": evidence}


def test_a_bad_input_is_graded_shown_and_filtered_by(sidecar: Sidecar) -> None:
    sent = [record("clean", page()), record("dark", page().point(lambda level: level * 0.05)), record("gone", None)]
    reply = httpx.post(f"{sidecar.url}/v1/responses", json=sent, timeout=30)
    assert reply.json()["accepted"] == 3, reply.text
    limit = time.monotonic() + 90
    while sidecar.get("/v1/summary")["pending"] or len(sidecar.everything()) < 3 or sidecar.get("/v1/status")["undetected"]:
        assert time.monotonic() < limit, sidecar.log.read_text()
        time.sleep(0.25)
    grades = {item["id"]: item["input_quality"] for item in sidecar.get("/v1/responses")["items"]}
    assert grades == {"clean": "good", "dark": "unusable", "gone": None}
    assert [item["id"] for item in sidecar.get("/v1/responses?quality=unusable")["items"]] == ["dark"]
    assert sidecar.get("/v1/summary?quality=good")["responses"] == 1
    assert [point["responses"] for point in sidecar.get("/v1/trends?quality=unusable")["points"]] == [1]
    assert [part["grade"] for part in sidecar.get("/v1/summary")["input_quality"]] == ["good", "unusable", None]
    (evidence,) = sidecar.get("/v1/responses/dark")["evidence"]
    assert evidence["quality"]["grade"] == "unusable"
    assert evidence["quality"]["problems"][0]["text"].startswith("the picture is very dark (mean level")
    assert sidecar.get("/v1/responses/gone")["evidence"][0]["quality"] is None

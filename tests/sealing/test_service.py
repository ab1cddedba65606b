"""A real sidecar with keys: nothing plain on the disk, detectors judge what is sealed, damage shows, keys rotate, backups restore."""

from __future__ import annotations

import hashlib
import io
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, PngImagePlugin

from monitor.evidence.blobs import blob_name
from monitor.sealing import read_keys
from monitor.sealing.plain import SHARED_MEMORY
from tests.serving import ROOT, Sidecar, command

pytestmark = pytest.mark.server

MARKER = "Zanzibarquark"
LONG = f"The {MARKER} station opened in 1987 near the harbour. " * 3000
DETECTORS = {
    "GROUNDWATCH_WORKERS": "1",
    "GROUNDWATCH_CHECK_WORKERS": "0",
    "GROUNDWATCH_DETECTORS": '["ungrounded_statement","missing_evidence"]',
}
# What the README names as not sealed: columns of the store (compressed there), and the rest of the metadata.
DECLARED = ("clickhouse/", "metadata.sqlite3")


def picture() -> bytes:
    told = PngImagePlugin.PngInfo()
    told.add_text("note", MARKER)
    out = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(out, "PNG", pnginfo=told)
    return out.getvalue()


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    setting = {"GROUNDWATCH_ENCRYPTION_KEYS_FILE": str(tmp_path / "keys")}
    assert command("seal", "--new-key", data=tmp_path / "data", **setting).returncode == 0
    return setting


def stop(sidecar: Sidecar) -> None:
    """In order where it runs, so that it takes its private folder with it."""
    if sidecar.process.poll() is None:
        sidecar.stop()
    sidecar.end()


@pytest.fixture
def sidecar(tmp_path: Path, keys: dict[str, str]) -> Iterator[Sidecar]:
    made = Sidecar(tmp_path / "data", **DETECTORS, **keys)
    made.wait_ready()
    yield made
    stop(made)


@pytest.fixture
def storing(tmp_path: Path, keys: dict[str, str]) -> Iterator[Sidecar]:
    """One that only takes in and serves."""
    made = Sidecar(tmp_path / "data", **keys)
    made.wait_ready()
    yield made
    stop(made)


def send(sidecar: Sidecar, identifier: str, answer: str, content: str) -> str:
    body = {
        "id": identifier,
        "time": datetime.now(UTC).isoformat(),
        "workflow": "qa",
        "question": {"text": f"When did {MARKER} open?"},
        "answer": {"text": answer},
        "evidence": [{"id": "doc", "media_type": "text/plain", "content": content}],
    }
    httpx.post(f"{sidecar.url}/v1/responses", json=body, timeout=60).raise_for_status()
    return hashlib.sha256(content.encode()).hexdigest()


def judged(sidecar: Sidecar, identifier: str) -> dict[str, Any]:
    limit = time.monotonic() + 120
    while time.monotonic() < limit:
        reply = httpx.get(f"{sidecar.url}/v1/responses/{identifier}", timeout=30)
        if reply.is_success and len(reply.json()["outcomes"]) == 2:
            found: dict[str, Any] = reply.json()
            return found
        time.sleep(0.2)
    raise AssertionError(f"{identifier} was not judged:\n{sidecar.log.read_text()}")


def lies_plain(*folders: Path) -> list[str]:
    found = []
    for folder in folders:
        for path in folder.rglob("*"):
            name = str(path.relative_to(folder))
            if path.is_file() and not name.startswith(DECLARED) and MARKER.encode() in path.read_bytes():
                found.append(name)
    return found


def own_memory() -> list[Path]:
    return list(SHARED_MEMORY.glob("groundwatch-*"))


def test_everything_works_sealed_and_nothing_plain_is_on_the_disk(sidecar: Sidecar, tmp_path: Path, keys: dict[str, str]) -> None:
    before = set(own_memory())
    png = picture()
    sha256 = hashlib.sha256(png).hexdigest()
    httpx.put(f"{sidecar.url}/v1/evidence/{sha256}", content=png, headers={"content-type": "image/png"}).raise_for_status()
    big = LONG.encode() * 20  # multipart uploads of this size leave memory
    (kept,) = httpx.post(f"{sidecar.url}/v1/evidence", files={"file": ("big.txt", big, "text/plain")}, timeout=60).json()
    assert kept["sha256"] == hashlib.sha256(big).hexdigest()
    text = send(sidecar, "good", f"The {MARKER} station opened in 1987 near the harbour.", LONG)
    send(sidecar, "bad", f"The {MARKER} station opened in 1923.", f"The {MARKER} station opened in 1987.")
    assert [claim["verdict"] for claim in judged(sidecar, "good")["claims"]] == ["supported"]
    assert [claim["verdict"] for claim in judged(sidecar, "bad")["claims"]] == ["hallucinated"]
    assert judged(sidecar, "good")["evidence"][0]["text"].startswith(f"The {MARKER} station")
    span = {"id": "waits", "traceId": "ab" * 16, "spanId": "cd" * 8, "parentSpanId": "ef" * 8, "name": f"chat {MARKER}"}
    body = {
        "resourceSpans": [
            {"scopeSpans": [{"spans": [span | {"startTimeUnixNano": str(time.time_ns()), "endTimeUnixNano": str(time.time_ns())}]}]}
        ]
    }
    httpx.post(f"{sidecar.url}/v1/traces", json=body).raise_for_status()

    address = f"{sidecar.url}/v1/evidence"
    whole = httpx.get(f"{address}/{kept['sha256']}")
    assert whole.content == big
    for asked, start, end in (("bytes=0-9", 0, 10), ("bytes=100000-200000", 100_000, 200_001), ("bytes=-7", len(big) - 7, len(big))):
        part = httpx.get(f"{address}/{kept['sha256']}", headers={"Range": asked})
        assert (part.status_code, part.content) == (206, big[start:end])
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{len(big)}"
    assert httpx.get(f"{address}/{kept['sha256']}", headers={"Range": f"bytes={len(big)}-"}).status_code == 416
    assert httpx.get(f"{address}/{sha256}").headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(httpx.get(f"{address}/{sha256}?width=16", timeout=60).content)).width == 16
    chain = sidecar.get("/v1/responses/good/chain")
    assert (chain["sources"][0]["sha256"], chain["sources"][0]["bytes"]) == (text, len(LONG))

    (tmp_path / "chain.json").write_text(httpx.get(f"{sidecar.url}/v1/responses/good/chain").text)
    looked = command(
        "chain", "verify", str(tmp_path / "chain.json"), "--evidence", str(sidecar.data / "evidence"), data=sidecar.data, **keys
    )
    assert looked.returncode == 0, looked.stdout
    assert "good     source doc" in looked.stdout

    newest = read_keys(tmp_path / "keys").newest
    assert sidecar.get("/v1/status")["sealed_with"] == newest
    assert lies_plain(sidecar.data) == []
    assert newest not in sidecar.log.read_text()
    assert sidecar.stop()[0] == 0
    assert lies_plain(sidecar.data) == []
    assert set(own_memory()) <= before  # the private folders are gone, their root with them
    assert f"sealed with key {newest}" in command("doctor", "--json", data=sidecar.data, **keys, GROUNDWATCH_DETECTORS="[]").stdout


def test_a_tampered_blob_is_not_checked_and_shows_and_the_sidecar_lives_on(sidecar: Sidecar) -> None:
    sha256 = hashlib.sha256(LONG.encode()).hexdigest()
    httpx.put(f"{sidecar.url}/v1/evidence/{sha256}", content=LONG.encode(), headers={"content-type": "text/plain"}).raise_for_status()
    path = sidecar.data / "evidence" / blob_name(sha256)
    raw = path.read_bytes()
    path.write_bytes(raw[:40] + bytes([raw[40] ^ 1]) + raw[41:])
    body = {
        "id": "tampered",
        "time": datetime.now(UTC).isoformat(),
        "workflow": "qa",
        "answer": {"text": f"The {MARKER} station opened in 1923."},
        "claims": [{"text": f"The {MARKER} station opened in 1923.", "kind": "statement"}],
        "evidence": [{"id": "doc", "media_type": "text/plain", "uri": f"sha256:{sha256}"}],
    }
    httpx.post(f"{sidecar.url}/v1/responses", json=body).raise_for_status()
    found = judged(sidecar, "tampered")
    outcome = next(outcome for outcome in found["outcomes"] if outcome["detector"] == "ungrounded_statement")
    assert outcome["state"] in ("abstained", "not_applicable")
    assert "cannot be opened" in outcome["reason"]
    assert outcome["claims_checked"] == 0
    assert sidecar.get("/v1/status")["unusable_evidence"] == 1
    assert "groundwatch_evidence_unusable 1.0" in httpx.get(f"{sidecar.url}/metrics").text
    refused = httpx.get(f"{sidecar.url}/v1/evidence/{sha256}")
    assert refused.status_code == 422
    assert "cannot be opened" in refused.text
    again = httpx.put(f"{sidecar.url}/v1/evidence/{sha256}", content=LONG.encode(), headers={"content-type": "text/plain"})
    assert again.status_code == 201
    assert httpx.get(f"{sidecar.url}/v1/evidence/{sha256}").text == LONG
    assert sidecar.get("/v1/status")["unusable_evidence"] == 0


def test_a_killed_sidecar_goes_on_and_its_open_copies_are_swept(sidecar: Sidecar) -> None:
    send(sidecar, "one", f"The {MARKER} station opened in 1987.", LONG)
    before = set(own_memory())
    sidecar.kill()
    sidecar.restart()
    assert judged(sidecar, "one")["outcomes"]
    assert all(MARKER.encode() not in path.read_bytes() for root in own_memory() for path in root.rglob("*") if path.is_file())
    sidecar.stop()
    assert set(own_memory()) < before


def test_keys_rotate_and_a_backup_comes_back_with_them(storing: Sidecar, tmp_path: Path, keys: dict[str, str]) -> None:
    sha256 = send(storing, "old", f"The {MARKER} station opened in 1987.", LONG)
    storing.wait_drained()
    storing.stop()
    file = tmp_path / "keys"
    (old,) = read_keys(file).ids
    assert command("seal", "--new-key", data=storing.data, **keys).returncode == 0
    new, _ = read_keys(file).ids
    storing.restart()
    assert storing.get("/v1/status")["sealed_with"] == new
    assert httpx.get(f"{storing.url}/v1/evidence/{sha256}").text == LONG
    storing.stop()
    file.write_text(file.read_text().splitlines()[0] + "\n")
    refused = command("serve", "--port", "1", data=storing.data, **keys)
    assert (refused.returncode, old in refused.stderr) == (2, True)
    assert command("seal", "--new-key", data=storing.data, **keys).returncode == 0
    assert command("backup", str(tmp_path / "b"), data=storing.data, **keys).returncode == 2


def test_a_backup_of_a_sealed_folder_serves_again(storing: Sidecar, tmp_path: Path, keys: dict[str, str]) -> None:
    sha256 = send(storing, "one", f"The {MARKER} station opened in 1987.", LONG)
    storing.wait_drained()
    storing.stop()
    archive = tmp_path / "b.sealed"
    assert command("backup", str(archive), data=storing.data, **keys).returncode == 0
    assert MARKER.encode() not in archive.read_bytes()
    without = command("restore", str(archive), data=tmp_path / "again")
    assert without.returncode == 2
    assert read_keys(tmp_path / "keys").newest in without.stderr
    assert command("restore", str(archive), data=tmp_path / "again", **keys).returncode == 0
    again = Sidecar(tmp_path / "again", **keys)
    try:
        again.wait_ready()
        assert again.everything() == ["one"]
        assert httpx.get(f"{again.url}/v1/evidence/{sha256}").text == LONG
    finally:
        stop(again)


SERVICE = """
class Service:
    def seal(self, content, context):
        return context + bytes(b ^ 85 for b in content)
    def open(self, sealed, context):
        assert sealed.startswith(context)
        return bytes(b ^ 85 for b in sealed[len(context):])
"""


def test_a_key_service_of_a_team_opens_the_keys(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "team_keys.py").write_text(SERVICE)
    setting = {
        "GROUNDWATCH_ENCRYPTION_KEYS_FILE": str(tmp_path / "keys"),
        "GROUNDWATCH_ENCRYPTION_KEY_SERVICE": "team_keys:Service",
        "PYTHONPATH": f"{tmp_path / 'ours'}:{ROOT}",
    }
    assert command("seal", "--new-key", data=tmp_path / "data", **setting).returncode == 0
    sys.path.insert(0, str(tmp_path / "ours"))
    try:
        newest = read_keys(tmp_path / "keys", "team_keys:Service").newest
    finally:
        sys.path.remove(str(tmp_path / "ours"))
    sidecar = Sidecar(tmp_path / "data", **setting)
    try:
        sidecar.wait_ready()
        assert sidecar.get("/v1/status")["sealed_with"] == newest
        sha256 = send(sidecar, "one", f"The {MARKER} station opened in 1987 near the harbour.", LONG)
        assert httpx.get(f"{sidecar.url}/v1/evidence/{sha256}").text == LONG
    finally:
        stop(sidecar)

"""Logging in the background: batches, retries, bounded memory, the end of the process, forks."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from groundwatch import AsyncClient, Client, stage
from monitor.errors import RecordInvalid
from tests.serving import ROOT, free_port


class Sidecars:
    """Stands for a sidecar behind httpx: keeps what it is sent, and answers as it is told first."""

    def __init__(self, *first: httpx.Response | Exception) -> None:
        self.first = list(first)
        self.requests: list[httpx.Request] = []
        self.records: list[dict[str, Any]] = []
        self.blobs: dict[str, bytes] = {}
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.gate.wait(20)
        self.requests.append(request)
        if self.first:
            answer = self.first.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        if request.method == "PUT":
            self.blobs[request.url.path.rsplit("/", 1)[-1]] = request.read()
            return httpx.Response(201, json={})
        sent = json.loads(request.read())
        self.records += sent
        items = [{"index": n, "status": "accepted", "id": one["id"]} for n, one in enumerate(sent)]
        return httpx.Response(202, json={"accepted": len(items), "duplicates": 0, "refused": 0, "items": items})

    def client(self, **options: Any) -> Client:
        return Client(transport=httpx.MockTransport(self), **{"gather_s": 0.0, **options})


def until(done: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20
    while not done():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_logging_returns_at_once_and_the_thread_sends_in_batches() -> None:
    sidecar = Sidecars()
    sidecar.gate.clear()
    with sidecar.client() as client:
        ids = [client.log_response(workflow="qa", answer=f"a{n}") for n in range(500)]
        assert len(set(ids)) == 500
        assert sidecar.records == []
        sidecar.gate.set()
        assert client.flush()
        assert client.counts == {"sent": 500, "refused": 0, "dropped": 0}
    assert [one["id"] for one in sidecar.records] == ids
    assert len(sidecar.requests) <= 6


def test_what_fails_in_passing_is_tried_again_and_evidence_goes_up_once() -> None:
    sidecar = Sidecars(httpx.ConnectError("refused"), httpx.Response(503), httpx.Response(429, headers={"retry-after": "0"}))
    with sidecar.client() as client:
        for _ in range(3):
            client.log_response(workflow="qa", answer="x", files={"note": b"hi"}, evidence=[{"id": "note", "media_type": "text/plain"}])
        assert client.flush(20)
        assert client.counts["sent"] == 3
    assert list(sidecar.blobs.values()) == [b"hi"]
    assert [request.method for request in sidecar.requests].count("PUT") == 4


def test_a_lasting_refusal_is_counted_and_told_and_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    sidecar = Sidecars(httpx.Response(401, json={"detail": "the API key is unknown"}))
    with sidecar.client() as client, caplog.at_level(logging.WARNING, "groundwatch"):
        client.log_response(workflow="qa", answer="x")
        assert client.flush()
        assert client.counts["dropped"] == 1
    assert "API key is unknown" in caplog.text
    assert len(sidecar.requests) == 1


def test_a_refused_item_is_counted_and_named(caplog: pytest.LogCaptureFixture) -> None:
    item = {"index": 0, "status": "refused", "id": "r", "field": "time", "problem": "is too old", "remedy": "Send it young"}
    sidecar = Sidecars(httpx.Response(400, json={"accepted": 0, "duplicates": 0, "refused": 1, "items": [item]}))
    with sidecar.client() as client, caplog.at_level(logging.WARNING, "groundwatch"):
        client.log_response(id="r", workflow="qa", answer="x")
        client.flush()
        assert client.counts["refused"] == 1
    assert "time is too old. Send it young" in caplog.text


def test_memory_is_bounded_and_what_does_not_fit_is_counted() -> None:
    sidecar = Sidecars()
    sidecar.gate.clear()
    with sidecar.client(max_bytes=5_000) as client:
        kept = [client.log_response(workflow="qa", answer="x" * 900) for _ in range(50)]
        assert 1 <= sum(one is not None for one in kept) <= 4
        sidecar.gate.set()
        assert client.flush()
        assert client.counts["sent"] + client.counts["dropped"] == 50
        assert client.log_response(workflow="qa", answer="again") is not None


def test_it_gives_up_after_its_time_and_takes_new_ones() -> None:
    sidecar = Sidecars(*[httpx.Response(503) for _ in range(2)])
    with sidecar.client(give_up_s=0.0) as client:
        client.log_response(workflow="qa", answer="x")
        assert client.flush(20)
        assert client.counts["dropped"] == 1


@pytest.mark.parametrize("fields", [{}, {"workflow": "qa"}, {"workflow": "qa", "answer": "x", "files": {"f": object()}}])
def test_a_fault_never_reaches_the_application_unless_it_asks(fields: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    with Sidecars().client() as client, caplog.at_level(logging.WARNING, "groundwatch"):
        assert client.log_response(**fields) is None
        assert client.counts["dropped"] == 1
    assert "could not be logged" in caplog.text
    with Sidecars().client(raise_errors=True) as client, pytest.raises(RecordInvalid):
        client.log_response(**fields)


def test_a_file_that_is_not_there_is_told_and_costs_nothing(tmp_path: Path) -> None:
    with Sidecars().client() as client:
        assert client.log_response(workflow="qa", answer="x", files={"page": tmp_path / "gone.png"}) is None


def test_an_address_that_nobody_follows_is_not_taken_for_a_path() -> None:
    with Sidecars().client(raise_errors=True) as client, pytest.raises(RecordInvalid, match="http: address"):
        client.log_response(workflow="qa", answer="x", files={"page": "http://example.com/page.png"})


def test_a_process_that_ends_sends_what_waits() -> None:
    script = (
        "import http.server, threading, sys\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_POST(self):\n"
        "        body = self.rfile.read(int(self.headers['Content-Length'])); sys.stdout.write(body.decode()); sys.stdout.flush()\n"
        '        reply = b\'{"accepted":1,"duplicates":0,"refused":0,"items":[{"index":0,"status":"accepted"}]}\'\n'
        "        self.send_response(202); self.send_header('Content-Length', str(len(reply))); self.end_headers()\n"
        "        self.wfile.write(reply)\n"
        "    def log_message(self, *a): pass\n"
        "s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), H); threading.Thread(target=s.serve_forever, daemon=True).start()\n"
        "from groundwatch import Client\n"
        "Client(f'http://127.0.0.1:{s.server_port}', gather_s=60).log_response(workflow='qa', answer='last words')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True)
    assert "last words" in done.stdout


def test_the_end_waits_only_so_long_for_a_sidecar_that_is_away() -> None:
    script = f"from groundwatch import Client; Client('http://127.0.0.1:{free_port()}').log_response(workflow='qa', answer='x')"
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True)
    assert time.monotonic() - began < 30
    assert "responses were dropped" in done.stderr


def test_what_is_between_two_tries_when_the_client_closes_is_counted_as_dropped() -> None:
    client = Sidecars(*[httpx.Response(503, headers={"retry-after": "60"}) for _ in range(9)]).client()
    client.log_response(workflow="qa", answer="x")
    assert not client.close(0.2)
    assert client.counts["dropped"] == 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_sends_by_itself() -> None:
    script = (
        "import os, sys, httpx\n"
        "from groundwatch import Client\n"
        "def answer(request):\n"
        "    os.write(1, f'{os.getpid()} {request.read().decode()}\\n'.encode())\n"
        "    one = {'index': 0, 'status': 'accepted'}\n"
        "    return httpx.Response(202, json={'accepted': 1, 'duplicates': 0, 'refused': 0, 'items': [one]})\n"
        "client = Client(transport=httpx.MockTransport(answer), gather_s=0)\n"
        "client.log_response(workflow='qa', answer='parent'); client.flush()\n"
        "child = os.fork()\n"
        "client.log_response(workflow='qa', answer='child' if child == 0 else 'again'); client.flush()\n"
        "os._exit(0) if child == 0 else os.waitpid(child, 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert len({line.split()[0] for line in lines}) == 2
    assert sum('"child"' in line for line in lines) == 1


def test_pictures_sound_and_urls_are_evidence() -> None:
    sidecar = Sidecars()
    picture = Image.new("RGB", (4, 3), "red")
    sound = np.linspace(-1, 1, 800, dtype=np.float32)
    with sidecar.client(raise_errors=True) as client:
        client.log_response(
            workflow="qa", answer="x", files={"picture": picture, "sound": (sound, 8000), "page": "https://example.com/page.pdf?x=1"}
        )
        client.flush()
    pieces = {piece["id"]: piece for piece in sidecar.records[0]["evidence"]}
    assert pieces["page"] == {"id": "page", "media_type": "application/pdf", "uri": "https://example.com/page.pdf?x=1"}
    blob = sidecar.blobs[pieces["picture"]["uri"].removeprefix("sha256:")]
    assert Image.open(io.BytesIO(blob)).getpixel((0, 0)) == (255, 0, 0)
    assert pieces["picture"]["media_type"] == "image/png"
    with wave.open(io.BytesIO(sidecar.blobs[pieces["sound"]["uri"].removeprefix("sha256:")])) as heard:
        assert (heard.getframerate(), heard.getnframes(), heard.getnchannels()) == (8000, 800, 1)
        last = np.frombuffer(heard.readframes(800), "<i2")[[0, -1]]
    assert last.tolist() == [-32767, 32767]


@pytest.mark.parametrize("samples", [np.zeros((2, 3, 4)), np.zeros(8, dtype=np.int64), np.zeros((4, 44100), dtype=np.float32)])
def test_sound_of_a_strange_shape_or_type_is_refused(samples: Any) -> None:
    with Sidecars().client(raise_errors=True) as client, pytest.raises(RecordInvalid, match="'sound'"):
        client.log_response(workflow="qa", answer="x", files={"sound": (samples, 8000)})


def test_stages_are_timed_where_they_happen() -> None:
    sidecar = Sidecars()

    def retrieve() -> None:
        with stage("retrieve", budget_ms=50), pytest.raises(TimeoutError), stage("inner"):
            raise TimeoutError

    with sidecar.client() as client:

        @client.logged(workflow="decorated")
        def answer(question: str) -> str:
            retrieve()
            return f"{question}: yes"

        assert answer("Is it?") == "Is it?: yes"
        with client.response(workflow="block", question="Is it?") as drafted:
            with drafted.stage("infer"):
                drafted.set(answer="yes")
            drafted.attach(note="https://example.com/n.txt")
        with pytest.raises(ZeroDivisionError), client.response(workflow="failed"):
            1 / 0  # noqa: B018
        with stage("outside"):
            pass
        client.flush()
    decorated, block = sidecar.records
    assert decorated["answer"]["text"] == "Is it?: yes"
    assert [(one["name"], one.get("status", "ok"), one.get("budget_ms")) for one in decorated["stages"]] == [
        ("inner", "timeout", None),
        ("retrieve", "ok", 50.0),
    ]
    assert [one["name"] for one in block["stages"]] == ["infer"]
    assert block["evidence"][0]["id"] == "note"


def test_asyncio_has_the_same_client() -> None:
    sidecar = Sidecars()

    async def main() -> None:
        async with AsyncClient(transport=httpx.MockTransport(sidecar), gather_s=0.0) as client:

            @client.logged(workflow="decorated")
            async def answer() -> str:
                with stage("infer"):
                    await asyncio.sleep(0)
                return "yes"

            await asyncio.gather(answer(), client.log_response(workflow="plain", answer="x", files={"p": Image.new("L", (2, 2))}))
            async with client.response(workflow="block") as drafted:
                drafted.set(answer="z")
            assert (await client.send_response(workflow="now", answer="y")).status == "accepted"
            assert await client.flush()
            assert client.counts["sent"] == 3

    asyncio.run(main())
    assert {one["workflow"] for one in sidecar.records} == {"decorated", "plain", "block", "now"}


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(8)).decode()


def test_a_chat_with_a_picture_and_sound_is_logged_whole() -> None:
    sidecar = Sidecars()
    content = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        {"type": "input_audio", "input_audio": {"data": base64.b64encode(b"RIFF").decode(), "format": "wav"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.webp"}},
    ]
    request = {"model": "m", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}]}
    details = {"prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 10}}
    response = {
        "model": "m-1",
        "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "A dog."}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 5, **details},
    }
    with sidecar.client(raise_errors=True) as client:
        client.log_chat(request, response, workflow="image-qa", cohort={"region": "eu"})
        client.flush()
    (record,) = sidecar.records
    assert (record["question"]["text"], record["answer"]["text"], record["model"]["name"]) == ("What is it?", "A dog.", "m-1")
    assert [piece["media_type"] for piece in record["evidence"]] == ["image/png", "audio/wav", "image/webp"]
    assert (record["workflow"], record["cohort"]) == ("image-qa", {"region": "eu"})
    quantities = [(item["item"], item.get("modality"), item["quantity"]) for item in record["usage"]]
    assert quantities == [
        ("input_tokens", None, 50),
        ("cache_read_input_tokens", None, 40),
        ("input_tokens", "audio", 10),
        ("output_tokens", None, 5),
    ]


def test_a_chat_asks_to_be_kept_where_its_picture_cannot_be_fetched_and_a_response_does_not() -> None:
    sidecar = Sidecars()
    addresses = ["https://example.com/a.png", "http://10.0.0.1/b.png"]
    content = [{"type": "image_url", "image_url": {"url": address}} for address in addresses]
    response = {"model": "m-1", "choices": [{"message": {"content": "A dog."}}]}
    with sidecar.client(raise_errors=True) as client:
        client.log_chat({"messages": [{"role": "user", "content": content}]}, response, attributes={"shop": 7})
        client.log_response(workflow="qa", answer="A dog.", files={"a": addresses[0]})
        client.flush()
    chat, plain = sorted(sidecar.records, key=lambda record: record["workflow"])
    assert [piece["uri"] for piece in chat["evidence"]] == addresses[:1]
    assert chat["attributes"] == {"shop": 7, "chat": {"unreachable_evidence": addresses[1:]}}
    assert "attributes" not in plain
    asked = {json.loads(request.read())[0]["workflow"]: request.url.query for request in sidecar.requests}
    assert asked == {"chat": b"references=keep", "qa": b""}


def test_a_response_of_the_responses_api_is_logged() -> None:
    sidecar = Sidecars()
    request = {"model": "m", "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi?"}]}]}
    output = [{"type": "reasoning"}, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]}]
    with sidecar.client(raise_errors=True) as client:
        client.log_chat(request, {"model": "m", "output": output, "status": "completed", "usage": {"input_tokens": 3, "output_tokens": 2}})
        client.flush()
    assert (sidecar.records[0]["question"]["text"], sidecar.records[0]["answer"]["text"]) == ("Hi?", "Hello.")


def test_a_chat_that_only_asks_for_tools_is_no_response() -> None:
    tools = {"choices": [{"message": {"role": "assistant", "content": None, "tool_calls": [{}]}}]}
    with Sidecars().client(raise_errors=True) as client, pytest.raises(RecordInvalid, match="no answer text"):
        client.log_chat({"messages": []}, tools)
    with Sidecars().client() as client:
        assert client.log_chat({"messages": []}, tools) is None


def test_a_closed_client_drops_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    client = Sidecars().client()
    client.close()
    with caplog.at_level(logging.WARNING, "groundwatch"):
        assert client.log_response(workflow="qa", answer="x") is None
    assert "closed" in caplog.text

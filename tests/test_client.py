from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from groundwatch import Client
from monitor.client import ClientError
from monitor.client.asynchronous import AsyncClient
from monitor.errors import RecordInvalid
from monitor.records import Answer, Evidence, ResponseRecord
from tests.serving import ROOT, Sidecar, free_port


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    sidecar = Sidecar(tmp_path_factory.mktemp("client") / "data")
    try:
        sidecar.wait_ready()
        yield sidecar
    finally:
        sidecar.end()


@pytest.fixture
def client(sidecar: Sidecar) -> Iterator[Client]:
    with Client(sidecar.url) as client:
        yield client


def answering(reply: httpx.Response) -> Client:
    return Client(transport=httpx.MockTransport(lambda _request: reply))


def test_the_import_is_light() -> None:
    # What a host pays for an import is what comes along; the stopwatch is in benchmarks/client.py.
    script = "import sys; before = set(sys.modules); import groundwatch; print(*(set(sys.modules) - before))"
    loaded = set(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split())
    assert {"groundwatch", "monitor.client", "msgspec"} <= loaded
    assert not loaded & {"asyncio", "httpx", "ssl", "subprocess", "email", "numpy", "PIL", "sqlalchemy", "pydantic", "structlog"}
    assert len(loaded) < 100  # 75 on Python 3.11: msgspec, our own ten and what those need of the standard library


def test_the_client_for_asyncio_comes_when_it_is_asked_for() -> None:
    import groundwatch

    assert groundwatch.AsyncClient is AsyncClient
    with pytest.raises(AttributeError, match="'groundwatch' has no attribute 'NoClient'"):
        groundwatch.NoClient  # noqa: B018


@pytest.mark.server
def test_a_response_with_a_file_is_logged_and_both_come_back(sidecar: Sidecar, client: Client, tmp_path: Path) -> None:
    page = tmp_path / "page.png"
    page.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(3_000_000))
    reply = client.send_response(id="c-1", workflow="qa", question="What is the total?", answer="41.20 EUR.", files={"page": page})
    assert (reply.status, reply.id) == ("accepted", "c-1")
    sidecar.wait_drained()
    detail = sidecar.get("/v1/responses/c-1")
    assert (detail["question"], detail["answer"]) == ("What is the total?", "41.20 EUR.")
    seen = detail["evidence"][0]
    assert (seen["id"], seen["media_type"], seen["sha256"]) == ("page", "image/png", hashlib.sha256(page.read_bytes()).hexdigest())
    assert httpx.get(f"{sidecar.url}{seen['url']}").content == page.read_bytes()


@pytest.mark.server
def test_logging_the_same_again_changes_nothing(client: Client) -> None:
    given = {"id": "c-2", "workflow": "qa", "answer": "x"}
    first = client.send_response(**given, files={"note": b"hello"}, evidence=[{"id": "note", "media_type": "text/plain"}])
    second = client.send_response(given | {"evidence": [{"id": "note", "media_type": "text/plain"}]}, files={"note": b"hello"})
    assert (first.status, second.status) == ("accepted", "duplicate")


@pytest.mark.server
def test_a_batch_tells_of_each_record(client: Client) -> None:
    now = datetime.now(UTC)
    good = ResponseRecord(id="c-3", time=now, workflow="qa", answer=Answer(text="x"))
    late = ResponseRecord(id="c-4", time=now - timedelta(days=9999), workflow="qa", answer=Answer(text="x"))
    reply = client.send([late, good])
    assert (reply.accepted, reply.refused) == (1, 1)
    assert [(item.status, item.field) for item in reply.items] == [("refused", "time"), ("accepted", None)]
    assert client.send([late]).refused == 1


@pytest.mark.server
def test_what_the_sidecar_refuses_names_the_field(client: Client) -> None:
    with pytest.raises(RecordInvalid) as caught:
        client.send_response(id="c-5", workflow="qa", answer="x", time=datetime(2001, 1, 1, tzinfo=UTC))
    assert caught.value.field == "time"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "$"),
        ({"id": "a b", "workflow": "qa", "answer": "x"}, "id"),
        ({"id": "a", "workflow": "qa"}, "answer"),
        ({"id": "a", "workflow": "qa", "answer": "x", "colour": "red"}, "colour"),
        ({"id": "a", "workflow": "qa", "answer": "x", "files": {"page": b"?"}}, "files"),
    ],
)
def test_what_breaks_the_contract_is_refused_before_it_is_sent(fields: dict[str, object], field: str) -> None:
    with answering(httpx.Response(500)) as client, pytest.raises(RecordInvalid) as caught:
        client.send_response(**fields)
    assert caught.value.field == field


def test_a_file_for_no_evidence_is_refused() -> None:
    record = ResponseRecord(
        id="a",
        time=datetime.now(UTC),
        workflow="qa",
        answer=Answer(text="x"),
        evidence=(Evidence(id="e", media_type="a/b", content="eA=="),),
    )
    with answering(httpx.Response(500)) as client, pytest.raises(RecordInvalid, match="'page'"):
        client.send_response(record, files={"page": b"x"})


def test_a_sidecar_that_is_not_there_is_a_passing_error() -> None:
    with Client(f"http://127.0.0.1:{free_port()}") as client, pytest.raises(ClientError, match="groundwatch serve") as caught:
        client.send_response(id="a", workflow="qa", answer="x")
    assert not caught.value.permanent


@pytest.mark.parametrize("url", ["127.0.0.1:4318", "localhost:4318", "http://127.0.0.1:port"])
def test_an_address_that_cannot_be_one_is_a_lasting_error_that_shows_how_one_looks(url: str) -> None:
    with Client(url) as client, pytest.raises(ClientError, match=r"no address of a sidecar.*http://127\.0\.0\.1:4318") as caught:
        client.send_response(id="a", workflow="qa", answer="x")
    assert caught.value.permanent


def test_a_full_spool_says_when_to_come_again() -> None:
    reply = httpx.Response(429, json={"detail": "the spool is at its limit"}, headers={"retry-after": "7"})
    with answering(reply) as client, pytest.raises(ClientError, match="at its limit") as caught:
        client.send_response(id="a", workflow="qa", answer="x")
    assert (caught.value.permanent, caught.value.retry_after_s, caught.value.status) == (False, 7.0, 429)


def test_a_wrong_key_is_a_lasting_error() -> None:
    with answering(httpx.Response(401, json={"detail": "the API key is unknown"})) as client, pytest.raises(ClientError) as caught:
        client.send_response(id="a", workflow="qa", answer="x")
    assert caught.value.permanent


def test_an_answer_that_is_not_ours_is_told_as_it_is() -> None:
    with answering(httpx.Response(502, text="<html>bad gateway")) as client, pytest.raises(ClientError, match="502: Bad Gateway"):
        client.send_response(id="a", workflow="qa", answer="x")

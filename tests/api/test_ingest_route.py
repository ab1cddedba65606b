from __future__ import annotations

import gzip
import json

import pytest

from monitor.errors import SlowDown, StorageUnavailable
from tests.api.conftest import Api

JSON = {"content-type": "application/json"}


def test_accepted_items_answer_202_and_are_counted(api: Api) -> None:
    reply = api.http.post("/v1/responses", json=[api.record("a"), api.record("b", surprise=1), api.record("a")])
    assert reply.status_code == 202
    body = reply.json()
    assert (body["accepted"], body["duplicates"], body["refused"]) == (1, 1, 1)
    assert body["items"][1] == {
        "index": 1,
        "id": "b",
        "status": "refused",
        "field": "surprise",
        "problem": "is not a field of the response record",
        "remedy": "Remove it, or put it under `attributes`",
    }
    exposition = api.http.get("/metrics").text
    for status in ("accepted", "duplicate", "refused"):
        assert f'groundwatch_ingest_responses_total{{status="{status}"}} 1.0' in exposition


def test_only_duplicates_answer_200_and_only_refusals_400(api: Api) -> None:
    api.http.post("/v1/responses", json=api.record("a"))
    assert api.http.post("/v1/responses", json=api.record("a")).status_code == 200
    reply = api.http.post("/v1/responses", json={"id": "x"})
    assert reply.status_code == 400
    assert reply.json()["items"][0]["field"] == "time"
    assert api.http.post("/v1/responses", json=[]).status_code == 200


def test_gzip_and_json_lines_are_taken(api: Api) -> None:
    body = gzip.compress(b"\n".join(json.dumps(api.record(name)).encode() for name in "abc"))
    reply = api.http.post("/v1/responses", content=body, headers={"content-type": "application/x-ndjson", "content-encoding": "gzip"})
    assert (reply.status_code, reply.json()["accepted"]) == (202, 3)


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "chunked"])
def test_a_body_over_the_limit_answers_413(api: Api, chunked: bool) -> None:
    body = b"[" + b" " * 60_000 + b"]"
    reply = api.http.post("/v1/responses", content=iter([body]) if chunked else body, headers=JSON)
    assert reply.status_code == 413
    assert reply.headers["content-type"] == "application/problem+json"
    assert "50000" in reply.json()["detail"]


def test_a_bomb_answers_413(api: Api) -> None:
    reply = api.http.post("/v1/responses", content=gzip.compress(b" " * 10_000_000), headers={**JSON, "content-encoding": "gzip"})
    assert reply.status_code == 413


def test_an_unknown_type_answers_415_and_names_the_header(api: Api) -> None:
    reply = api.http.post("/v1/responses", content=b"a,b", headers={"content-type": "text/csv"})
    assert (reply.status_code, reply.json()["field"]) == (415, "Content-Type")


def test_a_full_spool_answers_429_with_retry_after(api: Api) -> None:
    api.spool.failure = SlowDown("spool", "2 GiB", 7)
    reply = api.http.post("/v1/responses", json=api.record())
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "7")
    assert 'groundwatch_ingest_requests_refused_total{status="429"} 1.0' in api.http.get("/metrics").text


def test_a_full_disk_answers_507_and_nothing_is_acknowledged(api: Api) -> None:
    api.spool.failure = StorageUnavailable("/data/spool.sqlite3", "No space left on device")
    reply = api.http.post("/v1/responses", json=api.record())
    assert reply.status_code == 507
    assert [error.path for error in api.refused_writes] == ["/data/spool.sqlite3"]
    assert "No space left" in reply.json()["detail"]


def test_too_many_bodies_in_memory_answer_429(api: Api) -> None:
    api.app.state.intake.held_bytes = api.app.state.intake.max_bytes
    reply = api.http.post("/v1/responses", json=api.record())
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "1")
    api.app.state.intake.held_bytes = 0
    assert api.http.post("/v1/responses", json=api.record()).status_code == 202
    assert api.app.state.intake.held_bytes == 0


def test_the_same_id_in_two_projects_is_two_responses(api: Api) -> None:
    assert api.context.ingest.take("one", json.dumps(api.record()).encode())[0].status == "accepted"
    assert api.context.ingest.take("two", json.dumps(api.record()).encode())[0].status == "accepted"

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerts.rules import RuleBook
from tests.api.conftest import Api
from tests.conftest import NOON

EVIDENCE = [{"id": "e", "media_type": "text/plain", "content": "STOP"}]
ESCAPING = {"id": "e", "media_type": "text/plain", "uri": "file:/etc/passwd"}


def body(text: str = "all wrong", **fields: Any) -> dict[str, Any]:
    return {"response": {"answer": {"text": text}, "evidence": EVIDENCE}, "detectors": ["ocr_mismatch"], **fields}


def test_an_answer_is_checked_and_nothing_is_logged(api: Api) -> None:
    reply = api.http.post("/v1/check", json=body()).json()
    assert (reply["verdict"], reply["complete"], reply["unfinished"]) == ("hallucinated", True, [])
    assert [(claim["text"], claim["verdict"]) for claim in reply["claims"]] == [("all", "supported"), ("wrong", "hallucinated")]
    assert api.spool.taken == {}
    assert api.http.post("/v1/check", json=body("fine")).json()["verdict"] == "supported"


def test_a_deadline_names_the_detectors_that_did_not_finish(api: Api) -> None:
    api.engine.held = {"quote_mismatch"}
    given = body("fine", detectors=["ocr_mismatch", "quote_mismatch"], deadline_ms=200)
    reply = api.http.post("/v1/check", json=given).json()
    assert (reply["verdict"], reply["complete"], reply["unfinished"]) == ("supported", False, ["quote_mismatch"])
    api.engine.held = {"ocr_mismatch", "quote_mismatch"}
    assert api.http.post("/v1/check", json=given).json()["verdict"] == "not_checked"


@pytest.mark.parametrize(
    ("given", "status", "field"),
    [
        (body(detectors=["nonsense"]), 400, "detectors"),
        (body(deadline_ms=0), 422, "deadline_ms"),
        ({"response": {"answer": {"text": "x"}, "colour": "red"}}, 400, "colour"),
        ({"response": {"answer": {"text": "x"}, "evidence": [ESCAPING]}}, 400, "evidence[0].uri"),
        ({"response": {}}, 400, "answer"),
        ({"answer": "x"}, 422, "response"),
    ],
)
def test_what_cannot_be_checked_names_the_field(api: Api, given: dict[str, Any], status: int, field: str) -> None:
    for path in ("/v1/check", "/v1/checks"):
        if path == "/v1/checks" and field == "deadline_ms":
            continue
        reply = api.http.post(path, json=given)
        assert (reply.status_code, reply.json()["field"]) == (status, field)


def test_a_queued_check_is_told_of_until_it_is_done(api: Api) -> None:
    RuleBook(api.database).ensure_defaults("default", NOON)
    queued = api.http.post("/v1/checks", json=body())
    assert (queued.status_code, queued.json()["state"]) == (202, "queued")
    url = queued.json()["url"]
    for _ in range(100):
        api.queued_checks.turn()
        found = api.http.get(url).json()
        if found["state"] == "done":
            break
    assert (found["detectors_done"], found["detectors_total"], found["result"]["verdict"]) == (1, 1, "hallucinated")


def test_a_callback_that_is_not_allowed_is_refused(api: Api) -> None:
    reply = api.http.post("/v1/checks", json=body(callback_url="http://127.0.0.1/x"))
    assert (reply.status_code, reply.json()["field"]) == (400, "callback_url")


def test_there_is_no_such_check(api: Api) -> None:
    assert api.http.get("/v1/checks/nope").status_code == 404


def test_with_no_workers_for_it_the_remedy_is_named(settings: Any, database: Any, clock: Any) -> None:
    api = Api(settings.model_copy(update={"check_workers": 0}), database, clock)
    reply = api.http.post("/v1/check", json=body())
    assert reply.status_code == 409
    assert "GROUNDWATCH_CHECK_WORKERS" in reply.json()["detail"]

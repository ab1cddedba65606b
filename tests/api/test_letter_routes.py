"""Dead letters over HTTP: seen, mended, sent again, given up; and detection let go on."""

from __future__ import annotations

import json

import msgspec
import pytest

from monitor.alerts.rules import RuleBook
from monitor.detect.driver import Halt
from monitor.errors import StorageUnavailable
from monitor.metadata.letters import DeadLetters, LetterRecord, Stage
from tests.api.conftest import Api
from tests.conftest import NOON
from tests.otlp.spans import TRACE, chat

SPAN_ID = f"{TRACE}-{1:016x}"


def letter(api: Api, stage: Stage = "store", response: str = "r-9", detector: str | None = None, payload: str | None = "") -> LetterRecord:
    held = json.dumps(api.record(response)) if payload == "" else payload
    RuleBook(api.database).ensure_defaults("default", NOON)
    letters = DeadLetters(api.database, api.clock)
    letters.add("default", stage, response, detector, "a row was refused", held)
    return next(one for one in letters.list("default")[0] if one.response_id == response)


def replay(api: Api, one: LetterRecord, **body: object) -> tuple[int, dict[str, object]]:
    reply = api.http.post(f"/v1/dead-letters/{one.id}/replay", json=body)
    return reply.status_code, reply.json()


def state(api: Api, one: LetterRecord) -> str:
    return str(api.http.get(f"/v1/dead-letters/{one.id}").json()["state"])


def test_a_letter_shows_what_it_held(api: Api) -> None:
    one = letter(api)
    assert json.loads(api.http.get(f"/v1/dead-letters/{one.id}").json()["payload"])["id"] == "r-9"
    assert api.http.get("/v1/dead-letters/nope").status_code == 404


def test_a_record_goes_through_the_spool_again_though_its_id_is_known(api: Api) -> None:
    api.http.post("/v1/responses", json=api.record("r-9"))
    one = letter(api)
    assert replay(api, one, actor="ann")[0] == 200
    assert state(api, one) == "replayed"
    assert api.http.get("/v1/audit").json()["items"][0]["action"] == "dead_letter.replayed"
    assert replay(api, one)[0] == 409


def test_a_mended_record_is_sent_instead(api: Api) -> None:
    one = letter(api, payload="not a record")
    assert replay(api, one)[0] == 400
    assert state(api, one) == "waiting"
    mended = json.dumps(api.record("r-9", answer={"text": "mended"}))
    assert replay(api, one, payload=mended)[0] == 200
    assert b"mended" in api.spool.taken[("default", "r-9")]


def test_a_mended_record_must_be_about_the_same_response(api: Api) -> None:
    status, problem = replay(api, letter(api), payload=json.dumps(api.record("other")))
    assert (status, problem["field"]) == (400, "id")


def test_a_span_becomes_a_record_once_it_is_mended(api: Api) -> None:
    bad = {"groundwatch.evidence": '[{"id": "x", "media_type": "nonsense", "content": "y"}]'}
    one = letter(api, "ingest", SPAN_ID, payload=msgspec.json.encode(chat(1, attributes=bad)).decode())
    assert replay(api, one)[0] == 400
    assert replay(api, one, payload=msgspec.json.encode(chat(1)).decode())[0] == 200
    assert ("default", SPAN_ID) in api.spool.taken


def test_a_detector_looks_again_but_the_response_stays_as_it_is(api: Api) -> None:
    one = letter(api, "detect", detector="ocr_mismatch")
    assert replay(api, one, payload="{}")[0] == 400
    assert replay(api, one)[0] == 200
    assert api.driver.asked == [("default", "r-9", "ocr_mismatch")]
    assert state(api, one) == "replaying"
    assert replay(api, one)[0] == 409


def test_a_detector_that_does_not_run_leaves_the_letter_waiting(api: Api) -> None:
    one = letter(api, "detect", detector="retired")
    assert replay(api, one)[0] == 409
    assert (api.driver.asked, state(api, one)) == ([], "waiting")


def test_a_full_disk_leaves_the_letter_waiting(api: Api) -> None:
    one = letter(api)
    api.spool.failure = StorageUnavailable("/data", "No space left on device")
    assert replay(api, one)[0] == 507
    assert state(api, one) == "waiting"


def test_what_nobody_knows_can_only_be_discarded(api: Api) -> None:
    one = letter(api, payload=None)
    assert replay(api, one)[0] == 409
    assert api.http.post(f"/v1/dead-letters/{one.id}/discard", json={"actor": "ann"}).json()["state"] == "discarded"
    assert api.http.get("/v1/dead-letters?state=waiting").json()["items"] == []


def test_all_that_wait_are_sent_again_and_the_others_named(api: Api) -> None:
    good, bad = letter(api, response="r-1"), letter(api, response="r-2", payload="not a record")
    report = api.http.post("/v1/dead-letters/replay", json={"stage": "store"}).json()
    assert (report["replayed"], list(report["failed"])) == (1, [bad.id])
    assert (state(api, good), state(api, bad)) == ("replayed", "waiting")


@pytest.mark.parametrize("halted", [True, False])
def test_detection_that_stopped_itself_is_told_of_and_let_go_on(api: Api, halted: bool) -> None:
    api.driver.halted = Halt(reason="30 of 40 failed", since=NOON) if halted else None
    assert api.http.get("/v1/status").json()["detection_halted"] == ("30 of 40 failed" if halted else None)
    assert api.http.post("/v1/detection/resume").json() == {"was_halted": halted}
    assert api.http.get("/v1/status").json()["detection_halted"] is None

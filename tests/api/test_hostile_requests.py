"""What a fuzzer found: odd requests end as problems that name what is wrong, never as a fault of ours."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from monitor.otlp.reading import JSON
from tests.api.conftest import Api
from tests.otlp.spans import as_json, chat

JSON_TYPE = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"reviewer": "r", "workflow": "\xed\xa0\x80"}',
        b'{"reviewer": "r", "workflow": "\\ud800"}',
        b'{"reviewer": "r", "workflow": NaN}',
        '{"reviewer": "r"}'.encode("utf-16"),
        b'{"reviewer": "\xff"}',
        b'{"reviewer": ' + b"[" * 5000,
        b'{"reviewer": "r"',
    ],
)
def test_a_body_that_is_not_json_by_the_book_is_refused(api: Api, body: bytes) -> None:
    reply = api.http.post("/v1/review/next", content=body, headers=JSON_TYPE)
    assert (reply.status_code, reply.json()["field"], reply.json()["remedy"]) == (422, "$", "Send JSON")


def test_a_check_of_text_that_is_no_unicode_is_refused(api: Api) -> None:
    body = b'{"response": {"answer": {"text": "x\xed\xbf\xbfy"}}}'
    assert api.http.post("/v1/check", content=body, headers=JSON_TYPE).status_code == 422


@pytest.mark.parametrize("path", ["/v1/alerts", "/v1/dead-letters", "/v1/audit"])
@pytest.mark.parametrize(
    "cursor", ["9999-12-31T23:59:59-14:00|x", "0001-01-01T00:00:00+14:00|x", "2026-03-02|x", "2026-03-02T00:00:00Z|\x00", "é"]
)
def test_a_forged_cursor_is_refused_by_name(api: Api, path: str, cursor: str) -> None:
    reply = api.http.get(path, params={"cursor": base64.urlsafe_b64encode(cursor.encode()).decode()})
    assert (reply.status_code, reply.json()["field"]) == (400, "cursor")


@pytest.mark.parametrize(
    ("window", "field"),
    [
        ({"until": "0001-01-01T00:00:00Z"}, "until"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "since"),
        ({"since": "9999-12-31T23:59:59-14:00"}, "since"),
    ],
)
def test_a_window_outside_the_calendar_is_refused_by_name(api: Api, window: dict[str, str], field: str) -> None:
    reply = api.http.get("/v1/summary", params=window)
    assert (reply.status_code, reply.json()["field"]) == (400, field)


@pytest.mark.parametrize(("path", "field"), [("/v1/alerts/%00", "path"), ("/v1/review?workflow=a%00b", "query")])
def test_nul_in_a_path_or_query_is_refused(api: Api, path: str, field: str) -> None:
    reply = api.http.get(path)
    assert (reply.status_code, reply.json()["field"]) == (400, field)


@pytest.mark.parametrize("body", [{"reviewer": "a\x00b"}, {"reviewer": "a", "workflow": "\x00"}])
def test_nul_in_a_name_is_refused_by_field(api: Api, body: dict[str, str]) -> None:
    reply = api.http.post("/v1/review/next", json=body)
    assert (reply.status_code, "\x00" in body.get(reply.json()["field"], "")) == (422, True)


@pytest.mark.parametrize(
    ("field", "value"), [("responses_per_day", 2**63), ("evidence_bytes_per_day", 10**30), ("responses_per_minute", 2**31)]
)
def test_a_limit_no_database_can_hold_is_refused_by_name(api: Api, field: str, value: int) -> None:
    reply = api.http.put("/v1/limits", content=json.dumps({field: value}), headers=JSON_TYPE)
    assert (reply.status_code, reply.json()["field"]) == (422, field)
    assert api.http.put("/v1/limits", json={field: 2**31 - 1}).status_code == 200


@pytest.mark.parametrize("headers", [{"Host": "["}, {"Host": "[::1"}, {"Origin": "http://["}])
def test_an_address_with_an_open_bracket_is_no_page_of_this_machine(api: Api, headers: dict[str, str]) -> None:
    assert api.http.get("/v1/status", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.prompt.0.content.²": "x"},
        {"gen_ai.prompt.0.content." + "9" * 5000: "x"},
        {"gen_ai.operation.name": ["chat"]},
        {"gen_ai.operation.name": {"a": 1}, "openinference.span.kind": []},
        {"gen_ai.usage.input_tokens": 10**19 * 9},
        {"gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "blob", "mime_type": "image/png", "content": "é"}]}])},
        {"groundwatch.evidence": json.dumps([{"id": "e", "media_type": "image/png", "content": "é"}])},
        {
            "groundwatch.evidence": '[{"id": "e", "media_type": "text/plain", "content": "x", "metadata": '
            + '{"a":' * 300
            + "1"
            + "}" * 302
            + "]"
        },
        {"llm.output_messages.0.message.contents.0.message_content.text" + ".a" * 3000: "x"},
        {"gen_ai.output.messages": '[{"role": "assistant", "parts": [{"type": "text", "content": ' + "[" * 800 + "]" * 800 + "}]}]"},
    ],
)
@pytest.mark.parametrize("parent", [0, 9])
def test_no_attribute_of_one_span_costs_its_neighbour(api: Api, attributes: dict[str, Any], parent: int) -> None:
    odd = chat(2, parent=parent, trace_id="b" * 32, attributes=attributes)
    reply = api.http.post("/v1/traces", content=json.dumps(as_json([chat(1), odd])), headers={"Content-Type": JSON})
    assert reply.status_code == 200
    assert f"{'0af7651916cd43dd8448eb211c80319c'}-{1:016x}" in str(api.spool.taken)


def test_a_client_that_goes_away_is_no_fault_of_ours(api: Api) -> None:
    @api.app.get("/gone")
    async def gone() -> None:
        raise ClientDisconnect

    assert api.http.get("/gone").status_code == 400

"""Messages that come as log records, apart from their spans: read in both encodings, and joined with their spans."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.errors import RecordInvalid, SlowDown
from monitor.otlp import traces
from monitor.otlp.events import DETAILS, read_events
from monitor.otlp.messages import is_silent
from monitor.otlp.reading import JSON, PROTOBUF
from monitor.otlp.spans import Span
from monitor.records import ResponseRecord
from monitor.store.schema import decode_record
from tests.otlp.logs import CHOICE, QUESTION, WHOLE, as_json, protobuf, record
from tests.otlp.spans import NOON_NS, SECOND, TRACE, chat, span
from tests.otlp.test_traces import Buffering

CALL = span(2, parent=1, name="chat gpt-x", end_s=2.0, attributes={"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 7})
ROOT = span(1, name="request", end_s=3.0, attributes={"groundwatch.workflow": "desk"})


def read(encoding: str, *records: dict[str, Any]) -> tuple[list[Span], int]:
    return read_events(protobuf(list(records)) if encoding == PROTOBUF else as_json(list(records)), encoding)


@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
def test_messages_are_found_among_other_log_records(encoding: str) -> None:
    other = [record("app.started", "hello"), record("gen_ai.choice", CHOICE["body"], attribute=True)]
    spans, passed_over = read(encoding, QUESTION, CHOICE, WHOLE, *other)
    assert passed_over == 1
    assert [(one.name, one.span_id, one.stand_in) for one in spans] == [
        (name, CALL.span_id, True) for name in ("gen_ai.user.message", "gen_ai.choice", DETAILS, "gen_ai.choice")
    ]
    assert spans[0].resource == {"service.name": "app"}
    assert spans[2].attributes == {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-x"}


@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
@pytest.mark.parametrize(
    "silent",
    [
        record("gen_ai.user.message"),
        record("gen_ai.user.message", "plain log text", number=0),
        record("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"role": "assistant"}}),
        record(DETAILS, **{"gen_ai.request.model": "gpt-x"}),
        {**CHOICE, "time": 0},
    ],
)
def test_what_says_nothing_or_belongs_to_no_span_is_passed_over(encoding: str, silent: dict[str, Any]) -> None:
    assert read(encoding, silent) == ([], 1)


@pytest.mark.parametrize(("encoding", "body"), [(PROTOBUF, b"\xff\xff"), (JSON, b"{"), (JSON, b'{"resourceLogs": 3}')])
def test_a_body_that_is_none_is_refused(encoding: str, body: bytes) -> None:
    with pytest.raises(RecordInvalid, match=r"OTLP|ExportLogs"):
        read_events(body, encoding)


@pytest.mark.parametrize("broken", [{"traceId": "xyz"}, {"traceId": 7}, 3, {"body": {"stringValue": 3}}])
def test_a_malformed_record_costs_its_neighbours_nothing(broken: Any) -> None:
    body = json.loads(as_json([CHOICE]))
    body["resourceLogs"][0]["scopeLogs"][0]["logRecords"].insert(0, broken)
    spans, passed_over = read_events(json.dumps(body).encode(), JSON)
    assert (len(spans), passed_over) == (1, 1)


# --- joining ------------------------------------------------------------------------------------------------------


@pytest.fixture
def buffering(tmp_path: Path) -> Iterator[Buffering]:
    made = Buffering(tmp_path)
    yield made
    made.close()


def events(*records: dict[str, Any]) -> list[Span]:
    return read(PROTOBUF, *records)[0]


def records_of(buffering: Buffering) -> list[ResponseRecord]:
    return [decode_record(item.raw) for item in buffering.records.after(0, 100)]


@pytest.mark.parametrize("said", [[QUESTION, CHOICE], [WHOLE]])
@pytest.mark.parametrize("first", ["events", "spans"])
def test_messages_join_their_span_whichever_comes_first(buffering: Buffering, said: list[dict[str, Any]], first: str) -> None:
    # An earlier trace has shown that the messages of this project come apart.
    buffering.traces.take_events("default", events({**WHOLE, "trace_id": "1" * 32}))
    if first == "events":
        assert buffering.traces.take_events("default", events(*said)) == []
        buffering.traces.turn()
        assert buffering.ids == []
    assert buffering.take(CALL, ROOT) == []
    buffering.traces.turn()
    assert len(buffering.ids) == (first == "events")
    if first == "spans":
        buffering.traces.take_events("default", events(*said))
        buffering.traces.turn()
    (found,) = records_of(buffering)
    assert (found.id, found.workflow, found.answer.text) == (f"{TRACE}-{CALL.span_id}", "desk", "A dog.")
    assert found.question is not None
    assert found.question.text == "What is shown?"
    assert found.answer.finish_reason == "stop"
    assert [stage.name for stage in found.stages] == ["infer", "request"]
    assert [(one.item, one.quantity) for one in found.usage] == [("input_tokens", 7)]
    assert [piece.media_type for piece in found.evidence] == (["image/png"] if QUESTION in said else [])
    assert buffering.traces.silent("default") == 0


def test_messages_whose_span_never_comes_are_a_response_of_their_own(tmp_path: Path) -> None:
    buffering = Buffering(tmp_path, wait_s=0.0)
    buffering.traces.take_events("default", events(QUESTION, CHOICE))
    buffering.traces.turn()
    (found,) = records_of(buffering)
    assert (found.id, found.workflow, found.answer.text) == (f"{TRACE}-{CALL.span_id}", "app", "A dog.")
    buffering.take(CALL, ROOT)
    buffering.traces.turn()
    assert len(buffering.ids) == 1, "the span that comes late doubles nothing"
    assert buffering.stand_ins == [("default", 1)], "they count as responses, which spans were when they came"
    buffering.close()


def test_messages_that_wait_survive_a_restart_and_are_not_taken_twice(buffering: Buffering) -> None:
    for _ in range(2):
        buffering.traces.take_events("default", events(QUESTION, CHOICE))
    assert buffering.spans.pending().count == 1
    buffering.restart()
    buffering.take(CALL, ROOT)
    buffering.traces.turn()
    (found,) = records_of(buffering)
    assert found.answer.text == "A dog."


def test_calls_that_never_tell_what_was_said_are_counted_and_make_nobody_wait(buffering: Buffering) -> None:
    assert buffering.take(CALL, ROOT) == []
    failed = span(2, trace_id="2" * 32, attributes={"gen_ai.operation.name": "chat"}, failed=True)
    assert buffering.take(failed) == []
    assert (buffering.ids, buffering.spans.pending().count, buffering.traces.silent("default")) == ([], 0, 1)
    assert (buffering.traces.silent("other"), buffering.traces.silent()) == (0, 1)


def test_a_call_is_counted_once_however_often_its_trace_is_tried(buffering: Buffering, monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = chat(3, parent=1, end_s=2.5)
    with monkeypatch.context() as full:
        full.setattr(buffering.records, "append", refuse)
        for _ in range(3):
            with pytest.raises(SlowDown):
                buffering.take(CALL, spoken, ROOT)
    buffering.take(CALL)
    buffering.take(spoken, ROOT)
    with monkeypatch.context() as full:
        full.setattr(buffering.records, "append", refuse)
        for _ in range(3):
            with pytest.raises(SlowDown):
                buffering.traces.turn()
    buffering.traces.turn()
    assert (len(buffering.ids), buffering.traces.silent("default")) == (1, 1)


def refuse(*_: Any, **__: Any) -> None:
    raise SlowDown("spool", "1 byte", 1)


def test_a_trace_that_waits_for_messages_is_looked_at_when_something_came_and_not_at_every_turn(
    buffering: Buffering, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffering.traces.take_events("default", events({**WHOLE, "trace_id": "1" * 32}))
    looked: list[Span] = []
    monkeypatch.setattr(traces, "is_silent", lambda one: looked.append(one) or is_silent(one))
    buffering.take(CALL, ROOT)
    looked.clear()
    for _ in range(5):
        buffering.traces.turn()
    assert looked.count(CALL) == 1
    buffering.traces.take_events("default", events(CHOICE))
    buffering.traces.turn()
    assert len(buffering.ids) == 1


def test_events_of_a_time_that_is_not_kept_are_rejected_with_the_reason(buffering: Buffering) -> None:
    (reason,) = buffering.traces.take_events("default", events({**CHOICE, "time": NOON_NS + 90_000 * SECOND}))
    assert "ahead of the server's clock" in reason
    assert buffering.spans.pending().count == 0

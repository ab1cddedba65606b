from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import BodyUnsupported, RecordInvalid
from monitor.otlp.reading import JSON, PROTOBUF, encoding_of, read_spans
from monitor.otlp.spans import SpanEvent
from tests.otlp.spans import as_json, chat, protobuf, span

RICH = chat(
    1,
    attributes={"list": ["a", 2, True, 0.5], "map": {"deep": {"er": [1]}}, "n": -7, "unicode": "☃"},
    events=(SpanEvent(name="e", attributes={"k": "v"}),),
    resource={"service.name": "shop"},
)


def read_json(body: Any) -> tuple[list[Any], list[str]]:
    return read_spans(json.dumps(body).encode(), JSON)


def test_both_encodings_of_a_request_are_the_same_spans() -> None:
    assert read_spans(protobuf([RICH]), PROTOBUF) == read_json(as_json([RICH])) == ([RICH], [])


def test_an_empty_request_has_no_spans() -> None:
    assert read_spans(b"", PROTOBUF) == read_spans(b"", JSON) == read_spans(b"{}", JSON) == ([], [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"traceId": ""}, "trace_id must be 16 bytes"),
        ({"traceId": "0" * 32}, "trace_id must be 16 bytes"),
        ({"spanId": "12"}, "span_id must be 8 bytes"),
        ({"spanId": "not hexadecimal!"}, "hexadecimal"),
        ({"parentSpanId": "ff"}, "parent_span_id must be 8 bytes"),
        ({"endTimeUnixNano": "5"}, "ends before it starts"),
        ({"startTimeUnixNano": None}, "required"),
        ({"startTimeUnixNano": "-1"}, "required"),
        ({"name": 7}, "malformed"),
        ({"attributes": "x"}, "malformed"),
    ],
)
def test_a_bad_span_is_rejected_with_its_reason_and_costs_no_neighbour(changes: dict[str, Any], reason: str) -> None:
    body = as_json([RICH])
    good = body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    body["resourceSpans"][0]["scopeSpans"][0]["spans"] = [{**good, **changes}, good]
    spans, rejected = read_json(body)
    assert spans == [RICH]
    assert len(rejected) == 1
    assert reason in rejected[0]


def test_unknown_fields_and_nulls_are_ignored() -> None:
    body = as_json([RICH], flags=256, droppedAttributesCount=0, links=None, newField={"x": 1})
    assert read_json({**body, "other": 1})[0] == [RICH]


@pytest.mark.parametrize("text", [str(2**63), str(-(2**63) - 1), "9" * 5000, "²", "--1", ""])
def test_what_is_no_64_bit_integer_stays_text(text: str) -> None:
    body = as_json([span(1)], attributes=[{"key": "n", "value": {"intValue": text}}, {"key": "m", "value": {"intValue": str(2**63 - 1)}}])
    assert read_json(body)[0][0].attributes == {"n": text, "m": 2**63 - 1}


def test_an_all_zero_parent_is_a_root() -> None:
    assert read_json(as_json([span(1)], parentSpanId="0" * 16))[0][0].parent_id == ""


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"resourceSpans": 1}', b"\xff\xfe", b'{"resourceSpans":' + b"[" * 5000])
def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(RecordInvalid):
        read_spans(body, JSON)


def test_a_body_that_is_no_protobuf_is_refused() -> None:
    with pytest.raises(RecordInvalid, match="protobuf"):
        read_spans(b"\x0a\xff\xff\xff\xff\x0f nonsense", PROTOBUF)


@pytest.mark.parametrize(("kind", "encoding"), [("application/x-protobuf", PROTOBUF), ("Application/JSON; charset=utf-8", JSON)])
def test_the_content_type_says_the_encoding(kind: str, encoding: str) -> None:
    assert encoding_of(kind) == encoding


@pytest.mark.parametrize("kind", ["", "text/plain", "application/grpc"])
def test_other_content_types_are_refused(kind: str) -> None:
    with pytest.raises(BodyUnsupported):
        encoding_of(kind)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused_by_name(body: bytes) -> None:
    for encoding in (PROTOBUF, JSON):
        try:
            spans, rejected = read_spans(body, encoding)
        except RecordInvalid:
            continue
        assert isinstance(spans, list)
        assert all(rejected)


@given(st.data())
def test_a_broken_protobuf_is_read_or_refused_by_name(data: st.DataObject) -> None:
    body = bytearray(protobuf([RICH, chat(2)]))
    for _ in range(data.draw(st.integers(1, 8))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        spans, rejected = read_spans(bytes(body), PROTOBUF)
    except RecordInvalid:
        return
    assert len(spans) + len(rejected) <= 400

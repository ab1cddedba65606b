"""The response record: what it takes, what it refuses, and what it says when it refuses."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from monitor.errors import RecordInvalid
from monitor.records import encode_response, parse_response

MINIMAL: dict[str, Any] = {"id": "r-1", "time": "2026-01-31T08:00:00+01:00", "workflow": "image-qa", "answer": {"text": "A dog 🐶 runs."}}
PICTURE = {"id": "p", "media_type": "image/png", "uri": "sha256:" + "0" * 64}


def parse(**changes: Any) -> Any:
    return parse_response(json.dumps({**MINIMAL, **changes}))


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"x": 1}
    for _ in range(levels - 1):
        value = {"x": value}
    return value


def test_the_four_required_fields_are_enough() -> None:
    record = parse()
    assert (record.id, record.risk, record.evidence, record.time.utcoffset().total_seconds()) == ("r-1", "assistive", (), 3600)


def test_a_record_survives_encoding_unchanged() -> None:
    record = parse(
        evidence=[{**PICTURE, "metadata": {"k": [1, {"deep": None}]}}],
        claims=[
            {"text": "A dog", "span": [0, 5], "kind": "object", "citations": [{"evidence": "p", "region": [0.1, 0.2, 0.3, 0.4], "page": 1}]}
        ],
        stages=[{"name": "infer", "duration_ms": 12.5}],
        usage=[{"item": "input_tokens", "quantity": 10, "unit": "token"}],
        attributes={"anything": {"at": ["all"]}, "deep": nested(63)},
        labels=[{"span": [2, 5], "hallucinated": True, "error": "object", "cause": "perception"}],
    )
    assert parse_response(encode_response(record)) == record


def test_spans_count_code_points_not_bytes() -> None:
    text = MINIMAL["answer"]["text"]
    assert parse(claims=[{"text": "runs", "span": [len(text) - 5, len(text)]}]).claims[0].span == (len(text) - 5, len(text))


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"id": "has space"}, "id", "1 to 128 characters"),
        ({"id": "x" * 129}, "id", "128"),
        ({"id": ".."}, "id", "not . or .. alone"),
        ({"time": "2026-01-31T08:00:00"}, "time", "offset"),
        ({"time": "yesterday"}, "time", "RFC 3339"),
        ({"workflow": ""}, "workflow", "length"),
        ({"risk": "high"}, "risk", "assistive, decision_support or authoritative"),
        ({"colour": "red"}, "colour", "attributes"),
        ({"answer": {"text": "x", "colour": "red"}}, "answer.colour", "not a field"),
        ({"answer": {}}, "answer.text", "required"),
        ({"answer": {"text": "x", "confidence": 1.5}}, "answer.confidence", "<= 1"),
        ({"cohort": {f"k{n}": "v" for n in range(33)}}, "cohort", "at most 32"),
        ({"evidence": [{"id": "p", "media_type": "image/png"}]}, "evidence[0]", "exactly one of uri and content"),
        ({"evidence": [{**PICTURE, "content": "aGk="}]}, "evidence[0]", "both are"),
        ({"evidence": [{"id": "p", "media_type": "picture", "uri": "s3://b/k"}]}, "evidence[0].media_type", "IANA"),
        ({"evidence": [{"id": "p", "media_type": "image/png", "uri": "ftp://x"}]}, "evidence[0].uri", "scheme"),
        ({"evidence": [{"id": "p", "media_type": "image/png", "uri": "sha256:abc"}]}, "evidence[0].uri", "64 lower-case hex"),
        ({"evidence": [{"id": "p", "media_type": "image/png", "content": "no base64!"}]}, "evidence[0].content", "base64"),
        ({"evidence": [{"id": "p", "media_type": "image/png", "content": "é"}]}, "evidence[0].content", "base64"),
        ({"evidence": [{**PICTURE, "metadata": nested(65)}]}, "evidence[0].metadata", "deeper than 64"),
        ({"attributes": nested(65)}, "attributes", "deeper than 64"),
        ({"evidence": [PICTURE, PICTURE]}, "evidence[1].id", "used twice"),
        ({"claims": [{"text": "x", "span": [3, 99]}]}, "claims[0].span", "does not lie in the answer"),
        ({"claims": [{"text": "x", "span": [3, 3]}]}, "claims[0].span", "start < end"),
        (
            {"claims": [{"text": "x", "citations": [{"evidence": "p", "region": [0.9, 0, 0.2, 0.1]}]}]},
            "claims[0].citations[0].region",
            "leaves the picture",
        ),
        ({"claims": [{"text": "x", "citations": [{"evidence": "p", "time": [3, 1]}]}]}, "claims[0].citations[0].time", "ends before"),
        ({"claims": [{"text": "x", "citations": [{"evidence": "p", "page": 0}]}]}, "claims[0].citations[0].page", ">= 1"),
        ({"stages": [{"name": "infer", "duration_ms": -1}]}, "stages[0].duration_ms", ">= 0"),
        ({"labels": [{"span": [0, 1], "hallucinated": True, "error": "typo"}]}, "labels[0].error", "typo"),
    ],
)
def test_a_refusal_names_the_field_and_the_remedy(changes: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(RecordInvalid) as refusal:
        parse(**changes)
    assert refusal.value.field == field
    assert says in f"{refusal.value.problem} {refusal.value.remedy}"
    assert refusal.value.remedy


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b'{"id": "a"'])
def test_what_is_no_json_object_is_refused_as_a_whole(raw: bytes) -> None:
    with pytest.raises(RecordInvalid) as refusal:
        parse_response(raw)
    assert refusal.value.field == "$"


def test_inline_content_is_text_or_base64_by_media_type() -> None:
    record = parse(
        evidence=[
            {"id": "t", "media_type": "text/plain; charset=utf-8", "content": "grüß"},
            {"id": "j", "media_type": "application/ld+json", "content": "{}"},
            {"id": "b", "media_type": "image/png", "content": base64.b64encode(b"\x89PNG").decode()},
        ]
    )
    assert [evidence.content_bytes() for evidence in record.evidence] == ["grüß".encode(), b"{}", b"\x89PNG"]


def test_cost_is_unknown_without_a_price_and_never_zero() -> None:
    usage = parse(
        usage=[
            {"item": "a", "quantity": 10, "unit": "token"},
            {"item": "b", "quantity": 10, "unit": "token", "unit_price": 0.5, "currency": "USD"},
            {"item": "c", "quantity": 10, "unit": "token", "unit_price": 0.5, "amount": 3, "currency": "USD"},
        ]
    ).usage
    assert [item.cost for item in usage] == [None, 5.0, 3.0]


@pytest.mark.corpus
def test_every_record_of_the_labelled_corpus_is_taken(corpus: Path) -> None:
    files = sorted(corpus.glob("*/responses.jsonl"))
    count = 0
    for file in files:
        for line in file.read_bytes().splitlines():
            record = parse_response(line)
            assert parse_response(encode_response(record)) == record
            count += 1
    assert count > 2000

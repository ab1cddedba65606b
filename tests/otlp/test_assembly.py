from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from monitor.errors import RecordInvalid
from monitor.otlp.assembly import Trace
from monitor.otlp.spans import Span, SpanEvent
from monitor.records import ResponseRecord
from tests.otlp.spans import NOON_NS, TRACE, chat, span

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
PNG_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


def records(*spans: Span) -> list[ResponseRecord]:
    trace = Trace(spans)
    return [trace.record(position) for position in range(len(trace.answers))]


def the_record(*spans: Span) -> ResponseRecord:
    (record,) = records(*spans)
    return record


def asked(*parts: Any, role: str = "user") -> dict[str, Any]:
    return {"gen_ai.input.messages": json.dumps([{"role": role, "parts": list(parts)}])}


def words(text: str) -> dict[str, str]:
    return {"type": "text", "content": text}


def test_a_chat_span_becomes_a_response() -> None:
    record = the_record(
        chat(1, "A dog.", attributes={**asked(words("What is it?")), "gen_ai.conversation.id": "s-1", "gen_ai.response.model": "gpt-x-1"})
    )
    assert (record.id, record.trace_id, record.span_id) == (f"{TRACE}-{1:016x}", TRACE, f"{1:016x}")
    assert record.question is not None
    assert (record.question.text, record.answer.text, record.answer.finish_reason) == ("What is it?", "A dog.", "stop")
    assert record.model is not None
    assert (record.model.provider, record.model.name, record.session_id) == ("openai", "gpt-x-1", "s-1")
    assert record.time.timestamp() == NOON_NS / 1e9 + 1


def test_a_call_that_only_chooses_tools_is_no_answer_but_its_tokens_count() -> None:
    used = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
    record = the_record(
        span(1, name="agent", end_s=4.0),
        chat(2, "", parent=1, end_s=1.0, attributes=used),
        chat(3, "Found it.", parent=1, start_s=2.0, end_s=3.0, attributes=used),
    )
    assert record.answer.text == "Found it."
    assert sum(item.quantity for item in record.usage) == 30


def test_every_answer_of_a_trace_is_a_response_of_its_own() -> None:
    first, second = records(
        span(1, name="agent", end_s=4.0), chat(2, "Draft.", parent=1, end_s=1.0), chat(3, "Final.", parent=1, start_s=2.0, end_s=3.5)
    )
    assert (first.answer.text, second.answer.text) == ("Draft.", "Final.")
    spent = [stage.duration_ms for record in (first, second) for stage in record.stages]
    assert sum(spent) == pytest.approx(4000.0)


def test_stages_give_every_moment_to_the_innermost_span_so_that_they_add_up() -> None:
    record = the_record(
        span(1, name="request", end_s=10.0),
        span(2, 1, name="search", start_s=1.0, end_s=4.0, attributes={"openinference.span.kind": "RETRIEVER"}),
        span(3, 2, name="embed", start_s=1.0, end_s=2.0, attributes={"gen_ai.operation.name": "embeddings"}, failed=True),
        chat(4, parent=1, start_s=5.0, end_s=9.0),
    )
    stages = {stage.name: (stage.duration_ms, stage.status) for stage in record.stages}
    assert stages == {"request": (3000.0, "ok"), "encode": (1000.0, "error"), "retrieve": (2000.0, "ok"), "infer": (4000.0, "ok")}


def test_a_model_call_of_an_older_instrumentation_is_the_stage_infer_whatever_its_name() -> None:
    older = {"llm.request.type": "chat", "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "A dog."}
    record = the_record(span(1, name="openai.chat", attributes=older))
    assert [stage.name for stage in record.stages] == ["infer"]


def test_parallel_spans_do_not_count_twice() -> None:
    record = the_record(
        span(1, name="request", end_s=4.0),
        *(span(n, 1, name=f"tool-{n}", start_s=0.0, end_s=2.0) for n in (2, 3)),
        chat(4, parent=1, start_s=2.0, end_s=4.0),
    )
    assert sum(stage.duration_ms for stage in record.stages) == pytest.approx(4000.0)


def test_retrieved_documents_are_evidence_with_title_and_id() -> None:
    documents = [{"id": "d-7", "content": "Opening hours: 9 to 5.", "score": 0.9, "metadata": {"title": "Hours"}}]
    record = the_record(
        span(1, name="rag", end_s=3.0),
        span(2, 1, name="retrieve", end_s=1.0, attributes={"gen_ai.retrieval.documents": json.dumps(documents)}),
        chat(3, parent=1, start_s=1.0, end_s=2.0),
    )
    (piece,) = record.evidence
    assert (piece.content, piece.title, piece.metadata["document_id"]) == ("Opening hours: 9 to 5.", "Hours", "d-7")


def test_what_a_reranker_chose_is_what_the_model_saw() -> None:
    def documents(prefix: str, *texts: str) -> dict[str, Any]:
        return {f"{prefix}.{n}.document.content": text for n, text in enumerate(texts)}

    record = the_record(
        span(1, name="rag", end_s=3.0),
        span(2, 1, end_s=0.5, attributes={"openinference.span.kind": "RETRIEVER", **documents("retrieval.documents", "a", "b", "c")}),
        span(3, 1, end_s=0.9, attributes={"openinference.span.kind": "RERANKER", **documents("reranker.output_documents", "b")}),
        chat(4, parent=1, start_s=1.0, end_s=2.0),
    )
    assert [piece.content for piece in record.evidence] == ["b"]


def retrieval(number: int, parent: int, text: str, at_s: float) -> Span:
    found = {"gen_ai.retrieval.documents": json.dumps([{"content": text}])}
    return span(number, parent, name="retrieve", start_s=at_s, end_s=at_s + 0.1, attributes=found)


def evidence_of(*spans: Span) -> dict[str, list[Any]]:
    """Documents by answer."""
    trace = Trace(spans)
    records = [trace.record(position) for position in range(len(trace.answers))]
    return {record.answer.text: [piece.content for piece in record.evidence] for record in records}


def test_in_a_job_over_many_questions_each_answer_rests_on_what_was_retrieved_for_it() -> None:
    job = [span(1, name="job", end_s=100.0), retrieval(2, 1, "for all", 0.0)]
    for item in range(1, 6):
        number = 10 * item
        job += [
            span(number, 1, name="question", start_s=item, end_s=item + 0.9),
            retrieval(number + 1, number, f"doc {item}", item),
            chat(number + 2, f"answer {item}", parent=number, start_s=item + 0.2, end_s=item + 0.8),
        ]
    assert evidence_of(*job) == {f"answer {item}": ["for all", f"doc {item}"] for item in range(1, 6)}


def test_what_a_step_retrieved_after_its_own_words_is_evidence_of_the_next_answer() -> None:
    assert evidence_of(
        span(1, name="agent", end_s=9.0),
        span(2, 1, name="step", end_s=3.0),
        chat(3, "I will look.", parent=2, end_s=1.0),
        retrieval(4, 2, "found", 2.0),
        chat(5, "It is red.", parent=1, start_s=4.0, end_s=5.0),
    ) == {"I will look.": [], "It is red.": ["found"]}


def test_an_answer_with_nothing_of_its_own_rests_on_what_earlier_steps_retrieved() -> None:
    assert evidence_of(
        span(1, name="agent", end_s=9.0),
        span(2, 1, name="step", end_s=3.0),
        retrieval(3, 2, "found", 1.0),
        chat(4, "A summary.", parent=2, start_s=2.0, end_s=3.0),
        chat(5, "The whole.", parent=1, start_s=4.0, end_s=5.0),
    ) == {"A summary.": ["found"], "The whole.": ["found"]}


@pytest.mark.parametrize("parents", [{2: 2}, {2: 3, 3: 2}, {2: 3, 3: 4, 4: 2}])
def test_spans_that_are_their_own_parents_are_answers_all_the_same(parents: dict[int, int]) -> None:
    spans = [chat(child, f"answer {child}", parent=parent) for child, parent in parents.items()]
    assert sorted(evidence_of(*spans, retrieval(9, 2, "found", 0.0))) == [f"answer {child}" for child in parents]


def test_of_a_long_loop_the_latest_documents_are_evidence() -> None:
    spans = [span(1, name="loop", end_s=1000.0), *(retrieval(n + 2, 1, f"doc {n}", float(n)) for n in range(150))]
    (documents,) = evidence_of(*spans, chat(500, "Done.", parent=1, start_s=200.0, end_s=201.0)).values()
    assert documents == [f"doc {n}" for n in range(50, 150)]


def test_a_document_retrieved_after_the_answer_is_not_its_evidence() -> None:
    late = {"gen_ai.retrieval.documents": json.dumps([{"content": "later"}])}
    record = the_record(span(1, end_s=5.0), chat(2, parent=1, end_s=1.0), span(3, 1, start_s=2.0, end_s=3.0, attributes=late))
    assert record.evidence == ()


@pytest.mark.parametrize(
    "part",
    [
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": base64.b64encode(PNG).decode()},
        {"type": "blob", "modality": "image", "content": base64.b64encode(PNG).decode()},
        {"type": "image_url", "image_url": {"url": PNG_URL}},
        {"type": "uri", "modality": "image", "uri": f"data:;base64,{base64.b64encode(PNG).decode()}"},
    ],
)
def test_an_inline_picture_is_evidence_whatever_shape_it_came_in(part: dict[str, Any]) -> None:
    (piece,) = the_record(chat(1, attributes=asked(words("?"), part))).evidence
    assert (piece.media_type, piece.content_bytes()) == ("image/png", PNG)


def test_recordings_and_references_are_evidence() -> None:
    record = the_record(
        chat(
            1,
            attributes=asked(
                {"type": "input_audio", "input_audio": {"data": base64.b64encode(b"RIFF0000WAVE").decode(), "format": "wav"}},
                {"type": "uri", "modality": "document", "uri": "s3://bucket/a.pdf"},
                {"type": "uri", "modality": "video", "mime_type": "video/webm", "uri": "https://example.com/clip"},
            ),
        )
    )
    assert [(piece.media_type, piece.uri) for piece in record.evidence] == [
        ("audio/wav", None),
        ("application/pdf", "s3://bucket/a.pdf"),
        ("video/webm", "https://example.com/clip"),
    ]


def test_what_cannot_be_read_is_named_and_costs_nothing_else() -> None:
    record = the_record(
        chat(
            1,
            attributes=asked(
                words("?"),
                {"type": "file", "modality": "image", "file_id": "file-9"},
                {"type": "uri", "modality": "image", "uri": "http://10.0.0.1/x.png"},
                {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "cut short by an attribute li"},
            ),
        )
    )
    assert record.evidence == ()
    assert record.attributes["otel"]["unreachable_evidence"] == ["file_id:file-9", "http://10.0.0.1/x.png", "image/png"]


def test_tool_results_are_evidence_and_a_long_prompt_is_where_there_is_nothing_else() -> None:
    tool = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": {"price": 12}}]}
    with_tool = the_record(chat(1, attributes={"gen_ai.input.messages": json.dumps([tool])}))
    assert [(piece.id, piece.content) for piece in with_tool.evidence] == [("tool-1", '{"price":12}')]
    long = "The shop opens at nine. " * 40
    assert [piece.id for piece in the_record(chat(1, attributes=asked(words(long)))).evidence] == ["prompt"]
    assert the_record(chat(1, attributes=asked(words("What time is it?")))).evidence == ()


def test_evidence_named_by_the_application_comes_first() -> None:
    named = json.dumps([{"id": "page", "media_type": "image/png", "uri": "sha256:" + "a" * 64}])
    assert the_record(chat(1, attributes={"groundwatch.evidence": named})).evidence[0].id == "page"


def test_openinference_spans_are_read() -> None:
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "claude-z",
        "llm.provider": "anthropic",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.contents.0.message_content.type": "text",
        "llm.input_messages.0.message.contents.0.message_content.text": "What animal?",
        "llm.input_messages.0.message.contents.1.message_content.type": "image",
        "llm.input_messages.0.message.contents.1.message_content.image.image.url": PNG_URL,
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": "A cat.",
        "llm.token_count.prompt": 100,
        "llm.token_count.completion": 20,
        "llm.cost.prompt": 0.01,
        "llm.cost.completion": 0.002,
        "session.id": "s-2",
    }
    record = the_record(span(1, name="llm", attributes=attributes))
    assert record.question is not None
    assert record.model is not None
    assert (record.question.text, record.answer.text, record.model.name, record.session_id) == ("What animal?", "A cat.", "claude-z", "s-2")
    assert [piece.content_bytes() for piece in record.evidence] == [PNG]
    assert sum(item.amount or 0 for item in record.usage) == pytest.approx(0.012)


def event(name: str, **attributes: Any) -> SpanEvent:
    return SpanEvent(name=name, attributes=attributes)


CHAT = {"gen_ai.operation.name": "chat"}
NUMBERED = {"gen_ai.prompt.0.content": "Q", "gen_ai.prompt.0.role": "user", "gen_ai.completion.0.content": "A"}
STRUCTURED = {
    "gen_ai.input.messages": [{"role": "user", "parts": [words("Q")]}],
    "gen_ai.output.messages": [{"role": "assistant", "parts": [words("A")]}],
}
CONTENT_EVENTS = (
    SpanEvent(name="gen_ai.content.prompt", attributes={"gen_ai.prompt": '[{"role": "user", "content": "Q"}]'}),
    SpanEvent(name="gen_ai.content.completion", attributes={"gen_ai.completion": '[{"content": "A"}]'}),
)


@pytest.mark.parametrize(
    "fields",
    [
        {"attributes": {**CHAT, **NUMBERED}},
        {"attributes": CHAT, "events": (event("gen_ai.user.message", content="Q"), event("gen_ai.choice", message={"content": "A"}))},
        {"attributes": CHAT, "events": CONTENT_EVENTS},
        {"attributes": {"openinference.span.kind": "LLM", "input.value": "Q", "output.value": "A"}},
        {"attributes": {**CHAT, **STRUCTURED}},
    ],
)
def test_older_and_structured_shapes_are_read(fields: dict[str, Any]) -> None:
    record = the_record(span(1, **fields))
    assert record.question is not None
    assert (record.question.text, record.answer.text) == ("Q", "A")


def test_tokens_are_split_into_items_that_do_not_overlap() -> None:
    usage = {
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.cache_read.input_tokens": 300,
        "gen_ai.usage.image.input_tokens": 200,
        "gen_ai.usage.output_tokens": 50,
    }
    items = the_record(chat(1, attributes=usage)).usage
    assert [(item.item, item.modality, item.quantity) for item in items] == [
        ("input_tokens", None, 500),
        ("cache_read_input_tokens", None, 300),
        ("input_tokens", "image", 200),
        ("output_tokens", None, 50),
    ]
    assert all(item.amount is None for item in items)


def test_a_total_cost_is_kept_as_it_was_given() -> None:
    items = the_record(chat(1, attributes={"gen_ai.usage.input_tokens": 10, "llm.cost.total": 0.5})).usage
    assert [(item.quantity, item.amount, item.currency) for item in items] == [(10, 0.5, "USD")]


def test_workflow_cohort_risk_and_release_come_from_span_root_and_resource() -> None:
    root = span(1, name="root", end_s=2.0, attributes={"groundwatch.workflow": "invoice-qa", "groundwatch.cohort.region": "eu"})
    record = the_record(
        root,
        chat(
            2,
            parent=1,
            attributes={"groundwatch.risk": "authoritative"},
            resource={"service.version": "1.2", "deployment.environment": "canary"},
        ),
    )
    assert (record.workflow, record.risk, record.cohort) == ("invoice-qa", "authoritative", {"region": "eu"})
    assert record.release is not None
    assert (record.release.version, record.release.stage) == ("1.2", "canary")
    assert the_record(chat(1, resource={"service.name": "shop"})).workflow == "shop"


def test_raw_attributes_are_kept_without_the_messages_and_within_a_limit() -> None:
    kept = the_record(chat(1, attributes={**asked(words("?")), "custom": "v", "huge": "x" * 100_000})).attributes["otel"]
    assert kept["attributes"]["custom"] == "v"
    assert not any("messages" in name for name in kept["attributes"])
    assert kept["dropped_attributes"] == ["huge"]


def test_a_record_that_breaks_the_contract_is_refused_by_name() -> None:
    with pytest.raises(RecordInvalid):
        records(chat(1, attributes={"groundwatch.evidence": json.dumps([{"id": "x", "media_type": "nonsense", "content": "y"}])}))


def test_a_trace_of_ten_thousand_spans_is_worked_out_in_one_pass() -> None:
    many = [span(n, 1, name="step", start_s=n / 1000, end_s=(n + 1) / 1000) for n in range(2, 10_000)]
    record = the_record(span(1, name="root", end_s=20.0), *many, chat(10_001, parent=1, start_s=15.0, end_s=16.0))
    assert sum(stage.duration_ms for stage in record.stages) == pytest.approx(20_000.0)


def test_spans_that_are_each_others_parents_do_not_hang() -> None:
    assert the_record(chat(1, parent=2), span(2, 1)).answer.text == "A dog."

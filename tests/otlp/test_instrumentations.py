"""What instrumentations of providers and frameworks really send, cut to what matters: one call is one response, whole."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from monitor.otlp.assembly import Trace
from monitor.otlp.events import read_events
from monitor.otlp.reading import PROTOBUF
from monitor.otlp.spans import Span
from monitor.records import ResponseRecord
from tests.otlp import logs
from tests.otlp.spans import chat, span
from tests.otlp.test_assembly import PNG, PNG_URL, asked, the_record, words

PNG_64 = base64.b64encode(PNG).decode()
HIDDEN = "__REDACTED__"
USED = {"gen_ai.usage.input_tokens": 99, "gen_ai.usage.output_tokens": 8}
ANTHROPIC_PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG_64}}


def openinference(number: int, text: str = "RM 9.", parent: int = 0, **fields: Any) -> Span:
    """A call as OpenInference tells it; no output messages where ``text`` is empty."""
    said = {"llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": text} if text else {}
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.token_count.prompt": 99,
        "llm.token_count.completion": 8,
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": "What is the total?",
        **said,
        **fields.pop("attributes", {}),
    }
    return span(number, parent, name=fields.pop("name", "ChatCompletion"), attributes=attributes, **fields)


def anthropic_sdk(number: int, parent: int, **fields: Any) -> Span:
    """The span that Anthropic's library opens itself: no messages, the tokens once more."""
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.response.id": "msg-1", **USED}
    return span(number, parent, name="anthropic.messages.create", attributes=attributes, **fields)


def tokens(record: ResponseRecord) -> float:
    return sum(item.quantity for item in record.usage)


def question(record: ResponseRecord) -> str:
    assert record.question is not None
    return record.question.text


# --- one call, told twice -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("parent", [2, 1], ids=["inside", "beside, as under a framework's callbacks"])
def test_a_librarys_own_span_within_a_call_is_no_silent_call_and_its_tokens_count_once(parent: int) -> None:
    told = openinference(2, parent=1, end_s=3.0, name="ChatAnthropic")
    trace = Trace([span(1, name="request", end_s=4.0), told, anthropic_sdk(3, parent, start_s=1.0, end_s=2.0)])
    assert trace.silent == 0
    assert tokens(trace.record(0)) == 107


@pytest.mark.parametrize("parent", [2, 1], ids=["inside", "beside"])
def test_a_framework_and_its_client_library_tell_of_one_answer(parent: int) -> None:
    outer = openinference(2, parent=1, end_s=3.0, name="ChatOpenAI", attributes={"session.id": "s-9"})
    trace = Trace([span(1, name="request", end_s=4.0), outer, openinference(3, parent=parent, start_s=1.0, end_s=2.0)])
    assert [answer.name for answer, _ in trace.answers] == ["ChatCompletion"]
    record = trace.record(0)
    assert (tokens(record), record.session_id) == (107, "s-9")


def test_of_two_tellings_the_one_with_the_picture_is_kept() -> None:
    outer = openinference(
        1,
        end_s=3.0,
        name="ChatOpenAI",
        attributes={
            "llm.input_messages.0.message.contents.0.message_content.type": "image",
            "llm.input_messages.0.message.contents.0.message_content.image.image.url": PNG_URL,
        },
    )
    (piece,) = the_record(outer, openinference(2, parent=1, start_s=1.0, end_s=2.0)).evidence
    assert piece.content_bytes() == PNG


def test_a_tool_choosing_call_told_twice_counts_its_tokens_once() -> None:
    outer, inner = chat(2, "", 1, end_s=3.0, attributes=USED), chat(3, "", 2, start_s=1.0, end_s=2.0, attributes=USED)
    answer = chat(4, "RM 9.", 1, start_s=4.0, end_s=5.0, attributes=USED)
    assert tokens(the_record(span(1, name="agent", end_s=6.0), outer, inner, answer)) == 214


def test_parallel_calls_and_calls_within_a_call_that_say_something_else_stay_apart() -> None:
    root = span(1, name="request", end_s=9.0)
    parallel = [openinference(2, "Yes.", 1, end_s=8.0), openinference(3, "Yes.", 1, start_s=1.0, end_s=2.0)]
    assert len(Trace([root, *parallel]).answers) == 2
    nested = [openinference(2, "No.", 1, end_s=8.0, name="judge"), openinference(3, "Yes.", 2, start_s=1.0, end_s=2.0)]
    assert len(Trace([root, *nested]).answers) == 2
    of_another_call = openinference(3, "Yes.", 1, start_s=1.0, end_s=2.0, attributes={"llm.token_count.prompt": 5})
    assert len(Trace([root, openinference(2, "Yes.", 1, end_s=8.0, name="judge"), of_another_call]).answers) == 2


def test_a_silent_call_told_twice_is_one() -> None:
    quiet = {"gen_ai.operation.name": "chat"}
    assert Trace([span(1, end_s=3.0, attributes=quiet), span(2, 1, start_s=1.0, end_s=2.0, attributes=quiet)]).silent == 1


def test_a_silent_call_of_another_response_within_a_call_stays_silent_and_its_tokens_count() -> None:
    of_a_tool = anthropic_sdk(2, 1, start_s=1.0, end_s=2.0)
    of_a_tool.attributes["gen_ai.usage.input_tokens"] = 500
    trace = Trace([openinference(1, end_s=3.0), of_a_tool])
    assert trace.silent == 1
    assert tokens(trace.record(0)) == 107 + 508


def test_a_failed_attempt_within_an_answered_call_is_neither_silent_nor_an_answer() -> None:
    attempt = anthropic_sdk(2, 1, start_s=1.0, end_s=1.5, failed=True)
    trace = Trace([openinference(1, end_s=3.0), attempt])
    assert (len(trace.answers), trace.silent) == (1, 0)


def test_a_step_that_openinference_calls_a_model_but_that_tells_its_output_is_not_silent() -> None:
    prepared = {"output.value": '{"messages": ["…"], "tools": []}', "output.mime_type": "application/json"}
    assert Trace([openinference(1, "", attributes=prepared)]).silent == 0
    assert Trace([openinference(1, "")]).silent == 1


@pytest.mark.parametrize("hidden", [{"output.value": HIDDEN}, {"llm.output_messages.0.message.content": HIDDEN}])
def test_an_answer_that_openinference_hides_is_a_silent_call_and_no_answer(hidden: dict[str, str]) -> None:
    trace = Trace([openinference(1, "", attributes=hidden)])
    assert (len(trace.answers), trace.silent) == (0, 1)


def test_a_question_that_openinference_hides_is_none() -> None:
    assert the_record(openinference(1, attributes={"llm.input_messages.0.message.content": HIDDEN})).question is None


# --- media --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "part",
    [
        ANTHROPIC_PICTURE,
        {"type": "image", "base64": PNG_64, "mime_type": "image/png"},
        {"type": "image", "image": PNG_64, "mimeType": "image/png"},
        {"type": "image", "image": PNG_URL},
        {"type": "file", "data": PNG_64, "mediaType": "image/png"},
        {"type": "binary", "media_type": "image/png", "content": PNG_64},
        {"image": {"format": "png", "source": {"bytes": PNG_64}}},
        {"image": {"format": "png", "source": {"bytes": str(PNG)}}},
        {"inline_data": {"mime_type": "image/png", "data": PNG_64}},
    ],
)
def test_pictures_of_every_library_are_evidence_and_no_part_of_the_question(part: dict[str, Any]) -> None:
    record = the_record(chat(1, attributes=asked(words("What is the total?"), part)))
    assert [(piece.media_type, piece.content_bytes()) for piece in record.evidence] == [("image/png", PNG)]
    assert question(record) == "What is the total?"


@pytest.mark.parametrize(
    ("part", "media_type", "uri"),
    [
        ({"type": "image", "source": {"type": "url", "url": "https://a.example/r.png"}}, "image/png", "https://a.example/r.png"),
        ({"type": "image", "url": "https://a.example/r.png"}, "image/png", "https://a.example/r.png"),
        ({"type": "image-url", "url": "https://a.example/r"}, "image/jpeg", "https://a.example/r"),
        ({"type": "document", "source": {"type": "url", "url": "https://a.example/r"}}, "application/pdf", "https://a.example/r"),
        ({"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/r"}}}}, "image/png", "s3://b/r"),
        ({"document": {"format": "csv", "source": {"s3Location": {"uri": "s3://b/r"}}}}, "text/csv", "s3://b/r"),
        ({"file_data": {"mime_type": "video/mp4", "file_uri": "gs://b/v"}}, "video/mp4", "gs://b/v"),
    ],
)
def test_references_of_every_library_are_evidence(part: dict[str, Any], media_type: str, uri: str) -> None:
    record = the_record(chat(1, attributes=asked(words("?"), part)))
    assert [(piece.media_type, piece.uri) for piece in record.evidence] == [(media_type, uri)]


def test_a_document_given_as_text_is_evidence() -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "Total RM 9."}
    (piece,) = the_record(chat(1, attributes=asked(words("?"), {"type": "document", "source": source}))).evidence
    assert (piece.media_type, piece.content) == ("text/plain", "Total RM 9.")


def test_a_picture_told_without_its_bytes_or_kept_by_the_provider_is_named_as_missing() -> None:
    empty = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": ""}
    filed = {"type": "image", "source": {"type": "file", "file_id": "f-1"}}
    record = the_record(chat(1, attributes=asked(words("?"), empty, filed)))
    assert record.evidence == ()
    assert record.attributes["otel"]["unreachable_evidence"] == ["image/png", "file_id:f-1"]


LANGCHAIN = {"messages": [[{"kwargs": {"content": [{"type": "image_url", "image_url": {"url": PNG_URL}}]}}]]}


@pytest.mark.parametrize("request_body", [{"messages": [{"role": "user", "content": [ANTHROPIC_PICTURE]}]}, LANGCHAIN])
@pytest.mark.parametrize("shown", [{"contents.0.message_content.type": "image", "contents.0.message_content.image.image.url": HIDDEN}, {}])
def test_a_picture_that_openinference_keeps_out_of_the_messages_is_taken_from_the_request(
    request_body: dict[str, Any], shown: dict[str, str]
) -> None:
    attributes = {f"llm.input_messages.0.message.{name}": value for name, value in shown.items()}
    attributes |= {"input.value": json.dumps(request_body), "input.mime_type": "application/json"}
    record = the_record(openinference(1, attributes=attributes))
    assert [piece.content_bytes() for piece in record.evidence] == [PNG]
    assert "unreachable_evidence" not in record.attributes["otel"]
    assert question(record) == "What is the total?"


def test_a_picture_that_openinference_hides_everywhere_is_named_as_missing() -> None:
    attributes = {
        "llm.input_messages.0.message.contents.0.message_content.type": "image",
        "llm.input_messages.0.message.contents.0.message_content.image.image.url": HIDDEN,
        "input.value": json.dumps({"contents": [{"parts": [{"inline_data": {"data": HIDDEN, "mime_type": "image/png"}}]}]}),
    }
    record = the_record(openinference(1, attributes=attributes))
    assert record.evidence == ()
    assert record.attributes["otel"]["unreachable_evidence"] == [HIDDEN]


def test_a_part_that_stands_as_json_in_its_text_is_no_part_of_the_question() -> None:
    document = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": HIDDEN}}
    prefix = "llm.input_messages.0.message.contents"
    attributes = {
        f"{prefix}.0.message_content.type": "document",
        f"{prefix}.0.message_content.text": json.dumps(document),
        f"{prefix}.1.message_content.type": "text",
        f"{prefix}.1.message_content.text": "What is the total?",
    }
    told = openinference(1, attributes=attributes)
    del told.attributes["llm.input_messages.0.message.content"]
    assert question(the_record(told)) == "What is the total?"
    document["source"] = {**ANTHROPIC_PICTURE["source"], "media_type": "image/png"}  # type: ignore[dict-item]
    whole = {"input.value": json.dumps({"messages": [{"content": [document]}]})}
    record = the_record(openinference(1, attributes={**attributes, **whole}))
    assert [piece.content_bytes() for piece in record.evidence] == [PNG]


def test_bedrocks_events_carry_untyped_parts_with_their_picture() -> None:
    parts = [{"text": "What is the total?"}, {"image": {"format": "png", "source": {"bytes": PNG_64}}}]
    asked_apart = logs.record("gen_ai.user.message", body={"content": parts})
    events, _ = read_events(logs.protobuf([asked_apart]), PROTOBUF)
    record = the_record(chat(1, events=tuple(event for one in events for event in one.events)))
    assert question(record) == "What is the total?"
    assert [piece.content_bytes() for piece in record.evidence] == [PNG]


# --- tools and documents ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["response", "result", "content"])
def test_a_tools_result_in_the_users_turn_is_evidence_and_not_the_question(name: str) -> None:
    turns = [
        {"role": "user", "parts": [words("Total of receipt 7?")]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "1", "name": "look", "arguments": {}}]},
        {"role": "user", "parts": [{"type": "tool_call_response", "id": "1", name: "RM 9, says the till"}]},
    ]
    record = the_record(chat(1, attributes={"gen_ai.input.messages": json.dumps(turns)}))
    assert question(record) == "Total of receipt 7?"
    assert [(piece.id, piece.content) for piece in record.evidence] == [("tool-1", "RM 9, says the till")]


def test_a_tools_result_in_parts_gives_its_text_and_its_picture_and_the_turns_own_words_stay_the_question() -> None:
    result = {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "RM 9"}, ANTHROPIC_PICTURE]}
    turns = [{"role": "user", "parts": [result, words("And the tax?")]}]
    record = the_record(chat(1, attributes={"gen_ai.input.messages": json.dumps(turns)}))
    assert question(record) == "And the tax?"
    assert [(piece.id, piece.media_type) for piece in record.evidence] == [("input-1", "image/png"), ("tool-1", "text/plain")]


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.result": "RM 9"},
        {"openinference.span.kind": "TOOL", "output.value": "RM 9"},
    ],
)
def test_what_a_library_fetched_by_itself_during_the_call_is_evidence(attributes: dict[str, Any]) -> None:
    within = span(2, 1, name="execute_tool", end_s=0.5, attributes=attributes)
    assert [piece.content for piece in the_record(chat(1), within).evidence] == ["RM 9"]
    told = {"gen_ai.input.messages": json.dumps([{"role": "tool", "parts": [words("RM 9, in the messages")]}])}
    assert [piece.content for piece in the_record(chat(1, attributes=told), within).evidence] == ["RM 9, in the messages"]


def test_openllmetrys_retriever_brings_documents_and_is_the_stage_retrieve() -> None:
    found = {"documents": [{"page_content": "Total RM 9.", "metadata": {"source": "till.txt"}}], "count": 1}
    attributes = {"gen_ai.operation.name": "vector_db_retrieve", "traceloop.entity.output": json.dumps(found)}
    record = the_record(span(1, name="rag", end_s=3.0), span(2, 1, attributes=attributes), chat(3, parent=1, start_s=1.0, end_s=2.0))
    assert [(piece.content, piece.title) for piece in record.evidence] == [("Total RM 9.", "till.txt")]
    assert "retrieve" in {stage.name for stage in record.stages}


# --- words --------------------------------------------------------------------------------------------------------


def test_an_answer_told_as_a_whole_and_in_parts_is_said_once() -> None:
    parts = {
        "llm.output_messages.0.message.contents.0.message_content.type": "text",
        "llm.output_messages.0.message.contents.0.message_content.text": "RM 9.",
    }
    assert the_record(openinference(1, attributes=parts)).answer.text == "RM 9."


@pytest.mark.parametrize(
    "reply",
    [
        [
            {
                "object": "response",
                "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "RM 9."}]}],
            }
        ],
        {"choices": [{"message": {"role": "assistant", "content": "RM 9."}}]},
    ],
)
def test_an_answer_told_only_as_the_providers_reply_is_read_from_it(reply: Any) -> None:
    attributes = {"output.value": json.dumps(reply), "output.mime_type": "application/json"}
    assert the_record(openinference(1, "", attributes=attributes)).answer.text == "RM 9."


@pytest.mark.parametrize("prompts", [{"llm.prompts": ["What is the total?"]}, {"llm.prompts.0.prompt.text": "What is the total?"}])
def test_the_prompt_of_a_text_completion_is_the_question(prompts: dict[str, Any]) -> None:
    attributes = {"openinference.span.kind": "LLM", "output.value": "RM 9.", **prompts}
    record = the_record(span(1, attributes=attributes))
    assert question(record) == "What is the total?"
    assert not any(name.startswith("llm.prompts") for name in record.attributes["otel"]["attributes"])


def test_dspys_layout_is_no_part_of_question_and_answer() -> None:
    attributes = {
        "llm.input_messages.0.message.content": "[[ ## question ## ]]\nWhat is the total?\n\n"
        "Respond with the corresponding output fields, starting with the field `[[ ## answer ## ]]`."
    }
    answer = "[[ ## reasoning ## ]]\nI look.\n\n[[ ## answer ## ]]\nRM 9.\nIn cash.\n\n[[ ## completed ## ]]"
    record = the_record(openinference(1, answer, attributes=attributes))
    assert (question(record), record.answer.text) == ("What is the total?", "RM 9.\nIn cash.")
    several = the_record(openinference(1, "[[ ## total ## ]]\nRM 9\n\n[[ ## tax ## ]]\nRM 1\n\n[[ ## completed ## ]]"))
    assert several.answer.text == "total: RM 9\ntax: RM 1"


# --- the Vercel AI SDK --------------------------------------------------------------------------------------------


def vercel(number: int, parent: int, said: dict[str, Any], **fields: Any) -> Span:
    prompt = [
        {"role": "system", "content": "You read receipts."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "What is the total?"}, {"type": "file", "mediaType": "image/png", "data": PNG_64}],
        },
        {
            "role": "tool",
            "content": [{"type": "tool-result", "toolName": "look", "output": {"type": "text", "value": "RM 9, says the till"}}],
        },
    ]
    attributes = {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.telemetry.functionId": "receipts",
        "ai.telemetry.metadata.sessionId": "s-3",
        "ai.model.id": "gpt-x",
        "ai.model.provider": "openai.chat",
        "ai.prompt.messages": json.dumps(prompt),
        "ai.usage.inputTokens": 99,
        "ai.usage.cachedInputTokens": 10,
        "ai.usage.outputTokens": 8,
        **said,
    }
    return span(number, parent, name="ai.generateText.doGenerate", attributes=attributes, **fields)


def test_a_call_of_the_vercel_ai_sdk_is_one_response() -> None:
    outer = {"ai.operationId": "ai.generateText", "ai.prompt": '{"prompt": "What is the total?"}', "ai.response.text": "RM 9."}
    record = the_record(
        span(1, name="ai.generateText", end_s=4.0, attributes=outer),
        vercel(2, 1, {"ai.response.toolCalls": '[{"toolName": "look"}]'}, end_s=1.0),
        span(3, 1, name="ai.toolCall", start_s=1.0, end_s=2.0, attributes={"ai.toolCall.name": "look"}),
        vercel(4, 1, {"ai.response.text": "RM 9.", "ai.response.finishReason": "stop"}, start_s=2.0, end_s=3.0),
    )
    assert (question(record), record.answer.text, record.answer.finish_reason) == ("What is the total?", "RM 9.", "stop")
    assert record.model is not None
    assert (record.model.name, record.model.provider, record.workflow, record.session_id) == ("gpt-x", "openai.chat", "receipts", "s-3")
    assert [(piece.id, piece.content if piece.id == "tool-1" else piece.content_bytes()) for piece in record.evidence] == [
        ("input-1", PNG),
        ("tool-1", "RM 9, says the till"),
    ]
    assert tokens(record) == 2 * 107
    assert [stage.name for stage in record.stages] == ["infer", "tool look", "ai.generateText"]
    kept = record.attributes["otel"]["attributes"]
    assert "ai.operationId" in kept
    assert not {"ai.prompt.messages", "ai.response.text"} & set(kept)


def test_calls_of_the_vercel_ai_sdk_that_keep_contents_to_themselves_are_silent() -> None:
    quiet = vercel(1, 0, {})
    del quiet.attributes["ai.prompt.messages"]
    assert Trace([quiet]).silent == 1
    assert Trace([vercel(1, 0, {"ai.response.toolCalls": "[]"})]).silent == 0


@pytest.mark.parametrize(
    "part",
    [
        {"type": ["image"], "image": 7},
        {"type": "image", "source": {"data": {"x": 1}}},
        {"type": "image", "source": {"data": "b'no bytes é'"}},
        {"image": {"format": {}, "source": {"s3Location": [1]}}},
        {"inline_data": {"mime_type": [], "data": 3}},
        {"type": "tool_result", "content": [{"type": "tool_result", "content": [{"type": 3}]}]},
        {"type": "tool-result", "output": {"value": {"deep": [1]}}},
        {"type": "binary", "content": None},
    ],
)
def test_parts_that_follow_no_convention_cost_nothing_else(part: dict[str, Any]) -> None:
    record = the_record(chat(1, attributes=asked(words("What is the total?"), part)))
    assert record.answer.text == "A dog."
    assert question(record).startswith("What is the total?")


def test_requests_nested_without_end_are_searched_only_so_deep() -> None:
    deep = "[" * 60 + json.dumps(ANTHROPIC_PICTURE) + "]" * 60
    assert the_record(openinference(1, attributes={"input.value": deep})).evidence == ()
    assert the_record(openinference(1, attributes={"input.value": '"image' + "[" * 100_000})).evidence == ()

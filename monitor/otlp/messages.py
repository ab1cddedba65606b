"""What a GenAI span says was put in and came out, under the conventions in use.

Read in this order, each for input and output apart: OpenTelemetry GenAI (``gen_ai.input.messages`` on the span or on an
event, JSON or structured; https://github.com/open-telemetry/semantic-conventions-genai), its older events
(``gen_ai.user.message``, ``gen_ai.choice``) and numbered attributes (``gen_ai.prompt.0.content``), OpenInference
(``llm.input_messages.0.message.contents.0…``, then ``input.value``), the Vercel AI SDK (``ai.prompt.messages``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from monitor.messages import Media, Message, media_in, message_of, messages_of, parts_of, role_of
from monitor.otlp.conventions import HIDDEN, is_inference, tells_nothing
from monitor.otlp.shapes import shape_of
from monitor.otlp.spans import DEEPEST, Span, first, text_of

# Any of these is in the JSON of a request that has media.
_SIGNS_OF_MEDIA = ('"image', '"input_', '"inline', '"document"', '"file"', '"audio"', '"video"')
_RETRIEVALS = ("retrieval", "vector_db_retrieve")
# How DSPy lays out the fields of its prompts and answers.
_DSPY = "[[ ## "
_DSPY_FIELD = re.compile(r"^\[\[ ## (\w+) ## \]\]\n?(.*?)(?=^\[\[ ## |\Z)", re.MULTILINE | re.DOTALL)
_DSPY_REQUEST = "\n\nRespond with the corresponding output fields"
_DSPY_ASIDE = ("reasoning", "completed")


class Document(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a retriever brought."""

    content: str
    id: str | None = None
    title: str | None = None
    metadata: dict[str, Any] = {}


def inputs_of(span: Span) -> list[Message]:
    """What the model was given, in order."""
    attributes = span.attributes
    found = (
        _semconv(span, "gen_ai.input.messages")
        or _events(span, outputs=False)
        or _numbered(attributes, "gen_ai.prompt")
        or _numbered(attributes, "llm.input_messages", "message")
        or _prompts(attributes)
        or _plain("user", text_of(attributes, "gen_ai.prompt", "input.value"), span, "input")
        or _vercel_inputs(attributes)
    )
    return [_without_layout(message) for message in _with_all_media(span, found)]


def outputs_of(span: Span) -> list[Message]:
    """What the model gave back: one message a choice."""
    attributes = span.attributes
    found = (
        _semconv(span, "gen_ai.output.messages")
        or _events(span, outputs=True)
        or _numbered(attributes, "gen_ai.completion")
        or _numbered(attributes, "llm.output_messages", "message")
        or _plain("assistant", text_of(attributes, "gen_ai.completion", "output.value"), span, "output")
        or _vercel_outputs(attributes)
        or _replies(attributes.get("output.value"))
    )
    return [_without_layout(message) for message in found if message.text != HIDDEN]


def is_silent(span: Span) -> bool:
    """Whether it is a call that ended well and tells nothing of what the model gave back."""
    return is_inference(span) and not span.failed and not outputs_of(span) and tells_nothing(span)


def documents_of(span: Span) -> list[Document]:
    """Documents that the span retrieved or ranked."""
    if not shape_of(span.attributes).documents:
        return []
    found = [_document(item) for item in _sequence(first(span.attributes, "gen_ai.retrieval.documents"))]
    if not found and span.attributes.get("gen_ai.operation.name") in _RETRIEVALS:
        found = [_document(item) for item in _sequence(_decoded(span.attributes.get("traceloop.entity.output")).get("documents"))]
    for prefix in ("reranker.output_documents", "retrieval.documents"):
        found = found or [_document(entry.get("document")) for entry in unflattened(span.attributes, prefix)]
    return [document for document in found if document is not None]


def unflattened(attributes: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    """The list that OpenInference spreads over ``prefix.0.a.b``, ``prefix.1.a.b`` … as nested maps, in order."""
    items: dict[int, dict[str, Any]] = {}
    start = f"{prefix}."
    for name, value in attributes.items():
        if not name.startswith(start):
            continue
        number, _, path = name[len(start) :].partition(".")
        if not (_is_number(number) and path and path.count(".") < DEEPEST):
            continue
        node = items.setdefault(int(number), {})
        *steps, last = path.split(".")
        for step in steps:
            deeper = node.setdefault(step, {})
            if not isinstance(deeper, dict):
                break
            node = deeper
        else:
            node[last] = value
    return [items[number] for number in sorted(items)]


def _is_number(key: Any) -> bool:
    # int() refuses digits such as "²", and thousands of them.
    return isinstance(key, str) and key.isascii() and key.isdigit() and len(key) < 6


def _listed(node: Any) -> list[Any]:
    """A list, or the map that :func:`unflattened` makes of the numbered entries of one."""
    if isinstance(node, Mapping):
        return [node[key] for key in sorted((key for key in node if _is_number(key)), key=int)]
    return list(node) if isinstance(node, list | tuple) else []


# --- OpenTelemetry GenAI ------------------------------------------------------------------------------------------


def _sequence(value: Any) -> list[Any]:
    """A list given as such, or as JSON."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return []
    return value if isinstance(value, list) else []


def _semconv(span: Span, name: str) -> list[Message]:
    sources = [span.attributes, *(event.attributes for event in span.events)]
    for attributes in sources:
        messages = [message for item in _sequence(attributes.get(name)) if isinstance(item, Mapping) for message in messages_of(item)]
        if messages:
            return messages
    return []


# --- older shapes -------------------------------------------------------------------------------------------------


def _events(span: Span, *, outputs: bool) -> list[Message]:
    found: list[Message] = []
    for event in span.events:
        name = event.name
        if name in ("gen_ai.content.prompt", "gen_ai.content.completion"):
            if outputs == name.endswith("completion"):
                raw = first(event.attributes, "gen_ai.completion" if outputs else "gen_ai.prompt")
                found += [message_of(item) for item in _sequence(raw) if isinstance(item, Mapping)]
        elif name == "gen_ai.choice" and outputs:
            nested = event.attributes.get("message")
            ended = {"role": "assistant", "finish_reason": event.attributes.get("finish_reason")}
            found.append(message_of({**ended, **(nested if isinstance(nested, Mapping) else event.attributes)}))
        elif name.startswith("gen_ai.") and name.endswith(".message") and not outputs:
            found += messages_of({"role": name.split(".")[1], **event.attributes})
    return found


def _numbered(attributes: Mapping[str, Any], prefix: str, key: str | None = None) -> list[Message]:
    found: list[Message] = []
    for entry in unflattened(attributes, prefix):
        message = entry if key is None else entry.get(key)
        if not isinstance(message, Mapping):
            continue
        content = message.get("content")
        parts: list[Any] = [content] if isinstance(content, str) else _sequence(content) or _listed(content)
        if "contents" in message:
            contents = (item.get("message_content") for item in _listed(message["contents"]) if isinstance(item, Mapping))
            told = [_unpacked(item) for item in contents if isinstance(item, Mapping)]
            # Some tell the text twice, as a whole and in parts.
            parts = told if any(item.get("text") for item in told) else parts + told
        elif isinstance(content, str) and (structured := _sequence(content)) and isinstance(structured[0], Mapping):
            parts = structured
        texts, media = parts_of(parts)
        reason = message.get("finish_reason")
        found.append(Message(role=role_of(message.get("role")), text=texts, media=media, finish_reason=str(reason) if reason else None))
    return found


def _unpacked(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """A part of a kind that OpenInference has no names for stands as JSON in its text."""
    text = item.get("text")
    return _decoded(text) or item if item.get("type") not in ("text", None) and isinstance(text, str) else item


def _prompts(attributes: Mapping[str, Any]) -> list[Message]:
    """The prompts of text completions."""
    listed = attributes.get("llm.prompts", attributes.get("llm.prompts.0.prompt.text"))
    texts = listed if isinstance(listed, list) else [listed]
    return [Message(role="user", text=text) for text in texts if isinstance(text, str) and text]


def _plain(role: str, value: str | None, span: Span, side: str) -> list[Message]:
    if value is None or span.attributes.get(f"{side}.mime_type") == "application/json":
        return []
    return [Message(role=role, text=value)]


def _with_all_media(span: Span, found: list[Message]) -> list[Message]:
    """The messages, with media that OpenInference kept out of them taken from the request as a whole, if that is told."""
    if span.attributes.get("openinference.span.kind") != "LLM" or any(map(_is_told, _media_of(found))):
        return found
    request = span.attributes.get("input.value")
    if not isinstance(request, str) or not any(sign in request for sign in _SIGNS_OF_MEDIA):
        return found
    media = tuple(filter(_is_told, media_in(_decoded(request, list | dict))))
    if not media:
        return found
    return [*(msgspec.structs.replace(message, media=()) for message in found), Message(role="user", media=media)]


def _media_of(messages: Iterable[Message]) -> list[Media]:
    return [medium for message in messages for medium in message.media]


def _is_told(medium: Media) -> bool:
    return (medium.content or medium.uri or HIDDEN) != HIDDEN


def _replies(reply: Any) -> list[Message]:
    """The messages in what a provider sent back, where an instrumentation told only that: Chat Completions or Responses."""
    whole = _decoded(reply, list | dict)
    messages: list[Message] = []
    for one in whole if isinstance(whole, list) else [whole]:
        listed = _listed(_mapping(one).get("output")) + [
            _mapping(choice).get("message") for choice in _listed(_mapping(one).get("choices"))
        ]
        messages += [message_of(item) for item in listed if isinstance(item, Mapping) and item.get("role") == "assistant"]
    return messages


def _without_layout(message: Message) -> Message:
    """The message without the marks and the instructions that DSPy lays its fields out with."""
    if message.text == HIDDEN:
        return msgspec.structs.replace(message, text="")
    if not message.text.startswith(_DSPY):
        return message
    fields = [(name, value.strip()) for name, value in _DSPY_FIELD.findall(message.text.partition(_DSPY_REQUEST)[0])]
    kept = [(name, value) for name, value in fields if value and name not in _DSPY_ASIDE]
    text = kept[0][1] if len(kept) == 1 else "\n".join(f"{name}: {value}" for name, value in kept)
    return msgspec.structs.replace(message, text=text)


# --- the Vercel AI SDK --------------------------------------------------------------------------------------------


def _vercel_inputs(attributes: Mapping[str, Any]) -> list[Message]:
    asked = _sequence(attributes.get("ai.prompt.messages"))
    return [message for item in asked if isinstance(item, Mapping) for message in messages_of(item)]


def _vercel_outputs(attributes: dict[str, Any]) -> list[Message]:
    said = text_of(attributes, "ai.response.text", "ai.response.object", "ai.result.text", "ai.result.object")
    if said is None and not attributes.get("ai.response.toolCalls"):
        return []
    return [Message(role="assistant", text=said or "", finish_reason=text_of(attributes, "ai.response.finishReason"))]


# --- documents ----------------------------------------------------------------------------------------------------


def _decoded(value: Any, kind: Any = dict) -> Any:
    """JSON text of one ``kind`` (a map) as that; an empty one for anything else."""
    try:
        found = msgspec.json.decode(value) if isinstance(value, str) else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = None
    return found if isinstance(found, kind) else {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _document(item: Any) -> Document | None:
    if not isinstance(item, Mapping):
        return None
    content = first(dict(item), "content", "text", "page_content")
    if not isinstance(content, str) or not content.strip():
        return None
    metadata = item.get("metadata")
    if isinstance(metadata, str):
        try:
            metadata = msgspec.json.decode(metadata)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            metadata = {"metadata": metadata}
    kept = dict(metadata) if isinstance(metadata, Mapping) else {}
    if isinstance(item.get("score"), int | float):
        kept["score"] = item["score"]
    identifier = first(dict(item), "id")
    title = first(kept, "title", "source", "file_name", "name") or first(dict(item), "name", "url")
    return Document(
        content=content, id=None if identifier is None else str(identifier), title=None if title is None else str(title), metadata=kept
    )


def joined(messages: Iterable[Message]) -> str:
    """The text of several messages."""
    return "\n".join(message.text for message in messages if message.text)

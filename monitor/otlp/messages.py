"""What a GenAI span says was put in and came out, under the conventions in use.

Read in this order, each for input and output apart: OpenTelemetry GenAI (``gen_ai.input.messages`` on the span or on an
event, JSON or structured; https://github.com/open-telemetry/semantic-conventions-genai), its older events
(``gen_ai.user.message``, ``gen_ai.choice``) and numbered attributes (``gen_ai.prompt.0.content``), OpenInference
(``llm.input_messages.0.message.contents.0…``, then ``input.value``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from monitor.messages import Message, message_of, parts_of, role_of
from monitor.otlp.conventions import is_inference
from monitor.otlp.shapes import shape_of
from monitor.otlp.spans import DEEPEST, Span, first, text_of


class Document(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a retriever brought."""

    content: str
    id: str | None = None
    title: str | None = None
    metadata: dict[str, Any] = {}


def inputs_of(span: Span) -> list[Message]:
    """What the model was given, in order."""
    return (
        _semconv(span, "gen_ai.input.messages")
        or _events(span, outputs=False)
        or _numbered(span.attributes, "gen_ai.prompt")
        or _numbered(span.attributes, "llm.input_messages", "message")
        or _plain("user", text_of(span.attributes, "gen_ai.prompt", "input.value"), span, "input")
    )


def outputs_of(span: Span) -> list[Message]:
    """What the model gave back: one message a choice."""
    return (
        _semconv(span, "gen_ai.output.messages")
        or _events(span, outputs=True)
        or _numbered(span.attributes, "gen_ai.completion")
        or _numbered(span.attributes, "llm.output_messages", "message")
        or _plain("assistant", text_of(span.attributes, "gen_ai.completion", "output.value"), span, "output")
    )


def is_silent(span: Span) -> bool:
    """Whether it is a call that ended well and tells nothing of what the model gave back."""
    return is_inference(span) and not span.failed and not outputs_of(span)


def documents_of(span: Span) -> list[Document]:
    """Documents that the span retrieved or ranked."""
    if not shape_of(span.attributes).documents:
        return []
    found = [_document(item) for item in _sequence(first(span.attributes, "gen_ai.retrieval.documents"))]
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
        messages = [message_of(item) for item in _sequence(attributes.get(name)) if isinstance(item, Mapping)]
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
            found.append(message_of({"role": name.split(".")[1], **event.attributes}))
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
            parts += [item for item in contents if isinstance(item, Mapping)]
        elif isinstance(content, str) and (structured := _sequence(content)) and isinstance(structured[0], Mapping):
            parts = structured
        texts, media = parts_of(parts)
        reason = message.get("finish_reason")
        found.append(Message(role=role_of(message.get("role")), text=texts, media=media, finish_reason=str(reason) if reason else None))
    return found


def _plain(role: str, value: str | None, span: Span, side: str) -> list[Message]:
    if value is None or span.attributes.get(f"{side}.mime_type") == "application/json":
        return []
    return [Message(role=role, text=value)]


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

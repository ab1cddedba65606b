"""OpenAI-compatible chats as records: Chat Completions and Responses, with their pictures, recordings and documents."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.errors import RecordInvalid
from monitor.messages import Media, Message, message_of

_FALLBACK = {"image": "image/jpeg", "audio": "audio/wav", "video": "video/mp4"}
_REACHABLE = ("https://", "s3://", "gs://")


def fields_of(request: Mapping[str, Any], response: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields of the record, and evidence files by id, of one call.

    Args:
        request: what was passed to ``chat.completions.create`` or ``responses.create``: ``model`` and ``messages`` or ``input``.
        response: what came back, as the library's object or as a map.

    Raises:
        RecordInvalid: the response has no answer text.
    """
    came = response.model_dump() if hasattr(response, "model_dump") else response
    if not isinstance(came, Mapping):
        raise RecordInvalid("response", f"is a {type(response).__name__}", "Pass the object the client library returned, or its map")
    messages = _asked(request)
    text, reason = _answered(came)
    if not text:
        raise RecordInvalid("response", "has no answer text", "Log the call that gave the answer, not one that asked for tools")
    questions = [message.text for message in messages if message.role == "user" and message.text.strip()]
    evidence, files, unreachable = _evidence(messages)
    fields: dict[str, Any] = {
        "answer": {"text": text} if reason is None else {"text": text, "finish_reason": reason},
        "question": questions[-1] if questions else None,
        "model": {"name": str(came.get("model") or request.get("model") or "unknown")},
        "evidence": evidence,
        "usage": _usage(came.get("usage")),
        "attributes": {"chat": {"unreachable_evidence": unreachable}} if unreachable else {},
    }
    return fields, files


def _asked(request: Mapping[str, Any]) -> list[Message]:
    given = request.get("messages", request.get("input"))
    if isinstance(given, str):
        return [Message(role="user", text=given)]
    return [message_of(item) for item in given or () if isinstance(item, Mapping)]


def _answered(response: Mapping[str, Any]) -> tuple[str, str | None]:
    for choice in response.get("choices") or ():
        message = message_of(choice.get("message") or {})
        spoken = (choice.get("message") or {}).get("audio") or {}
        text = message.text or str(spoken.get("transcript") or "")
        if text.strip():
            return text, choice.get("finish_reason")
    items: Sequence[Any] = response.get("output") or ()
    texts = [message_of(item).text for item in items if isinstance(item, Mapping) and item.get("type", "message") == "message"]
    return "\n".join(text for text in texts if text), response.get("status")


def _evidence(messages: Sequence[Message]) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
    """Pieces of evidence, their files by id, and the references that nobody here can follow."""
    evidence: list[dict[str, Any]] = []
    files: dict[str, Any] = {}
    unreachable: list[str] = []
    for medium in (medium for message in messages for medium in message.media):
        name = f"input-{len(evidence) + 1}"
        source = _source(medium)
        if source is None:
            unreachable.append((medium.uri or medium.media_type)[:500])
        else:
            evidence.append({"id": name, "media_type": _media_type(medium)})
            files[name] = source
    for message in messages:
        if message.role == "tool" and message.text.strip():
            evidence.append(
                {"id": f"tool-{len(evidence) + 1}", "media_type": "text/plain", "content": message.text, "title": "tool result"}
            )
    return evidence, files, unreachable


def _source(medium: Media) -> bytes | str | None:
    if medium.content is not None:
        try:
            return base64.b64decode(medium.content, validate=True)
        except ValueError as error:  # binascii.Error, or a character that is not ASCII
            raise RecordInvalid("request", f"has a medium that is not base64 ({error})", "Pass the request as it was sent") from None
    return medium.uri if (medium.uri or "").startswith(_REACHABLE) else None


def _media_type(medium: Media) -> str:
    stated = medium.media_type.lower()
    if not stated.endswith("/*"):
        return stated
    guessed = mimetypes.guess_type((medium.uri or "").split("?")[0])[0]
    return guessed or _FALLBACK.get(stated.split("/")[0], "application/octet-stream")


def _usage(usage: Any) -> list[dict[str, Any]]:
    if not isinstance(usage, Mapping):
        return []
    items: list[dict[str, Any]] = []
    for side, keys in (("input", ("prompt_tokens", "input_tokens")), ("output", ("completion_tokens", "output_tokens"))):
        whole = next((usage[key] for key in keys if isinstance(usage.get(key), int | float)), None)
        if whole is None:
            continue
        details: Mapping[str, Any] = next((usage[f"{key}_details"] for key in keys if isinstance(usage.get(f"{key}_details"), Mapping)), {})
        parts = [
            (f"cache_read_{side}_tokens", None, details.get("cached_tokens")),
            (f"{side}_tokens", "audio", details.get("audio_tokens")),
            (f"{side}_tokens", "image", details.get("image_tokens")),
            (f"reasoning_{side}_tokens", None, details.get("reasoning_tokens")),
        ]
        told = [{"item": item, "quantity": count, "unit": "tokens", "modality": modality} for item, modality, count in parts if count]
        rest = max(0, whole - sum(entry["quantity"] for entry in told))
        items += [{"item": f"{side}_tokens", "quantity": rest, "unit": "tokens"}, *told]
    return [{key: value for key, value in item.items() if value is not None} for item in items]

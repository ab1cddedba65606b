"""Chat messages in the shapes that providers and OpenTelemetry give them, as text and media.

Known are the parts of the OpenTelemetry GenAI conventions (text, blob, uri, file, tool_call_response), of OpenAI's Chat
Completions and Responses (image_url, input_image, input_audio, input_file …) and of OpenInference. It needs msgspec only:
the client and the sidecar share it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

_DATA_URL = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?P<parameters>(;[\w=.+-]+)*),(?P<content>.*)", re.DOTALL | re.IGNORECASE)
_MEDIA_OF_MODALITY = {"image": "image/*", "audio": "audio/*", "video": "video/*", "document": "application/pdf"}
# What OpenAI calls an audio format, as media types.
_AUDIO_FORMATS = {"wav": "audio/wav", "mp3": "audio/mpeg", "flac": "audio/flac", "opus": "audio/ogg", "ogg": "audio/ogg"}
_UNSPOKEN = ("reasoning", "tool_call", "compaction", "refusal", "function_call")
_ROLES = {"developer": "system", "model": "assistant", "ai": "assistant", "human": "user", "function": "tool"}


class Media(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A picture, recording, film or document in a message: base64 ``content``, or a ``uri``."""

    media_type: str
    content: str | None = None
    uri: str | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One turn. ``role`` is ``system``, ``user``, ``assistant`` or ``tool``."""

    role: str
    text: str = ""
    media: tuple[Media, ...] = ()
    finish_reason: str | None = None


def message_of(item: Mapping[str, Any]) -> Message:
    """A message given as a map with ``role`` and ``content`` or ``parts``: text, or a list of parts."""
    content = item.get("parts", item.get("content"))
    texts, media = parts_of([content] if isinstance(content, str) else list(content) if isinstance(content, list | tuple) else [])
    reason = item.get("finish_reason")
    return Message(role=role_of(item.get("role")), text=texts, media=media, finish_reason=str(reason) if reason else None)


def parts_of(parts: Sequence[Any]) -> tuple[str, tuple[Media, ...]]:
    """The text of some parts, and their media."""
    texts: list[str] = []
    media: list[Media] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping):
            found = None if part.get("type") == "text" else _media(part)
            if found is not None:
                media.append(found)
            elif (text := _text(part)) is not None:
                texts.append(text)
    return "\n".join(texts), tuple(media)


def role_of(value: Any) -> str:
    """A role under its common name."""
    role = str(value or "user").lower()
    return _ROLES.get(role, role)


def _text(part: Mapping[str, Any]) -> str | None:
    if part.get("type") in _UNSPOKEN:
        return None
    value = next((part[key] for key in ("text", "content", "response", "result", "transcript") if part.get(key) is not None), None)
    if value is None or isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()
    except (RecursionError, UnicodeEncodeError):
        return None  # nested without end, or no text: nothing that was said


def _media(part: Mapping[str, Any]) -> Media | None:
    kind = part.get("type")
    modality = _MEDIA_OF_MODALITY.get(str(part.get("modality")), "application/octet-stream")
    named = str(part.get("mime_type") or "") or modality
    if kind == "blob" and isinstance(part.get("content"), str):
        return Media(media_type=named, content=part["content"])
    if kind == "uri" and isinstance(part.get("uri"), str):
        return from_url(part["uri"], named)
    if kind == "file" and part.get("file_id"):
        return Media(media_type=named, uri=f"file_id:{part['file_id']}")
    return _provider_media(part, str(kind))


def _provider_media(part: Mapping[str, Any], kind: str) -> Media | None:
    if kind in ("image_url", "input_image", "image"):
        return from_url(_url(part.get("image_url", part.get("image"))), "image/*")
    if kind in ("input_audio", "audio"):
        audio = part.get("input_audio", part.get("audio"))
        if isinstance(audio, Mapping) and isinstance(audio.get("data"), str):
            return Media(media_type=_AUDIO_FORMATS.get(str(audio.get("format")), "audio/*"), content=audio["data"])
        mime_type = audio.get("mime_type") if isinstance(audio, Mapping) else None
        return from_url(_url(audio), str(mime_type or "audio/*"))
    if kind in ("video", "video_url"):
        return from_url(_url(part.get("video", part.get("video_url"))), "video/*")
    if kind in ("file", "input_file"):
        file = part.get("file", part)
        url = _url(file.get("file_data") or file.get("file_url")) if isinstance(file, Mapping) else ""
        return from_url(url, "application/pdf")
    return None


def _url(value: Any) -> str:
    while isinstance(value, Mapping):
        value = next((value[key] for key in ("url", "image", "audio", "video") if key in value), "")
    return value if isinstance(value, str) else ""


def from_url(url: str, media_type: str) -> Media | None:
    """A medium behind a URL, a ``data:`` URL decoded; None for what cannot be one."""
    if not url:
        return None
    data = _DATA_URL.fullmatch(url)
    if data is None:
        return Media(media_type=media_type, uri=url)
    if ";base64" not in data["parameters"].lower():
        return None
    return Media(media_type=data["type"] or media_type, content=re.sub(r"\s+", "", data["content"]))

"""Chat messages in the shapes that providers and OpenTelemetry give them, as text and media.

Known are the parts of the OpenTelemetry GenAI conventions (text, blob, uri, file, tool_call_response), of OpenAI's Chat
Completions and Responses (image_url, input_image, input_audio, input_file …), of Anthropic and Bedrock (``source``), of
Google (inline_data), of LangChain, pydantic-ai and the Vercel AI SDK, and of OpenInference. It needs msgspec only: the client
and the sidecar share it.
"""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

_DATA_URL = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?P<parameters>(;[\w=.+-]+)*),(?P<content>.*)", re.DOTALL | re.IGNORECASE)
_MEDIA_OF_MODALITY = {"image": "image/*", "audio": "audio/*", "video": "video/*", "document": "application/pdf"}
# What OpenAI calls an audio format, as media types.
_AUDIO_FORMATS = {"wav": "audio/wav", "mp3": "audio/mpeg", "flac": "audio/flac", "opus": "audio/ogg", "ogg": "audio/ogg"}
_MODALITIES = {**_MEDIA_OF_MODALITY, "file": "application/octet-stream"}
_URL_PARTS = {f"{modality}-url": media_type for modality, media_type in _MEDIA_OF_MODALITY.items()}
_UNSPOKEN = ("reasoning", "thinking", "tool_call", "tool-call", "tool_use", "compaction", "refusal", "function_call")
_RESULTS = ("tool_call_response", "tool_result", "tool-result", "function_call_output")
_SAID = ("text", "content", "response", "result", "output", "transcript")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]+")
_DEEPEST = 32
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


def messages_of(item: Mapping[str, Any]) -> list[Message]:
    """As :func:`message_of`, with what tools gave back as messages of the role ``tool``: some put it into the user's turn."""
    parts = item.get("parts", item.get("content"))
    results = [part for part in parts if _is_result(part)] if isinstance(parts, list | tuple) else []
    if not results or role_of(item.get("role")) == "tool":
        return [message_of(item)]
    told = [message_of({"role": "tool", "parts": [result]}) for result in results]
    rest = [part for part in parts or () if not _is_result(part)]
    return [*told, message_of({**item, "parts": rest})] if rest else told


def _is_result(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") in _RESULTS


def media_in(value: Any, depth: int = 0) -> Iterator[Media]:
    """Every medium in a request that is known as a whole, in order, wherever it is in it."""
    if depth > _DEEPEST:
        return
    found = _media(value) if isinstance(value, Mapping) else None
    if found is not None:
        yield found
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from media_in(inner, depth + 1)


def parts_of(parts: Sequence[Any]) -> tuple[str, tuple[Media, ...]]:
    """The text of some parts, and their media."""
    texts: list[str] = []
    media: list[Media] = []
    for part in _opened(parts):
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping):
            found = None if part.get("type") == "text" else _media(part)
            if found is not None:
                media.append(found)
            elif (text := _text(part)) is not None:
                texts.append(text)
    return "\n".join(texts), tuple(media)


def _opened(parts: Sequence[Any]) -> Iterator[Any]:
    """The parts, and in place of a tool's result in parts those parts."""
    for part in parts:
        inner = next((part[key] for key in _SAID if isinstance(part.get(key), list)), None) if _is_result(part) else None
        if inner and all(isinstance(one, Mapping) and "type" in one for one in inner):
            yield from inner
        else:
            yield part


def role_of(value: Any) -> str:
    """A role under its common name."""
    role = str(value or "user").lower()
    return _ROLES.get(role, role)


def _text(part: Mapping[str, Any]) -> str | None:
    if part.get("type") in _UNSPOKEN:
        return None
    value = next((part[key] for key in _SAID if part.get(key) is not None), None)
    if isinstance(value, Mapping) and "value" in value and _is_result(part):
        value = value["value"]
    if value is None or isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()
    except (RecursionError, UnicodeEncodeError):
        return None  # nested without end, or no text: nothing that was said


def _media(part: Mapping[str, Any]) -> Media | None:
    kind = part.get("type")
    if not isinstance(kind, str):
        return _untyped_media(part)
    modality = _MEDIA_OF_MODALITY.get(str(part.get("modality")), "application/octet-stream")
    stated = next((str(part[key]) for key in ("mime_type", "media_type", "mimeType", "mediaType") if part.get(key)), "")
    named = stated or modality
    if kind in ("blob", "binary") and isinstance(part.get("content"), str):
        # Without content: an instrumentation that tells that there was something, and not what.
        return Media(media_type=named, content=part["content"] or None)
    if kind == "uri" and isinstance(part.get("uri"), str):
        return from_url(part["uri"], named)
    if kind == "file" and part.get("file_id"):
        return Media(media_type=named, uri=f"file_id:{part['file_id']}")
    if kind in _URL_PARTS:
        return from_url(_url(part.get("url")), stated or _URL_PARTS[kind])
    if kind in _MODALITIES:
        if isinstance(part.get("source"), Mapping):
            return _from_source(part["source"], stated or _MODALITIES[kind])
        own = next((part[key] for key in ("base64", "data", kind, "url") if isinstance(part.get(key), str)), None)
        if own is not None:
            return _content_or_url(own, stated or _MODALITIES[kind])
    return _provider_media(part, kind)


def _content_or_url(value: str, media_type: str) -> Media | None:
    is_content = value and _BASE64.fullmatch(value[:1_000]) is not None
    return Media(media_type=media_type, content=value) if is_content else from_url(value, media_type)


def _from_source(source: Mapping[str, Any], media_type: str) -> Media | None:
    """Content, or where it lies, as Anthropic and Bedrock have it."""
    media_type = str(source.get("media_type") or media_type)
    content = source.get("data", source.get("bytes"))
    if isinstance(content, str):
        if source.get("type") == "text":
            content = base64.b64encode(content.encode("utf-8", "replace")).decode()
        return Media(media_type=media_type, content=_from_literal(content) if content.startswith("b'") else content)
    if source.get("file_id"):
        return Media(media_type=media_type, uri=f"file_id:{source['file_id']}")
    bucket = source.get("s3Location")
    return from_url(_url(bucket.get("uri") if isinstance(bucket, Mapping) else source.get("url")), media_type)


def _from_literal(content: str) -> str:
    """Base64 of the bytes in a Python literal, as which some instrumentations write them into JSON; anything else as it is."""
    try:
        return base64.b64encode(content[2:-1].encode("ascii").decode("unicode_escape").encode("latin-1")).decode()
    except UnicodeError:
        return content


def _untyped_media(part: Mapping[str, Any]) -> Media | None:
    """Parts of Bedrock (``{"image": {"format": "png", "source": …}}``) and Google (``{"inline_data": …}``)."""
    for modality in ("image", "audio", "video", "document"):
        inner = part.get(modality)
        if isinstance(inner, Mapping) and isinstance(inner.get("source"), Mapping):
            named = mimetypes.guess_type(f"{modality}.{inner.get('format')}")[0]
            return _from_source(inner["source"], named or _MEDIA_OF_MODALITY[modality])
    names = ("inline_data", "inlineData", "file_data", "fileData")
    blob: Mapping[str, Any] = next((part[key] for key in names if isinstance(part.get(key), Mapping)), {})
    media_type = str(blob.get("mime_type") or blob.get("mimeType") or "application/octet-stream")
    if isinstance(blob.get("data"), str):
        return Media(media_type=media_type, content=blob["data"])
    return from_url(_url(blob.get("file_uri") or blob.get("fileUri")), media_type)


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

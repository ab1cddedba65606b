"""From what an application has at hand to a record and the files it needs: paths, bytes, PIL pictures, numpy sound, URLs."""

from __future__ import annotations

import io
import mimetypes
import re
import uuid
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from monitor.client.sending import hash_of
from monitor.errors import RecordInvalid
from monitor.records import ResponseRecord, parse_response

# Files up to this size are read at once: callers like to delete their temporary files.
READ_AT_ONCE = 8 * 1024 * 1024
_FULL_SCALE = 32767
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that must be stored before its record is sent. ``source`` is its content, or where that is."""

    source: Path | bytes
    media_type: str
    sha256: str

    @property
    def held_bytes(self) -> int:
        """Memory it takes while it waits."""
        return len(self.source) if isinstance(self.source, bytes) else 0


@dataclass(frozen=True, slots=True)
class Parcel:
    """A record with its uploads. ``keep_references``: one that the sidecar may not follow is kept as not checked, not refused."""

    record: ResponseRecord
    uploads: tuple[Upload, ...]
    keep_references: bool = False

    @property
    def held_bytes(self) -> int:
        """Memory it takes while it waits, roughly."""
        texts = len(self.record.answer.text) + sum(len(piece.content or "") for piece in self.record.evidence)
        return 1024 + texts + sum(upload.held_bytes for upload in self.uploads)


def parcel_of(
    record: ResponseRecord | Mapping[str, Any] | None, files: Mapping[str, Any], fields: Mapping[str, Any], *, keep_references: bool = False
) -> Parcel:
    """A record given whole, as a mapping or as fields, with ``files`` by evidence id.

    ``answer`` and ``question`` may be plain text, ``time`` is now and ``id`` is made up unless they are given.

    Raises:
        RecordInvalid: naming the field and the remedy.
        OSError: a file cannot be read.
    """
    if (record is None) == (not fields):
        raise RecordInvalid("$", "needs either a record or its fields", "Pass a ResponseRecord, a mapping, or keyword arguments")
    given = msgspec.to_builtins(record) if isinstance(record, ResponseRecord) else dict(record or fields)
    given = {name: value for name, value in given.items() if value is not None}
    given.setdefault("time", datetime.now(UTC))
    given.setdefault("id", uuid.uuid4().hex)
    for name in ("answer", "question"):
        if isinstance(given.get(name), str):
            given[name] = {"text": given[name]}
    evidence: list[dict[str, Any]] = [msgspec.to_builtins(piece) for piece in given.get("evidence", ())]
    by_id = {piece.get("id"): piece for piece in evidence}
    if isinstance(record, ResponseRecord) and (stranger := next((name for name in files if name not in by_id), None)) is not None:
        raise RecordInvalid("files", f"{stranger!r} is the id of no evidence", "Name the evidence with its media_type in `evidence`")
    uploads: list[Upload] = []
    for name, value in files.items():
        piece = by_id.get(name)
        if piece is None:
            piece = {"id": name}
            evidence.append(piece)
        _attach(piece, name, value, uploads)
    given["evidence"] = evidence
    return Parcel(parse_response(msgspec.json.encode(given)), tuple(uploads), keep_references)


def _attach(piece: dict[str, Any], name: str, value: Any, uploads: list[Upload]) -> None:
    if isinstance(value, str) and value.startswith(("https://", "s3://", "gs://")):
        piece.setdefault("media_type", _type_by_name(name, value))
        piece["uri"] = value
        piece.pop("content", None)
        return
    source, media_type = _source(name, value)
    stated = piece.get("media_type") or media_type
    if stated is None:
        raise RecordInvalid("files", f"the media type of {name!r} is not known", "Name it in `evidence` with its media_type")
    upload = Upload(source, stated, hash_of(source))
    uploads.append(upload)
    piece.update({"media_type": stated, "uri": f"sha256:{upload.sha256}"})
    piece.pop("content", None)
    piece.pop("sha256", None)


def _source(name: str, value: Any) -> tuple[Path | bytes, str | None]:
    """The content and, where it is plain, the media type."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value), None
    if isinstance(value, str | Path):
        if isinstance(value, str) and (scheme := _SCHEME.match(value)):
            remedy = "Give an https:, s3: or gs: URL, or the file itself"
            raise RecordInvalid("files", f"{name!r} is a {scheme[1]}: address, which is not followed", remedy)
        path = Path(value)
        content = path.read_bytes() if path.stat().st_size <= READ_AT_ONCE else path
        return content, mimetypes.guess_type(path.name)[0]
    if hasattr(value, "save") and hasattr(value, "getbands"):
        return _picture(value)
    if isinstance(value, tuple) and len(value) == 2 and hasattr(value[0], "dtype"):
        return _sound(name, value[0], value[1]), "audio/wav"
    remedy = "Give a path, bytes, a URL, a PIL image, or (samples, sample_rate) of a numpy array"
    raise RecordInvalid("files", f"{name!r} is a {type(value).__name__}, which is no file", remedy)


def _picture(image: Any) -> tuple[bytes, str]:
    """A PIL image without loss."""
    buffer = io.BytesIO()
    (image if image.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else image.convert("RGB")).save(buffer, "PNG")
    return buffer.getvalue(), "image/png"


def _sound(name: str, samples: Any, rate: Any) -> bytes:
    """16-bit WAV of a numpy array, shape (samples,) or (samples, channels); floats are in [-1, 1]."""
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and samples.shape[1] > 16):
        raise RecordInvalid("files", f"{name!r} has the shape {samples.shape}", "Give samples as (n,) or (n, channels)")
    if samples.dtype.kind == "f":
        samples = (samples.clip(-1, 1) * _FULL_SCALE).round()
    elif samples.dtype.kind != "i" or samples.dtype.itemsize > 2:
        raise RecordInvalid("files", f"{name!r} has samples of type {samples.dtype}", "Give floats in [-1, 1] or 16-bit integers")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        out.setsampwidth(2)
        out.setframerate(int(rate))
        out.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


def _type_by_name(name: str, url: str) -> str:
    guessed = mimetypes.guess_type(url.split("?")[0].split("#")[0])[0]
    if guessed is None:
        raise RecordInvalid("files", f"the media type of {name!r} is not known", "Name it in `evidence` with its media_type")
    return guessed

"""Parts of a stream over HTTP (RFC 9110, section 14): one range a request; several are answered with the whole, as it allows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from fastapi.responses import Response, StreamingResponse
from starlette.background import BackgroundTask

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_CHUNK = 1 << 18


def ranged(content: BinaryIO, size: int, asked: Mapping[str, str], headers: Mapping[str, str], media_type: str) -> Response:
    """The stream, or the range of it that the request's headers ask for. Closes ``content`` when all is sent.

    What does not open is noticed before the first byte goes out where it is in the first piece; later, the answer breaks off.
    """
    span = _span(asked, size, headers.get("ETag", ""))
    if span is None:
        content.close()
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    first, last = span
    known = {**headers, "Accept-Ranges": "bytes", "Content-Length": str(last - first + 1)}
    whole = last - first + 1 == size
    if not whole:
        known["Content-Range"] = f"bytes {first}-{last}/{size}"
    try:
        content.seek(first)
        head = content.read(min(_CHUNK, last - first + 1))
    except BaseException:
        content.close()
        raise
    pieces = _pieces(content, head, last - first + 1)
    status = 200 if whole else 206
    return StreamingResponse(pieces, status_code=status, headers=known, media_type=media_type, background=BackgroundTask(content.close))


def _span(asked: Mapping[str, str], size: int, tag: str) -> tuple[int, int] | None:
    """First and last byte to send; None where the range lies outside."""
    everything = (0, size - 1)
    found = _RANGE.fullmatch(asked.get("range", "").strip())
    if found is None or found.group() == "bytes=-" or asked.get("if-range", tag) != tag:
        return everything
    start, end = found.groups()
    if not start:
        return (max(0, size - int(end)), size - 1) if int(end) and size else None
    first, last = int(start), min(int(end), size - 1) if end else size - 1
    if end and int(end) < first:
        return everything
    return (first, last) if first < size else None


def _pieces(content: BinaryIO, head: bytes, wanted: int) -> Iterator[bytes]:
    piece = head
    while piece:
        yield piece
        wanted -= len(piece)
        piece = content.read(min(_CHUNK, wanted))

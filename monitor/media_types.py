"""What kind of file this is: by its first bytes, then by its name, then by whether it reads as text."""

from __future__ import annotations

import mimetypes
from pathlib import Path

_HEAD_BYTES = 4096
# First bytes of the formats that detectors read (file(1) magic, and the formats' own specifications).
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"BM", "image/bmp"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (0, b"\xff\xf1", "audio/aac"),
    (0, b"\xff\xf9", "audio/aac"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp", "video/mp4"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
UNKNOWN = "application/octet-stream"


def media_type_of(path: Path) -> str:
    """The IANA media type of a local file; ``application/octet-stream`` where nothing tells. Raises OSError."""
    with path.open("rb") as stream:
        return media_type_by(stream.read(_HEAD_BYTES), path.name)


def media_type_by(head: bytes, name: str = "") -> str:
    """The same of a file's first 4 KB and its name."""
    by_name = mimetypes.guess_type(name)[0]
    return (
        media_type_in(head)
        or (by_name if by_name and _fits(by_name, head) else None)
        or ("text/plain" if _reads_as_text(head) else UNKNOWN)
    )


def media_type_in(head: bytes) -> str | None:
    """What the first bytes of a file say it is; None where they say nothing."""
    if head[:4] == b"RIFF" and head[8:12] in _RIFF:
        return _RIFF[head[8:12]]
    # "BM" is also how prose may begin; a bitmap has binary zeros in its header.
    found = next((kind for start, magic, kind in _MAGIC if head.startswith(magic, start)), None)
    return None if found == "image/bmp" and _reads_as_text(head) else found


def _fits(kind: str, head: bytes) -> bool:
    """A name is believed about text only where the content reads as text."""
    return not kind.startswith("text/") or _reads_as_text(head)


def _reads_as_text(head: bytes) -> bool:
    if b"\x00" in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character cut in two by the end of the head is no fault.
        return len(head) == _HEAD_BYTES and error.start >= _HEAD_BYTES - 3
    return True

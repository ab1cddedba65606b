"""Small evidence of every family for the contract tests: sound pieces, and pieces that no decoder should trust."""

from __future__ import annotations

import functools
import hashlib
import io
import struct
import tempfile
import wave
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from detectors.contract import EvidenceFile
from tests.detectors.videos import GREEN, RED, video

MEDIA_TYPES = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4", "text": "text/plain", "pdf": "application/pdf"}
# What each family is taken for when the sender names the wrong media type.
MISTAKEN_FOR = {"image": "audio", "audio": "image", "video": "pdf", "text": "image", "pdf": "video"}
UNREADABLE = ("empty", "noise", "mistaken", "vanished")
HARD = (*UNREADABLE, "truncated", "huge")
_LINES = ("RECEIPT", "Total 9.00", "12 March 2024", "STOP", "Sales 2019 10", "Sales 2020 20")


def sound(family: str, folder: Path, identifier: str = "good") -> EvidenceFile:
    """A small readable piece: a page of print, two seconds of a tone, two plain scenes, a paragraph, a one-page PDF."""
    return _piece(_sound_bytes(family), family, folder, identifier)


def hard(family: str, kind: str, folder: Path, identifier: str = "hard") -> EvidenceFile:
    """A piece that is declared to be of the family and is ``kind`` of :data:`HARD`."""
    if kind == "vanished":
        return EvidenceFile(identifier, MEDIA_TYPES[family], folder / "vanished", "0" * 64)
    return _piece(_hard_bytes(family, kind), family, folder, identifier)


def foreign(folder: Path) -> EvidenceFile:
    """A piece that no detector reads."""
    return _written(b"PK\x05\x06" + bytes(18), "application/zip", folder, "foreign")


def renamed(piece: EvidenceFile, folder: Path) -> EvidenceFile:
    """The same bytes under another hash, so that nothing a detector has kept of them is found again."""
    path = folder / f"again-{piece.path.name}"
    path.write_bytes(piece.path.read_bytes())
    return EvidenceFile(piece.id, piece.media_type, path, hashlib.sha256(path.name.encode()).hexdigest())


def _piece(content: bytes, family: str, folder: Path, identifier: str) -> EvidenceFile:
    return _written(content, MEDIA_TYPES[family], folder, identifier)


def _written(content: bytes, media_type: str, folder: Path, identifier: str) -> EvidenceFile:
    digest = hashlib.sha256(content).hexdigest()
    path = folder / f"{identifier}-{digest[:16]}"
    path.write_bytes(content)
    return EvidenceFile(identifier, media_type, path, digest)


def _hard_bytes(family: str, kind: str) -> bytes:
    if kind == "empty":
        return b""
    if kind == "noise":
        # Above 127 throughout: neither a known header nor UTF-8.
        return np.random.default_rng(5).integers(128, 256, 4096, dtype=np.uint8).tobytes()
    if kind == "mistaken":
        return _sound_bytes(MISTAKEN_FOR[family])
    if kind == "truncated":
        whole = _sound_bytes(family)
        return whole[: len(whole) // 2]
    return _huge(family)


@functools.cache
def _sound_bytes(family: str) -> bytes:
    """Made once: a PDF carries its time of making, and what a detector has read once it need not read again."""
    if family == "text":
        return "\n".join((*_LINES, "A dog stands beside two cars. The speaker says we will go home.")).encode()
    if family == "audio":
        return _tone(2.0)
    if family == "video":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sound.mp4"
            video(path, [(RED, 1.0), (GREEN, 1.0)])
            return path.read_bytes()
    kept = io.BytesIO()
    _page().save(kept, "PDF" if family == "pdf" else "PNG")
    return kept.getvalue()


def _page() -> Image.Image:
    page = Image.new("RGB", (480, 360), "white")
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(_LINES):
        draw.text((30, 20 + 55 * number), line, fill="black", font_size=32)
    return page


def _tone(seconds: float, rate: int = 16_000) -> bytes:
    wave_form = 0.2 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
    kept = io.BytesIO()
    with wave.open(kept, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((wave_form * 32767).astype("<i2").tobytes())
    return kept.getvalue()


def _huge(family: str) -> bytes:
    """Little on disk that says it is, or unfolds into, far too much."""
    if family == "image":
        header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
        return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(1 << 16))) + _chunk(b"IEND", b"")
    if family == "pdf":
        return _pdf_of_one_page(200_000)
    if family == "audio":
        # The header promises four gigabytes.
        tone = bytearray(_tone(0.2))
        tone[4:8] = tone[40:44] = struct.pack("<I", 0xFFFF_FFF0)
        return bytes(tone)
    if family == "video":
        # The first box claims to be larger than any disk.
        return struct.pack(">I4sQ", 1, b"ftyp", 1 << 62) + b"isom" + bytes(64)
    return b"word " * 100_000


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _pdf_of_one_page(points: int) -> bytes:
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] >>" % (points, points),
    )
    written, starts = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        starts.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % start for start in starts)
    count = len(objects) + 1
    return written + b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        count, table, count, len(written)
    )  # fmt: skip

"""Authored sentences with the evidence they are said over: made into files, into cases, and counted by rule."""

from __future__ import annotations

import io
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from detectors.contract import Case, Claim, EvidenceFile, Place

HERE = Path(__file__).parent
FILES = {
    "image": "image/png",
    "black": "image/png",
    "broken-image": "image/png",
    "audio60": "audio/wav",
    "silent": "audio/wav",
    "video60": "video/mp4",
    "pdf3": "application/pdf",
    "blank-pdf": "application/pdf",
    "broken-pdf": "application/pdf",
}


def sentences(name: str) -> list[dict[str, Any]]:
    """The lines of ``tuning`` or ``held_out``; ``flag`` says whether they must be flagged."""
    return [json.loads(line) for line in (HERE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def case_of(line: dict[str, Any], folder: Path, number: int) -> Case:
    """The case of a line; files are made in ``folder`` once and shared."""
    evidence = tuple(_piece(word, folder, f"e{place}") for place, word in enumerate(line["evidence"]))
    cited = tuple(Place(identifier) for identifier in line.get("cites", ()))
    claims = (Claim("c1", line["answer"], (0, len(line["answer"])), "statement", cited, given=True),) if cited else ()
    return Case(str(number), line["answer"], claims, evidence, line.get("question"), abstained=line.get("abstained", False))


def _piece(word: str, folder: Path, identifier: str) -> EvidenceFile:
    kind, _, said = word.partition(":")
    if kind in ("text", "transcript", "empty-text", "empty-transcript"):
        path = folder / f"{abs(hash(word))}.txt"
        path.write_text(said, encoding="utf-8")
        role = "transcript" if kind.endswith("transcript") else "source"
        return EvidenceFile(identifier, "text/plain", path, path.stem, role)
    media = FILES[kind]
    path = folder / f"{kind}.{media.split('/')[1]}"
    if not path.exists():
        path.write_bytes(_bytes(kind))
    return EvidenceFile(identifier, media, path, kind)


def _bytes(kind: str) -> bytes:
    match kind:
        case "image":
            return _png(photograph())
        case "black":
            return _png(Image.new("RGB", (640, 480), (2, 2, 2)))
        case "broken-image":
            return _png(photograph())[:60]
        case "audio60":
            return _wav(np.random.default_rng(4).normal(0, 1, 60 * 16_000) * np.repeat(np.tile([6000, 20, 4000, 10], 15), 16_000))
        case "silent":
            return _wav(np.zeros(20 * 16_000))
        case "video60":
            return _video()
        case "pdf3":
            return pdf(["The lease begins in May.", "The rent is 900 a month.", "Signed by both parties."])
        case "blank-pdf":
            return pdf([""])
        case _:
            return pdf(["The lease begins in May."])[:40]


def photograph() -> Image.Image:
    """Coloured shapes with sharp edges and a page of legible print."""
    random = np.random.default_rng(3)
    made = Image.fromarray(np.repeat(np.linspace(40, 200, 640)[None, :, None], 480, axis=0).repeat(3, axis=2).astype(np.uint8))
    pen = ImageDraw.Draw(made)
    for _ in range(60):
        x, y = random.integers(0, 600), random.integers(0, 440)
        pen.rectangle((x, y, x + int(random.integers(10, 90)), y + int(random.integers(10, 90))), tuple(random.integers(0, 255, 3)))
    pen.text((40, 40), "OPEN", (255, 255, 255), ImageFont.load_default(40))
    return made


def pdf(pages: list[str]) -> bytes:
    """A PDF of these pages, each with its text as text."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for text in pages:
        drawn = f"BT /F1 18 Tf 72 700 Td ({text}) Tj ET" if text else ""
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects)} 0 R /Resources << /Font << /F1 3 0 R >> >> >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    out = io.BytesIO(b"")
    out.write(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(out.tell())
        out.write(f"{number} 0 obj\n{body}\nendobj\n".encode())
    start = out.tell()
    out.write(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode() + b"".join(f"{at:010d} 00000 n \n".encode() for at in places))
    out.write(f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode())
    return out.getvalue()


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _wav(samples: np.ndarray[Any, Any]) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as sink:
        sink.setnchannels(1)
        sink.setsampwidth(2)
        sink.setframerate(16_000)
        sink.writeframes(np.clip(samples, -32_000, 32_000).astype("<i2").tobytes())
    return out.getvalue()


def _video() -> bytes:
    import av

    out = io.BytesIO()
    picture = photograph()
    with av.open(out, "w", format="mp4") as container:
        track = container.add_stream("mpeg4", rate=1)
        track.width, track.height, track.pix_fmt = picture.width, picture.height, "yuv420p"
        for second in range(60):
            frame = av.VideoFrame.from_image(picture.rotate(second * 3 % 7))
            container.mux(track.encode(frame))
        container.mux(track.encode())
    return out.getvalue()

"""Pages of print as pictures, drawn with the typeface that Pillow carries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from detectors.contract import EvidenceFile

_SIZE, _STEP, _MARGIN = 26, 38, 70


def page(paragraphs: Iterable[str], *, columns: int = 1, width: int = 1000, height: int = 760) -> Image.Image:
    """Paragraphs as wrapped lines; in two columns the second takes every paragraph after the first."""
    face = ImageFont.load_default(_SIZE)
    picture = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(picture)
    room = (width - 2 * _MARGIN - 60 * (columns - 1)) // columns
    places = [[_MARGIN, _MARGIN] for _ in range(columns)]
    for number, paragraph in enumerate(paragraphs):
        place = places[min(number, columns - 1)]
        left = _MARGIN + min(number, columns - 1) * (room + 60)
        line = ""
        for word in [*paragraph.split(), ""]:
            if line and (not word or face.getlength(f"{line} {word}") > room):
                pen.text((left, place[1]), line, fill="black", font=face)
                place[1] += _STEP
                line = ""
            line = f"{line} {word}".strip()
        place[1] += _STEP
    return picture


def picture_file(folder: Path, name: str, picture: Image.Image) -> EvidenceFile:
    path = folder / f"{name}.png"
    picture.save(path)
    return EvidenceFile(name, "image/png", path, hashlib.sha256(path.read_bytes()).hexdigest())

"""Reads again what stands on its side: names under narrow columns, the title of an upright axis.

Charts turn some of their print by a quarter, upwards; a reader takes such boxes for text that runs downwards, or the whole picture for a
page on its side, and then misreads the rest. The boxes it found are read once more, as they stand and turned, and the surer text counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from PIL import Image

from detectors.reading.lines import Line

# Two signs or more in a box this much taller than wide stand on their side.
_TALL = 1.4
# Other boxes are read again where they were read less surely than this; what was read turned counts as it stands from this on.
_UNSURE, _STANDS = 0.85, 0.5
# What a box is grown by on all sides, as a share of its shorter side.
_MARGIN = 0.08


class PieceReader(Protocol):
    """What of :class:`detectors.reading.readers.FastReader` is used here."""

    def recognise(self, pieces: Sequence[Any]) -> list[tuple[str, float]]:
        """Text and confidence of pieces of a page, each one level line (RGB arrays)."""
        ...

    def lines_of(self, image: Any, page: int = 1) -> list[Line]:
        """The lines of one picture (PIL image)."""
        ...


def on_its_side(line: Line, size: tuple[int, int]) -> bool:
    """Whether a line of a picture of that size (width, height in pixels) runs upwards or downwards."""
    return len(line.text.strip()) >= 2 and line.region[3] * size[1] > _TALL * line.region[2] * size[0]


def _read_turned(line: Line) -> bool:
    """Whether the line was read in another direction than from left to right."""
    if line.corners is None:
        return False
    (left, top), (right, bottom) = line.corners[0], line.corners[1]
    return right - left <= 0.2 * abs(bottom - top)


def with_turned(lines: Sequence[Line], reader: PieceReader, image: Any, page: int) -> tuple[Line, ...]:
    """The lines of a page (PIL image) with those on their side, and beside such the unsure ones, read again where they stand."""
    tall = {id(line) for line in lines if on_its_side(line, image.size)}
    if not tall:
        return tuple(lines)
    pixels = np.asarray(image)
    if any(id(line) not in tall and _read_turned(line) for line in lines):
        # A page taken to lie on its side has its ticks read upside down, or not at all. Without what made it seem so it is read upright.
        side = [line for line in lines if id(line) in tall]
        fresh = reader.lines_of(_without(image, side), page)
        if len(fresh) and not any(_read_turned(line) for line in fresh):
            lines = [*side, *fresh]
    tipped = {id(line) for line in lines if id(line) not in tall and _read_turned(line)}
    again = [line for line in lines if id(line) in tall or id(line) in tipped or line.confidence < _UNSURE]
    pieces = [_piece(pixels, line) for line in again]
    # A quarter clockwise brings print that runs upwards level.
    read = reader.recognise([*(np.ascontiguousarray(np.rot90(piece, -1)) for piece in pieces), *pieces])
    better: dict[int, Line] = {}
    for line, turned, upright in zip(again, read, read[len(again) :], strict=False):
        options = [(line.text, line.confidence), turned] if id(line) in tall else [(line.text, line.confidence), upright]
        text, confidence = max(options, key=lambda option: option[1])
        if id(line) in tipped and upright[0].strip() and upright[1] >= _STANDS:
            text, confidence = upright
        if text.strip():
            better[id(line)] = replace(line, text=text, confidence=confidence, page=page)
    return tuple(better.get(id(line), line) for line in lines)


def _without(image: Any, lines: Sequence[Line]) -> Any:
    """The picture with some of its lines painted over in the colour around them."""
    pixels = np.array(image)
    for line in lines:
        piece = _piece(pixels, line)
        rim = np.concatenate([piece[0], piece[-1], piece[:, 0], piece[:, -1]])
        piece[:] = np.median(rim, axis=0).astype(piece.dtype)
    return Image.fromarray(pixels)


def _piece(pixels: Any, line: Line) -> Any:
    tall, wide = pixels.shape[:2]
    x, y, w, h = line.region[0] * wide, line.region[1] * tall, line.region[2] * wide, line.region[3] * tall
    grow = _MARGIN * min(w, h)
    top, left = max(0, int(y - grow)), max(0, int(x - grow))
    return pixels[top : max(top + 2, int(np.ceil(y + h + grow))), left : max(left + 2, int(np.ceil(x + w + grow)))]

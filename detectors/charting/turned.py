"""Reads again what stands on its side: names under narrow columns, the title of an upright axis.

Charts turn some of their print by a quarter, upwards; a reader takes such boxes for text that runs downwards, or the whole picture for a
page on its side, and then misreads the rest. The boxes it found are read once more, as they stand and turned, and the surer text counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from detectors.reading.lines import Line

# Two signs or more in a box this much taller than wide stand on their side.
_TALL = 1.4
# Other boxes are read again where they were read less surely than this.
_UNSURE = 0.85
# What a box is grown by on all sides, as a share of its shorter side.
_MARGIN = 0.08


class PieceReader(Protocol):
    """What of :class:`detectors.reading.readers.FastReader` is used here."""

    def recognise(self, pieces: Sequence[Any]) -> list[tuple[str, float]]:
        """Text and confidence of pieces of a page, each one level line (RGB arrays)."""
        ...


def on_its_side(line: Line, size: tuple[int, int]) -> bool:
    """Whether a line of a picture of that size (width, height in pixels) runs upwards or downwards."""
    return len(line.text.strip()) >= 2 and line.region[3] * size[1] > _TALL * line.region[2] * size[0]


def with_turned(lines: Sequence[Line], reader: PieceReader, image: Any, page: int) -> tuple[Line, ...]:
    """The lines of a page (PIL image) with those on their side, and beside such the unsure ones, read again where they stand."""
    tall = {id(line) for line in lines if on_its_side(line, image.size)}
    if not tall:
        return tuple(lines)
    pixels = np.asarray(image)
    again = [line for line in lines if id(line) in tall or line.confidence < _UNSURE]
    pieces = [_piece(pixels, line) for line in again]
    # A quarter clockwise brings print that runs upwards level.
    read = reader.recognise([*(np.ascontiguousarray(np.rot90(piece, -1)) for piece in pieces), *pieces])
    better: dict[int, Line] = {}
    for line, turned, upright in zip(again, read, read[len(again) :], strict=False):
        options = [(line.text, line.confidence), turned] if id(line) in tall else [(line.text, line.confidence), upright]
        text, confidence = max(options, key=lambda option: option[1])
        if text.strip():
            better[id(line)] = replace(line, text=text, confidence=confidence, page=page)
    return tuple(better.get(id(line), line) for line in lines)


def _piece(pixels: Any, line: Line) -> Any:
    tall, wide = pixels.shape[:2]
    x, y, w, h = line.region[0] * wide, line.region[1] * tall, line.region[2] * wide, line.region[3] * tall
    grow = _MARGIN * min(w, h)
    top, left = max(0, int(y - grow)), max(0, int(x - grow))
    return pixels[top : max(top + 2, int(np.ceil(y + h + grow))), left : max(left + 2, int(np.ceil(x + w + grow)))]

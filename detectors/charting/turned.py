"""Reads again what stands on its side: names under narrow columns, the title of an upright axis.

Readers take tall boxes for text that runs downwards, while charts turn their print the other way. The whole picture is
read once more, turned by a quarter, and only where the first reading has such boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from detectors.contract import Region
from detectors.reading.lines import Line

# Two signs or more in a box this much taller than wide stand on their side.
_TALL = 1.4
# A turned line is taken over from this confidence on; upright print that is read on its side stays far below, or is tall there.
_SURE, _SURELY = 0.75, 0.9


class PictureReader(Protocol):
    """What of :class:`detectors.reading.readers.FastReader` is used here."""

    def lines_of(self, image: Any, page: int = 1) -> list[Line]:
        """The lines of one upright RGB picture."""
        ...


def on_its_side(line: Line, size: tuple[int, int]) -> bool:
    """Whether a line of a picture of that size (width, height in pixels) runs upwards or downwards."""
    return len(line.text.strip()) >= 2 and line.region[3] * size[1] > _TALL * line.region[2] * size[0]


def with_turned(lines: Sequence[Line], reader: PictureReader, image: Any, page: int) -> tuple[Line, ...]:
    """The lines of a page (PIL image) with those on their side read again, in the place where they stand."""
    from PIL import Image

    tall = [line for line in lines if on_its_side(line, image.size)]
    if not tall:
        return tuple(lines)
    turned = image.transpose(Image.Transpose.ROTATE_270)
    better = [
        Line(line.text, line.confidence, _back(line.region), page)
        for line in reader.lines_of(turned, page)
        if line.confidence >= _SURE and not on_its_side(line, turned.size) and sum(map(str.isalnum, line.text)) >= 2
    ]
    better = [line for line in better if _belongs(line, tall, lines)]
    lost = {id(old) for old in tall if any(_overlap(line.region, old.region) > 0.3 for line in better)}
    return (*(line for line in lines if id(line) not in lost), *better)


def _belongs(line: Line, tall: Sequence[Line], lines: Sequence[Line]) -> bool:
    """Whether a turned line is one that was read on its side, or words where nothing was read at all."""
    if any(_overlap(line.region, old.region) > 0.3 for old in tall):
        return True
    alone = all(_overlap(line.region, other.region) < 0.1 for other in lines)
    return alone and line.confidence >= _SURELY and sum(map(str.isalpha, line.text)) >= 3


def _back(region: Region) -> Region:
    """A place of the picture turned clockwise, in the upright one."""
    x, y, w, h = region
    return (y, 1.0 - x - w, h, w)


def _overlap(one: Region, other: Region) -> float:
    """Shared area over the smaller area."""
    wide = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    tall = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    smaller = min(one[2] * one[3], other[2] * other[3])
    return wide * tall / smaller if wide > 0 and tall > 0 and smaller > 0 else 0.0

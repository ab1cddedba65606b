"""Draws found regions on evidence pictures: fractions of the picture become pixels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

Region = tuple[float, float, float, float]
HUES = {"hallucinated": "#cc4b14", "supported": "#009e73", "not_checked": "#6b7280", "unseen": "#0b63a5"}
MARKS = {"hallucinated": "x", "supported": "ok", "not_checked": "?"}
SMALL = 0.12
MAX_PIXELS = 40_000_000


@dataclass(frozen=True, slots=True)
class Box:
    """A region ``[x, y, width, height]`` as fractions, its verdict, a short label and whether it is the chosen one."""

    region: Region
    verdict: str
    label: str
    chosen: bool = False


class PictureUnreadable(Exception):
    """The bytes are not a picture that can be shown."""


def open_picture(content: bytes) -> Image.Image:
    """Decode to RGB. Raises PictureUnreadable."""
    try:
        picture = Image.open(io.BytesIO(content))
        if picture.width * picture.height > MAX_PIXELS:
            raise PictureUnreadable(f"{picture.width} × {picture.height} pixels are too many")
        return picture.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise PictureUnreadable(str(error)) from error


def pixels(region: Region, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in pixels, kept inside the picture and at least 4 pixels wide and high."""
    left = min(max(0.0, region[0]), 1.0) * width
    top = min(max(0.0, region[1]), 1.0) * height
    right = min(1.0, max(0.0, region[0] + region[2])) * width
    bottom = min(1.0, max(0.0, region[1] + region[3])) * height
    return (
        int(min(left, width - 5)),
        int(min(top, height - 5)),
        int(min(width - 1, max(right, left + 4))),
        int(min(height - 1, max(bottom, top + 4))),
    )


def with_boxes(picture: Image.Image, boxes: Sequence[Box]) -> Image.Image:
    """A copy with every box drawn: thin ones first, the chosen one bold, on a white edge and labelled."""
    drawn = picture.copy()
    pen = ImageDraw.Draw(drawn)
    unit = max(1, round(max(picture.size) / 700))
    for box in sorted(boxes, key=lambda item: item.chosen):
        hue = HUES.get(box.verdict, HUES["not_checked"])
        place = pixels(box.region, *picture.size)
        if box.chosen:
            pen.rectangle(_grown(place, 2 * unit), outline="white", width=2 * unit + 4 * unit)
        pen.rectangle(place if not box.chosen else _grown(place, unit), outline=hue, width=(4 if box.chosen else 1) * unit)
        if box.chosen and box.label:
            _label(pen, place, box, hue, unit, picture.size)
    return drawn


def _grown(place: tuple[int, int, int, int], by: int) -> tuple[int, int, int, int]:
    return place[0] - by, place[1] - by, place[2] + by, place[3] + by


def _label(pen: ImageDraw.ImageDraw, place: tuple[int, int, int, int], box: Box, hue: str, unit: int, size: tuple[int, int]) -> None:
    font = ImageFont.load_default(size=12 + 5 * unit)
    text = box.label[:60]
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = int(right - left) + 8 * unit, int(bottom - top) + 7 * unit
    x = max(0, min(place[0] - unit, size[0] - width))
    y = place[1] - height - 3 * unit if place[1] - height - 3 * unit >= 0 else min(place[3] + 3 * unit, size[1] - height)
    pen.rectangle((x, y, x + width, y + height), fill=hue)
    pen.text((x + 4 * unit - left, y + 3 * unit - top), text, fill="white", font=font)


def closer(picture: Image.Image, region: Region) -> Image.Image | None:
    """The region with some surroundings, enlarged; None where it is large enough to be seen as it is."""
    if region[2] * region[3] >= SMALL or min(picture.size) < 40:
        return None
    left, top, right, bottom = pixels(region, *picture.size)
    pad_x, pad_y = max(24, (right - left) // 2), max(16, (bottom - top) // 2)
    crop = picture.crop((max(0, left - pad_x), max(0, top - pad_y), min(picture.width, right + pad_x), min(picture.height, bottom + pad_y)))
    scale = min(3.0, 640 / crop.width, 320 / crop.height)
    if scale <= 1:
        return crop
    return crop.resize((round(crop.width * scale), round(crop.height * scale)), Image.Resampling.LANCZOS)

"""Whether a region of a picture can be said to have a colour, measured from its pixels.

Only the absence of a strong colour is ever held against an answer: a region without a trace of red holds no red car,
while a trace may belong to what stands behind it. Black, white, grey and brown are light and shade as much as paint, so
they are never refuted. The hue ranges are generous at both ends, because people draw the line between blue and purple,
or red and orange, in different places.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from detectors.contract import Region

# Hue in degrees as (from, to), running through 0 where from > to; least saturation and value of a pixel that still counts.
_HUES: dict[str, tuple[float, float, float, float]] = {
    "red": (325, 24, 0.30, 0.16),
    "orange": (5, 50, 0.35, 0.25),
    "yellow": (32, 75, 0.22, 0.28),
    "green": (60, 185, 0.14, 0.10),
    "blue": (175, 270, 0.14, 0.12),
    "purple": (235, 335, 0.10, 0.10),
    "pink": (290, 25, 0.10, 0.35),
}
_SAME = {"golden": "yellow", "gold": "yellow", "turquoise": "blue", "teal": "green", "navy": "blue", "maroon": "red"}
# A region with less of a colour than this share does not have it; from the other share on it is worth saying that it does.
ABSENT_SHARE, CLEAR_SHARE = 0.02, 0.15
_SIDE = 160
_DARK, _GREY = 0.15, 0.12
# Least chroma (saturation times value): the hue of darker or greyer pixels is noise.
_LEAST_CHROMA = 0.08


@dataclass(frozen=True, slots=True)
class ColourShare:
    """Share of a region's pixels, in [0, 1], that may be called ``colour``; None where that cannot be told, for ``reason``."""

    colour: str
    share: float | None
    reason: str = ""


def colour_share(image: Image.Image, region: Region, colour: str) -> ColourShare:
    """How much of the region (fractions of an RGB picture) may be called ``colour``, a lower-case English word."""
    known = _HUES.get(_SAME.get(colour, colour))
    if known is None:
        return ColourShare(colour, None, f"whether a thing is {colour} depends on the light as much as on the thing")
    hue, saturation, value = _hsv(image, (0.0, 0.0, 1.0, 1.0))
    if float(np.percentile(saturation[value > _DARK], 98) if (value > _DARK).any() else 0.0) < _GREY:
        return ColourShare(colour, None, "the picture has no colours")
    hue, saturation, value = _hsv(image, region)
    if float(np.median(value)) < _DARK:
        return ColourShare(colour, None, "it stands in the dark")
    start, end, least_saturation, least_value = known
    within = (hue >= start) & (hue <= end) if start <= end else (hue >= start) | (hue <= end)
    strong = (saturation >= least_saturation) & (value >= least_value) & (saturation * value >= _LEAST_CHROMA)
    return ColourShare(colour, float((within & strong).mean()))


def _hsv(image: Image.Image, region: Region) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Hue in degrees, saturation and value in [0, 1] of a region, shrunk so that single pixels of noise average out."""
    width, height = image.size
    left, top = int(region[0] * width), int(region[1] * height)
    right, bottom = max(left + 1, round((region[0] + region[2]) * width)), max(top + 1, round((region[1] + region[3]) * height))
    piece = image.crop((left, top, right, bottom))
    piece.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    pixels = np.asarray(piece.convert("HSV"), dtype=np.float64)
    return pixels[..., 0] * (360 / 255), pixels[..., 1] / 255, pixels[..., 2] / 255

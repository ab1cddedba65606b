"""Reads colours: of the ink or the mark at a line of text, and whether two are one. Colours are CIE Lab."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.charting.chart import Colour
from detectors.contract import Region

Floats = NDArray[np.float32]
# Lab distance up to which two patches are drawn in one colour, and from which ink differs from paper (about 2.3 is just visible).
SAME, DIFFERENT = 9.0, 14.0
# Cubes of colour are numbered in a grid of this side, its origin in the middle.
_SIDE, _HALF = 64, 30
# Greys between black print and white paper; marks may have them.
_CHROMA, _DARK, _LIGHT = 10.0, 38.0, 93.0


def lab_of(image: Any) -> Floats:
    """The picture in CIE Lab, float32 (height, width, 3), L in 0…100. Takes a PIL RGB image."""
    import cv2

    pixels = np.asarray(image, dtype=np.float32) / 255.0
    found: Floats = cv2.cvtColor(pixels, cv2.COLOR_RGB2Lab)
    return found


def codes_of(pixels: Floats, step: float) -> NDArray[np.int64]:
    """A whole number for each pixel (n, 3), the same for all in one cube of Lab with that edge (at least 5)."""
    keys = np.round(pixels / step).astype(np.int64) + _HALF
    codes: NDArray[np.int64] = (keys[:, 0] * _SIDE + keys[:, 1]) * _SIDE + keys[:, 2]
    return codes


def commonest(pixels: Floats, step: float) -> list[tuple[Colour, int]]:
    """The cubes of Lab some pixels (n, 3) lie in, as their centres, with how many lie there, most first."""
    counts = np.bincount(codes_of(pixels, step)) if len(pixels) else np.zeros(0, np.int64)
    found = np.flatnonzero(counts)
    places = found[np.argsort(-counts[found], kind="stable")]
    centres = np.stack([places // _SIDE**2, places // _SIDE % _SIDE, places % _SIDE], axis=1) - _HALF
    return [
        ((float(L) * step, float(a) * step, float(b) * step), int(counts[code])) for (L, a, b), code in zip(centres, places, strict=True)
    ]


def mode(pixels: Floats) -> tuple[Colour, float] | None:
    """The commonest colour of some pixels (n, 3) and its share; None without pixels."""
    if len(pixels) == 0:
        return None
    codes = codes_of(pixels, 6.0)
    values, counts = np.unique(codes, return_counts=True)
    chosen = pixels[codes == values[counts.argmax()]].mean(axis=0)
    return (float(chosen[0]), float(chosen[1]), float(chosen[2])), float(counts.max() / len(pixels))


def distance(one: Colour, other: Colour) -> float:
    """Euclidean distance in Lab (CIE 1976)."""
    return float(np.sqrt(sum((a - b) ** 2 for a, b in zip(one, other, strict=True))))


def marked(colour: Colour) -> bool:
    """Whether a colour can be that of a mark: chromatic, or a grey that is neither print nor paper."""
    return float(np.hypot(colour[1], colour[2])) > _CHROMA or _DARK < colour[0] < _LIGHT - 8


def patch(lab: Floats, region: Region, grow: tuple[float, float] = (0.0, 0.0)) -> Floats:
    """The pixels (n, 3) at a region, grown by shares of the region's height on the left and right, above and below."""
    height, width = lab.shape[:2]
    x, y, w, h = region[0] * width, region[1] * height, region[2] * width, region[3] * height
    left, right = max(0, int(x - grow[0] * h)), min(width, int(np.ceil(x + w + grow[0] * h)))
    top, bottom = max(0, int(y - grow[1] * h)), min(height, int(np.ceil(y + h + grow[1] * h)))
    return lab[top:bottom, left:right].reshape(-1, 3)


def colour_at(lab: Floats, region: Region, page: Colour, *, legend: bool) -> Colour | None:
    """The colour that ties a text to a mark: the fill it stands on, else its own ink, else the swatch or bar beside it.

    ``legend`` looks for a swatch on the left only; a value may have its bar on either side, above or below.
    """
    inside = patch(lab, region)
    paper = mode(inside)
    if paper is None:
        return None
    if distance(paper[0], page) > DIFFERENT and marked(paper[0]):
        return paper[0]
    away = inside[np.linalg.norm(inside - np.asarray(paper[0], np.float32), axis=1) > 25]
    # The strongest part of the strokes: edges are blurred towards the paper.
    if len(away) >= 4:
        chroma = np.hypot(away[:, 1], away[:, 2])
        strongest = away[np.argsort(-np.linalg.norm(away - np.asarray(paper[0], np.float32), axis=1))[: max(4, len(away) // 3)]]
        ink = strongest.mean(axis=0)
        colour = (float(ink[0]), float(ink[1]), float(ink[2]))
        if float(np.median(chroma)) > _CHROMA and float(np.hypot(ink[1], ink[2])) > _CHROMA:
            return colour
    return _beside(lab, region, page, legend)


def _beside(lab: Floats, region: Region, page: Colour, legend: bool) -> Colour | None:
    x, y, w, h = region
    tall, wide = lab.shape[:2]
    em = h * tall / wide
    strips = [(max(0.0, x - 1.6 * em), y + 0.2 * h, 1.5 * em, 0.6 * h)]
    if not legend:
        strips += [
            (x + w + 0.1 * em, y + 0.2 * h, 1.5 * em, 0.6 * h),
            (x, y + 1.15 * h, w, 0.7 * h),
            (x, max(0.0, y - 0.9 * h), w, 0.7 * h),
        ]
    for strip in strips:
        pixels = patch(lab, strip)
        away = pixels[np.linalg.norm(pixels - np.asarray(page, np.float32), axis=1) > DIFFERENT] if len(pixels) else pixels
        if len(away) >= 0.2 * max(1, len(pixels)):
            found = mode(away)
            if found and found[1] > 0.45 and marked(found[0]):
                return found[0]
    return None

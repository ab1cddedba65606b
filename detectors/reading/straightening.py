"""Puts the lines of a tilted page, or of one photographed at a slant, level again.

The recogniser is given each line made straight anyway; what suffers on a tilted page is finding lines at all (hence
:func:`levelled`, which turns the pixels) and telling which lines stand in one row (:func:`level_regions`, geometry alone).
The slope of the lines is taken as a plane over the page (one slope for a tilt, a gradient for a slant), fitted with Huber's
weights (Huber 1964, Annals of Mathematical Statistics 35:73) so that a stamp does not bend it; centres of lines then slide
along it to the middle of the page.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.contract import Region
from detectors.reading.spotting import Pixels, Quads, sides

Floats = NDArray[np.float64]

# A short line's ends are too close to show its slope; with few long lines there is no plane, only a slope.
_LONG_LINE, _FEW_LINES = 3.0, 6
# Sliding less than this share of a line's height changes no row.
_LEVEL_ENOUGH = 0.3
_ROUNDS, _STEPS = 10, 8
_HUBER = 0.01
# Pulls gradients that a handful of lines cannot show towards none.
_RIDGE = 0.5


def level_regions(quads: Quads, width: int, height: int) -> list[Region] | None:
    """Where the lines of a page would stand were it level, as fractions of the page; None where it is level already.

    Args:
        quads: (n, 4, 2) corners in pixels, top left first, then clockwise, seen in reading direction.
        width, height: of the page in pixels.
    """
    plane = slope_plane(quads, width, height)
    if plane is None:
        return None
    along, across = sides(quads)
    centres = quads.mean(axis=1).astype(np.float64)
    y = _slid(centres, plane, width, height)
    if float(np.abs(y - centres[:, 1]).max()) < _LEVEL_ENOUGH * float(np.median(across)):
        return None
    # Columns lean as the lines slope.
    x = centres[:, 0] + plane[0] * (centres[:, 1] - height / 2)
    return [
        ((cx - w / 2) / width, (cy - h / 2) / height, w / width, h / height)
        for cx, cy, w, h in zip(map(float, x), map(float, y), map(float, along), map(float, across), strict=True)
    ]


def levelled(pixels: Pixels, slope: float) -> tuple[Pixels, NDArray[np.float32]]:
    """The page turned so that lines of that slope lie level, and the (2, 3) map of its points back to the page as it was."""
    import cv2

    height, width = pixels.shape[:2]
    angle = float(np.arctan(slope))
    cos, sin = abs(np.cos(angle)), abs(np.sin(angle))
    size = (int(width * cos + height * sin), int(width * sin + height * cos))
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(np.rad2deg(angle)), 1.0)
    turn[:, 2] += (size[0] / 2 - width / 2, size[1] / 2 - height / 2)
    level = cv2.warpAffine(pixels, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(level, np.uint8), np.asarray(cv2.invertAffineTransform(turn), np.float32)


def slope_plane(quads: Quads, width: int, height: int) -> Floats | None:
    """Slope in the middle of the page and its change from edge to edge across and down it; None without a long line."""
    along, across = sides(quads)
    left, right = (quads[:, 0] + quads[:, 3]) / 2, (quads[:, 1] + quads[:, 2]) / 2
    run = (right - left).astype(np.float64)
    long = (along > _LONG_LINE * across) & (run[:, 0] > 0)
    if not long.any():
        return None
    slope = run[long, 1] / run[long, 0]
    weight = along[long].astype(np.float64)
    middle = float(np.median(np.repeat(slope, np.maximum(1, (10 * weight / weight.max())).astype(int))))
    if int(long.sum()) < _FEW_LINES:
        return np.array([middle, 0.0, 0.0])
    centres = quads[long].mean(axis=1).astype(np.float64)
    design = np.column_stack([np.ones(len(slope)), centres[:, 0] / width - 0.5, centres[:, 1] / height - 0.5])
    plane = np.array([middle, 0.0, 0.0])
    weight /= weight.mean()
    penalty = np.diag([0.0, _RIDGE, _RIDGE])
    for _ in range(_ROUNDS):
        off = np.abs(slope - design @ plane)
        huber = weight * np.minimum(1.0, _HUBER / np.maximum(off, 1e-9))
        plane = np.linalg.solve(design.T @ (design * huber[:, None]) + penalty, design.T @ (huber * slope))
    return np.asarray(plane, np.float64)


def _slid(centres: Floats, plane: Floats, width: int, height: int) -> Floats:
    """Heights of the centres after following the lines' slope to the middle of the page, in pixels."""
    x, y = centres[:, 0].copy(), centres[:, 1].copy()
    step = (width / 2 - x) / _STEPS
    for _ in range(_STEPS):
        halfway = x + step / 2
        slope = plane[0] + plane[1] * (halfway / width - 0.5) + plane[2] * (y / height - 0.5)
        y += slope * step
        x += step
    return np.asarray(y, np.float64)

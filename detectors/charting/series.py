"""Tells the series of a plot apart by colour, leaving out its frame, its grid and the blurred edges of other marks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.charting.chart import Colour
from detectors.charting.colours import DIFFERENT, SAME, Floats, commonest, distance, marked

Mask = NDArray[np.bool_]
# A colour is a series when it covers this share of the plot; at most so many are told apart.
_SERIES_SHARE, _MOST_SERIES = 0.0025, 8
# Greys and blacks may be frame and grid: straight thin lines over this share of the plot. What is left of black must be thick.
_GREY, _STRAIGHT, _THIN, _BLACK_SHARE = 12.0, 0.7, 4, 0.01
# A colour that lies this much within two pixels of stronger marks is their blurred edge.
_EDGE = 0.72


def series_in(window: Floats, page: Colour) -> list[tuple[Colour, Mask]]:
    """The colours of the plot (pixels in Lab, NaN where nothing is looked for) that are marks, commonest first, with their pixels."""
    clean = np.nan_to_num(window, nan=1e3)
    found: list[tuple[Colour, Mask]] = []
    for colour in _colours(window, page):
        mask: Mask = np.linalg.norm(clean - np.asarray(colour, np.float32), axis=2) < 1.1 * SAME
        if float(np.hypot(colour[1], colour[2])) <= _GREY:
            mask = _without_rules(mask)
            if not marked(colour) and mask.mean() < _BLACK_SHARE:
                continue
        if mask.mean() < _SERIES_SHARE or mask.any(axis=0).mean() <= 0.1 or _is_edge(mask, [other for _, other in found]):
            continue
        found.append((colour, mask))
    return found


def _colours(window: Floats, page: Colour) -> list[Colour]:
    flat = window.reshape(-1, 3)
    valid = ~np.isnan(flat[:, 0])
    away = valid & (np.linalg.norm(np.nan_to_num(flat) - np.asarray(page, np.float32), axis=1) > DIFFERENT)
    pixels = flat[away]
    if len(pixels) < 20:
        return []
    chosen: list[Colour] = []
    for colour, count in commonest(pixels, 5.0):
        if count < _SERIES_SHARE / 5 * len(flat) or len(chosen) >= 2 * _MOST_SERIES:
            break
        visible = float(np.hypot(colour[1], colour[2])) > _GREY or colour[0] < 78
        if visible and all(distance(colour, other) > 2.2 * SAME for other in chosen):
            chosen.append(colour)
    return chosen[:_MOST_SERIES]


def _without_rules(mask: Mask) -> Mask:
    """Without straight thin lines along the plot: axes, their ticks, the grid, the frame."""
    kept = mask.copy()
    for axis in (0, 1):
        long = mask.mean(axis=1 - axis) >= _STRAIGHT
        for run in np.split(np.arange(len(long)), np.flatnonzero(np.diff(long.astype(np.int8))) + 1):
            if len(run) and long[run[0]] and len(run) <= _THIN:
                # With it go the stubs of ticks beside it.
                low, high = max(0, int(run[0]) - 1), min(len(long), int(run[-1]) + 2)
                if run[0] < 0.06 * len(long):
                    low = 0
                if run[-1] > 0.94 * len(long):
                    high = len(long)
                if axis == 0:
                    kept[low:high] = False
                else:
                    kept[:, low:high] = False
    return kept


def _is_edge(mask: Mask, stronger: list[Mask]) -> bool:
    import cv2

    if not stronger:
        return False
    marks: Any = np.logical_or.reduce(stronger).astype(np.uint8)
    around = cv2.dilate(marks, np.ones((5, 5), np.uint8)) > 0
    return float(around[mask].mean()) > _EDGE

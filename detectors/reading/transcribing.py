"""From pictures of pages to lines: finds the print, turns the page upright, recognises the lines of several pages together.

A page is searched and read once. More is done only where something is measured to be wrong with it: a tilted page is searched
again level, one on its head (its lines read badly, some of them better when turned) is turned over, a soft one is read again
made sharp (of two readings of a line the surer one stands).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.contract import Region
from detectors.reading.lines import Corner, Line
from detectors.reading.restoring import SIGMA_TRIALS, relit, softness, unblurred
from detectors.reading.spotting import Pixels, Quads, TextSpotter, piece_at, sides
from detectors.reading.straightening import level_regions, levelled, slope_plane

# Upright receipts read at .93 or better on the mean, the same pages upside down far below.
_UPSIDE_DOWN_BELOW = 0.8
# Lines tried on their head, the longest first, and how much surer they must be read so.
_TRIED, _SURER = 8, 0.1
# From this slope on (1.7 degrees) the detector begins to miss lines.
_TILTED = 0.03
# A box this much taller than wide is a line on its side.
_ON_ITS_SIDE = 1.5
# Below this the recogniser sees letters in specks (its own default).
_LEAST_CONFIDENCE = 0.5
_SAME_PLACE = 0.5


@dataclass(frozen=True, slots=True)
class View:
    """A page as it is read: its pixels after ``turns`` quarter turns counter-clockwise, and the lines found in them."""

    pixels: Pixels
    turns: int
    quads: Quads


class Transcriber:
    """Reads page pictures with one spotter."""

    def __init__(self, spotter: TextSpotter) -> None:
        self._spotter = spotter

    def transcribe(self, pages: Sequence[tuple[int, Pixels]]) -> list[list[Line]]:
        """The lines of each (page number, upright RGB pixels), in order. All pages are held in memory at once."""
        views = [self._view(pixels) for _, pixels in pages]
        texts = self._recognised(views)
        lines = []
        for (number, _), view, read in zip(pages, views, texts, strict=True):
            found = self._upright(view, read, number)
            sharp = self._sharpened(view)
            if sharp is not None:
                found = _surer(found, self._upright(sharp, self._recognised([sharp])[0], number))
            lines.append(found)
        return lines

    def _view(self, pixels: Pixels) -> View:
        lit = relit(pixels)
        pixels = pixels if lit is None else lit
        quads, turns = self._spotter.find(pixels), 0
        if _lies_on_its_side(quads):
            pixels, turns = np.ascontiguousarray(np.rot90(pixels)), 1
            quads = self._spotter.find(pixels)
        return View(pixels, turns, self._found_level(pixels, quads))

    def _found_level(self, pixels: Pixels, quads: Quads) -> Quads:
        """The lines found on the page made level where it is tilted, else those that were found; on the page as it is."""
        plane = slope_plane(quads, pixels.shape[1], pixels.shape[0])
        if plane is None or abs(plane[0]) < _TILTED:
            return quads
        level, back = levelled(pixels, float(plane[0]))
        found = self._spotter.find(level)
        return np.asarray(found @ back[:, :2].T + back[:, 2], np.float32)

    def _sharpened(self, view: View) -> View | None:
        """A soft page made sharp, by the width of blur with which its longest lines read surest; None where it is sharp."""
        import cv2

        sigma = softness(view.pixels)
        if sigma is None:
            return None
        grey = cv2.cvtColor(view.pixels, cv2.COLOR_RGB2GRAY)
        trials = [unblurred(grey, trial * sigma) for trial in SIGMA_TRIALS]
        middle = len(trials) // 2
        quads = self._found_level(trials[middle], self._spotter.find(trials[middle]))
        longest = quads[np.argsort(-sides(quads)[0])[:_TRIED]]
        sure = [_mean_confidence(self._spotter.recognise([piece_at(page, quad) for quad in longest])) for page in trials]
        best = int(np.argmax(sure))
        if best != middle:
            quads = self._found_level(trials[best], self._spotter.find(trials[best]))
        return View(trials[best], view.turns, quads)

    def _recognised(self, views: Iterable[View]) -> list[list[tuple[str, float]]]:
        """Text and confidence of every line of every view; all lines go to the recogniser together."""
        several = list(views)
        read = iter(self._spotter.recognise([piece_at(view.pixels, quad) for view in several for quad in view.quads]))
        return [[next(read) for _ in view.quads] for view in several]

    def _upright(self, view: View, read: list[tuple[str, float]], number: int) -> list[Line]:
        """The lines of a view, or of the same page turned over where that is how it is meant to be read."""
        if len(read) and (view.turns or _mean_confidence(read) < _UPSIDE_DOWN_BELOW) and self._on_its_head(view, read):
            height, width = view.pixels.shape[:2]
            over = np.ascontiguousarray((np.array([width, height], np.float32) - view.quads)[:, [2, 3, 0, 1]])
            view = View(np.ascontiguousarray(np.rot90(view.pixels, 2)), view.turns + 2, over)
            read = self._recognised([view])[0]
        return _lines(view, read, number)

    def _on_its_head(self, view: View, read: list[tuple[str, float]]) -> bool:
        longest = np.argsort(-sides(view.quads)[0])[:_TRIED]
        turned = self._spotter.recognise([np.rot90(piece_at(view.pixels, view.quads[index]), 2) for index in longest])
        return _mean_confidence(turned) > _mean_confidence([read[index] for index in longest]) + _SURER


def _lies_on_its_side(quads: Quads) -> bool:
    """Whether the longer part of what is found runs up or down the page."""
    if not len(quads):
        return False
    size = np.ptp(quads, axis=1)
    tall, wide = size[:, 1] >= _ON_ITS_SIDE * size[:, 0], size[:, 0] >= _ON_ITS_SIDE * size[:, 1]
    return float(size[tall, 1].sum()) > float(size[wide, 0].sum())


def _mean_confidence(read: Sequence[tuple[str, float]]) -> float:
    return sum(confidence for _, confidence in read) / len(read) if read else 0.0


def _lines(view: View, read: list[tuple[str, float]], number: int) -> list[Line]:
    height, width = view.pixels.shape[:2]
    level = level_regions(view.quads, width, height)
    lines = []
    for index, (quad, (text, confidence)) in enumerate(zip(view.quads, read, strict=True)):
        if not text or confidence < _LEAST_CONFIDENCE:
            continue
        here = np.clip(quad.astype(np.float64) / (width, height), 0.0, 1.0)
        straight = level[index] if level is not None else _around(here) if view.turns % 4 else None
        corners = [_turned_back((float(x), float(y)), view.turns) for x, y in here]
        region = _around(np.array(corners))
        lines.append(Line(text, confidence, region, number, (corners[0], corners[1], corners[2], corners[3]), straight))
    return lines


def _turned_back(point: Corner, turns: int) -> Corner:
    """A point of the turned page, in fractions, on the page as it came."""
    x, y = point
    for _ in range(turns % 4):
        x, y = 1.0 - y, x
    return x, y


def _around(points: np.ndarray) -> Region:
    low, high = points.min(axis=0), points.max(axis=0)
    return (float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))


def _surer(first: list[Line], second: list[Line]) -> list[Line]:
    """One reading out of two of the same page: where both have a line in a place the surer one, else what either has."""
    merged = list(first)
    for line in second:
        beside = [index for index, other in enumerate(merged) if _shared(other.region, line.region) > _SAME_PLACE]
        if not beside:
            merged.append(line)
        elif line.confidence * len(line.text) > sum(merged[index].confidence * len(merged[index].text) for index in beside):
            # It may span what the other reading has in two parts.
            merged = [other for index, other in enumerate(merged) if index not in beside] + [line]
    return merged


def _shared(first: Region, second: Region) -> float:
    """Intersection over the smaller area."""
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    smaller = min(first[2] * first[3], second[2] * second[3])
    return width * height / smaller if width > 0 and height > 0 and smaller > 0 else 0.0

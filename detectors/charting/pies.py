"""Measures pies and rings: finds the disc, reads its colours round the centre, names the slices by legend or by the text beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.charting.chart import Block, Cell, Colour, Context
from detectors.charting.colours import DIFFERENT, SAME, Floats, commonest
from detectors.charting.legend import Entry, names_of
from detectors.contract import Region

Mask = NDArray[np.bool_]
Floats2 = NDArray[np.float64]
# An outline is a circle when half of it lies within so many pixels of one, over this share of all directions.
_OFF_PX, _AROUND = 0.8, 0.8
# The least radius in pixels, and as a share of the shorter side of the picture.
_LEAST_PX, _LEAST = 24, 0.12
# Rays that are looked along, and where on them, as shares of the radius: outside the hole of a ring, inside the rim.
_RAYS, _FROM, _TO = 1440, 0.72, 0.94
# Slices under this share of the circle are not told from separators.
_SMALLEST = 0.006
# How far from the centre the name of a slice may stand, in radii.
_NAME_FROM, _NAME_TO = 0.3, 1.75
# A slice's edge is a pixel or two wide, and separators hide as much.
_EDGE_PX = 1.5


@dataclass(frozen=True, slots=True)
class _Slice:
    """A run of rays from ``first`` on, ``count`` long, in one colour."""

    first: int
    count: int
    colour: Colour


def slices_of(lab: Floats, blanks: Sequence[Region], page: Colour, entries: Sequence[Entry], labels: Sequence[Block]) -> list[Cell]:
    """A cell for each slice, its value the share in percent; empty where no disc of at least two slices is found.

    ``blanks`` are the regions of print, which is looked through; ``entries`` the legend; ``labels`` what may name a slice beside it.
    """
    disc = _disc(lab, blanks, page)
    if disc is None:
        return []
    x, y, radius = disc
    slices = _slices(lab, blanks, page, disc)
    if len(slices) < 2:
        return []
    tall, wide = lab.shape[:2]
    beside = _beside(slices, disc, labels, (wide, tall))
    found = []
    for number, piece in enumerate(slices):
        share = 100.0 * piece.count / _RAYS
        contexts = [Context(name, 1.0, "colour") for name in names_of(piece.colour, entries, page)[:1]]
        contexts += [Context(name, 1.0, "row") for name in beside.get(number, ()) if not contexts]
        middle = 2 * math.pi * (piece.first + piece.count / 2) / _RAYS
        at = (x + 0.6 * radius * math.sin(middle), y - 0.6 * radius * math.cos(middle))
        half = 0.3 * radius
        region = (max(0.0, (at[0] - half) / wide), max(0.0, (at[1] - half) / tall), 2 * half / wide, 2 * half / tall)
        off = 100.0 * 2 * _EDGE_PX / (2 * math.pi * radius * _TO) + 0.3
        found.append(Cell(share, region, "%", f"{share:.0f}%", tuple(contexts), piece.colour, uncertainty=off, measured=True))
    return found


def _disc(lab: Floats, blanks: Sequence[Region], page: Colour) -> tuple[float, float, float] | None:
    """Centre and radius in pixels of the largest disc or ring: an outline that lies on one circle all the way round."""
    import cv2

    away = np.linalg.norm(lab - np.asarray(page, np.float32), axis=2) > DIFFERENT
    away &= ~_printed(lab.shape[:2], blanks)
    solid: Any = cv2.morphologyEx(away.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    outlines, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    least = max(_LEAST_PX, _LEAST * min(lab.shape[:2]))
    circles = [_circle(outline.reshape(-1, 2).astype(float)) for outline in outlines if len(outline) > 4 * least]
    return max((circle for circle in circles if circle is not None and circle[2] >= least), key=lambda circle: circle[2], default=None)


def _circle(points: Floats2) -> tuple[float, float, float] | None:
    """Least-squares circle (Kåsa) through an outline, without what lies off it; None where it is not round."""
    kept = points
    for _ in range(6):
        matrix = np.column_stack([kept, np.ones(len(kept))])
        (a, b, c), *_ = np.linalg.lstsq(matrix, (kept**2).sum(axis=1), rcond=None)
        radius = math.sqrt(max(0.0, c + a * a / 4 + b * b / 4))
        off = np.abs(np.hypot(points[:, 0] - a / 2, points[:, 1] - b / 2) - radius)
        on = off < max(1.5, np.median(off))
        if on.sum() < 0.4 * len(points):
            return None
        kept = points[on]
    if radius <= 0 or np.median(off[on]) > _OFF_PX:
        return None
    sectors = np.floor((np.arctan2(kept[:, 1] - b / 2, kept[:, 0] - a / 2) / (2 * math.pi) + 0.5) * 72).astype(int)
    return (a / 2, b / 2, radius + 0.5) if len(np.unique(sectors)) >= _AROUND * 72 else None


def _slices(lab: Floats, blanks: Sequence[Region], page: Colour, disc: tuple[float, float, float]) -> list[_Slice]:
    """Runs of rays of one colour, clockwise from the top; separators and print go to the slices beside them."""
    x, y, radius = disc
    angles = 2 * math.pi * np.arange(_RAYS) / _RAYS
    reach = np.linspace(_FROM, _TO, 9)
    rows = np.clip(np.round(y - radius * np.outer(np.cos(angles), reach)).astype(int), 0, lab.shape[0] - 1)
    columns = np.clip(np.round(x + radius * np.outer(np.sin(angles), reach)).astype(int), 0, lab.shape[1] - 1)
    clear = ~_printed(lab.shape[:2], blanks)[rows, columns]
    pixels = lab[rows, columns]
    flat = pixels[clear]
    if len(flat) < _RAYS:
        return []
    colours = [colour for colour in _palette(flat) if _apart(colour, page) > DIFFERENT]
    if not colours:
        return []
    distances = np.stack([np.linalg.norm(pixels - np.asarray(colour, np.float32), axis=2) for colour in colours])
    nearest = np.where((distances.min(axis=0) < 1.2 * SAME) & clear, distances.argmin(axis=0), -1)
    votes = np.stack([(nearest == number).sum(axis=1) for number in range(len(colours))])
    ray = np.where(votes.max(axis=0) >= 2, votes.argmax(axis=0), -1)
    if (ray >= 0).mean() < 0.75:
        return []
    return _runs(_filled(ray), colours)


def _palette(flat: Floats) -> list[Colour]:
    chosen: list[Colour] = []
    for colour, count in commonest(flat, 5.0):
        if count < 0.5 * _SMALLEST * len(flat) or len(chosen) >= 16:
            break
        if all(_apart(colour, other) > 1.6 * SAME for other in chosen):
            chosen.append(colour)
    return chosen


def _filled(ray: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rays without a colour take that of the nearest ray that has one."""
    known = np.flatnonzero(ray >= 0)
    places = np.arange(len(ray))
    ring = np.concatenate([known - len(ray), known, known + len(ray)])
    at = np.searchsorted(ring, places)
    before, after = ring[at - 1], ring[at]
    closest = np.where(places - before <= after - places, before, after) % len(ray)
    found: NDArray[np.int64] = ray[closest]
    return found


def _runs(ray: NDArray[np.int64], colours: Sequence[Colour]) -> list[_Slice]:
    least = int(_SMALLEST * _RAYS)
    edges = np.flatnonzero(ray != np.roll(ray, 1))
    if not len(edges):
        return []
    runs = [(int(edge), int((edges[(i + 1) % len(edges)] - edge) % len(ray)) or len(ray)) for i, edge in enumerate(edges)]
    # A sliver is the blur between two slices: it goes to both.
    for start, count in runs:
        if count < least:
            ray[(start + np.arange(count)) % len(ray)] = -1
    if (ray >= 0).all():
        return [_Slice(start, count, colours[ray[start]]) for start, count in runs]
    return _runs(_filled(ray), colours) if (ray >= 0).any() else []


def _beside(
    slices: Sequence[_Slice], disc: tuple[float, float, float], labels: Sequence[Block], size: tuple[int, int]
) -> dict[int, list[str]]:
    """The texts around or on the disc by the slice they point to; each slice takes the nearest only."""
    x, y, radius = disc
    found: dict[int, list[tuple[float, str]]] = {}
    for label in labels:
        # From the edge of the label that faces the disc: long names begin beside it.
        left, top, width, height = (part * side for part, side in zip(label.region, (*size, *size), strict=True))
        dx = min(max(x, left), left + width) - x
        dy = top + height / 2 - y
        if abs(dx) < 0.1 * radius:
            dx = left + width / 2 - x
        away = math.hypot(dx, dy) / radius
        if not _NAME_FROM <= away <= _NAME_TO:
            continue
        ray = int(math.atan2(dx, -dy) / (2 * math.pi) * _RAYS) % _RAYS
        for number, piece in enumerate(slices):
            if (ray - piece.first) % _RAYS < piece.count:
                found.setdefault(number, []).append((abs(away - 1.1), label.text))
    return {number: [min(names)[1]] for number, names in found.items()}


def _printed(shape: tuple[int, ...], blanks: Sequence[Region]) -> Mask:
    mask: Mask = np.zeros(shape, bool)
    tall, wide = shape
    for x, y, w, h in blanks:
        mask[max(0, int(y * tall)) : int(np.ceil((y + h) * tall)), max(0, int(x * wide)) : int(np.ceil((x + w) * wide))] = True
    return mask


def _apart(one: Colour, other: Colour) -> float:
    return float(np.linalg.norm(np.subtract(one, other)))

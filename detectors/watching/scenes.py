"""Cuts a video into scenes and segments by its thumbnails, and chooses the times worth a look.

A cut is where both the pixels and the colours change much more than around it: a camera that moves changes the
pixels, a lamp the colours, a cut both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from detectors.contract import Interval, Region
from detectors.watching.film import Outline, Thumbnails

# Geometric mean of the pixel change and the colour change, both in [0, 1]: cuts between everyday scenes lie above .2.
CUT = 0.16
# … and this many times the typical change nearby, so that a shaking camera is not all cuts.
CUT_RATIO = 3.0
NEARBY = 6
SHORTEST_SCENE_S = 0.5
# Segments are parts of scenes: short enough to say where, few enough to look at.
SEGMENT_S = 4.0
MAX_SEGMENTS = 16
LOOK_STEP_S = 1.4
MAX_LOOKS = 36
FEWEST_LOOKS = 2
# A stretch within a claimed window without any look; beyond it, "not seen" proves nothing.
LONGEST_GAP_S = 3.0
# How far outside a claimed window is looked, besides the even samples of the whole video.
SURROUNDINGS_S = (2.0, 5.0, 10.0)
_BLACK = 20


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of one scene; ``content`` is the part of the picture inside black borders."""

    start_s: float
    end_s: float
    scene: int
    content: Region = (0.0, 0.0, 1.0, 1.0)


def segments_of(seen: Outline) -> tuple[Segment, ...]:
    """The whole video as segments, in order, at most :data:`MAX_SEGMENTS`."""
    edges = [0.0, *cuts(seen), max(seen.duration_s, float(seen.times[-1]))]
    length = max(SEGMENT_S, seen.duration_s / (MAX_SEGMENTS / 2))
    segments = []
    for number, (start, end) in enumerate(pairwise(edges)):
        content = _content(seen.thumbs[(seen.times >= start) & (seen.times < end)])
        parts = max(1, round((end - start) / length))
        inner = np.linspace(start, end, parts + 1)
        segments += [Segment(float(a), float(b), number, content) for a, b in pairwise(inner)]
    return tuple(segments)


def cuts(seen: Outline) -> list[float]:
    """Times of hard cuts, the strongest where there are many."""
    change = changes(seen.thumbs)
    found = []
    for index, value in enumerate(change):
        around = np.concatenate([change[max(0, index - NEARBY) : index], change[index + 1 : index + 1 + NEARBY]])
        typical = float(np.median(around)) if around.size else 0.0
        if value >= CUT and value >= CUT_RATIO * typical and value >= around.max(initial=0.0):
            found.append((float(value), float(seen.times[index + 1])))
    strongest = sorted(found, reverse=True)[: MAX_SEGMENTS // 2 - 1]
    kept: list[float] = []
    for _, time in sorted(strongest, key=lambda cut: cut[1]):
        if time - (kept[-1] if kept else 0.0) >= SHORTEST_SCENE_S and seen.duration_s - time >= SHORTEST_SCENE_S:
            kept.append(time)
    return kept


def changes(thumbs: Thumbnails) -> NDArray[np.float64]:
    """Change from each thumbnail to the next (n - 1), in [0, 1]."""
    pixels = thumbs.astype(np.int16)
    moved = np.abs(np.diff(pixels, axis=0)).mean(axis=(1, 2, 3)) / 255.0
    bins = (thumbs >> 6).astype(np.int64)
    codes = (bins[..., 0] * 16 + bins[..., 1] * 4 + bins[..., 2]).reshape(len(thumbs), -1)
    colours = np.stack([np.bincount(row, minlength=64) for row in codes]) / codes.shape[1]
    recoloured = 1.0 - np.minimum(colours[:-1], colours[1:]).sum(axis=1)
    both: NDArray[np.float64] = np.sqrt(moved * recoloured)
    return both


def plan(segments: Sequence[Segment], windows: Iterable[Interval]) -> tuple[float, ...]:
    """Times to look at, rising: some in each segment, and no long gap within a claimed window."""
    duration = segments[-1].end_s
    total = sum(_looks_in(segment) for segment in segments)
    share = min(1.0, MAX_LOOKS * 0.7 / total)
    times: set[float] = set()
    for segment in segments:
        count = max(2, int(_looks_in(segment) * share))
        step = (segment.end_s - segment.start_s) / count
        times |= {segment.start_s + (number + 0.5) * step for number in range(count)}
    for start, end in windows:
        if sum(start < time < end for time in times) < FEWEST_LOOKS:
            times |= {start + (end - start) * share for share in (0.25, 0.75)}
        edges = sorted({start, *(time for time in times if start < time < end), min(end, duration)})
        for left, right in pairwise(edges):
            parts = int(np.ceil((right - left) / LONGEST_GAP_S))
            times |= {left + (right - left) * number / parts for number in range(1, parts)}
        times |= _around(start, end, duration, times)
    # More than can be looked at: thinned evenly, and gaps remain that the judge will see.
    ordered = sorted(round(min(max(0.0, time), duration), 2) for time in times)
    if len(ordered) > MAX_LOOKS:
        ordered = [ordered[int(number)] for number in np.linspace(0, len(ordered) - 1, MAX_LOOKS)]
    return tuple(dict.fromkeys(ordered))


def _around(start: float, end: float, duration: float, times: set[float]) -> set[float]:
    """Looks just before and behind a window, where an event with a slightly wrong time is most likely; none beside another look."""
    wanted = [at for away in SURROUNDINGS_S for at in (start - away, end + away) if 0.0 <= at <= duration]
    return {at for at in wanted if all(abs(at - time) > LOOK_STEP_S for time in times)}


def longest_gap(times: Sequence[float], window: Interval) -> float:
    """The longest stretch of the window without a look, in seconds."""
    inside = [time for time in sorted(times) if window[0] <= time <= window[1]]
    edges = [window[0], *inside, window[1]]
    return max(right - left for left, right in pairwise(edges))


def _looks_in(segment: Segment) -> int:
    return max(2, min(4, round((segment.end_s - segment.start_s) / LOOK_STEP_S)))


def _content(thumbs: Thumbnails) -> Region:
    """The region outside which no thumbnail of the scene is ever brighter than black."""
    if not len(thumbs):
        return (0.0, 0.0, 1.0, 1.0)
    bright = thumbs.max(axis=(0, 3)) > _BLACK
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    if not rows.size or not columns.size:
        return (0.0, 0.0, 1.0, 1.0)
    height, width = bright.shape
    top, left = rows[0] / height, columns[0] / width
    return (float(left), float(top), float((columns[-1] + 1) / width - left), float((rows[-1] + 1) / height - top))

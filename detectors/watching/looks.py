"""Looks at chosen frames of a video and keeps what was seen, so that many answers about one video watch it once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from PIL import Image

from detectors.contract import EvidenceFile, Interval, Region
from detectors.seeing.coco import Sight
from detectors.watching.film import Outline, frames_at, outline
from detectors.watching.scenes import Segment, plan, segments_of

_VIDEOS_KEPT = 8
_LOOKS_KEPT = 120
_COLOUR_SIZE = (160, 120)
_DARK = 20


class Seer(Protocol):
    """What of :class:`detectors.seeing.coco.CocoDetector` is used here."""

    version: str

    def look(self, image: Image.Image) -> Sight:
        """Everything seen in an RGB picture."""
        ...


class Describer(Protocol):
    """What of :class:`detectors.seeing.clip.ClipVerifier` is used here."""

    version: str

    def embed(self, image: Image.Image) -> Any:
        """Something that stands for the picture."""
        ...

    def chances(self, picture: Any, sentences: Sequence[str]) -> tuple[float, ...]:
        """Which sentence fits it: probabilities that sum to 1."""
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """One frame as seen: COCO evidence, the spread between its colour channels (95th percentile, 0–255), its embedding."""

    time_s: float
    sight: Sight | None
    spread: float
    embedding: Any = None


@dataclass(frozen=True, slots=True)
class Viewing:
    """What was seen of a video; ``looks`` rise in time."""

    evidence: EvidenceFile
    duration_s: float
    segments: tuple[Segment, ...]
    looks: tuple[Look, ...]

    def within(self, start_s: float, end_s: float) -> list[Look]:
        """Looks in a stretch, both ends included."""
        return [look for look in self.looks if start_s <= look.time_s <= end_s]


@dataclass(slots=True)
class _Known:
    outline: Outline
    segments: tuple[Segment, ...]
    looks: dict[float, Look] = field(default_factory=dict)


class Watcher:
    """Watches videos with what is loaded; one instance serves one thread."""

    def __init__(self, coco: Seer | None, describer: Describer | None) -> None:
        self._coco = coco
        self._describer = describer
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def duration_of(self, evidence: EvidenceFile) -> float:
        """Length in seconds. Raises EvidenceUnreadable."""
        return self._outlined(evidence).outline.duration_s

    def watch(self, evidence: EvidenceFile, windows: Iterable[Interval]) -> Viewing:
        """The whole video by samples, densely in the claimed windows (seconds). Raises EvidenceUnreadable."""
        known = self._outlined(evidence)
        planned = plan(known.segments, windows)
        if len(known.looks) + len(planned) > _LOOKS_KEPT:
            known.looks.clear()
        for time, image in frames_at(evidence, [time for time in planned if time not in known.looks]):
            known.looks[time] = self._look(time, image, _segment_at(known.segments, time).content)
        # Only the planned ones: what an answer is told must not depend on what was asked about the video before.
        return Viewing(evidence, known.outline.duration_s, known.segments, tuple(known.looks[time] for time in planned))

    def _outlined(self, evidence: EvidenceFile) -> _Known:
        known = self._known.get(evidence.sha256)
        if known is None:
            seen = outline(evidence)
            known = self._known[evidence.sha256] = _Known(seen, segments_of(seen))
        self._known.move_to_end(evidence.sha256)
        while len(self._known) > _VIDEOS_KEPT:
            self._known.popitem(last=False)
        return known

    def _look(self, time: float, image: Image.Image, content: Region) -> Look:
        inner = _cropped(image, content)
        sight = self._coco.look(inner) if self._coco is not None else None
        return Look(time, sight, _spread(inner), self._describer.embed(inner) if self._describer is not None else None)


def _segment_at(segments: Sequence[Segment], time: float) -> Segment:
    return next((segment for segment in segments if time < segment.end_s), segments[-1])


def _cropped(image: Image.Image, content: Region) -> Image.Image:
    left, top = int(content[0] * image.width), int(content[1] * image.height)
    right, bottom = round((content[0] + content[2]) * image.width), round((content[1] + content[3]) * image.height)
    return image if right - left < 16 or bottom - top < 16 else image.crop((left, top, right, bottom))


def _spread(image: Image.Image) -> float:
    """How far red, green and blue lie apart where it is not dark: zero in a black-and-white picture."""
    pixels = np.asarray(image.resize(_COLOUR_SIZE), np.int16)
    brightest = pixels.max(axis=2)
    lit = brightest > _DARK
    apart = (brightest - pixels.min(axis=2))[lit]
    return float(np.percentile(apart, 95)) if apart.size else 0.0

"""Cuts the stated turns out of a recording and embeds what is spoken in them; each recording is decoded and embedded once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from detectors.contract import EvidenceFile, Interval
from detectors.hearing.audio import RATE, Samples, decode
from detectors.hearing.regions import speech_regions
from detectors.voices.encoder import Floats, VoiceEncoder
from detectors.voices.naming import Doubles, Voice

# Recordings are kept with their samples (4 MB a minute); findings of one response come together.
_KEPT_SECONDS = 3600.0
# A moment without an end stands for what is said from there on: to the next pause, at most so long.
_MOMENT_S = 6.0
# A turn stated in whole seconds begins and ends up to half a second off; a quarter is cut where enough is left.
_TRIM_SHARE, _TRIM_FROM_S = 0.5, 2.5
# Longer turns are heard at their beginning: a minute settles a voice.
_MOST_S = 60.0


@dataclass(slots=True)
class Sound:
    """A decoded recording with its stretches of speech (seconds), and the embeddings of its parts heard so far."""

    samples: Samples
    regions: tuple[Interval, ...]
    embedded: dict[tuple[Interval, ...], Floats] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / RATE


@dataclass(frozen=True, slots=True)
class Turn:
    """What is spoken in a stated turn: its ``parts`` (seconds), their length together, an embedding for each window (n, 256)."""

    parts: tuple[Interval, ...]
    seconds: float
    windows: Floats

    @property
    def voice(self) -> Voice:
        """The turn as one voice. Only where there are windows."""
        return Voice(unit(self.windows), self.seconds)


class Turns:
    """Hears recordings with one encoder and remembers the latest."""

    def __init__(self, encoder: VoiceEncoder) -> None:
        self._encoder = encoder
        self._kept: OrderedDict[str, Sound] = OrderedDict()

    def sound(self, evidence: EvidenceFile) -> Sound:
        """The recording, decoded once for each content hash. Raises EvidenceUnreadable."""
        known = self._kept.get(evidence.sha256)
        if known is None:
            samples = decode(evidence)
            known = self._kept[evidence.sha256] = Sound(samples, tuple(speech_regions(samples)))
            while len(self._kept) > 1 and sum(sound.duration_s for sound in self._kept.values()) > _KEPT_SECONDS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(evidence.sha256)
        return known

    def turn(self, sound: Sound, parts: Sequence[Interval]) -> Turn:
        """What is spoken within these stretches of a recording."""
        spoken = _at_most([(max(a, c), min(b, d)) for a, b in parts for c, d in sound.regions if min(b, d) > max(a, c)])
        if spoken not in sound.embedded:
            pieces = [sound.samples[int(a * RATE) : int(b * RATE)] for a, b in spoken]
            sound.embedded[spoken] = self._encoder.windows(np.concatenate(pieces) if pieces else np.zeros(0, np.float32))
        return Turn(spoken, sum(b - a for a, b in spoken), sound.embedded[spoken])


def stretch(sound: Sound, start: float, end: float | None, rounded: float) -> Interval:
    """The stretch a stated turn means, in seconds: without an end to the next pause, without the edges rounding makes doubtful."""
    if end is None:
        after = [b for a, b in sound.regions if b > start]
        return start, min(start + _MOMENT_S, after[0] if after else start + _MOMENT_S, sound.duration_s)
    trim = rounded * _TRIM_SHARE if end - start >= _TRIM_FROM_S else 0.0
    return start + trim, end - trim


def without(part: Interval, others: Sequence[Interval]) -> tuple[Interval, ...]:
    """A stretch without those of others that lie over it."""
    left = [part]
    for start, end in others:
        left = [piece for a, b in left for piece in ((a, min(b, start)), (max(a, end), b)) if piece[1] > piece[0]]
    return tuple(left)


def unit(windows: Floats) -> Doubles:
    """The mean of embeddings, of length 1."""
    mean = windows.mean(axis=0, dtype=np.float64)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9))


def center(turns: Sequence[Turn]) -> Doubles:
    """The voice that several turns share, of length 1: their mean, each weighed by its length."""
    mean = np.average([unit(turn.windows) for turn in turns], axis=0, weights=[turn.seconds for turn in turns])
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9))


def shares(windows: Floats, centers: Sequence[Doubles], margin: float) -> list[float]:
    """The share of a turn's windows that lie clearly (squared distance) nearer to each voice than to any other."""
    if len(centers) < 2:
        return [1.0] * len(centers)
    distances = _distances(windows, centers)
    ranked = np.sort(distances, axis=1)
    clear = ranked[:, 1] - ranked[:, 0] > margin
    nearest = distances.argmin(axis=1)
    return [float((clear & (nearest == number)).mean()) for number in range(len(centers))]


def strangeness(windows: Floats, centers: Sequence[Doubles]) -> float:
    """Mean squared distance of a turn's windows to the nearest of the voices."""
    return float(_distances(windows, centers).min(axis=1).mean())


def _distances(windows: Floats, centers: Sequence[Doubles]) -> Doubles:
    return np.stack([((windows - center) ** 2).sum(axis=1) for center in centers], axis=1)


def _at_most(parts: Sequence[Interval]) -> tuple[Interval, ...]:
    kept: list[Interval] = []
    left = _MOST_S
    for start, end in parts:
        if left <= 0:
            break
        kept.append((start, min(end, start + left)))
        left -= end - start
    return tuple(kept)

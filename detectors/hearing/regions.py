"""Stretches of speech in a recording: where to listen, and where nobody speaks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from detectors.hearing.audio import RATE, Samples

# A pause this long parts two stretches of speech.
_PAUSE_MS = 400
_FRAME_S = 0.02
# A gap in the sound this long ends a word, shorter ones are stops inside words (frames).
_GAP_FRAMES = 13
# Sound counts as part of the speech beside it when it is at least this loud against the speech, and against the background.
_OF_SPEECH = 0.05
_OF_BACKGROUND = 4.0


def speech_regions(samples: Samples) -> list[tuple[float, float]]:
    """Stretches of speech in seconds, in order.

    The Silero voice activity detector (the one that comes with faster-whisper) finds them; each then grows over the sound
    that runs on without a gap, because the detector wakes up late on some voices, by up to two seconds.
    """
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    found = get_speech_timestamps(samples, VadOptions(min_silence_duration_ms=_PAUSE_MS, speech_pad_ms=120, min_speech_duration_ms=100))
    return grown(samples, [(region["start"] / RATE, region["end"] / RATE) for region in found])


def grown(samples: Samples, regions: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The regions (seconds), each extended over unbroken sound before and after it; those that meet become one."""
    frame = int(_FRAME_S * RATE)
    whole = samples[: len(samples) // frame * frame].reshape(-1, frame)
    if not regions or not len(whole):
        return regions
    loudness = np.sqrt((whole**2).mean(axis=1))
    inside = np.zeros(len(whole), bool)
    for start, end in regions:
        inside[int(start / _FRAME_S) : max(int(start / _FRAME_S) + 1, int(end / _FRAME_S))] = True
    speech, background = float(np.median(loudness[inside])), float(np.quantile(loudness, 0.05))
    sounding = loudness > max(speech * _OF_SPEECH, background * _OF_BACKGROUND)
    joined = _closed(sounding | inside)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], joined, [False])).astype(np.int8)))
    runs = [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if inside[a:b].any()]
    return [(a * _FRAME_S, b * _FRAME_S) for a, b in runs]


def _closed(sounding: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Sound with its short gaps filled."""
    closed = sounding.copy()
    places = np.flatnonzero(sounding)
    for before, after in pairwise(places):
        if 1 < after - before <= _GAP_FRAMES:
            closed[before:after] = True
    return closed

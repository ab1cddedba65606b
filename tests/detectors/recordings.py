"""Recordings for the detectors that hold statements against speech: the demo's, whose words are known, and ones heard as a test says."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detectors.contract import DetectorOptions, EvidenceFile
from detectors.hearing.audio import RATE
from detectors.hearing.ears import ears_of
from detectors.hearing.recording import recording
from detectors.hearing.windows import Word

DEMO = Path(__file__).resolve().parents[2] / "monitor" / "demo"


def demo(file: str, identifier: str = "rec") -> EvidenceFile:
    """``call.flac`` or ``meeting.flac``."""
    return EvidenceFile(identifier, "audio/flac", DEMO / file, hashlib.sha256((DEMO / file).read_bytes()).hexdigest())


def heard_as(
    options: DetectorOptions,
    words: Sequence[tuple[str, float]],
    media_type: str = "audio/wav",
    path: Path = Path("nowhere"),
    language: str = "en",
    more_speech_s: float = 0.0,
) -> EvidenceFile:
    """A recording that the listeners of these options take to hold these words with these probabilities, half a second each.

    ``more_speech_s`` is speech after them in which no word was heard. Its sound is silence.
    """
    timed = [Word(f" {word}", number * 0.5, number * 0.5 + 0.4, probability) for number, (word, probability) in enumerate(words)]
    end = len(words) * 0.5 + more_speech_s
    digest = hashlib.sha256(f"{words}{language}{more_speech_s}".encode()).hexdigest()
    made = recording(np.zeros(int((end + 1) * RATE), np.float32), [(0.0, end)], timed, language, 1.0)
    ears_of(options)._heard[digest] = made
    return EvidenceFile("rec", media_type, path, digest)

"""Turns speech into voice embeddings: which voice it is, whatever is said.

The network is the speaker encoder of Wan et al. 2018, "Generalized End-to-End Loss for Speaker Verification" (section 2.1):
three LSTM layers over 40 mel channels, the last state projected to 256 numbers, clipped at zero and brought to length 1.
The weights are those of Resemblyzer 0.1.4 (Apache License 2.0, Copyright 2019 Resemble.AI) as an ONNX file in half
precision, which ``benchmarks/convert_voice_encoder.py`` makes; no torch is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.hearing.audio import RATE, Samples

Floats = NDArray[np.float32]

DIMENSIONS = 256
# The encoder was trained on windows of 1.6 s.
WINDOW_S = 1.6
HOP_S = 0.4
# Less sound than this holds no voice that can be told apart.
MIN_S = 0.4
_CHANNELS = 40
_FRAMES_PER_S = 100
_FFT, _STEP = RATE // 40, RATE // _FRAMES_PER_S
# Quiet recordings are raised to this level, as in training (decibels against full scale).
_LEVEL_DB = -30.0
_BATCH = 64


class VoiceEncoder:
    """The loaded network."""

    def __init__(self, weights: Path, threads: int = 0) -> None:
        """Load an ONNX file. Raises what onnxruntime raises for a file that is no model."""
        import onnxruntime  # type: ignore[import-untyped]
        from faster_whisper.feature_extractor import FeatureExtractor

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session: Any = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
        self._filters: Floats = FeatureExtractor.get_mel_filters(RATE, _FFT, _CHANNELS).astype(np.float32)

    def windows(self, samples: Samples) -> Floats:
        """Embeddings (n, 256), each of length 1, of windows of 1.6 s that begin every 0.4 s; none for less than 0.4 s of sound.

        Args:
            samples: speech without its pauses, 16 kHz. Shorter than a window it is one window.
        """
        if len(samples) < MIN_S * RATE:
            return np.zeros((0, DIMENSIONS), np.float32)
        mels = spectrogram(_levelled(samples), self._filters)
        length = min(len(mels), round(WINDOW_S * _FRAMES_PER_S))
        pieces = np.stack([mels[start : start + length] for start in range(0, len(mels) - length + 1, round(HOP_S * _FRAMES_PER_S))])
        return np.concatenate([self.embed(pieces[first : first + _BATCH]) for first in range(0, len(pieces), _BATCH)])

    def embed(self, mels: Floats) -> Floats:
        """Embeddings (n, 256) of mel spectrograms (n, frames, 40)."""
        return np.asarray(self._session.run(None, {"mels": mels})[0], np.float32)


def spectrogram(samples: Samples, filters: Floats) -> Floats:
    """Power mel spectrogram (frames, channels): Hann windows of 25 ms every 10 ms, not in decibels."""
    padded = np.pad(samples, _FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::_STEP]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(_FFT + 1)[:-1], axis=1)) ** 2
    return np.asarray(spectrum.astype(np.float32) @ filters.T, np.float32)


def _levelled(samples: Samples) -> Samples:
    loudness = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
    gain = 10 ** (_LEVEL_DB / 20) / max(loudness, 1e-6)
    return np.asarray(samples * np.float32(max(1.0, gain)), np.float32)

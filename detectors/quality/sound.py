"""Measures a recording: length, level, clipping, silence, noise and bandwidth, all from 25 ms frames.

The signal-to-noise estimate is the distance of loud and quiet frames (95th and 10th percentile of their energy in dB): with pauses in it
– speech, not music – the quiet ones are the noise floor (after NIST's quick method ``stnr``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.containers import open_container
from detectors.contract import EvidenceFile

# Ten minutes tell the quality of a recording; an hour more would only cost.
LONGEST_S = 600.0
_FRAME_S = 0.025
_SILENT_DBFS = -60.0
_AT_PEAK = 0.995
_WINDOW = 1024
# Spectra are averaged over at most this many windows, spread over the recording.
_MOST_WINDOWS = 400
_BANDWIDTH_SHARE = 0.995
_FLOOR = 1e-12

Samples = NDArray[np.float32]


class SoundBroken(Exception):
    """It cannot be decoded. ``name`` is the problem's, the message says how."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        super().__init__(text)


def sound_measures(evidence: EvidenceFile) -> dict[str, float]:
    """Numbers of the first sound track. Raises SoundBroken."""
    samples, rate, stated_s = _decoded(evidence)
    if not samples.size:
        raise SoundBroken("unreadable", "no sound can be decoded from it")
    measures = {"duration_s": samples.size / rate, "sample_rate_hz": float(rate), **_levels(samples, rate)}
    if stated_s is not None:
        measures["stated_duration_s"] = min(stated_s, LONGEST_S)
    return measures


def _decoded(evidence: EvidenceFile) -> tuple[Samples, int, float | None]:
    import av

    if not evidence.path.is_file() or evidence.path.stat().st_size == 0:
        raise SoundBroken("empty", "the file is missing or empty")
    try:
        with open_container(evidence.path) as container:
            if not container.streams.audio:
                raise SoundBroken("no_sound", "it has no sound track")
            track = container.streams.audio[0]
            stated = container.duration / av.time_base if container.duration else None
            return (*_samples(container, track.rate or track.codec_context.sample_rate), stated)
    except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
        raise SoundBroken("unreadable", f"the recording is damaged or of an unknown format ({error})") from error


def _samples(container: object, rate: int) -> tuple[Samples, int]:
    """Mono at the recording's own rate; a stream that breaks off gives what came before."""
    import av

    resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
    pieces: list[Samples] = []
    count = 0
    try:
        for frame in container.decode(audio=0):  # type: ignore[attr-defined]
            frame.pts = None
            for piece in resampler.resample(frame):
                pieces.append(piece.to_ndarray().reshape(-1))
                count += pieces[-1].size
            if count >= LONGEST_S * rate:
                break
    except av.FFmpegError:
        if not pieces:
            raise
    return (np.concatenate(pieces) if pieces else np.zeros(0, np.float32)), rate


def _levels(samples: Samples, rate: int) -> dict[str, float]:
    length = max(1, min(samples.size, int(_FRAME_S * rate)))
    frames = samples[: samples.size // length * length].reshape(-1, length)
    energy = 10 * np.log10(np.square(frames, dtype=np.float64).mean(axis=1) + _FLOOR)
    loud, quiet = (float(level) for level in np.percentile(energy, (95, 10)))
    size = np.abs(samples)
    peak = float(size.max())
    return {
        "level_dbfs": loud,
        "peak_dbfs": 20 * float(np.log10(peak + _FLOOR)),
        "clipped_share": float((size >= _AT_PEAK * peak).mean()) if peak > 0 else 0.0,
        "silent_share": float((energy < _SILENT_DBFS).mean()),
        "snr_db": loud - quiet,
        "bandwidth_hz": _bandwidth(samples, rate),
    }


def _bandwidth(samples: Samples, rate: int) -> float:
    """The frequency below which nearly all of the energy lies."""
    windows = samples[: samples.size // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
    if not len(windows):
        return 0.0
    windows = windows[:: max(1, len(windows) // _MOST_WINDOWS)]
    power = np.square(np.abs(np.fft.rfft(windows * np.hanning(_WINDOW), axis=1))).mean(axis=0)
    total = float(power.sum())
    if total <= 0:
        return 0.0
    return float(np.searchsorted(np.cumsum(power) / total, _BANDWIDTH_SHARE)) * rate / _WINDOW

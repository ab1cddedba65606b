"""Decodes audio evidence, and the sound track of video evidence, to 16 kHz mono.

What cannot be decoded raises :class:`~detectors.contract.EvidenceUnreadable` with the cause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detectors.containers import open_container
from detectors.contract import EvidenceFile, EvidenceUnreadable

if TYPE_CHECKING:
    from av.container import InputContainer

Samples = NDArray[np.float32]

RATE = 16_000
# Three hours are 690 MB of samples: longer than any call or meeting, and what a worker can hold.
MAX_SECONDS = 3 * 3600
# Shorter than this there is no word in it.
MIN_SECONDS = 0.1


def decode(evidence: EvidenceFile, limit_s: float = MAX_SECONDS) -> Samples:
    """The first sound track as float32 samples in [-1, 1], 16 kHz, mono.

    Raises:
        EvidenceUnreadable: missing, empty, not a recording, damaged, without a sound track, or longer than ``limit_s`` seconds.
    """
    import av

    if not evidence.path.is_file():
        raise EvidenceUnreadable(evidence.id, "the file is missing")
    if evidence.path.stat().st_size == 0:
        raise EvidenceUnreadable(evidence.id, "the file is empty")
    try:
        with open_container(evidence.path) as container:
            samples = _decoded(evidence, container, limit_s)
    except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
        raise EvidenceUnreadable(evidence.id, f"the recording is damaged or of an unknown format ({error})") from error
    if not samples.size:
        raise EvidenceUnreadable(evidence.id, "no sound can be decoded from it")
    if len(samples) < MIN_SECONDS * RATE:
        raise EvidenceUnreadable(evidence.id, f"the recording is only {len(samples) / RATE:.2f} s long")
    return samples


def _decoded(evidence: EvidenceFile, container: InputContainer, limit_s: float) -> Samples:
    import av

    if not container.streams.audio:
        raise EvidenceUnreadable(evidence.id, "it has no sound track")
    # Checked while decoding too: a header may lie about the duration.
    if container.duration and container.duration / av.time_base > limit_s:
        raise EvidenceUnreadable(evidence.id, f"it is longer than {limit_s / 3600:g} hours")
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    pieces: list[NDArray[np.int16]] = []
    count = 0
    for frame in container.decode(audio=0):
        # Frames of a stream that changes its time stamps midway are still samples in order.
        frame.pts = None
        for piece in resampler.resample(frame):
            pieces.append(piece.to_ndarray().reshape(-1))
            count += pieces[-1].size
        if count > limit_s * RATE:
            raise EvidenceUnreadable(evidence.id, f"it is longer than {limit_s / 3600:g} hours")
    pieces += [piece.to_ndarray().reshape(-1) for piece in resampler.resample(None)]
    whole = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
    return whole.astype(np.float32) / 32768.0

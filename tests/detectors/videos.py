"""Small videos for tests: scenes of still pictures or plain colours, encoded with PyAV."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from detectors.contract import EvidenceFile

SIZE = (320, 240)
RATE = 10
RED, GREEN, BLUE, WHITE, GREY = (210, 30, 30), (30, 190, 40), (30, 40, 210), (250, 220, 190), (120, 120, 120)

Scene = tuple[int, ...] | NDArray[np.uint8]


def video(path: Path, scenes: Sequence[tuple[Scene, float]], *, identifier: str = "video", size: tuple[int, int] = SIZE) -> EvidenceFile:
    """An MP4 of scenes (a colour, or RGB pixels of any size) with their lengths in seconds."""
    width, height = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = width, height, "yuv420p", 2_000_000
        for scene, seconds in scenes:
            pixels = np.full((height, width, 3), scene, np.uint8) if isinstance(scene, tuple) else scene
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(width, height)
            for _ in range(round(seconds * RATE)):
                picture.pts = None
                container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return evidence(path, identifier)


def evidence(path: Path, identifier: str = "video", media_type: str = "video/mp4") -> EvidenceFile:
    """The file as evidence."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "0" * 64
    return EvidenceFile(identifier, media_type, path, digest)

"""PP-OCR's two networks, called one after the other: where lines of print are, and what each of them says.

They are called apart so that the lines of several pages are recognised together, sorted by length: a batch is as wide as
its longest line. The loaded networks are shared by every detector of a process.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.contract import DetectorOptions, DetectorUnavailable
from detectors.weights import OCR_FAST, package_version, verified_files

Pixels = NDArray[np.uint8]
Quads = NDArray[np.float32]

# The detector shrinks a picture to 2,000 px on its long side; one whose short side would fall under 560 px is searched in windows.
_LONGEST, _NARROWEST = 2000, 560
_WINDOW, _OVERLAP = 1.6, 0.15
# Two boxes that share this much of the smaller one are one line seen in two windows.
_SAME_PLACE = 0.5
# A piece this much taller than wide is a line on its side (the recogniser reads from left to right).
_ON_ITS_SIDE = 1.5
# Lines recognised at a time: more gain nothing on a CPU.
_BATCH = 6
# The recogniser's input height, and the width that the shortest lines are filled up to: its own 320 px are mostly empty for prices.
_READ_HEIGHT, _NARROWEST_BATCH = 48, 96


@dataclass(frozen=True, slots=True)
class Box:
    """A window of a picture in pixels."""

    left: int
    top: int
    right: int
    bottom: int


class TextSpotter:
    """PP-OCRv6 small on ONNX Runtime. Use :func:`text_spotter`, which loads it once a process. Safe to call from threads."""

    def __init__(self, options: DetectorOptions) -> None:
        recognise, detect, turn = verified_files(OCR_FAST, "ocr_mismatch")
        try:
            import onnxruntime  # type: ignore[import-untyped]
            from rapidocr import RapidOCR
        except ModuleNotFoundError as error:
            raise DetectorUnavailable("ocr_mismatch", f"Python package {error.name}", "pip install 'groundwatch[lite]'") from error
        cuda = options.device != "cpu" and "CUDAExecutionProvider" in onnxruntime.get_available_providers()
        self._engine = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Rec.model_path": str(recognise),
                "Rec.rec_batch_num": _BATCH,
                "Det.model_path": str(detect),
                "Cls.model_path": str(turn),
                "EngineConfig.onnxruntime.intra_op_num_threads": options.threads or -1,
                "EngineConfig.onnxruntime.use_cuda": cuda,
            }
        )
        # rapidocr loads each network at its first use; here that is now.
        self._engine(np.full((48, 320, 3), 255, np.uint8), use_det=False, use_cls=False, use_rec=True)
        # ONNX sessions may be shared, rapidocr's pre- and postprocessing keeps state between calls.
        self._lock = threading.Lock()

    def find(self, pixels: Pixels) -> Quads:
        """The lines of print in an RGB picture: (n, 4, 2) corners in pixels, each line's top left first, then clockwise."""
        height, width = pixels.shape[:2]
        found: list[Any] = []
        for window in windows(width, height):
            part = np.ascontiguousarray(pixels[window.top : window.bottom, window.left : window.right, ::-1])
            with self._lock:
                boxes = self._engine(part, use_det=True, use_cls=False, use_rec=False).boxes
            for quad in [] if boxes is None else boxes:
                _keep_longer(found, np.asarray(quad, np.float32) + np.array((window.left, window.top), np.float32))
        return np.array(found, np.float32).reshape(-1, 4, 2)

    def recognise(self, pieces: Sequence[Pixels]) -> list[tuple[str, float]]:
        """Text and confidence of pieces of pictures in RGB, each one upright line; an empty text where nothing is read.

        Pieces of about one length go through the network together, filled up to one of a few fixed widths: little of a batch is
        empty, and what a piece reads as does not depend on its company.
        """
        from rapidocr.ch_ppocr_rec import TextRecInput

        alike: dict[int, list[int]] = {}
        for index, piece in enumerate(pieces):
            alike.setdefault(_filled_width(piece), []).append(index)
        read = [("", 0.0)] * len(pieces)
        with self._lock:
            for width, indexes in sorted(alike.items()):
                self._engine.text_rec.rec_image_shape = [3, _READ_HEIGHT, width]
                given = [np.ascontiguousarray(pieces[index][:, :, ::-1]) for index in indexes]
                result = self._engine.text_rec(TextRecInput(img=given))
                for index, text, score in zip(indexes, result.txts, result.scores, strict=True):
                    read[index] = (text.strip(), float(score))
        return read


def _filled_width(piece: Pixels) -> int:
    """The width in pixels that a line is filled up to at the recogniser's height: the next of a row of widths a quarter apart."""
    width = _NARROWEST_BATCH
    while width < math.ceil(_READ_HEIGHT * piece.shape[1] / piece.shape[0]):
        width = width * 5 // 4
    return width


_spotters: dict[tuple[str, int], TextSpotter] = {}
_loading = threading.Lock()


def text_spotter(options: DetectorOptions) -> TextSpotter:
    """The spotter of this process for these options, loaded at the first call.

    Raises:
        DetectorUnavailable: rapidocr, ONNX Runtime or the pinned weights are not installed.
    """
    key = (options.device, options.threads)
    with _loading:
        if key not in _spotters:
            _spotters[key] = TextSpotter(options)
        return _spotters[key]


def spotter_version() -> str:
    """Model, hash of its weights and the library's version."""
    return f"{OCR_FAST.version}/rapidocr-{package_version('rapidocr')}"


def piece_at(pixels: Pixels, quad: Quads, margin: float = 0.0) -> Pixels:
    """The line at ``quad`` made straight; ``margin`` adds that share of its height on every side."""
    import cv2

    corners = np.asarray(quad, np.float32).reshape(4, 2)
    width = max(1, int(max(np.linalg.norm(corners[0] - corners[1]), np.linalg.norm(corners[2] - corners[3]))))
    height = max(1, int(max(np.linalg.norm(corners[0] - corners[3]), np.linalg.norm(corners[1] - corners[2]))))
    pad = round(margin * min(width, height))
    target = np.array([(pad, pad), (pad + width, pad), (pad + width, pad + height), (pad, pad + height)], np.float32)
    size = (width + 2 * pad, height + 2 * pad)
    turn = cv2.getPerspectiveTransform(corners, target)
    piece = cv2.warpPerspective(pixels, turn, size, borderMode=cv2.BORDER_REPLICATE, flags=cv2.INTER_CUBIC)
    return np.ascontiguousarray(np.rot90(piece)) if height >= _ON_ITS_SIDE * width else np.asarray(piece, np.uint8)


def sides(quads: Quads) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lengths along and across the lines at (n, 4, 2) corners, in pixels."""
    along = np.linalg.norm(quads[:, 1] - quads[:, 0], axis=1) + np.linalg.norm(quads[:, 2] - quads[:, 3], axis=1)
    across = np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1) + np.linalg.norm(quads[:, 2] - quads[:, 1], axis=1)
    return along / 2, across / 2


def windows(width: int, height: int) -> list[Box]:
    """The whole picture, or overlapping windows along the long side of a very long one (till rolls, banners)."""
    long, short = max(width, height), max(1, min(width, height))
    if long <= _LONGEST or short * _LONGEST / long >= _NARROWEST:
        return [Box(0, 0, width, height)]
    step = min(1.0, max(_WINDOW * short, 1200) / long)
    starts = np.arange(0.0, 1.0 - step * _OVERLAP, step * (1 - _OVERLAP))
    spans = [(round(min(float(start), 1.0 - step) * long), round(min(1.0, float(start) + step) * long)) for start in starts]
    upright = height >= width
    return [Box(0, start, width, end) if upright else Box(start, 0, end, height) for start, end in dict.fromkeys(spans)]


def _keep_longer(found: list[Any], quad: Any) -> None:
    """Add a box, or let the longer of two boxes of the same line stand (windows overlap)."""
    for index, other in enumerate(found):
        if _shared(other, quad) > _SAME_PLACE:
            if np.ptp(quad[:, 0]) + np.ptp(quad[:, 1]) > np.ptp(other[:, 0]) + np.ptp(other[:, 1]):
                found[index] = quad
            return
    found.append(quad)


def _shared(first: Any, second: Any) -> float:
    """Intersection over the smaller area of the boxes around two quads."""
    low = np.maximum(first.min(axis=0), second.min(axis=0))
    high = np.minimum(first.max(axis=0), second.max(axis=0))
    smaller = min(np.prod(np.ptp(first, axis=0)), np.prod(np.ptp(second, axis=0)))
    return float(np.prod(high - low) / smaller) if (high > low).all() and smaller > 0 else 0.0

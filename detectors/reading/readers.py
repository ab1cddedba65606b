"""The two readers of page pictures: PP-OCR through rapidocr for every page, easyocr where the first needs a second opinion.

Both load only weights proven by :mod:`detectors.weights` and never download. Readings are kept in memory by evidence
hash, reader and version, so evidence that many responses share is read once a process.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.contract import DetectorOptions, DetectorUnavailable, EvidenceFile, Region
from detectors.reading.lines import Line, Reading, within
from detectors.reading.pages import MAX_PAGES, open_pages
from detectors.weights import OCR_FAST, OCR_SECOND, package_version, verified_files

if TYPE_CHECKING:
    from PIL import Image

# PP-OCR shrinks a picture to 2,000 px on its long side; one whose short side would fall under 560 px is read in windows.
_LONGEST, _NARROWEST = 2000, 560
_WINDOW, _OVERLAP = 1.6, 0.15
_CACHED_READINGS = 512
# Upright receipts read at .93 or better on the mean, the same pages upside down far below.
_UPSIDE_DOWN_BELOW = 0.8


class ReadingCache:
    """The most recent readings of this process by (evidence sha256, reader, version)."""

    def __init__(self, size: int = _CACHED_READINGS) -> None:
        self._size = size
        self._readings: OrderedDict[tuple[str, str], Reading] = OrderedDict()
        self._lock = threading.Lock()

    def get_or_read(self, key: tuple[str, str], read: Callable[[], Reading]) -> Reading:
        """The reading under that key, made by ``read`` the first time; what ``read`` raises is not remembered."""
        with self._lock:
            if key in self._readings:
                self._readings.move_to_end(key)
                return self._readings[key]
        reading = read()
        with self._lock:
            self._readings[key] = reading
            while len(self._readings) > self._size:
                self._readings.popitem(last=False)
        return reading

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._readings.clear()


READINGS = ReadingCache()


class FastReader:
    """PP-OCRv6 small on ONNX Runtime: about a second a page on one core, boxes and confidences for every line."""

    def __init__(self, options: DetectorOptions) -> None:
        self._options = options
        self._engine: Any = None
        # ONNX sessions may be shared, rapidocr's pre- and postprocessing keeps state between calls.
        self._lock = threading.Lock()

    @property
    def version(self) -> str:
        """Model, hash of its weights and the library's version."""
        return f"{OCR_FAST.version}/rapidocr-{package_version('rapidocr')}"

    def load(self) -> None:
        """Raises DetectorUnavailable when rapidocr, ONNX Runtime or the pinned weights are not installed."""
        recognise, detect, turn = verified_files(OCR_FAST, "ocr_mismatch")
        try:
            import onnxruntime  # type: ignore[import-untyped]
            from rapidocr import RapidOCR
        except ModuleNotFoundError as error:
            raise DetectorUnavailable("ocr_mismatch", f"Python package {error.name}", "pip install 'groundwatch[lite]'") from error
        cuda = self._options.device != "cpu" and "CUDAExecutionProvider" in onnxruntime.get_available_providers()
        self._engine = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Rec.model_path": str(recognise),
                "Det.model_path": str(detect),
                "Cls.model_path": str(turn),
                "EngineConfig.onnxruntime.intra_op_num_threads": self._options.threads or -1,
                "EngineConfig.onnxruntime.use_cuda": cuda,
            }
        )

    def read(self, evidence: EvidenceFile) -> Reading:
        """All lines of the evidence, from the cache where it was read before. Raises EvidenceUnreadable."""
        return READINGS.get_or_read((evidence.sha256, self.version), lambda: self._read(evidence))

    def _read(self, evidence: EvidenceFile) -> Reading:
        count, pages = open_pages(evidence)
        lines: list[Line] = []
        for page in pages:
            lines += page.lines if page.lines is not None else self.lines_of(page.image, page.number)  # type: ignore[arg-type]
        return Reading(tuple(lines), self.version, pages=min(count, MAX_PAGES), complete=count <= MAX_PAGES)

    def lines_of(self, image: Image.Image, page: int = 1) -> list[Line]:
        """The lines of one upright RGB picture."""
        found: list[Line] = []
        for window in windows(*image.size):
            left, top = round(window[0] * image.width), round(window[1] * image.height)
            box = (left, top, left + round(window[2] * image.width), top + round(window[3] * image.height))
            part = image if window == (0.0, 0.0, 1.0, 1.0) else image.crop(box)
            for line in self._lines_of_window(part, page):
                placed = Line(line.text, line.confidence, within(window, line.region), page)
                _keep_better(found, placed)
        return found

    def _lines_of_window(self, image: Image.Image, page: int) -> list[Line]:
        pixels = np.ascontiguousarray(np.asarray(image)[:, :, ::-1])
        found = self._run(pixels, page, turn=False)
        if _mean_confidence(found) >= _UPSIDE_DOWN_BELOW:
            return found
        # Perhaps the page stands on its head: the line classifier turns such lines, at the price of some upright ones.
        turned = self._run(pixels, page, turn=True)
        return max((found, turned), key=_mean_confidence)

    def _run(self, pixels: Any, page: int, *, turn: bool) -> list[Line]:
        height, width = pixels.shape[:2]
        with self._lock:
            result = self._engine(pixels, use_cls=turn)
        if result.txts is None or result.boxes is None:
            return []
        return [
            Line(text, float(score), _region(corners, width, height), page)
            for text, score, corners in zip(result.txts, result.scores, result.boxes, strict=True)
            if text.strip()
        ]


class SecondReader:
    """easyocr's English recogniser on a piece of a page: slower, other training, so its errors are other errors."""

    def __init__(self, options: DetectorOptions) -> None:
        self._options = options
        self._reader: Any = None
        self._lock = threading.Lock()

    @property
    def version(self) -> str:
        """Model, hash of its weights and the library's version."""
        return f"{OCR_SECOND.version}/easyocr-{package_version('easyocr')}"

    @staticmethod
    def installed() -> bool:
        """Whether easyocr and its weights package are here; nothing is imported."""
        return all(importlib.util.find_spec(name) is not None for name in ("easyocr", "torch", OCR_SECOND.files[0].package))

    @staticmethod
    def verify() -> None:
        """Check the weights without loading them. Raises DetectorUnavailable when they are not the pinned ones."""
        verified_files(OCR_SECOND, "ocr_mismatch")

    def load(self) -> None:
        """Load once, on first use. Raises DetectorUnavailable when easyocr or the pinned weights are not installed."""
        if self._reader is not None:
            return
        weights = verified_files(OCR_SECOND, "ocr_mismatch")
        try:
            import easyocr
            import torch
        except ModuleNotFoundError as error:
            raise DetectorUnavailable("ocr_mismatch", f"Python package {error.name}", "pip install 'groundwatch[detectors]'") from error
        if self._options.threads:
            torch.set_num_threads(self._options.threads)
        gpu = self._options.device != "cpu" and torch.cuda.is_available()
        folder = str(weights[0].parent)
        logging.getLogger("easyocr").setLevel(logging.ERROR)
        with warnings.catch_warnings():
            # Deprecations inside easyocr's model loading; nothing a caller could act on.
            warnings.simplefilter("ignore")
            self._reader = easyocr.Reader(
                ["en"],
                gpu=gpu,
                model_storage_directory=folder,
                user_network_directory=folder,
                download_enabled=False,
                quantize=False,
                verbose=False,
            )

    def read_piece(self, image: Image.Image, region: Region) -> tuple[str, float]:
        """Text and confidence of one line of a page picture; ``region`` in fractions."""
        piece = np.asarray(crop(image, region).convert("L"))
        height, width = piece.shape
        with self._lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.load()
            found = self._reader.recognize(piece, horizontal_list=[[0, width, 0, height]], free_list=[], detail=1)
        text = " ".join(str(item[1]) for item in found)
        return text, min((float(item[2]) for item in found), default=0.0)


def crop(image: Image.Image, region: Region, margin: float = 0.15) -> Image.Image:
    """The piece of a picture at ``region`` with a margin of that share of its height, at least one pixel large."""
    pad = margin * region[3] * image.height
    left, top = max(0, int(region[0] * image.width - pad)), max(0, int(region[1] * image.height - pad))
    right = min(image.width, max(left + 1, round((region[0] + region[2]) * image.width + pad)))
    bottom = min(image.height, max(top + 1, round((region[1] + region[3]) * image.height + pad)))
    return image.crop((left, top, max(right, left + 1), max(bottom, top + 1)))


def windows(width: int, height: int) -> list[Region]:
    """The whole picture, or overlapping windows along the long side of a very long one (till rolls, banners)."""
    long, short = max(width, height), max(1, min(width, height))
    if long <= _LONGEST or short * _LONGEST / long >= _NARROWEST:
        return [(0.0, 0.0, 1.0, 1.0)]
    step = min(1.0, max(_WINDOW * short, 1200) / long)
    starts = np.arange(0.0, 1.0 - step * _OVERLAP, step * (1 - _OVERLAP))
    spans = [(min(float(start), 1.0 - step), step) for start in starts]
    return [(0.0, start, 1.0, size) if height >= width else (start, 0.0, size, 1.0) for start, size in dict.fromkeys(spans)]


def _mean_confidence(lines: list[Line]) -> float:
    return sum(line.confidence for line in lines) / len(lines) if lines else 0.0


def _keep_better(found: list[Line], line: Line) -> None:
    """Add a line, or let the longer of two readings of the same place stand (windows overlap)."""
    for index, other in enumerate(found):
        if _shared(other.region, line.region) > 0.5:
            if len(line.text) > len(other.text):
                found[index] = line
            return
    found.append(line)


def _shared(first: Region, second: Region) -> float:
    """Intersection over the smaller area."""
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    smaller = min(first[2] * first[3], second[2] * second[3])
    return width * height / smaller if width > 0 and height > 0 and smaller > 0 else 0.0


def _region(corners: Any, width: int, height: int) -> Region:
    points = np.asarray(corners, dtype=float).reshape(-1, 2) / (width, height)
    left, top = np.clip(points.min(axis=0), 0.0, 1.0)
    right, bottom = np.clip(points.max(axis=0), 0.0, 1.0)
    return (float(left), float(top), float(right - left), float(bottom - top))

"""The two readers of page pictures: PP-OCR through rapidocr for every page, easyocr where the first needs a second opinion.

Both load only weights proven by :mod:`detectors.weights` and never download. Readings are kept in memory by evidence
hash, reader and version, so evidence that many responses share is read once a process.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.contract import DetectorOptions, DetectorUnavailable, EvidenceFile, EvidenceUnreadable
from detectors.reading.lines import Line, Reading
from detectors.reading.pages import open_pages
from detectors.reading.spotting import Pixels, Quads, piece_at, spotter_version, text_spotter
from detectors.reading.transcribing import Transcriber
from detectors.weights import OCR_SECOND, package_version, verified_files

if TYPE_CHECKING:
    from PIL import Image

_CACHED_READINGS = 512
# Pages read together: their lines fill the recogniser's batches, four pages of 80 megapixels are a gigabyte.
_TOGETHER = 4
# Recognising a long scan ends here and the rest counts as unread: a response may take two minutes by default, and a
# worker that is ended over its last pages has judged nothing of the first.
_READ_S = 60.0
# A page whose pixels differ by no more has nothing on it; the faintest print that is read differs by more.
_BLANK = 2
# What the second reader sees around a line, as a share of its height.
_MARGIN = 0.15
# Changes when a page is prepared or put together another way.
_PREPARATION = "level-3"


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

    def has(self, key: tuple[str, str]) -> bool:
        """Whether there is a reading under that key."""
        with self._lock:
            return key in self._readings

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._readings.clear()


READINGS = ReadingCache()


class FastReader:
    """PP-OCRv6 small on ONNX Runtime: about a second a page on one core, corners and confidences for every line.

    A light handle: the networks behind it are loaded once a process, and what one reader read every reader knows.
    """

    def __init__(self, options: DetectorOptions) -> None:
        self._options = options
        self._transcriber: Transcriber | None = None

    @property
    def version(self) -> str:
        """Model, hash of its weights, the library's version, and that of the way pages are prepared."""
        return f"{spotter_version()}/{_PREPARATION}"

    def load(self) -> None:
        """Raises DetectorUnavailable when rapidocr, ONNX Runtime or the pinned weights are not installed."""
        self._transcriber = Transcriber(text_spotter(self._options))

    def read(self, evidence: EvidenceFile) -> Reading:
        """All lines of the evidence, from the cache where it was read before. Raises EvidenceUnreadable."""
        return READINGS.get_or_read((evidence.sha256, self.version), lambda: self._read(evidence))

    def read_ahead(self, pieces: Iterable[EvidenceFile]) -> None:
        """Read single pictures together into the cache; what cannot be read is left for :meth:`read` to say so."""
        waiting: dict[str, tuple[int, Pixels]] = {}
        for piece in pieces:
            if piece.family != "image" or piece.sha256 in waiting or READINGS.has((piece.sha256, self.version)):
                continue
            try:
                count, pages = open_pages(piece)
                if count == 1:
                    waiting[piece.sha256] = (1, np.asarray(next(pages).image))
            except EvidenceUnreadable:
                continue
            if len(waiting) == _TOGETHER:
                self._keep(waiting)
                waiting = {}
        self._keep(waiting)

    def lines_of(self, image: Image.Image, page: int = 1) -> list[Line]:
        """The lines of one RGB picture."""
        return self._transcribe([(page, np.asarray(image))])[0]

    def recognise(self, pieces: Sequence[Pixels]) -> list[tuple[str, float]]:
        """Text and confidence of pieces of a page (RGB arrays), each one level line."""
        return text_spotter(self._options).recognise(pieces)

    def _keep(self, waiting: Mapping[str, tuple[int, Pixels]]) -> None:
        for sha256, lines in zip(waiting, self._transcribe(list(waiting.values())), strict=True):
            reading = Reading(tuple(lines), self.version)
            READINGS.get_or_read((sha256, self.version), lambda reading=reading: reading)  # type: ignore[misc]

    def _read(self, evidence: EvidenceFile) -> Reading:
        count, pages = open_pages(evidence)
        lines: list[Line] = []
        known = 0
        ends = time.monotonic() + _READ_S
        while group := list(islice(pages, _TOGETHER)):
            began = time.monotonic()
            drawn = [(page.number, np.asarray(page.image)) for page in group if page.image is not None]
            printed = [(number, pixels) for number, pixels in drawn if int(pixels.max()) - int(pixels.min()) > _BLANK]
            read = dict(zip((number for number, _ in printed), self._transcribe(printed), strict=True))
            for page in group:
                lines += read.get(page.number, ()) if page.lines is None else page.lines
            known = group[-1].number
            if (now := time.monotonic()) + (now - began) >= ends:
                break
        return Reading(tuple(lines), self.version, pages=known, complete=known == count)

    def _transcribe(self, pages: Sequence[tuple[int, Pixels]]) -> list[list[Line]]:
        if self._transcriber is None:
            raise RuntimeError("a page was given to a reader before load()")
        return self._transcriber.transcribe(pages)


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

    def read_line(self, page: Pixels, line: Line) -> tuple[str, float]:
        """Text and confidence of one line of an RGB page."""
        import cv2

        piece = piece_at(cv2.cvtColor(page, cv2.COLOR_RGB2GRAY), _corners(line, page.shape[1], page.shape[0]), _MARGIN)
        height, width = piece.shape
        with self._lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.load()
            found = self._reader.recognize(piece, horizontal_list=[[0, width, 0, height]], free_list=[], detail=1)
        text = " ".join(str(item[1]) for item in found)
        return text, min((float(item[2]) for item in found), default=0.0)


def _corners(line: Line, width: int, height: int) -> Quads:
    """A line's corners in pixels of its page."""
    x, y, w, h = line.region
    corners = line.corners or ((x, y), (x + w, y), (x + w, y + h), (x, y + h))
    return np.array(corners, np.float32) * np.array((width, height), np.float32)

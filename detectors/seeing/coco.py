"""Looks for the 80 COCO classes with an SSD MobileNet v2 on OpenCV's own inference, no torch.

The network sees 300×300 pixels, so small things vanish in a whole photograph. It therefore looks at the whole picture
and at 2×2 overlapping tiles, each also mirrored. The evidence for a class is a logit: the mean of the whole view and
of the best tile, less half of what the network answers for that class on pictures without content. That correction
follows the content-free calibration of Zhao et al., "Calibrate Before Use" (2021): the network leans to frequent
classes (person, chair, cup), while an answer may name any class, so its own prior must not vouch for the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from detectors.contract import DetectorUnavailable, Region
from detectors.seeing.vocabulary import COCO_IDS
from detectors.weights import COCO_DETECTOR, sha256_of, verified_files

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

INPUT_SIDE = 300
TILE_OVERLAP = 0.25
PRIOR_SHARE = 0.5
# Below this a box is noise that would only crowd the list; presence does not depend on it.
MIN_BOX_SCORE = 0.05
SAME_OBJECT_IOU = 0.5
_CLASS_SCORES = "ClassPredictor/concat/sigmoid"
_CLASS_COLUMNS = 91  # background and ids 1–90
_TINY = 1e-6
_EDGE = 0.02


@dataclass(frozen=True, slots=True)
class Box:
    """One detected object; ``complete`` unless a tile's inner edge may have cut it."""

    name: str
    score: float
    region: Region
    complete: bool


@dataclass(frozen=True, slots=True)
class Sight:
    """What the detector saw in one picture.

    ``evidence`` is a logit for the presence of each class (see the module), ``best`` the highest plain detection score
    of each class in [0, 1], ``boxes`` the distinct detections, best first.
    """

    evidence: Mapping[str, float]
    best: Mapping[str, float]
    boxes: tuple[Box, ...]

    def boxes_of(self, classes: tuple[str, ...]) -> tuple[Box, ...]:
        """Boxes of these classes, best first."""
        return tuple(box for box in self.boxes if box.name in classes)


class CocoDetector:
    """The loaded network. One instance serves one thread."""

    def __init__(self, weights: Path, graph: Path, version: str, threads: int = 0) -> None:
        import cv2  # lazily: half a second and 100 MB that the claim finders do not need

        if threads > 0:
            cv2.setNumThreads(threads)
        self.version = version
        self._cv2 = cv2
        self._net = cv2.dnn.readNetFromTensorflow(str(weights), str(graph), extraOutputs=[_CLASS_SCORES])
        self._prior = np.mean([self._look_once(view)[0] for view in _contentless(cv2)], axis=0)

    @classmethod
    def open(cls, object_model: str, detector: str, threads: int = 0) -> CocoDetector:
        """The pinned network, or a local ``.pb`` with COCO ids and its ``.pbtxt`` beside it.

        Raises:
            DetectorUnavailable: OpenCV or the weights are not installed, or the local files cannot be used.
        """
        import cv2

        if not object_model:
            weights, graph = verified_files(COCO_DETECTOR, detector)
            return cls(weights, graph, COCO_DETECTOR.version, threads)
        weights = Path(object_model)
        graph = weights.with_suffix(".pbtxt")
        remedy = "Set object_model to a TensorFlow SSD .pb with its OpenCV .pbtxt of the same name beside it, or leave it empty"
        if weights.suffix != ".pb" or not weights.is_file() or not graph.is_file():
            raise DetectorUnavailable(detector, f"object model {object_model}", remedy)
        try:
            return cls(weights, graph, f"{weights.stem}@{sha256_of(weights)[:12]}", threads)
        except cv2.error as error:
            raise DetectorUnavailable(detector, f"a readable object model: {object_model} ({error.err})", remedy) from error

    def look(self, image: Image.Image) -> Sight:
        """Everything seen in an RGB picture."""
        pixels = np.asarray(image)
        views: list[Floats] = []
        found: list[Box] = []
        for region in ((0.0, 0.0, 1.0, 1.0), *tiles(2, TILE_OVERLAP)):
            both = [self._look_once(view) for view in _with_mirror(_crop(pixels, region))]
            views.append(np.mean([logits for logits, _ in both], axis=0))
            for (_, detections), mirrored in zip(both, (False, True), strict=True):
                found += _boxes(detections, region, mirrored=mirrored)
        logits = (views[0] + np.max(views[1:], axis=0)) / 2 - PRIOR_SHARE * self._prior
        peak = np.max(views, axis=0)
        return Sight(
            evidence={name: float(logits[number]) for number, name in COCO_IDS.items()},
            best={name: float(1 / (1 + np.exp(-peak[number]))) for number, name in COCO_IDS.items()},
            boxes=_distinct(found),
        )

    def _look_once(self, pixels: Pixels) -> tuple[Floats, Floats]:
        """Per class id the highest logit over all anchors, and the detections (n, 7) as OpenCV gives them."""
        self._net.setInput(self._cv2.dnn.blobFromImage(pixels, size=(INPUT_SIDE, INPUT_SIDE)))
        detections, scores = self._net.forward(["detection_out", _CLASS_SCORES])
        highest = scores.reshape(-1, _CLASS_COLUMNS).max(axis=0).clip(_TINY, 1 - _TINY)
        return np.log(highest / (1 - highest)), detections.reshape(-1, 7)


def tiles(side: int, overlap: float) -> tuple[Region, ...]:
    """``side``×``side`` regions that cover the picture, neighbours sharing ``overlap`` of their width."""
    extent = 1 / (side - (side - 1) * overlap)
    step = extent * (1 - overlap)
    return tuple((column * step, row * step, extent, extent) for row in range(side) for column in range(side))


def iou(first: Region, second: Region) -> float:
    """Intersection over union of two regions."""
    shared = _shared(first, second)
    return shared / (first[2] * first[3] + second[2] * second[3] - shared + _TINY)


def share_within(inner: Region, outer: Region) -> float:
    """Which share of the first region lies within the second."""
    return _shared(inner, outer) / (inner[2] * inner[3] + _TINY)


def _shared(first: Region, second: Region) -> float:
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    return max(0.0, width) * max(0.0, height)


def _crop(pixels: Pixels, region: Region) -> Pixels:
    height, width = pixels.shape[:2]
    left, top = int(region[0] * width), int(region[1] * height)
    right, bottom = max(left + 1, round((region[0] + region[2]) * width)), max(top + 1, round((region[1] + region[3]) * height))
    return pixels[top:bottom, left:right]


def _with_mirror(pixels: Pixels) -> tuple[Pixels, Pixels]:
    return np.ascontiguousarray(pixels), np.ascontiguousarray(pixels[:, ::-1])


def _boxes(detections: Floats, region: Region, *, mirrored: bool) -> Iterator[Box]:
    for _, number, score, x0, y0, x1, y1 in detections.tolist():
        name = COCO_IDS.get(int(number))
        if name is None or score < MIN_BOX_SCORE:
            continue
        if mirrored:
            x0, x1 = 1 - x1, 1 - x0
        left, right = (region[0] + min(max(x, 0.0), 1.0) * region[2] for x in (x0, x1))
        top, bottom = (region[1] + min(max(y, 0.0), 1.0) * region[3] for y in (y0, y1))
        if right > left and bottom > top:
            box = (left, top, right - left, bottom - top)
            yield Box(name, score, box, complete=not _is_cut(box, region))


def _is_cut(box: Region, tile: Region) -> bool:
    """Whether a box reaches an edge of its tile that is no edge of the picture."""
    sides = ((tile[0], box[0]), (tile[1], box[1]), (tile[0] + tile[2], box[0] + box[2]), (tile[1] + tile[3], box[1] + box[3]))
    return any(_EDGE < edge < 1 - _EDGE and abs(edge - reach) < _EDGE for edge, reach in sides)


def _distinct(found: list[Box]) -> tuple[Box, ...]:
    """Greedy non-maximum suppression within each class; of equal objects the better score stays."""
    kept: list[Box] = []
    for box in sorted(found, key=lambda box: -box.score):
        if not any(box.name == other.name and iou(box.region, other.region) > SAME_OBJECT_IOU for other in kept):
            kept.append(box)
    return tuple(kept)


def _contentless(cv2: Any) -> Iterator[Pixels]:
    """Flat greys and noise from fine to coarse: pictures in which there is nothing to see. Always the same."""
    for grey in (0, 64, 128, 192, 255):
        yield np.full((INPUT_SIDE, INPUT_SIDE, 3), grey, np.uint8)
    random = np.random.default_rng(0)
    for blur in (0, 1, 3, 8, 20, 40):
        noise = random.normal(size=(INPUT_SIDE, INPUT_SIDE, 3)).astype(np.float32)
        if blur:
            noise = cv2.GaussianBlur(noise, (0, 0), blur)
        yield (128 + 50 * (noise - noise.mean()) / noise.std()).clip(0, 255).astype(np.uint8)

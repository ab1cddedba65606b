"""Looks for the 80 COCO classes with an SSD MobileNet v2 on OpenCV's own inference, no torch.

The network was trained on 300×300 pixels, where small things vanish; being convolutional it also takes 600×600, where
large ones outgrow its anchors. It therefore looks at the whole picture at both sizes, each also mirrored: four passes,
the larger ones four times as dear. The evidence for a class is a logit, from which two things are taken off:

- a share of what the network answers for that class on pictures without content, after Zhao et al., "Calibrate Before
  Use" (2021): it leans to frequent classes (person, chair, cup), and its own prior must not vouch for an answer;
- a share of how loudly the other classes answer in the same picture: where much is seen clearly, a middling score is
  weaker evidence than in a picture that gives nothing away.
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

INPUT_SIDES = (300, 600)
PRIOR_SHARE = 0.5
# The mean of so many of the strongest other classes, and its share.
CLUTTER_CLASSES, CLUTTER_SHARE = 5, 0.33
# Below this a box is noise that would only crowd the list; presence does not depend on it.
MIN_BOX_SCORE = 0.05
SAME_OBJECT_IOU = 0.5
_CLASS_SCORES = "ClassPredictor/concat/sigmoid"
_CLASS_COLUMNS = 91  # background and ids 1–90
_TINY = 1e-6
_IDS = np.asarray(sorted(COCO_IDS))


@dataclass(frozen=True, slots=True)
class Box:
    """One detected object."""

    name: str
    score: float
    region: Region


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
        # One network a size: after a change of size OpenCV keeps anchors and buffers of the size before, and boxes shift.
        self._nets = {side: cv2.dnn.readNetFromTensorflow(str(weights), str(graph), extraOutputs=[_CLASS_SCORES]) for side in INPUT_SIDES}
        contentless = list(_contentless(cv2))
        self._prior = np.mean([self._look_once(view, INPUT_SIDES[0])[0] for view in contentless], axis=0)
        self._look_once(contentless[0], INPUT_SIDES[-1])  # a graph of fixed size fails here and not at the first picture

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
        for side in INPUT_SIDES:
            for view, mirrored in ((pixels, False), (np.ascontiguousarray(pixels[:, ::-1]), True)):
                logits, detections = self._look_once(view, side)
                views.append(logits)
                found += _boxes(detections, mirrored=mirrored)
        logits = evidence_of(np.mean(views, axis=0) - PRIOR_SHARE * self._prior)
        peak = np.max(views, axis=0)
        return Sight(
            evidence={name: float(logits[number]) for number, name in COCO_IDS.items()},
            best={name: float(1 / (1 + np.exp(-peak[number]))) for number, name in COCO_IDS.items()},
            boxes=_distinct(found),
        )

    def _look_once(self, pixels: Pixels, side: int) -> tuple[Floats, Floats]:
        """Per class id the highest logit over all anchors, and the detections (n, 7) as OpenCV gives them."""
        net = self._nets[side]
        net.setInput(self._cv2.dnn.blobFromImage(pixels, size=(side, side)))
        detections, scores = net.forward(["detection_out", _CLASS_SCORES])
        highest = scores.reshape(-1, _CLASS_COLUMNS).max(axis=0).clip(_TINY, 1 - _TINY)
        return np.log(highest / (1 - highest)), detections.reshape(-1, 7)


def evidence_of(logits: Floats) -> Floats:
    """Logits by class id, each less a share of the mean of the strongest others."""
    ranked = np.sort(logits[_IDS])[::-1]
    evidence = logits.copy()
    for number in _IDS:
        own = int(np.searchsorted(-ranked, -logits[number]))
        evidence[number] -= CLUTTER_SHARE * np.delete(ranked, own)[:CLUTTER_CLASSES].mean()
    return evidence


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


def _boxes(detections: Floats, *, mirrored: bool) -> Iterator[Box]:
    for _, number, score, x0, y0, x1, y1 in detections.tolist():
        name = COCO_IDS.get(int(number))
        if name is None or score < MIN_BOX_SCORE:
            continue
        if mirrored:
            x0, x1 = 1 - x1, 1 - x0
        left, top, right, bottom = (min(max(edge, 0.0), 1.0) for edge in (x0, y0, x1, y1))
        if right > left and bottom > top:
            yield Box(name, score, (left, top, right - left, bottom - top))


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
        yield np.full((INPUT_SIDES[0], INPUT_SIDES[0], 3), grey, np.uint8)
    random = np.random.default_rng(0)
    for blur in (0, 1, 3, 8, 20, 40):
        noise = random.normal(size=(INPUT_SIDES[0], INPUT_SIDES[0], 3)).astype(np.float32)
        if blur:
            noise = cv2.GaussianBlur(noise, (0, 0), blur)
        yield (128 + 50 * (noise - noise.mean()) / noise.std()).clip(0, 255).astype(np.uint8)

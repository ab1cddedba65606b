"""What the COCO detector sees in pictures: one loaded network and one look at a picture for all detectors of a process."""

from __future__ import annotations

import functools
from collections import OrderedDict

from PIL import Image

from detectors.contract import Claim, DetectorOptions, EvidenceFile, Region
from detectors.pictures import open_picture
from detectors.seeing.coco import CocoDetector, Sight
from detectors.seeing.vocabulary import meaning_of

_KEPT = 256
# Fewer pixels on a side say nothing of what they show.
_LEAST_PIXELS = 32


class Eyes:
    """A loaded network that remembers what it saw. Not thread-safe."""

    def __init__(self, network: CocoDetector) -> None:
        self.network = network
        self._sights: OrderedDict[str, Sight] = OrderedDict()

    def sight(self, picture: EvidenceFile) -> Sight:
        """What a picture shows, looked at once for each content hash. Raises EvidenceUnreadable."""
        return self._kept(picture.sha256) or self._keep(picture.sha256, open_picture(picture))

    def closer(self, picture: EvidenceFile, region: Region) -> Sight | None:
        """What one region of a picture shows when it is looked at by itself; None where it is too small. Raises EvidenceUnreadable."""
        key = f"{picture.sha256} {region}"
        if (known := self._kept(key)) is not None:
            return known
        image = open_picture(picture)
        x, y, width, height = region
        left, top = int(x * image.width), int(y * image.height)
        right, bottom = round((x + width) * image.width), round((y + height) * image.height)
        if min(right - left, bottom - top) < _LEAST_PIXELS:
            return None
        return self._keep(key, image.crop((left, top, right, bottom)))

    def _kept(self, key: str) -> Sight | None:
        if key in self._sights:
            self._sights.move_to_end(key)
        return self._sights.get(key)

    def _keep(self, key: str, image: Image.Image) -> Sight:
        self._sights[key] = seen = self.network.look(image)
        if len(self._sights) > _KEPT:
            self._sights.popitem(last=False)
        return seen


def eyes_of(options: DetectorOptions) -> Eyes:
    """The eyes of this process for these options. Raises DetectorUnavailable; ModuleNotFoundError without OpenCV."""
    return _opened(options.object_model, options.threads)


@functools.lru_cache(maxsize=1)
def _opened(object_model: str, threads: int) -> Eyes:
    return Eyes(CocoDetector.open(object_model, "object_hallucination", threads))


def classes_of(claim: Claim) -> tuple[tuple[str, ...], str | None]:
    """COCO classes that support a claim, and how they match it; a claim without facts (a caller's own) is looked up by its text."""
    if "classes" in claim.facts:
        return tuple(claim.facts["classes"]), claim.facts.get("match")
    meaning = meaning_of(claim.text.lower().strip())
    return ((), None) if meaning is None else (meaning.classes, meaning.match)

"""Measures ``citation_mismatch`` on regions of pictures cited for a thing.

Usage: python -m benchmarks.cited_regions /path/to/objects-coco [--pictures N]

The corpus says which classes a picture has, not where. The regions are therefore made from the network's own sure boxes:
moved and rescaled, drawn twice as large and half as large (right); moved to where no sure box of the class is, and the
region of another thing (wrong). That measures the rule, not the network. What the network misses is imitated: of several
things of a class one is cited and all its boxes are taken away (``missed``): whatever is then called wrong is a false alarm.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from detectors.calibration import Calibration
from detectors.citing.regions import SURE, in_region, pointed, points_at
from detectors.contract import Claim, DetectorOptions, EvidenceFile, Region
from detectors.seeing.coco import Box, Sight, iou
from detectors.seeing.sights import Eyes, eyes_of

SEED, TRIES = 1, 50


class OneLook(Eyes):
    """Eyes that saw in every picture what they are told; a closer look is a real one."""

    def __init__(self, eyes: Eyes, seen: Sight) -> None:
        super().__init__(eyes.network)
        self._seen = seen

    def sight(self, picture: EvidenceFile) -> Sight:
        """What they were told."""
        return self._seen


def clipped(x: float, y: float, width: float, height: float) -> Region:
    """The part of a region that lies in the picture."""
    left, top = min(max(0.0, x), 0.98), min(max(0.0, y), 0.98)
    return left, top, max(0.01, min(1.0, x + width) - left), max(0.01, min(1.0, y + height) - top)


def moved(region: Region, chance: random.Random, reach: float) -> Region:
    """Moved by up to ``reach`` of its sides and rescaled by up to half as much again of that."""
    x, y, width, height = region
    wide, high = width * (1 + 1.5 * reach) ** chance.uniform(-1, 1), height * (1 + 1.5 * reach) ** chance.uniform(-1, 1)
    middle = x + width / 2 + chance.uniform(-reach, reach) * width, y + height / 2 + chance.uniform(-reach, reach) * height
    return clipped(middle[0] - wide / 2, middle[1] - high / 2, wide, high)


def regions(sight: Sight, name: str, chance: random.Random) -> Iterator[tuple[str, Region, tuple[Box, ...]]]:
    """What a region is made for, the region, and the boxes of the class that count as seen."""
    boxes = sight.boxes_of((name,))
    sure = [box for box in boxes if box.score >= SURE]
    own = chance.choice(sure).region
    x, y, width, height = own
    yield "moved by 15 %", moved(own, chance, 0.15), boxes
    yield "moved by 30 %", moved(own, chance, 0.3), boxes
    yield "twice as large", clipped(x - width / 2, y - height / 2, 2 * width, 2 * height), boxes
    yield "half as large", (x + width * chance.uniform(0, 0.5), y + height * chance.uniform(0, 0.5), width / 2, height / 2), boxes
    others = [box.region for box in sight.boxes if box.name != name and box.score >= SURE]
    others = [region for region in others if not any(points_at(region, box.region) for box in sure)]
    if others:
        yield "another thing", chance.choice(others), boxes
    for _ in range(TRIES):
        tried = chance.uniform(0, 1 - min(width, 0.9)), chance.uniform(0, 1 - min(height, 0.9)), min(width, 0.9), min(height, 0.9)
        if not any(iou(tried, box.region) >= 0.1 or points_at(tried, box.region) for box in sure):
            yield "elsewhere", tried, boxes
            break
    left = tuple(box for box in boxes if iou(box.region, own) < 0.5)
    if left and left[0].score >= SURE and in_region(left, own).here is None:
        yield "missed", moved(own, chance, 0.15), left


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=10**6, help="so many at most")
    given = parser.parse_args()
    eyes, absent, chance = eyes_of(DetectorOptions(threads=1)), Calibration.load("object_hallucination"), random.Random(SEED)
    pieces: dict[str, dict[str, str]] = {}
    for line in (given.folder / "responses.jsonl").read_text(encoding="utf-8").splitlines():
        piece = json.loads(line)["evidence"][0]
        pieces.setdefault(piece["sha256"], piece)
    found: Counter[tuple[str, str]] = Counter()
    for piece in list(pieces.values())[: given.pictures]:
        picture = EvidenceFile("a", piece["media_type"], given.folder / piece["uri"].removeprefix("file:"), piece["sha256"])
        sight = eyes.sight(picture)
        for name in sorted({box.name for box in sight.boxes if box.score >= SURE}):
            claim = Claim("c1", name, None, "object", facts={"classes": (name,), "match": "exact"})
            for made_for, region, boxes in regions(sight, name, chance):
                right = pointed(claim, picture, region, OneLook(eyes, replace(sight, boxes=boxes)), absent).right
                apart = in_region(boxes, region).elsewhere is not None
                found[made_for, {True: "supported", False: "wrong", None: "not checked"}[right]] += 1
                found[made_for, "wrong without a closer look"] += apart
    print_table(found)


def print_table(found: Counter[tuple[str, str]]) -> None:
    """One line for each way a region was made."""
    verdicts: Sequence[str] = ("supported", "not checked", "wrong", "wrong without a closer look")
    for made_for in dict.fromkeys(key for key, _ in found):
        print(made_for, {verdict: found[made_for, verdict] for verdict in verdicts}, flush=True)


if __name__ == "__main__":
    main()

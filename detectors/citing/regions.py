"""Whether a thing cited to a region of a picture stands there: the boxes an object detector finds, against the region cited.

A citation points, it does not measure: the region may be drawn loosely around the thing, or around the part that
matters. It points at a box where the two share enough of their union (IoU), or where nearly all of the one lies in the
other. From an IoU of .3 on people cannot tell a box from a better one (Russakovsky, Li and Fei-Fei, "Best of both
worlds", 2015); detection benchmarks ask for .5 because there a box is the answer itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detectors.calibration import Calibration
from detectors.contract import Claim, EvidenceFile, Place, Region
from detectors.seeing.attributes import SHOWN_SCORE
from detectors.seeing.coco import Box, iou, share_within
from detectors.seeing.sights import Eyes, classes_of

SAME_PLACE_IOU, COVERED = 0.3, 0.7
# So much of a box or of the region is neither there nor elsewhere.
_TOUCHING_IOU, _TOUCHING = 0.05, 0.3
# Support takes a sighting; that the thing stands elsewhere, a sure one.
SIGHTED, SURE = 0.3, 0.5
# In the region looked at by itself it must be likelier absent than not.
ABSENT = 0.5
# Looked at once more with this much of its sides around it: a thing cut off at the edge is missed.
_MARGIN = 0.15


@dataclass(frozen=True, slots=True)
class RegionCheck:
    """``here``: the best box the region points at; ``elsewhere``: the best sure box apart from it, None while a trace is near.

    ``shared`` is the IoU of the box named with the region.
    """

    here: Box | None
    elsewhere: Box | None
    shared: float


def in_region(boxes: Sequence[Box], cited: Region) -> RegionCheck:
    """Hold the boxes of a thing, best first and faint ones too, against the region cited for it."""
    here = [box for box in boxes if box.score >= SIGHTED and points_at(cited, box.region)]
    if here:
        best = max(here, key=lambda box: iou(box.region, cited))
        return RegionCheck(best, None, iou(best.region, cited))
    if not boxes or boxes[0].score < SURE or any(box.score >= SHOWN_SCORE and _touches(cited, box.region) for box in boxes):
        return RegionCheck(None, None, max((iou(box.region, cited) for box in boxes), default=0.0))
    return RegionCheck(None, boxes[0], iou(boxes[0].region, cited))


def points_at(cited: Region, found: Region) -> bool:
    """Whether a cited region means a box: enough of their union shared, or one nearly within the other."""
    return iou(cited, found) >= SAME_PLACE_IOU or max(share_within(found, cited), share_within(cited, found)) >= COVERED


def widened(region: Region) -> Region:
    """The region with a margin, within the picture."""
    x, y, width, height = region
    left, top = max(0.0, x - _MARGIN * width), max(0.0, y - _MARGIN * height)
    return left, top, min(1.0, x + width * (1 + _MARGIN)) - left, min(1.0, y + height * (1 + _MARGIN)) - top


def _touches(cited: Region, found: Region) -> bool:
    return iou(cited, found) >= _TOUCHING_IOU or max(share_within(found, cited), share_within(cited, found)) >= _TOUCHING


@dataclass(frozen=True, slots=True)
class Pointed:
    """What a picture says to a region cited for a thing: ``right`` None where it cannot tell, and why; else the box found and its IoU."""

    right: bool | None
    told: str
    place: Place


def pointed(claim: Claim, picture: EvidenceFile, cited: Region, eyes: Eyes, absent: Calibration) -> Pointed:
    """Look for the thing of an object claim in the region cited for it. ``absent`` gives the probability that a class is not there.

    Raises EvidenceUnreadable.
    """
    classes, match = classes_of(claim)
    here = Place(picture.id, region=cited)
    if claim.facts.get("negated"):
        return Pointed(None, "it says that something is not there, which no region shows", here)
    if not classes:
        return Pointed(None, f"{claim.text!r} is none of the things that are looked for by their place", here)
    check = in_region(eyes.sight(picture).boxes_of(classes), cited)
    if check.here is not None:
        share = f"intersection over union {check.shared:.2f} with the region found"
        return Pointed(True, f"The cited region shows the {check.here.name} ({share})", Place(picture.id, region=check.here.region))
    found = check.elsewhere
    if found is None:
        return Pointed(None, f"no {' or '.join(classes)} is found for certain in the cited region or apart from it", here)
    place = Place(picture.id, region=found.region)
    if match == "near":
        return Pointed(None, f"{claim.text!r} can mean more than the {found.name} that stands elsewhere in the picture", place)
    closer = eyes.closer(picture, widened(cited))
    if closer is None:
        return Pointed(None, f"a {found.name} stands elsewhere, and the cited region is too small to be looked at by itself", place)
    if absent.apply(-max(closer.evidence[name] for name in classes)) < ABSENT:
        return Pointed(None, f"a {found.name} stands elsewhere, and the cited region seen by itself may show another", place)
    told = f"The {found.name} stands elsewhere in the picture: the two regions share {check.shared:.0%} of their union (IoU)"
    return Pointed(False, told, place)

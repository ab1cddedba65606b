"""Checks what an answer states of a thing beside that it is there: how many, and which colours.

Both lean to silence. A count is wrong only where more things stand clearly apart than stated, or a single one is seen
where several are stated; a colour only where no sighting of the thing has a trace of it. All limits were measured, see
benchmarks/TUNING.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from detectors.contract import Claim, Region
from detectors.seeing.coco import Box, iou, share_within
from detectors.seeing.colours import ABSENT_SHARE, CLEAR_SHARE, colour_share

# A box of this score is a sighting; a fainter one may be anything.
SHOWN_SCORE = 0.15
# More than stated: boxes this sure that overlap at most so far.
COUNTED_SCORE = 0.7
COUNTED_OVERLAP = 0.2
TOO_FEW_STATED = 0.95
# Fewer than stated: one thing this sure, and outside it not even a box of FAINT_SCORE.
ALONE_SCORE = 0.8
FAINT_SCORE = 0.1
TOO_MANY_STATED = 0.9
MISCOLOURED = 0.9


@dataclass(frozen=True, slots=True)
class Objection:
    """A statement that the picture contradicts: probability of being wrong, one sentence, and where it shows."""

    score: float
    explanation: str
    region: Region


def miscounted(claim: Claim, noun: str, match: str | None, boxes: Sequence[Box]) -> Objection | None:
    """The objection to a stated number; ``boxes`` are all sightings of the claim's classes, best first."""
    stated = claim.facts.get("count")
    if not isinstance(stated, int):
        return None
    if stated >= 2 and match in ("exact", "synonym", "hyponym") and is_alone(boxes):
        why = f"The answer counts {stated}, but a single {noun} is clearly seen and no trace of another."
        return Objection(TOO_MANY_STATED, why, boxes[0].region)
    seen = count_apart(boxes)
    if match not in ("exact", "synonym") or not claim.facts.get("exhaustive") or len(seen) <= stated:
        return None
    return Objection(
        TOO_FEW_STATED, f"The answer counts {stated}, but {len(seen)} of the kind {noun!r} stand clearly apart.", seen[stated].region
    )


def miscoloured(claim: Claim, noun: str, image: Image.Image, boxes: Sequence[Box]) -> Objection | str:
    """The objection to the stated colours, or a remark on what was found (empty where no colour is stated)."""
    colours = tuple(claim.facts.get("attributes", ()))
    sightings = [box for box in boxes if box.score >= SHOWN_SCORE]
    if not colours:
        return ""
    if any(box.name == "person" for box in sightings):
        return "Colour words are not checked on people"
    if not sightings:
        return f"Whether it is {' and '.join(colours)} was not checked: no box surrounds it"
    remarks: list[str] = []
    for colour in colours:
        shares = [colour_share(image, box.region, colour) for box in sightings]
        measured = [one.share for one in shares if one.share is not None]
        if len(measured) < len(shares):
            remarks.append(f"Whether it is {colour} was not checked: {next(one.reason for one in shares if one.share is None)}")
        elif max(measured) < ABSENT_SHARE:
            why = f"The answer calls the {noun} {colour}, but no {colour} is found where a {sightings[0].name} is seen."
            return Objection(MISCOLOURED, why, sightings[0].region)
        elif max(measured) >= CLEAR_SHARE:
            remarks.append(f"{colour.capitalize()} may be said of {max(measured):.0%} of it")
        else:
            remarks.append(f"Whether it is {colour} was not checked: too little of that colour is there to tell it from what surrounds it")
    return ". ".join(remarks)


def count_apart(boxes: Sequence[Box]) -> list[Box]:
    """Sure boxes that barely overlap, best first: at least so many things are there."""
    apart: list[Box] = []
    for box in boxes:
        if box.score >= COUNTED_SCORE and all(iou(box.region, other.region) < COUNTED_OVERLAP for other in apart):
            apart.append(box)
    return apart


def is_alone(boxes: Sequence[Box]) -> bool:
    """Whether the best box, a sure one, has no other beside it. Boxes within it are its parts."""
    if not boxes or boxes[0].score < ALONE_SCORE:
        return False
    main = boxes[0].region
    return all(box.score < FAINT_SCORE or share_within(box.region, main) > 0.7 or iou(box.region, main) >= 0.3 for box in boxes[1:])

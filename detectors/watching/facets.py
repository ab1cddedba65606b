"""What of an event claim can be seen, and how strongly a group of frames shows it.

A facet gives each group of frames (those of one segment) a log-odds of being there. Facets differ in what their
absence proves (``proves_absence``) and in whether seeing them speaks for this event (``specific``): a person is seen
in most videos and speaks for no particular action. A ``soft`` facet counts only where stretches differ in it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.calibration import Calibration
from detectors.seeing.coco import Box, iou
from detectors.watching.looks import Describer, Look

# Spread of the colour channels (see looks): chroma noise of an encoded grey picture stays below, faint colours lie above.
GREY_SPREAD = 5.0
COLOURED_SPREAD = 12.0
CERTAIN = 4.0
# Persons counted apart, as in object_hallucination: sure boxes that barely overlap.
SURE_BOX = 0.7
BARELY = 0.2
FAINT_BOX = 0.1
# A word wider than its COCO class, or a likeness, counts as seen only when this sure.
SURELY = 0.9
# What an event claim competes with beside the other claims of the answer.
RIVALS = (
    "a person talks to the camera", "people walk along a street", "an animal moves through nature", "a vehicle drives on a road",
    "hands work at a table", "people play a sport", "a landscape without people", "a room without people", "a title or text on the screen",
    "a drawing or an animated scene", "a crowd of people", "food is prepared in a kitchen", "something else happens",
)  # fmt: skip

Measure = Callable[[Sequence[Look]], float]


@dataclass(frozen=True, slots=True)
class Facet:
    """``name`` is for sentences ("a dog", "a black-and-white picture"); ``log_odds`` of a group of frames, not empty."""

    name: str
    log_odds: Measure
    proves_absence: bool
    specific: bool
    soft: bool = False

    def chance(self, looks: Sequence[Look]) -> float:
        """Probability that these frames show it."""
        return 1.0 / (1.0 + math.exp(-self.log_odds(looks)))


def facets_of(facts: Mapping[str, Any], objects: Calibration, *, has_coco: bool) -> list[Facet]:
    """The facets a claim's facts name, without descriptions and on-screen text, which need other means."""
    found: dict[tuple[str, ...], Facet] = {}
    for thing in facts.get("objects", ()) if has_coco else ():
        classes = tuple(thing.get("classes") or ())
        if not classes or thing.get("around") or thing.get("negated"):
            continue
        sure = thing.get("match") != "near" and not thing.get("depicted") and not thing.get("hedged")
        noun = str(thing.get("noun") or classes[0])
        found.setdefault(classes, Facet(_named(noun), _object(classes, objects), sure, classes != ("person",)))
        if classes == ("person",) and (thing.get("count") or 0) >= 2:
            found.setdefault(("people",), Facet("two people", _several, proves_absence=False, specific=False, soft=True))
    if facts.get("monochrome") is True:
        found["grey",] = Facet("a black-and-white picture", _grey, proves_absence=False, specific=True)
    elif facts.get("monochrome") is False:
        found["colour",] = Facet("a picture in colour", lambda looks: -_grey(looks), proves_absence=False, specific=False)
    return list(found.values())


def described(describer: Describer, description: str, others: Sequence[str]) -> Facet:
    """A facet that holds the description against the answer's other events and against everyday scenes."""
    sentences = [description, *(other for other in others if other != description), *_rivals_of(description)]

    def log_odds(looks: Sequence[Look]) -> float:
        chances = [describer.chances(look.embedding, sentences)[0] for look in looks]
        return _upper_half([max(-CERTAIN, min(CERTAIN, _logit(chance))) for chance in chances])

    return Facet(f"a scene like {description!r}", log_odds, proves_absence=False, specific=True)


def chance_of_all(facets: Sequence[Facet], looks: Sequence[Look]) -> float:
    """Probability that the frames show everything the claim names, taken as independent."""
    return math.prod(facet.chance(looks) for facet in facets)


def _object(classes: Sequence[str], objects: Calibration) -> Measure:
    def log_odds(looks: Sequence[Look]) -> float:
        evidence = [max(look.sight.evidence[name] for name in classes) for look in looks if look.sight is not None]
        return -_logit(objects.apply(-_upper_half(evidence)))

    return log_odds


def _several(looks: Sequence[Look]) -> float:
    """For two people and more: frames with two sure persons apart vote for it, frames with one alone against."""
    return CERTAIN / 2 * float(np.mean([_vote(look) for look in looks]))


def _vote(look: Look) -> float:
    persons = [] if look.sight is None else [box for box in look.sight.boxes if box.name == "person"]
    apart: list[Box] = []
    for box in persons:
        if box.score >= SURE_BOX and all(iou(box.region, other.region) < BARELY for other in apart):
            apart.append(box)
    if len(apart) >= 2:
        return 1.0
    beside = [box for box in persons if box.score >= FAINT_BOX and all(iou(box.region, other.region) < BARELY for other in apart)]
    return -1.0 if len(apart) == 1 and not beside else 0.0


def _grey(looks: Sequence[Look]) -> float:
    spread = float(np.median([look.spread for look in looks]))
    share = (spread - GREY_SPREAD) / (COLOURED_SPREAD - GREY_SPREAD)
    return CERTAIN * (1.0 - 2.0 * min(1.0, max(0.0, share)))


def _upper_half(values: Sequence[float]) -> float:
    """Mean of the better half: a thing need not be in view all the time, but one frame is not enough where there are more."""
    best = sorted(values, reverse=True)
    return float(np.mean(best[: (len(best) + 1) // 2]))


def _rivals_of(description: str) -> Iterator[str]:
    """Everyday scenes that share no telling word with the description: "people play tennis" is no rival of "people play a sport"."""
    said = set(re.findall(r"[a-z]{4,}", description.lower()))
    yield from (rival for rival in RIVALS if not said & set(re.findall(r"[a-z]{4,}", rival)))


def _named(noun: str) -> str:
    if noun in ("someone", "somebody", "he", "she", "people"):
        return "a person"
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def _logit(chance: float) -> float:
    inside = min(1 - 1e-6, max(1e-6, chance))
    return math.log(inside / (1 - inside))

"""Catches answers that name an object the picture does not show.

Things within the 80 COCO classes are looked for with a COCO detector; everything else, and words wider than a COCO
class, with an open_clip model where one is configured. Where neither can say, the claim is *not checked*.

Wrong when the thing is tiny, cut off or in an unusual view (false alarms); when something that looks alike stands
there, such as a bench for a chair (misses); and when the answer means a class wider than its word. A wrong number is
seen only where it is clear, a wrong colour only where the thing has no trace of it. Material, brand, action and relation
words are not looked at.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from detectors.contract import (
    Case,
    Claim,
    Detector,
    DetectorOptions,
    EvidenceFile,
    EvidenceUnreadable,
    Finding,
    Place,
    Region,
    Verdict,
    not_checked,
)
from detectors.pictures import open_picture
from detectors.seeing.attributes import SHOWN_SCORE, Objection, miscoloured, miscounted
from detectors.seeing.coco import CocoDetector, Sight
from detectors.seeing.sights import classes_of, eyes_of
from detectors.seeing.verifiers import open_verifiers
from detectors.seeing.vocabulary import words

if TYPE_CHECKING:
    from PIL import Image

    from detectors.seeing.clip import ClipVerifier, Support

NO_OPEN_VOCABULARY = "no open-vocabulary weights are configured"
# "There is no dog" is called wrong only when a box is as sure as this.
CLEARLY_THERE = 0.5
# A guess ("possibly a cup") that fails is half as bad as an assertion: its odds are halved.
HEDGED_ODDS = 0.5
_PLURAL = words("people skis scissors cattle")
_UNCOUNTED = words("broccoli luggage furniture cutlery silverware tableware food fruit livestock wildlife")


@dataclass(frozen=True, slots=True)
class _Look:
    """What one picture says about one claim: the probability that the thing is absent, how sure a sighting, where, in words."""

    absent: float
    sure: float
    place: Place
    seen: str
    missing: str


class ObjectHallucination(Detector):
    """Judges object claims against pictures."""

    name: ClassVar[str] = "object_hallucination"
    version: ClassVar[str] = "1.2.0"
    kinds: ClassVar[frozenset[str]] = frozenset({"object"})
    families: ClassVar[frozenset[str]] = frozenset({"image"})
    # At a quarter of the light with noise every second true object was missed (benchmarks/TUNING.md, Input quality).
    undone_by: ClassVar[frozenset[str]] = frozenset({"dark"})
    seconds_per_case: ClassVar[float] = 1.2

    def __init__(self, options: DetectorOptions) -> None:
        super().__init__(options)
        self._coco: CocoDetector | None = None
        self._clip: ClipVerifier | None = None
        self._without_coco = ""

    def load(self) -> None:
        """Load the COCO detector, and CLIP where it is configured. One of them is enough."""
        self._coco, self._clip, self._without_coco = open_verifiers(self.options, self.name)

    @property
    def weights_version(self) -> str:
        """COCO detector and CLIP model, as far as loaded."""
        return " ".join(part.version for part in (self._coco, self._clip) if part is not None)

    def raw_score(self, claim: Claim, picture: EvidenceFile) -> float | None:
        """What the calibration maps to a probability: minus the best evidence for the claim's classes; None outside COCO."""
        classes, _ = classes_of(claim)
        if not classes or self._coco is None:
            return None
        sight = self._sight(picture)
        return -max(sight.evidence[name] for name in classes)

    def claim_context(self, case: Case, claim: Claim) -> str:
        """Nothing: a claim is held against the pictures by itself."""
        return ""

    def prepare(self, cases: Sequence[Case]) -> None:
        """Embed the pictures that CLIP will be asked about in common batches: on a GPU one by one leaves it idle.

        The COCO detector gains nothing from batches (measured: 6% of its time), so it looks at each picture when asked.
        """
        if self._clip is not None:
            self._clip.prepare(self._asked_of_clip(cases))

    def _asked_of_clip(self, cases: Sequence[Case]) -> Iterator[tuple[str, Image.Image, Sequence[Region]]]:
        done: set[str] = set()
        for case in cases:
            if self._coco is not None and all(classes_of(claim)[0] for claim in self.claims_for(case)):
                continue
            for picture in case.evidence_of(*self.families):
                if picture.sha256 not in done:
                    done.add(picture.sha256)
                    with contextlib.suppress(EvidenceUnreadable):  # said when the claim is judged
                        yield picture.sha256, open_picture(picture), self._proposals(picture)

    def _proposals(self, picture: EvidenceFile) -> list[Region]:
        return [box.region for box in self._sight(picture).boxes] if self._coco is not None else []

    def judge(self, case: Case, claims: Sequence[Claim]) -> list[Finding]:
        """One finding a claim. A thing counts as seen when any of the pictures shows it."""
        return [self._judge_claim(case.evidence_of(*self.families), claim) for claim in claims]

    def _judge_claim(self, pictures: Sequence[EvidenceFile], claim: Claim) -> Finding:
        cited = {place.evidence for place in claim.citations}
        looks: list[_Look] = []
        unreadable: list[EvidenceUnreadable] = []
        for picture in [picture for picture in pictures if picture.id in cited] or pictures:
            try:
                look = self._look(picture, claim)
            except EvidenceUnreadable as error:
                unreadable.append(error)
                continue
            if isinstance(look, str):
                return not_checked(claim, look, Place(picture.id))
            looks.append(look)
        best = min(looks, key=lambda look: look.absent, default=None)
        if best is None:
            return not_checked(claim, str(unreadable[0]))
        if unreadable and best.absent >= self.calibration.threshold:
            # It may be in the picture that could not be opened.
            return not_checked(claim, str(unreadable[0]), Place(unreadable[0].evidence))
        return self._finding(claim, best, pictures)

    def _look(self, picture: EvidenceFile, claim: Claim) -> _Look | str:
        """What the picture says, or the reason why nothing here can tell."""
        classes, match = classes_of(claim)
        if not classes or self._coco is None:
            return self._ask_clip(picture, claim) if self._clip is not None else self._without_coco or NO_OPEN_VOCABULARY
        look = self._ask_coco(picture, claim, classes)
        if match == "near" and look.absent >= self.calibration.threshold:
            if self._clip is not None:
                return self._ask_clip(picture, claim)
            return f"{claim.text!r} can mean more than the {' or '.join(classes)} that was looked for; {NO_OPEN_VOCABULARY}"
        return look

    def _ask_coco(self, picture: EvidenceFile, claim: Claim, classes: tuple[str, ...]) -> _Look:
        sight = self._sight(picture)
        evidence = max(sight.evidence[name] for name in classes)
        peak = max(sight.best[name] for name in classes)
        box = next(iter(sight.boxes_of(classes)), None)
        shown = box if box is not None and box.score >= SHOWN_SCORE else None
        noun = _noun(claim)
        strongest = max(classes, key=lambda name: sight.evidence[name])
        found = _found(noun) if noun == strongest else f"{_found(strongest)} for {noun!r}"
        return _Look(
            absent=self.calibration.apply(-evidence),
            sure=box.score if box is not None else 0.0,
            place=Place(picture.id, shown.region if shown else None),
            seen=f"{found} in the picture (detection score {peak:.2f})",
            missing=f"No {noun} {_was(noun)} found in the picture: the best match scores {peak:.2f}",
        )

    def _ask_clip(self, picture: EvidenceFile, claim: Claim) -> _Look:
        assert self._clip is not None  # noqa: S101 - both callers have just asked
        image = open_picture(picture)
        noun = _noun(claim)
        colours = tuple(claim.facts.get("attributes", ()))
        support: Support = self._clip.verify(image, picture.sha256, noun, colours, self._proposals(picture))
        named = " ".join([*colours, noun])
        return _Look(
            absent=1.0 - support.probability,
            sure=support.probability,
            place=Place(picture.id, support.region),
            seen=f"A region of the picture matches {named!r} better than its rivals (probability {support.probability:.2f})",
            missing=f"No region of the picture matches {named!r}: the best one fits {support.rival!r} better or as well "
            f"(probability {support.probability:.2f})",
        )

    def _finding(self, claim: Claim, look: _Look, pictures: Sequence[EvidenceFile]) -> Finding:
        threshold = self.calibration.threshold
        if claim.facts.get("negated"):
            return self._negated(claim, look)
        if look.absent < threshold:
            return self._supported(claim, look, pictures)
        if claim.facts.get("depicted"):
            return not_checked(claim, "only a likeness of it is claimed, which a detector of real things may not see", look.place)
        score = look.absent
        if claim.facts.get("hedged"):
            odds = HEDGED_ODDS * score / max(1e-9, 1 - score)
            score = odds / (1 + odds)
        verdict: Verdict = "hallucinated" if score >= threshold else "supported"
        error = "object" if verdict == "hallucinated" else None
        return Finding(claim, verdict, score, f"{look.missing}.", look.place, error)

    def _negated(self, claim: Claim, look: _Look) -> Finding:
        """The answer says it is not there: wrong only where it clearly is."""
        threshold = self.calibration.threshold
        score = 1.0 - look.absent
        if score >= threshold and claim.facts.get("narrowed"):
            return not_checked(
                claim, "the answer denies only one of a kind, in a place or doing something; another one is seen", look.place
            )
        if score >= threshold and look.sure < CLEARLY_THERE:
            return not_checked(claim, "the answer says it is absent, and the picture does not clearly show otherwise", look.place)
        if score >= threshold:
            return Finding(claim, "hallucinated", score, f"The answer says there is none, but {_lower(look.seen)}.", look.place, "object")
        return Finding(claim, "supported", score, f"{look.missing}, as the answer says.", look.place)

    def _supported(self, claim: Claim, look: _Look, pictures: Sequence[EvidenceFile]) -> Finding:
        """The thing is there: what else the answer says of it may still be wrong."""
        classes, match = classes_of(claim)
        if self._coco is None or not classes or len(pictures) != 1 or claim.facts.get("hedged") or claim.facts.get("depicted"):
            return Finding(claim, "supported", look.absent, f"{look.seen}.", look.place)
        boxes = self._sight(pictures[0]).boxes_of(classes)
        told: Objection | str | None = miscounted(claim, _noun(claim), match, boxes)
        if told is None and claim.facts.get("attributes"):
            told = miscoloured(claim, _noun(claim), open_picture(pictures[0]), boxes)
        if isinstance(told, Objection):
            return Finding(claim, "hallucinated", told.score, told.explanation, Place(pictures[0].id, told.region), "value")
        return Finding(claim, "supported", look.absent, f"{look.seen}. {told}." if told else f"{look.seen}.", look.place)

    def _sight(self, picture: EvidenceFile) -> Sight:
        return eyes_of(self.options).sight(picture)


def _noun(claim: Claim) -> str:
    return str(claim.facts.get("noun") or claim.text)


def _was(noun: str) -> str:
    return "were" if noun in _PLURAL else "was"


def _found(noun: str) -> str:
    if noun in _PLURAL | _UNCOUNTED:
        return f"{noun.capitalize()} {_was(noun)} found"
    return f"{'An' if noun[:1] in 'aeiou' else 'A'} {noun} was found"


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]

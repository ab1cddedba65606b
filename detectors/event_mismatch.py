"""Catches answers that tell of an event the video does not show, or place it at the wrong time.

The video is cut into scenes and frames of each are looked at. What an event claim names is looked for in the stretch
it states and in the rest: COCO objects, how many people, a black-and-white picture, words on the screen, and, where an
open_clip model is configured, the described scene as a whole. An event whose things are seen elsewhere and not in its
stretch has a wrong time; one whose things are not seen in it at all is no event of the video; and where one event
turns out to lie in the stretch of another, and that other fits the first one's, the two are exchanged.

Words on the screen are read inside and outside the stretch: letters with some tolerance, figures exactly. The same words with
other figures are an event error; words that are read nowhere prove nothing.

Without open_clip weights actions are judged only by the things they name. Wrong when a thing is tiny, hidden or seen
for less than a second (false alarms); when the same thing takes part in several events, when the answer calls the
right thing's action by a wrong name, or tells a wrong order within one scene (misses).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from detectors.calibration import Calibration
from detectors.claims import events
from detectors.claims.moments import clock_text
from detectors.contract import (
    Case,
    Claim,
    Detector,
    DetectorOptions,
    EvidenceFile,
    EvidenceUnreadable,
    Finding,
    Interval,
    Place,
    not_checked,
)
from detectors.seeing.verifiers import open_verifiers
from detectors.watching.captions import CaptionReader
from detectors.watching.facets import Facet, described, facets_of
from detectors.watching.looks import Describer, Seer, Viewing, Watcher
from detectors.watching.verdict import Judged, fits, judge, share_inside, window_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

NO_OPEN_VOCABULARY = "no open-vocabulary weights are configured and the event names nothing the COCO detector knows"
# A stated time this far behind the end of the video is wrong whatever happens in it.
BEYOND_S = 1.5
BEYOND_END = 0.97
# An exchange rests on the other event's sighting: it is less sure by these odds.
EXCHANGED_ODDS = 0.5
FITS = 0.5
CLEARLY_BETTER = 0.1


@dataclass(frozen=True, slots=True)
class _Event:
    """A claim with what can be looked for and how that went."""

    claim: Claim
    facets: tuple[Facet, ...]
    window: Interval | None
    judged: Judged


class EventMismatch(Detector):
    """Judges event claims against videos."""

    name: ClassVar[str] = "event_mismatch"
    version: ClassVar[str] = "1.2.0"
    kinds: ClassVar[frozenset[str]] = frozenset({"event"})
    families: ClassVar[frozenset[str]] = frozenset({"video"})
    seconds_per_case: ClassVar[float] = 15.0

    def __init__(self, options: DetectorOptions) -> None:
        super().__init__(options)
        self._coco: Seer | None = None
        self._describer: Describer | None = None
        self._without_coco = ""
        self._objects = Calibration.load("object_hallucination")
        self._captions = CaptionReader(options)
        self._watcher = Watcher(None, None)

    def load(self) -> None:
        """Load the COCO detector, and CLIP where it is configured. One of them is enough."""
        self._coco, self._describer, self._without_coco = open_verifiers(self.options, self.name)
        self._watcher = Watcher(self._coco, self._describer)

    @property
    def weights_version(self) -> str:
        """COCO detector and CLIP model, as far as loaded."""
        return " ".join(part.version for part in (self._coco, self._describer) if part is not None)

    def raw_score(self, finding: Finding) -> float:
        """What the calibration maps to the score of a finding that has one."""
        return (_logit(finding.score or 0.0) - self.calibration.intercept) / self.calibration.slope

    def judge(self, case: Case, claims: Sequence[Claim]) -> list[Finding]:
        """One finding a claim. With several videos an event is wrong only where every one of them speaks against it."""
        read = [_understood(claim) for claim in claims]
        by_video: list[list[Finding]] = []
        for video in case.evidence_of(*self.families):
            try:
                by_video.append(self._judge_in(video, read))
            except EvidenceUnreadable as error:
                by_video.append([not_checked(claim, str(error), Place(error.evidence)) for claim in read])
        videos = [video.id for video in case.evidence_of(*self.families)]
        return [
            replace(_kindest(claim, videos, found), claim=claim) for claim, found in zip(claims, zip(*by_video, strict=True), strict=True)
        ]

    def _judge_in(self, video: EvidenceFile, claims: Sequence[Claim]) -> list[Finding]:
        duration = self._watcher.duration_of(video)
        windows = [window_of(_timed(claim, video), duration) for claim in claims]
        inside = [window for window in windows if window is not None and window[1] > window[0]]
        viewing = self._watcher.watch(video, inside)
        found = [self._event(viewing, claim, window, claims) for claim, window in zip(claims, windows, strict=True)]
        return [self._finding(viewing, event) for event in _exchanged(viewing, found)]

    def _event(self, viewing: Viewing, claim: Claim, window: Interval | None, claims: Sequence[Claim]) -> _Event:
        facts = claim.facts
        stretch = window or (0.0, viewing.duration_s)
        start = _timed(claim, viewing.evidence).get("start_s")
        if start is not None and start > viewing.duration_s + BEYOND_S:
            return _Event(claim, (), window, Judged("nowhere", BEYOND_END, stretch, stretch, reason=_beyond(viewing, start)))
        if facts.get("negated") or any(thing.get("negated") for thing in facts.get("objects", ())):
            return _Event(claim, (), window, _unclear(stretch, "it denies that something happens, which samples of a video cannot prove"))
        facets = facets_of(facts, self._objects, has_coco=self._coco is not None)
        if facts.get("texts"):
            facets += self._captions.facets(viewing, facts["texts"], stretch)
        if self._describer is not None and facts.get("description"):
            others = [str(other.facts.get("description")) for other in claims if other.facts.get("description")]
            facets.append(described(self._describer, facts["description"], others))
        if not facets:
            return _Event(claim, (), window, _unclear(stretch, self._without_coco or NO_OPEN_VOCABULARY))
        return _Event(claim, tuple(facets), window, judge(viewing, facets, window))

    def _finding(self, viewing: Viewing, event: _Event) -> Finding:
        judged, claim = event.judged, event.claim
        if judged.wrong is None:
            return not_checked(claim, judged.reason, Place(viewing.evidence.id, time=_whole(judged.window)))
        score = self.calibration.apply(_logit(judged.wrong))
        place = Place(viewing.evidence.id, time=_whole(judged.place))
        if judged.state == "seen":
            verdict: Any = "supported" if score < self.calibration.threshold else "hallucinated"
            return Finding(claim, verdict, score, _seen(judged), place, None if verdict == "supported" else "event")
        error = "time" if judged.state == "elsewhere" or not event.facets else "event"
        return Finding(claim, "hallucinated", score, judged.reason or _wrong(judged, stated=event.window is not None), place, error)


def _understood(claim: Claim) -> Claim:
    """A caller's own event claim without facts is read as a sentence of its own."""
    if "description" in claim.facts:
        return claim
    parts = events.find(claim.text)
    return replace(claim, facts=parts[0].facts) if len(parts) == 1 else replace(claim, facts={"description": claim.text})


def _timed(claim: Claim, video: EvidenceFile) -> Mapping[str, Any]:
    """The claim's facts; where its words state no time, the time its citation of this video gives."""
    cited = next((place.time for place in claim.citations if place.evidence == video.id and place.time is not None), None)
    stated = any(claim.facts.get(name) is not None for name in ("start_s", "last_s", "share"))
    return claim.facts if stated or cited is None else {**claim.facts, "start_s": cited[0], "end_s": cited[1]}


def _exchanged(viewing: Viewing, found: Sequence[_Event]) -> list[_Event]:
    """The events; of two where one was seen in the stretch of the other, the other too is moved if it fits there as well."""
    settled = list(found)
    for number, event in enumerate(found):
        window = event.window
        if window is None or event.judged.state not in ("seen", "unclear") or event.claim.facts.get("negated"):
            continue
        movers = [
            other
            for other in found
            if other.window is not None
            and other.judged.state == "elsewhere"
            and share_inside(window, other.judged.place) >= 0.5
            and share_inside(window, other.window) == 0.0
        ]
        if len(movers) == 1 and movers[0].window is not None and _fits_better(viewing, event, window, movers[0]):
            judged = _exchange(window, movers[0].window, movers[0].judged)
            settled[number] = replace(event, judged=judged) if (judged.wrong or 0.0) > 0.5 else event
    return settled


def _fits_better(viewing: Viewing, event: _Event, own: Interval, mover: _Event) -> bool:
    """Whether the mover's stretch suits an event: as well as its own where the mover was recognised by something
    telling, clearly better where the mover showed no more than people, or the event was itself seen in its own."""
    assert mover.window is not None  # noqa: S101 - the caller has just asked
    there, here = fits(viewing, event.facets, mover.window), fits(viewing, event.facets, own)
    telling = any(facet.specific and facet.name in mover.judged.names for facet in mover.facets)
    alike = telling and event.judged.state == "unclear"
    return there >= FITS and there >= here + (-CLEARLY_BETTER if alike else CLEARLY_BETTER)


def _exchange(own: Interval, other: Interval, mover: Judged) -> Judged:
    odds = EXCHANGED_ODDS * math.exp(_logit(mover.wrong or 0.5))
    reason = (
        f"What the answer places in {_clock(other)} is seen at {_clock(mover.place)}, within the stretch given for this event: "
        "the two seem to be exchanged."
    )
    return Judged("elsewhere", odds / (1 + odds), own, other, reason=reason)


def _kindest(claim: Claim, videos: Sequence[str], found: Sequence[Finding]) -> Finding:
    cited = {place.evidence for place in claim.citations} & set(videos)
    mine = [finding for video, finding in zip(videos, found, strict=True) if not cited or video in cited]
    open_ones = [finding for finding in mine if finding.score is None]
    scored = [finding for finding in mine if finding.score is not None]
    best = min(scored, key=lambda finding: finding.score or 0.0, default=None)
    # It may happen in the video that could not be judged.
    return best if best is not None and (best.verdict == "supported" or not open_ones) else open_ones[0]


def _unclear(stretch: Interval, reason: str) -> Judged:
    return Judged("unclear", None, stretch, stretch, reason=reason)


def _beyond(viewing: Viewing, start_s: float) -> str:
    return f"The video ends at {clock_text(viewing.duration_s)}, before the stated {clock_text(start_s)}."


def _seen(judged: Judged) -> str:
    return f"{_listed(judged.names)} seen at {_clock(judged.place)}."


def _wrong(judged: Judged, *, stated: bool) -> str:
    if judged.state == "elsewhere":
        return f"{_listed(judged.names)} seen at {_clock(judged.place)}, not in {_clock(judged.window)}."
    none = " and no ".join(name.split(" ", 1)[-1] for name in judged.names)
    return f"No {none} was seen in {_clock(judged.window) if stated else 'the video'}."


def _listed(names: Sequence[str]) -> str:
    listed = " and ".join(names)
    return f"{listed[:1].upper()}{listed[1:]} {'are' if len(names) > 1 or listed.startswith('two ') else 'is'}"


def _clock(stretch: Interval) -> str:
    first, last = clock_text(round(stretch[0])), clock_text(round(stretch[1]))
    return first if first == last else f"{first}–{last}"


def _whole(stretch: Interval) -> Interval:
    return round(stretch[0], 2), round(stretch[1], 2)


def _logit(chance: float) -> float:
    inside = min(1 - 1e-6, max(1e-6, chance))
    return math.log(inside / (1 - inside))

"""Catches citations that lead nowhere, or to a place that does not say what is cited for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from detectors.calibration import Calibration
from detectors.citing import misheard
from detectors.citing.bearing import Bearing, BearingScorer
from detectors.citing.pages import PRINTED_KINDS, READ, PageCheck, on_page
from detectors.citing.places import Flaw, flaw_of, span_flaw
from detectors.citing.regions import Pointed, pointed
from detectors.citing.sources import Sources, name_of
from detectors.citing.spoken import meant, overlap, points_at
from detectors.citing.stated import stated_time, without_times
from detectors.citing.statements import attributable, statement_text
from detectors.citing.texts import SourceText, TextSources
from detectors.claims.citing import without_marks
from detectors.claims.moments import clock_text
from detectors.contract import (
    Case,
    Claim,
    Detector,
    DetectorError,
    DetectorOptions,
    DetectorUnavailable,
    EvidenceFile,
    Finding,
    Interval,
    Place,
    Region,
    not_checked,
)
from detectors.grounding.passages import Source, passages_of
from detectors.hearing.ears import transcriber_of
from detectors.seeing.sights import eyes_of

# A link that does not hold is an error by definition; only the reading of the citation may be wrong.
BROKEN = 0.97
# A value that is printed at the cited place, as far as the page reader goes.
PRINTED = 0.05
# A thing found in the cited region, and one found only apart from it (benchmarks/TUNING.md, citation_mismatch).
SHOWN, APART = 0.05, 0.9
# What is seen or heard rather than read, and what is seen rather than heard: left to the detectors for it.
_SEEN = frozenset({"object", "event", "speaker", "trend"})
_NOT_SAID = frozenset({"object", "event", "trend", "text"})
_HEARD = ("audio", "video")
_HEARING_S, _LOOKING_S = 5.0, 1.2


@dataclass(frozen=True)
class Read:
    """A cited source as text: all of it, and only what the citation points to (None: it points to no part).

    ``window`` is the time cited in a recording.
    """

    piece: EvidenceFile
    text: SourceText
    whole: Source
    part: Source | None
    window: Interval | None = None


@dataclass
class Followed:
    """What became of the citations of one claim.

    Sources read as text, values looked up on pages, things looked for in regions of pictures, and why others were not followed.
    """

    read: list[Read] = field(default_factory=list)
    pages: list[PageCheck] = field(default_factory=list)
    regions: list[Pointed] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


class CitationMismatch(Detector):
    """Follows every citation: the evidence is there and unaltered, the place lies inside it, and it says what it is cited for.

    Broken links (unknown or altered evidence, page, time, region or span outside it, a quote that does not stand there) are
    found by rule. Whether the cited words bear the statement out is the support scorer's judgement, first of the cited
    span, page or region, then of the whole source, so that "it stands elsewhere in the same source" is told apart. Sources
    cited together may support together. Values cited to a region of a page are compared with what is printed there, and
    things cited to a region of a picture with the boxes an object detector finds. Recordings and the sound of videos are
    heard anew: what is said in the cited window is held against the claim, then the rest of the recording; a statement that
    gives the time itself ("At 0:15 …") points there as a citation does, and only a wrong time is found wrong.
    Statements without a citation are flagged only in workflows named in ``citation_required_workflows``.

    It is wrong when a statement follows from its source by a step of reasoning or in quite other words; when a source
    speaks of the same thing in the same words and yet says something else; when pages are numbered other than from
    their start and the numbers cannot be read; when an answer numbers its sources in an order it does not state. Of
    recordings: when two places say nearly the same, or a window holds words of the claim said of something else (misses).
    Of pictures: when the detector misses the very thing that is pointed at, small or half hidden among others of its kind
    (false alarms), and when the region of another thing encloses the claimed one (misses). Whether a quote is said at
    all, and whether a thing is in the picture at all, is left to ``quote_mismatch`` and ``object_hallucination``.
    """

    name: ClassVar[str] = "citation_mismatch"
    version: ClassVar[str] = "1.4.1"
    kinds: ClassVar[frozenset[str]] = frozenset({"object", "text", "quantity", "entity", "quote", "speaker", "event", "trend", "statement"})
    families: ClassVar[frozenset[str]] = frozenset({"text", "pdf", "image", "audio", "video", "other"})
    seconds_per_case: ClassVar[float] = 0.15
    accounts_for_missing: ClassVar[bool] = True

    def __init__(self, options: DetectorOptions) -> None:
        super().__init__(options)
        self._texts = TextSources(options)
        self._scorer = BearingScorer(options.threads)
        self._unable: str | None = None
        self._absent = Calibration.load("object_hallucination")

    def load(self) -> None:
        """Loads the encoder. Without it links are still followed, and what cited texts say stays unchecked with the remedy."""
        try:
            self._scorer.load()
        except DetectorUnavailable as error:
            self._unable = str(error)

    @property
    def weights_version(self) -> str:
        """The encoder's and the recogniser's, or that only links are followed."""
        return "links" if self._unable else f"{self._scorer.version} {transcriber_of(self.options)}"

    @classmethod
    def stated_costs(cls) -> dict[str, float]:
        """What is heard costs most, then what is seen."""
        costs = dict.fromkeys(sorted(cls.families), cls.seconds_per_case)
        return costs | dict.fromkeys(_HEARD, _HEARING_S) | {"image": _LOOKING_S}

    def concerns(self, case: Case) -> bool:
        """Any evidence at all, there or not."""
        return super().concerns(case) or bool(case.missing)

    def claims_for(self, case: Case) -> list[Claim]:
        """Claims that cite something; in workflows that require citations all statements."""
        sources = Sources(case)
        statements = {claim.id for claim in attributable(case, self.kinds)}
        required = self._required(case)
        return [
            claim
            for claim in case.claims
            if claim.citations or (claim.id in statements and (required or sources.cited_by(claim) or stated_time(case, claim)))
        ]

    def judge(self, case: Case, claims: Sequence[Claim]) -> list[Finding]:
        """One finding a claim: the first broken link, else whether the cited places say it."""
        sources = Sources(case)
        return [self._finding(case, claim, sources) for claim in claims]

    def _required(self, case: Case) -> bool:
        return case.workflow in self.options.citation_required_workflows

    def _finding(self, case: Case, claim: Claim, sources: Sources) -> Finding:
        cited = sources.cited_by(claim)
        if not cited:
            return self._uncited(case, claim)
        for one in cited:
            if one.problem is not None:
                return self._broken(claim, f"{_sentence(one.problem)}.")
            if one.missing is not None and one.missing.altered:
                return self._broken(claim, f"It cites {name_of(one.missing)}, which was altered: {one.missing.problem}.")
        followed = Followed(unread=[one.missing.problem for one in cited if one.missing])
        for one in cited:
            if one.place is None or one.missing:
                continue
            piece = sources.evidence(one.place.evidence)
            try:
                flaw = flaw_of(piece, one.place) or self._follow(claim, piece, one.place, followed)
            except DetectorError as error:
                followed.unread.append(str(error))
                continue
            if flaw is not None:
                return self._broken(claim, f"The citation of {name_of(piece)} does not hold: {flaw.problem}.", flaw.found, flaw.error)
        if followed.pages:
            return self._printed(claim, followed)
        if followed.regions:
            return self._shown(claim, followed)
        if not followed.read or self._unable:
            return not_checked(claim, "; ".join(dict.fromkeys([*followed.unread, *([self._unable] if self._unable else [])])))
        quoted = claim.facts.get("quote") if claim.kind == "quote" else None
        return self._borne_out(claim, str(quoted or statement_text(case, claim)), followed)

    def _uncited(self, case: Case, claim: Claim) -> Finding:
        stated = None if self._required(case) else stated_time(case, claim)
        if stated is not None:
            return self._said_then(claim, *stated)
        return self._broken(claim, f"No source is cited for it, and the workflow {case.workflow!r} requires one.")

    def _said_then(self, claim: Claim, recording: EvidenceFile, stated: Interval) -> Finding:
        """A statement that says itself when it is heard: only a wrong time is this detector's to find."""
        followed = Followed()
        try:
            self._follow(claim, recording, Place(recording.id, time=stated), followed)
        except DetectorError as error:
            return not_checked(claim, str(error))
        if self._unable:
            return not_checked(claim, self._unable)
        finding = self._borne_out(claim, without_times(without_marks(claim.text)), followed)
        if finding.verdict == "hallucinated" and finding.error != "time":
            return not_checked(claim, "it is not heard at any time in these words; whether it is said, ungrounded_statement judges")
        return finding

    def _follow(self, claim: Claim, piece: EvidenceFile, place: Place, followed: Followed) -> Flaw | None:
        """Read what is cited. Raises EvidenceUnreadable, and DetectorUnavailable where the page reader is not installed."""
        if piece.family == "other":
            followed.unread.append("evidence of this type cannot be read here")
            return None
        if piece.family in _HEARD and claim.kind in _NOT_SAID:
            followed.unread.append(f"a claim of the kind {claim.kind!r} is seen in {name_of(piece)}, not heard")
            return None
        if piece.family == "image" and claim.kind == "object" and place.region is not None:
            followed.regions.append(self._point(claim, piece, place.region))
            return None
        text = self._texts.read(piece)
        if not text.spoken and (flaw := span_flaw(text, place)) is not None:
            return flaw
        if claim.kind in PRINTED_KINDS and text.lines:
            followed.pages.append(on_page(claim, text, place))
            return None
        if claim.kind in _SEEN and text.lines:
            followed.unread.append(f"a claim of the kind {claim.kind!r} is seen on {name_of(piece)}, not read")
            return None
        window = meant(place.time) if text.spoken and place.time is not None else None
        pointed_to = replace(place, time=window)
        only = text.only(pointed_to)
        part = None
        if only is not None:
            part = passages_of(replace(text, text=only), f"{piece.sha256}:{place.page}:{place.region}:{place.span}:{window}")
        followed.read.append(Read(piece, text, passages_of(text, piece.sha256), part, window))
        return None

    def _point(self, claim: Claim, piece: EvidenceFile, region: Region) -> Pointed:
        try:
            eyes = eyes_of(self.options)
        except ModuleNotFoundError as error:
            raise DetectorUnavailable(self.name, f"Python package {error.name}", "pip install 'groundwatch[lite]'") from error
        return pointed(claim, piece, region, eyes, self._absent)

    def _borne_out(self, claim: Claim, text: str, followed: Followed) -> Finding:
        read, calibration = followed.read, self.calibration
        cited = [one.part or one.whole for one in read]
        names = " and ".join(dict.fromkeys(name_of(one.piece) for one in read))
        found, score = None, BROKEN
        if any(source.passages for source in cited):
            found = self._scorer.bearing(text, cited)
            score = found.score(calibration)
        if found is not None and score < calibration.threshold:
            place = self._place(found, read)
            if misheard.mumbled(found.support.passages[0]):
                return not_checked(claim, f"the recogniser is not sure of what is said there: “{_quote(place)}”", place)
            if place is not None and place.time is not None:
                return Finding(claim, "supported", score, f"{names} says at that time: “{_quote(place)}”.", place)
            return Finding(claim, "supported", score, f"{names}, cited for it, bears it out.", place)
        if any(one.part is not None for one in read):
            whole = self._scorer.bearing(text, [one.whole for one in read])
            place = self._place(whole, read)
            if whole.score(calibration) < calibration.threshold and place is not None:
                if place.time is not None:
                    return self._said_elsewhere(claim, whole, place, read, score)
                told = f"The cited place in {names} does not say it; the same source says it elsewhere{_where(place)}."
                return Finding(claim, "hallucinated", score, told, place, error="source")
        if followed.unread:
            return not_checked(claim, f"{names} does not bear it out, and another cited source may: {'; '.join(followed.unread)}")
        if any(one.piece.family == "image" for one in read):
            return not_checked(claim, f"{names} does not say it in words, and a picture may show it")
        if any(one.text.spoken for one in read):
            doubt = self._not_refuted(claim, text, read)
            if doubt is not None:
                return not_checked(claim, doubt, self._place(found, read))
        lacks = found.support.missing() if found is not None else ""
        told = f"{names}, cited for it, does not bear it out{f': {lacks}' if lacks else ''}."
        return Finding(claim, "hallucinated", score, told, self._place(found, read), error="unsupported")

    def _said_elsewhere(self, claim: Claim, whole: Bearing, place: Place, read: Sequence[Read], score: float) -> Finding:
        """The recording says it at another time than cited, or at one the window means all the same."""
        found = place.time or (0.0, 0.0)
        window = next((one.window for one in read if one.piece.id == place.evidence and one.window), found)
        where = f"{clock_text(found[0])} to {clock_text(found[1])}"
        if points_at(window, found):
            told = f"It is said at {where}, which the time given means: “{_quote(place)}”."
            return Finding(claim, "supported", whole.score(self.calibration), told, place)
        if misheard.mumbled(whole.support.passages[0]):
            return not_checked(claim, f"the recogniser is not sure of what is said at {where}: “{_quote(place)}”", place)
        shared = overlap(window, found)
        if shared > 0:
            return not_checked(claim, f"it is said at {where}, only a part of which is in the time given", place)
        told = f"It is not said at the time given but at {where}: “{_quote(place)}”; the two share {shared:.0%} of their time (IoU)."
        return Finding(claim, "hallucinated", score, told, place, error="time")

    def _not_refuted(self, claim: Claim, text: str, read: Sequence[Read]) -> str | None:
        """Why a claim that a recording does not bear out is not wrong for that; None where it is."""
        spoken = [one for one in read if one.text.spoken]
        if claim.kind != "statement":
            return "it is said nowhere in the cited recording as far as can be heard; whether it is said at all, quote_mismatch judges"
        if any(one.piece.family == "video" for one in spoken):
            return "it is not said in the cited video, which may show it"
        whole = self._scorer.bearing(text, [one.whole for one in read])
        return misheard.doubt(whole.support, [one.piece for one in spoken], self.options)

    @staticmethod
    def _shown(claim: Claim, followed: Followed) -> Finding:
        """A thing cited to a region of a picture, by the boxes that are found."""
        best = next((one for one in followed.regions if one.right), None)
        if best is not None:
            return Finding(claim, "supported", SHOWN, f"{best.told}.", best.place)
        unclear = next((one for one in followed.regions if one.right is None), None)
        if unclear is not None:
            return not_checked(claim, unclear.told, unclear.place)
        wrong = followed.regions[0]
        return Finding(claim, "hallucinated", APART, f"{wrong.told}.", wrong.place, error="source")

    def _printed(self, claim: Claim, followed: Followed) -> Finding:
        """A value cited to a page or a region, by what the page reader reads there."""
        best = min(followed.pages, key=lambda check: 1.0 if check.here is None else check.here)
        if best.here is not None and best.here < READ:
            return Finding(claim, "supported", PRINTED, f"It is printed at the cited place: “{_quote(best.place)}”.", best.place)
        elsewhere = min(followed.pages, key=lambda check: 1.0 if check.anywhere is None else check.anywhere)
        if elsewhere.anywhere is None or elsewhere.anywhere >= READ or elsewhere.place is None:
            return not_checked(claim, "it is read nowhere in the cited source; ocr_mismatch judges whether it is printed at all")
        told = (
            f"It is not printed at the cited place but elsewhere in the source{_where(elsewhere.place)}; "
            f"the two places share {elsewhere.shared:.0%} of their area."
        )
        return self._broken(claim, told, elsewhere.place)

    @staticmethod
    def _broken(claim: Claim, told: str, place: Place | None = None, error: str = "source") -> Finding:
        return Finding(claim, "hallucinated", BROKEN, told, place, error=error)

    @staticmethod
    def _place(found: Bearing | None, read: Sequence[Read]) -> Place | None:
        """The best passage as a place in its source."""
        if found is None or not found.support.passages:
            return None
        passage = found.support.passages[0]
        text = next(one.text for one in read if one.piece.id == passage.evidence)
        return text.place(passage.span) if passage.span else None


def _sentence(problem: str) -> str:
    return problem[0].upper() + problem[1:]


def _quote(place: Place | None) -> str:
    return (place.quote or "") if place else ""


def _where(place: Place) -> str:
    page = f" on page {place.page}" if place.page else ""
    return f"{page}: “{_quote(place)}”"

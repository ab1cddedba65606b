"""Catches citations that lead nowhere, or to a place that does not say what is cited for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from detectors.citing.bearing import Bearing, BearingScorer
from detectors.citing.pages import PRINTED_KINDS, READ, PageCheck, on_page
from detectors.citing.places import Flaw, flaw_of, span_flaw
from detectors.citing.sources import Sources, name_of
from detectors.citing.statements import attributable, statement_text
from detectors.citing.texts import SourceText, TextSources
from detectors.contract import (
    Case,
    Claim,
    Detector,
    DetectorError,
    DetectorOptions,
    DetectorUnavailable,
    EvidenceFile,
    Finding,
    Place,
    not_checked,
)
from detectors.grounding.passages import Source, source_of

# A link that does not hold is an error by definition; only the reading of the citation may be wrong.
BROKEN = 0.97
# A value that is printed at the cited place, as far as the page reader goes.
PRINTED = 0.05
# What is seen or heard rather than read, and left to the detectors for it.
_SEEN = frozenset({"object", "event", "speaker", "trend"})
_LEFT = {
    "audio": "what a recording says is not compared here: quote_mismatch listens to it",
    "video": "what a video shows is not compared here: event_mismatch watches it",
    "other": "evidence of this type cannot be read here",
}


@dataclass(frozen=True)
class Read:
    """A cited source as text: all of it, and only what the citation points to (None: it points to no part)."""

    piece: EvidenceFile
    text: SourceText
    whole: Source
    part: Source | None


@dataclass
class Followed:
    """What became of the citations of one claim: sources read as text, values looked up on pages, and why others were not followed."""

    read: list[Read] = field(default_factory=list)
    pages: list[PageCheck] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


class CitationMismatch(Detector):
    """Follows every citation: the evidence is there and unaltered, the place lies inside it, and it says what it is cited for.

    Broken links (unknown or altered evidence, page, time, region or span outside it, a quote that does not stand there) are
    found by rule. Whether the cited words bear the statement out is the support scorer's judgement, first of the cited
    span, page or region, then of the whole source, so that "it stands elsewhere in the same source" is told apart. Sources
    cited together may support together. Values cited to a region of a page are compared with what is printed there.
    Statements without a citation are flagged only in workflows named in ``citation_required_workflows``.

    It is wrong when a statement follows from its source by a step of reasoning or in quite other words; when a source
    speaks of the same thing in the same words and yet says something else; when pages are numbered other than from
    their start and the numbers cannot be read; when an answer numbers its sources in an order it does not state.
    Recordings, and pictures without text, are left to the detectors that hear and see.
    """

    name: ClassVar[str] = "citation_mismatch"
    version: ClassVar[str] = "1.2.0"
    kinds: ClassVar[frozenset[str]] = frozenset({"object", "text", "quantity", "entity", "quote", "speaker", "event", "trend", "statement"})
    families: ClassVar[frozenset[str]] = frozenset({"text", "pdf", "image", "audio", "video", "other"})
    seconds_per_case: ClassVar[float] = 0.15
    accounts_for_missing: ClassVar[bool] = True

    def __init__(self, options: DetectorOptions) -> None:
        super().__init__(options)
        self._texts = TextSources(options)
        self._scorer = BearingScorer(options.threads)
        self._unable: str | None = None

    def load(self) -> None:
        """Loads the encoder. Without it links are still followed, and what cited texts say stays unchecked with the remedy."""
        try:
            self._scorer.load()
        except DetectorUnavailable as error:
            self._unable = str(error)

    @property
    def weights_version(self) -> str:
        """The encoder's, or that only links are followed."""
        return "links" if self._unable else self._scorer.version

    def concerns(self, case: Case) -> bool:
        """Any evidence at all, there or not."""
        return super().concerns(case) or bool(case.missing)

    def claims_for(self, case: Case) -> list[Claim]:
        """Claims that cite something; in workflows that require citations all statements."""
        sources = Sources(case)
        statements = {claim.id for claim in attributable(case, self.kinds)}
        required = self._required(case)
        return [claim for claim in case.claims if claim.citations or (claim.id in statements and (required or sources.cited_by(claim)))]

    def judge(self, case: Case, claims: Sequence[Claim]) -> list[Finding]:
        """One finding a claim: the first broken link, else whether the cited places say it."""
        sources = Sources(case)
        return [self._finding(case, claim, sources) for claim in claims]

    def _required(self, case: Case) -> bool:
        return case.workflow in self.options.citation_required_workflows

    def _finding(self, case: Case, claim: Claim, sources: Sources) -> Finding:
        cited = sources.cited_by(claim)
        if not cited:
            return self._broken(claim, f"No source is cited for it, and the workflow {case.workflow!r} requires one.")
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
        if not followed.read or self._unable:
            return not_checked(claim, "; ".join(dict.fromkeys([*followed.unread, *([self._unable] if self._unable else [])])))
        return self._borne_out(claim, statement_text(case, claim), followed)

    def _follow(self, claim: Claim, piece: EvidenceFile, place: Place, followed: Followed) -> Flaw | None:
        """Read what is cited. Raises EvidenceUnreadable, and DetectorUnavailable where the page reader is not installed."""
        if (left := _LEFT.get(piece.family)) is not None:
            followed.unread.append(left)
            return None
        text = self._texts.read(piece)
        if (flaw := span_flaw(text, place)) is not None:
            return flaw
        if claim.kind in PRINTED_KINDS and text.lines:
            followed.pages.append(on_page(claim, text, place))
            return None
        if claim.kind in _SEEN and text.lines:
            followed.unread.append(f"a claim of the kind {claim.kind!r} is seen on {name_of(piece)}, not read")
            return None
        only = text.only(place)
        part = None if only is None else source_of(piece.id, only, f"{piece.sha256}:{place.page}:{place.region}:{place.span}")
        followed.read.append(Read(piece, text, source_of(piece.id, text.text, piece.sha256), part))
        return None

    def _borne_out(self, claim: Claim, text: str, followed: Followed) -> Finding:
        read, calibration = followed.read, self.calibration
        cited = [one.part or one.whole for one in read]
        names = " and ".join(dict.fromkeys(name_of(one.piece) for one in read))
        found, score = None, BROKEN
        if any(source.passages for source in cited):
            found = self._scorer.bearing(text, cited)
            score = found.score(calibration)
        if found is not None and score < calibration.threshold:
            return Finding(claim, "supported", score, f"{names}, cited for it, bears it out.", self._place(found, read))
        if any(one.part is not None for one in read):
            whole = self._scorer.bearing(text, [one.whole for one in read])
            place = self._place(whole, read)
            if whole.score(calibration) < calibration.threshold and place is not None:
                told = f"The cited place in {names} does not say it; the same source says it elsewhere{_where(place)}."
                return Finding(claim, "hallucinated", score, told, place, error="source")
        if followed.unread:
            return not_checked(claim, f"{names} does not bear it out, and another cited source may: {'; '.join(followed.unread)}")
        if any(one.piece.family == "image" for one in read):
            return not_checked(claim, f"{names} does not say it in words, and a picture may show it")
        lacks = found.support.missing() if found is not None else ""
        told = f"{names}, cited for it, does not bear it out{f': {lacks}' if lacks else ''}."
        return Finding(claim, "hallucinated", score, told, self._place(found, read), error="unsupported")

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

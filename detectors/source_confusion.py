"""Catches content that the answer attributes to one source and that really comes from another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from detectors.citing.conflicts import conflicts
from detectors.citing.origin import Indexed, Share, Statement, indexed, joint, share, weighed
from detectors.citing.sources import Cited, Sources, name_of
from detectors.citing.statements import attributable, statement_text
from detectors.citing.texts import SourceText, TextSources
from detectors.contract import Case, Claim, Detector, DetectorOptions, EvidenceFile, EvidenceUnreadable, Finding, Place, not_checked

_READ = ("text", "pdf", "image")
# Telling words that only the other source has: with this many, the difference between the sources counts half.
_HALF = 2
# Fewer telling words than this could come from anywhere.
FEWEST_WORDS = 2


@dataclass(frozen=True)
class Source:
    """A source that was read. ``elsewhere`` for one of another request."""

    piece: EvidenceFile
    text: SourceText
    index: Indexed
    elsewhere: bool = False


@dataclass(frozen=True)
class Origin:
    """Where a statement comes from: the cited sources' joint share of it, and the best other source with its share."""

    raw: float
    statement: Statement
    cited: float
    best_cited: tuple[Source, Share]
    other: Source
    other_share: Share


class SourceConfusion(Detector):
    """Compares how much of a statement the cited sources have with how much each other source of the request has.

    It asks where content comes from, not whether it is true: what no source says it leaves to other detectors, and what
    several sources say it calls right whichever of them is cited. Where the sources themselves give different numbers
    for the same thing, its explanation says so, and the answer is not blamed.

    It is wrong when a statement is a paraphrase that shares hardly a word with its own source and by accident some with
    another; when a short statement ("they agreed to wait") could come from anywhere; when two sources differ only in
    words that are no numbers or names; when the answer rightly combines two sources and cites one of them.
    """

    name: ClassVar[str] = "source_confusion"
    version: ClassVar[str] = "1.0.1"
    kinds: ClassVar[frozenset[str]] = frozenset({"statement", "quote", "quantity", "entity", "text", "trend", "event"})
    # Of recordings nothing is read here, but they count where an answer numbers its sources.
    families: ClassVar[frozenset[str]] = frozenset({"text", "pdf", "image", "audio", "video", "other"})
    seconds_per_case: ClassVar[float] = 0.05

    def __init__(self, options: DetectorOptions) -> None:
        super().__init__(options)
        self._texts = TextSources(options)

    def load(self) -> None:
        """Nothing to load: a page reader loads when the first picture among the sources needs it."""

    @property
    def weights_version(self) -> str:
        """No weights; the words themselves."""
        return "words"

    def concerns(self, case: Case) -> bool:
        """At least two sources, or one and those of other requests."""
        own = case.evidence_of(*_READ)
        return bool(own) and len(own) + len(case.neighbours) >= 2

    def claims_for(self, case: Case) -> list[Claim]:
        """Statements that cite something; all statements where sources of other requests are at hand."""
        sources = Sources(case)
        return [claim for claim in attributable(case, self.kinds) if case.neighbours or sources.cited_by(claim)]

    def judge(self, case: Case, claims: Sequence[Claim]) -> list[Finding]:
        """One finding a claim: which source its content comes from."""
        sources = Sources(case)
        read, unread = self._read(case)
        return [self._finding(case, claim, sources.cited_by(claim), read, unread) for claim in claims]

    def origin(self, text: str, cited: Sequence[str], read: Sequence[Source]) -> Origin | None:
        """Where the statement comes from; ``cited`` are ids of sources that were read. None where there is no other source."""
        statement = weighed(text, [source.index for source in read])
        shares = [(source, share(statement, source.index)) for source in read]
        mine = [(source, one) for source, one in shares if source.piece.id in cited and not source.elsewhere]
        others = [(source, one) for source, one in shares if source.piece.id not in cited or source.elsewhere]
        if not mine or not others:
            return None
        best = max(mine, key=lambda pair: pair[1].mean)
        other, other_share = max(others, key=lambda pair: pair[1].mean)
        held = joint(statement, [one for _, one in mine])
        margin = other_share.mean - held
        only_there = len(other_share.has - frozenset().union(*(one.has for _, one in mine)))
        raw = margin * only_there / (only_there + _HALF) if margin > 0 else margin
        return Origin(raw, statement, held, best, other, other_share)

    def _read(self, case: Case) -> tuple[list[Source], dict[str, str]]:
        """The sources as text, and why others could not be read."""
        read: list[Source] = []
        unread: dict[str, str] = {piece.id: piece.problem for piece in case.missing}
        own = case.evidence_of(*_READ)
        for piece in (*own, *case.neighbours):
            try:
                text = self._texts.read(piece)
            except EvidenceUnreadable as error:
                unread[piece.id] = str(error)
                continue
            read.append(Source(piece, text, indexed(text.text), elsewhere=piece not in own))
        return read, unread

    def _finding(self, case: Case, claim: Claim, cited: Sequence[Cited], read: Sequence[Source], unread: dict[str, str]) -> Finding:
        named = [one.place.evidence for one in cited if one.place is not None]
        if cited and not named:
            return not_checked(claim, f"{cited[0].problem}: citation_mismatch reports it")
        for name in named:
            if name in unread:
                return not_checked(claim, unread[name])
        # A statement that cites nothing rests on all sources of its own request.
        own = named or [source.piece.id for source in read if not source.elsewhere]
        text = statement_text(case, claim)
        found = self.origin(text, own, read)
        if found is None:
            return not_checked(claim, "there is no other source it could come from")
        if len(found.statement.weights) < FEWEST_WORDS:
            return not_checked(claim, "it has too few telling words to say where they come from")
        score = self.calibration.apply(found.raw)
        if score >= self.calibration.threshold:
            return self._confused(claim, found, score)
        return self._at_home(claim, text, found, read, score)

    def _confused(self, claim: Claim, found: Origin, score: float) -> Finding:
        source, one = found.other, found.other_share
        place = source.text.place(one.span)
        where = f"source {name_of(source.piece)} of another request of the same customer" if source.elsewhere else name_of(source.piece)
        explanation = (
            f"The content comes from {where}, which has {one.mean:.0%} of its telling words, and not from "
            f"{name_of(found.best_cited[0].piece)}, which is cited for it and has {found.cited:.0%}."
        )
        return Finding(claim, "hallucinated", score, explanation, place, error="source")

    def _at_home(self, claim: Claim, text: str, found: Origin, read: Sequence[Source], score: float) -> Finding:
        source, one = found.best_cited
        others = {other.piece.id: other for other in read if other is not source and not other.elsewhere}
        explanation = (
            f"No other source has more of it than {name_of(source.piece)}: {found.cited:.0%} against {found.other_share.mean:.0%}."
        )
        disputes = conflicts(
            text,
            found.statement,
            one,
            {name: other.text.text for name, other in others.items()},
            {name: other.index for name, other in others.items()},
        )
        if disputes:
            explanation += " The sources themselves disagree: " + "; ".join(
                f"{name_of(others[dispute.source].piece)} gives {dispute.says} where {name_of(source.piece)} gives {dispute.instead_of}: "
                f"“{others[dispute.source].text.place(dispute.span).quote}”"
                for dispute in disputes
            )
        place = source.text.place(one.span) if one.span[1] else Place(source.piece.id)
        return Finding(claim, "supported", score, explanation, place)

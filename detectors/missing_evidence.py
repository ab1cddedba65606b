"""Catches talk of evidence that is not there, answers over evidence nobody could read, and excuses that do not hold."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from detectors.claims import mentions
from detectors.contract import Case, Claim, Detector, DetectorOptions, Finding, Outcome, Place, not_checked
from detectors.presence.stock import Lack, Stock

RULE_SCORES = Path(__file__).parent / "presence" / "rule_scores.json"
NOTHING = "it speaks of no evidence that is missing, and what is attached can be used"
NOTHING_AS_FAR_AS_READ = "it speaks of no evidence that is missing"
_DENIED = {
    "absent": "that none was attached",
    "unable": "that it cannot be seen, heard or opened",
    "unreadable": "that it cannot be made out",
}


class MissingEvidence(Detector):
    """Compares what an answer and its question say of their evidence with what is attached; looks at no content.

    It flags a picture, chart, recording, video, document or page that the answer speaks of and nobody attached; a page or a
    moment beyond the end; a citation of evidence that is not there; an answer over nothing but unusable evidence (black,
    silent, blank, damaged); and "I cannot see the image" where it is there and can be read. What it finds in order it does
    not mention: that a picture *is* attached supports nothing the answer says of it. Only a justified refusal is supported.

    It is wrong when the answer speaks of another picture than the evidence (a film, a famous photograph it did not
    introduce), when the application handed over something it did not log, when a format that cannot be decoded here
    could be decoded by the answering model, and when pages or recordings are numbered other than from their start. It reads English.
    A mention that evidence which is attached but not stored here may satisfy, or that a text may be speaking of, stays unchecked.
    """

    name: ClassVar[str] = "missing_evidence"
    version: ClassVar[str] = "1.0.3"
    kinds: ClassVar[frozenset[str]] = frozenset({"statement"})
    families: ClassVar[frozenset[str]] = frozenset({"image", "audio", "video", "text", "pdf", "other"})
    seconds_per_case: ClassVar[float] = 0.02
    accounts_for_missing: ClassVar[bool] = True
    finds_own_claims: ClassVar[bool] = True

    def __init__(self, options: DetectorOptions) -> None:
        super().__init__(options)
        self._scores: dict[str, float] = {}

    def load(self) -> None:
        """Reads the scores of its rules; needs no weights."""
        rules = json.loads(RULE_SCORES.read_text(encoding="utf-8"))["rules"]
        self._scores = {name: rule["score"] for name, rule in rules.items()}

    @property
    def weights_version(self) -> str:
        """It has none."""
        return "rules"

    def claims_for(self, case: Case) -> list[Claim]:
        """What the answer says of its evidence, and the caller's claims with citations; never the claims of other finders."""
        return [*mentions.find(case.answer), *(claim for claim in case.claims if claim.given and claim.citations)]

    def detect(self, cases: Sequence[Case]) -> list[Outcome]:
        """One outcome a case, in order. Where everything spoken of is there, it is not applicable rather than judged."""
        return [self._look(case) for case in cases]

    def _look(self, case: Case) -> Outcome:
        started = time.perf_counter()
        findings = self.judge(case, self.claims_for(case))
        if not findings:
            return self._outcome("not_applicable", (), NOTHING_AS_FAR_AS_READ if case.missing else NOTHING, started)
        return self.concluded(findings, started)

    def judge(self, case: Case, claims: Sequence[Claim]) -> list[Finding]:
        """Findings on what is missing or cannot be told; nothing on what is there. Raises nothing of its own."""
        stock = Stock(case)
        found = [finding for claim in claims if (finding := self._on(claim, stock)) is not None]
        if not any(finding.verdict == "hallucinated" for finding in found):
            found += self._on_whole(case, stock, denied=any("denies" in finding.claim.facts for finding in found))
        return found

    def _on(self, claim: Claim, stock: Stock) -> Finding | None:
        if claim.given:
            return self._on_citations(claim, stock)
        thing = claim.facts["speaks_of"]
        if "denies" in claim.facts:
            return self._on_denial(claim, stock, thing)
        lack = stock.lack(thing)
        if thing in ("moment", "page") and lack is not None and not claim.facts["pointed"]:
            # A bare page or time in an answer without a document or recording may be of anything.
            return None
        number = claim.facts.get("number")
        if lack is None and number is not None:
            lack = stock.beyond(thing, number)
        if lack is None and thing not in ("moment", "page") and (fault := stock.unusable(stock.matching(thing))) is not None:
            lack = Lack("empty_source", f"it cannot be used: {fault}")
        if isinstance(lack, Lack):
            error = "time" if lack.rule == "beyond_length" else "source"
            return self._wrong(claim, lack.rule, f"The answer speaks of {claim.text!r}, but {lack.told}.", error)
        return None if lack is None else not_checked(claim, lack)

    def _on_citations(self, claim: Claim, stock: Stock) -> Finding | None:
        known = {piece.id for piece in stock.files} | {piece.id for piece in stock.missing}
        unknown = [place.evidence for place in claim.citations if place.evidence not in known]
        if not unknown:
            return None
        return self._wrong(
            claim, "unknown_citation", f"It cites evidence {unknown[0]!r}, and no evidence of this response has that id.", "source"
        )

    def _on_denial(self, claim: Claim, stock: Stock, thing: str) -> Finding:
        lack = stock.lack(thing)
        if isinstance(lack, str):
            return not_checked(claim, lack)
        if lack is not None:
            return self._right(claim, f"The answer says {claim.text!r}, and {lack.told}.")
        pieces, denies = stock.matching(thing), claim.facts["denies"]
        fault = stock.unusable(pieces)
        if fault is not None:
            if denies == "absent":
                return not_checked(claim, f"it is attached, but cannot be used: {fault}")
            return self._right(claim, f"The answer says {claim.text!r}, and its evidence cannot be used: {fault}.", pieces[0].id)
        if denies == "unreadable" and not stock.faultless(pieces):
            return not_checked(claim, "the evidence has faults, though something can be read from it")
        told = f"The answer says {_DENIED[denies]}, but {pieces[0].id!r} ({pieces[0].media_type}) is attached and can be read."
        return self._wrong(claim, f"not_{denies}", told, "unsupported", Place(pieces[0].id))

    def _on_whole(self, case: Case, stock: Stock, denied: bool) -> Iterator[Finding]:
        claim = _whole(case.answer)
        things = [] if case.question is None else sorted(mentions.asked_about(case.question))
        asked = [(thing, lack) for thing in things if isinstance(lack := stock.lack(thing), Lack)]
        fault = None if stock.missing else stock.unusable(stock.files)
        if case.abstained or mentions.declines(case.answer):
            if not denied and (asked or fault):
                why = f"its evidence cannot be used: {fault}" if fault else f"it was asked about {_a(asked[0][0])}, and {asked[0][1].told}"
                yield self._right(claim, f"The answer declines, and {why}.")
            elif not denied and case.abstained and stock.files:
                yield not_checked(
                    claim, "the answer declines though its evidence can be read; whether the answer is in it was not looked up"
                )
        elif fault and not denied:
            sure = "" if case.confidence is None else f" (with a confidence of {case.confidence:.0%})"
            told = f"It is answered{sure} although the evidence cannot be used: {fault}."
            yield self._wrong(claim, "unusable_input", told, "unsupported", Place(stock.files[0].id))
        elif asked:
            thing, lack = asked[0]
            yield self._wrong(
                claim, "asked_for", f"The question is about {_a(thing)}, but {lack.told}; it is answered all the same.", "unsupported"
            )

    def _wrong(self, claim: Claim, rule: str, told: str, error: str, place: Place | None = None) -> Finding:
        return Finding(claim, "hallucinated", self._scores[rule], told, place, error)

    def _right(self, claim: Claim, told: str, evidence: str | None = None) -> Finding:
        return Finding(claim, "supported", self._scores["refused_rightly"], told, None if evidence is None else Place(evidence))


def _whole(answer: str) -> Claim:
    start, end = len(answer) - len(answer.lstrip()), len(answer.rstrip())
    span = (start, end) if end > start else None
    return Claim(id="answer", text=answer.strip(), span=span, kind="statement")


def _a(thing: str) -> str:
    return f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}"

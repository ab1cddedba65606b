"""Catches statements that the text among the evidence does not bear out, sentence by sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from detectors.citing.texts import TextSources
from detectors.claims.citing import without_marks
from detectors.claims.statements import set_aside
from detectors.contract import Case, Claim, Detector, DetectorOptions, EvidenceFile, EvidenceUnreadable, Finding, not_checked
from detectors.grounding.judge import Judge, JudgeOptions
from detectors.grounding.ledger import Ledger, today
from detectors.grounding.nli import NliModel
from detectors.grounding.passages import Source, passages_of
from detectors.grounding.support import Support, SupportScorer
from detectors.grounding.verdicts import Tier, joined
from detectors.weights import MINILM, verified_files

# Between these scores the higher tiers are asked, if any is configured.
HARD = (0.2, 0.8)
# Raw score of a sentence that a passage says word for word: of 31 such labels of the tuning corpus 3 were wrong.
COPIED = -2.8
# What a statement may rest on that is no text; its words are checked by other detectors.
_LOOKED_AT = frozenset({"image", "audio", "video"})
_LEFT = frozenset({"quote", "speaker", "event", "trend", "object"})
_ERRORS = {"number": "value", "name": "entity"}
_QUOTED = 240
# A PDF with less of its words in sentences is a form: "Amount due" and "EUR 184.40" stand apart, and no passage says that
# this sum is due. A line of this many words counts as a sentence.
PROSE_SHARE, SENTENCE_WORDS = 0.5, 8
_LOOKING_S = 0.001


class UngroundedStatement(Detector):
    """Asks of each statement whether anything in the text evidence says it, and shows the best passage.

    It reads texts (transcripts and recognised pages of role ``transcript`` and ``ocr`` among them) and PDFs. Where the
    response also carries pictures, recordings or videos, a statement that the text does not bear out may rest on those:
    it is then not checked. The same holds for forms and tables in PDFs, whose fields say what no sentence does.

    A value, a name or a denial that stands against a passage which has the rest of the statement is flagged whatever the
    model over all differences says, as sure as such contradictions were real where they were measured.

    It is wrong when support takes more than reading: sums, world knowledge, irony, coreference across paragraphs
    (false alarms); when a false statement is put together from true words, or changes one word for another of like use
    ("cuts" for "hikes" of a cost) that its list of opposites does not have (misses). English only.
    """

    name: ClassVar[str] = "ungrounded_statement"
    version: ClassVar[str] = "1.1.1"
    kinds: ClassVar[frozenset[str]] = frozenset({"statement"})
    families: ClassVar[frozenset[str]] = frozenset({"text", "pdf"}) | _LOOKED_AT
    seconds_per_case: ClassVar[float] = 0.4

    def __init__(self, options: DetectorOptions) -> None:
        super().__init__(options)
        self._texts = TextSources(options)
        self._scorer = SupportScorer(threads=options.threads, model="statement")
        self._tiers = _tiers(options)

    def load(self) -> None:
        """Raises DetectorUnavailable: spaCy, its model or the encoder's weights are missing, or a configured tier cannot work."""
        verified_files(MINILM, self.name)
        self._scorer.load()
        for tier in self._tiers:
            tier.load()

    @property
    def weights_version(self) -> str:
        """The encoder and the tiers that are configured."""
        return " ".join([self._scorer.version, *(tier.version for tier in self._tiers)])

    @classmethod
    def stated_costs(cls) -> dict[str, float]:
        """Only text costs more than a look at what there is."""
        return {family: _LOOKING_S if family in _LOOKED_AT else cls.seconds_per_case for family in sorted(cls.families)}

    def claim_context(self, case: Case, claim: Claim) -> str | None:
        """A verdict rests on the statement and the evidence alone; with a judge it holds for the day, whose budget may have been spent."""
        return today() if self.options.judge_url else ""

    def concerns(self, case: Case) -> bool:
        """Whether there is text to hold statements against."""
        return bool(case.evidence_of("text", "pdf"))

    def claims_for(self, case: Case) -> list[Claim]:
        """Statements; beside pictures and recordings only those no claim about what is seen or heard stands in; none without text."""
        if not self.concerns(case):
            return []
        statements = super().claims_for(case)
        if not case.evidence_of(*_LOOKED_AT):
            return statements
        left = [claim.span for claim in case.claims if claim.kind in _LEFT and claim.span]
        return [s for s in statements if s.span is None or not any(s.span[0] < end and start < s.span[1] for start, end in left)]

    def prepare(self, cases: Sequence[Case]) -> None:
        """Encode the passages of a whole micro-batch together."""
        self._scorer.prepare([source for case in cases for source in self._read(case)[0]])

    def judge(self, case: Case, claims: Sequence[Claim]) -> list[Finding]:
        """One finding a statement. Raises EvidenceUnreadable when none of the texts can be read."""
        sources, unread = self._read(case)
        if not sources:
            raise unread[0]
        findings = []
        statements: list[tuple[Claim, str]] = []
        for claim in claims:
            reason = set_aside(claim.text)
            if reason is not None:
                findings.append(not_checked(claim, reason))
            else:
                statements.append((claim, without_marks(claim.text)))
        supports = self._scorer.supports([text for _, text in statements], sources)
        # What could not be read, and what is no text, may hold the support that was not found.
        doubt = _doubt(case, unread) or _form(case, sources)
        return findings + [self._finding(claim, support, doubt) for (claim, _), support in zip(statements, supports, strict=True)]

    def _read(self, case: Case) -> tuple[list[Source], list[EvidenceUnreadable]]:
        read: list[Source] = []
        unread: list[EvidenceUnreadable] = []
        for piece in case.evidence_of("text", "pdf"):
            try:
                source = passages_of(self._texts.read(piece), piece.sha256)
            except EvidenceUnreadable as error:
                unread.append(error)
                continue
            if source.passages:
                read.append(source)
            else:
                unread.append(EvidenceUnreadable(piece.id, "it carries no words"))
        return read, unread

    def _finding(self, claim: Claim, support: Support, doubt: str | None) -> Finding:
        score, told = self._score(support)
        best = support.passages[0]
        quote = " ".join(best.text.split())
        shown = quote if len(quote) <= _QUOTED else quote[:_QUOTED] + "…"
        if score < self.calibration.threshold:
            return Finding(claim, "supported", score, f"The source says: “{shown}”{told}.", best.place)
        if doubt is not None:
            return not_checked(claim, f"the text does not bear it out, but {doubt}", best.place)
        missing = support.missing() or "no passage says it in these words"
        error = _ERRORS.get(support.gaps[0].kind, "unsupported") if support.gaps else "unsupported"
        explanation = f"The text does not bear it out: {missing}. The closest passage: “{shown}”{told}."
        return Finding(claim, "hallucinated", score, explanation, best.place, error)

    def _score(self, support: Support) -> tuple[float, str]:
        """The probability, and in words which higher tiers had a part in it."""
        score = self.calibration.apply(min(support.raw, COPIED) if support.copied else support.raw)
        if support.contradicted is not None:
            score = max(score, support.contradicted[1])
        told = ""
        for tier in self._tiers:
            if not HARD[0] <= score <= HARD[1]:
                break
            opinion = tier.opinion(support.claim, [passage.text for passage in support.passages])
            self.paid(opinion.usage)
            if opinion.probability is None:
                told += f" ({opinion.reason})"
                continue
            score = joined(score, opinion.probability)
            told += f" ({opinion.tier} gives {opinion.probability:.0%} that it is not borne out)"
        return score, told


def _tiers(options: DetectorOptions) -> list[Tier]:
    """The configured tiers, the cheaper first."""
    tiers: list[Tier] = []
    if options.nli_model:
        tiers.append(NliModel(options.nli_model, options.device))
    if options.judge_url:
        asked = JudgeOptions(
            options.judge_url,
            options.judge_model,
            options.judge_key,
            options.judge_budget,
            options.judge_timeout_s,
            options.judge_input_price,
            options.judge_output_price,
            options.judge_currency,
        )
        tiers.append(Judge(asked, Ledger(options.cache_dir, options.judge_budget)))
    return tiers


def _doubt(case: Case, unread: Sequence[EvidenceUnreadable]) -> str | None:
    if unread:
        return str(unread[0])
    other: Sequence[EvidenceFile] = case.evidence_of(*_LOOKED_AT)
    return f"it may rest on {other[0].id!r}, which is {other[0].media_type}" if other else None


def _form(case: Case, sources: Sequence[Source]) -> str | None:
    pages = {piece.id for piece in case.evidence_of("pdf")}
    form = next((source for source in sources if source.evidence in pages and not is_prose(source)), None)
    return None if form is None else f"{form.evidence!r} is a form or table, whose fields say what no sentence does"


def is_prose(source: Source) -> bool:
    """Whether most words of a source stand in sentences."""
    lengths = [len(passage.text.split()) for passage in source.passages]
    return sum(length for length in lengths if length >= SENTENCE_WORDS) >= PROSE_SHARE * sum(lengths)

"""Catches statements that neither the text nor the speech among the evidence bears out, sentence by sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from detectors.citing import misheard
from detectors.citing.spoken import segment_text
from detectors.citing.texts import SourceText, TextSources
from detectors.claims.citing import without_marks
from detectors.claims.moments import clock_text
from detectors.claims.statements import set_aside
from detectors.contract import (
    Case,
    Claim,
    Detector,
    DetectorError,
    DetectorOptions,
    DetectorUnavailable,
    EvidenceFile,
    EvidenceUnreadable,
    Finding,
    Place,
    not_checked,
)
from detectors.grounding.judge import Judge, JudgeOptions
from detectors.grounding.ledger import Ledger, today
from detectors.grounding.nli import NliModel
from detectors.grounding.passages import Source, passages_of
from detectors.grounding.support import Support, SupportScorer
from detectors.grounding.verdicts import Tier, joined
from detectors.hearing import transcript
from detectors.hearing.ears import ears_of, transcriber_of
from detectors.weights import MINILM, verified_files

# Between these scores the higher tiers are asked, if any is configured.
HARD = (0.2, 0.8)
# Raw score of a sentence that a passage says word for word: of 31 such labels of the tuning corpus 3 were wrong.
COPIED = -2.8
_READ, _HEARD = ("text", "pdf"), ("audio", "video")
# Up to this score speech bears a statement out; from here to the threshold it may only speak of something like it. The threshold
# was fitted on long texts, and of a recording of few sentences any statement comes near one (benchmarks/TUNING.md).
SPOKEN_SUPPORT = 0.48
# What a statement may rest on that is neither text nor speech.
_SHOWN = ("image", "video")
# Beside these, claims of other kinds stand in a sentence, and other detectors look at them.
_LOOKED_AT = frozenset({"image", *_HEARD})
_LEFT = frozenset({"quote", "speaker", "event", "trend", "object"})
_ERRORS = {"number": "value", "name": "entity"}
_QUOTED = 240
# A PDF with less of its words in sentences is a form: "Amount due" and "EUR 184.40" stand apart, and no passage says that
# this sum is due. A line of this many words counts as a sentence.
PROSE_SHARE, SENTENCE_WORDS = 0.5, 8
_LOOKING_S, _HEARING_S = 0.001, 5.0


class UngroundedStatement(Detector):
    """Asks of each statement whether anything in text evidence or speech says it, and shows the best passage.

    It reads texts (transcripts and recognised pages of role ``transcript`` and ``ocr`` among them) and PDFs. What they do
    not bear out is held against recordings and the sound of videos, heard anew; passages of speech come with their time.
    Where the response also carries pictures or videos, a statement that nothing bears out may rest on what they show: it is
    then not checked, except where the speech of a video contradicts it. Not checked are also statements that would be
    refuted by words the recogniser is unsure of, by a name or number that may have been said as claimed, or by speech of
    which a part is not made out; and those beside forms and tables in PDFs, whose fields say what no sentence does.
    Quotes, and numbers read out digit by digit, are left to ``quote_mismatch``.

    A value, a name or a denial that stands against a passage which has the rest of the statement is flagged whatever the
    model over all differences says, as sure as such contradictions were real where they were measured.

    It is wrong when support takes more than reading: sums, world knowledge, irony, coreference across paragraphs
    (false alarms); when a false statement is put together from true words, or changes one word for another of like use
    ("cuts" for "hikes" of a cost) that its list of opposites does not have (misses). Of recordings only the words count:
    a statement about other sounds ("music plays") is taken for one that is not borne out. English only.
    """

    name: ClassVar[str] = "ungrounded_statement"
    version: ClassVar[str] = "1.3.0"
    kinds: ClassVar[frozenset[str]] = frozenset({"statement"})
    families: ClassVar[frozenset[str]] = frozenset(_READ) | _LOOKED_AT
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
        """The encoder, the recogniser and the tiers that are configured."""
        return " ".join([self._scorer.version, transcriber_of(self.options), *(tier.version for tier in self._tiers)])

    @classmethod
    def stated_costs(cls) -> dict[str, float]:
        """Speech costs most, pictures only a look at what there is."""
        costs = dict.fromkeys(_READ, cls.seconds_per_case) | dict.fromkeys(_HEARD, _HEARING_S) | {"image": _LOOKING_S}
        return dict(sorted(costs.items()))

    def claim_context(self, case: Case, claim: Claim) -> str | None:
        """A verdict rests on the statement and the evidence alone; with a judge it holds for the day, whose budget may have been spent."""
        return today() if self.options.judge_url else ""

    def concerns(self, case: Case) -> bool:
        """Whether there is text or sound to hold statements against."""
        return bool(case.evidence_of(*_READ, *_HEARD))

    def claims_for(self, case: Case) -> list[Claim]:
        """Statements; beside pictures and recordings only those no claim about what is seen or heard stands in."""
        if not self.concerns(case):
            return []
        statements = super().claims_for(case)
        if not case.evidence_of(*_LOOKED_AT):
            return statements
        left = [claim.span for claim in case.claims if claim.span and (claim.kind in _LEFT or _dictated(claim))]
        return [s for s in statements if s.span is None or not any(s.span[0] < end and start < s.span[1] for start, end in left)]

    def prepare(self, cases: Sequence[Case]) -> None:
        """Encode the passages of a whole micro-batch together, and hear the recordings that come without any text."""
        self._scorer.prepare([source for case in cases for source in self._read(case)[0]])
        alone = [piece for case in cases if not case.evidence_of(*_READ) for piece in case.evidence_of(*_HEARD)]
        if alone:
            with contextlib.suppress(DetectorUnavailable):  # said when the statements are judged
                ears_of(self.options).hear_ahead(alone)

    def judge(self, case: Case, claims: Sequence[Claim]) -> list[Finding]:
        """One finding a statement. Raises what kept it from reading when nothing can be read."""
        findings = []
        statements: list[tuple[Claim, str]] = []
        for claim in claims:
            reason = set_aside(claim.text)
            if reason is not None:
                findings.append(not_checked(claim, reason))
            else:
                statements.append((claim, without_marks(claim.text)))
        return findings + self._judge_statements(case, statements)

    def _judge_statements(self, case: Case, statements: Sequence[tuple[Claim, str]]) -> list[Finding]:
        read, unread = self._read(case)
        found = list(self._scorer.supports([text for _, text in statements], read)) if read else []
        left = [n for n in range(len(statements)) if not read or self._plain(found[n]) >= self.calibration.threshold]
        heard: list[Source] = []
        if left and case.evidence_of(*_HEARD):
            heard, deaf = self._hear(case)
            unread = [*unread, *deaf]
        if statements and not read and not heard:
            return [not_checked(claim, str(unread[0])) for claim, _ in statements]
        if heard:
            again = dict(zip(left, self._scorer.supports([statements[n][1] for n in left], [*read, *heard]), strict=True))
            found = [again.get(n) or found[n] for n in range(len(statements))]
        # What could not be read, and what is neither text nor speech, may hold the support that was not found.
        doubt = str(unread[0]) if unread else _form(case, read)
        return [self._finding(case, claim, support, doubt) for (claim, _), support in zip(statements, found, strict=True)]

    def _read(self, case: Case) -> tuple[list[Source], list[DetectorError]]:
        timed = bool(case.evidence_of(*_HEARD))
        return _sources((piece, self._text) if timed else (piece, self._texts.read) for piece in case.evidence_of(*_READ))

    def _hear(self, case: Case) -> tuple[list[Source], list[DetectorError]]:
        return _sources((piece, self._texts.read) for piece in case.evidence_of(*_HEARD))

    def _text(self, piece: EvidenceFile) -> SourceText:
        """A text beside a recording: a transcript with times is read by its segments, so that its passages have times too."""
        if piece.role == "transcript" and piece.path.is_file() and (segments := transcript.read(piece.path)):
            text, spoken = segment_text(segments)
            return SourceText(piece.id, text, spoken=spoken)
        return self._texts.read(piece)

    def _finding(self, case: Case, claim: Claim, support: Support, doubt: str | None) -> Finding:
        score, told = self._score(support)
        best = support.passages[0]
        quote = " ".join(best.text.split())
        shown = quote if len(quote) <= _QUOTED else quote[:_QUOTED] + "…"
        at = _at(best.place)
        if score < self.calibration.threshold:
            if misheard.mumbled(best):
                return not_checked(claim, f"the recogniser is not sure of what would bear it out{at}: “{shown}”", best.place)
            if best.home.spoken and score >= SPOKEN_SUPPORT:
                return not_checked(claim, f"the closest that is said{at} may mean something else: “{shown}”", best.place)
            return Finding(claim, "supported", score, f"The source says{at}: “{shown}”{told}.", best.place)
        doubt = doubt or _shown(case, support) or self._misheard(case, support)
        if doubt is not None:
            return not_checked(claim, f"neither text nor speech bears it out, but {doubt}", best.place)
        missing = support.missing() or "no passage says it in these words"
        error = _ERRORS.get(support.gaps[0].kind, "unsupported") if support.gaps else "unsupported"
        what = "speech" if best.home.spoken else "text"
        explanation = f"The {what} does not bear it out: {missing}. The closest passage{at}: “{shown}”{told}."
        return Finding(claim, "hallucinated", score, explanation, best.place, error)

    def _misheard(self, case: Case, support: Support) -> str | None:
        recordings = [piece for piece in case.evidence_of(*_HEARD) if any(piece.id == passage.evidence for passage in support.passages)]
        return misheard.doubt(support, recordings, self.options) if recordings else None

    def _plain(self, support: Support) -> float:
        """The probability without the higher tiers."""
        score = self.calibration.apply(min(support.raw, COPIED) if support.copied else support.raw)
        return score if support.contradicted is None else max(score, support.contradicted[1])

    def _score(self, support: Support) -> tuple[float, str]:
        """The probability, and in words which higher tiers had a part in it."""
        score = self._plain(support)
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


def _dictated(claim: Claim) -> bool:
    """Whether it is a number read out without a unit, such as an account number, which quote_mismatch compares digit by digit."""
    return claim.kind == "quantity" and bool(claim.facts.get("digits")) and not claim.facts.get("unit")


def _sources(pieces: Iterable[tuple[EvidenceFile, Callable[[EvidenceFile], SourceText]]]) -> tuple[list[Source], list[DetectorError]]:
    read: list[Source] = []
    unread: list[DetectorError] = []
    for piece, reader in pieces:
        try:
            text = reader(piece)
        except DetectorError as error:
            unread.append(error)
            continue
        # The same transcript in segments and as it stands are two texts.
        source = passages_of(text, f"{piece.sha256}:spoken" if text.spoken else piece.sha256)
        if source.passages:
            read.append(source)
        else:
            unread.append(EvidenceUnreadable(piece.id, "it carries no words"))
    return read, unread


def _shown(case: Case, support: Support) -> str | None:
    """What may be seen instead; what speech contradicts need not be looked for in the picture of its video."""
    contradicted = support.contradicted
    spoken = contradicted is not None and bool(support.passages[contradicted[0].passage].home.spoken)
    other = [piece for piece in case.evidence_of(*_SHOWN) if not (spoken and piece.family == "video")]
    return f"it may rest on {other[0].id!r}, which is {other[0].media_type}" if other else None


def _at(place: Place) -> str:
    return "" if place.time is None else f" at {clock_text(place.time[0])} to {clock_text(place.time[1])}"


def _form(case: Case, sources: Sequence[Source]) -> str | None:
    pages = {piece.id for piece in case.evidence_of("pdf")}
    form = next((source for source in sources if source.evidence in pages and not is_prose(source)), None)
    return None if form is None else f"{form.evidence!r} is a form or table, whose fields say what no sentence does"


def is_prose(source: Source) -> bool:
    """Whether most words of a source stand in sentences."""
    lengths = [len(passage.text.split()) for passage in source.passages]
    return sum(length for length in lengths if length >= SENTENCE_WORDS) >= PROSE_SHARE * sum(lengths)

"""Catches statements that neither text, nor pages in pictures, nor speech among the evidence bear out, sentence by sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from detectors.citing import misheard, misread
from detectors.citing.prose import ProsePages, is_prose
from detectors.citing.spoken import segment_text
from detectors.citing.stated import by_the_clock, without_times
from detectors.citing.texts import SourceText, TextSources
from detectors.claims.citing import without_marks
from detectors.claims.depiction import about_looks
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
    Outcome,
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
from detectors.presence.extent import seconds_of
from detectors.reading.lines import spot
from detectors.reading.readers import FastReader
from detectors.weights import MINILM, verified_files

# Between these scores the higher tiers are asked, if any is configured.
HARD = (0.2, 0.8)
# Raw score of a sentence that a passage says word for word: of 31 such labels of the tuning corpus 3 were wrong.
COPIED = -2.8
_READ, _HEARD = ("text", "pdf"), ("audio", "video")
# Up to this score speech bears a statement out; from here to the threshold it may only speak of something like it. The threshold
# was fitted on long texts, and of a recording of few sentences any statement comes near one (benchmarks/TUNING.md).
SPOKEN_SUPPORT = 0.48
# The same for a page in a picture, which is all there is: just under the threshold stand sentences of other texts.
PRINTED_SUPPORT = 0.6
# From this score on a passage is called the closest one, not what the source says.
_UNCLEAR = 0.5
# What a statement may rest on that is neither text nor speech.
_SHOWN = ("image", "video")
# Beside these, claims of other kinds stand in a sentence, and other detectors look at them.
_LOOKED_AT = frozenset({"image", *_HEARD})
_LEFT = frozenset({"quote", "speaker", "event", "trend", "object"})
_ERRORS = {"number": "value", "name": "entity"}
_QUOTED = 240
# A printed picture takes a second and more to be read where ocr_mismatch has not done so, any other a look of some milliseconds.
_READING_S, _HEARING_S = 1.0, 5.0
_OF_LOOKS = "it says how something looks, which no passage tells"
_NO_PAGE = "none of its pictures is a page of prose, and there is no text, PDF, audio or video evidence"


class UngroundedStatement(Detector):
    """Asks of each statement whether anything in text evidence, on a page or in speech says it, and shows the best passage.

    It reads texts (transcripts and recognised pages of role ``transcript`` and ``ocr`` among them) and PDFs. What they do
    not bear out is held against pictures that are pages of prose, read anew, whose passages come with their region, and against
    recordings and the sound of videos, heard anew, whose passages come with their time. Where the response also carries other
    pictures or videos, a statement that nothing bears out may rest on what they show: it is then not checked, except where the
    speech of a video contradicts it. Not checked are also statements that would be refuted by words the recogniser is unsure of,
    by a name or number that may have been said or printed as claimed, by speech or a page of which a part is not made out;
    those beside forms and tables in PDFs, whose fields say what no sentence does; and what is said of a page's look. Quotes, and
    numbers read out digit by digit, are left to ``quote_mismatch``; answers on pictures of which none is a page, to others.

    A value, a name, a denial or another part of the same deed ("Tom signed" for "Ann signed", "must" for "may") that stands
    against a passage which has the rest of the statement is flagged whatever the model over all differences says, as sure as
    such contradictions were real where they were measured.

    It is wrong when support takes more than reading: sums, world knowledge, irony, coreference across paragraphs
    (false alarms); when a false statement adds something likely ("and has a parking space"), is put together from true words, or
    changes one word for another of like use ("cuts" for "hikes" of a cost) that its list of opposites does not have (misses).
    Of recordings only the words count:
    a statement about other sounds ("music plays") is taken for one that is not borne out; so is one about a drawing or a form
    that fills a small part of a page. English only.
    """

    name: ClassVar[str] = "ungrounded_statement"
    version: ClassVar[str] = "1.5.0"
    kinds: ClassVar[frozenset[str]] = frozenset({"statement"})
    families: ClassVar[frozenset[str]] = frozenset(_READ) | _LOOKED_AT
    seconds_per_case: ClassVar[float] = 0.4

    def __init__(self, options: DetectorOptions) -> None:
        super().__init__(options)
        self._texts = TextSources(options)
        self._pages = ProsePages(self._texts)
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
        """The encoder, the listener, the page reader and the tiers that are configured."""
        readers = [transcriber_of(self.options), FastReader(self.options).version]
        return " ".join([self._scorer.version, *readers, *(tier.version for tier in self._tiers)])

    @classmethod
    def stated_costs(cls) -> dict[str, float]:
        """Speech costs most, then pages to be read."""
        costs = dict.fromkeys(_READ, cls.seconds_per_case) | dict.fromkeys(_HEARD, _HEARING_S) | {"image": _READING_S}
        return dict(sorted(costs.items()))

    def claim_context(self, case: Case, claim: Claim) -> str | None:
        """A verdict rests on the statement and the evidence alone; with a judge it holds for the day, whose budget may have been spent."""
        return today() if self.options.judge_url else ""

    def concerns(self, case: Case) -> bool:
        """Whether there is text, sound or a printed picture to hold statements against."""
        return bool(case.evidence_of(*_READ, *_HEARD)) or any(map(self._pages.printed, case.evidence_of("image")))

    def claims_for(self, case: Case) -> list[Claim]:
        """Statements; beside pictures and recordings only those no claim about what is seen or heard stands in.

        Where all there is are printed pictures, what a sentence says of things, values and trends is read, not seen; only
        sentences about looks are left to others. Over a text that could not be read they end as not checked.
        """
        if not self.concerns(case) and not any(one.family in (*_READ, *_HEARD) for one in case.missing):
            return []
        statements = super().claims_for(case)
        if not case.evidence_of(*_LOOKED_AT):
            return statements
        if _pictures_alone(case) and all(map(self._pages.printed, case.evidence_of("image"))):
            return [claim for claim in statements if claim.given or not about_looks(claim.text)]
        left = [claim.span for claim in case.claims if claim.span and (claim.kind in _LEFT or _dictated(claim))]
        return [s for s in statements if s.span is None or not any(s.span[0] < end and start < s.span[1] for start, end in left)]

    def prepare(self, cases: Sequence[Case]) -> None:
        """Encode the passages of a whole micro-batch together; read and hear what comes without any text."""
        alone = [case for case in cases if not case.evidence_of(*_READ)]
        with contextlib.suppress(DetectorUnavailable):  # said when the statements are judged
            self._pages.read_ahead([piece for case in alone for piece in case.evidence_of("image")])
        read = [source for case in cases for source in self._read(case)[0]]
        self._scorer.prepare([*read, *(source for case in alone for source in self._printed(case)[0])])
        if recordings := [piece for case in alone for piece in case.evidence_of(*_HEARD)]:
            with contextlib.suppress(DetectorUnavailable):
                ears_of(self.options).hear_ahead(recordings)

    def _detect_one(self, case: Case, claims: list[Claim]) -> Outcome:
        read = True
        if claims and _pictures_alone(case):
            read = any(self._printed(case))
        outcome = super()._detect_one(case, claims if read else [])
        if read and self.concerns(case):
            return outcome
        return replace(outcome, reason=_NO_PAGE if case.evidence_of("image") else "no text, page, audio or video evidence")

    def judge(self, case: Case, claims: Sequence[Claim]) -> list[Finding]:
        """One finding a statement. Raises what kept it from reading when nothing can be read."""
        findings = []
        statements: list[tuple[Claim, str]] = []
        for claim in claims:
            reason = set_aside(claim.text) or (_OF_LOOKS if _pictures_alone(case) and about_looks(claim.text) else None)
            if reason is not None:
                findings.append(not_checked(claim, reason))
            else:
                statements.append((claim, self._worded(case, claim)))
        return findings + self._judge_statements(case, statements)

    @staticmethod
    def _worded(case: Case, claim: Claim) -> str:
        """The words that a passage can bear out: no citation marks, and no times where there is something to be heard."""
        text = without_marks(claim.text)
        heard = case.evidence_of(*_HEARD) or any(piece.role == "transcript" for piece in case.evidence)
        if not heard or not by_the_clock(text):
            return text
        lengths = [seconds_of(piece) for piece in case.evidence_of(*_HEARD)]
        return without_times(text, max((length for length in lengths if length is not None), default=None))

    def _judge_statements(self, case: Case, statements: Sequence[tuple[Claim, str]]) -> list[Finding]:
        read, unread = self._read(case)
        texts = [text for _, text in statements]
        found = list(self._scorer.supports(texts, read)) if read else []
        pages: list[Source] = []
        # Reading and hearing cost more than a text: only what nothing before bears out is held against more.
        for look, families in ((self._printed, ("image",)), (self._hear, _HEARD)):
            left = [n for n in range(len(statements)) if not read or self._plain(found[n]) >= self.calibration.threshold]
            if not left or not case.evidence_of(*families):
                continue
            more, not_read = look(case)
            unread = [*unread, *not_read]
            pages += more if families == ("image",) else []
            if more:
                again = dict(zip(left, self._scorer.supports([texts[n] for n in left], [*read, *more]), strict=True))
                found = [again[n] if n in again else found[n] for n in range(len(statements))]
                read = [*read, *more]
        if statements and not read:
            return [not_checked(claim, unread[0]) for claim, _ in statements]
        # What could not be read, and what is neither text nor speech, may hold the support that was not found.
        doubt = next((told for told in (*unread, *map(_rest, read), _form(case, read)) if told), None)
        return [self._finding(case, claim, support, doubt, pages) for (claim, _), support in zip(statements, found, strict=True)]

    def _read(self, case: Case) -> tuple[list[Source], list[str]]:
        timed = bool(case.evidence_of(*_HEARD))
        return _sources((piece, self._text if timed else self._texts.read) for piece in case.evidence_of(*_READ))

    def _hear(self, case: Case) -> tuple[list[Source], list[str]]:
        return _sources((piece, self._texts.read) for piece in case.evidence_of(*_HEARD))

    def _printed(self, case: Case) -> tuple[list[Source], list[str]]:
        """The pictures that are pages of prose, and why what they do not say may still stand there."""
        pages: list[Source] = []
        try:
            for piece in case.evidence_of("image"):
                if (page := self._pages.read(piece)) is not None:
                    pages.append(page)
            return pages, [told for piece in _of(case, pages) if (told := self._pages.doubt(piece))]
        except DetectorUnavailable as error:
            return pages, [str(error)]

    def _text(self, piece: EvidenceFile) -> SourceText:
        """A text beside a recording: a transcript with times is read by its segments, so that its passages have times too."""
        if piece.role == "transcript" and piece.path.is_file() and (segments := transcript.read(piece.path)):
            text, spoken = segment_text(segments)
            return SourceText(piece.id, text, spoken=spoken)
        return self._texts.read(piece)

    def _finding(self, case: Case, claim: Claim, support: Support, doubt: str | None, pages: Sequence[Source]) -> Finding:
        score, told = self._score(support)
        best = support.passages[0]
        quote = " ".join(best.text.split())
        shown = quote if len(quote) <= _QUOTED else quote[:_QUOTED] + "…"
        at = _at(best.place)
        if score < self.calibration.threshold:
            if misheard.mumbled(best) or misread.faint(best):
                return not_checked(claim, f"the recogniser is not sure of what would bear it out{at}: “{shown}”", best.place)
            if best.home.spoken and score >= SPOKEN_SUPPORT:
                return not_checked(claim, f"the closest that is said{at} may mean something else: “{shown}”", best.place)
            if best.home.recognised and score >= PRINTED_SUPPORT:
                return not_checked(claim, f"the closest that is printed{at} may mean something else: “{shown}”", best.place)
            if score >= _UNCLEAR:
                unclear = f"Nothing contradicts it, though nothing bears it out clearly. The closest passage{at}: “{shown}”{told}."
                return Finding(claim, "supported", score, unclear, best.place)
            return Finding(claim, "supported", score, f"The source says{at}: “{shown}”{told}.", best.place)
        doubt = doubt or _shown(case, support, pages) or self._misheard(case, support) or misread.doubt(support, pages)
        if doubt is not None:
            return not_checked(claim, f"nothing that was read or heard bears it out, but {doubt}", best.place)
        missing = support.missing() or "no passage says it in these words"
        error = _ERRORS.get(support.gaps[0].kind, "unsupported") if support.gaps else "unsupported"
        what = "speech" if best.home.spoken else "page" if best.home.recognised else "text"
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


def _sources(pieces: Iterable[tuple[EvidenceFile, Callable[[EvidenceFile], SourceText]]]) -> tuple[list[Source], list[str]]:
    read: list[Source] = []
    unread: list[str] = []
    for piece, reader in pieces:
        try:
            text = reader(piece)
        except DetectorError as error:
            unread.append(str(error))
            continue
        # The same transcript in segments and as it stands are two texts.
        source = passages_of(text, f"{piece.sha256}:spoken" if text.spoken else piece.sha256)
        if source.passages:
            read.append(source)
        else:
            unread.append(str(EvidenceUnreadable(piece.id, "it carries no words")))
    return read, unread


def _pictures_alone(case: Case) -> bool:
    return not case.evidence_of(*_READ, *_HEARD)


def _shown(case: Case, support: Support, pages: Sequence[Source]) -> str | None:
    """What may be seen instead; what speech contradicts need not be looked for in the picture of its video."""
    contradicted = support.contradicted
    spoken = contradicted is not None and bool(support.passages[contradicted[0].passage].home.spoken)
    read = _of(case, pages)
    other = [piece for piece in case.evidence_of(*_SHOWN) if piece not in read and not (spoken and piece.family == "video")]
    return f"it may rest on {other[0].id!r}, which is {other[0].media_type}" if other else None


def _of(case: Case, pages: Sequence[Source]) -> list[EvidenceFile]:
    """The pictures whose pages these are."""
    return [piece for piece in case.evidence_of("image") if any(page.evidence == piece.id for page in pages)]


def _at(place: Place) -> str:
    """Where in a source, in words for a person."""
    if place.time is not None:
        return f" at {clock_text(place.time[0])} to {clock_text(place.time[1])}"
    if place.region is None:
        return ""
    return f" {spot(place.region)}" + (f" of page {place.page}" if place.page is not None and place.page > 1 else "")


def _rest(source: Source) -> str | None:
    """What of a source was not read."""
    home = source.passages[0].home
    return None if home.unread is None else f"of {home.evidence!r} {home.unread}"


def _form(case: Case, sources: Sequence[Source]) -> str | None:
    pages = {piece.id for piece in case.evidence_of("pdf")}
    form = next((source for source in sources if source.evidence in pages and not is_prose(source)), None)
    return None if form is None else f"{form.evidence!r} is a form or table, whose fields say what no sentence does"

"""Catches values, dates, names and visible words that the page does not print, by reading the page again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from rapidfuzz import fuzz

from detectors.charting.sheets import sheet_of
from detectors.contract import Case, Claim, Detector, DetectorOptions, EvidenceFile, EvidenceUnreadable, Finding, Place, Region, not_checked
from detectors.reading.alignment import fold
from detectors.reading.comparison import Comparison, compare, places_to_reread
from detectors.reading.embedded import Held, embedded_fields, field_meant, held_against
from detectors.reading.lines import Line, Reading, around, spot
from detectors.reading.pages import page_image
from detectors.reading.readers import FastReader, SecondReader
from detectors.reading.restoring import legible
from detectors.reading.spotting import Pixels

# Fewer letters and digits than this, and a picture is a photograph that happens to show a sign, not a page.
LITTLE_TEXT, NO_TEXT = 12, 2
# What a page must carry before the absence of a value on it means anything.
DOCUMENT_CHARACTERS, DOCUMENT_LINES = 60, 5
# A sign that fills this share of the picture's height was surely meant by "the sign says".
PROMINENT_HEIGHT, PROMINENT_CONFIDENCE = 0.05, 0.85
# Below this a line may have lost a digit to blur: what it contradicts needs the second reader's word too.
UNCERTAIN = 0.9
# Below these means a page may well print what was not read: a value beside the one that was, or a name of which there is no trace.
UNCERTAIN_PAGE, UNCERTAIN_TRACE = 0.7, 0.85
# Words less alike than this (per cent of letters) are not told as what the page prints instead.
_RESEMBLES = 60.0
# From here on the first reading alone does not settle the matter.
REREAD_FROM = 0.3
# What the second reading weighs; below the other mark the two readers' dispute is taken to end for the claim.
SECOND_WEIGHT, DISPUTED = 0.65, 0.5
LEFT = "it is part of a statement about a chart, which is left to chart_mismatch"
_ERRORS = {"quantity": "value", "entity": "entity", "text": "label"}


class OcrMismatch(Detector):
    """Compares quantities, dates, names and visible texts of an answer with what two readers find on the page.

    It is wrong when a value is printed more than once and the answer means another place than it says; when both
    readers err alike (stamps across print, handwriting, decorative lettering); when a number in the answer is the
    answer's own reckoning and not marked as such (*about*, *by*, *difference of*: those it leaves unchecked); when an
    altered day-month order still names a day that can be read from the page. A page in a script other than Latin,
    Chinese or Japanese is read poorly. It judges print, not meaning: a right number under a wrong noun passes.
    Values and names in statements about a chart it leaves to ``chart_mismatch``.
    """

    name: ClassVar[str] = "ocr_mismatch"
    version: ClassVar[str] = "1.2.0"
    kinds: ClassVar[frozenset[str]] = frozenset({"quantity", "entity", "text"})
    families: ClassVar[frozenset[str]] = frozenset({"image", "pdf"})
    seconds_per_case: ClassVar[float] = 1.8

    def __init__(self, options: DetectorOptions) -> None:
        super().__init__(options)
        self._fast = FastReader(options)
        self._second: SecondReader | None = None
        self._page: tuple[tuple[str, int], Pixels | None] | None = None

    def load(self) -> None:
        """Raises DetectorUnavailable when the first reader or its weights are missing; the second is optional."""
        self._fast.load()
        if self.options.second_reader and SecondReader.installed():
            self._second = SecondReader(self.options)
            self._second.verify()

    @property
    def weights_version(self) -> str:
        """Versions of the readers in use."""
        return self._fast.version if self._second is None else f"{self._fast.version} {self._second.version}"

    def claims_for(self, case: Case) -> list[Claim]:
        """What may be printed; a name said to be spoken need not be."""
        return [claim for claim in super().claims_for(case) if not claim.facts.get("spoken")]

    def prepare(self, cases: Sequence[Case]) -> None:
        """Read the pictures of several cases together."""
        self._fast.read_ahead(evidence for case in cases for evidence in case.evidence_of(*self.families))

    def claim_context(self, case: Case, claim: Claim) -> str:
        """Whether the claim is part of a statement about a chart, and what the answer says of a file's metadata with it."""
        return "in a chart statement" if claim.id in _in_statements(case) else field_meant(claim, case.answer) or ""

    def judge(self, case: Case, claims: Sequence[Claim]) -> list[Finding]:
        """One finding a claim. Raises EvidenceUnreadable when none of the evidence can be read."""
        readings: list[tuple[EvidenceFile, Reading]] = []
        unreadable: list[EvidenceUnreadable] = []
        for evidence in case.evidence_of(*self.families):
            try:
                readings.append((evidence, self._fast.read(evidence)))
            except EvidenceUnreadable as error:
                unreadable.append(error)
        if not readings:
            raise unreadable[0]
        left = _left_to_charts(case, readings, self._fast)
        return [not_checked(claim, LEFT) if claim.id in left else self._judged(case, claim, readings, unreadable) for claim in claims]

    def raw_score(self, claim: Claim, evidence: EvidenceFile) -> float | None:
        """The uncalibrated distance of a claim to a page, None where it is not judged: what calibration is fitted on."""
        reading = self._fast.read(evidence)
        comparison = self._second_opinion(claim, evidence, reading, compare(claim, reading))
        return None if _not_judged(claim, reading, comparison) else comparison.raw

    def _judged(
        self, case: Case, claim: Claim, readings: list[tuple[EvidenceFile, Reading]], unreadable: list[EvidenceUnreadable]
    ) -> Finding:
        """What the pages say of a claim, and where they do not bear it out what the files say of themselves."""
        finding = self._find(claim, readings, unreadable)
        if finding.verdict == "supported":
            return finding
        held: tuple[Held, EvidenceFile] | None = None
        for evidence, _ in _cited(claim, readings):
            against = held_against(claim, case.answer, embedded_fields(evidence))
            if against is not None and (held is None or (against.meant, -against.raw) > (held[0].meant, -held[0].raw)):
                held = (against, evidence)
        # What a page contradicts, a file's metadata supports only where the answer speaks of them.
        if held is None or (finding.verdict == "hallucinated" and not held[0].meant):
            return finding
        return self._finding_on_field(claim, *held)

    def _find(self, claim: Claim, readings: list[tuple[EvidenceFile, Reading]], unreadable: list[EvidenceUnreadable]) -> Finding:
        best: tuple[float, EvidenceFile, Comparison] | None = None
        reasons: list[str] = []
        for evidence, reading in _cited(claim, readings):
            comparison = self._second_opinion(claim, evidence, reading, compare(claim, reading))
            if reason := _not_judged(claim, reading, comparison):
                reasons.append(reason)
            elif comparison.raw is not None and (best is None or comparison.raw < best[0]):
                best = (comparison.raw, evidence, comparison)
        if best is None:
            return not_checked(claim, reasons[0])
        finding = self._finding(claim, best[1], best[2])
        if finding.verdict == "hallucinated" and (unreadable or reasons):
            why = str(unreadable[0]) if unreadable else reasons[0]
            return not_checked(claim, f"it is not on what could be read, but {why}", finding.place)
        return finding

    def _second_opinion(self, claim: Claim, evidence: EvidenceFile, reading: Reading, first: Comparison) -> Comparison:
        """The comparison after the second reader looked at the lines that decide it; unchanged where that cannot help."""
        if self._second is None or first.raw is None or first.raw < REREAD_FROM or first.absent or first.note:
            # A value that is printed but in another role is not a matter of reading.
            return first
        reread: dict[Line, Line] = {}
        for line in places_to_reread(claim, reading, first):
            page = self._legible_page(evidence, line.page)
            if page is not None and line.region[2] > 0 and line.region[3] > 0:
                text, confidence = self._second.read_line(page, line)
                if text.strip():
                    reread[line] = replace(line, text=text, confidence=confidence)
        if not reread:
            return first
        again = compare(claim, replace(reading, lines=tuple(reread.get(line, line) for line in reading.lines)))
        if again.raw is None or again.raw >= first.raw:
            return replace(first, confirmed=again.raw is not None and fold(again.quote)[0] == fold(first.quote)[0])
        raw = SECOND_WEIGHT * again.raw + (1 - SECOND_WEIGHT) * first.raw
        return replace(again, raw=raw) if raw < DISPUTED else replace(first, raw=raw)

    def _legible_page(self, evidence: EvidenceFile, number: int) -> Pixels | None:
        """The picture of a page as the first reader saw it, the last one kept: a claim asks about several of its lines."""
        if self._page is None or self._page[0] != (evidence.sha256, number):
            image = page_image(evidence, number)
            self._page = ((evidence.sha256, number), None if image is None else legible(np.asarray(image)))
        return self._page[1]

    def _finding(self, claim: Claim, evidence: EvidenceFile, comparison: Comparison) -> Finding:
        if comparison.raw is None:
            raise RuntimeError(f"{self.name}: a verdict without a comparison")
        score = self.calibration.apply(comparison.raw)
        wrong = score >= self.calibration.threshold
        page, region = _where(comparison.lines)
        place = Place(evidence.id, region=region, page=page, quote=comparison.quote or None)
        if not wrong:
            told = f"The answer gives {claim.text}; the page prints {comparison.quote} {_spot(region)}."
            return Finding(claim, "supported", score, told, place)
        error = "label" if comparison.note == "as the total" else _ERRORS[claim.kind]
        return Finding(claim, "hallucinated", score, _told_wrong(claim, comparison, region), place, error)

    def _finding_on_field(self, claim: Claim, held: Held, evidence: EvidenceFile) -> Finding:
        score = self.calibration.apply(held.raw)
        told = f"The answer gives {claim.text}; the {held.field.name} in the file's metadata is {held.field.value}."
        place = Place(evidence.id, quote=held.field.value)
        if score >= self.calibration.threshold:
            return Finding(claim, "hallucinated", score, told, place, _ERRORS[claim.kind])
        return Finding(claim, "supported", score, told, place)


def _cited(claim: Claim, readings: list[tuple[EvidenceFile, Reading]]) -> list[tuple[EvidenceFile, Reading]]:
    """The readings of the evidence a claim cites; all of them where it cites none of these."""
    cited = {place.evidence for place in claim.citations}
    return [(evidence, reading) for evidence, reading in readings if evidence.id in cited] or readings


def _left_to_charts(case: Case, readings: Sequence[tuple[EvidenceFile, Reading]], reader: FastReader) -> set[str]:
    """The values and names that are part of a statement about a chart in the evidence; words in quotes stay with this detector.

    On charts values are rounded, reckoned and measured off marks, and labels paraphrased: that they are not printed so says little
    (measured: benchmarks/TUNING.md).
    """
    inside = _in_statements(case)
    charts = inside and not all(isinstance(sheet_of(evidence, reading, reader), str) for evidence, reading in readings)
    return inside if charts else set()


def _in_statements(case: Case) -> set[str]:
    """Values and names whose words stand within a statement about a chart."""
    statements = [claim.span for claim in case.claims if claim.kind == "trend" and claim.span]
    spans = [(claim.id, claim.span) for claim in case.claims if claim.span and claim.kind in ("quantity", "entity")]
    return {name for name, span in spans if any(span[0] < end and start < span[1] for start, end in statements)}


def _not_judged(claim: Claim, reading: Reading, comparison: Comparison) -> str | None:
    """Why a claim cannot be judged on this reading, or None when it can."""
    if not reading.lines:
        return "no text was read" if reading.complete else f"no text is on the first {reading.pages} pages, the rest was not read"
    if reading.characters < (NO_TEXT if claim.kind == "text" else LITTLE_TEXT):
        return f"hardly any text was read ({reading.characters} letters and digits)"
    if comparison.raw is None:
        return comparison.reason
    if claim.facts.get("negated"):
        return "the answer says that this is not the value"
    if comparison.raw < REREAD_FROM:
        return None
    if not reading.complete:
        return f"it is not on the first {reading.pages} pages, the rest was not read"
    if claim.facts.get("approximate") or claim.facts.get("derived"):
        return "the answer rounds or reckons this value, and it is not printed as such"
    if comparison.raw >= DISPUTED and not (comparison.absent or comparison.confirmed):
        unsure = min((line.confidence for line in comparison.lines), default=1.0)
        if unsure < UNCERTAIN:
            return f"the place where it may stand is read too uncertainly (confidence {unsure:.2f})"
    return _absence_means_nothing(claim, reading, comparison)


def _absence_means_nothing(claim: Claim, reading: Reading, comparison: Comparison) -> str | None:
    if claim.facts.get("how") == "recogniser" and comparison.absent:
        return "the name is not printed, and the answer does not say that it is"
    if reading.characters >= DOCUMENT_CHARACTERS and len(reading.lines) >= DOCUMENT_LINES:
        needed = UNCERTAIN_TRACE if comparison.absent else UNCERTAIN_PAGE
        return None if reading.confidence >= needed else f"the page is read too uncertainly (confidence {reading.confidence:.2f})"
    if claim.kind == "text" and any(_prominent(line) for line in reading.lines):
        return None
    return "the picture shows little text, and nothing like this among it" if comparison.absent or claim.kind == "quantity" else None


def _prominent(line: Line) -> bool:
    return line.level[3] >= PROMINENT_HEIGHT and line.confidence >= PROMINENT_CONFIDENCE


def _where(lines: Sequence[Line]) -> tuple[int | None, Region | None]:
    """Page and region of the best place; lines of a following page are left out."""
    if not lines:
        return None, None
    page = lines[0].page
    return page, around(line for line in lines if line.page == page)


def _spot(region: Region | None) -> str:
    return "somewhere" if region is None else spot(region)


def _resembles(claim: Claim, quote: str) -> bool:
    """Whether words that are printed look like those of the claim; of values what is printed in their place is told as it is."""
    compared = claim.facts.keys() & {"values", "dates", "clock"}
    return bool(quote) and (bool(compared) or fuzz.ratio(fold(claim.text)[0], fold(quote)[0]) >= _RESEMBLES)


def _told_wrong(claim: Claim, comparison: Comparison, region: Region | None) -> str:
    if comparison.absent or not _resembles(claim, comparison.quote):
        closest = f"; the closest is {comparison.quote!r} {_spot(region)}" if comparison.quote else ""
        return f"The answer gives {claim.text}, and nothing like it is printed{closest}."
    note = f" {comparison.note}" if comparison.note else ""
    return f"The answer gives {claim.text}; the page prints {comparison.quote}{note} {_spot(region)}."

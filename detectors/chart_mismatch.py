"""Catches statements a chart does not bear out, by recovering its values, labels and axes from print and pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from detectors.charting.features import Inspection, inspect
from detectors.charting.sheets import Sheet, sheet_of
from detectors.charting.verdict import ChartModel, chart_model, objection, support
from detectors.contract import Case, Claim, Detector, DetectorOptions, EvidenceFile, EvidenceUnreadable, Finding, Place, not_checked
from detectors.reading.readers import FastReader

_NOTHING = "nothing in the statement can be looked up on the chart"


class ChartMismatch(Detector):
    """Holds statements about statistics against the chart they describe: values with their labels, directions, extremes, comparisons.

    Printed values are read; bars, lines, areas and slices without one are measured, on linear and logarithmic axes, and named by their
    labels and the legend. What lies within the uncertainty of measuring is not decided.

    It is wrong when a value is printed at several marks and the answer's words do not say which; when labels are tied to
    values by arrows, braces or maps rather than by row, column or colour; when a label's words are paraphrased beyond their
    stems; when the answer reckons (sums, differences) beyond two values. "In 2019 X was highest" passes where 2019 was X's
    highest year. A marker read as a digit hides its point of the line. Trends without numbers are decided only where a time
    axis is found. Marks in pale grey, lines that cover each other and pies drawn in perspective are not measured, nor are
    bars whose ticks fall on no line or whose names stand between them. Pages that carry their own text (most PDFs) keep
    their drawings from it: it abstains there.
    """

    name: ClassVar[str] = "chart_mismatch"
    version: ClassVar[str] = "2.1.1"
    kinds: ClassVar[frozenset[str]] = frozenset({"trend"})
    families: ClassVar[frozenset[str]] = frozenset({"image", "pdf"})
    seconds_per_case: ClassVar[float] = 1.6

    def __init__(self, options: DetectorOptions) -> None:
        super().__init__(options)
        self._reader = FastReader(options)
        self._model: ChartModel | None = None

    def load(self) -> None:
        """Raises DetectorUnavailable when the reader or its weights are missing."""
        self._reader.load()
        self._model = chart_model()

    @property
    def weights_version(self) -> str:
        """Version of the reader."""
        return self._reader.version

    def prepare(self, cases: Sequence[Case]) -> None:
        """Read the pictures of several cases together."""
        self._reader.read_ahead(evidence for case in cases for evidence in case.evidence_of(*self.families))

    def claim_context(self, case: Case, claim: Claim) -> str:
        """Nothing: a statement is held against the charts by itself."""
        return ""

    def judge(self, case: Case, claims: Sequence[Claim]) -> list[Finding]:
        """One finding a claim. Raises EvidenceUnreadable when none of the evidence can be read."""
        sheets: list[tuple[EvidenceFile, Sheet | str]] = []
        unreadable: list[EvidenceUnreadable] = []
        for evidence in case.evidence_of(*self.families):
            try:
                sheets.append((evidence, self.sheet(evidence)))
            except EvidenceUnreadable as error:
                unreadable.append(error)
        if not sheets:
            raise unreadable[0]
        return [self._find(claim, sheets) for claim in claims]

    def sheet(self, evidence: EvidenceFile) -> Sheet | str:
        """The first chart of the evidence, or why there is none. Raises EvidenceUnreadable."""
        return sheet_of(evidence, self._reader.read(evidence), self._reader)

    def inspect(self, claim: Claim, sheet: Sheet) -> Inspection | None:
        """A claim against a chart: what the model is fitted on. None where nothing in it can be looked up."""
        return inspect(claim, sheet.chart, sheet.association, sheet.vocabulary)

    def _find(self, claim: Claim, sheets: Sequence[tuple[EvidenceFile, Sheet | str]]) -> Finding:
        if self._model is None:
            raise RuntimeError(f"{self.name}: a verdict before load()")
        if "numbers" not in claim.facts:
            return not_checked(claim, "the statement has no number, direction or comparison")
        cited = {place.evidence for place in claim.citations}
        chosen = [(evidence, sheet) for evidence, sheet in sheets if evidence.id in cited] or list(sheets)
        best: tuple[float, EvidenceFile, Sheet, Inspection] | None = None
        reasons = []
        for evidence, sheet in chosen:
            if isinstance(sheet, str):
                reasons.append(sheet)
                continue
            inspection = self.inspect(claim, sheet)
            if inspection is None:
                reasons.append(_NOTHING)
                continue
            raw = self._model.log_odds(inspection)
            if best is None or raw < best[0]:
                best = (raw, evidence, sheet, inspection)
        return self._finding(claim, *best) if best else not_checked(claim, reasons[0])

    def _finding(self, claim: Claim, raw: float, evidence: EvidenceFile, sheet: Sheet, inspection: Inspection) -> Finding:
        score = self.calibration.apply(raw)
        wrong = score >= self.calibration.threshold
        seen = objection(inspection) if wrong else support(inspection)
        place = Place(evidence.id, region=seen.region, page=sheet.page, quote=seen.quote)
        if wrong:
            return Finding(claim, "hallucinated", score, seen.told, place, seen.error)
        return Finding(claim, "supported", score, seen.told, place)

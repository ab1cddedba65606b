"""What detection leaves behind for one response, as frozen records that cross the borders between stages.

The states and verdicts mean what :mod:`detectors.contract` says; this module repeats none of its code because only
:mod:`monitor.detect` may import the detectors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from monitor.records import Usage

OutcomeState = Literal["judged", "abstained", "not_applicable", "failed", "sampled_out", "over_budget"]
Verdict = Literal["supported", "hallucinated", "not_checked"]
QualityGrade = Literal["good", "poor", "unusable"]

# Only this state says that somebody looked; everything else is "not checked" in every number and chart.
CHECKED_STATES: tuple[OutcomeState, ...] = ("judged",)
# From best to worst.
QUALITY_GRADES: tuple[QualityGrade, ...] = ("good", "poor", "unusable")


class FindingRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One detector's word on one claim; fractions, seconds and code points as in the response record."""

    detector: str
    claim_id: str
    claim_text: str
    claim_kind: str
    verdict: Verdict
    explanation: str
    claim_span: tuple[int, int] | None = None
    score: float | None = None
    error: str | None = None
    reason: str | None = None
    evidence_id: str | None = None
    region: tuple[float, float, float, float] | None = None
    time: tuple[float, float] | None = None
    page: int | None = None
    evidence_span: tuple[int, int] | None = None
    quote: str | None = None
    duration_ms: float = 0.0


class QualityProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a piece of evidence: a ``name`` to count by and a ``text`` for a person."""

    name: str
    grade: QualityGrade
    text: str


class EvidenceQuality(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How good one piece of evidence is as an input. ``grade`` None: it was not measured, which is never good.

    ``measures`` are finite numbers with their unit in the name; ``duration_ms`` is what measuring took, 0 where it was known.
    """

    evidence_id: str
    family: str
    sha256: str = ""
    grade: QualityGrade | None = None
    problems: tuple[QualityProblem, ...] = ()
    measures: dict[str, float] = {}
    duration_ms: float = 0.0


def input_quality(pieces: Sequence[EvidenceQuality]) -> QualityGrade | None:
    """The worst grade of a response's evidence. None where nothing was measured, or a piece that was not might be worse."""
    grades = [piece.grade for piece in pieces]
    worst = max((QUALITY_GRADES.index(grade) for grade in grades if grade is not None), default=None)
    if worst is None or (worst == 0 and None in grades):
        return None
    return QUALITY_GRADES[worst]


class OutcomeRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How one detector ended on one response. ``response_time`` is the response's own time (part of the store's key).

    ``quality`` is what the worker measured of the response's evidence on the way; the store keeps it apart from outcomes.
    ``usage`` is what the detector paid others for, as a response states its own.
    ``cached`` says that every verdict is an earlier one on the same content, None that earlier ones were not looked for;
    it is told when an outcome is made and not stored.
    """

    project: str
    response_id: str
    response_time: datetime
    workflow: str
    detector: str
    state: OutcomeState
    finished_at: datetime
    detector_version: str = ""
    weights_version: str = ""
    reason: str | None = None
    duration_ms: float = 0.0
    attempts: int = 1
    findings: tuple[FindingRecord, ...] = ()
    quality: tuple[EvidenceQuality, ...] = ()
    usage: tuple[Usage, ...] = ()
    cached: bool | None = None

    @property
    def flagged(self) -> bool:
        """Whether any claim was found hallucinated."""
        return any(finding.verdict == "hallucinated" for finding in self.findings)

    @property
    def max_score(self) -> float | None:
        """Highest score of the checked claims; None when nothing was checked."""
        return max((f.score for f in self.findings if f.score is not None), default=None)


def verdict_of(outcomes: Iterable[OutcomeRecord]) -> Verdict:
    """What several detectors say together: one that found something wrong outweighs the others, and nobody's word is not support."""
    verdicts = {finding.verdict for outcome in outcomes for finding in outcome.findings}
    return "hallucinated" if "hallucinated" in verdicts else "supported" if "supported" in verdicts else "not_checked"

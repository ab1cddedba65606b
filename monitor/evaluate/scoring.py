"""Scoring by label: what the detectors said about every labelled span of a corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.evaluate.corpus import Corpus, slices_of, source_of
from monitor.findings import FindingRecord, OutcomeRecord
from monitor.records import Label

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Numbers: TypeAlias = NDArray[np.int64]

NO_CLAIM = "no claim was found in the labelled span"


@dataclass(frozen=True, slots=True)
class LabelTable:
    """All labels of a corpus, in order. ``response`` and ``source`` are numbers from 0; ``slices`` name their rows."""

    hallucinated: Flags
    error: tuple[str | None, ...]
    response: Numbers
    source: Numbers
    slices: Mapping[str, Flags]


@dataclass(frozen=True, slots=True)
class DetectorScores:
    """One detector on all labels: ``score`` is NaN where it did not judge, ``reasons`` counts why."""

    score: Floats
    flagged: Flags
    seconds: Floats
    reasons: Counter[str]


def label_table(corpus: Corpus) -> LabelTable:
    """The truth. ``seconds`` and slices are by response, everything else by label."""
    rows = [(number, record, label) for number, record in enumerate(corpus.records) for label in record.labels]
    sources: dict[str, int] = {}
    names = sorted({name for record in corpus.records for name in slices_of(record)})
    return LabelTable(
        hallucinated=np.array([label.hallucinated for _, _, label in rows], dtype=bool),
        error=tuple(label.error for _, _, label in rows),
        response=np.array([number for number, _, _ in rows], dtype=np.int64),
        source=np.array([sources.setdefault(source_of(record), len(sources)) for _, record, _ in rows], dtype=np.int64),
        slices={name: np.array([name in slices_of(record) for _, record, _ in rows], dtype=bool) for name in names},
    )


def detector_scores(corpus: Corpus, outcomes: Mapping[str, OutcomeRecord]) -> DetectorScores:
    """What one detector said; ``outcomes`` by response id, every response present.

    A label takes the highest score among the findings whose claim overlaps its span, and counts as flagged where one
    of those findings says hallucinated. ``seconds`` is by response, NaN where the detector did not look.
    """
    scores: list[float] = []
    flags: list[bool] = []
    reasons: Counter[str] = Counter()
    for record in corpus.records:
        outcome = outcomes[record.id]
        for label in record.labels:
            touching = [finding for finding in outcome.findings if _overlaps(finding, label)]
            judged = [finding for finding in touching if finding.score is not None]
            scores.append(max((finding.score for finding in judged if finding.score is not None), default=float("nan")))
            flags.append(any(finding.verdict == "hallucinated" for finding in judged))
            if not judged:
                reasons[_why_not(outcome, touching)] += 1
    seconds = [_seconds(outcomes[record.id]) for record in corpus.records]
    return DetectorScores(np.array(scores, dtype=float), np.array(flags, dtype=bool), np.array(seconds, dtype=float), reasons)


def together(parts: Iterable[DetectorScores]) -> DetectorScores:
    """All detectors as one: the highest score, flagged by any, their times added."""
    several = list(parts)
    score = np.fmax.reduce([part.score for part in several])
    flagged = np.logical_or.reduce([part.flagged for part in several])
    looked = ~np.isnan(np.array([part.seconds for part in several]))
    seconds = np.where(looked.any(axis=0), np.nansum([part.seconds for part in several], axis=0), np.nan)
    return DetectorScores(score, flagged, seconds, Counter())


def _overlaps(finding: FindingRecord, label: Label) -> bool:
    span = finding.claim_span
    return span is not None and span[0] < label.span[1] and label.span[0] < span[1]


def _why_not(outcome: OutcomeRecord, touching: Sequence[FindingRecord]) -> str:
    if touching:
        return touching[0].reason or "no reason given"
    if outcome.state == "judged":
        return NO_CLAIM
    return f"{outcome.state}: {outcome.reason or 'no reason given'}"


def _seconds(outcome: OutcomeRecord) -> float:
    return outcome.duration_ms / 1000 if outcome.state in ("judged", "abstained") else float("nan")

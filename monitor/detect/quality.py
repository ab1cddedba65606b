"""Input quality in the worker: every piece of evidence measured once, and what it explains about an abstention."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import replace

import msgspec

from detectors.contract import EvidenceFile, MissingEvidence, Outcome
from detectors.quality import Quality
from detectors.quality.remembering import measure_once
from monitor.findings import EvidenceQuality, QualityProblem

# A few hundred bytes each; several detectors and many responses share a source.
_KEPT = 2048
_log = logging.getLogger(__name__)


class QualityMeter:
    """Measures evidence, remembering the last few thousand pieces by content. Not thread-safe: one a worker."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], EvidenceQuality] = OrderedDict()

    def measure(self, files: Sequence[EvidenceFile], missing: Sequence[MissingEvidence] = ()) -> tuple[EvidenceQuality, ...]:
        """One entry a piece; what is missing or cannot be measured has no grade."""
        absent = (EvidenceQuality(evidence_id=piece.id, family=piece.family) for piece in missing)
        return (*(self._measured(file) for file in files), *absent)

    def _measured(self, file: EvidenceFile) -> EvidenceQuality:
        key = (file.sha256, file.family)
        if (known := self._known.get(key)) is not None:
            self._known.move_to_end(key)
            return msgspec.structs.replace(known, evidence_id=file.id, duration_ms=0.0)
        started = time.perf_counter()
        found = _of(file, _quality_of(file), (time.perf_counter() - started) * 1000)
        self._known[key] = found
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return found


def _quality_of(file: EvidenceFile) -> Quality | None:
    try:
        return measure_once(file)
    except Exception:  # noqa: BLE001 - a decoder may raise anything on hostile bytes; then it is not measured, and detection goes on
        _log.exception("the quality of evidence %s (sha256 %s) could not be measured", file.id, file.sha256)
        return None


def _of(file: EvidenceFile, found: Quality | None, spent_ms: float) -> EvidenceQuality:
    if found is None:
        return EvidenceQuality(evidence_id=file.id, family=file.family, sha256=file.sha256)
    return EvidenceQuality(
        evidence_id=file.id,
        family=file.family,
        sha256=file.sha256,
        grade=found.grade,
        problems=tuple(QualityProblem(name=one.name, grade=one.grade, text=one.text) for one in found.problems),
        measures=dict(found.measures),
        duration_ms=spent_ms,
    )


def explained(outcome: Outcome, families: Collection[str], pieces: Sequence[EvidenceQuality]) -> Outcome:
    """An abstention with what is wrong with the evidence that the detector reads; every other outcome as it is."""
    bad = [piece for piece in pieces if piece.problems and piece.family in families]
    if outcome.state != "abstained" or not bad:
        return outcome
    several = len([piece for piece in pieces if piece.family in families]) > 1
    known = outcome.reason or "no reason given"
    faults = [fault for piece in bad if (fault := _faults(piece, several)) not in known]
    return replace(outcome, reason="; ".join([known, *faults]))


def unseeable(pieces: Sequence[EvidenceQuality], families: Collection[str], undone_by: Collection[str]) -> dict[str, str]:
    """By evidence id, why what a detector of these families does not find there may be there all the same."""
    read = [piece for piece in pieces if piece.family in families]
    bad = [piece for piece in read if piece.grade == "unusable" or any(problem.name in undone_by for problem in piece.problems)]
    return {piece.evidence_id: _faults(piece, len(read) > 1) for piece in bad}


def _faults(piece: EvidenceQuality, named: bool) -> str:
    where = f" {piece.evidence_id!r}" if named else ""
    return f"{piece.grade} input{where}: {', '.join(problem.text for problem in piece.problems)}"

"""``groundwatch calibrate``: reviewers' verdicts joined with the scores they judge, fitted, written and logged.

A verdict belongs to the finding on the same claim: the same claim id, else the finding whose words overlap most with
the reviewer's. Only what tells of the present detector counts: findings of its present version, from responses that
were drawn for review by chance. What is left out is counted and told.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from detectors.calibration import RISKS, Calibration, CalibrationInvalid
from detectors.calibration.recalibration import MARK, Recalibration, log_odds
from detectors.calibration.refit import Method as Method
from detectors.calibration.refit import Refit, TooFewLabels, refit
from monitor.errors import StorageUnavailable
from monitor.findings import FindingRecord, OutcomeRecord
from monitor.metadata.review import ItemRecord, VerdictRecord
from monitor.store.rows import StoredResponse
from monitor.syncing import write_synced

EARLIER = "earlier"
# Without a shipped calibration (a detector of rules) even odds are the middle of the scale.
_EVEN = 0.5
_MOST_ITEMS = 1_000_000


class Reviews(Protocol):
    """Judged items and their verdicts; :class:`monitor.metadata.review.ReviewItems` has them."""

    def page(self, project: str, now: datetime, state: Any = None, workflow: str | None = None, limit: int = 100) -> list[ItemRecord]:
        """Items in a state."""
        ...

    def verdicts_for(self, project: str, response_ids: Sequence[str]) -> dict[str, list[VerdictRecord]]:
        """The verdicts that stand, by response."""
        ...


class Responses(Protocol):
    """Stored responses; :class:`monitor.store.reading.Reader` has them."""

    def response(self, project: str, response_id: str) -> StoredResponse | None:
        """One response with its outcomes."""
        ...


@dataclass(slots=True)
class Labelled:
    """Judged claims of one detector with their shipped scores, and what was left out, why."""

    scores: list[float] = field(default_factory=list)
    truth: list[bool] = field(default_factory=list)
    inclusion: list[float] = field(default_factory=list)
    responses: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What became of one detector: written to ``path``, or ``refused`` with the reason; ``fit`` where there was enough."""

    detector: str
    labelled: Labelled
    fit: Refit | None = None
    path: Path | None = None
    refused: str | None = None


class Refitting:
    """Refits detectors of one project into the folder of a data folder's own calibrations."""

    def __init__(self, folder: Path, project: str, reviews: Reviews, responses: Responses, now: datetime) -> None:
        self._folder = folder
        self._project = project
        self._now = now
        items = reviews.page(project, now, "judged", limit=_MOST_ITEMS)
        self._chances = {item.response_id: item.inclusion_probability for item in items}
        verdicts = reviews.verdicts_for(project, list(self._chances))
        self._reviewed = [(stored, verdicts[one]) for one in verdicts if (stored := responses.response(project, one)) is not None]

    def labelled(self, detector: str, version: str) -> Labelled:
        """Every reviewed claim that the present version of the detector gave a score."""
        found = Labelled()
        for stored, verdicts in self._reviewed:
            for outcome in stored.outcomes:
                if outcome.detector == detector:
                    self._add(found, outcome, verdicts, version)
        return found

    def _add(self, found: Labelled, outcome: OutcomeRecord, verdicts: Sequence[VerdictRecord], version: str) -> None:
        chance = self._chances[outcome.response_id]
        for verdict in verdicts:
            finding = finding_of(verdict, outcome.findings)
            if finding is None:
                continue
            if finding.score is None:
                found.left_out["not checked by the detector"] += 1
            elif outcome.detector_version != version:
                found.left_out["judged by another version of the detector"] += 1
            elif chance <= 0:
                found.left_out["asked for by a person, not drawn by chance"] += 1
            elif (score := self._shipped(outcome, finding.score)) is None:
                found.left_out["scored with a calibration that is no longer here"] += 1
            else:
                found.scores.append(score)
                found.truth.append(verdict.hallucinated)
                found.inclusion.append(chance)
                found.responses.append(outcome.response_id)

    def _shipped(self, outcome: OutcomeRecord, score: float) -> float | None:
        """The score before the team's own calibration of that time; None where that one is gone."""
        marks = [word.removeprefix(MARK) for word in outcome.weights_version.split() if word.startswith(MARK)]
        if not marks:
            return score
        name = outcome.detector
        for path in (self._folder / f"{name}.json", self._folder / EARLIER / f"{name}-{marks[-1]}.json"):
            try:
                known = Recalibration.read(path, name, outcome.detector_version)
            except CalibrationInvalid:
                continue
            if known.digest == marks[-1]:
                return known.undo(score)
        return None

    def calibrate(self, detector: str, version: str, method: Method) -> Calibrated:
        """Fit one detector and write its file, unless there are too few labels or held-out claims come out worse.

        Raises StorageUnavailable; the calibration in use stays then.
        """
        found = self.labelled(detector, version)
        current = self._current(detector, version)
        before = found.scores if current is None else [current.apply(score) for score in found.scores]
        try:
            fit = refit(found.scores, before, found.truth, found.inclusion, found.responses, name=detector, method=method)
        except TooFewLabels as error:
            return Calibrated(detector, found, refused=str(error))
        if not fit.better:
            return Calibrated(detector, found, fit, refused="held-out claims are no better calibrated than now: nothing was changed")
        return Calibrated(detector, found, fit, self._write(detector, version, fit, found))

    def _current(self, detector: str, version: str) -> Recalibration | None:
        try:
            return Recalibration.read(self._folder / f"{detector}.json", detector, version)
        except CalibrationInvalid:
            return None

    def _write(self, detector: str, version: str, fit: Refit, found: Labelled) -> Path:
        path = self._folder / f"{detector}.json"
        earlier = self._folder / EARLIER
        content = json.dumps(self._fields(detector, version, fit, found), indent=2) + "\n"
        try:
            earlier.mkdir(parents=True, exist_ok=True)
            if path.is_file():
                # Scores in the store that went through it can be led back to the shipped ones only with it.
                old = path.read_bytes()
                write_synced(earlier / f"{detector}-{Recalibration.digest_of(old)}.json", old)
            write_synced(path, content.encode())
        except OSError as error:
            raise StorageUnavailable(path, error.strerror or str(error)) from error
        return path

    def _fields(self, detector: str, version: str, fit: Refit, found: Labelled) -> dict[str, Any]:
        shape = fit.calibration
        shipped = _shipped_thresholds(detector)
        moved = {risk: shape.apply(log_odds(threshold)) for risk, threshold in shipped.items()}
        parameters = (
            {"slope": shape.slope, "intercept": shape.intercept}
            if shape.method == "platt"
            else {"raw": list(shape.raw), "probability": list(shape.probability)}
        )
        measured = {name: value for name, value in asdict(fit).items() if name != "calibration"}
        provenance = {
            "source": "verdicts of this service's reviewers, weighted by inverse inclusion probability",
            "project": self._project,
            "date": self._now.date().isoformat(),
            "n": fit.labels,
            "positives": fit.hallucinated,
            "grouped_by": "response",
            **measured,
            "left_out": dict(found.left_out),
        }
        return {
            "detector": detector,
            "detector_version": version,
            "method": shape.method,
            **parameters,
            "threshold": moved[RISKS[0]],
            "risk_thresholds": {risk: moved[risk] for risk in RISKS[1:]},
            "provenance": provenance,
        }


def finding_of(verdict: VerdictRecord, findings: Sequence[FindingRecord]) -> FindingRecord | None:
    """The finding that a verdict speaks of, None where this detector has none."""
    same = [finding for finding in findings if finding.claim_id == verdict.claim_id and finding.claim_text == verdict.claim_text]
    if not same and verdict.span is not None:
        shared = [(_overlap(finding.claim_span, verdict.span), finding) for finding in findings]
        most = max((share for share, _ in shared), default=0)
        same = [finding for share, finding in shared if share == most > 0]
    if not same:
        same = [finding for finding in findings if finding.claim_text == verdict.claim_text]
    return max(same, key=lambda finding: -1.0 if finding.score is None else finding.score, default=None)


def _overlap(span: tuple[int, int] | None, other: tuple[int, int]) -> int:
    return 0 if span is None else max(0, min(span[1], other[1]) - max(span[0], other[0]))


def _shipped_thresholds(detector: str) -> dict[str, float]:
    try:
        shipped = Calibration.load(detector)
    except CalibrationInvalid:
        shipped = Calibration(detector, "platt", _EVEN)
    return {risk: shipped.threshold_for(risk) for risk in RISKS}

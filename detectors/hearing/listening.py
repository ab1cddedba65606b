"""What the detectors of spoken words have in common: the listeners, the recordings a claim may be in, and the best of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from detectors.claims.moments import clock_text
from detectors.contract import Case, Claim, Detector, DetectorOptions, EvidenceFile, EvidenceUnreadable, Finding, Place, not_checked
from detectors.hearing.ears import Ears, ears_of
from detectors.hearing.judgement import Judged

SOUND = ("audio", "video")


class ListeningDetector(Detector):
    """Holds each claim against every recording it may be in. A subclass says what is heard of a claim in one of them."""

    # Log odds between which nothing is decided, and what is then said of the words heard nearest to the claim.
    unsure: ClassVar[tuple[float, float]] = (0.0, 0.0)
    unsure_reason: ClassVar[str] = ""

    def __init__(self, options: DetectorOptions) -> None:
        super().__init__(options)
        self._ears: Ears | None = None

    def load(self) -> None:
        """Load the listeners. Raises DetectorUnavailable with the remedy."""
        self._ears = ears_of(self.options)

    @property
    def weights_version(self) -> str:
        """Names and short hashes of the listeners."""
        return self._ears.weights_version if self._ears else ""

    def judge(self, case: Case, claims: Sequence[Claim]) -> list[Finding]:
        """One finding a claim, from the recording that bears it out best; an unreadable recording is named in the reason."""
        return [self._judge_claim(case, claim) for claim in claims]

    @abstractmethod
    def listen_for(self, case: Case, evidence: EvidenceFile, claim: Claim) -> Judged | str:
        """The uncalibrated judgement of a claim from one recording, or why there is none. Raises EvidenceUnreadable."""

    def _listeners(self) -> Ears:
        if self._ears is None:
            self.load()
            return self._listeners()
        return self._ears

    def _judge_claim(self, case: Case, claim: Claim) -> Finding:
        findings = [self._judge_in(case, evidence, claim) for evidence in recordings_of(case, claim)]
        scored = sorted((f for f in findings if f.score is not None), key=lambda finding: finding.score or 0.0)
        # What an unread recording might bear out is not refuted by the others.
        if scored and (len(scored) == len(findings) or scored[0].verdict == "supported"):
            return scored[0]
        return next((finding for finding in findings if finding.score is None), not_checked(claim, "no recording is cited for it"))

    def _judge_in(self, case: Case, evidence: EvidenceFile, claim: Claim) -> Finding:
        try:
            found = self.listen_for(case, evidence, claim)
        except EvidenceUnreadable as error:
            return not_checked(claim, str(error), Place(evidence.id))
        if isinstance(found, str):
            return not_checked(claim, found, Place(evidence.id))
        place = Place(evidence.id, time=found.time, quote=found.heard or None)
        if self.unsure[0] < found.log_odds < self.unsure[1]:
            return not_checked(claim, self.unsure_reason.format(heard=found.heard), place)
        score = self.calibration.apply(found.log_odds)
        if score >= self.calibration.threshold:
            return Finding(claim, "hallucinated", score, found.fault, place, found.error)
        start = clock_text(found.time[0]) if found.time else "one place"
        return Finding(claim, "supported", score, f"At {start} the recording says “{found.heard}”.", place)


def recordings_of(case: Case, claim: Claim) -> tuple[EvidenceFile, ...]:
    """The recordings a claim cites, or all of the case where it cites none of them."""
    every = case.evidence_of(*SOUND)
    cited = {place.evidence for place in claim.citations}
    return tuple(evidence for evidence in every if evidence.id in cited) or every

"""Quotes, spoken numbers and stated times that a recording does not bear out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from detectors.claims.moments import clock_text
from detectors.contract import (
    Case,
    Claim,
    Detector,
    DetectorOptions,
    EvidenceFile,
    EvidenceUnreadable,
    Finding,
    Outcome,
    Place,
    not_checked,
)
from detectors.hearing.ears import Ears, NoSpeech, ears_of
from detectors.hearing.judgement import Judged, judged, unspoken
from detectors.hearing.transcript import Segment, read, where_to_listen

_SOUND = ("audio", "video")


class QuoteMismatch(Detector):
    """Listens to the recording again and compares the words, the numbers and the times an answer gives.

    It looks for the place where the claimed words fit best. Where the transcript reads otherwise there, two recognisers
    rate the claimed words against the sound itself (log-likelihood ratios by forced decoding).

    It is wrong when both listeners mishear a rare word or name, or the sound fades there; when the changed word sounds
    almost like the true one (hurt, heard) or a homophone; when a sentence said twice is quoted at the time of the other
    occurrence (taken as right); and when a longer number in the answer was worked out rather than said. Other
    languages than English, paraphrases and voices too faint to read are not checked. A supplied transcript says where to
    listen in a long recording; the sound decides.
    """

    name = "quote_mismatch"
    version = "1.1.0"
    kinds = frozenset({"quote", "quantity"})
    families = frozenset({*_SOUND, "text"})
    seconds_per_case = 6.0

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

    def claims_for(self, case: Case) -> list[Claim]:
        """Quotes, and of the quantities those that may have been said digit by digit."""
        return [claim for claim in case.claims if claim.kind == "quote" or (claim.kind == "quantity" and claim.facts.get("digits"))]

    def claim_context(self, case: Case, claim: Claim) -> str | None:
        """Nothing: a claim is held against the recordings, and a transcript of them, by itself."""
        return "" if self.concerns(case) else None

    def concerns(self, case: Case) -> bool:
        """Whether there is something to listen to; a transcript alone is not."""
        return bool(case.evidence_of(*_SOUND))

    def _detect_one(self, case: Case, claims: list[Claim]) -> Outcome:
        outcome = super()._detect_one(case, claims)
        return outcome if self.concerns(case) else replace(outcome, reason="no audio or video evidence")

    def prepare(self, cases: Sequence[Case]) -> None:
        """Transcribe the recordings of the batch together; of one with a transcript only what matters is heard, later."""
        wanted = {
            one.sha256: one
            for case in cases
            for claim in self.claims_for(case)
            for one in _recordings(case, claim)
            if not _transcript(case, one)
        }
        self._listeners().hear_ahead(list(wanted.values()))

    def judge(self, case: Case, claims: Sequence[Claim]) -> list[Finding]:
        """One finding a claim, from the recording that bears it out best; an unreadable recording is named in the reason."""
        return [self._judge_claim(case, claim, _recordings(case, claim)) for claim in claims]

    def listen_for(self, evidence: EvidenceFile, claim: Claim, transcript: Sequence[Segment] = ()) -> Judged | str:
        """The uncalibrated judgement of one claim, or why there is none. Raises EvidenceUnreadable.

        With a transcript, a long recording is heard only where that has the like of the claim, and at the stated time.
        """
        ears = self._listeners()
        text = str(claim.facts.get("quote") or " ".join(str(claim.facts.get("digits") or "")))
        parts = where_to_listen(transcript, text, claim.facts.get("start_s"))
        heard = ears.hear_parts(evidence, parts) if parts else ears.hear(evidence)
        if parts and isinstance(heard, NoSpeech):
            heard = ears.hear(evidence)
        if isinstance(heard, NoSpeech):
            return unspoken(heard, claim)
        if heard.foreign is not None:
            return f"the recording is in language {heard.foreign!r}, only English is checked"
        return judged(ears, heard, claim)

    def _listeners(self) -> Ears:
        if self._ears is None:
            self.load()
            return self._listeners()
        return self._ears

    def _judge_claim(self, case: Case, claim: Claim, recordings: Sequence[EvidenceFile]) -> Finding:
        findings = [self._judge_in(claim, evidence, _transcript(case, evidence)) for evidence in recordings]
        scored = sorted((f for f in findings if f.score is not None), key=lambda finding: finding.score or 0.0)
        # What an unread recording might bear out is not refuted by the others.
        if scored and (len(scored) == len(findings) or scored[0].verdict == "supported"):
            return scored[0]
        return next((finding for finding in findings if finding.score is None), not_checked(claim, "no recording is cited for it"))

    def _judge_in(self, claim: Claim, evidence: EvidenceFile, transcript: Sequence[Segment]) -> Finding:
        try:
            found = self.listen_for(evidence, claim, transcript)
        except EvidenceUnreadable as error:
            return not_checked(claim, str(error), Place(evidence.id))
        if isinstance(found, str):
            return not_checked(claim, found, Place(evidence.id))
        score = self.calibration.apply(found.log_odds)
        place = Place(evidence.id, time=found.time, quote=found.heard or None)
        if score >= self.calibration.threshold:
            return Finding(claim, "hallucinated", score, found.fault, place, found.error)
        start = clock_text(found.time[0]) if found.time else "one place"
        return Finding(claim, "supported", score, f"At {start} the recording says “{found.heard}”.", place)


def _recordings(case: Case, claim: Claim) -> tuple[EvidenceFile, ...]:
    """The recordings the claim cites, or all of the case where it cites none of them."""
    every = case.evidence_of(*_SOUND)
    cited = {place.evidence for place in claim.citations}
    return tuple(evidence for evidence in every if evidence.id in cited) or every


def _transcript(case: Case, recording: EvidenceFile) -> tuple[Segment, ...]:
    """The timed segments of the transcript supplied for a recording; one that says of which (``metadata.of``) is of no other."""
    alone = len(case.evidence_of(*_SOUND)) == 1
    for evidence in case.evidence_of("text"):
        of = evidence.metadata.get("of")
        if evidence.role == "transcript" and (of == recording.id or (of is None and alone)) and evidence.path.is_file():
            return read(evidence.path)
    return ()

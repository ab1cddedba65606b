"""Quotes, spoken numbers and stated times that a recording does not bear out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from detectors.contract import Case, Claim, EvidenceFile, Outcome
from detectors.hearing.ears import NoSpeech
from detectors.hearing.judgement import Judged, judged, unspoken
from detectors.hearing.listening import SOUND, ListeningDetector, recordings_of
from detectors.hearing.transcript import Segment, read, where_to_listen


class QuoteMismatch(ListeningDetector):
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
    version = "1.1.1"
    kinds = frozenset({"quote", "quantity"})
    families = frozenset({*SOUND, "text"})
    seconds_per_case = 6.0

    def claims_for(self, case: Case) -> list[Claim]:
        """Quotes, and of the quantities those that may have been said digit by digit."""
        return [claim for claim in case.claims if claim.kind == "quote" or (claim.kind == "quantity" and claim.facts.get("digits"))]

    def claim_context(self, case: Case, claim: Claim) -> str | None:
        """Nothing: a claim is held against the recordings, and a transcript of them, by itself."""
        return "" if self.concerns(case) else None

    def concerns(self, case: Case) -> bool:
        """Whether there is something to listen to; a transcript alone is not."""
        return bool(case.evidence_of(*SOUND))

    def _detect_one(self, case: Case, claims: list[Claim]) -> Outcome:
        outcome = super()._detect_one(case, claims)
        return outcome if self.concerns(case) else replace(outcome, reason="no audio or video evidence")

    def prepare(self, cases: Sequence[Case]) -> None:
        """Transcribe the recordings of the batch together; of one with a transcript only what matters is heard, later."""
        wanted = {
            one.sha256: one
            for case in cases
            for claim in self.claims_for(case)
            for one in recordings_of(case, claim)
            if not _transcript(case, one)
        }
        self._listeners().hear_ahead(list(wanted.values()))

    def listen_for(self, case: Case, evidence: EvidenceFile, claim: Claim) -> Judged | str:
        """As every listening detector; with a transcript, a long recording is heard only where that has the like of the claim,
        and at the stated time.
        """
        ears = self._listeners()
        transcript = _transcript(case, evidence)
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


def _transcript(case: Case, recording: EvidenceFile) -> tuple[Segment, ...]:
    """The timed segments of the transcript supplied for a recording; one that says of which (``metadata.of``) is of no other."""
    alone = len(case.evidence_of(*SOUND)) == 1
    for evidence in case.evidence_of("text"):
        of = evidence.metadata.get("of")
        if evidence.role == "transcript" and (of == recording.id or (of is None and alone)) and evidence.path.is_file():
            return read(evidence.path)
    return ()

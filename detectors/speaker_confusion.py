"""Words given to the wrong speaker of a recording."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from detectors.claims.moments import clock_text
from detectors.claims.speakers import plain_name
from detectors.contract import (
    Case,
    Claim,
    Detector,
    DetectorOptions,
    DetectorUnavailable,
    EvidenceFile,
    EvidenceUnreadable,
    Finding,
    Interval,
    Place,
    not_checked,
)
from detectors.voices.encoder import Floats, VoiceEncoder
from detectors.voices.naming import Doubles, Naming, Voice, weigh
from detectors.voices.turns import Sound, Turn, Turns, center, shares, strangeness, stretch, unit, without
from detectors.weights import VOICE_ENCODER, verified_files

# Less speech than this tells a voice too seldom (seconds).
_LEAST_S = 1.2
# Log odds up to which a name counts as borne out. Before listening they stand at -2.2 (one name in ten wrong): in between, what
# was heard says little, or two namings fit alike.
BORNE_OUT = -2.8
# A turn with this share of windows clearly nearer to each of two voices holds both; the margin is a squared distance.
_TWO_VOICES, _CLEARLY = 0.2, 0.06
# A name is called wrong only for a turn that lies this near to one of the voices: what lies further off is overlap or noise.
_STRANGE = 0.55


@dataclass(frozen=True, slots=True)
class _Stated:
    """A claim as a turn: who, the stretch, and what was heard there."""

    claim: Claim
    name: str
    part: Interval
    turn: Turn


class SpeakerConfusion(Detector):
    """Compares the voices of the turns an answer gives to its speakers, with each other and with reference voices.

    All turns of a recording are weighed together: which naming of the voices explains them best, and how likely each
    stated name is wrong given all the others. Reference voices (evidence with the role ``reference_voice``, the name in
    ``metadata.speaker`` or the title) count as turns whose name is certain.

    It is wrong when two people sound alike (relatives, a poor line), when someone changes the voice (reading out,
    laughing), and when several people are mixed up in the same way throughout. Without reference voices names are
    judged by consistency alone: that all names are exchanged cannot be heard. Turns with little speech, with two voices,
    or between two namings that fit about equally well are not checked.
    """

    name = "speaker_confusion"
    version = "1.0.0"
    kinds = frozenset({"speaker"})
    families = frozenset({"audio", "video"})
    seconds_per_case = 3.0

    def __init__(self, options: DetectorOptions) -> None:
        super().__init__(options)
        self._turns: Turns | None = None

    def load(self) -> None:
        """Load the voice encoder. Raises DetectorUnavailable with the remedy."""
        path = verified_files(VOICE_ENCODER, self.name)[0]
        try:
            self._turns = Turns(VoiceEncoder(path, self.options.threads))
        except ModuleNotFoundError as error:
            raise DetectorUnavailable(self.name, f"Python package {error.name}", "pip install 'groundwatch[lite]'") from error

    @property
    def weights_version(self) -> str:
        """Name and short hash of the encoder."""
        return VOICE_ENCODER.version if self._turns else ""

    def judge(self, case: Case, claims: Sequence[Claim]) -> list[Finding]:
        """One finding a claim; the claims about one recording are weighed together."""
        by_recording: dict[str, list[Claim]] = {}
        for claim in claims:
            by_recording.setdefault(_recording(case, claim), []).append(claim)
        files = {evidence.id: evidence for evidence in case.evidence_of(*self.families)}
        findings: list[Finding] = []
        for identifier, about in by_recording.items():
            if identifier not in files:
                findings += [not_checked(claim, "the answer does not say which recording is meant") for claim in about]
                continue
            try:
                findings += self._judge_recording(case, files[identifier], about)
            except EvidenceUnreadable as error:
                findings += [not_checked(claim, str(error), Place(identifier)) for claim in about]
        return findings

    def log_odds(self, case: Case, evidence: EvidenceFile, claims: Sequence[Claim]) -> dict[str, float]:
        """The uncalibrated log odds that each claim of one recording is wrong, by claim id; of turns with enough speech in them."""
        stated, _ = self._stated(evidence, claims)
        if not stated:
            return {}
        _, naming = self._weighed(stated, self._references(case))
        return {one.claim.id: float(naming.log_odds[n]) for n, one in enumerate(stated) if one.turn.seconds >= _LEAST_S}

    def _judge_recording(self, case: Case, evidence: EvidenceFile, claims: Sequence[Claim]) -> list[Finding]:
        stated, findings = self._stated(evidence, claims)
        if not stated:
            return findings
        references = self._references(case)
        names, naming = self._weighed(stated, references)
        for number, one in enumerate(stated):
            place = Place(evidence.id, time=one.part)
            doubt = self._doubt(stated, naming, number)
            if doubt is not None:
                findings.append(not_checked(one.claim, doubt, place))
                continue
            score = self.calibration.apply(float(naming.log_odds[number]))
            findings.append(self._verdict(stated, references, names, naming, number, score, place))
        return findings

    def _verdict(
        self,
        stated: Sequence[_Stated],
        references: Mapping[str, Floats],
        names: Sequence[str],
        naming: Naming,
        number: int,
        score: float,
        place: Place,
    ) -> Finding:
        one = stated[number]
        at = f"{clock_text(one.part[0])}–{clock_text(math.ceil(one.part[1]))}"
        shown = {other.name: str(other.claim.facts.get("speaker") or other.claim.speaker) for other in reversed(stated)}
        chances = naming.chances[number]
        others = [k for k in range(len(names)) if names[k] != one.name]
        closest = max(others, key=lambda k: float(chances[k]), default=None)
        rival = "" if closest is None else shown.get(names[closest], names[closest])
        if score >= self.calibration.threshold:
            text = f"The voice at {at} is not that of {shown[one.name]}, nor of anyone else the answer names."
            if closest is not None and chances[closest] >= chances[-1]:
                known = _known_from(stated, references, names[closest], number)
                text = f"The answer has {shown[one.name]} speak at {at}; the voice is that of {rival}{known}."
            return Finding(one.claim, "hallucinated", score, text, place, "speaker")
        known = _known_from(stated, references, one.name, number)
        text = f"The voice at {at} is that of {shown[one.name]}{known}" if known else f"No other named speaker has the voice at {at}"
        return Finding(one.claim, "supported", score, f"{text}; the closest other speaker is {rival}." if rival else f"{text}.", place)

    def _stated(self, evidence: EvidenceFile, claims: Sequence[Claim]) -> tuple[list[_Stated], list[Finding]]:
        """The claims as turns with speech in them, and findings on those that are none. Raises EvidenceUnreadable."""
        sound = self._hearing().sound(evidence)
        parts = {claim.id: _stretch(sound, claim, evidence.id) for claim in claims}
        stated: list[_Stated] = []
        findings: list[Finding] = []
        for claim in claims:
            part, name = parts[claim.id], _name(claim)
            if part is None or not name:
                findings.append(not_checked(claim, "it names no speaker" if part else "it says no time", Place(evidence.id)))
                continue
            if part[0] >= sound.duration_s:
                reason = f"the recording is only {clock_text(sound.duration_s)} long"
                findings.append(not_checked(claim, reason, Place(evidence.id)))
                continue
            over = [other for c in claims if _name(c) != name and (other := parts[c.id]) is not None]
            turn = self._hearing().turn(sound, without(part, over))
            if not len(turn.windows):
                findings.append(not_checked(claim, "no speech is heard there", Place(evidence.id, time=part)))
                continue
            stated.append(_Stated(claim, name, part, turn))
        return stated, findings

    def _references(self, case: Case) -> dict[str, Floats]:
        """Windows of the reference voices by plain name; one that cannot be read or holds no speech is none."""
        found: dict[str, Floats] = {}
        for evidence in case.evidence:
            name = plain_name(str(evidence.metadata.get("speaker") or evidence.title or ""))
            if evidence.role != "reference_voice" or evidence.family not in self.families or not name:
                continue
            try:
                sound = self._hearing().sound(evidence)
            except EvidenceUnreadable:
                # Without it the turns are still compared with each other.
                continue
            turn = self._hearing().turn(sound, [(0.0, sound.duration_s)])
            if len(turn.windows):
                found[name] = turn.windows
        return found

    @staticmethod
    def _weighed(stated: Sequence[_Stated], references: Mapping[str, Floats]) -> tuple[list[str], Naming]:
        names = sorted({one.name for one in stated} | set(references))
        known = [(names.index(name), Voice(unit(windows), _seconds(windows), True)) for name, windows in references.items()]
        return names, weigh([one.turn.voice for one in stated], [names.index(one.name) for one in stated], len(names), known)

    def _doubt(self, stated: Sequence[_Stated], naming: Naming, number: int) -> str | None:
        """Why nothing is said about a turn, or None."""
        turn, odds = stated[number].turn, float(naming.log_odds[number])
        if turn.seconds < _LEAST_S:
            return f"only {turn.seconds:.1f} s of speech are heard there, too little to tell a voice"
        wrong = self.calibration.apply(odds) >= self.calibration.threshold
        if odds > BORNE_OUT and not wrong:
            return "the voice does not settle which of the named speakers it is"
        centers = _centers(stated, naming, number)
        if len(centers) > 1 and sorted(shares(turn.windows, centers, _CLEARLY))[-2] >= _TWO_VOICES:
            return "more than one voice is heard there"
        if wrong and centers and strangeness(turn.windows, centers) > _STRANGE:
            return "the voice there is not clear: people talk at once, or it is noisy"
        return None

    def _hearing(self) -> Turns:
        if self._turns is None:
            self.load()
            return self._hearing()
        return self._turns


def _recording(case: Case, claim: Claim) -> str:
    """Id of the recording a claim is about: the cited one, or the only one there is; empty where that is not clear."""
    every = [evidence.id for evidence in case.evidence_of(*SpeakerConfusion.families)]
    cited = [place.evidence for place in claim.citations if place.evidence in every]
    return cited[0] if cited else every[0] if len(every) == 1 else ""


def _name(claim: Claim) -> str:
    return plain_name(claim.speaker or str(claim.facts.get("speaker") or ""))


def _stretch(sound: Sound, claim: Claim, evidence: str) -> Interval | None:
    cited = next((place.time for place in claim.citations if place.time is not None and place.evidence == evidence), None)
    if cited is not None and cited[1] > cited[0]:
        return cited
    start, end = claim.facts.get("start_s"), claim.facts.get("end_s")
    return None if start is None else stretch(sound, start, end, float(claim.facts.get("rounded_s") or 0.0))


def _centers(stated: Sequence[_Stated], naming: Naming, number: int) -> list[Doubles]:
    """The voice of each name by the likeliest naming, from the other turns."""
    likely = naming.chances.argmax(axis=1)
    found = []
    for name in range(naming.chances.shape[1] - 1):
        turns = [one.turn for n, one in enumerate(stated) if n != number and likely[n] == name]
        if turns:
            found.append(center(turns))
    return found


def _seconds(windows: Floats) -> float:
    return 1.6 + 0.4 * (len(windows) - 1)


def _known_from(stated: Sequence[_Stated], references: Mapping[str, Floats], name: str, but: int) -> str:
    """Where a voice is known from, as a phrase; empty for one heard nowhere else."""
    if name in references:
        return ", by the reference voice"
    longest = max((one for n, one in enumerate(stated) if one.name == name and n != but), key=lambda one: one.turn.seconds, default=None)
    return f", as at {clock_text(longest.part[0])}" if longest else ""

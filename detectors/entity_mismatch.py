"""Names an answer says are spoken in a recording that does not have them, or not then."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.claims.moments import clock_text
from detectors.contract import Case, Claim, EvidenceFile, Interval
from detectors.hearing.ears import Ears, NoSpeech
from detectors.hearing.judgement import Judged
from detectors.hearing.listening import ListeningDetector, recordings_of
from detectors.hearing.names import SAME_SOUND, UNLIKE, Sighting, near, opinions, sightings
from detectors.hearing.recording import Recording
from detectors.hearing.verdict import word_features, word_model

# What is said "at 0:42" begins about there and names things some seconds later; stated seconds are rounded (seconds).
_BEFORE_S, _AFTER_S = 3.0, 12.0
# A name heard this far outside its time is put at a wrong time (seconds); nearer than that, and not within, nobody can tell.
_ELSEWHERE_S = 6.0
# Raw log odds of a name that is heard, of one heard only at another time, and of one that nothing heard reminds of.
_HEARD, _AT_ANOTHER_TIME, _NEVER = -4.0, 3.0, 4.0


class EntityMismatch(ListeningDetector):
    """Looks for the people, places and organisations that an answer says are mentioned, by their sound, at the stated time.

    Names are what recognisers get wrong most. A name is therefore searched for by sound, over word boundaries, and where
    nothing sounds the same, two recognisers rate the name itself against the sound at the nearest place. What stays
    between yes and no is not checked.

    It is wrong when a name is known from elsewhere (a form, the picture) and the answer only writes as if it was spoken;
    when a thing goes by another name in the recording (the Big Apple, an abbreviation); and when a short name sounds like
    a common word. Languages other than English are not checked.
    """

    name = "entity_mismatch"
    version = "1.0.1"
    kinds = frozenset({"entity"})
    families = frozenset({"audio", "video"})
    seconds_per_case = 5.0

    # Between these log odds the recognisers may as well have misheard the name.
    unsure = (-1.0, 1.5)
    unsure_reason = "the name may be misheard: “{heard}” is heard nearest to it"

    def claims_for(self, case: Case) -> list[Claim]:
        """Names said to be spoken; names that are only written are the business of others."""
        return [claim for claim in case.claims if claim.kind == "entity" and claim.facts.get("spoken")]

    def claim_context(self, case: Case, claim: Claim) -> str:
        """A name is judged by itself."""
        return ""

    def prepare(self, cases: Sequence[Case]) -> None:
        """Transcribe the recordings of the batch together."""
        wanted = {one.sha256: one for case in cases for claim in self.claims_for(case) for one in recordings_of(case, claim)}
        self._listeners().hear_ahead(list(wanted.values()))

    def listen_for(self, case: Case, evidence: EvidenceFile, claim: Claim) -> Judged | str:
        """As every listening detector, by the sound of the name."""
        ears = self._listeners()
        heard = ears.hear(evidence)
        if isinstance(heard, NoSpeech):
            if not heard.certain:
                return "no words are heard in the recording"
            return _found(_NEVER, None, "", f"The answer has “{claim.facts['name']}” mentioned; nobody speaks in the recording.")
        if heard.foreign is not None:
            return f"the recording is in language {heard.foreign!r}, only English is checked"
        start = claim.facts.get("start_s")
        return _judged(ears, heard, str(claim.facts["name"]), None if start is None else (start, claim.facts.get("end_s")))


def _found(log_odds: float, time: Interval | None, heard: str, fault: str, error: str = "entity") -> Judged:
    return Judged(log_odds, (), time, heard, error, fault)


def _judged(ears: Ears, heard: Recording, name: str, stated: tuple[float, float | None] | None) -> Judged | str:
    if stated is not None and stated[0] > heard.duration_s:
        text = f"The answer has “{name}” at {clock_text(stated[0])}; the recording is only {clock_text(heard.duration_s)} long."
        return _found(_AT_ANOTHER_TIME, None, "", text, "time")
    found = sightings(heard, name)
    if found and found[0].run.distance <= SAME_SOUND:
        return _placed(found, name, stated)
    best = found[0] if found else None
    if best is None or best.run.distance > UNLIKE:
        return _found(
            _NEVER, best.time if best else None, best.run.written if best else "", f"Nothing like “{name}” is heard in the recording."
        )
    seen = opinions(ears, heard, name, best.time)
    features = word_features(seen)
    written = min(seen, key=lambda opinion: opinion.cost).heard or best.run.written
    fault = f"“{name}” is not heard in the recording; nearest to it, at {clock_text(best.time[0])}, is “{written}”."
    return _found(word_model().log_odds(features), best.time, written, fault)


def _placed(found: Sequence[Sighting], name: str, stated: tuple[float, float | None] | None) -> Judged | str:
    """A name that is heard: at the stated time, or only at others."""
    if stated is None:
        return _found(_HEARD, found[0].time, found[0].run.written, "")
    closest = min(found, key=lambda sighting: near(sighting.time, stated, _BEFORE_S, _AFTER_S))
    away = near(closest.time, stated, _BEFORE_S, _AFTER_S)
    if away == 0:
        return _found(_HEARD, closest.time, closest.run.written, "")
    if away < _ELSEWHERE_S:
        return f"“{name}” is heard at {clock_text(closest.time[0])}, not quite at the stated time"
    fault = f"The answer has “{name}” at {clock_text(stated[0])}; it is heard at {clock_text(closest.time[0])}."
    return _found(_AT_ANOTHER_TIME, closest.time, closest.run.written, fault, "time")

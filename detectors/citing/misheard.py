"""Whether a fault found in a statement may be the recogniser's own: unsure words, words that sound alike, speech it could not make out.

Of words that whisper base heard with a probability of .8 or more 1 in 100 was wrong, of the others 1 in 5 (939 words of
``speech-quotes``). Names and numbers are what it gets wrong most, so that one that seems to be missing is put to both
recognisers against the sound, as :mod:`detectors.hearing.names` does for names said to be spoken.
"""

from __future__ import annotations

from collections.abc import Sequence

from detectors.citing.spoken import at, time_of
from detectors.contract import DetectorOptions, EvidenceFile, Interval, Span
from detectors.grounding.passages import Passage
from detectors.grounding.support import Support
from detectors.hearing.ears import Ears, ears_of
from detectors.hearing.judgement import opinions_on
from detectors.hearing.names import UNLIKE, sightings
from detectors.hearing.names import opinions as sound_opinions
from detectors.hearing.recording import Recording, interval, unheard, words_between
from detectors.hearing.support import sound_distance
from detectors.hearing.verdict import word_features, word_model
from detectors.hearing.words import fits, raw_words, tokens

# A single word counts from this probability on, a passage from this mean.
SURE_WORD, SURE_PASSAGE = 0.8, 0.7
# Log odds from which a name that is heard as another was not said, and a number, as in entity_mismatch and quote_mismatch.
_NOT_SAID_NAME, _NOT_SAID_NUMBER = 1.5, 0.0
# Up to this distance of sounds one word may be heard as the other ("increase", "crease").
_ALIKE = 0.4
# More speech than this share in which no word was heard: what was missed may be what is looked for.
_MISSED = 0.15
_UNSURE = "the recogniser is not sure what is said at the closest place"
_HEARD_WORDS = frozenset({"number", "name"})


def doubt(support: Support, recordings: Sequence[EvidenceFile], options: DetectorOptions) -> str | None:
    """Why what these recordings say does not prove a statement wrong; None where it does. Their transcripts are among the sources."""
    ears = ears_of(options)
    by_id = {piece.id: heard for piece in recordings if isinstance(heard := ears.hear(piece), Recording)}
    contradicted = support.contradicted
    if contradicted is not None:
        fault = contradicted[0]
        passage = support.passages[fault.passage]
        if passage.evidence not in by_id:
            return None
        span = _span_of(passage, fault.instead)
        if fault.kind in ("denial", "deed"):
            if sound_distance(fault.text, fault.instead) <= _ALIKE:
                return f"“{fault.text}” sounds like “{fault.instead}”"
            return _UNSURE if mumbled(passage) else None
        return unsure_of(passage, span) or _said_after_all(
            ears, by_id[passage.evidence], fault.text, time_of(at(passage.home.spoken, span))
        )
    for heard in by_id.values():
        missed = sum(end - start for start, end in unheard(heard.words, heard.regions))
        if missed > _MISSED * sum(end - start for start, end in heard.regions):
            return "a part of the speech cannot be made out"
    best = support.passages[0]
    if best.evidence in by_id and mumbled(best):
        return f"{_UNSURE}: “{' '.join(best.text.split())}”"
    gaps = [gap.text for gap in support.gaps if gap.kind in _HEARD_WORDS]
    return next((told for heard in by_id.values() for text in gaps if (told := _said_after_all(ears, heard, text))), None)


def mumbled(passage: Passage) -> bool:
    """Whether the words of a passage were heard so badly that it neither bears out nor refutes anything."""
    heard = at(passage.home.spoken, passage.span)
    return bool(heard) and sum(one.probability for one in heard) / len(heard) < SURE_PASSAGE


def unsure_of(passage: Passage, span: Span) -> str | None:
    """What the recogniser is unsure of among the words at a span of its text; None where it is sure."""
    weak = [passage.home.text[slice(*one.span)] for one in at(passage.home.spoken, span) if one.probability < SURE_WORD]
    return f"the recogniser is not sure of “{' '.join(weak)}”" if weak else None


def _span_of(passage: Passage, words: str) -> Span:
    """Where the words stand; the whole passage where they are not written so, such as a word's basic form."""
    start = passage.text.lower().find(words.lower())
    return passage.span if start < 0 else (passage.span[0] + start, passage.span[0] + start + len(words))


def _said_after_all(ears: Ears, heard: Recording, words: str, time: Interval | None = None) -> str | None:
    """Whether a name or number may be what was said, at a time or where it fits best by its words or its sound."""
    wanted = tokens(raw_words(words))
    number = any(token.text.isdigit() for token in wanted)
    if number:
        best = fits(wanted, heard.tokens, most=1)
        place = time or (interval(heard, best[0]) if best else None)
        if place is None:
            return None
        opinions = opinions_on(ears, heard, words, True, place)
    else:
        found = sightings(heard, words)
        if not found or found[0].run.distance > UNLIKE:
            return None
        place = found[0].time
        opinions = sound_opinions(ears, heard, words, place)
    if word_model().log_odds(word_features(opinions)) >= (_NOT_SAID_NUMBER if number else _NOT_SAID_NAME):
        return None
    return f"“{words}” may have been said where “{words_between(heard, *place)}” was heard"

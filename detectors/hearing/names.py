"""Looks for a name in a recording by its sound: recognisers write names they do not know the way they would spell the sound.

A name is compared with every run of heard words of about its length, spaces left out, by the edit distance of rough
phonetic forms. Where the transcript has no such run, each listener rates the name against what it hears at the place
that comes nearest (see :mod:`detectors.hearing.support`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from detectors.contract import Interval
from detectors.hearing.audio import RATE, Samples
from detectors.hearing.ears import Ears
from detectors.hearing.listener import Listener
from detectors.hearing.recording import Recording, stretch
from detectors.hearing.support import Dispute, Opinion, rated, sound_distance
from detectors.hearing.words import joined, raw_words, tokens

# Up to this distance of sounds a run of words is the name, written in another way.
SAME_SOUND = 0.15
# Beyond this nothing in the run reminds of the name.
UNLIKE = 0.6
# A run may have so many words more than the name: a recogniser splits names it does not know.
_MORE_WORDS = 2


@dataclass(frozen=True, slots=True)
class Run:
    """A run of heard words: ``words`` [start, end) in their list, how far they sound from the name (0 alike to 1), as written."""

    words: tuple[int, int]
    distance: float
    written: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """A run of a recording and its time in seconds."""

    run: Run
    time: Interval


def sightings(heard: Recording, name: str) -> list[Sighting]:
    """The runs of the whole recording that come nearest to the name, best first; those that sound the same all count."""
    found = [
        Sighting(run, (heard.words[run.words[0]].start, heard.words[run.words[1] - 1].end))
        for run in runs([word.text.strip() for word in heard.words], name)
    ]
    best = sorted(found, key=lambda sighting: sighting.run.distance)
    same = [sighting for sighting in best if sighting.run.distance <= SAME_SOUND]
    return same or best[:1]


def runs(words: Sequence[str], name: str) -> Iterable[Run]:
    """Every run of words as long as the name, a word shorter or up to two longer, with its distance from it."""
    wanted = _plain(name)
    length = len(raw_words(name))
    plain = [_plain(word) for word in words]
    for start in range(len(words)):
        for count in range(max(1, length - 1), length + _MORE_WORDS + 1):
            if start + count > len(words):
                break
            text = "".join(plain[start : start + count])
            # A run of a quite different length is no candidate, and most runs are of that kind.
            if abs(len(text) - len(wanted)) <= max(2, len(wanted) // 2):
                yield Run((start, start + count), sound_distance(wanted, text), " ".join(words[start : start + count]))


def opinions(ears: Ears, heard: Recording, name: str, time: Interval) -> list[Opinion]:
    """What the listeners make of a name at one place, the cheapest first; one that hears it settles it."""
    sound = stretch(heard, time)
    found: list[Opinion] = []
    for listener in reversed(ears.listeners):
        found.append(_opinion(listener, sound, name))
        if not found[-1].disputes:
            break
    return found


def _opinion(listener: Listener, sound: Samples, name: str) -> Opinion:
    encoded = listener.encode(sound)
    words = raw_words(listener.hear_encoded(encoded))
    best = min(runs(words, name), key=lambda run: run.distance, default=None)
    if best is None:
        return Opinion("", 1.0, (Dispute(name, "", 1.0, -20.0, 0.0, False),))
    if best.distance <= SAME_SOUND:
        return Opinion(best.written, best.distance, ())
    dispute = rated(listener, encoded, len(sound) / RATE, words, best.words, name)
    return Opinion(best.written, best.distance, (dispute,))


def near(time: Interval, stated: tuple[float, float | None], before: float, after: float) -> float:
    """How far (seconds) a sighting lies outside the stated time; a moment is stretched ``before`` and ``after``, a range by ``before``."""
    start, end = stated
    first, last = (start - before, start + after) if end is None else (start - before, end + before)
    return max(0.0, first - time[1], time[0] - last)


def _plain(text: str) -> str:
    return joined(tokens([text] if " " not in text else text.split()))

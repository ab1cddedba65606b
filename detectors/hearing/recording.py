"""A recording as heard once: samples, stretches of speech, timed words; and the stretch around a place in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from detectors.hearing.audio import RATE, Samples
from detectors.hearing.windows import Word
from detectors.hearing.words import Difference, Fit, Token, fits, tokens

# Sound kept on both sides of the words in question where no pause bounds them, in seconds.
_CONTEXT_S = 2.5
# Room left at a pause, so that a soft first consonant is not cut off.
_PAD_S = 0.3
# Sound kept before and after the speech of a window.
_EDGE_S = 0.2
# Words with a longer pause between them are two utterances.
PAUSE_S = 0.45
_MISSED_S = 1.0
# Another language is believed from this probability on; below it English is assumed.
_CERTAIN_LANGUAGE = 0.8
# Whisper reads at most 30 s at a time; a second of silence stays behind the last word.
_LONGEST_S = 29.0


@dataclass(frozen=True, slots=True)
class Recording:
    """What was heard. ``language`` is ISO 639-1 with its probability; ``tokens`` point into ``words``."""

    samples: Samples
    regions: tuple[tuple[float, float], ...]
    words: tuple[Word, ...]
    tokens: tuple[Token, ...]
    language: str
    certainty: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / RATE

    @property
    def foreign(self) -> str | None:
        """The language, where it is surely another than English (single digits sound like any); None elsewhere."""
        return self.language if self.language != "en" and self.certainty >= _CERTAIN_LANGUAGE else None

    def speech_between(self, start: float, end: float) -> float:
        """Seconds of speech between two times."""
        return sum(max(0.0, min(end, b) - max(start, a)) for a, b in self.regions)


def windows(regions: Sequence[tuple[float, float]], duration_s: float) -> list[tuple[float, float]]:
    """Windows of at most 29 s (seconds) over all stretches of speech, cut in pauses; a longer stretch is cut into equal parts."""
    found: list[tuple[float, float]] = []
    for start, end in regions:
        start, end = max(0.0, start - _EDGE_S), min(duration_s, end + _EDGE_S)
        if found and end - found[-1][0] <= _LONGEST_S:
            found[-1] = (found[-1][0], end)
            continue
        parts = math.ceil((end - start) / _LONGEST_S)
        step = (end - start) / max(1, parts)
        found += [(start + number * step, start + (number + 1) * step) for number in range(parts)]
    return found


def placed(word: Word, regions: Sequence[tuple[float, float]]) -> Word | None:
    """The word with its times drawn into the stretch of speech it overlaps most; None where it lies in silence.

    Whisper stretches a word next to a pause over the pause, by up to a second.
    """
    best, most = None, -0.3
    for start, end in regions:
        shared = min(end, word.end) - max(start, word.start)
        if shared > most:
            best, most = (start, end), shared
    if best is None:
        return None
    start = min(max(word.start, best[0]), best[1])
    return Word(word.text, start, max(start, min(word.end, best[1])), word.probability)


def recording(
    samples: Samples, regions: Sequence[tuple[float, float]], words: Sequence[Word], language: str, certainty: float
) -> Recording:
    """A recording with its words made comparable."""
    # A "word" of the recogniser may be "twenty-one"; one raw word a timed word keeps the indexes equal.
    return Recording(samples, tuple(regions), tuple(words), tuple(tokens([word.text.strip() for word in words])), language, certainty)


def places(heard: Recording, claimed: Sequence[Token], stated_s: float | None) -> list[Fit]:
    """Where the claimed words fit, best first; of places that fit about equally, the one nearest to the stated time."""
    found = [_within_pauses(heard, claimed, fit) for fit in fits(claimed, heard.tokens)]
    if not found or stated_s is None:
        return found
    alike = [fit for fit in found if fit.cost <= found[0].cost + 0.02]
    alike.sort(key=lambda fit: abs(interval(heard, fit)[0] - stated_s))
    return alike + [fit for fit in found if fit not in alike]


def _within_pauses(heard: Recording, claimed: Sequence[Token], fit: Fit) -> Fit:
    """The fit without outer words that differ from the claim and lie beyond a pause: they belong to another utterance."""
    start, end = fit.heard
    found = list(fit.differences)
    head = found[0] if found and found[0].claimed[0] == 0 else None
    if head is not None and head.claimed[1] < len(claimed):
        for token in range(head.heard[0], min(head.heard[1], end - 1)):
            if _pause_after(heard, token):
                start = token + 1
        found[0] = Difference(head.claimed, (max(start, head.heard[0]), max(start, head.heard[1])))
    tail = found[-1] if found and found[-1].claimed[1] == len(claimed) else None
    if tail is not None and tail.claimed[0] > 0:
        for token in range(tail.heard[1] - 1, max(tail.heard[0], start + 1) - 1, -1):
            if _pause_after(heard, token - 1):
                end = token
        found[-1] = Difference(tail.claimed, (min(end, tail.heard[0]), min(end, tail.heard[1])))
    return Fit((start, end), fit.cost, tuple(found))


def _pause_after(heard: Recording, token: int) -> bool:
    here, following = heard.words[heard.tokens[token].raw], heard.words[heard.tokens[token + 1].raw]
    return following.start - here.end > PAUSE_S


def interval(heard: Recording, fit: Fit) -> tuple[float, float]:
    """Start and end in seconds of the heard words of a fit."""
    first, last = heard.tokens[fit.heard[0]].raw, heard.tokens[max(fit.heard[0], fit.heard[1] - 1)].raw
    return heard.words[first].start, max(heard.words[first].end, heard.words[last].end)


def unheard(words: Sequence[Word], regions: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Stretches of speech of a second and more in which no word was heard: a recogniser sometimes skips an utterance."""
    missed = []
    for start, end in regions:
        times = sorted((max(start, word.start), min(end, word.end)) for word in words if word.end > start and word.start < end)
        edges = [start, *(time for pair in times for time in pair), end]
        gaps = [(edges[number], edges[number + 1]) for number in range(0, len(edges), 2)]
        missed += [gap for gap in gaps if gap[1] - gap[0] >= _MISSED_S]
    return missed


def words_between(heard: Recording, start: float, end: float) -> str:
    """What is heard between two times, as written by the recogniser."""
    return " ".join(word.text.strip() for word in heard.words if word.end > start and word.start < end)


def stretch(heard: Recording, times: tuple[float, float]) -> Samples:
    """The sound around words: to the pauses that bound them, or a little context where speech runs on; at most 29 s."""
    start, end = times
    first = max((a for a, _ in heard.regions if a <= start + 0.05), default=0.0)
    last = min((b for _, b in heard.regions if b >= end - 0.05), default=heard.duration_s)
    start = _cut(heard, start - _CONTEXT_S) if start - first > _CONTEXT_S + 1 else min(first, start) - _PAD_S
    end = _cut(heard, end + _CONTEXT_S) if last - end > _CONTEXT_S + 1 else max(last, end) + _PAD_S
    start = max(0.0, start)
    end = min(heard.duration_s, end, start + _LONGEST_S)
    return heard.samples[int(start * RATE) : int(end * RATE)]


def _cut(heard: Recording, near: float) -> float:
    """The boundary between two words nearest to a time, so that no word is cut in half."""
    edges = [word.start for word in heard.words]
    return min(edges, key=lambda edge: abs(edge - near), default=near)

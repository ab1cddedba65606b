"""What is said in a recording as text: the words a recogniser heard, or a transcript's, each with its time and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from detectors.contract import Interval, Span
from detectors.hearing.recording import PAUSE_S, Recording
from detectors.hearing.transcript import Segment

# A word belongs to a window if its middle is at most so far outside: word times are good to about half a second.
EDGE_S = 0.5
# Recognisers write several utterances without a full stop as one sentence; a pause as long as this parts them (seconds).
_LONG_PAUSE_S = 0.7
# A moment is where something begins to be said, rounded to a second; a window shorter than this is a moment (seconds).
_MOMENT_S, _BEFORE_S, _AFTER_S = 1.5, 3.0, 12.0
# A window means a stretch of speech when the two share this much of their union, or nearly all of one lies in the other.
_SAME_TIME, _COVERED = 0.3, 0.7


@dataclass(frozen=True, slots=True)
class Spoken:
    """A timed piece of a spoken text, its place in the text, its time in seconds and the probability that it was heard rightly."""

    span: Span
    time: Interval
    probability: float


def heard_text(heard: Recording) -> tuple[str, tuple[Spoken, ...]]:
    """The words of a recording as one text, with a line break at a pause, and an empty line, which ends any passage, at a long one."""
    pieces = [(word.text.strip(), (word.start, word.end), word.probability) for word in heard.words if word.text.strip()]
    pauses = [other[1][0] - one[1][1] for one, other in pairwise(pieces)]
    return _joined(pieces, ["\n\n" if pause > _LONG_PAUSE_S else "\n" if pause > PAUSE_S else " " for pause in pauses])


def segment_text(segments: Sequence[Segment]) -> tuple[str, tuple[Spoken, ...]]:
    """The segments of a supplied transcript as one text, a line each; somebody vouches for their words."""
    return _joined([(" ".join(one.text.split()), (one.start, one.end), 1.0) for one in segments], ["\n"] * (len(segments) - 1))


def within(spoken: Sequence[Spoken], window: Interval) -> list[Span]:
    """The spans of what is said within a window of time."""
    return [one.span for one in spoken if window[0] - EDGE_S <= (one.time[0] + one.time[1]) / 2 <= window[1] + EDGE_S]


def meant(cited: Interval) -> Interval:
    """The window a citation means: a moment stretches over what begins to be said about then."""
    return cited if cited[1] - cited[0] >= _MOMENT_S else (max(0.0, cited[0] - _BEFORE_S), cited[1] + _AFTER_S)


def at(spoken: Sequence[Spoken], span: Span) -> list[Spoken]:
    """The pieces that overlap a span of the text."""
    return [one for one in spoken if one.span[0] < span[1] and span[0] < one.span[1]]


def time_of(spoken: Sequence[Spoken]) -> Interval | None:
    """From the start of the first piece to the end of the last; None without any."""
    return (spoken[0].time[0], max(one.time[1] for one in spoken)) if spoken else None


def overlap(first: Interval, second: Interval) -> float:
    """Temporal intersection over union of two windows, in [0, 1]."""
    shared = min(first[1], second[1]) - max(first[0], second[0])
    union = max(first[1], second[1]) - min(first[0], second[0])
    return max(0.0, shared) / union if union > 0 else float(first == second)


def points_at(window: Interval, found: Interval) -> bool:
    """Whether a window means a stretch of speech, by IoU or because one covers the other."""
    shared = min(window[1], found[1]) - max(window[0], found[0])
    shortest = min(window[1] - window[0], found[1] - found[0])
    return overlap(window, found) >= _SAME_TIME or (shortest > 0 and shared / shortest >= _COVERED)


def _joined(pieces: Sequence[tuple[str, Interval, float]], between: Sequence[str]) -> tuple[str, tuple[Spoken, ...]]:
    text = ""
    spoken: list[Spoken] = []
    for (words, time, probability), gap in zip(pieces, ["", *between], strict=False):
        text += gap
        spoken.append(Spoken((len(text), len(text) + len(words)), time, probability))
        text += words
    return text, tuple(spoken)

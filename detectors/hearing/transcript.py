"""Reads a supplied transcript: WebVTT, SubRip, JSON segments, or plain text with or without times at the head of its lines.

A transcript says where to listen, not what is true: what it has near a claim is heard again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from detectors.claims.moments import find_moments
from detectors.contract import Interval
from detectors.hearing.words import Token, fits, raw_words, tokens

_STAMP = r"(?:\d{1,3}:)?\d{1,2}:\d{2}[.,]\d{1,3}"
_CUE = re.compile(rf"^\s*(?P<start>{_STAMP})\s*-->\s*(?P<end>{_STAMP})[^\n]*\n(?P<text>.*?)(?=\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"^\s*[\[(]?(?P<time>\d{1,3}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?)[\])]?\s*[-–:]?\s*(?P<text>\S.*)$", re.MULTILINE)
_MARKUP = re.compile(r"<[^>\n]{0,80}>")
# A transcript of three hours has some 200 kB.
_MOST_BYTES = 20_000_000
# Where claimed words cost more a word than this, the transcript has nothing like them (see hearing.words).
_UNLIKE = 0.65
# Heard around a place, before and after (seconds): transcripts are timed by sentence, and their clocks drift.
_AROUND_S = 8.0
_SECONDS_PER_WORD = 0.45


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a transcript: its words, its start and end in seconds."""

    text: str
    start: float
    end: float


def read(path: Path) -> tuple[Segment, ...]:
    """The timed segments of a transcript, in order; none where it has no times or cannot be read as one of the forms."""
    if path.stat().st_size > _MOST_BYTES:
        return ()
    text = path.read_text(encoding="utf-8-sig", errors="replace").replace("\r\n", "\n")
    found = _json(text) if text.lstrip()[:1] in ("{", "[") else None
    if found is None:
        found = [Segment(_MARKUP.sub("", m["text"]), _seconds(m["start"]), _seconds(m["end"])) for m in _CUE.finditer(text)]
        found = found or _lines(text)
    return tuple(sorted((one for one in found if one.text.strip() and one.end > one.start >= 0), key=lambda one: one.start))


def where_to_listen(segments: Sequence[Segment], claimed: str, stated_s: float | None) -> list[Interval]:
    """Where in a recording (seconds) claimed words are to be looked for: where the transcript has the like, and at the stated time.

    Empty where neither says anything, so that the whole recording is to be heard.
    """
    words = [(word, segment) for segment in segments for word in raw_words(segment.text)]
    heard: list[Token] = tokens([word for word, _ in words])
    wanted = tokens(raw_words(claimed))
    found: list[Interval] = []
    for fit in fits(wanted, heard):
        if fit.cost <= _UNLIKE:
            first, last = words[heard[fit.heard[0]].raw][1], words[heard[max(fit.heard[0], fit.heard[1] - 1)].raw][1]
            found.append((first.start - _AROUND_S, last.end + _AROUND_S))
    if not found:
        return []
    if stated_s is not None:
        found.append((stated_s - _AROUND_S, stated_s + _SECONDS_PER_WORD * len(wanted) + _AROUND_S))
    return _merged([(max(0.0, start), end) for start, end in found])


def _merged(parts: Sequence[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for start, end in sorted(parts):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _json(text: str) -> list[Segment] | None:
    try:
        given = json.loads(text)
    except json.JSONDecodeError:
        return None
    listed = (
        given if isinstance(given, list) else next((given[k] for k in ("segments", "words", "utterances", "results") if k in given), [])
    )
    return (
        [segment for one in listed if isinstance(one, dict) and (segment := _segment(one)) is not None] if isinstance(listed, list) else []
    )


def _segment(fields: dict[str, Any]) -> Segment | None:
    text = fields.get("text") or fields.get("word")
    start, end = fields.get("start"), fields.get("end")
    timed = isinstance(start, int | float) and isinstance(end, int | float)
    return Segment(str(text), float(start), float(end)) if text and timed and start is not None and end is not None else None


def _lines(text: str) -> list[Segment]:
    """Lines with a time at their head; each lasts until the next one."""
    found = [(m["text"], moments[0].start_s) for m in _LINE.finditer(text) if (moments := find_moments(m["time"]))]
    ends = [after for (_, _), (_, after) in pairwise(found)] + [found[-1][1] + 30.0] if found else []
    return [Segment(words, start, end) for (words, start), end in zip(found, ends, strict=True)]


def _seconds(stamp: str) -> float:
    *larger, seconds = stamp.replace(",", ".").split(":")
    return float(sum(float(part) * 60 ** (len(larger) - number) for number, part in enumerate(larger))) + float(seconds)

"""Whether a fault found in a statement may be the page reader's own: lines it is unsure of, signs that look alike, words run together.

The readers of pages give a confidence for a line, not for a word, so that a line that is not sure speaks for all its words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from detectors.contract import Span
from detectors.grounding.passages import Passage, Source
from detectors.grounding.support import Support
from detectors.reading.alignment import fold

# What contradicts a statement has to stand on lines read with this confidence, what bears it out on lines with this mean.
SURE_LINE, SURE_PASSAGE = 0.9, 0.7
# A name of so many letters tells itself apart within a longer run of letters.
_TELLING = 5
_MARKS = ".,;:!?()[]\"'“”‘’"
_PRINTED_WORDS = frozenset({"number", "name"})
# Signs, and pairs of them, that are one another's picture in print or in bad light, each as one of them.
_LOOKS = (
    ("RN", "M"),
    ("VV", "W"),
    ("CL", "D"),
    ("0", "O"),
    ("1", "L"),
    ("I", "L"),
    ("J", "L"),
    ("5", "S"),
    ("8", "B"),
    ("2", "Z"),
    ("6", "G"),
)


def doubt(support: Support, pages: Sequence[Source]) -> str | None:
    """Why what these recognised pages say does not prove a statement wrong; None where it does."""
    contradicted = support.contradicted
    if contradicted is not None:
        fault = contradicted[0]
        passage = support.passages[fault.passage]
        if not passage.home.recognised:
            return None
        if looks_like(fault.text, fault.instead):
            return f"“{fault.text}” may have been read as “{fault.instead}”"
        unsure = _unsure(passage, _span_of(passage, fault.instead))
        return unsure or (_hidden(fault.text, pages) if fault.kind in ("value", "name") else None)
    best = support.passages[0]
    if best.home.recognised and (unsure := _unsure(best, best.span)):
        return unsure
    gaps = [gap for gap in support.gaps if gap.kind in _PRINTED_WORDS]
    for gap in gaps:
        if gap.instead and best.home.recognised and looks_like(gap.text, gap.instead):
            return f"“{gap.text}” may have been read as “{gap.instead}”"
    return next((told for gap in gaps if (told := _hidden(gap.text, pages))), None)


def faint(passage: Passage) -> bool:
    """Whether a passage was read so badly that it neither bears out nor refutes anything."""
    lines = passage.home.lines_at(passage.span) if passage.home.recognised else []
    return bool(lines) and sum(line.confidence for line in lines) / len(lines) < SURE_PASSAGE


def looks_like(first: str, second: str) -> bool:
    """Whether two words that differ could be one another misread: ``O`` and ``0``, ``rn`` and ``m``, a point lost in a number.

    A digit is never taken for another digit: that is what a wrong number looks like.
    """
    one, other = fold(first)[0], fold(second)[0]
    return first != second and _look(first) == _look(second) != "" and (one != other or one.isdigit())


def _look(text: str) -> str:
    found = fold(text)[0]
    for signs, one in _LOOKS:
        found = found.replace(signs, one)
    return found


def _unsure(passage: Passage, span: Span) -> str | None:
    weak = [line for line in passage.home.lines_at(span) if line.confidence < SURE_LINE]
    if not weak:
        return None
    worst = min(weak, key=lambda line: line.confidence)
    return f"the closest place is read too uncertainly: “{worst.text}” (confidence {worst.confidence:.2f})"


def _span_of(passage: Passage, words: str) -> Span:
    """Where the words stand; the whole passage where they are not written so, such as a word's basic form."""
    start = passage.text.lower().find(words.lower())
    return passage.span if start < 0 else (passage.span[0] + start, passage.span[0] + start + len(words))


def _hidden(words: str, pages: Sequence[Source]) -> str | None:
    """Whether a name or number stands on a page in signs that look like it, or run together with what is beside it."""
    bare = "".join(words.split())
    if len(bare) < 2:
        return None
    longer = "" if len(bare) >= _TELLING or not bare[-1].islower() else "(?![a-z])"
    before, after = "(?<![0-9.,])" if bare[0].isdigit() else "", r"(?![.,]?\d)" if bare[-1].isdigit() else longer
    run = re.compile(f"{before}{re.escape(bare)}{after}")
    for page in pages:
        for passage in page.passages:
            # A word in small letters is part of many others.
            if not bare[0].islower() and run.search("".join(passage.text.split())):
                return f"“{words}” may stand in “{' '.join(passage.text.split())}”"
            alike = next((word for word in passage.text.split() if looks_like(bare, word.strip(_MARKS))), None)
            if alike is not None:
                return f"“{words}” may have been read as “{alike}”"
    return None

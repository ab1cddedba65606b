"""Cuts text evidence into passages: sentences with their place, short enough to be compared one by one.

Spans are code points of the source's text, whose place in the evidence the text itself knows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from detectors.citing.texts import SourceText
from detectors.contract import Place, Span

# A longer run without a full stop (a table, a list, a transcript without punctuation) is cut at the next space.
LONGEST_PASSAGE = 320
_END = re.compile(r"[.!?…]+[\"”’'»)\]]*(?=\s)|\s*\n\s*(?=\n)|\n(?=\s*(?:[-*•·|#>]|\d{1,3}[.)]\s|[A-Z][\w .'-]{0,30}:\s))|\n")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'“])(?:mr|mrs|ms|dr|prof|sr|jr|st|vs|etc|no|nos|inc|ltd|co|corp|dept|gen|col|lt|sgt|capt|rev|hon|pres|gov|sen|rep|"
    r"fig|figs|eq|al|approx|est|ca|cf|e\.g|i\.e|a\.m|p\.m|u\.s|u\.k|u\.n|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|[a-z])\.$",
    re.IGNORECASE,
)
_SPEAKER = re.compile(
    r"^\s*[-*>]*\s*(?:\[[^\]\n]{1,16}\]\s*|\(?\d{1,2}:\d{2}(?::\d{2})?\)?\s*)?([A-Z][\w.'’-]*(?:\s+[A-Z#\d][\w.'’-]*){0,3}):(?=\s|$)"
)


@dataclass(frozen=True, slots=True)
class Passage:
    """A sentence of a source, at ``span`` of its text; ``speaker`` where a turn of a conversation names one."""

    text: str
    span: Span
    home: SourceText = field(repr=False, compare=False)
    speaker: str | None = None

    @property
    def evidence(self) -> str:
        """The id of its source."""
        return self.home.evidence

    @property
    def place(self) -> Place:
        """Where it stands, in words too."""
        return self.home.place(self.span)


@dataclass(frozen=True, slots=True)
class Source:
    """One piece of evidence in passages, in reading order; ``sha256`` of its content is the key of what is kept about it."""

    evidence: str
    sha256: str
    passages: tuple[Passage, ...]


def passages_of(text: SourceText, sha256: str = "") -> Source:
    """A source that was read, cut into passages; without ``sha256`` nothing is kept about it."""
    return Source(text.evidence, sha256, tuple(_passages(text)))


def source_of(evidence: str, text: str, sha256: str = "") -> Source:
    """Passages of a plain text that is already at hand."""
    return passages_of(SourceText(evidence, text), sha256)


def sentence_spans(text: str) -> list[Span]:
    """Spans of the sentences of a text, without the space around them."""
    spans: list[Span] = []
    start = 0
    for match in _END.finditer(text):
        if match.group().startswith(".") and not _ends(text, match, start):
            continue
        if not match.group().strip() and not _breaks(text, match):
            continue
        _add(spans, text, start, match.end())
        start = match.end()
    _add(spans, text, start, len(text))
    return spans


def _ends(text: str, match: re.Match[str], start: int) -> bool:
    if _ABBREVIATION.search(text[max(start, match.start() - 8) : match.end()]):
        # "U.S. The" ends a sentence, "Mr. The" does not happen.
        return False
    following = text[match.end() : match.end() + 40].lstrip()
    return not following or following[0] not in ",;:)"


def _breaks(text: str, match: re.Match[str]) -> bool:
    """Whether a line break ends a sentence: a blank line, a list or a turn follows, or the line before was short or ended."""
    if "\n" in match.group()[:-1] or re.match(r"\s*(?:\n|[-*•·|#>]|\d{1,3}[.)]\s|[A-Z][\w .'-]{0,30}:\s)", text[match.end() :]):
        return True
    line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()].rstrip()
    following = text[match.end() : match.end() + 40].lstrip()
    if not line or line[-1] in '.!?:;"”':
        return True
    # A hard-wrapped paragraph goes on in lower case; a heading or a short line does not.
    return not (following[:1].islower() or (len(line) > 60 and following[:1].isalnum()))


def _add(spans: list[Span], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    if not any(character.isalnum() for character in piece):
        return
    start += len(piece) - len(piece.lstrip())
    spans.append((start, start + len(piece.strip())))


def _passages(home: SourceText) -> Iterator[Passage]:
    text = home.text
    speaker: str | None = None
    spoken = _turns(text)
    for start, end in sentence_spans(text):
        for left, right in _short(text, start, end):
            found = _SPEAKER.match(text[left:right])
            if found and spoken[found[1]] >= 1:
                speaker = found[1]
            yield Passage(text[left:right], (left, right), home, speaker)


def _turns(text: str) -> Counter[str]:
    """Who is named as a speaker how often; empty unless this reads like a conversation."""
    names = Counter(match[1] for line in re.split(r"\n|(?<=\s)[.]\s", text) if (match := _SPEAKER.match(line)))
    return names if len(names) >= 2 and sum(names.values()) >= 4 else Counter()


def _short(text: str, start: int, end: int) -> Iterator[Span]:
    while end - start > LONGEST_PASSAGE:
        cut = max(text.rfind(mark, start + LONGEST_PASSAGE // 2, start + LONGEST_PASSAGE) for mark in (";", ", ", " | "))
        cut = cut if cut > 0 else text.rfind(" ", start + LONGEST_PASSAGE // 2, start + LONGEST_PASSAGE)
        cut = cut + 1 if cut > 0 else start + LONGEST_PASSAGE
        yield start, cut
        start = cut + len(text[cut:end]) - len(text[cut:end].lstrip())
    if end > start:
        yield start, end

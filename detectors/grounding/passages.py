"""Cuts text evidence into passages: sentences with their place, short enough to be compared one by one.

Spans are code points of the decoded text. Markup of HTML and XML is blanked out, so that spans still hold.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from detectors.contract import EvidenceFile, EvidenceUnreadable, Place, Span
from detectors.reading.pages import open_pages

# A novel has about half a million letters; what lies behind this is not read, and absence then proves nothing.
MAX_CHARACTERS = 1_000_000
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
_MARKUP = re.compile(r"<script\b.*?</script>|<style\b.*?</style>|<!--.*?-->|<[/!?]?[A-Za-z][^<>]{0,2000}>", re.IGNORECASE | re.DOTALL)
_STOP = re.compile(r"\s+\.\s+(?=\S)")


@dataclass(frozen=True, slots=True)
class Passage:
    """A sentence of the evidence. ``span`` is None on pages, where ``page`` tells the place; ``speaker`` where a turn names one."""

    evidence: str
    text: str
    span: Span | None = None
    page: int | None = None
    speaker: str | None = None

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.evidence, page=self.page, span=self.span, quote=self.text)


@dataclass(frozen=True, slots=True)
class Source:
    """One piece of evidence in passages, in reading order. ``unread`` says what could not be read, if anything."""

    evidence: str
    sha256: str
    passages: tuple[Passage, ...]
    unread: str | None = None


def read_source(evidence: EvidenceFile) -> Source:
    """The passages of a text or of a PDF's own text. Raises EvidenceUnreadable: not text, empty, or a scan without text."""
    return _read_pdf(evidence) if evidence.family == "pdf" else _read_text(evidence)


def source_of(evidence: str, text: str, sha256: str = "") -> Source:
    """Passages of a text that is already at hand."""
    return Source(evidence, sha256, tuple(_passages(evidence, text)))


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


def _passages(evidence: str, text: str, page: int | None = None) -> Iterator[Passage]:
    speaker: str | None = None
    spoken = _turns(text)
    for start, end in sentence_spans(text):
        for left, right in _short(text, start, end):
            found = _SPEAKER.match(text[left:right])
            if found and spoken[found[1]] >= 1:
                speaker = found[1]
            yield Passage(evidence, text[left:right], None if page else (left, right), page, speaker if spoken else None)


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


def _read_text(evidence: EvidenceFile) -> Source:
    try:
        raw = evidence.path.read_bytes()
    except OSError as error:
        raise EvidenceUnreadable(evidence.id, f"the file cannot be opened ({error.strerror})") from error
    text = _decoded(evidence, raw)
    if any(kind in evidence.media_type.lower() for kind in ("html", "xml")):
        text = _MARKUP.sub(lambda match: " " * len(match.group()), text)
    unread = f"it was read up to its first {MAX_CHARACTERS:,} characters" if len(text) > MAX_CHARACTERS else None
    passages = tuple(_passages(evidence.id, text[:MAX_CHARACTERS]))
    if not passages:
        raise EvidenceUnreadable(evidence.id, "there is no text in it")
    return Source(evidence.id, evidence.sha256, passages, unread)


def _decoded(evidence: EvidenceFile, raw: bytes) -> str:
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        if b"\0" in raw:
            raise EvidenceUnreadable(evidence.id, "it is not text") from None
        text = raw.decode("cp1252", errors="replace")
    if "\0" in text:
        raise EvidenceUnreadable(evidence.id, "it is not text")
    return text


def _read_pdf(evidence: EvidenceFile) -> Source:
    count, pages = open_pages(evidence)
    passages: list[Passage] = []
    pictures: list[int] = []
    read = 0
    for page in pages:
        read += 1
        if page.lines is None:
            pictures.append(page.number)
            continue
        passages += _passages(evidence.id, "\n".join(line.text for line in page.lines), page.number)
    if not passages:
        raise EvidenceUnreadable(evidence.id, "its pages are pictures without text; supply their text as evidence of role ocr")
    return Source(evidence.id, evidence.sha256, tuple(passages), _gap(pictures, read, count))


def _gap(pictures: Sequence[int], read: int, count: int) -> str | None:
    if pictures:
        return f"page {', '.join(map(str, pictures[:5]))} is a picture without text of its own"
    return f"only the first {read} of {count} pages were read" if read < count else None

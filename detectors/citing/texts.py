"""What a source says in words, with the way back from a span of that text to its place in the source.

Text evidence is taken as it stands, so that spans hold for what the dashboard shows. Of PDFs the own text of each page
is taken, pages without any and pictures are read by the page reader. Recordings and the sound of videos are heard by the
listeners that all hearing detectors share; their spans are of the transcript made here, and places in them are times.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from detectors.citing.spoken import Spoken, at, heard_text, time_of, within
from detectors.contract import DetectorOptions, EvidenceFile, EvidenceUnreadable, Place, Region, Span
from detectors.hearing.ears import NoSpeech, ears_of
from detectors.reading.lines import Line
from detectors.reading.pages import MAX_PAGES, open_pages
from detectors.reading.paragraphs import flowing, longest_column
from detectors.reading.readers import FastReader

# Longer texts are compared up to here: a book is no passage, and nobody waits for it.
MAX_CHARACTERS = 1_000_000
# A picture with fewer letters and digits than this is a photograph, not a document.
DOCUMENT_CHARACTERS = 60
_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^<>]{1,2000}>", re.DOTALL | re.IGNORECASE)
_KEPT = 64


@dataclass(frozen=True)
class SourceText:
    """The words of one source.

    ``lines`` are set where they were read from pages: start of each line in ``text``, and the line; ``recognised`` where a reader
    took them from a picture, who may err. ``spoken`` is set where they were heard: each word with its span of ``text`` and its
    time. ``unread`` says what of the source is not in ``text``, None where it is all there.
    """

    evidence: str
    text: str
    starts: tuple[int, ...] = ()
    lines: tuple[Line, ...] = ()
    spoken: tuple[Spoken, ...] = ()
    recognised: bool = False
    unread: str | None = None

    def lines_at(self, span: Span) -> list[Line]:
        """The lines that a span of the text stands on; none where it was not read from pages."""
        if not self.lines:
            return []
        first = max(0, bisect_right(self.starts, span[0]) - 1)
        last = max(first + 1, bisect_right(self.starts, max(span[0], span[1] - 1)))
        return list(self.lines[first:last])

    def place(self, span: Span) -> Place:
        """Where that span of the text stands in the source, with its words."""
        quote = " ".join(self.text[slice(*span)].split())
        if self.spoken:
            return Place(self.evidence, time=time_of(at(self.spoken, span)), quote=quote)
        if not self.lines:
            return Place(self.evidence, span=span, quote=quote)
        lines = self.lines_at(span)
        held = [line for line in lines if line.page == lines[0].page]
        return Place(self.evidence, region=longest_column(held), page=held[0].page, quote=quote)

    def only(self, place: Place) -> str | None:
        """The text with all blanked out but what a citation points to by span, page, region or time; None where it points to no part."""
        if self.spoken:
            if place.time is None:
                return None
            held = within(self.spoken, place.time)
        elif place.span is not None and not self.lines:
            held = [place.span]
        elif self.lines and (place.page is not None or place.region is not None):
            held = [
                (start, start + len(line.text))
                for start, line in zip(self.starts, self.lines, strict=True)
                if (place.page is None or line.page == place.page) and (place.region is None or mostly_in(line.region, place.region))
            ]
        else:
            return None
        kept: list[str] = []
        end = 0
        for start, stop in held:
            kept += [" " * (start - end), self.text[start:stop]]
            end = stop
        return "".join(kept) + " " * (len(self.text) - end)


class TextSources:
    """Reads sources as text; the last few are kept by content. Not thread-safe."""

    def __init__(self, options: DetectorOptions) -> None:
        self._options = options
        self._reader = FastReader(options)
        self._loaded = False
        self._kept: OrderedDict[str, SourceText] = OrderedDict()

    def read(self, evidence: EvidenceFile) -> SourceText:
        """The words of a source.

        Raises:
            EvidenceUnreadable: it is damaged, or has no words, or none in English where it is heard.
            DetectorUnavailable: it is a picture and the page reader is not installed, or a recording and the listener is not.
        """
        key = f"{evidence.sha256}:{evidence.family}"
        if (known := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return replace(known, evidence=evidence.id)
        self._kept[key] = read = self._read(evidence)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return read

    def read_ahead(self, pieces: Iterable[EvidenceFile]) -> None:
        """Read pictures together, which is faster. Raises DetectorUnavailable where the page reader is not installed."""
        waiting = [piece for piece in pieces if f"{piece.sha256}:{piece.family}" not in self._kept]
        if waiting:
            self._page_reader().read_ahead(waiting)

    def _page_reader(self) -> FastReader:
        if not self._loaded:
            self._reader.load()
            self._loaded = True
        return self._reader

    def _read(self, evidence: EvidenceFile) -> SourceText:
        if evidence.family == "text":
            return SourceText(evidence.id, _text_of(evidence))
        if evidence.family in ("audio", "video"):
            return self._hear(evidence)
        if evidence.family not in ("pdf", "image"):
            raise EvidenceUnreadable(evidence.id, f"it is {evidence.media_type}, of which no words are compared here")
        own = self._own_lines(evidence) if evidence.family == "pdf" else None
        return self._own_text(evidence, *own) if own is not None else self._recognised(evidence)

    def _own_text(self, evidence: EvidenceFile, lines: tuple[Line, ...], pages: int) -> SourceText:
        _refuse_empty(evidence, lines)
        starts, position = [], 0
        for line in lines:
            starts.append(position)
            position += len(line.text) + 1
        return SourceText(
            evidence.id,
            "\n".join(line.text for line in lines),
            tuple(starts),
            lines,
            unread=_only(MAX_PAGES) if pages > MAX_PAGES else None,
        )

    def _recognised(self, evidence: EvidenceFile) -> SourceText:
        reading = self._page_reader().read(evidence)
        _refuse_empty(evidence, reading.lines)
        text, starts, lines = flowing(reading.lines)
        return SourceText(evidence.id, text, starts, lines, recognised=True, unread=None if reading.complete else _only(reading.pages))

    def _hear(self, evidence: EvidenceFile) -> SourceText:
        heard = ears_of(self._options).hear(evidence)
        if isinstance(heard, NoSpeech):
            raise EvidenceUnreadable(evidence.id, "nobody speaks in it" if heard.certain else "no words are heard in it")
        if (language := heard.foreign) is not None:
            raise EvidenceUnreadable(evidence.id, f"it is in language {language!r}, only English is compared")
        text, spoken = heard_text(heard)
        return SourceText(evidence.id, text, spoken=spoken)

    @staticmethod
    def _own_lines(evidence: EvidenceFile) -> tuple[tuple[Line, ...], int] | None:
        """The text a PDF carries itself, and how many pages it has; None where one of its pages is a picture."""
        count, pages = open_pages(evidence)
        found: list[Line] = []
        for page in pages:
            if page.lines is None:
                return None
            found += page.lines
        return tuple(found), count


def _refuse_empty(evidence: EvidenceFile, lines: tuple[Line, ...]) -> None:
    if sum(character.isalnum() for line in lines for character in line.text) < DOCUMENT_CHARACTERS:
        raise EvidenceUnreadable(evidence.id, "it carries hardly any text")


def _only(pages: int) -> str:
    return f"only the first {pages} pages were read"


def _text_of(evidence: EvidenceFile) -> str:
    """The text with markup blanked out and every offset kept. Raises EvidenceUnreadable."""
    try:
        raw = evidence.path.read_bytes()
    except OSError as error:
        raise EvidenceUnreadable(evidence.id, f"the file cannot be opened ({error.strerror})") from error
    try:
        # A byte order mark stays: it is one code point of the text that clients and the dashboard count too.
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8")
    except UnicodeDecodeError:
        raise EvidenceUnreadable(evidence.id, "it is not UTF-8 text") from None
    if "\x00" in text:
        raise EvidenceUnreadable(evidence.id, "it is binary, not text")
    if not text.strip():
        raise EvidenceUnreadable(evidence.id, "it is empty")
    text = text[:MAX_CHARACTERS]
    bare = evidence.media_type.split(";")[0].strip().lower()
    if bare in ("text/html", "application/xhtml+xml") or bare.endswith("xml"):
        text = _MARKUP.sub(lambda match: " " * len(match.group()), text)
    return text


def mostly_in(inner: Region, outer: Region) -> bool:
    """Whether at least half of one region lies in the other."""
    width = min(inner[0] + inner[2], outer[0] + outer[2]) - max(inner[0], outer[0])
    height = min(inner[1] + inner[3], outer[1] + outer[3]) - max(inner[1], outer[1])
    area = inner[2] * inner[3]
    return width > 0 and height > 0 and area > 0 and width * height >= 0.5 * area

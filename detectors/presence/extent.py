"""How far a source reaches: pages of a PDF with the numbers printed on them, seconds of a recording. Opens headers, decodes nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from detectors.containers import open_container
from detectors.contract import EvidenceFile

# A longer PDF may carry any printed page number; it is not searched.
MOST_PAGES = 400
# A page number stands in one of the first or last lines of a page.
_EDGE_LINES = 3


@dataclass(frozen=True, slots=True)
class Pages:
    """``count`` pages; ``printed`` are the numbers that the pages carry themselves; ``legible`` is False where pages have no own text."""

    count: int
    printed: frozenset[int]
    legible: bool


def pages_of(evidence: EvidenceFile) -> Pages | None:
    """The pages of a PDF; None where it cannot be opened here."""
    try:
        import pypdfium2

        from detectors.reading.pages import PDFIUM
    except ImportError:
        return None
    try:
        with PDFIUM:
            document = pypdfium2.PdfDocument(evidence.path)
            try:
                return _pages(document)
            finally:
                document.close()
    except (pypdfium2.PdfiumError, OSError):
        return None


def _pages(document: object) -> Pages:
    count = len(document)  # type: ignore[arg-type]
    if count > MOST_PAGES:
        return Pages(count, frozenset(), legible=False)
    printed: set[int] = set()
    legible = True
    for index in range(count):
        page = document[index]  # type: ignore[index]
        words = page.get_textpage()
        lines = [line for line in words.get_text_range().splitlines() if line.strip()]
        words.close()
        page.close()
        legible = legible and bool(lines)
        edges = lines if len(lines) <= 2 * _EDGE_LINES else lines[:_EDGE_LINES] + lines[-_EDGE_LINES:]
        printed.update(int(number) for line in edges for number in re.findall(r"\b\d{1,4}\b", line))
        label = document.get_page_label(index)  # type: ignore[attr-defined]
        if label.isdecimal():
            printed.add(int(label))
    return Pages(count, frozenset(printed), legible)


def seconds_of(evidence: EvidenceFile) -> float | None:
    """The length its container states; None where it states none or cannot be opened here."""
    try:
        import av
    except ImportError:
        return None
    try:
        with open_container(evidence.path) as container:
            return None if not container.duration else float(container.duration / av.time_base)
    except (av.FFmpegError, OSError, ValueError, MemoryError):
        return None

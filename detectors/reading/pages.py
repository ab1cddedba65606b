"""Opens page evidence: pictures, scans of several frames, PDF pages with their own text or as pictures.

Pages come one at a time, so a long document never stands in memory whole.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageOps

from detectors.contract import EvidenceFile, EvidenceUnreadable
from detectors.pictures import MAX_PIXELS, open_picture
from detectors.reading.lines import Line
from detectors.reading.spotting import windows

# Enough for contracts and reports; a longer document is read up to here and then counts as read in part.
MAX_PAGES = 40
# A till roll of 30,000 px is read whole.
MAX_WINDOWS = 32
# 2,000 px on the long side of A4 is about 170 dpi: small print stays legible and a page takes about a second.
RENDERED_SIDE = 2000
# A page whose own text has fewer signs than this is a scan with a stamp or a page number; its picture is read.
MIN_OWN_CHARACTERS = 12
# PDFium is not safe to call from two threads.
PDFIUM = threading.Lock()


@dataclass(frozen=True)
class Page:
    """Page ``number`` (from 1). Exactly one of ``image`` (upright RGB) and ``lines`` (the page's own text) is set."""

    number: int
    image: Image.Image | None = None
    lines: tuple[Line, ...] | None = None


def open_pages(evidence: EvidenceFile) -> tuple[int, Iterator[Page]]:
    """How many pages there are, and the first :data:`MAX_PAGES` of them, decoded as they are asked for.

    Raises:
        EvidenceUnreadable: at once or on a later page: missing, empty, damaged, encrypted, too large, not a page.
    """
    if evidence.family == "pdf":
        return _pdf_pages(evidence)
    if evidence.family != "image":
        raise EvidenceUnreadable(evidence.id, f"{evidence.media_type} is neither a picture nor a PDF")
    first = open_picture(evidence)
    _refuse_strip(evidence, *first.size)
    frames = _frame_count(evidence)
    return frames, _picture_pages(evidence, first, frames)


def page_image(evidence: EvidenceFile, number: int) -> Image.Image | None:
    """The picture of one page; None where the page carries its own text. Raises as :func:`open_pages` does."""
    _, pages = open_pages(evidence)
    return next((page.image for page in pages if page.number == number), None)


def _frame_count(evidence: EvidenceFile) -> int:
    """Frames that are pages: those of a TIFF. The frames of a GIF or WebP are one moving picture."""
    with Image.open(evidence.path) as stored:
        return int(getattr(stored, "n_frames", 1)) if stored.format == "TIFF" else 1


def _picture_pages(evidence: EvidenceFile, first: Image.Image, frames: int) -> Iterator[Page]:
    yield Page(1, first)
    for number in range(2, min(frames, MAX_PAGES) + 1):
        yield Page(number, _frame(evidence, number))


def _frame(evidence: EvidenceFile, number: int) -> Image.Image:
    try:
        with warnings.catch_warnings(), Image.open(evidence.path) as stored:
            warnings.simplefilter("ignore")
            stored.seek(number - 1)
            _refuse_size(evidence, *stored.size)
            _refuse_strip(evidence, *stored.size)
            return ImageOps.exif_transpose(stored).convert("RGB")
    except (OSError, ValueError, SyntaxError, EOFError, KeyError, TypeError) as error:
        raise EvidenceUnreadable(evidence.id, f"page {number} is damaged or cut short ({error})") from error


def _refuse_size(evidence: EvidenceFile, width: float, height: float) -> None:
    if width * height > MAX_PIXELS:
        raise EvidenceUnreadable(evidence.id, f"{width:.0f}×{height:.0f} is more than {MAX_PIXELS // 1_000_000} megapixels")


def _refuse_strip(evidence: EvidenceFile, width: int, height: int) -> None:
    # Every window is a run of the network: a strip of a few pixels' height holds thousands of them in as many megapixels as a photograph.
    if len(windows(width, height)) > MAX_WINDOWS:
        raise EvidenceUnreadable(evidence.id, f"{width}×{height} px is too long and narrow for a page")


def _pdf_pages(evidence: EvidenceFile) -> tuple[int, Iterator[Page]]:
    import pypdfium2

    if not evidence.path.is_file() or evidence.path.stat().st_size == 0:
        raise EvidenceUnreadable(evidence.id, "the file is missing or empty")
    try:
        with PDFIUM:
            document = pypdfium2.PdfDocument(evidence.path)
            count = len(document)
    except pypdfium2.PdfiumError as error:
        cause = "it is encrypted" if "password" in str(error).lower() else f"it is not a whole PDF ({error})"
        raise EvidenceUnreadable(evidence.id, cause) from error
    if count == 0:
        raise EvidenceUnreadable(evidence.id, "the PDF has no pages")

    def pages() -> Iterator[Page]:
        try:
            for number in range(1, min(count, MAX_PAGES) + 1):
                with PDFIUM:
                    page = _pdf_page(evidence, document, number)
                yield page
        except pypdfium2.PdfiumError as error:
            raise EvidenceUnreadable(evidence.id, f"a page of the PDF is damaged ({error})") from error
        finally:
            with PDFIUM:
                document.close()

    return count, pages()


def _pdf_page(evidence: EvidenceFile, document: object, number: int) -> Page:
    page = document[number - 1]  # type: ignore[index]
    try:
        lines = _own_lines(page, number)
        if sum(character.isalnum() for line in lines for character in line.text) >= MIN_OWN_CHARACTERS:
            return Page(number, lines=lines)
        width, height = page.get_size()
        if width <= 0 or height <= 0:
            raise EvidenceUnreadable(evidence.id, f"page {number} of the PDF has no area")
        scale = RENDERED_SIDE / max(width, height)
        return Page(number, image=page.render(scale=scale).to_pil().convert("RGB"))
    finally:
        page.close()


def _own_lines(page: object, number: int) -> tuple[Line, ...]:
    """The page's embedded text by PDFium's text rectangles, turned to fractions with the origin top left."""
    words = page.get_textpage()  # type: ignore[attr-defined]
    try:
        left0, bottom0, right0, top0 = page.get_bbox()  # type: ignore[attr-defined]
        width, height = max(right0 - left0, 1e-6), max(top0 - bottom0, 1e-6)
        lines = []
        for index in range(words.count_rects()):
            left, bottom, right, top = words.get_rect(index)
            text = words.get_text_bounded(left, bottom, right, top).strip()
            if text:
                x, y = _clip((left - left0) / width), _clip((top0 - top) / height)
                w, h = _clip((right - left0) / width) - x, _clip((top0 - bottom) / height) - y
                lines += [
                    Line(piece.strip(), 1.0, (x, y, max(0.0, w), max(0.0, h)), number) for piece in text.splitlines() if piece.strip()
                ]
        return tuple(lines)
    finally:
        words.close()


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))

"""Pictures of evidence that a browser can show: thumbnails, PDF pages, TIFF frames, within bounds.

Evidence comes from outside, so its size is read from the header before a pixel is decoded, and only a few pictures
are decoded at once.
"""

from __future__ import annotations

import io
import threading
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from monitor.errors import BodyUnsupported, EvidenceRefused
from monitor.media_types import media_type_of

MAX_PIXELS = 64_000_000
# Width a whole page gets where the caller names none: readable text, under 3 megapixels for A4.
PAGE_WIDTH = 1400
_AT_ONCE = threading.BoundedSemaphore(2)
_PDFIUM = threading.Lock()  # pdfium is not thread-safe
_PICTURE_MODES = ("RGB", "RGBA", "L")


def thumbnail(path: Path, name: str, width: int) -> bytes:
    """The picture as WebP, at most ``width`` pixels wide and never enlarged, turned as its EXIF says.

    Raises:
        BodyUnsupported: the blob is not a picture.
        EvidenceRefused: it has more than ``MAX_PIXELS`` pixels, or is broken.
    """
    with _AT_ONCE, _opened(path, name) as picture:
        picture.draft("RGB", (width, width))  # JPEG decodes at a fraction of its size
        upright = ImageOps.exif_transpose(_loaded(picture, name))
        return _encoded(_narrowed(upright, width), "WEBP")


def page_picture(path: Path, name: str, page: int, width: int | None) -> bytes:
    """Page ``page`` (from 1) of a PDF, or frame of a TIFF or GIF, as PNG.

    Raises:
        BodyUnsupported: the blob has no pages, or pypdfium2 is not installed.
        EvidenceRefused: no such page, too many pixels, or broken.
    """
    if media_type_of(path) == "application/pdf":
        return _pdf_page(path, name, page, width or PAGE_WIDTH)
    with _AT_ONCE, _opened(path, name) as picture:
        frames = getattr(picture, "n_frames", 1)
        if page > frames:
            raise _no_page(name, page, frames)
        picture.seek(page - 1)
        _check_pixels(name, *picture.size)
        return _encoded(_narrowed(_loaded(picture, name), width or picture.width), "PNG")


def _opened(path: Path, name: str) -> Image.Image:
    try:
        picture = Image.open(path)
    except UnidentifiedImageError:
        raise BodyUnsupported(
            "evidence", media_type_of(path), "Only pictures, PDF and TIFF have previews; leave width and page out"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, OSError, ValueError, SyntaxError) as error:
        raise EvidenceRefused(name, f"cannot be read as a picture ({error})", "Fetch it without width to get the bytes") from error
    try:
        _check_pixels(name, *picture.size)
    except EvidenceRefused:
        picture.close()
        raise
    return picture


def _check_pixels(name: str, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        problem = f"is {width} × {height} pixels, previews are made up to {MAX_PIXELS} pixels"
        raise EvidenceRefused(name, problem, "Fetch it without width to get the bytes")


def _loaded(picture: Image.Image, name: str) -> Image.Image:
    try:
        picture.load()
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise EvidenceRefused(name, f"is a broken picture ({error})", "Upload it again") from error
    if picture.mode in _PICTURE_MODES:
        return picture
    transparent = picture.mode in ("LA", "PA") or "transparency" in picture.info
    return picture.convert("RGBA" if transparent else "RGB")


def _narrowed(picture: Image.Image, width: int) -> Image.Image:
    if picture.width <= width:
        return picture
    return picture.resize((width, max(1, round(picture.height * width / picture.width))), Image.Resampling.LANCZOS)


def _encoded(picture: Image.Image, form: str) -> bytes:
    out = io.BytesIO()
    if form == "WEBP":
        picture.save(out, form, quality=82, method=2)
    else:
        picture.save(out, form)
    return out.getvalue()


def _pdf_page(path: Path, name: str, page: int, width: int) -> bytes:
    try:
        import pypdfium2
    except ModuleNotFoundError:
        raise BodyUnsupported(
            "evidence", "application/pdf", "Install pypdfium2 (pip install 'groundwatch[lite]') to see PDF pages"
        ) from None
    with _AT_ONCE, _PDFIUM:
        try:
            document = pypdfium2.PdfDocument(path)
        except pypdfium2.PdfiumError as error:
            raise EvidenceRefused(name, f"is a broken PDF ({error})", "Upload it again") from error
        try:
            if page > len(document):
                raise _no_page(name, page, len(document))
            sheet = document[page - 1]
            points_wide, points_high = sheet.get_size()
            scale = width / max(1.0, points_wide)
            _check_pixels(name, round(points_wide * scale), round(points_high * scale))
            picture: Image.Image = sheet.render(scale=scale).to_pil()
            return _encoded(picture, "PNG")
        finally:
            document.close()


def _no_page(name: str, page: int, pages: int) -> EvidenceRefused:
    return EvidenceRefused(name, f"has {pages} pages, there is no page {page}", "Pages count from 1")

"""Evidence for the fake API: a drawn receipt, a two-page invoice, a street scene and real (synthetic) speech."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import monitor.demo

INK = (38, 36, 34)
SPEECH = Path(monitor.demo.__file__).parent / "meeting.flac"


@dataclass(frozen=True, slots=True)
class Blob:
    """Stored bytes with their type."""

    content: bytes
    media_type: str

    @property
    def sha256(self) -> str:
        """Hex digest of the content."""
        return hashlib.sha256(self.content).hexdigest()


def _encoded(picture: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def receipt() -> Blob:
    """620 × 560 pixels; the total is printed at y 400–440."""
    page = Image.new("RGB", (620, 560), (250, 249, 244))
    pen = ImageDraw.Draw(page)
    pen.text((310, 40), "HARBOUR STREET BAKERY", INK, _font(34), anchor="mm")
    pen.text((60, 120), "Date: 14/03/2026", INK, _font(24))
    for row, (name, price) in enumerate((("Sourdough loaf", "4.20"), ("Almond croissant", "3.10"), ("Flat white", "3.40"))):
        pen.text((60, 190 + 50 * row), name, INK, _font(24))
        pen.text((560, 190 + 50 * row), price, INK, _font(24), anchor="ra")
    pen.text((60, 400), "TOTAL  GBP", INK, _font(32))
    pen.text((560, 400), "10.70", INK, _font(32), anchor="ra")
    return Blob(_encoded(page, "JPEG"), "image/jpeg")


def invoice_page(number: int) -> bytes:
    """A page of the invoice as PNG, 1000 × 1300 pixels."""
    page = Image.new("RGB", (1000, 1300), "white")
    pen = ImageDraw.Draw(page)
    pen.text((90, 90), "Meridian Lab Supplies", INK, _font(46))
    pen.text((90, 170), f"Invoice 2026-0457, page {number} of 2", INK, _font(30))
    rows = (
        (("Buyer", "University of Exeter"), ("Invoice date", "18 June 2026"), ("Payment", "30 days"))
        if number == 1
        else (
            ("Microscope slides, 200 pcs", "EUR 48.00"),
            ("Pipette tips, 10 racks", "EUR 126.50"),
            ("Shipping", "EUR 9.90"),
            ("Amount due", "EUR 184.40"),
        )
    )
    for row, (label, value) in enumerate(rows):
        pen.text((90, 300 + 90 * row), label, INK, _font(32))
        pen.text((910, 300 + 90 * row), value, INK, _font(32), anchor="ra")
    return _encoded(page, "PNG")


def scene() -> Blob:
    """A table with a mug and a plant by a window; 1200 × 800 pixels. The mug is at [.42, .50, .14, .22]."""
    page = Image.new("RGB", (1200, 800), (226, 214, 196))
    pen = ImageDraw.Draw(page)
    pen.rectangle((80, 60, 460, 420), fill=(186, 214, 232), outline=(120, 92, 62), width=14)
    pen.line((270, 60, 270, 420), fill=(120, 92, 62), width=10)
    pen.rectangle((0, 570, 1200, 800), fill=(142, 98, 60))
    pen.rounded_rectangle((504, 400, 640, 576), 18, fill=(196, 62, 48))
    pen.arc((616, 430, 700, 540), -90, 90, fill=(196, 62, 48), width=18)
    pen.polygon(((880, 576), (1010, 576), (990, 460), (900, 460)), fill=(172, 110, 72))
    for dx, dy in ((-90, -150), (-40, -220), (20, -240), (80, -190), (110, -110)):
        pen.line((945, 462, 945 + dx, 462 + dy), fill=(64, 122, 70), width=16)
    return Blob(_encoded(page, "PNG"), "image/png")


@cache
def blobs() -> dict[str, Blob]:
    """Name → bytes of everything the fake API holds."""
    first = Image.open(io.BytesIO(invoice_page(1))).convert("RGB")
    second = Image.open(io.BytesIO(invoice_page(2))).convert("RGB")
    pdf = io.BytesIO()
    first.save(pdf, "PDF", save_all=True, append_images=[second])
    return {
        "receipt": receipt(),
        "scene": scene(),
        "invoice": Blob(pdf.getvalue(), "application/pdf"),
        "speech": Blob(SPEECH.read_bytes(), "audio/flac"),
    }


def thumbnail(blob: Blob, width: int | None, page: int | None) -> Blob:
    """What ``GET /v1/evidence`` sends for ``width`` and ``page``."""
    if blob.media_type == "application/pdf" and page is not None:
        return Blob(invoice_page(min(page, 2)), "image/png")
    if blob.media_type.startswith("image/") and width is not None:
        picture = Image.open(io.BytesIO(blob.content)).convert("RGB")
        picture.thumbnail((width, 10_000))
        return Blob(_encoded(picture, "WEBP"), "image/webp")
    return blob

"""Draws the demo's paper: receipts as pictures and an invoice as a PDF of page images, with text that is known exactly."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

PAPER = (250, 249, 244)
INK = (38, 36, 34)
# A fixed time in the PDF: every run makes the same bytes, so repeated evidence is known by its hash.
DRAWN_AT = time.gmtime(0)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is printed; money as printed, the date in the shop's own form."""

    company: str
    address: str
    number: str
    date: str
    items: tuple[tuple[str, str], ...]
    total: str


RECEIPTS = (
    Receipt("HARBOUR STREET BAKERY", "14 Harbour Street, Bristol", "R-20418", "14/03/2026",
            (("Sourdough loaf", "4.20"), ("Almond croissant", "3.10"), ("Flat white", "3.40")), "10.70"),
    Receipt("NORTHGATE HARDWARE LTD", "Unit 3, Northgate Park, Leeds", "INV 77120", "02/04/2026",
            (("Wood screws 5x60", "6.75"), ("Sanding paper P120", "4.99"), ("Paint brush 50 mm", "8.25")), "19.99"),
    Receipt("RIVERSIDE PHARMACY", "2 Mill Lane, Cambridge", "000583", "21/05/2026",
            (("Sun lotion SPF 30", "12.49"), ("Plasters, 40 pcs", "3.85")), "16.34"),
    Receipt("OLD MILL GARDEN CENTRE", "88 Weir Road, Durham", "A-3316", "09/06/2026",
            (("Potting soil 40 l", "7.50"), ("Lavender, 3 pots", "11.25"), ("Watering can", "14.80")), "33.55"),
)  # fmt: skip


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def draw_receipt(receipt: Receipt, path: Path, seed: int) -> None:
    """A receipt as a hand-held scan: a little turned, grainy and unevenly lit. 620 pixels wide, JPEG."""
    page = Image.new("RGB", (620, 420 + 44 * len(receipt.items)), PAPER)
    pen = ImageDraw.Draw(page)
    pen.text((310, 40), receipt.company, INK, _font(34), anchor="mm")
    pen.text((310, 84), receipt.address, INK, _font(22), anchor="mm")
    pen.text((60, 134), f"Receipt no: {receipt.number}", INK, _font(24))
    pen.text((60, 170), f"Date: {receipt.date}", INK, _font(24))
    pen.line((50, 216, 570, 216), INK, 2)
    y = 234
    for name, price in receipt.items:
        pen.text((60, y), name, INK, _font(24))
        pen.text((560, y), price, INK, _font(24), anchor="ra")
        y += 44
    pen.line((50, y + 8, 570, y + 8), INK, 2)
    pen.text((60, y + 24), "TOTAL  GBP", INK, _font(30))
    pen.text((560, y + 24), receipt.total, INK, _font(30), anchor="ra")
    pen.text((310, y + 110), "Thank you for your visit", INK, _font(22), anchor="mm")
    _scan(page, seed).save(path, quality=82)


def _scan(page: Image.Image, seed: int) -> Image.Image:
    chance = random.Random(seed)  # noqa: S311 - looks, not secrets
    noise = Image.frombytes("L", page.size, chance.randbytes(page.width * page.height)).convert("RGB")
    worn = Image.blend(page, noise, 0.04).filter(ImageFilter.GaussianBlur(0.5))
    return worn.rotate(chance.uniform(-1.6, 1.6), Image.Resampling.BICUBIC, expand=True, fillcolor=(120, 112, 104))


INVOICE_PAGES: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("Invoice 2026-0457", (("Seller", "Meridian Lab Supplies"), ("Buyer", "University of Exeter"), ("Invoice date", "18 June 2026"))),
    ("Positions", (("Microscope slides, 200 pcs", "EUR 48.00"), ("Pipette tips, 10 racks", "EUR 126.50"), ("Shipping", "EUR 9.90"),
                   ("Amount due", "EUR 184.40"))),
)  # fmt: skip


def draw_invoice(path: Path) -> None:
    """A two-page invoice as a PDF that holds page pictures only, as a scanner writes it."""
    pages = []
    for title, lines in INVOICE_PAGES:
        page = Image.new("RGB", (1000, 700), "white")
        pen = ImageDraw.Draw(page)
        pen.text((80, 70), title, INK, _font(44))
        for row, (label, value) in enumerate(lines):
            pen.text((80, 180 + 70 * row), label, INK, _font(32))
            pen.text((920, 180 + 70 * row), value, INK, _font(32), anchor="ra")
        pages.append(page)
    pages[0].save(path, save_all=True, append_images=pages[1:], resolution=100, creationDate=DRAWN_AT, modDate=DRAWN_AT)

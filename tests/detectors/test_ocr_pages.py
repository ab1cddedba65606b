"""Opening page evidence: pictures, scans of several pages, PDFs with and without text, and what cannot be opened."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

from detectors.contract import DetectorOptions, EvidenceFile, EvidenceUnreadable
from detectors.reading import pages as pages_module
from detectors.reading import readers
from detectors.reading.lines import Line, Reading
from detectors.reading.pages import open_pages, page_image
from detectors.reading.readers import FastReader


def evidence(path: Path, media_type: str) -> EvidenceFile:
    content = path.read_bytes() if path.is_file() else b""
    return EvidenceFile("page", media_type, path, hashlib.sha256(content).hexdigest())


def write_pdf(path: Path, pages: list[list[tuple[int, int, str]]]) -> Path:
    """A PDF of 200 x 300 pt pages with Helvetica text at the given points (origin bottom left)."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for texts in pages:
        stream = "".join(f"BT /F1 12 Tf {x} {y} Td ({text}) Tj ET\n" for x, y, text in texts)
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}endstream")
        resources = "<< /Font << /F1 3 0 R >> >>"
        objects.append(f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 300] /Resources {resources} /Contents {len(objects)} 0 R >>")
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010d} 00000 n \n".encode() for offset in offsets)
    out += f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    path.write_bytes(out)
    return path


def test_a_pdf_with_text_gives_lines_with_their_places(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [[(20, 270, "Invoice of Globex GmbH"), (20, 30, "Total 249.90")], [(20, 150, "the second page")]])
    count, found = open_pages(evidence(path, "application/pdf"))
    first, second = found
    assert count == 2
    assert first.lines is not None
    assert [line.text for line in first.lines] == ["Invoice of Globex GmbH", "Total 249.90"]
    x, y, _, height = first.lines[0].region
    assert x == pytest.approx(0.1, abs=0.02)
    assert y < 0.12
    assert 0 < height < 0.1
    assert first.lines[1].region[1] > 0.85
    assert second.lines is not None
    assert second.lines[0].page == 2


def test_a_pdf_page_without_text_comes_as_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "scan.pdf"
    Image.new("RGB", (300, 600), "white").save(path)
    source = evidence(path, "application/pdf")
    _, found = open_pages(source)
    (page,) = found
    assert page.image is not None
    assert max(page.image.size) == pages_module.RENDERED_SIDE
    image = page_image(source, 1)
    assert image is not None
    assert page_image(evidence(write_pdf(tmp_path / "b.pdf", [[(20, 20, "text of its own here")]]), "application/pdf"), 1) is None


def test_every_frame_of_a_scan_is_a_page(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    frames = [Image.new("L", (40, 30), shade) for shade in (10, 120, 240)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    count, found = open_pages(evidence(path, "image/tiff"))
    pages = list(found)
    assert count == 3
    assert [page.number for page in pages] == [1, 2, 3]
    assert pages[2].image is not None
    assert pages[2].image.getpixel((0, 0)) == (240, 240, 240)


def test_a_moving_picture_is_one_page(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    Image.new("P", (20, 20), 0).save(path, save_all=True, append_images=[Image.new("P", (20, 20), 1)])
    assert open_pages(evidence(path, "image/gif"))[0] == 1


def test_a_long_document_is_read_up_to_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_module, "MAX_PAGES", 2)
    path = write_pdf(tmp_path / "long.pdf", [[(20, 20, f"page number {number} of many")] for number in range(4)])
    count, found = open_pages(evidence(path, "application/pdf"))
    assert count == 4
    assert len(list(found)) == 2


class CountingTranscriber:
    """Reads one line from every picture it is given, and counts them."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def transcribe(self, pages: Sequence[tuple[int, Any]]) -> list[list[Line]]:
        self.numbers += [number for number, _ in pages]
        return [[Line("printed", 0.9, (0, 0, 1, 1), number)] for number, _ in pages]


def reading(path: Path, transcriber: CountingTranscriber) -> Reading:
    reader = FastReader(DetectorOptions())
    reader._transcriber = cast(Any, transcriber)
    return reader._read(evidence(path, "application/pdf"))


def scan(path: Path, *printed: bool) -> Path:
    """A PDF of pictures, with a stroke of the pen or blank."""
    drawn = [Image.new("RGB", (60, 80), "white") for _ in printed]
    for picture, pen in zip(drawn, printed, strict=True):
        if pen:
            picture.paste((0, 0, 0), (10, 10, 50, 14))
    drawn[0].save(path, save_all=True, append_images=drawn[1:])
    return path


def test_a_page_with_nothing_on_it_is_not_given_to_the_reader(tmp_path: Path) -> None:
    transcriber = CountingTranscriber()
    found = reading(scan(tmp_path / "a.pdf", True, False, True), transcriber)
    assert transcriber.numbers == [1, 3]
    assert ([line.page for line in found.lines], found.pages, found.complete) == ([1, 3], 3, True)


def test_a_scan_that_takes_too_long_is_read_in_part_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_READ_S", 0.0)
    transcriber = CountingTranscriber()
    found = reading(scan(tmp_path / "a.pdf", *[True] * 6), transcriber)
    assert transcriber.numbers == [1, 2, 3, 4]
    assert (found.pages, found.complete) == (4, False)


@pytest.mark.parametrize(
    ("name", "content", "media_type", "cause"),
    [
        ("absent.png", None, "image/png", "missing"),
        ("empty.png", b"", "image/png", "empty"),
        ("words.png", b"these are words", "image/png", "not a picture"),
        ("absent.pdf", None, "application/pdf", "missing or empty"),
        ("empty.pdf", b"", "application/pdf", "missing or empty"),
        ("broken.pdf", b"%PDF-1.4 and no more", "application/pdf", "not a whole PDF"),
        ("song.wav", b"RIFF", "audio/wav", "neither a picture nor a PDF"),
    ],
)
def test_what_cannot_be_opened_says_why(tmp_path: Path, name: str, content: bytes | None, media_type: str, cause: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EvidenceUnreadable, match=cause):
        open_pages(evidence(path, media_type))


@pytest.mark.parametrize("size", [(50_000, 10), (10, 50_000), (1_000_000, 2)])
def test_a_strip_that_would_take_hours_is_refused_and_a_long_till_roll_is_not(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("L", size).save(tmp_path / "strip.png")
    with pytest.raises(EvidenceUnreadable, match="too long and narrow"):
        open_pages(evidence(tmp_path / "strip.png", "image/png"))
    Image.new("L", (600, 30_000)).save(tmp_path / "roll.png")
    assert open_pages(evidence(tmp_path / "roll.png", "image/png"))[0] == 1


def test_a_picture_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    Image.effect_noise((300, 300), 80).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(EvidenceUnreadable, match="damaged or cut short"):
        open_pages(evidence(path, "image/png"))


def test_a_scan_whose_later_page_is_damaged_is_refused_there(tmp_path: Path) -> None:
    path = tmp_path / "cut.tif"
    frames = [Image.effect_noise((200, 200), 80) for _ in range(2)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 30_000])
    with pytest.raises(EvidenceUnreadable):
        list(open_pages(evidence(path, "image/tiff"))[1])

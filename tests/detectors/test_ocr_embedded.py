"""What files say of themselves: EXIF, XMP, PNG text and PDF information, and answers that speak of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import ExifTags, Image, PngImagePlugin

from detectors.claims.values import find
from detectors.contract import Case, Claim, EvidenceFile, Finding
from detectors.reading.embedded import embedded_fields
from detectors.reading.lines import Reading
from tests.detectors.test_ocr_mismatch import detector, written
from tests.detectors.test_ocr_pages import write_pdf

NOTHING = Reading((), "written")
XMP = """<x:xmpmeta><rdf:Description xmp:CreateDate="2021-07-02T08:15:00">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Harbour &amp; Sea</rdf:li></rdf:Alt></dc:title></rdf:Description></x:xmpmeta>"""


def photo(folder: Path) -> EvidenceFile:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Canon", "EOS 80D"
    exif[ExifTags.Base.Artist] = "Jane Miller"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2019:03:14 12:33:10"
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps[ExifTags.GPS.GPSLatitude], gps[ExifTags.GPS.GPSLatitudeRef] = (33.0, 51.0, 30.0), "S"
    gps[ExifTags.GPS.GPSLongitude], gps[ExifTags.GPS.GPSLongitudeRef] = (151.0, 12.0, 36.0), "E"
    path = folder / "photo.jpg"
    Image.new("RGB", (64, 48), "grey").save(path, exif=exif)
    return EvidenceFile("photo", "image/jpeg", path, "photo")


def document(folder: Path) -> EvidenceFile:
    path = write_pdf(folder / "report.pdf", [[(20, 270, "Annual figures of the harbour")]])
    content = path.read_bytes()
    info = b"<< /Title (Annual Report) /Author (Jane Miller) /CreationDate (D:20240503101500+02'00') /ModDate (D:20240611) >>"
    number = content.count(b" obj\n") + 1
    start = len(content)
    content += b"%d 0 obj\n%s\nendobj\n" % (number, info)
    table = content.rindex(b"xref\n", 0, start)
    new = b"xref\n0 1\n0000000000 65535 f \n%d 1\n%010d 00000 n \n" % (number, start)
    content += b"" if table < 0 else new
    content += b"trailer << /Size %d /Root 1 0 R /Info %d 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n" % (
        number + 1,
        number,
        table,
        start + len(b"%d 0 obj\n%s\nendobj\n" % (number, info)),
    )
    path.write_bytes(content)
    return EvidenceFile("report", "application/pdf", path, "report")


def findings(answer: str, evidence: EvidenceFile, page: Reading = NOTHING) -> list[Finding]:
    claims = tuple(replace(claim, id=f"c{number}") for number, claim in enumerate(find(answer)))
    return list(detector(**{evidence.id: page}).detect([Case("x", answer, claims, (evidence,))])[0].findings)


def named(answer: str, name: str, evidence: EvidenceFile, page: Reading = NOTHING) -> Finding:
    start = answer.index(name)
    claim = Claim("a", name, (start, start + len(name)), "entity")
    return detector(**{evidence.id: page}).detect([Case("x", answer, (claim,), (evidence,))])[0].findings[0]


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("The photo was taken on 14 March 2019.", "supported"),
        ("The photo was taken on 14 March 2018.", "hallucinated"),
        ("It was photographed at 12:33.", "supported"),
        ("It was photographed at 17:33.", "hallucinated"),
        ("It was taken at latitude 33.858.", "supported"),
        ("The GPS coordinates are 34.858° S.", "hallucinated"),
        ("The fish costs 14.50 EUR.", "not_checked"),
    ],
)
def test_what_an_answer_says_of_a_photographs_making_is_held_against_its_metadata(tmp_path: Path, answer: str, verdict: str) -> None:
    (finding,) = findings(answer, photo(tmp_path))
    assert finding.verdict == verdict
    if verdict != "not_checked":
        assert "in the file's metadata" in finding.explanation
        assert finding.place is not None
        assert (finding.place.evidence, finding.place.region) == ("photo", None)


@pytest.mark.parametrize(
    ("answer", "name", "verdict"),
    [
        ("It was taken in the morning by Jane Miller.", "Jane Miller", "supported"),
        ("The photographer is Jane Miller.", "Jane Miller", "supported"),
        ("The photographer is Joan Baker.", "Joan Baker", "hallucinated"),
        ("It was taken with a Canon EOS 80D.", "Canon EOS 80D", "supported"),
        ("It was taken with a Nikon D750.", "Nikon D750", "hallucinated"),
        ("It shows Joan Baker.", "Joan Baker", "not_checked"),
    ],
)
def test_names_are_held_against_the_field_the_answer_means(tmp_path: Path, answer: str, name: str, verdict: str) -> None:
    assert named(answer, name, photo(tmp_path)).verdict == verdict


def test_a_verdict_is_kept_for_the_field_the_answer_means() -> None:
    contexts = []
    for answer in ("Taken on 14 March 2019.", "Last modified on 14 March 2019.", "It bears the date 14 March 2019."):
        (claim,) = find(answer)
        contexts.append(detector().claim_context(Case("x", answer, (claim,), ()), claim))
    assert contexts == ["date taken", "date modified", ""]


def test_the_information_of_a_pdf_is_compared(tmp_path: Path) -> None:
    fields = {field.name: field.value for field in embedded_fields(document(tmp_path))}
    assert (fields["title"], fields["author"]) == ("Annual Report", "Jane Miller")
    (right,) = findings("The document was created on 3 May 2024.", document(tmp_path))
    (wrong,) = findings("The document was last modified on 3 May 2024.", document(tmp_path))
    assert (right.verdict, wrong.verdict) == ("supported", "hallucinated")
    assert "date modified" in wrong.explanation
    assert named("Its author is Joan Baker.", "Joan Baker", document(tmp_path)).verdict == "hallucinated"


def test_print_comes_first_and_metadata_never_make_up_for_it_unasked(tmp_path: Path) -> None:
    page = written(
        "Annual figures of the harbour", "Issued 3 May 2023", "Ships 4,120", "Berths 88", "Signed in the town hall of the harbour"
    )
    (printed,) = findings("The report was created on 3 May 2023.", document(tmp_path), page)
    assert "page prints" in printed.explanation
    (unasked,) = findings("The report bears the date 3 May 2024.", document(tmp_path), page)
    assert unasked.verdict == "hallucinated"
    (silent,) = findings(
        "Dated 3 May 2024.", document(tmp_path), written("Annual figures of the harbour", "Ships and berths", "by the town")
    )
    assert silent.verdict == "supported"


def test_titles_are_read_from_xmp_and_png_text(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "Jane Miller")
    text.add_itxt("XML:com.adobe.xmp", XMP)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=text)
    fields = {field.name: field.value for field in embedded_fields(EvidenceFile("a", "image/png", tmp_path / "a.png", "a"))}
    assert fields["author"] == "Jane Miller"
    assert fields["title"] == "Harbour & Sea"
    assert fields["date created"].startswith("2021-07-02")


@pytest.mark.parametrize(("name", "media_type"), [("a.png", "image/png"), ("a.pdf", "application/pdf")])
def test_damaged_or_absent_files_have_no_fields(tmp_path: Path, name: str, media_type: str) -> None:
    assert embedded_fields(EvidenceFile("a", media_type, tmp_path / name, "a")) == ()
    (tmp_path / name).write_bytes(b"%PDF-1.4 or not")
    assert embedded_fields(EvidenceFile("a", media_type, tmp_path / name, "a")) == ()

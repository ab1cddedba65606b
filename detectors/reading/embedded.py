"""What a file says about itself: EXIF, XMP and PNG text of pictures, the document information of PDFs; and claims about it.

A claim is held against a field where the answer's words say that it means it (*taken on*, *its author is*, *titled*, *at latitude*).
Without such words an equal field supports a claim about which the page says nothing, and an unequal one means nothing.
"""

from __future__ import annotations

import html
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image

from detectors.claims.amounts import CLOCK, clock_time
from detectors.claims.dates import find_dates, iso_day, same_day
from detectors.contract import Claim, EvidenceFile, EvidenceUnreadable
from detectors.pictures import DAMAGED
from detectors.reading.comparison import DIFFERS, PRINTED, compare_text
from detectors.reading.lines import Line, Reading

# Metadata beyond this many characters is no name, title or date.
_LONGEST = 300
_SENTENCE = re.compile(r"[.!?;]\s|\n")
_TAKEN = r"(?:taken|shot|photographed|captured|recorded)"
_MADE = r"(?:created?|creation|produced|generated|authored|written|composed|drawn up)"
# The words before a claim that say which field it means, the first that fits; they must reach up to the claim.
_CUES = (
    ("author", rf"(?:{_TAKEN}|{_MADE})\b.*\bby\s+$|\b(?:authors?|artist|photographer|creator)\b[^,]{{0,25}}$"),
    ("camera", rf"{_TAKEN}\b.*\b(?:with|on|using)\s+(?:an?|the)\s+(?:[\w-]+\s+)?$|\bcamera\b[^,]{{0,25}}$"),
    ("software", rf"\b(?:software|application)\b[^,]{{0,25}}$|{_MADE}\s+(?:with|using)\s+$"),
    ("title", r"\b(?:en)?titled?\b[^,]{0,25}$"),
    ("date modified", r"\b(?:modified|modification|updated|edited|saved)\b[^,]{0,25}$"),
    ("date taken", rf"\b{_TAKEN}\b.{{0,40}}$"),
    ("date created", rf"\b{_MADE}\b.{{0,40}}$"),
    ("position", r"\b(?:latitude|longitude|coordinates?|gps|position)\b.{0,40}$"),
)
_CUE_WORDS = tuple((field, re.compile(words, re.IGNORECASE)) for field, words in _CUES)
_OF_DATES = ("date taken", "date created", "date modified")
_NAMES = {"entity": ("author", "title", "camera", "software"), "text": ("title", "author")}
_EXIF = {
    ExifTags.Base.Artist: "author",
    ExifTags.Base.XPAuthor: "author",
    ExifTags.Base.XPTitle: "title",
    ExifTags.Base.ImageDescription: "title",
    ExifTags.Base.Software: "software",
    ExifTags.Base.DateTime: "date modified",
    ExifTags.Base.DateTimeOriginal: "date taken",
    ExifTags.Base.DateTimeDigitized: "date created",
}
_PDF = {
    "Title": "title",
    "Author": "author",
    "Creator": "software",
    "Producer": "software",
    "CreationDate": "date created",
    "ModDate": "date modified",
}
_PNG = {"Title": "title", "Author": "author", "Software": "software", "Creation Time": "date created"}
_XMP = (
    ("title", r"dc:title"),
    ("author", r"dc:creator"),
    ("software", r"xmp:CreatorTool"),
    ("date taken", r"(?:photoshop:DateCreated|exif:DateTimeOriginal)"),
    ("date created", r"xmp:CreateDate"),
    ("date modified", r"xmp:ModifyDate"),
)
_STAMP = re.compile(r"(\d{4})[:-]?(\d\d)[:-]?(\d\d)(?:[T ]?(\d\d):?(\d\d))?")


@dataclass(frozen=True, slots=True)
class Field:
    """One thing a file says of itself: ``name`` as a person would say it, ``value`` as stored, a position in degrees."""

    name: str
    value: str
    degrees: float | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A claim against a field: the raw distance in [0, 1], the field, and whether the answer's words mean that field."""

    raw: float
    field: Field
    meant: bool


def embedded_fields(evidence: EvidenceFile) -> tuple[Field, ...]:
    """The fields of a picture or PDF; none where it has none or they are damaged (the page itself may still be read)."""
    try:
        found = _of_pdf(evidence) if evidence.family == "pdf" else _of_picture(evidence)
        return tuple(dict.fromkeys(field for field in found if field.value and len(field.value) <= _LONGEST))
    except (*DAMAGED, EvidenceUnreadable):
        return ()


def held_against(claim: Claim, answer: str, fields: Sequence[Field]) -> Held | None:
    """The claim against the field it means, or against one that is equal; None where neither is there."""
    meant = field_meant(claim, answer)
    distances = [(raw, field) for field in fields if (raw := _distance(claim, field, meant)) is not None]
    named = [(raw, field) for raw, field in distances if _is_of(field, meant)]
    if named:
        raw, field = min(named, key=lambda item: item[0])
        return Held(raw, field, meant=True)
    equal = [field for raw, field in distances if raw <= PRINTED]
    return Held(PRINTED, equal[0], meant=False) if equal else None


def field_meant(claim: Claim, answer: str) -> str | None:
    """The field that the words before a claim name; None where they name none."""
    if claim.span is None:
        return None
    before = _SENTENCE.split(answer[: claim.span[0]])[-1]
    fitting = _OF_DATES if "dates" in claim.facts or "clock" in claim.facts else ("position",) if "values" in claim.facts else None
    for name, words in _CUE_WORDS:
        if name in (fitting or _NAMES.get(claim.kind, ())) and words.search(before):
            return name
    return None


def _is_of(field: Field, meant: str | None) -> bool:
    return meant is not None and (field.name == meant or (meant == "position" and field.degrees is not None))


def _distance(claim: Claim, field: Field, meant: str | None) -> float | None:
    """How far a claim is from a field; None where the two are of different kinds."""
    if field.degrees is not None:
        return _off_by(claim, field.degrees) if meant == "position" else None
    if field.name in _OF_DATES:
        return _off_in_time(claim, field)
    if claim.kind not in _NAMES or field.name not in _NAMES[claim.kind]:
        return None
    words = Reading((Line(field.value, 1.0, (0.0, 0.0, 1.0, 1.0)),), "metadata")
    return compare_text(str(claim.facts.get("text") or claim.text), words).raw


def _off_by(claim: Claim, degrees: float) -> float | None:
    if "values" not in claim.facts:
        return None
    step = 10.0 ** -int(claim.facts["decimals"])
    return PRINTED if abs(abs(float(claim.facts["values"][0])) - abs(degrees)) <= step else DIFFERS


def _off_in_time(claim: Claim, field: Field) -> float | None:
    stamp = _STAMP.search(field.value)
    if "dates" in claim.facts:
        days = [iso_day(int(stamp[1]), int(stamp[2]), int(stamp[3]))] if stamp else []
        days = [day for day in days if day] or [day for date in find_dates(field.value) for day in date.days]
        if not days:
            return None
        return PRINTED if any(same_day(day, other) for day in claim.facts["dates"] for other in days) else DIFFERS
    if "clock" in claim.facts:
        clock = f"{stamp[4]}:{stamp[5]}" if stamp and stamp[4] else next((clock_time(found) for found in CLOCK.finditer(field.value)), None)
        return None if clock is None else PRINTED if clock == claim.facts["clock"] else DIFFERS
    return None


def _of_picture(evidence: EvidenceFile) -> Iterator[Field]:
    with warnings.catch_warnings(), Image.open(evidence.path) as stored:
        warnings.simplefilter("ignore")
        exif = stored.getexif()
        inner = exif.get_ifd(ExifTags.IFD.Exif)
        for tag, name in _EXIF.items():
            if value := _text(inner.get(tag) or exif.get(tag)):
                yield Field(name, value)
        camera = " ".join(filter(None, (_text(exif.get(tag)) for tag in (ExifTags.Base.Make, ExifTags.Base.Model))))
        if camera:
            yield Field("camera", camera)
        yield from _position(exif.get_ifd(ExifTags.IFD.GPSInfo))
        for key, name in _PNG.items():
            if value := _text(stored.info.get(key)):
                yield Field(name, value)
        packet = stored.info.get("xmp", b"")
        yield from _of_xmp(packet.decode("utf-8", "replace") if isinstance(packet, bytes) else str(packet))


def _text(value: Any) -> str:
    """A stored value as text: bytes of Windows' own fields are UTF-16, the rest is what it is."""
    if isinstance(value, bytes):
        value = value.decode("utf-16-le" if b"\0" in value[:4] else "utf-8", "replace")
    return " ".join(str(value).replace("\0", " ").split()) if value is not None else ""


def _position(gps: Mapping[int, Any]) -> Iterator[Field]:
    """Latitude and longitude in degrees, south and west negative (EXIF 2.32, 4.6.6)."""
    tags = ExifTags.GPS
    sides = (("latitude", tags.GPSLatitude, tags.GPSLatitudeRef), ("longitude", tags.GPSLongitude, tags.GPSLongitudeRef))
    for name, place, side in sides:
        parts = gps.get(place)
        if not parts or len(parts) != 3:
            continue
        degrees = sum(float(part) / 60**power for power, part in enumerate(parts))
        signed = -degrees if str(gps.get(side, "")).upper() in ("S", "W") else degrees
        yield Field(name, f"{signed:.5f}°", signed)


def _of_xmp(packet: str) -> Iterator[Field]:
    for name, tag in _XMP:
        found = re.search(rf"<{tag}\b[^>]*>(.*?)</{tag}>", packet, re.DOTALL) or re.search(rf"\b{tag}\s*=\s*[\"'](.*?)[\"']", packet)
        if found:
            yield Field(name, _text(html.unescape(re.sub(r"<[^>]*>", " ", found[1]))))


def _of_pdf(evidence: EvidenceFile) -> list[Field]:
    import pypdfium2

    from detectors.reading.pages import PDFIUM

    try:
        with PDFIUM:
            document = pypdfium2.PdfDocument(evidence.path)
            try:
                stored = document.get_metadata_dict(skip_empty=True)
            finally:
                document.close()
    except pypdfium2.PdfiumError as error:
        raise EvidenceUnreadable(evidence.id, f"the PDF has no readable information ({error})") from error
    return [Field(name, _text(stored[key])) for key, name in _PDF.items() if key in stored]

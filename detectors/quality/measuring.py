"""Measures one piece of evidence by its family. Needs no weights; what cannot be measured has no quality, not a good one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from detectors.contract import EvidenceFile
from detectors.quality.grades import Problem, Quality, quality, unusable
from detectors.quality.pictures import PictureBroken, copy_of, picture_measures
from detectors.quality.sound import SoundBroken, sound_measures
from detectors.quality.verdicts import document_problems, picture_problems, sound_problems, text_problems

# Text beyond this many bytes is not looked at: its share of damage will not differ.
_MOST_TEXT = 4_000_000
# PDF pages looked at, and those without text of their own that are drawn to see whether they are empty.
_MOST_PAGES = 40
_MOST_DRAWN = 3
_MIN_OWN_CHARACTERS = 12


def measure(evidence: EvidenceFile) -> Quality | None:
    """The quality of one piece of evidence; None where its family has no measure or the package for it is not installed.

    Evidence that cannot be decoded at all is ``unusable``. The file is read once, at working size where its format allows.
    """
    measured = _BY_FAMILY.get(evidence.family)
    if measured is None:
        return None
    try:
        return measured(evidence)
    except ImportError:
        return None


def _picture(evidence: EvidenceFile) -> Quality:
    try:
        measures = picture_measures(copy_of(evidence))
    except PictureBroken as error:
        return unusable(error.name, str(error))
    return quality(measures, picture_problems(measures))


def _sound(evidence: EvidenceFile) -> Quality:
    try:
        measures = sound_measures(evidence)
    except SoundBroken as error:
        return unusable(error.name, str(error))
    return quality(measures, sound_problems(measures))


def _video(evidence: EvidenceFile) -> Quality:
    from detectors.quality.moving import video_quality

    return video_quality(evidence)


def _text(evidence: EvidenceFile) -> Quality:
    try:
        content = _head(evidence.path)
    except OSError as error:
        return unusable("unreadable", f"the text cannot be read ({error.strerror})")
    text = content.decode("utf-8", errors="replace").lstrip("\ufeff")
    # A character cut in two by the end of the head is no damage.
    damaged = text.count("\ufffd") - (len(content) == _MOST_TEXT and text.endswith("\ufffd"))
    damaged += sum(text.count(chr(code)) for code in range(32) if chr(code) not in "\t\n\r\f\v\x1b")
    written = sum(not sign.isspace() for sign in text)
    measures = {"characters": float(written), "words": float(len(text.split())), "undecodable_share": damaged / max(1, len(text))}
    return quality(measures, text_problems(measures))


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_MOST_TEXT)


def _document(evidence: EvidenceFile) -> Quality:
    import pypdfium2

    from detectors.reading.pages import PDFIUM

    if not evidence.path.is_file() or evidence.path.stat().st_size == 0:
        return unusable("empty", "the file is missing or empty")
    try:
        with PDFIUM:
            document = pypdfium2.PdfDocument(evidence.path)
            try:
                return _pages(document)
            finally:
                document.close()
    except pypdfium2.PdfiumError as error:
        cause = "it is encrypted" if "password" in str(error).lower() else f"it is not a whole PDF ({error})"
        return unusable("unreadable", f"the PDF cannot be read: {cause}")


def _pages(document: object) -> Quality:
    """Pages with a text layer are as good as text; of the others the first few are drawn and measured as pictures."""
    count = len(document)  # type: ignore[arg-type]
    looked_at = min(count, _MOST_PAGES)
    measures = {"pages": float(count), "looked_at_pages": float(max(1, looked_at)), "text_pages": 0.0, "empty_pages": 0.0}
    problems: list[Problem] = []
    drawn = 0
    for number in range(looked_at):
        page = document[number]  # type: ignore[index]
        try:
            if _own_characters(page) >= _MIN_OWN_CHARACTERS:
                measures["text_pages"] += 1
            elif drawn < _MOST_DRAWN:
                drawn += 1
                _scan(page, number + 1, measures, problems)
        finally:
            page.close()
    if not count:
        return unusable("empty", "the PDF has no pages", measures)
    return quality(measures, [*document_problems(measures), *problems])


def _own_characters(page: object) -> int:
    words = page.get_textpage()  # type: ignore[attr-defined]
    try:
        return sum(sign.isalnum() for sign in words.get_text_range())
    finally:
        words.close()


def _scan(page: object, number: int, measures: dict[str, float], problems: list[Problem]) -> None:
    from detectors.quality.pictures import WORKING_SIDE, shrink

    width, height = page.get_size()  # type: ignore[attr-defined]
    if width <= 0 or height <= 0:
        measures["empty_pages"] += 1
        return
    grey = page.render(scale=WORKING_SIDE / max(width, height), grayscale=True).to_numpy()  # type: ignore[attr-defined]
    grey = grey.reshape(grey.shape[0], grey.shape[1])
    found = picture_measures(shrink(grey, grey.shape[1], grey.shape[0]))
    faults = list(picture_problems(found))
    if any(fault.name == "empty" for fault in faults):
        measures["empty_pages"] += 1
        return
    # The drawing's own size says nothing about the scan's.
    known = {problem.name for problem in problems}
    problems += [_on_page(fault, number) for fault in faults if fault.name not in known | {"low_resolution", "small_print"}]


def _on_page(fault: Problem, number: int) -> Problem:
    # One bad page does not make a document unusable.
    return Problem(fault.name, "poor", f"page {number}: {fault.text}")


_BY_FAMILY: dict[str, Callable[[EvidenceFile], Quality]] = {
    "image": _picture,
    "audio": _sound,
    "video": _video,
    "text": _text,
    "pdf": _document,
}

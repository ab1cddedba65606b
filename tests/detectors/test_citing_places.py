"""Whether the place of a citation exists, and whether quoted words stand there."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.citing.places import flaw_of, locate, span_flaw
from detectors.citing.texts import SourceText, TextSources
from detectors.contract import DetectorOptions, EvidenceFile, EvidenceUnreadable, Place
from detectors.reading.lines import Line
from tests.detectors.recordings import heard_as
from tests.detectors.sources import text_file

TEXT = "The shop opens at nine. It closes at\n  five o’clock on Fridays."


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("opens at nine", "opens at nine"),
        ("CLOSES at five", "closes at\n  five"),
        ("five o'clock on Fridays.", "five o’clock on Fridays."),
        ("It closes at five oclock on Fridays", "It closes at\n  five o’clock on Fridays"),
    ],
)
def test_a_quote_is_found_whatever_its_case_blanks_and_marks(quote: str, found: str) -> None:
    span = locate(TEXT, quote)
    assert span is not None
    assert TEXT[slice(*span)] == found


@pytest.mark.parametrize("quote", ["opens at noon", "It closes at six o'clock on Fridays", "", "a text that is longer than the source" * 4])
def test_what_does_not_stand_there_is_not_found(quote: str) -> None:
    assert locate(TEXT, quote) is None


def test_a_changed_digit_is_no_typing_slip() -> None:
    text = "The total for the whole of the second year came to 1450 euros."
    assert locate(text, "The total for the whole of the second year came to 1480 euros.") is None


def test_a_span_beyond_the_text_is_a_flaw() -> None:
    flaw = span_flaw(SourceText("a", TEXT), Place("a", span=(10, 5000)))
    assert flaw is not None
    assert flaw.problem == f"it cites characters 10 to 5000 of a text of {len(TEXT)}"


def test_a_quote_outside_the_cited_span_is_told_apart_from_one_that_is_nowhere() -> None:
    text = SourceText("a", TEXT)
    assert span_flaw(text, Place("a", span=(0, 23), quote="opens at nine")) is None
    elsewhere = span_flaw(text, Place("a", span=(0, 23), quote="on Fridays"))
    assert elsewhere is not None
    assert elsewhere.found is not None
    assert elsewhere.error == "source"
    nowhere = span_flaw(text, Place("a", span=(0, 23), quote="on Sundays at noon"))
    assert nowhere is not None
    assert (nowhere.found, nowhere.error) == (None, "quote")


@pytest.mark.parametrize(
    ("region", "problem"),
    [((0.2, 0.2, 0.0, 0.1), "the region it cites has no area"), ((0.8, 0.2, 0.4, 0.1), "the region it cites leaves the picture")],
)
def test_a_region_outside_the_picture_is_a_flaw(region: tuple[float, float, float, float], problem: str) -> None:
    picture = EvidenceFile("a", "image/png", Path("a.png"), "0" * 64)
    flaw = flaw_of(picture, Place("a", region=region))
    assert flaw is not None
    assert flaw.problem == problem
    assert flaw_of(picture, Place("a", region=(0.1, 0.1, 0.5, 0.5))) is None


def test_a_text_has_no_region_and_a_picture_no_time(tmp_path: Path) -> None:
    assert flaw_of(text_file(tmp_path, "a", TEXT), Place("a", region=(0.1, 0.1, 0.5, 0.5))) is not None
    assert flaw_of(EvidenceFile("a", "image/png", Path("a.png"), "0" * 64), Place("a", time=(1.0, 2.0))) is not None


def test_a_time_beyond_the_recording_is_a_flaw(tmp_path: Path) -> None:
    import wave

    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", "none"))
        file.writeframes(b"\x00\x00" * 8000 * 3)
    recording = EvidenceFile("a", "audio/wav", path, "1" * 64)
    assert flaw_of(recording, Place("a", time=(1.0, 2.5))) is None
    flaw = flaw_of(recording, Place("a", time=(10.0, 12.0)))
    assert flaw is not None
    assert flaw.problem == "it cites 10 to 12 s of a recording of 3.0 s"


def test_only_the_cited_lines_of_a_page_are_kept_and_offsets_hold() -> None:
    lines = (
        Line("Total 9.00", 1.0, (0.1, 0.1, 0.3, 0.05), 1),
        Line("Tax 0.54", 1.0, (0.6, 0.1, 0.3, 0.05), 1),
        Line("Page two", 1.0, (0.1, 0.1, 0.3, 0.05), 2),
    )
    text = SourceText("a", "Total 9.00\nTax 0.54\nPage two", (0, 11, 20), lines)
    assert text.only(Place("a")) is None
    assert text.only(Place("a", page=2)) == " " * 20 + "Page two"
    only = text.only(Place("a", page=1, region=(0.5, 0.0, 0.5, 0.5)))
    assert only is not None
    assert only.strip() == "Tax 0.54"
    assert len(only) == len(text.text)
    place = text.place((11, 19))
    assert (place.page, place.quote) == (1, "Tax 0.54")
    assert place.region == pytest.approx((0.6, 0.1, 0.3, 0.05))
    assert text.place((20, 24)).page == 2


@pytest.mark.parametrize(
    ("content", "cause"), [(b"", "empty"), (b"\xff\xfe\x00\x00", "binary"), (b"caf\xe9", "not UTF-8"), (b"a\x00b", "binary")]
)
def test_what_is_no_text_is_refused_with_the_cause(tmp_path: Path, content: bytes, cause: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(EvidenceUnreadable, match=cause):
        TextSources(DetectorOptions()).read(EvidenceFile("a", "text/plain", path, "0" * 64))


@pytest.mark.models
def test_the_words_of_a_recording_are_heard_and_other_evidence_has_none(tmp_path: Path) -> None:
    sources = TextSources(DetectorOptions(threads=1))
    words = [("The", 0.9), ("shop", 0.9), ("opens.", 0.9)]
    text = sources.read(heard_as(DetectorOptions(threads=1), words))
    assert (text.text, len(text.spoken)) == ("The shop opens.", 3)
    with pytest.raises(EvidenceUnreadable, match="no words are compared"):
        sources.read(EvidenceFile("a", "application/zip", tmp_path / "a.zip", "0" * 64))

"""Citations that lead nowhere, or to a place that does not say what is cited for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from detectors.citation_mismatch import CitationMismatch
from detectors.claims import complete
from detectors.contract import Case, DetectorOptions, DetectorUnavailable, EvidenceFile, Finding, MissingEvidence, Place
from tests.conftest import missing
from tests.detectors.sources import case, claim, text_file

HARBOUR = (
    "The harbour of Lindvik was closed on Tuesday after a crane fell on the quay. Two dock workers were taken to hospital. "
    "The port authority expects ships to return on Friday."
)
BAKERY = (
    "A bakery in Osterby has sold 4,200 loaves to hikers since May. Its owner, Marit Halvorsen, plans to open a second shop. "
    "She bakes with flour from a mill built in 1874."
)


@pytest.fixture(scope="module")
def detector() -> CitationMismatch:
    made = CitationMismatch(DetectorOptions(threads=1, citation_required_workflows=("legal",)))
    try:
        made.load()
    except DetectorUnavailable as error:
        missing(str(error))
    return made


def findings(detector: CitationMismatch, given: Case) -> tuple[Finding, ...]:
    return detector.detect([given])[0].findings


def test_a_cited_source_that_says_it_supports_the_statement(detector: CitationMismatch, tmp_path: Path) -> None:
    (found,) = findings(detector, case(tmp_path, "Two dock workers were taken to hospital [1].", {"a": HARBOUR, "b": BAKERY}))
    assert found.verdict == "supported"
    assert found.place is not None
    assert found.place.span is not None
    assert HARBOUR[slice(*found.place.span)] == "Two dock workers were taken to hospital."


def test_a_cited_source_that_does_not_say_it_is_flagged(detector: CitationMismatch, tmp_path: Path) -> None:
    (found,) = findings(detector, case(tmp_path, "Two dock workers were taken to hospital [2].", {"a": HARBOUR, "b": BAKERY}))
    assert (found.verdict, found.error) == ("hallucinated", "unsupported")
    assert "'b', cited for it, does not bear it out" in found.explanation


def test_a_number_the_cited_source_gives_otherwise_is_flagged_however_alike_the_rest_is(detector: CitationMismatch, tmp_path: Path) -> None:
    right = "A bakery in Osterby has sold 4,200 loaves to hikers since May [1]."
    for answer, verdict in ((right, "supported"), (right.replace("4,200", "4,700"), "hallucinated")):
        (found,) = findings(detector, case(tmp_path, answer, {"a": BAKERY}))
        assert found.verdict == verdict
    assert "the number '4,700' is not there (it says '4,200')" in found.explanation


def test_sources_cited_together_may_support_together(detector: CitationMismatch, tmp_path: Path) -> None:
    answer = "The harbour of Lindvik was closed on Tuesday, and Marit Halvorsen plans to open a second shop [1, 2]."
    (found,) = findings(detector, case(tmp_path, answer, {"a": HARBOUR, "b": BAKERY}))
    assert found.verdict == "supported"


def test_a_number_without_a_source_is_a_broken_link(detector: CitationMismatch, tmp_path: Path) -> None:
    (found,) = findings(detector, case(tmp_path, "Two dock workers were taken to hospital [5].", {"a": HARBOUR}))
    assert (found.verdict, found.error) == ("hallucinated", "source")
    assert found.explanation == "It cites 5, and 1 source was given."


def test_a_span_that_does_not_say_it_is_told_apart_from_a_source_that_does_not(detector: CitationMismatch, tmp_path: Path) -> None:
    text = "Two dock workers were taken to hospital."
    right, wrong = HARBOUR.index("Two"), HARBOUR.index("The port")
    for span, verdict in (((right, right + 40), "supported"), ((wrong, len(HARBOUR)), "hallucinated")):
        (found,) = findings(detector, case(tmp_path, text, {"a": HARBOUR}, (claim(text, Place("a", span=span)),)))
        assert found.verdict == verdict
        assert found.place is not None
        assert found.place.span is not None
        assert HARBOUR[slice(*found.place.span)] == text
    assert "the same source says it elsewhere" in found.explanation
    assert found.error == "source"


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (Place("a", span=(0, 9000)), "it cites characters 0 to 9000"),
        (Place("a", quote="Three dock workers were hurt"), "which the source does not say"),
        (Place("a", span=(0, 40), quote="ships to return on Friday"), "which stands elsewhere in the same source"),
        (Place("a", region=(0.1, 0.1, 0.2, 0.2)), "it cites a region in text/plain, which has none"),
        (Place("gone"), "It cites 'gone', and there is no such evidence"),
    ],
)
def test_a_place_that_does_not_exist_is_a_broken_link(detector: CitationMismatch, tmp_path: Path, place: Place, told: str) -> None:
    text = "Two dock workers were taken to hospital."
    (found,) = findings(detector, case(tmp_path, text, {"a": HARBOUR}, (claim(text, place),)))
    assert found.verdict == "hallucinated"
    assert told in found.explanation


def test_altered_evidence_is_a_broken_link_and_missing_evidence_is_not_checked(detector: CitationMismatch) -> None:
    text = "Two dock workers were taken to hospital."
    for altered, verdict in ((True, "hallucinated"), (False, "not_checked")):
        gone = MissingEvidence("a", "text", "evidence 'a' is not what was recorded", altered=altered)
        (found,) = findings(detector, Case("r", text, (claim(text, Place("a")),), (), missing=(gone,)))
        assert found.verdict == verdict
        assert "is not what was recorded" in found.explanation


def test_a_second_cited_source_that_is_missing_may_be_the_one_that_says_it(detector: CitationMismatch, tmp_path: Path) -> None:
    text = "Two dock workers were taken to hospital."
    gone = MissingEvidence("b", "text", "evidence 'b' is not stored", position=1)
    given = replace(case(tmp_path, text, {"a": BAKERY}, (claim(text, Place("a"), Place("b")),)), missing=(gone,))
    (found,) = findings(detector, given)
    assert found.verdict == "not_checked"
    assert "another cited source may" in str(found.reason)


def test_a_statement_without_a_citation_is_flagged_only_where_the_workflow_requires_one(detector: CitationMismatch, tmp_path: Path) -> None:
    text = "Two dock workers were taken to hospital."
    given = case(tmp_path, text, {"a": HARBOUR}, (claim(text),))
    assert detector.detect([given])[0].state == "not_applicable"
    (found,) = findings(detector, replace(given, workflow="legal"))
    assert (found.verdict, found.error) == ("hallucinated", "source")
    assert found.explanation == "No source is cited for it, and the workflow 'legal' requires one."


def test_recordings_are_left_to_the_detectors_that_hear(detector: CitationMismatch, tmp_path: Path) -> None:
    recording = EvidenceFile("a", "audio/wav", tmp_path / "a.wav", "2" * 64)
    (found,) = findings(detector, Case("r", "She agreed.", (claim("She agreed.", Place("a")),), (recording,)))
    assert found.verdict == "not_checked"
    assert "quote_mismatch listens to it" in str(found.reason)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> EvidenceFile:
    """An invoice of three lines, the total at the bottom."""
    picture = Image.new("RGB", (900, 700), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(36)
    for height, line in (
        (60, "HARBOUR SUPPLIES LTD 2024"),
        (140, "Rope 20 m and two anchors of steel"),
        (560, "Total: 118.50"),
        (620, "Paid in cash"),
    ):
        pen.text((60, height), line, fill="black", font=font)
    path = tmp_path_factory.mktemp("page") / "page.png"
    picture.save(path)
    return EvidenceFile("a", "image/png", path, "3" * 64)


@pytest.mark.parametrize(("region", "verdict"), [((0.0, 0.75, 1.0, 0.25), "supported"), ((0.0, 0.0, 1.0, 0.3), "hallucinated")])
def test_a_value_must_be_printed_in_the_cited_region(
    detector: CitationMismatch, page: EvidenceFile, region: tuple[float, float, float, float], verdict: str
) -> None:
    answer = "The total is 118.50."
    claims = complete([replace(claim(answer, Place("a", region=region)), kind="quantity")], answer, {"image"})
    (found,) = findings(detector, Case("r", answer, claims, (page,)))
    assert found.verdict == verdict
    assert found.place is not None
    assert "118.50" in str(found.place.quote)


def test_what_a_picture_does_not_spell_out_is_not_checked(detector: CitationMismatch, page: EvidenceFile) -> None:
    text = "A dog sleeps beside the counter."
    (found,) = findings(detector, Case("r", text, (claim(text, Place("a")),), (page,)))
    assert found.verdict == "not_checked"
    assert "a picture may show it" in str(found.reason)


def test_a_pdf_citation_beyond_its_pages_is_a_broken_link(detector: CitationMismatch, tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    Image.new("RGB", (200, 200), "white").save(path)
    text = "The total is high."
    document = EvidenceFile("a", "application/pdf", path, "4" * 64)
    (found,) = findings(detector, Case("r", text, (claim(text, Place("a", page=3)),), (document,)))
    assert found.verdict == "hallucinated"
    assert "it cites page 3 of 1" in found.explanation


def test_spans_of_findings_hold_in_what_was_sent(detector: CitationMismatch, tmp_path: Path) -> None:
    source = text_file(tmp_path, "a", f"<p>{BAKERY}</p>", media_type="text/html")
    text = "Marit Halvorsen plans to open a second shop."
    (found,) = findings(detector, Case("r", text, (claim(text, Place("a")),), (source,)))
    assert found.place is not None
    assert found.place.span is not None
    assert f"<p>{BAKERY}</p>"[slice(*found.place.span)] == "Its owner, Marit Halvorsen, plans to open a second shop."


def test_the_same_text_under_another_id_is_named_by_that_id(detector: CitationMismatch, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (found,) = findings(detector, case(tmp_path, "Two dock workers were taken to hospital [1].", {name: HARBOUR}))
        assert found.place is not None
        assert found.place.evidence == name

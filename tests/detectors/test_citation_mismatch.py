"""Citations that lead nowhere, or to a place that does not say what is cited for it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from detectors.citation_mismatch import CitationMismatch
from detectors.citing.regions import points_at
from detectors.claims import complete, extract, objects
from detectors.contract import Case, DetectorOptions, DetectorUnavailable, EvidenceFile, Finding, MissingEvidence, Place
from detectors.object_hallucination import ObjectHallucination
from detectors.seeing.sights import eyes_of
from tests.conftest import missing
from tests.detectors.recordings import demo, heard_as
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


def heard(text: str, recording: EvidenceFile, window: tuple[float, float] | None, kind: str = "statement") -> Case:
    return Case("r", text, (replace(claim(text, Place("rec", time=window)), kind=kind),), (recording,))


@pytest.mark.models
@pytest.mark.parametrize(
    ("text", "window", "verdict", "told"),
    [
        ("The launch is moved to the third of March.", (0.0, 4.0), "supported", "3rd of March"),
        ("The launch is moved to the third of March.", (7.0, 11.0), "hallucinated", "not said at the time given but at 0:00 to 0:02"),
        ("The launch is moved to the third of March.", (2.5, 5.0), "not_checked", "only a part of which is in the time given"),
        ("They do not need another server this year.", (4.0, 4.0), "supported", "second server"),
        ("They do not need another server this year.", (0.0, 11.0), "supported", "second server"),
        ("They do not need another server this year.", None, "supported", "second server"),
        ("The captain painted his boats blue and sailed to Norway in spring.", (0.0, 3.0), "hallucinated", "does not bear it out"),
    ],
)
def test_what_is_said_in_the_cited_window_is_held_against_the_claim(
    detector: CitationMismatch, text: str, window: tuple[float, float] | None, verdict: str, told: str
) -> None:
    (found,) = findings(detector, heard(text, demo("meeting.flac"), window))
    assert found.verdict == verdict, found.explanation
    assert told in found.explanation
    assert found.place is not None
    assert found.place.time is not None
    if "IoU" in found.explanation:
        assert found.error == "time"
        assert found.place.time[1] < 4.0


@pytest.mark.models
@pytest.mark.parametrize(
    ("text", "verdict", "told"),
    [
        ("At 0:00 it is said that the launch is moved to the third of March.", "supported", "says at that time: “The launch"),
        ("From 0:07 to 0:11 it is said that the launch is moved to the third of March.", "hallucinated", "but at 0:00 to 0:02"),
        ("At 0:01 the captain paints his boats blue and sails to Norway.", "not_checked", "ungrounded_statement judges"),
    ],
)
def test_a_statement_that_says_when_it_is_heard_is_looked_for_at_that_time(
    detector: CitationMismatch, text: str, verdict: str, told: str
) -> None:
    given = Case("r", text, (claim(text),), (demo("meeting.flac"),))
    (found,) = findings(detector, given)
    assert (found.verdict, found.error) == (verdict, "time" if verdict == "hallucinated" else None), found.explanation
    assert told in f"{found.explanation} {found.reason}"
    (required,) = findings(detector, replace(given, workflow="legal"))
    assert "requires one" in required.explanation


@pytest.mark.models
def test_a_quote_said_at_another_time_is_a_wrong_place_and_one_said_nowhere_is_left_to_the_detector_of_quotes(
    detector: CitationMismatch,
) -> None:
    (elsewhere,) = findings(detector, heard("Please send the report to Daniel before noon", demo("meeting.flac"), (0.0, 3.0), "quote"))
    assert (elsewhere.verdict, elsewhere.error) == ("hallucinated", "time")
    (nowhere,) = findings(detector, heard("Please burn the ships of Admiral Benbow", demo("meeting.flac"), (0.0, 3.0), "quote"))
    assert nowhere.verdict == "not_checked"
    assert "quote_mismatch judges" in str(nowhere.reason)


@pytest.mark.models
def test_a_cited_window_beyond_the_recording_is_a_broken_link(detector: CitationMismatch) -> None:
    (found,) = findings(detector, heard("The launch is moved.", demo("meeting.flac"), (50.0, 60.0)))
    assert (found.verdict, found.error) == ("hallucinated", "source")


@pytest.mark.models
def test_words_the_recogniser_is_unsure_of_neither_support_nor_refute_a_citation(detector: CitationMismatch) -> None:
    words = ["The", "bridge", "across", "the", "river", "will", "cost", "forty", "million", "pounds."]
    copy = replace(demo("meeting.flac"), sha256=heard_as(detector.options, [(word, 0.4) for word in words]).sha256)
    for text, window in (
        ("The bridge across the river will cost 40 million pounds.", (0.0, 5.0)),
        ("A ferry sank near Norway.", (0.0, 5.0)),
    ):
        (found,) = findings(detector, heard(text, copy, window))
        assert found.verdict == "not_checked"
        assert "not sure" in str(found.reason)


@pytest.mark.models
def test_what_a_video_may_show_and_what_is_only_seen_is_not_checked(detector: CitationMismatch) -> None:
    words = [(word, 0.95) for word in ["The", "bridge", "across", "the", "river", "will", "cost", "forty", "million", "pounds."]]
    video = replace(demo("meeting.flac"), media_type="video/mp4", sha256=heard_as(detector.options, words).sha256)
    (unsaid,) = findings(detector, heard("A ferry sank near the coast of Norway.", video, (0.0, 3.0)))
    assert (unsaid.verdict, "may show it" in str(unsaid.reason)) == ("not_checked", True)
    (seen,) = findings(detector, heard("A man opens a door.", video, (0.0, 3.0), "event"))
    assert (seen.verdict, "is seen in" in str(seen.reason)) == ("not_checked", True)


@pytest.mark.models
def test_real_recordings_are_right_in_the_window_of_a_quote_and_wrong_in_that_of_another(detector: CitationMismatch, corpus: Path) -> None:
    folder = corpus / "speech-quotes"
    record = json.loads((folder / "responses.jsonl").read_text(encoding="utf-8").splitlines()[0])
    piece = record["evidence"][0]
    recording = EvidenceFile("rec", piece["media_type"], folder / piece["uri"].removeprefix("file:"), piece["sha256"])
    assert not any(label["hallucinated"] for label in record["labels"])
    quotes = [claim for claim in extract(record["answer"]["text"], {"audio"}) if claim.kind == "quote"]
    windows = [(float(one.facts["start_s"]), float(one.facts["start_s"]) + 3.0) for one in quotes]
    for number, quote in enumerate(quotes):
        text = f"The speaker says that {quote.facts['quote']}."
        (right,) = findings(detector, heard(text, recording, windows[number]))
        assert right.verdict == "supported", right.explanation
        (wrong,) = findings(detector, heard(text, recording, windows[number - 2]))
        assert (wrong.verdict, wrong.error) == ("hallucinated", "time"), wrong.explanation


@pytest.fixture(scope="module")
def cat(tmp_path_factory: pytest.TempPathFactory) -> EvidenceFile:
    """A photograph of a cat, put into the left half of a picture whose right half is grey."""
    from skimage import data

    path = tmp_path_factory.mktemp("cat") / "cat.png"
    picture = Image.new("RGB", (900, 300), (128, 128, 128))
    picture.paste(Image.fromarray(data.chelsea()), (0, 0))
    picture.save(path)
    return EvidenceFile("a", "image/png", path, "5" * 64)


def shown(text: str, picture: EvidenceFile, region: tuple[float, float, float, float]) -> Case:
    found = next(one for one in objects.find(text))
    return Case("r", text, (replace(found, id="c1", citations=(Place("a", region=region),)),), (picture,))


@pytest.mark.models
@pytest.mark.parametrize(
    ("text", "region", "verdict", "told"),
    [
        ("There is a cat.", (0.0, 0.0, 0.5, 1.0), "supported", "The cited region shows the cat"),
        ("There is a cat.", (0.1, 0.2, 0.2, 0.4), "supported", "The cited region shows the cat"),
        ("There is a cat.", (0.6, 0.1, 0.4, 0.8), "hallucinated", "share 0% of their union (IoU)"),
        ("There is a cat.", (0.7, 0.1, 0.02, 0.02), "not_checked", "too small to be looked at by itself"),
        ("There is a truck.", (0.0, 0.0, 0.5, 1.0), "not_checked", "no truck is found for certain"),
        ("There is a violin.", (0.0, 0.0, 0.5, 1.0), "not_checked", "none of the things that are looked for"),
        ("There is no cat.", (0.6, 0.1, 0.4, 0.8), "not_checked", "not there, which no region shows"),
    ],
)
def test_a_thing_must_stand_in_the_region_cited_for_it(
    detector: CitationMismatch, cat: EvidenceFile, text: str, region: tuple[float, float, float, float], verdict: str, told: str
) -> None:
    (found,) = findings(detector, shown(text, cat, region))
    assert found.verdict == verdict, found.explanation
    assert told in found.explanation
    if verdict == "hallucinated":
        assert found.error == "source"
    if verdict != "not_checked":
        assert found.place is not None
        assert found.place.region is not None
        assert found.place.region[0] + found.place.region[2] < 0.6, "the place is where the cat was found"


@pytest.mark.models
def test_the_detectors_of_a_process_share_one_network_and_what_it_saw(detector: CitationMismatch, cat: EvidenceFile) -> None:
    findings(detector, shown("There is a cat.", cat, (0.0, 0.0, 0.5, 1.0)))
    seer = ObjectHallucination(detector.options)
    seer.load()
    assert seer._sight(cat) is eyes_of(replace(detector.options)).sight(cat)
    assert seer._coco is eyes_of(detector.options).network


@pytest.mark.models
def test_a_thing_of_a_real_photograph_is_found_where_it_is_and_not_in_an_empty_corner(detector: CitationMismatch, corpus: Path) -> None:
    """The corpus gives no boxes: the place is the network's own, moved."""
    folder = corpus / "objects-coco"
    seen = wrong = 0
    for line in (folder / "responses.jsonl").read_text(encoding="utf-8").splitlines()[:9:3]:
        piece = json.loads(line)["evidence"][0]
        picture = EvidenceFile("a", piece["media_type"], folder / piece["uri"].removeprefix("file:"), piece["sha256"])
        boxes = eyes_of(detector.options).sight(picture).boxes
        if not boxes or boxes[0].score < 0.8:
            continue
        x, y, width, height = boxes[0].region
        given = shown(f"There is a {boxes[0].name}.", picture, (x * 0.95, y * 0.95, width, height))
        assert findings(detector, given)[0].verdict == "supported"
        seen += 1
        corner = (0.0 if x > 0.5 else 0.85, 0.0, 0.15, 0.15)
        found = findings(detector, shown(f"There is a {boxes[0].name}.", picture, corner))[0]
        assert found.verdict != "supported" or points_at(corner, found.place.region), found.explanation
        wrong += found.verdict == "hallucinated"
    assert 1 <= wrong <= seen


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

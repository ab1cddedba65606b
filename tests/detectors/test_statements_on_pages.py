"""Statements held against pictures of pages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detectors.citing import misread, prose
from detectors.citing.prose import ProsePages
from detectors.citing.texts import SourceText, TextSources
from detectors.claims import extract
from detectors.claims.depiction import about_looks
from detectors.contract import Case, Claim, DetectorOptions, DetectorUnavailable, EvidenceFile, Finding
from detectors.grounding.passages import passages_of
from detectors.reading.lines import Line, Reading
from detectors.reading.paragraphs import flowing
from detectors.reading.readers import READINGS, FastReader
from detectors.ungrounded_statement import UngroundedStatement
from tests.detectors.pages_drawn import page, picture_file
from tests.detectors.sources import text_file

OPTIONS = DetectorOptions(threads=1)
PARAGRAPHS = (
    (
        "The council of Leeds approved the plan on Monday after a debate of three hours in the old town hall. The new station will cost "
        "40 million pounds and replace the two halls that were built in the last century."
    ),
    (
        "Trains are to run from 2027 between the harbour and the university. Anna Berg, who leads the project, welcomed the vote and "
        "thanked the people of the quarter for their patience. The bridge beside the market stays open for bicycles during the works."
    ),
)
COST = "The new station will cost 40 million pounds."


@pytest.fixture(scope="module")
def detector() -> UngroundedStatement:
    made = UngroundedStatement(OPTIONS)
    made.load()
    return made


@pytest.fixture(scope="module")
def letter(tmp_path_factory: pytest.TempPathFactory) -> EvidenceFile:
    """A page of prose, read for real once."""
    return picture_file(tmp_path_factory.mktemp("pages"), "letter", page(PARAGRAPHS))


@pytest.fixture
def photo(tmp_path: Path) -> EvidenceFile:
    noise = np.random.default_rng(1).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    return picture_file(tmp_path, "photo", Image.fromarray(noise).resize((800, 600)))


def asked(answer: str, *evidence: EvidenceFile) -> Case:
    return Case("r1", answer, extract(answer, {piece.family for piece in evidence}), evidence)


def only(detector: UngroundedStatement, answer: str, *evidence: EvidenceFile) -> Finding:
    (finding,) = detector.detect([asked(answer, *evidence)])[0].findings
    return finding


def read_as(folder: Path, name: str, lines: list[Line], *, complete: bool = True) -> EvidenceFile:
    """A page of which the reader read these lines."""
    piece = picture_file(folder, name, page([*PARAGRAPHS, name]))
    version = FastReader(OPTIONS).version
    READINGS.get_or_read((piece.sha256, version), lambda: Reading(tuple(lines), version, complete=complete))
    return piece


def lines_of(*texts: str, confidence: float = 0.99) -> list[Line]:
    """Lines of a page below each other."""
    return [Line(text, confidence, (0.07, 0.09 + 0.05 * number, 0.86, 0.035)) for number, text in enumerate(texts)]


def typeset(sentences: str) -> list[str]:
    """Sentences in lines of ten words, all but the last as wide as the page."""
    words = sentences.split()
    return [" ".join(words[start : start + 10]) for start in range(0, len(words), 10)]


@pytest.mark.models
def test_a_statement_on_a_page_is_supported_with_the_region_of_its_passage(detector: UngroundedStatement, letter: EvidenceFile) -> None:
    finding = only(detector, COST, letter)
    assert finding.verdict == "supported"
    assert finding.place is not None
    assert finding.place.evidence == "letter"
    assert "40 million pounds" in str(finding.place.quote)
    assert finding.place.region is not None
    _, y, width, height = finding.place.region
    # The second and third of eight lines or so.
    assert y < 0.3
    assert height < 0.25
    assert width > 0.5
    assert "at the top" in finding.explanation


@pytest.mark.models
@pytest.mark.parametrize(
    "statement", ["The mayor of Oslo rejected the tunnel for good reasons of money.", "The new station will cost 70 million pounds."]
)
def test_what_a_page_does_not_say_is_flagged_with_the_closest_passage(
    detector: UngroundedStatement, letter: EvidenceFile, statement: str
) -> None:
    finding = only(detector, statement, letter)
    assert finding.verdict == "hallucinated"
    assert finding.explanation.startswith("The page does not bear it out")
    assert finding.place is not None
    assert finding.place.region is not None


@pytest.mark.models
def test_a_picture_without_a_page_is_not_its_business_and_is_not_read(detector: UngroundedStatement, photo: EvidenceFile) -> None:
    (outcome,) = detector.detect([asked("The river is wide and the sky is blue today.", photo)])
    assert (outcome.state, outcome.findings) == ("not_applicable", ())
    assert "page of prose" in str(outcome.reason)
    assert not READINGS.has((photo.sha256, FastReader(OPTIONS).version))


@pytest.mark.models
def test_print_that_is_no_prose_is_not_its_business_either(detector: UngroundedStatement, tmp_path: Path) -> None:
    rows = [f"Item {number} {name}" for number, name in enumerate(("bread", "milk", "sugar", "coffee", "tea", "salt") * 3)]
    form = read_as(tmp_path, "form", lines_of(*(f"{row} each 2.00 of EUR {number}.10" for number, row in enumerate(rows))))
    (outcome,) = detector.detect([asked("The bread costs 9 euros in this shop near the harbour.", form)])
    assert (outcome.state, outcome.findings) == ("not_applicable", ())
    assert "page of prose" in str(outcome.reason)


@pytest.mark.models
def test_what_another_picture_may_show_is_not_checked(detector: UngroundedStatement, letter: EvidenceFile, photo: EvidenceFile) -> None:
    finding = only(detector, "The mayor of Oslo rejected the tunnel for good reasons of money.", letter, photo)
    assert finding.verdict == "not_checked"
    assert "'photo'" in str(finding.reason)
    assert only(detector, COST, letter, photo).verdict == "supported"


@pytest.mark.models
def test_what_a_text_does_not_say_may_stand_on_a_page(detector: UngroundedStatement, letter: EvidenceFile, tmp_path: Path) -> None:
    text = text_file(tmp_path, "note", "It rains today. Shops close early in the evening, and buses run late.")
    finding = only(detector, COST, text, letter)
    assert finding.verdict == "supported"
    assert finding.place is not None
    assert finding.place.evidence == "letter"
    assert only(detector, "The mayor of Oslo rejected the tunnel for good reasons of money.", text, letter).verdict == "hallucinated"


@pytest.mark.models
def test_a_line_that_is_read_badly_does_not_refute(detector: UngroundedStatement, tmp_path: Path) -> None:
    lines = lines_of(*typeset(" ".join(PARAGRAPHS)))
    unsure = [replace(line, confidence=0.86) if "40" in line.text else line for line in lines]
    statement = "The new station will cost 70 million pounds."
    assert only(detector, statement, read_as(tmp_path, "sure", lines)).verdict == "hallucinated"
    finding = only(detector, statement, read_as(tmp_path, "unsure", unsure))
    assert finding.verdict == "not_checked"
    assert "too uncertainly" in str(finding.reason)


@pytest.mark.models
def test_what_is_only_near_a_statement_does_not_bear_it_out(detector: UngroundedStatement, letter: EvidenceFile) -> None:
    finding = only(detector, "The swimming pool closes for good.", letter)
    assert finding.verdict != "supported"


@pytest.mark.models
def test_words_hardly_read_neither_bear_out_nor_refute(detector: UngroundedStatement, tmp_path: Path) -> None:
    faint = read_as(tmp_path, "faint", lines_of(*typeset(" ".join(PARAGRAPHS)), confidence=0.6))
    for statement in (COST, "The mayor of Oslo rejected the tunnel for good reasons of money."):
        finding = only(detector, statement, faint)
        assert finding.verdict == "not_checked"
        assert "not sure" in str(finding.reason) or "uncertainly" in str(finding.reason)


@pytest.mark.models
@pytest.mark.parametrize(
    ("printed", "statement"),
    [
        ("Anna Bemard, who leads the project,", "Anna Bernard, who leads the project, welcomed the vote."),
        ("AnnaBerg,wholeads the project,", "Anna Berg, who leads the project, welcomed the vote."),
    ],
)
def test_a_misread_name_is_not_held_against_the_answer(detector: UngroundedStatement, tmp_path: Path, printed: str, statement: str) -> None:
    text = " ".join(PARAGRAPHS).replace("Anna Berg, who leads the project,", printed)
    assert only(detector, statement, read_as(tmp_path, printed[:8], lines_of(*typeset(text)))).verdict != "hallucinated"


@pytest.mark.models
def test_a_part_of_a_page_that_was_not_read_may_hold_the_support(detector: UngroundedStatement, tmp_path: Path) -> None:
    picture = page([*PARAGRAPHS, PARAGRAPHS[0]], height=900)
    whole = FastReader(OPTIONS)
    whole.load()
    lines = whole.lines_of(picture)
    half = picture_file(tmp_path, "half", picture)
    READINGS.get_or_read((half.sha256, whole.version), lambda: Reading((*lines[:5], *lines[8:]), whole.version))
    finding = only(detector, "The mayor of Oslo rejected the tunnel for good reasons of money.", half)
    assert finding.verdict == "not_checked"
    assert "was not read" in str(finding.reason)


@pytest.mark.models
def test_pages_past_the_limit_may_hold_the_support(detector: UngroundedStatement, tmp_path: Path) -> None:
    part = read_as(tmp_path, "part", lines_of(*typeset(" ".join(PARAGRAPHS))), complete=False)
    finding = only(detector, "The mayor of Oslo rejected the tunnel for good reasons of money.", part)
    assert finding.verdict == "not_checked"
    assert "pages were read" in str(finding.reason)


@pytest.mark.models
def test_what_is_said_of_a_pages_look_is_left_out(detector: UngroundedStatement, letter: EvidenceFile) -> None:
    (outcome,) = detector.detect([asked("The letter is written in blue ink below a large round logo.", letter)])
    assert outcome.findings == ()
    given = Claim("c1", "The image shows a round logo.", None, "statement", given=True)
    (outcome,) = detector.detect([Case("r1", given.text, (given,), (letter,))])
    assert outcome.findings[0].verdict == "not_checked"
    assert "looks" in str(outcome.findings[0].reason)


def test_looks_are_told_from_what_is_said() -> None:
    for sentence in ("The photo shows a dog.", "The heading is in bold.", "A stamp covers the bottom of the page."):
        assert about_looks(sentence), sentence
    for sentence in ("Figures show that prices rose.", "The plan was drawn up in 1990.", "The picture of Europe in the report is bleak."):
        assert about_looks(sentence) == sentence.startswith("The picture"), sentence


@pytest.mark.models
def test_without_a_page_reader_a_page_is_not_checked_with_the_remedy(
    detector: UngroundedStatement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: FastReader) -> None:
        raise DetectorUnavailable("ocr_mismatch", "Python package rapidocr", "pip install 'groundwatch[lite]'")

    monkeypatch.setattr(FastReader, "load", missing)
    bare = UngroundedStatement(OPTIONS)
    bare._scorer = detector._scorer
    piece = picture_file(tmp_path, "unread", page(reversed(PARAGRAPHS)))
    (outcome,) = bare.detect([asked(COST, piece)])
    assert outcome.state == "abstained"
    assert "rapidocr" in str(outcome.reason)


@pytest.mark.models
def test_a_page_in_two_columns_is_read_column_by_column(tmp_path: Path) -> None:
    piece = picture_file(tmp_path, "columns", page([f"{one} {one}" for one in PARAGRAPHS], columns=2, height=1000))
    source = ProsePages(TextSources(OPTIONS)).read(piece)
    assert source is not None
    whole = " ".join(" ".join(passage.text.split()) for passage in source.passages)
    assert "between the harbour and the university" in whole
    assert "replace the two halls that were built in the last century" in whole
    best = next(passage for passage in source.passages if "Trains are to run" in passage.text)
    assert best.place.region is not None
    assert best.place.region[0] > 0.45


@pytest.mark.models
def test_a_picture_with_a_caption_is_no_page(tmp_path: Path) -> None:
    below = page([*PARAGRAPHS, *PARAGRAPHS], height=900)
    noise = Image.fromarray(np.random.default_rng(2).integers(0, 255, (90, 100, 3), dtype=np.uint8)).resize((1000, 900))
    both = Image.new("RGB", (1000, 1800), "white")
    both.paste(noise, (0, 0))
    both.paste(below, (0, 900))
    assert ProsePages(TextSources(OPTIONS)).read(picture_file(tmp_path, "post", both)) is None


def test_wrapped_lines_become_paragraphs_and_broken_words_are_joined() -> None:
    lines = lines_of("The govern-", "ment of the town met on", "Monday in May.", "Next to it stands a hall.")
    wide = [replace(line, region=(0.1, 0.1 + 0.05 * n, (0.5, 0.5, 0.3, 0.5)[n], 0.03)) for n, line in enumerate(lines)]
    text, starts, kept = flowing(wide)
    assert text == "The government of the town met on Monday in May.\nNext to it stands a hall."
    assert [text[start:].startswith(line.text) for start, line in zip(starts, kept, strict=True)] == [True] * 4


def test_labels_with_their_values_stay_rows() -> None:
    labels = ["Total", "Tax", "Cash", "Change"]
    lines = [
        Line(text, 0.99, (x, 0.1 + 0.05 * number, 0.2, 0.03))
        for number, label in enumerate(labels)
        for text, x in ((label, 0.1), (f"{number}.50", 0.7))
    ]
    assert flowing(lines)[0].split("\n")[:4] == ["Total", "0.50", "Tax", "1.50"]


@pytest.mark.parametrize(("first", "second"), [("Bernard", "Bemard"), ("O14", "014"), ("1.50", "150"), ("Co10", "ColO"), ("S5", "55")])
def test_signs_that_look_alike_are_known(first: str, second: str) -> None:
    assert misread.looks_like(first, second)


@pytest.mark.parametrize(("first", "second"), [("2017", "2011"), ("40", "70"), ("Anna", "Hanna"), ("Berg", "Berg")])
def test_other_numbers_and_names_are_no_misreadings(first: str, second: str) -> None:
    assert not misread.looks_like(first, second)


def test_a_word_of_a_page_is_a_place_in_it() -> None:
    text, starts, lines = flowing(lines_of(*typeset(" ".join(PARAGRAPHS))))
    source = passages_of(SourceText("page", text, starts, lines, recognised=True))
    best = next(passage for passage in source.passages if "40 million" in passage.text)
    assert best.place.region is not None
    assert best.place.page == 1


def test_a_line_between_two_that_lean_is_missed_though_their_boxes_hold_it() -> None:
    grey = np.full((400, 800), 255, np.uint8)
    rows = [(80.0, 0.12), (120.0, 0.12), (160.0, 0.12)]
    for top, slope in rows:
        for x in range(60, 740, 14):
            y = round(top + slope * x)
            grey[y : y + 10, x : x + 7] = 0
    lines = [leaning(top, slope, grey.shape) for top, slope in rows]
    assert prose._outside(grey, lines) == pytest.approx(0.0)
    assert prose._outside(grey, [lines[0], lines[2]]) == pytest.approx(1 / 3, abs=0.02)


def leaning(top: float, slope: float, shape: tuple[int, int]) -> Line:
    """A line of print from x 60 to 740 whose top edge leans by ``slope``."""
    ends = [(x, top + slope * x + down) for down, x in ((0.0, 60.0), (0.0, 740.0), (10.0, 740.0), (10.0, 60.0))]
    corners = tuple((x / shape[1], y / shape[0]) for x, y in ends)
    left, highest = min(x for x, _ in corners), min(y for _, y in corners)
    region = (left, highest, max(x for x, _ in corners) - left, max(y for _, y in corners) - highest)
    return Line("x" * 49, 0.99, region, corners=(corners[0], corners[1], corners[2], corners[3]))

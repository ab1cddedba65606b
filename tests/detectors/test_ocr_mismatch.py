"""The OCR re-extraction detector: verdicts, abstentions, places and the real readers on rendered pages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from detectors.calibration import Calibration
from detectors.claims.values import find
from detectors.contract import Case, Claim, DetectorOptions, EvidenceFile, EvidenceUnreadable, Finding, Outcome, Place
from detectors.ocr_mismatch import OcrMismatch
from detectors.reading.lines import Line, Reading
from detectors.reading.spotting import Pixels
from tests.detectors.test_ocr_pages import write_pdf

ROWS = (
    "ORCHARD LANE GROCERS LTD",
    "12 HILL ROAD",
    "DATE: 14/03/2024",
    "APPLES | 12.40",
    "FLOUR | 8.75",
    "TOTAL | 21.15",
    "CASH | 30.00",
    "CHANGE | 8.85",
)
OPTIONS = DetectorOptions(device="cpu", threads=1, second_reader=False)


class WrittenPage:
    """A reader that knows each page by heart: what the tests wrote on it, or that it cannot be read."""

    version = "written"

    def __init__(self, pages: dict[str, Reading]) -> None:
        self.pages = pages

    def read(self, evidence: EvidenceFile) -> Reading:
        if evidence.id not in self.pages:
            raise EvidenceUnreadable(evidence.id, "the file is empty")
        return self.pages[evidence.id]

    def read_ahead(self, pieces: Iterable[EvidenceFile]) -> None:
        """Nothing to gain: everything is written down."""


class SecondOpinion:
    """A second reader that sees what it is told wherever it looks."""

    version = "told"

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked = 0

    def read_line(self, page: Pixels, line: Line) -> tuple[str, float]:
        self.asked += 1
        return self.text, 0.9


def written(*rows: str, confidence: float = 0.98, height: float = 0.03, complete: bool = True) -> Reading:
    lines = []
    for number, row in enumerate(rows):
        cells = row.split(" | ")
        lines += [Line(text, confidence, (i / len(cells), 0.02 + number * 0.06, 0.9 / len(cells), height)) for i, text in enumerate(cells)]
    return Reading(tuple(lines), "written", complete=complete)


@pytest.fixture(autouse=True)
def _no_recogniser(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("models") is None:
        monkeypatch.setattr("detectors.claims.names._recognised", lambda text: [])


def detector(**pages: Reading) -> OcrMismatch:
    made = OcrMismatch(OPTIONS)
    made._fast = WrittenPage(pages)  # type: ignore[assignment]
    return made


def case(answer: str, *ids: str, claims: tuple[Claim, ...] | None = None) -> Case:
    evidence = tuple(EvidenceFile(name, "image/png", Path("/nowhere") / name, name) for name in ids)
    found = claims if claims is not None else tuple(replace(claim, id=f"c{number}") for number, claim in enumerate(find(answer)))
    return Case("case", answer, found, evidence)


def only(outcome: Outcome) -> Finding:
    assert len(outcome.findings) == 1, outcome
    return outcome.findings[0]


def judge(answer: str, reading: Reading) -> Finding:
    return only(detector(page=reading).detect([case(answer, "page")])[0])


@pytest.mark.parametrize("answer", ["Vendor: Orchard Lane Grocers", "Date: 14 March 2024", "Total: 21.15", "The change was 8.85."])
def test_what_the_page_prints_is_supported_with_its_place(answer: str) -> None:
    finding = judge(answer, written(*ROWS))
    assert finding.verdict == "supported"
    assert finding.score is not None
    assert finding.score < 0.3
    assert finding.place is not None
    assert (finding.place.evidence, finding.place.page) == ("page", 1)
    assert finding.place.region is not None


@pytest.mark.parametrize(
    ("answer", "error", "quote"),
    [
        ("Vendor: ORCHARD LANE BAKERS LTD", "entity", "ORCHARD LANE GROCERS LTD"),
        ("Date: 14/03/2023", "value", "14/03/2024"),
        ("Total: $21.75", "value", "21.15"),
        ("Total: $30.00", "label", "21.15"),
        ("The sign says '12 MILL STREET'", "label", "12 HILL ROAD"),
    ],
)
def test_what_the_page_does_not_print_is_hallucinated_and_the_print_is_quoted(answer: str, error: str, quote: str) -> None:
    finding = judge(answer, written(*ROWS))
    assert (finding.verdict, finding.error) == ("hallucinated", error)
    assert finding.score is not None
    assert finding.score > 0.58
    assert finding.place is not None
    assert finding.place.quote is not None
    assert finding.place.quote in quote or quote in finding.place.quote
    assert finding.claim.text in finding.explanation
    assert finding.explanation.count(".") >= 1


def test_words_unlike_any_print_are_not_told_as_printed_otherwise() -> None:
    far = judge("Vendor: ZWICK AND DAUGHTERS", written(*ROWS))
    assert far.verdict == "hallucinated"
    assert "nothing like it is printed" in far.explanation
    near = judge("Vendor: ORCHARD LANE BAKERS LTD", written(*ROWS))
    assert "the page prints ORCHARD LANE GROCERS LTD" in near.explanation


@pytest.mark.parametrize(
    ("answer", "reading", "reason"),
    [
        ("Total: 5.00", Reading((), "written"), "no text was read"),
        ("Total: 5.00", written("TAXI"), "hardly any text"),
        ("Total: 5.00", written("TAXI 5.00"), "hardly any text"),
        ("A plate reading 5.30 hangs there.", written("WELCOME TO THE ZOO", "8.40"), "little text"),
        ("Date: 1/2/2024", written("SHOP", "TOTAL | 21.15", "THANK YOU FOR COMING"), "no date was read"),
        ("Total: about 20.00", written(*ROWS), "rounds or reckons"),
        ("Total: 99.99", written(*ROWS, complete=False), "not read"),
        ("Total: 21.75", written(*ROWS, confidence=0.3), "too uncertainly"),
    ],
)
def test_what_cannot_be_judged_is_not_checked_with_the_reason(answer: str, reading: Reading, reason: str) -> None:
    finding = judge(answer, reading)
    assert (finding.verdict, finding.score) == ("not_checked", None)
    assert finding.reason is not None
    assert reason in finding.reason


def test_a_prominent_sign_contradicts_even_without_other_text() -> None:
    assert judge("The sign says 'YIELD'.", written("STOP", height=0.3)).verdict == "hallucinated"
    assert judge("The sign says 'STOP'.", written("STOP", height=0.3)).verdict == "supported"
    assert judge("The sign says 'YIELD'.", written("STOP", height=0.01)).verdict == "not_checked"


def test_a_value_in_another_role_is_no_matter_for_the_second_reader() -> None:
    made = detector(page=written(*ROWS))
    opinion = SecondOpinion("30.00")
    made._second = opinion  # type: ignore[assignment]
    assert only(made.detect([case("Total: 30.00", "page")])[0]).verdict == "hallucinated"
    assert opinion.asked == 0


def test_a_description_without_values_is_not_its_business() -> None:
    outcome = detector(page=written(*ROWS)).detect([case("Two dogs lie on a sofa.", "page")])[0]
    assert outcome.state == "not_applicable"


def test_unreadable_evidence_makes_it_abstain_and_the_next_case_is_judged() -> None:
    made = detector(page=written(*ROWS))
    first, second = made.detect([case("Total: 5.00", "broken"), case("Total: 21.15", "page")])
    assert first.state == "abstained"
    assert "empty" in (first.reason or "")
    assert second.state == "judged"


def test_a_value_missing_from_what_could_be_read_is_not_checked_while_a_page_is_unreadable() -> None:
    made = detector(page=written(*ROWS))
    absent = only(made.detect([case("Total: 99.10", "page", "broken")])[0])
    present = only(made.detect([case("Total: 21.15", "page", "broken")])[0])
    assert absent.verdict == "not_checked"
    assert present.verdict == "supported"


def test_a_value_on_any_page_supports_unless_the_claim_cites_another() -> None:
    made = detector(page=written(*ROWS), other=written(*ROWS[:5], "TOTAL | 44.15", "CASH | 50.00"))
    (claim,) = find("Total: 21.15")
    free, cited = replace(claim, id="a"), replace(claim, id="a", citations=(Place("other"),))
    assert only(made.detect([case("Total: 21.15", "other", "page", claims=(free,))])[0]).verdict == "supported"
    finding = only(made.detect([case("Total: 21.15", "other", "page", claims=(cited,))])[0])
    assert finding.verdict == "hallucinated"
    assert finding.place is not None
    assert finding.place.evidence == "other"


def test_text_evidence_alone_is_not_its_business(tmp_path: Path) -> None:
    (claim,) = find("Total: 21.15")
    source = EvidenceFile("notes", "text/plain", tmp_path / "notes", "0")
    outcome = detector().detect([Case("x", "Total: 21.15", (replace(claim, id="a"),), (source,))])[0]
    assert outcome.state == "not_applicable"


@pytest.mark.parametrize(("second", "verdict"), [("21.75", "supported"), ("21.15", "hallucinated"), ("", "hallucinated")])
def test_the_second_reader_settles_a_contradiction(second: str, verdict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detectors.ocr_mismatch.page_image", lambda evidence, number: Image.new("RGB", (100, 100)))
    made = detector(page=written(*ROWS))
    opinion = SecondOpinion(second)
    made._second = opinion  # type: ignore[assignment]
    assert only(made.detect([case("Total: 21.75", "page")])[0]).verdict == verdict
    assert opinion.asked > 0


@pytest.mark.parametrize(
    ("second", "verdict"), [(None, "not_checked"), ("21.15", "hallucinated"), ("21.75", "supported"), ("27.45", "not_checked")]
)
def test_what_an_uncertain_line_contradicts_needs_both_readers(second: str | None, verdict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detectors.ocr_mismatch.page_image", lambda evidence, number: Image.new("RGB", (100, 100)))
    surely = written(*ROWS)
    faint = replace(surely, lines=tuple(replace(line, confidence=0.8) if line.text == "21.15" else line for line in surely.lines))
    made = detector(page=faint)
    made._second = None if second is None else SecondOpinion(second)  # type: ignore[assignment]
    finding = only(made.detect([case("Total: 21.75", "page")])[0])
    assert finding.verdict == verdict
    if verdict == "not_checked":
        assert "read too uncertainly (confidence 0.80)" in (finding.reason or "")


def test_a_measure_in_a_sentence_about_the_total_is_no_total() -> None:
    page = written(*ROWS, "WEIGHT | 48.20 kg")
    answer = "The total was 21.15, weight 48.20 kg."
    claims = tuple(replace(claim, id=f"c{number}", facts={**claim.facts, "role": "total"}) for number, claim in enumerate(find(answer)))
    outcome = detector(page=page).detect([case(answer, "page", claims=claims)])[0]
    assert [finding.verdict for finding in outcome.findings] == ["supported", "supported"]


def test_a_name_of_which_there_is_no_trace_is_not_judged_on_a_page_that_is_read_badly() -> None:
    for confidence, verdict in ((0.98, "hallucinated"), (0.8, "not_checked")):
        assert judge("Vendor: Zephyr Quixotic", written(*ROWS, confidence=confidence)).verdict == verdict


def test_the_second_reader_is_not_asked_where_the_first_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    made = detector(page=written(*ROWS))
    opinion = SecondOpinion("99.99")
    made._second = opinion  # type: ignore[assignment]
    assert only(made.detect([case("Total: 21.15", "page")])[0]).verdict == "supported"
    assert opinion.asked == 0


def test_the_shipped_calibration_belongs_to_this_version() -> None:
    shipped = Calibration.load(OcrMismatch.name)
    assert shipped.detector_version == OcrMismatch.version
    assert shipped.provenance["n"] + shipped.provenance["not_judged"] >= 300
    assert shipped.apply(0.02) < 0.05 < 0.9 < shipped.apply(0.97)


def draw(path: Path, rows: tuple[str, ...], size: tuple[int, int] = (640, 700)) -> EvidenceFile:
    image = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=28)
    for number, row in enumerate(rows):
        for column, text in enumerate(row.split(" | ")):
            pen.text((40 + column * 380, 40 + number * 70), text, fill="black", font=font)
    image.save(path)
    return EvidenceFile("page", "image/png", path, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture(scope="module")
def loaded() -> OcrMismatch:
    made = OcrMismatch(OPTIONS)
    made.load()
    return made


@pytest.mark.models
def test_a_rendered_receipt_is_read_and_its_changed_values_are_caught(loaded: OcrMismatch, tmp_path: Path) -> None:
    page = draw(tmp_path / "receipt.png", ROWS)
    answer = "Vendor: ORCHARD LANE GROCERS LTD\nDate: 14/03/2024\nTotal: 21.15"
    wrong = "Vendor: ORCHARD LANE BAKERS LTD\nDate: 14/08/2024\nTotal: 27.15"
    for text, verdict in ((answer, "supported"), (wrong, "hallucinated")):
        claims = tuple(replace(claim, id=f"c{number}") for number, claim in enumerate(find(text)))
        outcome = loaded.detect([Case("x", text, claims, (page,))])[0]
        assert outcome.state == "judged"
        assert [finding.verdict for finding in outcome.findings] == [verdict] * 3
    total = outcome.findings[-1].place
    assert total is not None
    assert total.quote == "21.15"
    assert total.region is not None
    x, y, width, height = total.region
    assert abs(x - 420 / 640) < 0.05
    assert abs(y + height / 2 - (40 + 5 * 70 + 18) / 700) < 0.03
    assert "rapidocr" in outcome.weights_version
    assert width > 0


@pytest.mark.models
def test_a_page_that_stands_on_its_head_is_turned(loaded: OcrMismatch, tmp_path: Path) -> None:
    page = draw(tmp_path / "receipt.png", ROWS)
    with Image.open(page.path) as image:
        image.rotate(180).save(page.path)
    page = replace(page, sha256="upside down")
    (claim,) = find("Total: 21.15")
    outcome = loaded.detect([Case("x", "Total: 21.15", (replace(claim, id="a"),), (page,))])[0]
    assert [finding.verdict for finding in outcome.findings] == ["supported"]


@pytest.mark.models
def test_a_picture_without_text_is_not_checked(loaded: OcrMismatch, tmp_path: Path) -> None:
    page = draw(tmp_path / "blank.png", ())
    (claim,) = find("Total: 21.15")
    outcome = loaded.detect([Case("x", "Total: 21.15", (replace(claim, id="a"),), (page,))])[0]
    assert outcome.state == "abstained"
    assert outcome.reason == "no text was read"


@pytest.mark.models
def test_a_pdf_with_its_own_text_needs_no_reader(loaded: OcrMismatch, tmp_path: Path) -> None:
    rows = [(20, 270, "Globex GmbH Invoice 4711"), (20, 200, "Services for the month of May"), (20, 160, "Date 31.05.2024")]
    path = write_pdf(tmp_path / "a.pdf", [[*rows, (20, 100, "Net 210.00"), (20, 60, "Total 249.90"), (20, 30, "Thank you for your order")]])
    page = EvidenceFile("page", "application/pdf", path, hashlib.sha256(path.read_bytes()).hexdigest())
    answer = "The vendor is Globex GmbH; the total is €249.90, dated 31 May 2024. The subtotal was €215.00."
    claims = tuple(replace(claim, id=f"c{number}") for number, claim in enumerate(find(answer)))
    outcome = loaded.detect([Case("x", answer, claims, (page,))])[0]
    assert [finding.verdict for finding in outcome.findings] == ["supported", "supported", "supported", "hallucinated"]


@pytest.mark.models
def test_the_second_reader_really_reads(tmp_path: Path) -> None:
    from detectors.reading.readers import SecondReader

    if not SecondReader.installed():
        pytest.skip("easyocr is not installed")
    page = draw(tmp_path / "receipt.png", ("TOTAL 21.15",), (420, 120))
    with Image.open(page.path) as image:
        text, confidence = SecondReader(OPTIONS).read_line(np.asarray(image.convert("RGB")), Line("", 0.5, (0.05, 0.3, 0.6, 0.35)))
    assert "21.15" in text
    assert confidence > 0.1

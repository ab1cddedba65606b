"""The chart detector: verdicts, kinds of error, places and abstentions, on written readings and through the real reader."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from detectors.chart_mismatch import ChartMismatch
from detectors.charting.features import FEATURES
from detectors.charting.verdict import chart_model
from detectors.claims import extract
from detectors.contract import Case, Claim, DetectorOptions, EvidenceFile, EvidenceUnreadable, Outcome
from detectors.ocr_mismatch import LEFT, OcrMismatch
from detectors.reading.lines import Line, Reading
from tests.detectors.charts_drawn import Sketch, bars_on_an_axis, bars_with_values, countries, line_over_years, photograph, receipt
from tests.detectors.test_ocr_pages import write_pdf

OPTIONS = DetectorOptions(device="cpu", threads=1)


class WrittenReader:
    """Knows each picture by heart."""

    version = "written"

    def __init__(self) -> None:
        self.pages: dict[str, Reading] = {}

    def load(self) -> None:
        pass

    def read_ahead(self, pieces: Iterable[EvidenceFile]) -> None:
        """Nothing to gain: everything is written down."""

    def read(self, evidence: EvidenceFile) -> Reading:
        if evidence.id not in self.pages:
            raise EvidenceUnreadable(evidence.id, "it is not a picture of a known format")
        return self.pages[evidence.id]


class Bench:
    """A detector with a written reader, and cases for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reader = WrittenReader()
        self.detector = ChartMismatch(OPTIONS)
        self.detector._reader = self.reader  # type: ignore[assignment]
        self.detector.load()

    def evidence(self, name: str, sketch: Sketch) -> EvidenceFile:
        path = sketch.save(self.folder / f"{name}.png")
        self.reader.pages[name] = sketch.reading()
        return EvidenceFile(name, "image/png", path, hashlib.sha256(path.read_bytes()).hexdigest())

    def outcome(self, answer: str, *evidence: EvidenceFile) -> Outcome:
        return self.detector.detect([Case("r", answer, extract(answer, {e.family for e in evidence}), evidence)])[0]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_printed_value_under_its_label_is_supported_at_its_bar(bench: Bench) -> None:
    outcome = bench.outcome("Among women, 62% favor the library.", bench.evidence("chart", bars_with_values()))
    (finding,) = outcome.findings
    assert (outcome.state, finding.verdict) == ("judged", "supported")
    assert finding.place is not None
    assert finding.place.region is not None
    assert finding.place.quote == "62"
    x, y, width, height = finding.place.region
    assert 200 / 800 < x + width / 2 < 490 / 800
    assert 130 / 560 < y + height / 2 < 170 / 560
    assert "62" in finding.explanation
    assert "Women" in finding.explanation


def test_a_value_of_another_bar_is_a_wrong_label(bench: Bench) -> None:
    chart = bench.evidence("chart", bars_with_values())
    right = bench.outcome("Among men, 48% favor the library.", chart).findings[0]
    swapped = bench.outcome("Among men, 71% favor the library.", chart).findings[0]
    assert swapped.score is not None
    assert right.score is not None
    assert swapped.score > right.score
    assert swapped.verdict == "hallucinated"
    assert swapped.error == "label"
    assert "Retired" in swapped.explanation


def test_a_value_the_chart_does_not_print_is_a_wrong_value_at_the_bar_meant(bench: Bench) -> None:
    (finding,) = bench.outcome("Among retired respondents, 83% favor the library.", bench.evidence("chart", bars_with_values())).findings
    assert (finding.verdict, finding.error) == ("hallucinated", "value")
    assert finding.place is not None
    assert finding.place.quote == "71"
    assert "71" in finding.explanation


def test_a_direction_against_the_answers_own_numbers_is_a_wrong_trend(bench: Bench) -> None:
    (finding,) = bench.outcome(
        "Support increased from 62% among women to 48% among men.", bench.evidence("chart", bars_with_values())
    ).findings
    assert (finding.verdict, finding.error) == ("hallucinated", "trend")


def test_a_trend_against_the_measured_line_is_flagged_and_the_right_one_is_not(bench: Bench) -> None:
    chart = bench.evidence("chart", line_over_years())
    wrong = bench.outcome("The share of households with a landline increased between 2000 and 2015.", chart).findings[0]
    right = bench.outcome("The share of households with a landline decreased between 2000 and 2015.", chart).findings[0]
    assert (wrong.verdict, wrong.error) == ("hallucinated", "trend")
    assert right.verdict == "supported"


def test_a_bar_without_a_printed_value_is_measured(bench: Bench) -> None:
    chart = bench.evidence("chart", bars_on_an_axis())
    right = bench.outcome("The chart shows that 75 tons of plums and 40 tons of apples were sold.", chart).findings[0]
    wrong = bench.outcome("The chart shows that 31 tons of plums and 40 tons of apples were sold.", chart).findings[0]
    assert right.verdict == "supported"
    assert "measures about" in right.explanation
    assert wrong.score is not None
    assert right.score is not None
    assert wrong.score > right.score + 0.2


@pytest.mark.parametrize("sketch", [photograph(), receipt()])
def test_other_pictures_are_abstained_on(bench: Bench, sketch: Sketch) -> None:
    outcome = bench.outcome("About 40% of the visitors came in 2010.", bench.evidence("picture", sketch))
    assert outcome.state == "abstained"
    assert "the picture" in str(outcome.reason)
    assert all(finding.score is None for finding in outcome.findings)


def test_a_statement_with_nothing_to_look_up_is_not_checked(bench: Bench) -> None:
    answer = "Overall, the trend is unlikely to stop rising. About 62% of women favor it."
    findings = bench.outcome(answer, bench.evidence("chart", bars_with_values())).findings
    assert [finding.verdict for finding in findings] == ["not_checked", "supported"]
    assert "nothing in the statement" in str(findings[0].reason)


def test_a_callers_statement_without_figures_is_not_checked(bench: Bench) -> None:
    chart = bench.evidence("chart", bars_with_values())
    given = Claim("g", "People like it.", None, "trend", given=True)
    (finding,) = bench.detector.judge(Case("r", "", (given,), (chart,)), [given])
    assert finding.verdict == "not_checked"


def test_an_uncertain_reading_is_abstained_on(bench: Bench) -> None:
    chart = bench.evidence("chart", bars_with_values())
    faint = tuple(Line(line.text, 0.4, line.region) for line in bench.reader.pages["chart"].lines)
    bench.reader.pages["chart"] = Reading(faint, "written")
    outcome = bench.outcome("Among women, 62% favor the library.", chart)
    assert outcome.state == "abstained"
    assert "too uncertainly" in str(outcome.reason)


def test_a_corrupt_picture_makes_it_abstain(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    outcome = bench.outcome("About 62% of women favor it.", EvidenceFile("broken", "image/png", path, "0" * 64))
    assert outcome.state == "abstained"
    assert "not a picture" in str(outcome.reason)


def test_a_pdf_with_its_own_text_is_abstained_on(bench: Bench, tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "report.pdf", [[(20, 250, "Support 62 percent"), (20, 200, "Opposition 31 percent")]])
    bench.reader.pages["report"] = bars_with_values().reading()
    evidence = EvidenceFile("report", "application/pdf", path, hashlib.sha256(path.read_bytes()).hexdigest())
    outcome = bench.outcome("About 62% support it.", evidence)
    assert outcome.state == "abstained"
    assert "own text" in str(outcome.reason)


def test_among_several_charts_the_one_that_bears_the_statement_out_counts(bench: Bench) -> None:
    first = bench.evidence("first", bars_on_an_axis())
    second = bench.evidence("second", bars_with_values())
    (finding,) = bench.outcome("Among women, 62% favor the library.", first, second).findings
    assert finding.verdict == "supported"
    assert finding.place is not None
    assert finding.place.evidence == "second"


def test_the_shipped_model_fits_this_code_and_contradictions_weigh_against_a_statement() -> None:
    model = chart_model()
    weights = dict(zip(FEATURES, model.weights, strict=True))
    assert all(weights[name] > 0 for name in ("from_to", "series", "absent_share", "extreme"))
    assert weights["mean_margin"] <= 0


def test_ocr_mismatch_leaves_values_on_a_chart_and_judges_words_in_quotes(bench: Bench) -> None:
    answer = "Among women, 62% favor the library, up from 57.3% before. The sign reads 'SUPPORT FOR THE NEW MUSEUM'."
    chart, page = bench.evidence("chart", bars_with_values()), bench.evidence("page", receipt())
    reader = OcrMismatch(OPTIONS)
    reader._fast = bench.reader  # type: ignore[assignment]
    claims = extract(answer, {"image"})
    on_chart, on_page = (
        reader.judge(Case("r", answer, claims, (e,)), reader.claims_for(Case("r", answer, claims, (e,)))) for e in (chart, page)
    )
    left = {finding.claim.text for finding in on_chart if finding.reason == LEFT}
    assert {"62%", "57.3%"} <= left
    (words,) = [finding for finding in on_chart if finding.claim.kind == "text"]
    assert words.verdict == "hallucinated"
    assert all(finding.reason != LEFT for finding in on_page)


def test_a_bar_read_as_a_sign_is_measured(bench: Bench) -> None:
    sketch = countries()
    sketch.lines.append(Line("1", 0.52, (110 / 800, 108 / 560, 100 / 800, 332 / 560)))
    outcome = bench.outcome("The chart shows that Germany has the largest population at about 83 million.", bench.evidence("bar", sketch))
    assert outcome.findings[0].verdict == "supported"


def test_a_bar_whose_name_was_not_read_speaks_against_no_statement_about_that_name(bench: Bench) -> None:
    sketch = countries()
    sketch.lines = [line for line in sketch.lines if line.text != "Germany"]
    outcome = bench.outcome("The chart shows that Germany has a population of about 83 million.", bench.evidence("unread", sketch))
    assert outcome.findings[0].verdict == "not_checked"


def test_print_stands_where_it_is_on_the_picture_not_where_it_would_on_a_level_page(bench: Bench) -> None:
    sketch = countries()
    sketch.lines = [replace(line, straight=(line.region[1], 1 - line.region[0], 0.05, 0.03)) for line in sketch.lines]
    outcome = bench.outcome("The chart shows that Germany has the largest population at about 83 million.", bench.evidence("level", sketch))
    assert outcome.findings[0].verdict == "supported"


@pytest.mark.models
@pytest.mark.parametrize("names", ["turned", "slant"])
def test_plain_columns_with_turned_names_are_judged_through_the_real_reader(names: str, tmp_path: Path) -> None:
    detector = ChartMismatch(OPTIONS)
    detector.load()
    path = countries(names=names).save(tmp_path / "countries.png")
    evidence = EvidenceFile("chart", "image/png", path, hashlib.sha256(path.read_bytes()).hexdigest())
    answer = (
        "The chart shows that Germany has a population of about 83 million. The population of Italy was lower than that of Spain. "
        "Poland had about 55 million people in the chart."
    )
    outcome = detector.detect([Case("r", answer, extract(answer, {"image"}), (evidence,))])[0]
    assert [finding.verdict for finding in outcome.findings] == ["supported", "hallucinated", "hallucinated"]


@pytest.mark.models
def test_drawn_charts_are_judged_through_the_real_reader(tmp_path: Path) -> None:
    detector = ChartMismatch(OPTIONS)
    detector.load()
    assert "rapidocr" in detector.weights_version

    def judged(sketch: Sketch, answer: str) -> Outcome:
        path = sketch.save(tmp_path / f"{abs(hash(answer))}.png")
        evidence = EvidenceFile("chart", "image/png", path, hashlib.sha256(path.read_bytes()).hexdigest())
        return detector.detect([Case("r", answer, extract(answer, {"image"}), (evidence,))])[0]

    assert judged(bars_with_values(), "Among women, 62% favor the library.").findings[0].verdict == "supported"
    swapped = judged(bars_with_values(), "Among men, 71% favor the library.").findings[0]
    assert (swapped.verdict, swapped.error) == ("hallucinated", "label")
    trend = judged(line_over_years(), "The share of households with a landline increased between 2000 and 2015.").findings[0]
    assert (trend.verdict, trend.error) == ("hallucinated", "trend")
    assert judged(photograph(), "About 40% of the visitors came in 2010.").state == "abstained"

"""What is recovered of drawn charts: values with labels, axes, measured marks; and which pictures are none."""

from __future__ import annotations

import pytest

from detectors.charting.association import Association
from detectors.charting.axes import value_axis, year_axis
from detectors.charting.chart import Cell, Chart
from detectors.charting.checking import agrees
from detectors.charting.layout import arrange, factor_of, numbers_of, years_of
from detectors.charting.recover import not_a_chart, recover
from detectors.charting.words import Vocabulary, alike, stem, words
from detectors.claims.charts import Stated
from detectors.reading.lines import Line
from tests.detectors.charts_drawn import Sketch, bars_on_an_axis, bars_with_values, line_over_years, photograph, receipt


def chart_of(sketch: Sketch) -> Chart:
    return recover(sketch.reading(), sketch.image)


def line(text: str, x: float = 0.1, y: float = 0.1, width: float = 0.1) -> Line:
    return Line(text, 0.99, (x, y, width, 0.03))


def labels_of(cell: Cell) -> set[str]:
    return {context.text for context in cell.contexts}


def test_a_printed_value_gets_the_label_of_its_row_and_the_heading_of_its_colour() -> None:
    cells = {cell.value: cell for cell in chart_of(bars_with_values()).printed}
    assert set(cells) == {62, 31, 48, 44, 71, 22}
    assert {"Women", "Favor"} <= labels_of(cells[62])
    assert {"Women", "Oppose"} <= labels_of(cells[31])
    assert {"Retired", "Oppose"} <= labels_of(cells[22])
    assert "Favor" not in {context.text for context in cells[44].contexts if context.how == "colour"}


def test_the_title_and_the_note_are_no_labels() -> None:
    chart = chart_of(bars_with_values())
    assert [block.text for block in chart.title] == ["Support for the new library"]
    assert [line.text for line in chart.notes] == ["Source: Survey of adults, May 2020."]
    assert {block.text for block in chart.blocks} == {"Favor", "Oppose", "Women", "Men", "Retired"}


def test_bars_without_values_are_measured_against_their_axis() -> None:
    chart = chart_of(bars_on_an_axis())
    assert chart.value_axis is not None
    assert chart.value_axis.span == 80
    measured = {next(iter(labels_of(cell))): cell for cell in chart.measured}
    for name, value in (("Apples", 40), ("Pears", 25), ("Plums", 75), ("Cherries", 60)):
        assert measured[name].value == pytest.approx(value, abs=max(1.5, measured[name].uncertainty))
        assert 0 < measured[name].uncertainty < 3
    assert chart.printed == ()


def test_a_line_is_measured_at_every_year_of_its_time_axis() -> None:
    chart = chart_of(line_over_years())
    assert chart.year_axis is not None
    by_year = {cell.year: cell.value for cell in chart.measured}
    assert set(by_year) == set(range(2000, 2016))
    assert by_year[2000] == pytest.approx(60, abs=2)
    assert by_year[2010] == pytest.approx(35, abs=2)
    assert by_year[2015] == pytest.approx(22, abs=2)


def test_drawn_charts_are_charts_and_other_pictures_are_not() -> None:
    assert not_a_chart(chart_of(bars_with_values())) is None
    assert not_a_chart(chart_of(bars_on_an_axis())) is None
    assert not_a_chart(chart_of(line_over_years())) is None
    assert "too many colours" in str(not_a_chart(chart_of(photograph())))
    assert "no bars" in str(not_a_chart(chart_of(receipt())))
    assert "hardly any text" in str(not_a_chart(chart_of(Sketch("Nothing"))))


def test_values_in_a_column_are_no_axis_when_each_has_its_label() -> None:
    rows = [(name, 30 - 10 * number) for number, name in enumerate(("Bread", "Milk", "Tea"))]
    lines = [
        piece for n, (name, value) in enumerate(rows) for piece in (line(name, 0.1, 0.3 + 0.1 * n), line(str(value), 0.5, 0.3 + 0.1 * n))
    ]
    layout = arrange(lines)
    assert value_axis(layout.numbers, layout.labels) is None


def test_an_axis_needs_even_steps() -> None:
    ticks = [line(text, 0.05, 0.2 + 0.1 * n, 0.05) for n, text in enumerate(("80", "60", "40", "20", "0"))]
    found = value_axis(arrange(ticks).numbers, ())
    assert found is not None
    assert found[0].at(0.215) == pytest.approx(80)
    uneven = [line(text, 0.05, 0.2 + 0.1 * n, 0.05) for n, text in enumerate(("81", "57", "44", "13", "2"))]
    assert value_axis(arrange(uneven).numbers, ()) is None


def test_years_are_ticks_of_time_and_never_values() -> None:
    ticks = [line(text, 0.1 + 0.2 * n, 0.9) for n, text in enumerate(("2000", "'05", "2010"))]
    layout = arrange(ticks)
    assert layout.numbers == ()
    axis = year_axis(layout.years)
    assert axis is not None
    assert [value for _, value in axis.ticks] == [2000, 2005, 2010]
    assert [year.value for year in years_of(line("1999 2000 01 02"))] == [1999, 2000, 2001, 2002]


@pytest.mark.parametrize(
    ("text", "values", "label"),
    [
        ("62%", [62], None),
        ("<1", [1], None),
        ("$3.5", [3.5], None),
        ("18 10", [18, 10], None),
        ("YouTube 73%", [73], "YouTube"),
        ("69 Rep.", [69], "Rep."),
        ("18-29", [], "18-29"),
        ("<$30,000", [], "<$30,000"),
        ("April 29-May 5", [], "April 29-May 5"),
        ("Born after 1995", [], "Born after 1995"),
    ],
)
def test_numbers_are_told_from_labels(text: str, values: list[float], label: str | None) -> None:
    found, rest = numbers_of(line(text))
    assert [number.value for number in found] == values
    assert (rest.text if rest else None) == label


def test_what_values_are_counted_in_is_read_from_the_title() -> None:
    assert factor_of("Exports in billion U.S. dollars") == 10**9
    assert factor_of("In millions") == 10**6
    assert factor_of("% who agree") == 1


@pytest.mark.parametrize(
    ("stated", "cell", "how"),
    [
        (Stated(62, (0, 3), "%"), Cell(62, (0, 0, 1, 1)), "printed"),
        (Stated(61, (0, 3), "%"), Cell(62, (0, 0, 1, 1)), None),
        (Stated(62, (0, 3), "%"), Cell(61.6, (0, 0, 1, 1)), "rounded"),
        (Stated(90, (0, 3), "%", approx=True), Cell(89, (0, 0, 1, 1), "%"), "rounded"),
        (Stated(90, (0, 3), "%", approx=True), Cell(81, (0, 0, 1, 1), "%"), None),
        (Stated(66.7, (0, 3), "%", approx=True, worded=True), Cell(64, (0, 0, 1, 1), "%"), "rounded"),
        (Stated(2.3, (0, 3), None, 1e6, 1), Cell(2_310_000, (0, 0, 1, 1)), "rounded"),
        (Stated(40, (0, 3)), Cell(41, (0, 0, 1, 1), measured=True, uncertainty=1.2), "measured"),
        (Stated(40, (0, 3)), Cell(55, (0, 0, 1, 1), measured=True, uncertainty=1.2), None),
    ],
)
def test_rounding_and_measuring_have_their_limits(stated: Stated, cell: Cell, how: str | None) -> None:
    assert agrees(stated, cell, Chart(cells=(cell,))) == how


def test_words_near_a_number_point_to_its_cell() -> None:
    chart = chart_of(bars_with_values())
    association = Association(chart)
    text = "Among women 62% favor it, among men 48%."
    at, other = text.index("62"), text.index("48")
    strengths = association.strengths(association.nearness(text, other, [at]))
    assert chart.cells[strengths.index(max(strengths))].value == 48


def test_words_are_compared_by_stem_and_short_form() -> None:
    assert words("The Republicans said") == ["republican"]
    assert alike(stem("conservatives"), stem("Conserv"))
    assert not alike(stem("women"), stem("men"))
    vocabulary = Vocabulary(["Rep/Lean Rep", "ORCHARDLANE", "United States"])
    assert vocabulary.has(stem("Republicans"))
    assert vocabulary.has("orchard")
    assert vocabulary.has(words("the U.S.")[0])
    assert not vocabulary.has("giraffe")

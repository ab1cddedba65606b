"""Marks measured off drawn charts without printed values: series of a legend, lines, rows, pies, decades; and what is decided from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from detectors.charting.association import Association
from detectors.charting.axes import value_axis
from detectors.charting.chart import Cell, Chart, Context
from detectors.charting.comparisons import compared
from detectors.charting.directions import series_direction
from detectors.charting.layout import arrange, numbers_of
from detectors.charting.legend import entries_of, names_of
from detectors.charting.recover import not_a_chart, recover
from detectors.charting.turned import with_turned
from detectors.claims.charts import numbers, relations
from detectors.reading.lines import Line
from tests.detectors.charts_drawn import (
    BLUE,
    ORANGE,
    Sketch,
    bars_on_an_axis,
    columns_in_decades,
    countries,
    line_over_years,
    pie,
    rows_on_an_axis,
    two_series,
)


def chart_of(sketch: Sketch) -> Chart:
    return recover(sketch.reading(), sketch.image)


def measured(chart: Chart, *labels: str) -> float:
    """The one measured value with exactly these labels among its own."""
    (cell,) = [cell for cell in chart.measured if set(labels) <= {context.text for context in cell.contexts}]
    return cell.value


def direction(text: str, sketch: Sketch) -> int:
    association = Association(chart_of(sketch))
    return series_direction(text, numbers(text), relations(text), association)[0]


def holds(text: str, chart: Chart) -> int | None:
    decided = compared(text, Association(chart))
    return decided.holds if decided else None


def test_rows_are_measured_against_an_axis_below_them() -> None:
    chart = chart_of(rows_on_an_axis())
    for name, value in (("Ash", 30), ("Birch", 70), ("Cedar", 55), ("Elm", 12)):
        assert measured(chart, name) == pytest.approx(value, abs=1)


@pytest.mark.parametrize(("kind", "place"), [("bars", "Leeds"), ("lines", "2004")])
def test_series_get_their_names_from_the_legend(kind: str, place: str) -> None:
    chart = chart_of(two_series(kind))
    assert measured(chart, place, "Museum") == pytest.approx(62, abs=1)
    assert measured(chart, place, "Castle") == pytest.approx(35, abs=1)


def test_axis_grid_and_legend_are_no_marks() -> None:
    chart = chart_of(two_series())
    assert len(chart.measured) == 8
    assert min(cell.value for cell in chart.measured) > 8


def test_a_bar_whose_name_was_not_read_is_measured_without_a_name() -> None:
    sketch = bars_on_an_axis()
    sketch.lines = [line for line in sketch.lines if line.text != "Plums"]
    nameless = [cell for cell in chart_of(sketch).measured if not cell.contexts]
    assert [cell.value for cell in nameless] == [pytest.approx(75, abs=1.5)]


@pytest.mark.parametrize("hole", [False, True])
@pytest.mark.parametrize("legend", [False, True])
def test_slices_of_a_pie_are_measured_and_named(legend: bool, hole: bool) -> None:
    chart = chart_of(pie(legend=legend, hole=hole))
    assert not_a_chart(chart) is None
    assert len(chart.measured) == 4
    for name, share in (("Coal", 45), ("Gas", 25), ("Wind", 20), ("Solar", 10)):
        assert measured(chart, name) == pytest.approx(share, abs=0.7)
    assert all(0 < cell.uncertainty < 1.5 and cell.unit == "%" for cell in chart.measured)


def test_a_filled_square_is_no_pie() -> None:
    sketch = Sketch("A square")
    sketch.draw.rectangle((200, 120, 520, 440), fill=BLUE)
    sketch.draw.rectangle((200, 120, 360, 440), fill=ORANGE)
    sketch.write("One", 560, 200)
    sketch.write("Two", 560, 300)
    assert chart_of(sketch).measured == ()


def test_a_logarithmic_axis_is_calibrated_in_decades() -> None:
    chart = chart_of(columns_in_decades())
    assert chart.value_axis is not None
    assert chart.value_axis.log
    for name, value in (("Alpha", 20), ("Beta", 450), ("Gamma", 6000)):
        assert measured(chart, name) == pytest.approx(value, rel=0.06)
    small, large = sorted(chart.measured, key=lambda cell: cell.value)[:: len(chart.measured) - 1]
    assert large.uncertainty > 50 * small.uncertainty


def test_powers_of_ten_are_read_as_ticks() -> None:
    assert [numbers_of(Line(text, 0.9, (0.1, 0.1, 0.05, 0.03)))[0][0].value for text in ("10³", "10^⁴", "10^5")] == [1e3, 1e4, 1e5]


def test_uneven_values_in_a_column_are_no_decades() -> None:
    lines = [Line(text, 0.99, (0.5, 0.1 + 0.1 * row, 0.04, 0.03)) for row, text in enumerate(("5000", "700", "30"))]
    layout = arrange(lines)
    assert value_axis(layout.numbers, layout.labels) is None


def test_a_large_area_is_not_taken_for_the_paper() -> None:
    sketch = line_over_years()
    sketch.draw.polygon([(120, 460), (120, 190), (690, 361), (690, 460)], fill=BLUE)
    chart = chart_of(sketch)
    by_year = {cell.year: cell.value for cell in chart.measured}
    assert by_year[2000] == pytest.approx(60, abs=2)
    assert by_year[2015] == pytest.approx(22, abs=2)


def test_a_hollow_swatch_names_its_line_and_a_bar_beside_a_name_is_no_swatch() -> None:
    sketch = Sketch("Legend")
    sketch.draw.ellipse((100, 104, 114, 118), outline=BLUE, width=2)
    sketch.write("Blue line", 122, 100)
    sketch.draw.rectangle((20, 180, 330, 300), fill=ORANGE)
    sketch.write("Bar", 338, 230)
    from detectors.charting.colours import lab_of

    lab = lab_of(sketch.image)
    entries = entries_of(sketch.lines[1:], lab, (100.0, 0.0, 0.0))
    assert [entry.text for entry in entries] == ["Blue line"]
    blue = lab_of(Image.new("RGB", (1, 1), BLUE))[0, 0]
    assert names_of((float(blue[0]), float(blue[1]), float(blue[2])), entries, (100.0, 0.0, 0.0)) == ["Blue line"]


class SideReader:
    """Reads a piece well when its line runs from left to right: dark on the left, light on the right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pieces = 0

    def lines_of(self, image: Any, page: int = 1) -> list[Line]:
        raise AssertionError("nothing here was read turned")

    def recognise(self, pieces: Sequence[Any]) -> list[tuple[str, float]]:
        self.pieces += len(pieces)
        return [(self.text, 0.98) if piece[:, : piece.shape[1] // 3].mean() < piece.mean() - 20 else ("Xx", 0.3) for piece in pieces]


def test_print_on_its_side_is_read_again_where_it_stands() -> None:
    pixels = np.full((200, 400, 3), 255, np.uint8)
    # Print that runs upwards begins at the bottom.
    pixels[160:180, 100:112] = 0
    upright, tall = Line("Title", 0.99, (0.1, 0.05, 0.3, 0.08)), Line("Gmary", 0.8, (0.25, 0.6, 0.03, 0.3))
    lines = with_turned([upright, tall], SideReader("Germany"), Image.fromarray(pixels), 1)
    assert [line.text for line in lines] == ["Title", "Germany"]
    assert lines[1].region == tall.region


def test_an_unsure_line_beside_print_on_its_side_is_read_upright() -> None:
    pixels = np.full((200, 400, 3), 255, np.uint8)
    pixels[20:30, 20:26] = 0
    unsure, tall = Line("06", 0.5, (0.05, 0.1, 0.05, 0.05)), Line("Gmary", 0.8, (0.25, 0.6, 0.03, 0.3))
    lines = with_turned([unsure, tall], SideReader("90"), Image.fromarray(pixels), 1)
    assert [line.text for line in lines] == ["90", "Gmary"]


def test_a_picture_without_print_on_its_side_is_not_read_twice() -> None:
    reader = SideReader("")
    line = Line("Title", 0.5, (0.1, 0.05, 0.3, 0.08))
    assert with_turned([line], reader, Image.new("RGB", (400, 200)), 1) == (line,)
    assert reader.pieces == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The share of households fell from 2000 to 2015.", 1),
        ("The share of households rose from 2000 to 2015.", -1),
        ("The share of households has declined since 2005.", 1),
        ("The share of households has grown since 2005.", -1),
        ("The share of households rose until 2010.", -1),
        ("The share of households rose in 2010.", 0),
    ],
)
def test_a_direction_is_decided_over_the_stretch_it_is_claimed_for(text: str, expected: int) -> None:
    assert direction(text, line_over_years()) == expected


def test_a_change_within_the_uncertainty_is_no_direction() -> None:
    flat = line_over_years(((2000, 40), (2005, 42), (2010, 39), (2015, 40.5)))
    assert direction("The share of households rose from 2000 to 2015.", flat) == 0
    assert direction("The share of households fell from 2000 to 2015.", flat) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("More apples than pears were sold.", 1),
        ("The tons of pears were higher than those of plums.", -1),
        ("Sales of pears were lower than sales of plums.", 1),
        ("Plums exceeded cherries.", 1),
        ("More than 40 tons of plums were sold.", None),
        ("Apples sold better than bread.", None),
    ],
)
def test_a_comparison_is_decided_where_both_sides_are_on_the_chart(text: str, expected: int | None) -> None:
    assert holds(text, chart_of(bars_on_an_axis())) == expected


def test_a_comparison_within_the_uncertainty_is_not_decided() -> None:
    close = chart_of(bars_on_an_axis((("Apples", 40), ("Pears", 39.7), ("Plums", 75), ("Cherries", 60))))
    assert holds("More apples than pears were sold.", close) is None


def test_a_comparison_of_two_groups_holds_only_where_all_measures_agree() -> None:
    def cell(value: float, *labels: str) -> Cell:
        return Cell(value, (0.1, 0.1, 0.1, 0.1), contexts=tuple(Context(label, 1.0, "row") for label in labels))

    def chart(values: Sequence[float]) -> Chart:
        first, second, third, fourth = values
        cells = (cell(first, "Women", "Trust"), cell(second, "Women", "Fear"), cell(third, "Men", "Trust"), cell(fourth, "Men", "Fear"))
        return Chart(cells=cells)

    assert holds("Women report higher values than men.", chart((60, 40, 50, 30))) == 1
    assert holds("Women report higher values than men.", chart((60, 20, 50, 30))) is None
    assert holds("Women have more trust than men.", chart((60, 20, 50, 30))) == 1
    assert holds("Men have more trust than women.", chart((60, 20, 50, 30))) == -1


@pytest.mark.parametrize("names", ["upright", "slant"])
@pytest.mark.parametrize("ticks", [tuple(range(0, 100, 10)), (90, 80, 60, 40, 30, 20, 0), (90, 80, 70, 20)])
def test_columns_are_measured_down_to_zero_whichever_ticks_were_read(ticks: tuple[int, ...], names: str) -> None:
    chart = chart_of(countries(ticks, names))
    for name, value in (("Germany", 83), ("France", 67), ("Italy", 59), ("Spain", 47), ("Poland", 38)):
        assert measured(chart, name) == pytest.approx(value, abs=1)


def test_columns_on_an_axis_that_begins_above_zero_have_the_value_of_their_tip() -> None:
    chart = chart_of(countries(tuple(range(30, 100, 10)), from_=30))
    assert measured(chart, "Germany") == pytest.approx(83, abs=1)
    assert measured(chart, "Poland") == pytest.approx(38, abs=1)


def test_names_between_the_columns_are_given_to_none() -> None:
    assert chart_of(countries(names="between")).measured == ()


def test_an_axis_that_cannot_be_made_out_leaves_nothing_to_check() -> None:
    chart = chart_of(countries((90, 50)))
    assert chart.value_axis is None
    assert "scale could not be made out" in (not_a_chart(chart) or "")


def test_a_tick_read_wrongly_is_no_value() -> None:
    sketch = countries()
    sketch.lines = [replace(line, text="08") if line.text == "80" else line for line in sketch.lines]
    chart = chart_of(sketch)
    assert chart.printed == ()
    assert measured(chart, "Germany") == pytest.approx(83, abs=1)


class WholeReader(SideReader):
    """Reads a picture without print on its side as one line."""

    def lines_of(self, image: Any, page: int = 1) -> list[Line]:
        pixels = np.asarray(image)
        self.painted = bool((pixels[120:182, 100:112] == 255).all())
        return [Line("80", 0.99, (0.05, 0.1, 0.05, 0.05), page)]


def test_a_page_read_on_its_side_is_read_again_upright_without_the_print_that_is() -> None:
    pixels = np.full((200, 400, 3), 255, np.uint8)
    pixels[160:180, 100:112] = 0
    # Read from the bottom upwards, as on a page that lies on its side.
    upside_down = Line("08", 0.95, (0.05, 0.1, 0.05, 0.05), 1, ((0.05, 0.15), (0.05, 0.1), (0.1, 0.1), (0.1, 0.15)))
    tall = Line("Gmary", 0.8, (0.25, 0.6, 0.03, 0.3))
    reader = WholeReader("Germany")
    lines = with_turned([upside_down, tall], reader, Image.fromarray(pixels), 1)
    assert sorted(line.text for line in lines) == ["80", "Germany"]
    assert reader.painted

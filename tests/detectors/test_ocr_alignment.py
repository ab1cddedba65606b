"""Names, amounts and dates held against what a reader found: tolerant of reading errors, not of one changed digit."""

from __future__ import annotations

import itertools

import pytest

from detectors.claims.values import find
from detectors.contract import Claim
from detectors.reading.alignment import align
from detectors.reading.comparison import compare, compare_text
from detectors.reading.lines import Line, Reading, rows_of
from detectors.reading.printed import mend, printed, role_of
from detectors.reading.readers import ReadingCache
from detectors.reading.spotting import Box, windows

SUPPORTED, WRONG = 0.45, 0.6


def page(*rows: str, confidence: float = 0.98) -> Reading:
    """A reading with one row a string; `` | `` parts the lines of a row."""
    lines = []
    for number, row in enumerate(rows):
        cells = row.split(" | ")
        for column, text in enumerate(cells):
            lines.append(Line(text, confidence, (column / len(cells), 0.02 + number * 0.04, 0.9 / len(cells), 0.03)))
    return Reading(tuple(lines), "by hand")


RECEIPT = page(
    "WESTERN EASTERN",
    "STATIONERY SDN. BHD",
    "DATE: 11/04/2018 | 8:13 PM",
    "2 X 3.50 | 7.00",
    "PAPER | 45.15",
    "SUB TOTAL | 52.15",
    "ROUNDING ADJ | 0.05",
    "TOTAL (RM) | 52.20",
    "CASH | 60.00",
    "CHANGE | 7.80",
)


@pytest.fixture(autouse=True)
def _no_recogniser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detectors.claims.names._recognised", lambda text: [])


def claim(text: str) -> Claim:
    (found,) = find(text)
    return found


def raw(text: str, reading: Reading = RECEIPT) -> float:
    score = compare(claim(text), reading).raw
    assert score is not None
    return score


@pytest.mark.parametrize(
    "answer",
    [
        "Vendor: WESTERN EASTERN STATIONERY SDN BHD",
        "Vendor: Western Eastern Stationery",
        "Vendor: WESTERN EASTERN STATI0NERY S/B",
        "Date: 11 April 2018",
        "Date: 2018-04-11",
        "Date: 11.4.18",
        "Total: RM 52.20",
        "Total: 52,20",
        "The change was 7.80.",
        "It was printed at 20:13 there.",
    ],
)
def test_what_is_printed_is_near_whatever_its_format(answer: str) -> None:
    assert raw(answer) < SUPPORTED


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("Vendor: GOLDEN EASTERN STATIONERY SDN BHD", "WESTERN EASTERN STATIONERY SDN. BHD"),
        ("Vendor: WESTERN EASTERN HARDWARE SDN BHD", "EASTERN"),
        ("Date: 12/04/2018", "11/04/2018"),
        ("Date: 11 April 2017", "11/04/2018"),
        ("Total: RM 52.30", "52.20"),
        ("Total: RM 62.20", "52.20"),
        ("The change was 7.30.", "7.80"),
        ("It was printed at 9:13 PM there.", "20:13"),
    ],
)
def test_one_changed_digit_or_word_is_far_and_the_print_is_named(answer: str, shown: str) -> None:
    comparison = compare(claim(answer), RECEIPT)
    assert comparison.raw is not None
    assert comparison.raw > WRONG
    assert shown in comparison.quote
    assert comparison.lines


@pytest.mark.parametrize("answer", ["Total: RM 60.00", "Total: RM 45.15", "Total: RM 7.80", "Total: RM 7.00"])
def test_an_amount_printed_in_another_role_is_not_the_total(answer: str) -> None:
    comparison = compare(claim(answer), RECEIPT)
    assert comparison.raw is not None
    assert comparison.raw > WRONG
    assert (comparison.quote, comparison.note) == ("52.20", "as the total")


def test_a_total_before_a_printed_rounding_is_told_from_the_one_after_it() -> None:
    comparison = compare(claim("Total: RM 52.15"), RECEIPT)
    assert comparison.raw is not None
    assert comparison.raw > WRONG
    assert (comparison.quote, comparison.note) == ("52.20", "after rounding")


def test_an_unlabelled_total_is_no_alarm_when_no_total_is_read() -> None:
    assert raw("Total: RM 9.50", page("SHOP", "Tee | 9.50", "lal Indus | 9.50")) < SUPPORTED


@pytest.mark.parametrize(
    ("answer", "row"),
    [
        ("Total: RM 10.50", "TOTAL | 1O.5O"),
        ("Total: RM 31.00", "Total: | 3100"),
        ("Total: RM 31.00", "Tota1: | 31 .00"),
        ("Total: RM 15.90", "TOTAL RM | 1S.9O"),
        ("Date: 27 March 2018", "27032018 | No CS-20243"),
        ("Date: 05-02-18", "01:34PM | 0502-18"),
        ("Date: 20/03/2018", "DATE: | 20/03/201"),
        ("Date: 28 April 2018", "20180428/191204"),
    ],
)
def test_what_readers_do_to_numbers_is_forgiven(answer: str, row: str) -> None:
    assert raw(answer, page("SHOP", row)) < SUPPORTED


@pytest.mark.parametrize(
    ("answer", "row"), [("Date: 04-02-18", "01:34PM | 0502-18"), ("Date: 30/03/2018", "2703/2018"), ("Date: 11/04/18", "20180428")]
)
def test_a_torn_date_still_tells_another_day(answer: str, row: str) -> None:
    assert raw(answer, page("SHOP", row)) > WRONG


def test_a_bare_count_does_not_confirm_an_amount_with_decimals() -> None:
    assert raw("It says RM 7.00 somewhere", page("7 pcs", "Tea | 12.00")) > WRONG


@pytest.mark.parametrize(("answer", "reason"), [("Date: 1/2/2017", "no date"), ("Total: 5.00", "no number"), ("at 5:30 PM", "no time")])
def test_a_page_without_the_like_cannot_contradict(answer: str, reason: str) -> None:
    comparison = compare(claim(answer), page("hello", "world"))
    assert comparison.raw is None
    assert reason in comparison.reason


def test_a_name_split_over_two_lines_beside_another_column_is_found() -> None:
    reading = Reading(
        (
            Line("ACME", 0.99, (0.1, 0.10, 0.2, 0.03)),
            Line("Invoice 4711", 0.99, (0.6, 0.10, 0.3, 0.03)),
            Line("WIDGETS", 0.99, (0.1, 0.14, 0.2, 0.03)),
            Line("Page 1", 0.99, (0.6, 0.14, 0.3, 0.03)),
        ),
        "by hand",
    )
    found = compare_text("Acme Widgets", reading)
    assert found.raw is not None
    assert found.raw < SUPPORTED
    assert {line.text for line in found.lines} == {"ACME", "WIDGETS"}


def test_a_short_name_is_not_found_inside_other_words() -> None:
    assert raw("Vendor: CASTLE", page("CASHIER: ANN", "MASTER CARD", "ABC TRADING")) > WRONG


def test_a_changed_digit_in_a_reference_is_not_forgiven() -> None:
    reading = page("Invoice No: INV-20931")
    assert raw("The invoice number is INV-20931.", reading) < SUPPORTED
    assert raw("The invoice number is INV-20981.", reading) > WRONG


def test_nothing_alike_is_told_from_another_version() -> None:
    assert compare_text("QUANTUM BREWERY", RECEIPT).absent
    assert not compare_text("GOLDEN EASTERN STATIONERY", RECEIPT).absent


def test_alignment_of_nothing_is_none() -> None:
    assert align("—", RECEIPT) is None
    assert align("abc", Reading((), "by hand")) is None
    assert compare_text("abc", Reading((), "by hand")).raw is None


@pytest.mark.parametrize(
    ("label", "role"),
    [
        ("Total:", "total"),
        ("Grand Total (RM)", "total"),
        ("Total Sales (Inclusive GST) RM", "total"),
        ("Sub Total", "subtotal"),
        ("(Excluded GST) Sub Total (RM):", "subtotal"),
        ("Total Qty:", "count"),
        ("CHANGE", "change"),
        ("CASH", "tendered"),
        ("Rounding Adjustment", "rounding"),
        ("Total GST", "tax"),
        ("Tota1", "total"),
        ("Paper A4", None),
    ],
)
def test_words_before_an_amount_give_its_role(label: str, role: str | None) -> None:
    assert role_of(label) == role


def test_mending_leaves_words_alone() -> None:
    assert mend("SOLD BILL 1O.5O") == "SOLD BILL 10.50"
    assert mend("-.02") == "-0.02"
    assert mend("29/06/2018.8:26:57 AM") == "29/06/2018 8:26:57 AM"


def test_a_slanting_row_is_kept_together_and_pages_apart() -> None:
    row = [Line(str(number), 0.9, (0.2 * number, 0.1 + 0.008 * number, 0.15, 0.03)) for number in range(4)]
    other = Line("next page", 0.9, (0.0, 0.1, 0.1, 0.03), page=2)
    assert [[line.text for line in found] for found in rows_of([*row, other])] == [["0", "1", "2", "3"], ["next page"]]


def test_a_reading_knows_its_amounts_with_roles() -> None:
    assert [amount.text for amount in printed(RECEIPT).of_role("total")] == ["52.20"]


def test_a_long_till_roll_is_read_in_overlapping_windows() -> None:
    assert windows(800, 1200) == [Box(0, 0, 800, 1200)]
    parts = windows(500, 6000)
    assert len(parts) > 3
    assert (parts[0].top, parts[-1].bottom) == (0, 6000)
    assert all(later.top < earlier.bottom for earlier, later in itertools.pairwise(parts))
    assert {(part.left, part.right) for part in parts} == {(0, 500)}


def test_the_cache_reads_once_keeps_the_recent_and_forgets_failures() -> None:
    cache = ReadingCache(size=2)
    calls: list[str] = []

    def reader(name: str) -> Reading:
        calls.append(name)
        return page(name)

    for name in ("a", "a", "b", "a", "c", "b"):
        cache.get_or_read((name, "v1"), lambda name=name: reader(name))  # type: ignore[misc]
    assert calls == ["a", "b", "c", "b"]
    with pytest.raises(OSError):
        cache.get_or_read(("bad", "v1"), lambda: (_ for _ in ()).throw(OSError("gone")))
    cache.get_or_read(("bad", "v1"), lambda: reader("bad"))
    assert calls[-1] == "bad"

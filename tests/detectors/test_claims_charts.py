"""Statements about statistics: where they begin and end, and what is understood of them."""

from __future__ import annotations

import pytest

from detectors.claims import complete, extract
from detectors.claims.charts import Stated, describes_statistics, find
from detectors.contract import Claim

ANSWER = (
    "The chart shows support by party. Among Democrats, about 62% favor the law, while 35% oppose it.\n"
    "Support rose from 48% in 2010 to 55.5% in 2014. Republicans have the lowest share."
)


def numbers(text: str) -> tuple[Stated, ...]:
    (claim,) = find(f"{text}")
    found: tuple[Stated, ...] = claim.facts["numbers"]
    return found


def test_each_statement_is_one_claim_with_the_span_of_its_sentence() -> None:
    claims = find(ANSWER)
    assert [claim.text for claim in claims] == [
        "Among Democrats, about 62% favor the law, while 35% oppose it.",
        "Support rose from 48% in 2010 to 55.5% in 2014.",
        "Republicans have the lowest share.",
    ]
    assert all(claim.span and ANSWER[slice(*claim.span)] == claim.text and claim.kind == "trend" for claim in claims)


def test_values_years_hedges_and_relations_are_told_apart() -> None:
    first, second, third = find(ANSWER)
    assert [(n.value, n.unit, n.approx) for n in first.facts["numbers"]] == [(62, "%", True), (35, "%", False)]
    assert [(n.value, n.role, n.decimals) for n in second.facts["numbers"]] == [
        (48, "value", 0),
        (2010, "year", 0),
        (55.5, "value", 1),
        (2014, "year", 0),
    ]
    assert {"rise", "from-to"} <= set(second.facts["relations"])
    assert third.facts["relations"] == ("lowest",)
    assert third.facts["before"] == second.text
    assert first.facts["labels"] == ("Democrats",)


def test_spans_of_numbers_are_inside_their_claim() -> None:
    for claim in find(ANSWER):
        for stated in claim.facts["numbers"]:
            assert f"{stated.value:g}" in claim.text[slice(*stated.span)]


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("About two-thirds of adults agree, 12% do not.", 66.67),
        ("Six-in-ten adults agree, 12% do not.", 60.0),
        ("About half of adults agree, 12% do not.", 50.0),
        ("Seven out of ten adults agree, 12% do not.", 70.0),
        ("About a quarter of adults agree, 12% do not.", 25.0),
    ],
)
def test_shares_in_words_are_percentages(words: str, value: float) -> None:
    first = numbers(words)[0]
    assert first.worded
    assert first.approx
    assert first.unit == "%"
    assert first.value == pytest.approx(value, abs=0.01)


def test_a_rank_is_not_a_third() -> None:
    assert [n.value for n in numbers("Travel ranks third, after food with 12%.")] == [12]


def test_a_number_keeps_its_scale_apart() -> None:
    (stated,) = [n for n in numbers("Exports were $2.3 million in 2009, up 5%.") if n.scale > 1]
    assert (stated.value, stated.scale, stated.unit) == (2.3, 10**6, "$")


@pytest.mark.parametrize(
    ("words", "role"),
    [
        ("Adults ages 18-29 lead with 12%.", "label"),
        ("Those 65 and older follow with 12%.", "label"),
        ("It was taken on April 29 and shows 12%.", "date"),
        ("There are 4 categories, the first with 12%.", "count"),
    ],
)
def test_numbers_that_name_something_are_no_values(words: str, role: str) -> None:
    found = numbers(words)
    assert {n.role for n in found if n.value != 12} == {role}
    assert [n.role for n in found if n.value == 12] == ["value"]


def test_percentage_points_are_not_percent() -> None:
    assert [n.unit for n in numbers("The gap is 11 percentage points, with 40% on one side.")] == ["points", "%"]


@pytest.mark.parametrize(
    "text",
    [
        "Two dogs play on the beach while a man in a red shirt watches.",
        "The receipt from Orchard Lane Grocers totals 21.15.",
        "There are 3 people and 2 bicycles in front of the shop.",
        "",
    ],
)
def test_answers_that_report_no_statistics_have_no_statement(text: str) -> None:
    assert not describes_statistics(text)
    assert find(text) == []


def test_abbreviations_do_not_end_a_sentence() -> None:
    (claim,) = find("In the U.S. about 40% agree vs. 30% elsewhere.")
    assert claim.text == "In the U.S. about 40% agree vs. 30% elsewhere."


def test_list_marks_stay_outside_the_claim() -> None:
    text = "Key figures:\n- Women: 40% agree.\n2. Men: 30% agree."
    assert [claim.text for claim in find(text)] == ["Women: 40% agree.", "Men: 30% agree."]


def test_pictures_and_documents_are_read_for_statements_and_sound_is_not() -> None:
    text = "About 40% of women agree."
    assert [c.kind for c in extract(text, {"image"})].count("trend") == 1
    assert [c.kind for c in extract(text, {"pdf"})].count("trend") == 1
    assert "trend" not in [c.kind for c in extract(text, {"audio"})]


def test_a_callers_claim_is_completed_with_its_own_span() -> None:
    answer = "Well. About 40% of women agree."
    given = Claim("g", "About 40% of women agree.", None, "trend")
    (claim,) = complete([given], answer, {"image"})
    assert claim.span is not None
    assert answer[slice(*claim.span)] == "About 40% of women agree."
    (stated,) = claim.facts["numbers"]
    assert claim.text[slice(*stated.span)] == "40%"

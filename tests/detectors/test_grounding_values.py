"""Values of a text, whatever way they are written."""

from __future__ import annotations

import pytest

from detectors.grounding.values import Value, confirmed, find_values, known_values


def only(text: str) -> Value:
    (value,) = find_values(text)
    return value


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("47 servers", "forty-seven servers"),
        ("1.2k users", "1,200 users"),
        ("0.38 million euros", "EUR 380,000"),
        ("$3.1bn", "3.1 billion dollars"),
        ("12 September 2026", "12/09/2026"),
        ("June 3rd", "3 June 2026"),
        ("4 pm", "16:00"),
        ("noon", "12:00"),
        ("90 minutes", "an hour and a half"),
        ("1 hour 30 minutes", "1.5 hours"),
        ("15 percent", "15%"),
        ("two thirds", "67%"),
        ("half", "50 percent"),
        ("in 2026", "12 September 2026"),
        ("5 June", "3-5 June"),
        ("until 9:00", "until nine"),
    ],
)
def test_the_same_value_in_two_forms_is_equal(one: str, other: str) -> None:
    assert only(one).equals(only(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("47 minutes", "74 minutes"),
        ("EUR 830,000", "EUR 380,000"),
        ("3 June", "4 June"),
        ("4 pm", "5 pm"),
        ("Monday", "Tuesday"),
        ("15%", "51%"),
        ("May 2025", "May 2026"),
    ],
)
def test_another_value_of_one_kind_is_a_rival(one: str, other: str) -> None:
    assert only(one).rivals(only(other))


@pytest.mark.parametrize(
    ("one", "other"), [("47 minutes", "EUR 380"), ("3 June", "3 servers"), ("16 GB", "32 kg"), ("an hour", "47 minutes")]
)
def test_values_of_different_kinds_and_loose_ones_are_no_rivals(one: str, other: str) -> None:
    assert not only(one).rivals(only(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("about 380 thousand", "382,417"),
        ("nearly an hour", "55 minutes"),
        ("EUR 1.2 million", "EUR 1,187,300"),
        ("less than an hour", "47 minutes"),
        ("more than 200", "212"),
    ],
)
def test_an_approximation_may_stand_for_a_value(one: str, other: str) -> None:
    assert only(one).may_stand_for(only(other))


@pytest.mark.parametrize(
    ("one", "other"), [("about 380", "900"), ("1.2 million", "1.5 million"), ("less than 40", "47"), ("over 50", "over 60")]
)
def test_what_is_too_far_off_is_no_approximation(one: str, other: str) -> None:
    assert not only(one).may_stand_for(only(other))


def test_what_a_statement_works_out_is_marked() -> None:
    assert only("a total of 35 people").worked_out
    assert not only("there are 35 people").worked_out


def test_a_model_number_is_loose() -> None:
    assert all(value.loose for value in find_values("the A380 and COVID-19"))


def test_a_number_torn_apart_confirms_the_whole() -> None:
    assert any(only("1,056 matches").equals(other) for other in known_values("in charge of 1, 056 matches"))


def test_confirmed_places_include_the_word_that_makes_them_approximate() -> None:
    text = "It took nearly an hour and cost 9 euros."
    assert [text[slice(*span)] for span in confirmed(text, ["It took 55 minutes and 7 euros."])] == ["nearly an hour"]

"""Numbers written in words."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.claims.numerals import find_worded, value_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("twenty-five", 25),
        ("twenty one", 21),
        ("one hundred and twenty", 120),
        ("a hundred and five", 105),
        ("two thousand and nineteen", 2019),
        ("three and a half million", 3_500_000),
        ("half a million", 500_000),
        ("a dozen", 12),
        ("half a dozen", 6),
        ("two dozen", 24),
        ("1,250", 1250),
        ("oh", None),
        ("and", None),
        ("one or two", None),
        ("hundred", None),
        ("", None),
    ],
)
def test_a_number_in_words_has_one_value_or_none(text: str, value: float | None) -> None:
    assert value_of(text) == value


def test_each_number_of_a_text_is_found_where_it_stands() -> None:
    text = "Two and five, a cat and twenty-one dogs; not a thousand."
    assert [(text[slice(*one.span)], one.value) for one in find_worded(text)] == [
        ("Two", 2), ("five", 5), ("twenty-one", 21), ("a thousand", 1000),
    ]  # fmt: skip


WORDS = ["a", "an", "and", "half", "one", "five", "ten", "twenty", "hundred", "thousand", "million", "dozen", "oh", "-", ",", "dog"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join))
def test_spans_lie_in_the_text_in_order_and_values_are_positive_or_zero(text: str) -> None:
    found = find_worded(text)
    assert all(0 <= one.span[0] < one.span[1] <= len(text) and one.value >= 0 for one in found)
    assert all(first.span[1] <= second.span[0] for first, second in itertools.pairwise(found))


def test_a_long_run_of_number_words_costs_no_more_than_its_length() -> None:
    assert len(find_worded("and a " * 20_000 + "two")) == 1

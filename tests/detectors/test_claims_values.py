"""What an answer claims about a page: values, dates, names, visible words."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.claims.amounts import find_amounts
from detectors.claims.dates import find_dates, same_day
from detectors.claims.values import find
from detectors.contract import Claim


@pytest.fixture(autouse=True)
def _no_recogniser(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about the patterns; the recogniser has a test of its own."""
    monkeypatch.setattr("detectors.claims.names._recognised", lambda text: [])


def of_kind(text: str, kind: str) -> list[str]:
    return [claim.text for claim in find(text) if claim.kind == kind]


def only(text: str) -> Claim:
    claims = find(text)
    assert len(claims) == 1, claims
    return claims[0]


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("25/12/2018", ("2018-12-25",)),
        ("11.02.18", ("2018-02-11", "2018-11-02")),
        ("12/31/18", ("2018-12-31",)),
        ("2018-01-04", ("2018-01-04",)),
        ("22 December 2017", ("2017-12-22",)),
        ("8 May 2018", ("2018-05-08",)),
        ("May 8, 2018", ("2018-05-08",)),
        ("8th of May, 2018", ("2018-05-08",)),
        ("05-JAN-2017", ("2017-01-05",)),
        ("20/FEB/2017", ("2017-02-20",)),
        ("30MAR2018", ("2018-03-30",)),
        ("May 2018", ("2018-05",)),
        ("March 3", ("--03-03",)),
    ],
)
def test_dates_in_many_formats_are_read_with_their_possible_orders(text: str, days: tuple[str, ...]) -> None:
    (mention,) = find_dates(text)
    assert mention.days == days
    assert mention.text == text


@pytest.mark.parametrize("text", ["31/02/2018", "you may 3 times", "1.2.3.4", "12.50", "555-1234", "march on"])
def test_what_is_no_date_is_not_read_as_one(text: str) -> None:
    assert find_dates(text) == []


def test_a_date_glued_to_its_time_is_still_read() -> None:
    assert [date.days[0] for date in find_dates("[Sales]2018-01-0522:55:25 and 25/12/20188:13:39 PM")] == ["2018-01-05", "2018-12-25"]


def test_partial_days_match_what_they_leave_open() -> None:
    assert same_day("2018-05", "2018-05-08")
    assert same_day("--05-08", "2018-05-08")
    assert not same_day("2018-05-08", "2018-05-09")


@pytest.mark.parametrize(
    ("text", "value", "currency", "unit"),
    [
        ("RM 1,234.50", 1234.5, "MYR", None),
        ("RM12.00", 12.0, "MYR", None),
        ("€1.234,56", 1234.56, "EUR", None),
        ("52,10 EUR", 52.1, "EUR", None),
        ("$5m", 5e6, "$", None),
        ("US$3.2bn", 3.2e9, "USD", None),
        ("3.5 million USD", 3.5e6, "USD", None),
        ("45%", 45.0, None, "%"),
        ("12 per cent", 12.0, None, "%"),
        ("500 g", 500.0, None, "g"),
        ("5m", 5.0, None, "m"),
        ("-5.00", -5.0, None, None),
    ],
)
def test_amounts_are_read_with_currency_and_unit(text: str, value: float, currency: str | None, unit: str | None) -> None:
    (amount,) = find_amounts(text)
    assert (amount.values[0], amount.currency, amount.unit) == (value, currency, unit)


def test_a_comma_before_three_digits_keeps_both_readings() -> None:
    (amount,) = find_amounts("1,234")
    assert amount.values == (1234.0, 1.234)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Company: BOOK TA .K (TAMAN DAYA) SDN BHD\nDate: 25/12/2016", "BOOK TA .K (TAMAN DAYA) SDN BHD"),
        ("CARREFOUR RESTAURANT issued this receipt. It is dated 04-06-18.", "CARREFOUR RESTAURANT"),
        ("Meridian Lab Supplies sent this invoice on 18 June 2026.", "Meridian Lab Supplies"),
        ("The vendor is HOME MASTER HARDWARE & HOMES; the document is old.", "HOME MASTER HARDWARE & HOMES"),
        ("RM 20.00 was charged by Pasaraya Borong (M) Sdn. Bhd. on 23 March 2019.", "Pasaraya Borong (M) Sdn. Bhd."),
        ("It is from EIGHT OUNCE COFFEE CO., dated 24 April 2018.", "EIGHT OUNCE COFFEE CO."),
        ("A purchase was made at 99 SPEED MART S/B.", "99 SPEED MART S/B"),
        ("Acme Widgets, Inc. charged $1,234.50.", "Acme Widgets, Inc."),
        ("**Vendor:** Foo Bar Sdn. Bhd.\n**Total:** RM12.00", "Foo Bar Sdn. Bhd."),
        ("The invoice is from Globex GmbH and asks for €5.00.", "Globex GmbH"),
        ("The customer is John O'Neill, dated May 2018.", "John O'Neill"),
        ("Company: FAMILYMART. Date: 04-05-18.", "FAMILYMART"),
    ],
)
def test_names_are_taken_whole_with_their_own_punctuation(text: str, name: str) -> None:
    assert of_kind(text, "entity") == [name]


@pytest.mark.parametrize(
    "text",
    [
        "Two dogs lie on a sofa; 3 people sit behind them.",
        "There are 2 dogs and 1 cat in the picture [1].",
        "See Figure 3 and table 5, step 2.",
        "1. Open the door\n2) Close it\n3. Done",
        "A so-called 'smart' dog sleeps.",
        "",
        "This photo shows some chairs. It also includes a pizza.",
    ],
)
def test_descriptions_and_enumerations_claim_no_value(text: str) -> None:
    assert find(text) == []


def test_a_list_claims_its_values_but_not_its_numbering() -> None:
    assert of_kind("1. Milk - RM 3.50\n2. Bread - RM 4.20\n3) Eggs 12.00", "quantity") == ["RM 3.50", "RM 4.20", "12.00"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The sign says 'STOP' loudly.", ["STOP"]),
        ("The slide is titled “Quarterly Results”.", ["Quarterly Results"]),
        ('A bus labelled "City Tour" waits.', ["City Tour"]),
        ("The invoice number is INV-20931.", ["INV-20931"]),
        ("Phone: 07-386 7524.", ["07-386 7524"]),
    ],
)
def test_visible_words_and_reference_numbers_are_text_claims(text: str, words: list[str]) -> None:
    assert of_kind(text, "text") == words


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("Total: RM 9.00", "total"),
        ("the amount due is RM 60.00", "total"),
        ("the customer paid 54.50 in total", "total"),
        ("RM 589.75 was charged", "total"),
        ("The subtotal is 10.00", "subtotal"),
        ("the change was 9.40", "change"),
        ("It was paid with 20.00 in cash", "tendered"),
        ("VAT: 4.20", "tax"),
        ("We saw 17.50 there", None),
    ],
)
def test_the_answer_says_what_an_amount_is(text: str, role: str | None) -> None:
    assert only(text).facts["role"] == role


def test_rounded_and_reckoned_values_say_so() -> None:
    assert only("It is about 45% there").facts["approximate"] is True
    assert only("Sales rose by 12%").facts["derived"] is True
    plain = only("Sales were 12%")
    assert (plain.facts["approximate"], plain.facts["derived"]) == (False, False)


def test_a_date_claim_carries_its_day_and_both_orders() -> None:
    claim = only("It is dated 04/06/2018.")
    assert (claim.facts["date"], claim.facts["dates"]) == ("2018-06-04", ("2018-06-04", "2018-04-06"))


def test_times_of_day_become_24_hour_clock() -> None:
    assert only("It starts at 2:30 PM sharp").facts["clock"] == "14:30"


def test_numbers_inside_names_dates_and_references_are_not_claimed_twice() -> None:
    claims = find("Vendor: 99 SPEED MART S/B\nDate: 04-06-18\nInvoice no: 17664\nTotal: RM 31.80")
    assert [(claim.kind, claim.text) for claim in claims] == [
        ("entity", "99 SPEED MART S/B"),
        ("quantity", "04-06-18"),
        ("text", "17664"),
        ("quantity", "RM 31.80"),
    ]


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("abcXYZ 0123456789.,:/-$%€RM\n'\"()é中😀"), max_size=60))
def test_spans_are_exact_and_never_overlap_on_any_text(text: str) -> None:
    claims = find(text)
    for claim in claims:
        assert claim.span is not None
        assert text[slice(*claim.span)] == claim.text
        assert claim.text
    for first, second in itertools.pairwise(claims):
        assert first.span[1] <= second.span[0]  # type: ignore[index]


@pytest.mark.models
def test_the_recogniser_adds_names_no_pattern_leads_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    facts: dict[str, Any] = {
        claim.text: claim.facts["how"] for claim in find("We met Mary Smith of the United Nations there.") if claim.kind == "entity"
    }
    assert facts.get("Mary Smith") == "recogniser"


def test_a_pronoun_that_issues_something_is_no_name() -> None:
    assert find("We sent this invoice twice. They issued the receipt.") == []


@pytest.mark.parametrize(
    ("text", "words", "value", "currency", "unit"),
    [
        ("It costs twenty-five dollars.", "twenty-five dollars", 25, "$", None),
        ("The bill comes to one hundred and twenty euros.", "one hundred and twenty euros", 120, "EUR", None),
        ("The total is five dollars and fifty cents.", "five dollars and fifty cents", 5.5, "$", None),
        ("Sales were three and a half million dollars.", "three and a half million dollars", 3_500_000, "$", None),
        ("A discount of fifteen per cent was given.", "fifteen per cent", 15, None, "%"),
        ("The bag weighs twelve kilograms.", "twelve kilograms", 12, None, "kilograms"),
    ],
)
def test_numbers_in_words_are_values_before_a_currency_or_a_measure(
    text: str, words: str, value: float, currency: str | None, unit: str | None
) -> None:
    claim = only(text)
    assert claim.text == words
    assert claim.span == (text.index(words), text.index(words) + len(words))
    assert (claim.facts["value"], claim.facts["currency"], claim.facts["unit"]) == (value, currency, unit)


@pytest.mark.parametrize(
    "text", ["Two dogs and one cat.", "One piece of cake for two people.", "He waits two minutes.", "Oh no, a million thanks."]
)
def test_number_words_that_count_things_are_no_values(text: str) -> None:
    assert find(text) == []


def test_an_ordinal_is_a_value_that_the_answer_may_have_reckoned() -> None:
    claim = only("They celebrate the 21st anniversary.")
    assert (claim.text, claim.facts["value"], claim.facts["derived"]) == ("21st", 21.0, True)


@pytest.mark.parametrize(
    ("text", "negated"), [("The total is not RM 9.00.", True), ("It isn't $5.00.", True), ("The total is RM 9.00, not more.", False)]
)
def test_a_denied_value_says_so(text: str, negated: bool) -> None:
    assert only(text).facts["negated"] is negated


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("₹1,50,000 was paid.", 150_000),
        ("₹12,34,567.50", 1_234_567.5),
        ("Revenue was $2.3B.", 2.3e9),
        ("He got ₹2 crore.", 2e7),
        ("$3k", 3000),
    ],
)
def test_indian_groups_and_letters_for_scales_keep_their_value(text: str, value: float) -> None:
    assert find_amounts(text)[0].values[0] == value


def test_a_percentage_before_tax_is_the_tax_even_beside_a_total() -> None:
    assert [claim.facts["role"] for claim in find("The total is $12.50 and 15% tax was added.")] == ["total", "tax"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A phone number +60 3-1234 5678 is printed.", "+60 3-1234 5678"),
        ("The shop has tel 03 8076 6612 on it.", "03 8076 6612"),
    ],
)
def test_a_telephone_number_is_one_text(text: str, words: str) -> None:
    claim = only(text)
    assert (claim.kind, claim.text) == ("text", words)
    assert claim.span == (text.index(words), text.index(words) + len(words))


def test_a_number_glued_to_its_unit_is_never_cut() -> None:
    assert [claim.text for claim in find("The label says 500ml.")] == ["500ml"]

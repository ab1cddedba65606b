"""What an answer about a recording claims: quotes, stated times, spoken numbers."""

from __future__ import annotations

import pytest

from detectors.claims import extract
from detectors.claims.moments import clock_text, find_moments
from detectors.claims.quotes import find, find_in_video
from detectors.contract import Claim


def quotes(text: str) -> list[tuple[str, float | None, float | None]]:
    return [(c.facts["quote"], c.facts["start_s"], c.facts["end_s"]) for c in find(text) if c.kind == "quote"]


def digits(text: str) -> list[str]:
    return [c.facts["digits"] for c in find(text) if c.kind == "quantity"]


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ('She says "we ship on Monday".', "we ship on Monday"),
        ("She says “we ship on Monday”.", "we ship on Monday"),
        ("She says ‘it’s not ours’.", "it’s not ours"),
        ("She says 'don't go, Anna'.", "don't go, Anna"),
        ("Er sagt „bis morgen dann“ im Gespräch.", "bis morgen dann"),
        ("He says « bonjour à tous ».", "bonjour à tous"),
    ],
)
def test_every_style_of_quote_mark_is_read(text: str, quote: str) -> None:
    assert [found for found, _, _ in quotes(text)] == [quote]


@pytest.mark.parametrize(
    ("phrase", "start", "end"),
    [
        ("at about 0:04", 4.0, None),
        ("Around 1:02:03", 3723.0, None),
        ("at 12 seconds", 12.0, None),
        ("from 0:10 to 0:15", 10.0, 15.0),
        ("at [00:12]", 12.0, None),
        ("(0:12–0:14)", 12.0, 14.0),
        ("at the 95 second mark", 95.0, None),
        ("2 minutes 5 seconds in", 125.0, None),
        ("between 3 and 7 seconds", 3.0, 7.0),
        ("at 0:12.5", 12.5, None),
    ],
)
def test_every_way_of_stating_a_time_is_read(phrase: str, start: float, end: float | None) -> None:
    assert quotes(f'{phrase} the speaker says "we ship on Monday".') == [("we ship on Monday", start, end)]


@pytest.mark.parametrize("phrase", ["at 3:00 pm", "for 12 seconds", "in a 30-second clip", "at gate 12", "with a ratio of 1:2"])
def test_times_of_day_lengths_and_other_numbers_are_no_places_in_the_recording(phrase: str) -> None:
    assert quotes(f'The caller says "hello to all of you" {phrase}.') == [("hello to all of you", None, None)]


def test_an_approximate_time_is_marked() -> None:
    about, exact = find('At about 0:04 he says "we ship it". At 0:09 he says "we do not".')
    assert about.facts["approximate"] is True
    assert exact.facts["approximate"] is False


def test_the_claim_spans_the_sentence_and_the_quote_keeps_its_own_span() -> None:
    text = 'It is short. At 0:04 one hears "ten of clubs". Then it ends.'
    (claim,) = find(text)
    assert claim.text == 'At 0:04 one hears "ten of clubs".'
    assert text[slice(*(claim.span or (0, 0)))] == claim.text
    assert text[slice(*claim.facts["quote_span"])] == "ten of clubs"
    assert text[slice(*claim.facts["time_span"])] == "0:04"


def test_each_quote_of_a_sentence_gets_its_own_time() -> None:
    text = 'At 0:02 she says "we are late" and at 0:09 he answers "no, we are not".'
    assert quotes(text) == [("we are late", 2.0, None), ("no, we are not", 9.0, None)]
    first, second = find(text)
    assert (first.span or (0, 0))[1] <= (second.span or (0, 0))[0]


def test_a_single_time_goes_to_the_quote_beside_it() -> None:
    assert quotes('She says "we are late", and later, at 0:09, "no".') == [("we are late", None, None), ("no", 9.0, None)]


def test_marks_inside_a_quote_do_not_end_the_sentence() -> None:
    assert quotes('At 0:05 he says "Stop. Wait! Now 3.5 go" and leaves.') == [("Stop. Wait! Now 3.5 go", 5.0, None)]


def test_a_mark_before_the_closing_quote_ends_the_sentence() -> None:
    assert quotes('At 0:05 he says "it is over." At 0:09 she says "it is not."') == [("it is over.", 5.0, None), ("it is not.", 9.0, None)]


def test_transcript_lines_are_quotes_without_marks() -> None:
    text = "[00:12] Laura: Your order number is 47192.\n[0:15] - we are done here"
    assert quotes(text) == [("Your order number is 47192.", 12.0, None), ("we are done here", 15.0, None)]


def test_a_single_quoted_word_without_speech_is_irony_or_a_name() -> None:
    assert find('The so-called "hub" is small.') == []
    assert quotes('The caller says "yes".') == [("yes", None, None)]


def test_words_on_a_sign_are_not_speech() -> None:
    assert quotes('The sign in the picture reads "closed until further notice".') == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The caller gives the number 5 6 7 5 9 5 3.", "5675953"),
        ("The number read out is 0 5 7 4 5 9.", "057459"),
        ("The account number given on the call is 47192.", "47192"),
        ("Her phone number is 555-0134.", "5550134"),
        ("The caller gives five six seven nine.", "5679"),
        ("The agent promises $85.00 by Friday.", "85"),
        ("The agent says 1,200 dollars are owed.", "1200"),
    ],
)
def test_spoken_numbers_are_quantities_with_their_digits(text: str, number: str) -> None:
    assert digits(text) == [number]


def test_the_span_of_a_number_is_the_number_alone() -> None:
    text = "The caller gives the number 5 6 7 5."
    (claim,) = find(text)
    assert claim.text == "5 6 7 5"


@pytest.mark.parametrize(
    "text",
    [
        "The meeting was held in 2024 by the caller.",
        "Three people speak on the call.",
        "The weather is 20 today.",
        "The call lasts 5 minutes.",
    ],
)
def test_years_counts_and_lengths_are_not_numbers_said(text: str) -> None:
    assert digits(text) == []


def test_numbers_in_a_quote_and_in_a_time_are_not_claimed_twice() -> None:
    assert [claim.kind for claim in find('At 10:15 the caller says "my number is 5 6 7 8".')] == ["quote"]


def test_reported_speech_about_a_video_is_a_statement_here_and_about_a_recording_with_all_statements() -> None:
    text = "She says that the refund is on its way."
    (claim,) = find_in_video(text)
    assert claim.kind == "statement"
    assert find(text) == []
    assert [claim.kind for claim in extract(text, {"audio"})] == ["statement"]


def test_text_without_claims_yields_none() -> None:
    assert find("") == []
    assert find("It is quiet.") == []
    assert find('""') == []


def test_claims_come_in_reading_order() -> None:
    found: list[Claim] = find('The caller gives 5 6 7 5. At 0:04 he says "that is all of it".')
    assert [claim.kind for claim in found] == ["quantity", "quote"]


def test_spans_of_moments_count_from_the_offset() -> None:
    (moment,) = find_moments("at 0:12", offset=100)
    assert moment.span == (103, 107)


def test_places_in_a_recording_are_written_as_people_write_them() -> None:
    assert [clock_text(seconds) for seconds in (0, 9.9, 75, 3723)] == ["0:00", "0:09", "1:15", "1:02:03"]

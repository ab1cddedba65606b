"""Who is said to speak when: forms of minutes, transcripts and prose."""

from __future__ import annotations

import pytest

from detectors.claims.speakers import find, plain_name


def turns(text: str) -> list[tuple[str, float, float | None]]:
    return [(c.facts["speaker"], c.facts["start_s"], c.facts["end_s"]) for c in find(text)]


@pytest.mark.parametrize(
    ("text", "turn"),
    [
        ("Speaker A talks from 0:03 to 0:07.", ("Speaker A", 3.0, 7.0)),
        ("From 0:03 to 0:07 the speaker is Speaker B.", ("Speaker B", 3.0, 7.0)),
        ("At 0:12 Bob says the budget is fine.", ("Bob", 12.0, None)),
        ("At 0:12, the customer asks for a refund.", ("customer", 12.0, None)),
        ('The agent says "We will refund" at 0:07.', ("agent", 7.0, None)),
        ("Between 0:12 and 0:15, Dr. Miller explains the plan.", ("Dr. Miller", 12.0, 15.0)),
        ("The voice at 0:12 belongs to Maria Gonzalez.", ("Maria Gonzalez", 12.0, None)),
        ("From 0:05 to 0:09, it is Bob who speaks.", ("Bob", 5.0, 9.0)),
        ("Bob is heard between 5 and 9 seconds.", ("Bob", 5.0, 9.0)),
        ("Alice (0:03–0:07): we ship on Monday.", ("Alice", 3.0, 7.0)),
        ("1. Alice (0:03–0:07): we ship on Monday.", ("Alice", 3.0, 7.0)),
        ("SPEAKER_00 [0:05-0:09]: hello there", ("SPEAKER_00", 5.0, 9.0)),
        ("0:05 - 0:10 Speaker 2: hi", ("Speaker 2", 5.0, 10.0)),
        ("**Bob** (0:12): hello", ("Bob", 12.0, None)),
    ],
)
def test_a_turn_is_read_in_the_forms_people_write_it(text: str, turn: tuple[str, float, float | None]) -> None:
    assert turns(text) == [turn]


def test_a_line_of_a_transcript_lasts_until_the_next_one() -> None:
    text = "[00:12] Ann: we ship it\n[00:15] Bob Smith: good\n[0:20] Ann: bye"
    assert turns(text) == [("Ann", 12.0, 15.0), ("Bob Smith", 15.0, 20.0), ("Ann", 20.0, None)]


def test_two_speakers_of_one_sentence_keep_their_own_times_and_spans() -> None:
    text = "Alice speaks from 0:00 to 0:05 and Bob from 0:05 to 0:09."
    assert turns(text) == [("Alice", 0.0, 5.0), ("Bob", 5.0, 9.0)]
    assert [text[slice(*(claim.span or (0, 0)))] for claim in find(text)] == ["Alice speaks from 0:00 to 0:05", "Bob from 0:05 to 0:09"]


@pytest.mark.parametrize(
    "text",
    [
        'At 0:12 she says "no".',
        'Around 0:09 a voice says "As you know".',
        "At 0:42 she mentions Berlin.",
        'The speaker says "we ship" at 0:05.',
        "Bob says the budget is fine.",
        "The total is 12:30 and Bob paid.",
        "Alice and Bob speak with Carol at 0:05 and 0:09 and 0:12, then Dave talks.",
    ],
)
def test_a_pronoun_a_voice_or_a_name_without_a_clear_time_is_no_claim(text: str) -> None:
    assert turns(text) == []


def test_spans_are_exact_after_signs_outside_the_basic_plane() -> None:
    text = "🎧 Notes.\nBob speaks from 0:05 to 0:09."
    (claim,) = find(text)
    assert claim.span is not None
    assert text[slice(*claim.span)] == "Bob speaks from 0:05 to 0:09."


@pytest.mark.parametrize(("one", "other"), [("Speaker A", "A"), ("SPEAKER_00", "Speaker 0"), ("the customer", "Customer"), ("BOB", "Bob")])
def test_mentions_of_one_person_are_one_name(one: str, other: str) -> None:
    assert plain_name(one) == plain_name(other)

"""Written and heard words in one form, the place where a claim fits, and what differs there."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.hearing.recording import interval, places, recording, stretch, unheard
from detectors.hearing.support import sound_distance, widened
from detectors.hearing.windows import Word
from detectors.hearing.words import Token, fits, joined, raw_words, tokens

HEARD = "Good morning. Whose fresh repair, if now thou not renewest, thou dost be guile the world. Your order number is 47192."


def plain(text: str) -> list[str]:
    return [token.text for token in tokens(raw_words(text))]


def said(text: str) -> list[Token]:
    return tokens(raw_words(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("47192", "four seven one nine two"),
        ("4-7-1-9-2", "4 7 1 9 2"),
        ("85 dollars", "eighty-five dollars"),
        ("$85", "eighty five dollars"),
        ("$85.00", "85 dollars"),
        ("1,200", "twelve hundred"),
        ("105", "one hundred and five"),
        ("1984", "nineteen eighty four"),
        ("2500", "two thousand five hundred"),
        ("the 3rd of March", "The third of march."),
        ("20%", "twenty percent"),
        ("don't", "do not"),
        ("I'm sure", "I am sure"),
        ("cannot", "can not"),
        ("Mr. Dashwood", "mister dashwood"),
        ("self-love", "self -love"),
        ("it’s", "it is"),
    ],
)
def test_two_ways_of_writing_the_same_words_are_equal(one: str, other: str) -> None:
    assert joined(said(one)) == joined(said(other))


@pytest.mark.parametrize(("one", "other"), [("85", "58"), ("not pure", "pure"), ("fifteen", "fifty"), ("can", "can't")])
def test_different_words_stay_different(one: str, other: str) -> None:
    assert joined(said(one)) != joined(said(other))


def test_every_token_knows_its_raw_word() -> None:
    assert [token.raw for token in said("is 47192 now")] == [0, 1, 1, 1, 1, 1, 2]
    assert [token.raw for token in said("is eighty five now")] == [0, 1, 2, 3]


def test_a_quote_is_found_inside_a_longer_transcript() -> None:
    best = fits(said("your order number is four seven one nine two"), said(HEARD))[0]
    assert best.cost == 0.0
    assert best.differences == ()


@pytest.mark.parametrize(
    ("claimed", "difference"),
    [
        ("if now thou renewest", ([], ["not"])),
        ("order number is 47193", (["3"], ["2"])),
        ("whose old repair, if now", (["old"], ["fresh"])),
        ("evening whose fresh repair", (["evening"], ["morning"])),
        ("thou not really renewest", (["really"], [])),
    ],
)
def test_the_differing_words_are_named(claimed: str, difference: tuple[list[str], list[str]]) -> None:
    wanted, heard = said(claimed), said(HEARD)
    (found,) = fits(wanted, heard)[0].differences
    assert ([t.text for t in wanted[slice(*found.claimed)]], [t.text for t in heard[slice(*found.heard)]]) == difference


def test_swapped_words_are_one_difference() -> None:
    wanted, heard = said("4 1 7 9 2"), said("4 7 1 9 2")
    (found,) = fits(wanted, heard)[0].differences
    assert (joined(wanted[slice(*found.claimed)]), joined(heard[slice(*found.heard)])) == ("17", "71")


def test_a_word_heard_in_two_pieces_is_no_difference() -> None:
    assert fits(said("thou dost beguile the world"), said(HEARD))[0].differences == ()


def test_words_that_were_never_said_cost_much() -> None:
    assert fits(said("completely unrelated purple elephants"), said(HEARD))[0].cost > 0.62


def test_nothing_fits_nothing() -> None:
    assert fits([], said(HEARD)) == []
    assert fits(said("hello"), []) == []


def test_digits_beside_a_number_belong_to_it() -> None:
    wanted, heard = said("7 1 9"), said("number 4 7 1 9 2 please")
    whole = widened(fits(wanted, heard)[0], wanted, heard)
    assert whole.heard == (1, 6)
    assert len(whole.differences) == 2


def test_similar_sounds_are_near_and_others_far() -> None:
    assert sound_distance("heir", "air") < sound_distance("memory", "fortune")
    assert sound_distance("by", "buy") == 0.0
    assert sound_distance("4", "for") < 0.3
    assert sound_distance("war", "peace") > 0.5


def timed(*words: tuple[str, float, float]) -> tuple[Word, ...]:
    return tuple(Word(text, start, end, 0.9) for text, start, end in words)


TWICE = timed(
    ("we", 1.0, 1.2), ("are", 1.2, 1.4), ("late", 1.4, 1.8), ("yes", 3.0, 3.4), ("we", 9.0, 9.2), ("are", 9.2, 9.4), ("late", 9.4, 9.8)
)  # fmt: skip


def test_of_two_occurrences_the_one_near_the_stated_time_is_taken() -> None:
    heard = recording(np.zeros(12 * 16_000, np.float32), [(1.0, 1.8), (3.0, 3.4), (9.0, 9.8)], TWICE, "en", 1.0)
    claimed = said("we are late")
    assert interval(heard, places(heard, claimed, 10.0)[0]) == (9.0, 9.8)
    assert interval(heard, places(heard, claimed, 0.0)[0]) == (1.0, 1.8)


def test_an_unlike_word_before_a_pause_is_not_part_of_the_place() -> None:
    words = timed(("was", 0.5, 0.9), ("heres", 6.0, 6.3), ("a", 6.3, 6.4), ("pause", 6.4, 6.9))
    heard = recording(np.zeros(8 * 16_000, np.float32), [(0.5, 0.9), (6.0, 6.9)], words, "en", 1.0)
    place = places(heard, said("and heres a pause"), None)[0]
    assert interval(heard, place) == (6.0, 6.9)


def test_the_stretch_to_listen_to_reaches_to_the_pauses() -> None:
    heard = recording(np.zeros(12 * 16_000, np.float32), [(1.0, 1.8), (3.0, 3.4), (9.0, 9.8)], TWICE, "en", 1.0)
    assert len(stretch(heard, (9.1, 9.7))) / 16_000 == pytest.approx(1.4, abs=0.01)


def test_long_speech_is_cut_between_words_near_the_place() -> None:
    words = timed(*((f"w{second}", float(second), second + 0.9) for second in range(100)))
    heard = recording(np.zeros(100 * 16_000, np.float32), [(0.0, 100.0)], words, "en", 1.0)
    assert 5.0 <= len(stretch(heard, (50.0, 52.9))) / 16_000 <= 9.0


def test_speech_without_words_is_noticed() -> None:
    assert unheard(timed(("a", 0.0, 0.9), ("b", 3.2, 4.0)), [(0.0, 1.0), (3.0, 4.0), (5.0, 8.0)]) == [(5.0, 8.0)]

"""Windows that recordings are heard in, and what of the recogniser's words is kept."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from detectors.hearing.recording import placed, windows
from detectors.hearing.windows import Word, _words


def test_speech_is_gathered_into_windows_that_end_in_pauses() -> None:
    assert windows([(1.0, 10.0), (12.0, 25.0), (27.0, 35.0)], 60.0) == [
        (pytest.approx(0.8), pytest.approx(25.2)),
        (pytest.approx(26.8), pytest.approx(35.2)),
    ]


def test_an_hour_without_a_pause_is_cut_into_equal_windows_that_leave_nothing_out() -> None:
    cut = windows([(0.0, 3600.0)], 3600.0)
    assert max(end - start for start, end in cut) <= 29.0
    assert cut[0][0] == 0.0
    assert cut[-1][1] == pytest.approx(3600.0)
    assert all(one[1] == pytest.approx(other[0]) for one, other in pairwise(cut))


def test_silence_needs_no_window() -> None:
    assert windows([], 60.0) == []


def test_a_word_over_silence_is_left_out_and_one_beside_a_pause_drawn_to_its_speech() -> None:
    assert placed(Word("you", 30.0, 31.0, 0.4), [(1.0, 5.0)]) is None
    moved = placed(Word("so", 4.0, 6.0, 0.9), [(1.0, 5.0), (8.0, 9.0)])
    assert moved is not None
    assert (moved.start, moved.end) == (4.0, 5.0)


def segment(*words: str, no_speech: float = 0.0, likely: float = -0.2, compression: float = 1.2) -> dict[str, Any]:
    timed = [{"word": word, "start": n, "end": n + 1, "probability": 0.9} for n, word in enumerate(words)]
    return {"words": timed, "no_speech_prob": no_speech, "avg_logprob": likely, "compression_ratio": compression}


def test_what_the_recogniser_itself_takes_for_silence_or_repeats_is_left_out() -> None:
    kept = segment("We", "ship", "it")
    invented = [segment("Thank", "you", no_speech=0.9, likely=-1.4), segment("la", "la", compression=3.0), segment(*["okay."] * 7)]
    assert [word.text for word in _words([invented[0], kept, *invented[1:]])] == ["We", "ship", "it"]


def test_digits_and_words_dictated_in_runs_are_kept() -> None:
    digits = segment(*["5,"] * 8)
    twice = segment("very", "very", "good")
    assert len(_words([digits, twice])) == 11

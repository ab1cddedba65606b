"""Speech as text: where words stand in time, and which stretch of a recording a cited window means."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.citing.spoken import heard_text, meant, overlap, points_at, segment_text, within
from detectors.citing.texts import SourceText
from detectors.contract import Place
from detectors.hearing.recording import recording
from detectors.hearing.transcript import Segment
from detectors.hearing.windows import Word

WORDS = [Word(" We", 1.0, 1.2, 0.9), Word(" agree.", 1.2, 1.6, 0.8), Word(" Prices", 3.0, 3.5, 0.7), Word(" rise.", 3.5, 4.0, 0.6)]


def source() -> SourceText:
    text, spoken = heard_text(recording(np.zeros(16_000 * 5, np.float32), [(0.8, 4.2)], WORDS, "en", 1.0))
    return SourceText("a", text, spoken=spoken)


def test_a_long_pause_parts_two_passages() -> None:
    assert source().text == "We agree.\n\nPrices rise."


def test_a_span_of_speech_has_a_time_and_no_span() -> None:
    text = source()
    assert text.place((11, 23)) == Place("a", time=(3.0, 4.0), quote="Prices rise.")


def test_a_window_keeps_what_is_said_in_it_at_its_place() -> None:
    text = source()
    only = text.only(Place("a", time=(2.8, 4.1)))
    assert only == " " * 11 + "Prices rise."
    assert text.only(Place("a")) is None
    assert str(text.only(Place("a", time=(20.0, 30.0)))).strip() == ""


def test_a_word_half_outside_the_window_belongs_to_it_up_to_half_a_second() -> None:
    spoken = source().spoken
    assert within(spoken, (1.8, 2.0)) == [spoken[1].span]
    assert within(spoken, (2.1, 2.2)) == []


def test_a_moment_means_what_begins_about_then_and_a_window_itself() -> None:
    assert meant((10.0, 10.0)) == (7.0, 22.0)
    assert meant((1.0, 1.0)) == (0.0, 13.0)
    assert meant((10.0, 14.0)) == (10.0, 14.0)


def test_the_overlap_of_two_windows_is_their_share_of_the_union() -> None:
    assert overlap((0.0, 4.0), (2.0, 6.0)) == pytest.approx(1 / 3)
    assert overlap((0.0, 1.0), (2.0, 3.0)) == 0.0
    assert overlap((1.0, 1.0), (1.0, 1.0)) == 1.0


def test_a_window_means_a_stretch_it_covers_or_lies_in_and_not_one_it_grazes() -> None:
    assert points_at((0.0, 60.0), (20.0, 23.0))
    assert points_at((21.0, 22.0), (20.0, 30.0))
    assert points_at((0.0, 4.0), (2.0, 6.0))
    assert not points_at((0.0, 4.0), (3.0, 8.0))


def test_a_supplied_transcript_is_read_by_its_segments() -> None:
    text, spoken = segment_text([Segment("We  agree.", 1.0, 2.0), Segment("Prices rise.", 3.0, 4.0)])
    assert text == "We agree.\nPrices rise."
    assert [one.time for one in spoken] == [(1.0, 2.0), (3.0, 4.0)]

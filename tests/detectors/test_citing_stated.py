"""Times that statements give for what is said, and the words that are left without them."""

from __future__ import annotations

import pytest

from detectors.citing.stated import stated_time, without_times
from detectors.contract import Case, Claim
from tests.detectors.recordings import demo

MEETING = demo("meeting.flac")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("At 0:09 the agent promises a refund.", "the agent promises a refund."),
        ("Around 00:09, the agent promises a refund.", "the agent promises a refund."),
        ("The agent promises a refund at 0:09.", "The agent promises a refund."),
        ("The agent (0:09-0:11) promises a refund.", "The agent promises a refund."),
        ("From 0:02 to 0:05 the agent promises a refund.", "the agent promises a refund."),
        ("The shop opens at 9:30.", "The shop opens at 9:30."),
        ("The train leaves in ten minutes.", "The train leaves in ten minutes."),
        ("0:09", "0:09"),
    ],
)
def test_places_in_a_recording_are_left_out_and_times_of_day_stay(text: str, words: str) -> None:
    assert without_times(text, 60.0) == words


def case(text: str, kind: str = "statement") -> tuple[Case, Claim]:
    claims = (Claim("c1", text, (0, len(text)), "statement"), *([] if kind == "statement" else [Claim("c2", text, (0, 9), "quote")]))
    return Case("r", text, claims, (MEETING,)), claims[0]


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("At 0:03 a second server is discussed.", (3.0, 3.0)),
        ("Between 0:03 and 0:07 a second server is discussed.", (3.0, 7.0)),
        ("A second server is discussed.", None),
        ("At 0:03 and at 0:07 a second server is discussed.", None),
        ("At 9:30 the office opens.", None),
        ("It is 0:03.", None),
    ],
)
def test_a_statement_points_into_the_recording_where_it_gives_one_time_within_it(text: str, window: tuple[float, float] | None) -> None:
    assert stated_time(*case(text)) == (None if window is None else (MEETING, window))


def test_times_of_quotes_and_of_what_a_video_shows_are_left_to_their_detectors() -> None:
    assert stated_time(*case("At 0:03 he says “no”.", "quote")) is None
    given, claim = case("At 0:03 a second server is discussed.")
    video = Case("r", given.answer, given.claims, (*given.evidence, *[demo("call.flac", "film")]))
    assert stated_time(video, claim) is None

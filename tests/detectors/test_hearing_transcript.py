"""Supplied transcripts: the forms that are read, and where they send the listeners."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from detectors.hearing.transcript import Segment, read, where_to_listen

VTT = "WEBVTT\n\n1\n00:00:12.500 --> 00:00:15.000 align:start\n<v Ann>We ship on Monday.\n\n00:01:02.000 --> 00:01:04.250\nNot before.\n"
SRT = "1\n00:00:12,500 --> 00:00:15,000\nWe ship on Monday.\n\n2\n00:01:02,000 --> 00:01:04,250\nNot before.\n"
WANTED = [("We ship on Monday.", 12.5, 15.0), ("Not before.", 62.0, 64.25)]


@pytest.mark.parametrize(
    "text",
    [
        VTT,
        SRT,
        SRT.replace("\n", "\r\n"),
        json.dumps({"segments": [{"text": text, "start": start, "end": end} for text, start, end in WANTED]}),
        json.dumps([{"word": text, "start": start, "end": end, "score": 1} for text, start, end in WANTED]),
    ],
)
def test_subtitles_and_json_segments_are_read_with_their_times(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t"
    path.write_bytes(text.encode())
    assert [(one.text.strip(), one.start, one.end) for one in read(path)] == WANTED


def test_a_line_with_a_time_lasts_until_the_next(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("[00:12] Ann: we ship\n1:02:03 Bob: no\n", encoding="utf-8")
    assert read(path) == (Segment("Ann: we ship", 12.0, 3723.0), Segment("Bob: no", 3723.0, 3753.0))


@pytest.mark.parametrize("text", ["", "We ship on Monday.", "{broken", '{"segments": 3}', '[{"text": "a"}, 4, null]', "\x00\xff"])
def test_what_has_no_times_or_no_form_has_no_segments(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t"
    path.write_text(text, encoding="utf-8")
    assert read(path) == ()


def test_listeners_are_sent_to_the_like_of_the_claim_and_to_its_stated_time() -> None:
    segments = [Segment("we ship on Monday", 100.0, 102.0), Segment("something else entirely", 500.0, 502.0)]
    assert where_to_listen(segments, "we ship on Tuesday", None) == [(92.0, 110.0)]
    assert where_to_listen(segments, "we ship on Tuesday", 700.0) == [(92.0, 110.0), (692.0, pytest.approx(709.8))]


def test_where_a_transcript_has_nothing_like_the_claim_everything_is_heard() -> None:
    assert where_to_listen([Segment("we ship on Monday", 100.0, 102.0)], "the cat sat quietly", 100.0) == []
    assert where_to_listen([], "we ship", 100.0) == []

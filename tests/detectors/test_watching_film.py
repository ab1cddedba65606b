"""Decoding videos as a stream, finding their scenes, and choosing the frames to look at."""

from __future__ import annotations

import wave
import weakref
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame
from PIL import Image

from detectors.contract import EvidenceFile, EvidenceUnreadable
from detectors.watching import film, scenes
from detectors.watching.film import Outline, frames_at, outline
from detectors.watching.looks import Watcher
from detectors.watching.scenes import Segment, cuts, longest_gap, plan, segments_of
from tests.detectors.videos import BLUE, GREEN, RED, evidence, video


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> EvidenceFile:
    """Two seconds of red, three of green, two of blue."""
    return video(tmp_path_factory.mktemp("film") / "three.mp4", [(RED, 2), (GREEN, 3), (BLUE, 2)])


def moving(times: int, change: int) -> Outline:
    """A bright square that wanders over a grey ground; ``change`` pixels a thumbnail."""
    thumbs = np.full((times, 24, 32, 3), 90, np.uint8)
    for number in range(times):
        left = number * change % 24
        thumbs[number, 8:16, left : left + 8] = (220, 200, 60)
    return Outline(times * 0.2, np.arange(times) * 0.2, thumbs)


def test_the_outline_tells_length_and_scenes(three: EvidenceFile) -> None:
    seen = outline(three)
    assert seen.duration_s == pytest.approx(7.0, abs=0.15)
    assert cuts(seen) == pytest.approx([2.0, 5.0], abs=0.21)


def test_frames_are_those_on_screen_at_the_wanted_times(three: EvidenceFile) -> None:
    shown = [int(np.asarray(image).mean(axis=(0, 1)).argmax()) for _, image in frames_at(three, [0.0, 1.5, 2.5, 4.5, 6.0, 99.0])]
    assert shown == [0, 0, 1, 1, 2, 2]


def test_a_long_way_ahead_is_reached_by_a_jump(tmp_path: Path) -> None:
    long = video(tmp_path / "long.mp4", [(RED, 20), (BLUE, 20)], size=(64, 48))
    assert [int(np.asarray(image).mean(axis=(0, 1)).argmax()) for _, image in frames_at(long, [1.0, 15.0, 35.0])] == [0, 0, 2]


def test_a_large_frame_is_shrunk_before_it_is_looked_at(tmp_path: Path) -> None:
    large = video(tmp_path / "large.mp4", [(RED, 0.3)], size=(1920, 1080))
    ((_, image),) = frames_at(large, [0.1])
    assert image.size == (1280, 720)


def test_the_outline_of_a_long_video_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "MAX_THUMBS", 20)
    seen = outline(video(tmp_path / "long.mp4", [(RED, 10), (BLUE, 10)], size=(64, 48)))
    assert 10 <= len(seen.times) <= 21
    assert seen.times[-1] > 18


def test_a_video_longer_than_every_frame_can_be_decoded_of_is_outlined_by_key_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(film, "EVERY_FRAME_UNTIL_S", 5.0)
    seen = outline(video(tmp_path / "long.mp4", [(RED, 8), (BLUE, 8)], size=(64, 48)))
    assert seen.duration_s == pytest.approx(16.0, abs=0.2)
    assert len(seen.times) < 40
    assert len(cuts(seen)) == 1


@pytest.mark.parametrize("content", [b"", b"not a video at all", b"\x00\x00\x00\x18ftypmp42" + bytes(400)])
def test_what_is_no_video_is_unreadable(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(EvidenceUnreadable):
        outline(evidence(path))


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(EvidenceUnreadable, match="missing"):
        outline(evidence(tmp_path / "nothing.mp4"))


def test_a_playlist_opens_no_other_file(tmp_path: Path, three: EvidenceFile) -> None:
    path = tmp_path / "list.mp4"
    path.write_text(f"#EXTM3U\n#EXTINF:7,\n{three.path}\n#EXT-X-ENDLIST\n", encoding="utf-8")
    with pytest.raises(EvidenceUnreadable):
        outline(evidence(path))


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    with pytest.raises(EvidenceUnreadable):
        outline(evidence(path, media_type="video/mp4"))


def test_a_video_longer_than_the_limit_is_refused(three: EvidenceFile) -> None:
    with pytest.raises(EvidenceUnreadable, match="longer than"):
        outline(three, limit_s=5.0)


def test_a_header_that_hides_the_length_does_not_get_past_the_limit(three: EvidenceFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "_stated_s", lambda _: None)
    monkeypatch.setattr(film, "EVERY_FRAME_UNTIL_S", 90.0)
    with pytest.raises(EvidenceUnreadable, match="longer than"):
        outline(three, limit_s=0.5)


def test_a_picture_too_large_is_refused_before_it_is_decoded(three: EvidenceFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "MAX_PIXELS", 1000)
    with pytest.raises(EvidenceUnreadable, match="320×240"):
        outline(three)


def test_a_video_cut_short_is_read_as_far_as_it_goes_or_refused(three: EvidenceFile, tmp_path: Path) -> None:
    path = tmp_path / "short.mp4"
    content = three.path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(EvidenceUnreadable):
        outline(evidence(path))


def test_movement_is_no_cut() -> None:
    assert cuts(moving(40, 5)) == []


def test_long_scenes_are_parted_and_short_ones_are_not() -> None:
    still = Outline(16.0, np.arange(80) * 0.2, np.full((80, 24, 32, 3), 90, np.uint8))
    parts = segments_of(still)
    assert [(segment.start_s, segment.end_s) for segment in parts] == [(0.0, 4.0), (4.0, 8.0), (8.0, 12.0), (12.0, 16.0)]
    assert {segment.scene for segment in parts} == {0}


def test_a_video_of_many_cuts_has_a_limited_number_of_segments() -> None:
    random = np.random.default_rng(3)
    thumbs = np.repeat(random.integers(0, 255, (60, 1, 1, 3), np.uint8), 10, axis=0)
    flicker = Outline(120.0, np.arange(600) * 0.2, np.broadcast_to(thumbs, (600, 24, 32, 3)))
    assert len(segments_of(flicker)) <= 2 * scenes.MAX_SEGMENTS
    assert len(plan(segments_of(flicker), [])) <= scenes.MAX_LOOKS


def test_black_borders_are_left_out() -> None:
    thumbs = np.zeros((10, 24, 32, 3), np.uint8)
    thumbs[:, 3:21] = 120
    (segment,) = segments_of(Outline(2.0, np.arange(10) * 0.2, thumbs))
    assert segment.content == (0.0, 0.125, 1.0, 0.75)


def test_a_claimed_window_is_looked_at_without_long_gaps() -> None:
    parts = tuple(Segment(start, start + 60.0, 0) for start in (0.0, 60.0, 120.0))
    window = (65.0, 85.0)
    assert longest_gap(plan(parts, []), window) > scenes.LONGEST_GAP_S
    assert longest_gap(plan(parts, [window]), window) <= scenes.LONGEST_GAP_S


def test_a_window_between_two_looks_gets_looks_of_its_own() -> None:
    parts = (Segment(0.0, 60.0, 0),)
    assert sum(20.0 <= time <= 21.0 for time in plan(parts, [(20.0, 21.0)])) >= 2


def test_however_many_windows_are_claimed_the_looks_are_limited() -> None:
    parts = tuple(Segment(start * 60.0, start * 60.0 + 60.0, 0) for start in range(30))
    assert len(plan(parts, [(start * 60.0, start * 60.0 + 60.0) for start in range(30)])) <= scenes.MAX_LOOKS


def test_the_surroundings_of_a_claimed_window_are_looked_at() -> None:
    parts = tuple(Segment(start * 600.0, start * 600.0 + 600.0, 0) for start in range(6))
    alone, claimed = plan(parts, []), plan(parts, [(1000.0, 1010.0)])
    for stretch in ((990.0, 999.0), (1011.0, 1020.0)):
        assert not any(stretch[0] <= time <= stretch[1] for time in alone)
        assert sum(stretch[0] <= time <= stretch[1] for time in claimed) >= 2


def test_surroundings_add_no_look_beside_another() -> None:
    parts = tuple(Segment(start * 4.0, start * 4.0 + 4.0, start) for start in range(4))
    assert set(plan(parts, [(4.0, 8.0)])) == set(plan(parts, []))


def test_a_long_video_is_watched_with_one_or_two_frames_held_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = video(tmp_path / "long.mp4", [(RED, 200), (BLUE, 200), (GREEN, 200)], size=(64, 48))
    held: list[weakref.ref[Image.Image]] = []
    most: list[int] = []
    decode = film._picture

    def counted(frame: VideoFrame) -> Image.Image:
        image = decode(frame)
        held.append(weakref.ref(image))
        most.append(sum(kept() is not None for kept in held))
        return image

    monkeypatch.setattr(film, "_picture", counted)
    viewing = Watcher(None, None).watch(long, [(250.0, 260.0)])
    assert viewing.duration_s == pytest.approx(600, abs=1)
    assert len(most) == len(viewing.looks) <= scenes.MAX_LOOKS
    assert max(most) <= 2
    assert len(outline(long).times) <= film.MAX_THUMBS
    assert len(viewing.within(250.0, 260.0)) >= 3

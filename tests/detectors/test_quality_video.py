"""Videos are measured on a few frames."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from detectors.contract import EvidenceFile
from detectors.quality import Quality, measure
from tests.detectors.test_quality import names, photograph


def video(path: Path, shown: list[float], frames: int = 30) -> Path:
    """A clip whose thirds have these brightnesses."""
    with av.open(str(path), "w") as container:
        track = container.add_stream("mpeg4", rate=10)
        track.width, track.height, track.bit_rate = 640, 480, 8_000_000
        picture = np.asarray(photograph(), np.float32)
        for number in range(frames):
            level = shown[number * len(shown) // frames]
            for packet in track.encode(av.VideoFrame.from_ndarray((picture * level).astype(np.uint8), format="rgb24")):
                container.mux(packet)
        for packet in track.encode():
            container.mux(packet)
    return path


def measured(path: Path) -> Quality:
    found = measure(EvidenceFile("e", "video/mp4", path, ""))
    assert found is not None
    return found


def test_a_clean_clip_is_good_and_says_its_length(tmp_path: Path) -> None:
    found = measured(video(tmp_path / "clip.mp4", [1.0]))
    assert (found.grade, found.measures["duration_s"], found.measures["frames_per_s"]) == ("good", pytest.approx(3.0), 10.0)


def test_one_dark_scene_is_no_dark_video_but_two_of_three_are(tmp_path: Path) -> None:
    assert "dark" not in names(measured(video(tmp_path / "one.mp4", [0.2, 1.0, 1.0])))
    found = measured(video(tmp_path / "two.mp4", [0.2, 0.2, 1.0]))
    assert "dark" in names(found)
    assert "the video is very dark" in found.problems[0].text


def test_what_is_no_video_is_unusable(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"no video")
    assert measured(path).grade == "unusable"

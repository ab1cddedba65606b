"""Measures a video: length, frame rate, and the picture measures on a few of its frames."""

from __future__ import annotations

from collections import Counter
from statistics import median

from detectors.containers import open_container
from detectors.contract import EvidenceFile
from detectors.quality.grades import Problem, Quality, quality, unusable
from detectors.quality.pictures import picture_measures, shrink
from detectors.quality.verdicts import SMALL_VIDEO_SIDE, picture_problems

# Where frames are taken, as shares of the length.
_PLACES = (0.1, 0.5, 0.9)


def video_quality(evidence: EvidenceFile) -> Quality:
    """A problem counts when most of the frames looked at have it: one dark scene is no dark video."""
    import av

    if not evidence.path.is_file() or evidence.path.stat().st_size == 0:
        return unusable("empty", "the file is missing or empty")
    try:
        with open_container(evidence.path) as container:
            if not container.streams.video:
                return unusable("no_picture", "it has no picture track")
            return _measured(container)
    except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
        return unusable("unreadable", f"the video is damaged or of an unknown format ({error})")


def _measured(container: object) -> Quality:
    import av

    track = container.streams.video[0]  # type: ignore[attr-defined]
    seconds = container.duration / av.time_base if container.duration else 0.0  # type: ignore[attr-defined]
    frames: list[dict[str, float]] = []
    lost = 0
    for place in _PLACES:
        try:
            if seconds:
                container.seek(int(place * seconds * av.time_base))  # type: ignore[attr-defined]
            grey = next(container.decode(track)).to_ndarray(format="gray")  # type: ignore[attr-defined]
        except (av.FFmpegError, StopIteration):
            lost += 1
            continue
        frames.append(picture_measures(shrink(grey, grey.shape[1], grey.shape[0])))
    if not frames:
        return unusable("unreadable", "no picture can be decoded from the video")
    rate = float(track.average_rate) if track.average_rate else 0.0
    measures = {"duration_s": seconds, "frames_per_s": rate, **_middle(frames)}
    problems = _of_most(frames)
    if lost:
        problems.append(Problem("truncated", "poor", f"the video is cut short ({lost} of {len(_PLACES)} frames looked at are missing)"))
    return quality(measures, problems)


def _middle(frames: list[dict[str, float]]) -> dict[str, float]:
    return {name: median(frame[name] for frame in frames if name in frame) for name in frames[0]}


def _of_most(frames: list[dict[str, float]]) -> list[Problem]:
    found = [list(picture_problems(frame, SMALL_VIDEO_SIDE)) for frame in frames]
    count = Counter(problem.name for problems in found for problem in problems)
    first = {problem.name: problem for problems in reversed(found) for problem in problems}
    # A frame of a film may be tilted or empty on purpose.
    kept = [first[name] for name in first if count[name] * 2 > len(frames) and name not in ("tilted", "perspective", "small_print")]
    return [Problem(one.name, one.grade, one.text.replace("the picture", "the video")) for one in kept]

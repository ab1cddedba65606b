"""Decodes video evidence as a stream: one pass for an outline of small thumbnails, one for the frames worth a look.

At no time is more than one full frame held. What cannot be decoded raises :class:`~detectors.contract.EvidenceUnreadable` with the cause.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from detectors.containers import MOVING, open_container
from detectors.contract import EvidenceFile, EvidenceUnreadable

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame

Thumbnails = NDArray[np.uint8]

# Three hours: longer than any meeting or lecture an answer is given about.
MAX_SECONDS = 3 * 3600
# 8K; a frame of it is 100 MB in RGB.
MAX_PIXELS = 7680 * 4320
# Frames of the outline: a thumbnail every THUMB_STEP_S, wider apart where the video is longer than that.
MAX_THUMBS = 1200
THUMB_STEP_S = 0.2
THUMB_SIZE = (32, 24)
# Longer than this, only key frames are decoded for the outline: a minute of 1080p takes some ten seconds on one core.
EVERY_FRAME_UNTIL_S = 90.0
# A frame is shrunk to this many pixels on its long side before it is looked at: no detector here sees more.
LOOK_SIDE = 1280
_NO_TIME_LEFT = 1e-3


@dataclass(frozen=True, slots=True)
class Outline:
    """Duration in seconds, and RGB thumbnails (n, 24, 32, 3) with their rising times in seconds (n)."""

    duration_s: float
    times: NDArray[np.float64]
    thumbs: Thumbnails


def outline(evidence: EvidenceFile, limit_s: float = MAX_SECONDS) -> Outline:
    """The outline of the first video track.

    Raises:
        EvidenceUnreadable: missing, empty, not a video, damaged, without pictures, too large, or longer than ``limit_s``.
    """
    with _opened(evidence) as container:
        stated = _stated_s(container)
        if stated is not None and stated > limit_s:
            raise EvidenceUnreadable(evidence.id, f"it is longer than {limit_s / 3600:g} hours")
        if stated is None or stated > EVERY_FRAME_UNTIL_S:
            container.streams.video[0].codec_context.skip_frame = "NONKEY"
        times: list[float] = []
        thumbs: list[NDArray[np.uint8]] = []
        last = 0.0
        step = THUMB_STEP_S
        for time, frame in _timed(evidence, container):
            if time > limit_s:
                raise EvidenceUnreadable(evidence.id, f"it is longer than {limit_s / 3600:g} hours")
            last = max(last, time + _frame_s(container))
            if times and time < times[-1] + step - _NO_TIME_LEFT:
                continue
            times.append(time)
            thumbs.append(np.asarray(frame.reformat(*THUMB_SIZE, format="rgb24").to_ndarray(), np.uint8))
            if len(times) > MAX_THUMBS:
                # However long it is, the outline stays small: every other one goes.
                times, thumbs, step = times[::2], thumbs[::2], step * 2
    if not times:
        raise EvidenceUnreadable(evidence.id, "no picture can be decoded from it")
    duration = max(last, stated or 0.0) if stated is None or last < stated * 0.5 else min(max(last, stated), limit_s)
    return Outline(duration, np.asarray(times), np.stack(thumbs))


def frames_at(evidence: EvidenceFile, wanted: Sequence[float]) -> Iterator[tuple[float, Image.Image]]:
    """For each wanted time (seconds, rising) that time and the RGB frame on screen then; times beyond the last frame get the last.

    Raises:
        EvidenceUnreadable: the video cannot be opened or breaks off before the first wanted frame.
    """
    import av

    with _opened(evidence) as container:
        stream = container.streams.video[0]
        shown: VideoFrame | None = None
        reached = -1.0
        frames = _timed(evidence, container)
        for target in wanted:
            # Further ahead than a few seconds it is cheaper to jump to the key frame before it.
            if stream.time_base is not None and target > reached + 4.0:
                origin = stream.start_time or 0
                try:
                    container.seek(origin + int(target / float(stream.time_base)), stream=stream, backward=True)
                    frames = _timed(evidence, container)
                except av.FFmpegError:
                    pass  # a container without an index: decoding on reaches the frame as well, only later
            while reached < target - _NO_TIME_LEFT:
                following = next(frames, None)
                if following is None:
                    break
                reached, shown = following
            if shown is None:
                raise EvidenceUnreadable(evidence.id, f"no picture can be decoded at {target:.1f} s")
            yield target, _picture(shown)


@contextmanager
def _opened(evidence: EvidenceFile) -> Iterator[InputContainer]:
    import av

    if not evidence.path.is_file():
        raise EvidenceUnreadable(evidence.id, "the file is missing")
    if evidence.path.stat().st_size == 0:
        raise EvidenceUnreadable(evidence.id, "the file is empty")
    try:
        with open_container(evidence.path, MOVING) as container:
            if not container.streams.video:
                raise EvidenceUnreadable(evidence.id, "it has no pictures, only sound")
            _check_size(evidence, container.streams.video[0].width, container.streams.video[0].height)
            yield container
    except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
        raise EvidenceUnreadable(evidence.id, f"the video is damaged or of an unknown format ({error})") from error


def _timed(evidence: EvidenceFile, container: InputContainer) -> Iterator[tuple[float, VideoFrame]]:
    """Frames with their time from the start of the track; a damaged end is where the video ends."""
    import av

    stream = container.streams.video[0]
    origin = float((stream.start_time or 0) * stream.time_base) if stream.time_base is not None else 0.0
    count = 0
    try:
        for frame in container.decode(stream):
            time = frame.time - origin if frame.time is not None else count * _frame_s(container)
            _check_size(evidence, frame.width, frame.height)
            count += 1
            yield max(0.0, time), frame
    except av.FFmpegError:
        if count == 0:
            raise


def _check_size(evidence: EvidenceFile, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise EvidenceUnreadable(evidence.id, f"{width}×{height} is larger than 8K")


def _stated_s(container: InputContainer) -> float | None:
    import av

    return container.duration / av.time_base if container.duration else None


def _frame_s(container: InputContainer) -> float:
    rate = container.streams.video[0].average_rate
    return 1 / float(rate) if rate else 0.04


def _picture(frame: VideoFrame) -> Image.Image:
    share = min(1.0, LOOK_SIDE / max(frame.width, frame.height))
    small = frame.reformat(max(2, round(frame.width * share)), max(2, round(frame.height * share)), format="rgb24")
    return Image.fromarray(np.asarray(small.to_ndarray(), np.uint8))

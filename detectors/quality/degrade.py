"""Seeded degradations of pictures and recordings, to measure what bad input costs.

The same bytes, kind and seed give the same copy. A copy keeps the format of its original where that can be written (JPEG at quality 95,
so that only ``jpeg15`` compresses), and is as large as the original except for ``half`` and the borders of ``rotate5``.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from detectors.contract import EvidenceFile
from detectors.hearing.audio import decode
from detectors.pictures import open_picture

if TYPE_CHECKING:
    from numpy.random import Generator

Samples = NDArray[np.float32]

PICTURE_KINDS = ("rotate5", "perspective", "blur", "half", "jpeg15", "dark_noise")
SOUND_KINDS = ("clip", "quiet", "noise", "narrowband")
KINDS = (*PICTURE_KINDS, *SOUND_KINDS)

_RATE = 16_000
_NARROW_RATE = 8_000
_ROTATED_DEGREES = 5.0
# Corners move inward by up to this share of a side: a page photographed from about 15° off.
_SLANT = 0.07
# Sigma of the blur on a picture of 1,000 px; larger pictures get more.
_BLUR_PX = 2.0
_BLUR_AT = 1000
_LIGHT_LEFT = 0.25
_NOISE_LEVELS = 12.0
_CLIPPED_PERCENTILE = 98.0
_CLIPPED_PEAK = 0.9
_QUIET_DB = -30.0
_SNR_DB = 5.0


@dataclass(frozen=True, slots=True)
class Degraded:
    """A degraded copy: its bytes and their media type."""

    content: bytes
    media_type: str


def family_of(kind: str) -> str:
    """The evidence family that a kind degrades: ``image`` or ``audio``. Raises KeyError for an unknown kind."""
    if kind not in KINDS:
        raise KeyError(kind)
    return "image" if kind in PICTURE_KINDS else "audio"


def degrade(evidence: EvidenceFile, kind: str, seed: int) -> Degraded:
    """A degraded copy of a picture or a recording.

    Raises:
        KeyError: no such kind.
        EvidenceUnreadable: the original cannot be decoded.
    """
    random = _random(evidence.path, kind, seed)
    if family_of(kind) == "image":
        changed = _PICTURES[kind](open_picture(evidence), random)
        return _written(changed, evidence.media_type, kind)
    samples, rate = _SOUNDS[kind](decode(evidence), random)
    return Degraded(_flac(samples, rate), "audio/flac")


def _random(path: Path, kind: str, seed: int) -> Generator:
    # By content, so that the order of the files does not matter.
    digest = hashlib.sha256(f"{seed}:{kind}:".encode() + hashlib.sha256(path.read_bytes()).digest()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


# --- pictures -----------------------------------------------------------------------------------------------------


def _rotate(picture: Image.Image, random: Generator) -> Image.Image:
    angle = _ROTATED_DEGREES if random.random() < 0.5 else -_ROTATED_DEGREES
    return picture.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=_border(picture))


def _perspective(picture: Image.Image, random: Generator) -> Image.Image:
    width, height = picture.size
    # One edge is further away, the other corners shake a little.
    moved = random.uniform(0.0, 0.25 * _SLANT, (4, 2))
    far = int(random.integers(4))
    moved[far], moved[(far + 1) % 4] = random.uniform(0.6 * _SLANT, _SLANT, 2), random.uniform(0.6 * _SLANT, _SLANT, 2)
    inward = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    seen = corners + moved * inward * (width, height)
    coefficients = _homography(seen, corners)
    return picture.transform(picture.size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC, fillcolor=_border(picture))


def _homography(source: NDArray[np.float64], target: NDArray[np.float64]) -> list[float]:
    """The eight coefficients that take ``source`` to ``target`` (Hartley & Zisserman 2004, 4.1, with h33 = 1)."""
    rows = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    solved = np.linalg.solve(np.array(rows), target.ravel())
    return [float(one) for one in solved]


def _border(picture: Image.Image) -> tuple[int, ...]:
    """The typical colour of the picture's edge, so that no black corner is added to a white page."""
    pixels = np.asarray(picture)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return tuple(int(level) for level in np.median(edge, axis=0))


def _blur(picture: Image.Image, random: Generator) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(_BLUR_PX * max(1.0, max(picture.size) / _BLUR_AT)))


def _half(picture: Image.Image, random: Generator) -> Image.Image:
    return picture.resize((max(1, picture.width // 2), max(1, picture.height // 2)), Image.Resampling.LANCZOS)


def _same(picture: Image.Image, random: Generator) -> Image.Image:
    return picture  # written coarsely below


def _dark_noise(picture: Image.Image, random: Generator) -> Image.Image:
    levels = np.asarray(picture, np.float32) * _LIGHT_LEFT
    levels += random.normal(0, _NOISE_LEVELS, levels.shape)
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


_PICTURES: dict[str, Callable[[Image.Image, Generator], Image.Image]] = {
    "rotate5": _rotate,
    "perspective": _perspective,
    "blur": _blur,
    "half": _half,
    "jpeg15": _same,
    "dark_noise": _dark_noise,
}


def _written(picture: Image.Image, media_type: str, kind: str) -> Degraded:
    out = io.BytesIO()
    if kind == "jpeg15":
        picture.save(out, "JPEG", quality=15)
    elif media_type == "image/jpeg":
        picture.save(out, "JPEG", quality=95, subsampling=0)
    else:
        picture.save(out, "PNG", compress_level=1)
        return Degraded(out.getvalue(), "image/png")
    return Degraded(out.getvalue(), "image/jpeg")


# --- recordings ---------------------------------------------------------------------------------------------------


def _clip(samples: Samples, random: Generator) -> tuple[Samples, int]:
    ceiling = max(1e-6, float(np.percentile(np.abs(samples), _CLIPPED_PERCENTILE)))
    return np.clip(samples / ceiling, -1, 1) * np.float32(_CLIPPED_PEAK), _RATE


def _quiet(samples: Samples, random: Generator) -> tuple[Samples, int]:
    return samples * np.float32(10 ** (_QUIET_DB / 20)), _RATE


def _noise(samples: Samples, random: Generator) -> tuple[Samples, int]:
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    noise = random.normal(0, np.sqrt(power / 10 ** (_SNR_DB / 10)), samples.size)
    return np.clip(samples + noise.astype(np.float32), -1, 1), _RATE


def _narrowband(samples: Samples, random: Generator) -> tuple[Samples, int]:
    return samples, _NARROW_RATE  # resampled when written


_SOUNDS: dict[str, Callable[[Samples, Generator], tuple[Samples, int]]] = {
    "clip": _clip,
    "quiet": _quiet,
    "noise": _noise,
    "narrowband": _narrowband,
}


def _flac(samples: Samples, rate: int) -> bytes:
    """16-bit FLAC at ``rate``; samples come at 16 kHz."""
    import av

    whole = np.clip(np.round(samples * 32767), -32768, 32767).astype(np.int16).reshape(1, -1)
    out = io.BytesIO()
    with av.open(out, "w", format="flac") as container:
        track = container.add_stream("flac", rate=rate, layout="mono", format="s16")
        resampler = av.AudioResampler(format="s16", layout="mono", rate=rate, frame_size=4096)
        frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="mono")
        frame.sample_rate = _RATE
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(track.encode(piece))
        container.mux(track.encode(None))
    return out.getvalue()

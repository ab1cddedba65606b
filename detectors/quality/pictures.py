"""Measures a picture on a small copy: exposure, contrast, blur, noise, compression, size, and how its print lies.

A JPEG is decoded at the scale it is measured at (its DCT allows 1/2, 1/4 and 1/8), so a photograph of a phone costs a
fraction of what a detector spends on decoding it. Blur is measured at working size on purpose: blur that is gone at
:data:`WORKING_SIDE` pixels is gone for every detector, which all look at a picture of about that size or less.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from detectors.contract import EvidenceFile
from detectors.pictures import DAMAGED, MAX_PIXELS, flattened
from detectors.quality.printing import print_measures

Grey = NDArray[np.uint8]

# What detectors look at: page readers scale to 1,000–2,000 px, object detectors to 300–640 px.
WORKING_SIDE = 1024
# Mean of the luminance table of Annex K of the JPEG standard (ITU-T T.81, table K.1).
_ANNEX_K_MEAN = 3688 / 64
_TILE = 64
# Tiles with less contrast than this show sky, wall or paper, where sharpness cannot be told.
_TILE_VARIANCE = 64.0
_BLOCK = 8
_BLOCK_CROP = 1024
# The median of |x| of a normal distribution, in its standard deviations.
_MEDIAN_OF_NORMAL = 0.6745


class PictureBroken(Exception):
    """It cannot be decoded. ``name`` is the problem's, the message says how."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Copy:
    """The working copy, upright: grey levels 0–255; ``shrunk`` is how many pixels of the original one of its sides covers."""

    grey: Grey
    width: int
    height: int
    shrunk: float
    jpeg_quality: float | None = None


def copy_of(evidence: EvidenceFile) -> Copy:
    """The working copy of a picture's first frame. Raises PictureBroken."""
    if not evidence.path.is_file():
        raise PictureBroken("missing", "the file is missing")
    if evidence.path.stat().st_size == 0:
        raise PictureBroken("empty", "the file is empty")
    try:
        with warnings.catch_warnings():
            # The limit is ours and checked before any pixel is decoded; Pillow's own warning would be noise.
            warnings.simplefilter("ignore")
            return _decoded(evidence)
    except UnidentifiedImageError:
        raise PictureBroken("unreadable", "it is not a picture of a known format") from None
    except Image.DecompressionBombError:
        raise PictureBroken("too_large", "the picture is too large") from None
    except DAMAGED as error:
        name = "truncated" if "truncated" in str(error).lower() else "unreadable"
        how = "the picture is cut short" if name == "truncated" else "the picture is damaged"
        raise PictureBroken(name, f"{how} ({error})") from error


def _decoded(evidence: EvidenceFile) -> Copy:
    with Image.open(evidence.path) as stored:
        width, height = stored.size
        if width * height > MAX_PIXELS:
            raise PictureBroken("too_large", f"{width}×{height} is more than {MAX_PIXELS // 1_000_000} megapixels")
        quality = _jpeg_quality(stored)
        factor = max(1.0, max(width, height) / WORKING_SIDE)
        stored.draft("L", (int(width / factor), int(height / factor)))
        stored.load()
        plain = stored if stored.mode in ("L", "RGB", "YCbCr") else flattened(stored)
        grey = np.asarray(ImageOps.exif_transpose(plain.convert("L")))
    if (grey.shape[0] > grey.shape[1]) != (height > width):
        width, height = height, width
    return shrink(grey, width, height, quality)


def shrink(grey: Grey, width: int, height: int, jpeg_quality: float | None = None) -> Copy:
    """Grey levels at working size. ``width`` and ``height`` are those of the original."""
    import cv2

    longest = max(grey.shape)
    if longest > WORKING_SIDE:
        share = WORKING_SIDE / longest
        size = (max(1, round(grey.shape[1] * share)), max(1, round(grey.shape[0] * share)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return Copy(grey, width, height, max(width, height) / max(grey.shape), jpeg_quality)


def _jpeg_quality(stored: Image.Image) -> float | None:
    """The libjpeg quality 1–100 that gives a table as coarse as this one (jcparam.c, jpeg_quality_scaling)."""
    tables = getattr(stored, "quantization", None)
    if stored.format not in ("JPEG", "MPO") or not tables:
        return None
    scale = 100 * float(np.mean(next(iter(tables.values())))) / _ANNEX_K_MEAN
    return min(100.0, max(1.0, (200 - scale) / 2 if scale <= 100 else 5000 / scale))


def picture_measures(copy: Copy) -> dict[str, float]:
    """Numbers of a working copy; levels are 0–255, angles degrees, sizes pixels of the original."""
    import cv2

    grey = copy.grey
    counts = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel().astype(np.float64)
    dark, middle, high, light = (float(level) for level in np.searchsorted(counts.cumsum() / grey.size, (0.001, 0.5, 0.95, 0.999)))
    mean = float(counts @ np.arange(256)) / grey.size
    deviation = float(np.sqrt(counts @ np.square(np.arange(256) - mean) / grey.size))
    measures = {
        "width_px": float(copy.width),
        "height_px": float(copy.height),
        "mean_level": mean,
        "darkest_level": dark,
        "median_level": middle,
        "light_level": high,
        "range_levels": light - dark,
        "deviation_levels": deviation,
        "noise_levels": _noise(grey),
    }
    if (sharpness := _sharpness(grey)) is not None:
        measures["sharpness"] = sharpness
    if copy.jpeg_quality is not None:
        measures["jpeg_quality"] = copy.jpeg_quality
    if copy.shrunk == 1.0 and (blockiness := _blockiness(grey)) is not None:
        measures["blockiness"] = blockiness
    # A page is mostly paper: half of it is nearly as light as its lightest parts.
    if middle >= 0.75 * high:
        measures |= print_measures(grey, copy.shrunk)
    return measures


def _sharpness(grey: Grey) -> float | None:
    """Variance of the Laplacian over variance of the levels, of the tile at the 90th percentile; None without contrast.

    Pech-Pacheco et al. 2000 (ICPR, "Diatom autofocusing"), divided by the tile's variance so that contrast drops out, and by
    tiles so that a sharp subject before a soft background counts as sharp.
    """
    import cv2

    tile = min(_TILE, *grey.shape)
    columns = grey.shape[1] // tile
    # Every other strip of tiles is enough for a percentile over them.
    strips = [grey[top : top + tile, : columns * tile] for top in range(0, grey.shape[0] - tile + 1, 2 * tile)]
    whole, rows = np.concatenate(strips), len(strips)
    # Shrinking by area is the fastest mean over tiles there is here.
    tiles = (columns, rows)
    levels = whole.astype(np.float32)
    mean = cv2.resize(levels, tiles, interpolation=cv2.INTER_AREA)
    contrast = cv2.resize(cv2.multiply(levels, levels), tiles, interpolation=cv2.INTER_AREA) - mean * mean
    told = contrast > _TILE_VARIANCE
    if not told.any():
        return None
    laplacian = np.concatenate([cv2.Laplacian(strip, cv2.CV_32F) for strip in strips])
    mean = cv2.resize(laplacian, tiles, interpolation=cv2.INTER_AREA)
    detail = cv2.resize(cv2.multiply(laplacian, laplacian), tiles, interpolation=cv2.INTER_AREA) - mean * mean
    return float(np.percentile(detail[told] / contrast[told], 90))


def _noise(grey: Grey) -> float:
    """Standard deviation of the noise: median of the finest diagonal Haar detail (Donoho & Johnstone 1994, Biometrika 81:425)."""
    rows, columns = grey.shape[0] // 4 * 4, grey.shape[1] // 4 * 4
    if not rows or not columns:
        return 0.0
    # Every fourth 2×2 block is enough for a median.
    part = grey[:rows, :columns].astype(np.int16)
    detail = np.abs(part[::4, ::4] - part[::4, 1::4] - part[1::4, ::4] + part[1::4, 1::4]).ravel()
    counts = np.bincount(detail)
    return float(np.searchsorted(counts.cumsum(), detail.size / 2)) / 2 / _MEDIAN_OF_NORMAL


def _blockiness(grey: Grey) -> float | None:
    """Mean step across the 8-pixel grid of JPEG over the mean step elsewhere (after Wang, Bovik & Evans 2000, ICIP)."""
    import cv2

    crop = grey[:_BLOCK_CROP:2, :_BLOCK_CROP]
    steps = cv2.reduce(cv2.absdiff(crop[:, 1:], crop[:, :-1]), 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel()
    at_grid = np.arange(steps.size) % _BLOCK == _BLOCK - 1
    if at_grid.sum() < 2 or float(steps[~at_grid].mean()) < 0.25:
        return None
    return float(steps[at_grid].mean() / steps[~at_grid].mean())

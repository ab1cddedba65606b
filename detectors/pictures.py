"""Decodes picture evidence the same way for every detector that sees.

A picture arrives upright (EXIF orientation applied), in RGB, on white where it was transparent. What cannot be
decoded raises :class:`~detectors.contract.EvidenceUnreadable` with the cause, so a detector abstains on it.
"""

from __future__ import annotations

import struct
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from detectors.contract import EvidenceFile, EvidenceUnreadable

# 80 megapixels is 240 MB in RGB: above any camera phone, below what would push a worker out of memory.
MAX_PIXELS = 80_000_000
# What Pillow raises on damaged files besides OSError: each plugin has its own way (seen: broken PNG chunks, TIFF tags).
DAMAGED = (OSError, ValueError, SyntaxError, EOFError, KeyError, IndexError, TypeError, struct.error, OverflowError, MemoryError)


def open_picture(evidence: EvidenceFile) -> Image.Image:
    """The first frame of a picture as an upright RGB image, fully decoded.

    Raises:
        EvidenceUnreadable: missing, empty, not a picture, cut short, or larger than :data:`MAX_PIXELS`.
    """
    if not evidence.path.is_file():
        raise EvidenceUnreadable(evidence.id, "the file is missing")
    if evidence.path.stat().st_size == 0:
        raise EvidenceUnreadable(evidence.id, "the file is empty")
    try:
        with warnings.catch_warnings():
            # The limit is ours and checked below, before any pixel is decoded; Pillow's own warning would be noise.
            warnings.simplefilter("ignore")
            return _decode(evidence)
    except UnidentifiedImageError:
        raise EvidenceUnreadable(evidence.id, "it is not a picture of a known format") from None
    except Image.DecompressionBombError:
        raise EvidenceUnreadable(evidence.id, f"it is more than {MAX_PIXELS // 1_000_000} megapixels") from None
    except DAMAGED as error:
        raise EvidenceUnreadable(evidence.id, f"the picture is damaged or cut short ({error})") from error


def _decode(evidence: EvidenceFile) -> Image.Image:
    with Image.open(evidence.path) as stored:
        width, height = stored.size
        if width * height > MAX_PIXELS:
            raise EvidenceUnreadable(evidence.id, f"{width}×{height} is more than {MAX_PIXELS // 1_000_000} megapixels")
        stored.load()
        return flattened(ImageOps.exif_transpose(stored))


def flattened(image: Image.Image) -> Image.Image:
    """The picture in RGB; transparent parts become white, 16-bit greys keep their range instead of saturating."""
    if image.mode.startswith("I"):
        image = image.convert("I")
        low, high = image.getextrema()
        span = max(1, int(high) - int(low))  # type: ignore[arg-type]
        image = image.point(lambda value: (value - int(low)) * (255 / span)).convert("L")  # type: ignore[arg-type]
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        seen = image.convert("RGBA")
        paper = Image.new("RGBA", seen.size, (255, 255, 255, 255))
        return Image.alpha_composite(paper, seen).convert("RGB")
    return image.convert("RGB")

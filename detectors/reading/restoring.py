"""Gives a page back what bad light, noise, a soft lens or few pixels took from it, as far as it is still there.

Each step is for one fault and is taken only where that fault is measured: what is legible is left exactly as it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.reading.spotting import Pixels

Levels = NDArray[np.float32]

# Light parts darker than this are paper without light (see detectors.quality.verdicts: pages have more, dark copies at most 76).
_DARK = 100.0
# Where light parts are put, and the least of the range that is stretched: noise alone is not made a picture.
_PAPER, _LEAST_RANGE = 235.0, 12.0
# Levels of noise that the recogniser does not mind.
_QUIET = 10.0
# The second blur of the estimate, and the widest blur that is undone, in pixels.
_REBLUR, _WIDEST = 1.5, 5.0
# Of 26 sharp receipts the softest tenth has .97 and more, the softest 1.15; from here on letters of 8 px begin to run together.
_SOFT = 1.2
# Print is no single wide edge: on blurred receipts the estimate was .7 to 1.2 times the truth.
SIGMA_TRIALS = (0.8, 1.0, 1.25)
# Noise to signal of the Wiener filter: JPEG at good quality and 8-bit levels.
_NOISE_TO_SIGNAL = 0.001
# The blur is estimated on every fourth strip of this height.
_STRIP = 64


def legible(pixels: Pixels) -> Pixels:
    """An RGB page with each fault that is measured undone; the very same array where there is none."""
    lit = relit(pixels)
    lit = pixels if lit is None else lit
    sharp = refocused(lit)
    return lit if sharp is None else sharp


def relit(pixels: Pixels) -> Pixels | None:
    """A dark RGB page with its light parts made as light as paper, and less of the noise that comes with that; None where it is light."""
    import cv2

    grey = cv2.cvtColor(pixels[::3, ::3], cv2.COLOR_RGB2GRAY)
    light, dark = (float(level) for level in np.percentile(grey, (95, 1)))
    if light >= _DARK or light - dark < _LEAST_RANGE:
        return None
    gain = _PAPER / light
    lit = np.clip(pixels.astype(np.float32) * gain, 0, 255).astype(np.uint8)
    noise = noise_of(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)) * gain
    return denoised(lit, noise) if noise > _QUIET else lit


def noise_of(grey: Pixels) -> float:
    """Standard deviation of the noise in levels (median of the finest diagonal detail, as in detectors.quality.pictures)."""
    rows, columns = grey.shape[0] // 2 * 2, grey.shape[1] // 2 * 2
    part = grey[:rows, :columns].astype(np.int16)
    detail = np.abs(part[::2, ::2] - part[::2, 1::2] - part[1::2, ::2] + part[1::2, 1::2])
    return float(np.median(detail)) / 2 / 0.6745


def denoised(pixels: Pixels, noise: float) -> Pixels:
    """Grey (in three channels) with non-local means (Buades, Coll & Morel 2005, CVPR): print repeats itself."""
    import cv2

    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    # Three channels with noise of their own have less in their grey.
    clean = cv2.fastNlMeansDenoising(grey, None, h=0.8 * noise, templateWindowSize=5, searchWindowSize=15)
    return np.asarray(cv2.cvtColor(clean, cv2.COLOR_GRAY2RGB), np.uint8)


def refocused(pixels: Pixels) -> Pixels | None:
    """A soft RGB page made sharp, in grey; None where it is sharp, or so soft that nothing comes back."""
    import cv2

    sigma = softness(pixels)
    return None if sigma is None else unblurred(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), sigma)


def softness(pixels: Pixels) -> float | None:
    """Sigma of the blur of an RGB page in pixels where it is worth undoing; None where it is sharp, or too soft."""
    import cv2

    sigma = blur_of(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    return sigma if sigma is not None and _SOFT <= sigma < _WIDEST else None


def blur_of(grey: Pixels) -> float | None:
    """Sigma of the Gaussian blur in pixels; None where there are no edges.

    At an edge the gradient falls by sqrt(1 + r²/s²) when blur s is followed by blur r (Zhuo & Sim 2011, Pattern Recognition 44:1852,
    equation 5); the median over the strongest edges is taken.
    """
    import cv2

    strips = [grey[top : top + _STRIP] for top in range(0, max(1, grey.shape[0] - _STRIP + 1), 4 * _STRIP)]
    levels = np.concatenate(strips).astype(np.float32)
    first, second = _gradient(levels), _gradient(cv2.GaussianBlur(levels, (0, 0), _REBLUR))
    strong = first > max(8.0, float(np.percentile(first[::2, ::2], 97)))
    if strong.sum() < 100:
        return None
    ratio = float(np.median(first[strong] / np.maximum(second[strong], 1e-3)))
    return min(_WIDEST, _REBLUR / float(np.sqrt(ratio * ratio - 1))) if ratio > 1.02 else _WIDEST


def _gradient(levels: Levels) -> Levels:
    import cv2

    across, down = cv2.Sobel(levels, cv2.CV_32F, 1, 0), cv2.Sobel(levels, cv2.CV_32F, 0, 1)
    return np.asarray(cv2.magnitude(across, down) / 8, np.float32)


def unblurred(grey: Pixels, sigma: float) -> Pixels:
    """Grey levels with a Gaussian blur of ``sigma`` pixels undone by a Wiener filter (Gonzalez & Woods 2018, 5.8), in three channels."""
    import cv2

    pad = int(4 * sigma) + 1
    rows, columns = (cv2.getOptimalDFTSize(side + 2 * pad) for side in grey.shape)
    below, right = rows - grey.shape[0] - pad, columns - grey.shape[1] - pad
    whole = cv2.copyMakeBorder(grey.astype(np.float32), pad, below, pad, right, cv2.BORDER_REFLECT)
    down, across = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None, :]
    passed: Any = np.exp(-2 * (np.pi * sigma) ** 2 * (down**2 + across**2))
    mean = whole.mean()
    filtered = np.fft.rfft2(whole - mean) * passed * (1 + _NOISE_TO_SIGNAL) / (passed**2 + _NOISE_TO_SIGNAL)
    sharp = np.fft.irfft2(filtered, s=whole.shape)[pad : pad + grey.shape[0], pad : pad + grey.shape[1]] + mean
    return np.asarray(cv2.cvtColor(sharp.clip(0, 255).astype(np.uint8), cv2.COLOR_GRAY2RGB), np.uint8)

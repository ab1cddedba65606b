"""Opens what can look at a picture: the COCO detector, and CLIP where it is configured. One of them is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detectors.contract import DetectorOptions, DetectorUnavailable
from detectors.seeing.sights import eyes_of

if TYPE_CHECKING:
    from detectors.seeing.clip import ClipVerifier
    from detectors.seeing.coco import CocoDetector


def open_verifiers(options: DetectorOptions, detector: str) -> tuple[CocoDetector | None, ClipVerifier | None, str]:
    """COCO detector, CLIP verifier, and why the first is missing (empty when it is there).

    Raises:
        DetectorUnavailable: neither can be opened, or weights that the options name cannot.
    """
    clip: ClipVerifier | None = None
    if options.clip_model or options.clip_pretrained:
        from detectors.seeing.clip import ClipVerifier

        clip = ClipVerifier.open(options, detector)
    try:
        return eyes_of(options).network, clip, ""
    except ModuleNotFoundError as error:
        missing = DetectorUnavailable(detector, f"Python package {error.name}", "pip install 'groundwatch[lite]'")
    except DetectorUnavailable as error:
        missing = error
    if clip is None or options.object_model:
        raise missing
    return None, clip, str(missing)

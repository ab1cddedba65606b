"""Degraded copies of evidence on disk, for measuring what bad input costs. The originals are only read."""

from __future__ import annotations

import hashlib
from pathlib import Path

from detectors.contract import EvidenceFile, EvidenceUnreadable
from detectors.quality.degrade import KINDS, PICTURE_KINDS, SOUND_KINDS, degrade, family_of

__all__ = ["DEGRADATIONS", "PICTURE_KINDS", "SOUND_KINDS", "degraded_copy", "degraded_family"]

DEGRADATIONS = KINDS
_SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "audio/flac": ".flac"}


def degraded_family(kind: str) -> str:
    """The evidence family that a kind degrades. Raises KeyError for an unknown kind."""
    return family_of(kind)


def degraded_copy(original: Path, media_type: str, kind: str, seed: int, folder: Path) -> tuple[Path, str, str] | None:
    """A degraded copy in ``folder``: its path, media type and SHA-256. None where the original cannot be decoded.

    Copies are named by their content, so making one twice changes nothing.
    """
    try:
        made = degrade(EvidenceFile(original.name, media_type, original, ""), kind, seed)
    except EvidenceUnreadable:
        return None
    sha256 = hashlib.sha256(made.content).hexdigest()
    path = folder / f"{sha256}{_SUFFIXES[made.media_type]}"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(made.content)
        unfinished.replace(path)
    return path, made.media_type, sha256

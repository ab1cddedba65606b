"""A team's own calibration: what a shipped score means in that team's traffic, fitted on its reviewers' verdicts.

One JSON file a detector in the format of :mod:`detectors.calibration`. Its raw scores are the log-odds of the score that
the detector gives with its shipped calibration. The map rises, so it changes what a score means and not which claims
are flagged: ``threshold`` and ``risk_thresholds`` are the shipped ones on the new scale.
"""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detectors.calibration import Calibration, CalibrationInvalid

# Scores of exactly 0 or 1 have no finite log-odds; this is nearer to them than any fitted map can tell apart.
CLOSEST = 1e-6
MARK = "calibration@"
_FARTHEST = 500.0


def log_odds(score: float) -> float:
    """Natural logarithm of score / (1 - score), finite for every score in [0, 1]."""
    inside = min(1 - CLOSEST, max(CLOSEST, score))
    return math.log(inside / (1 - inside))


@dataclass(frozen=True, slots=True)
class Recalibration:
    """A rising map from shipped scores to probabilities; ``digest`` names the file's content in eight hexadecimal digits."""

    calibration: Calibration
    digest: str

    @classmethod
    def read(cls, path: Path, detector: str, version: str) -> Recalibration:
        """The team's calibration in a file.

        Raises:
            CalibrationInvalid: it cannot be read, is malformed, or was fitted on scores of another detector or version.
        """
        try:
            content = path.read_bytes()
            fields = json.loads(content)
        except (OSError, ValueError) as error:
            raise CalibrationInvalid(detector, f"{path} cannot be read ({error})") from error
        if not isinstance(fields, dict) or fields.get("detector") != detector:
            raise CalibrationInvalid(detector, f"{path} is not for this detector")
        calibration = Calibration.from_fields(detector, fields)
        if calibration.detector_version != version:
            raise CalibrationInvalid(
                detector,
                f"{path} was fitted on version {calibration.detector_version}, this is {version}: run `groundwatch calibrate` again",
            )
        return cls(calibration, cls.digest_of(content))

    @staticmethod
    def digest_of(content: bytes) -> str:
        """What names a file's content."""
        return hashlib.sha256(content).hexdigest()[:8]

    @property
    def mark(self) -> str:
        """What the service adds to the weights' version of an outcome whose scores went through it."""
        return f"{MARK}{self.digest}"

    def apply(self, score: float) -> float:
        """The probability of hallucination in this team's traffic for a shipped score in [0, 1]."""
        return self.calibration.apply(log_odds(score))

    def undo(self, probability: float) -> float:
        """The shipped score that :meth:`apply` made this probability of; at the ends of an isotonic map, the last one it tells apart."""
        shape = self.calibration
        if shape.method == "platt":
            raw = (log_odds(probability) - shape.intercept) / shape.slope
        else:
            raw = _interpolated(probability, shape.probability, shape.raw)
        return 1.0 / (1.0 + math.exp(-max(-_FARTHEST, min(_FARTHEST, raw))))


def _interpolated(value: float, known: Sequence[float], wanted: Sequence[float]) -> float:
    """``wanted`` at ``value`` on the line through the points, flat beyond them; ``known`` rises."""
    right = bisect_right(known, value)
    if right == 0 or right == len(known):
        return wanted[0 if right == 0 else -1]
    share = (value - known[right - 1]) / (known[right] - known[right - 1])
    return wanted[right - 1] + share * (wanted[right] - wanted[right - 1])

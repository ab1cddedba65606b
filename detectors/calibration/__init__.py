"""Turns a detector's raw score into a probability, with the thresholds that decide its verdicts.

One JSON file a detector, ``detectors/calibration/<name>.json``, written by :mod:`detectors.calibration.fit`::

    {
      "detector": "ocr_mismatch",          name in the catalogue
      "detector_version": "1.0.0",         the version whose raw scores were fitted
      "method": "platt",                   platt: 1 / (1 + exp(-(slope * raw + intercept)))
      "slope": 9.1, "intercept": -4.2,     isotonic instead: "raw": [...], "probability": [...], rising, same length
      "threshold": 0.5,                    on the calibrated scale: a score at or above it means hallucinated
      "risk_thresholds": {"decision_support": 0.4, "authoritative": 0.3},   optional: where a miss costs more
      "provenance": {"corpus": "...", "n": 300, "positives": 149, "groups": 66, "folds": 5, "date": "2026-01-31", ...}
    }
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
# From the lowest up, as in the response record.
RISKS = ("assistive", "decision_support", "authoritative")
# Beyond this the exponential is 0 or 1 to double precision; cut there so that no raw score overflows.
_MAX_LOGIT = 500.0


class CalibrationInvalid(Exception):
    """A calibration cannot be used; names the calibration and what is wrong with it."""

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        self.problem = problem
        super().__init__(f"calibration {name!r}: {problem}")


@dataclass(frozen=True, slots=True)
class Calibration:
    """A rising map from raw scores to probabilities of hallucination in [0, 1], and the threshold on that scale."""

    name: str
    method: str
    threshold: float
    detector_version: str = ""
    slope: float = 1.0
    intercept: float = 0.0
    raw: tuple[float, ...] = ()
    probability: tuple[float, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    risk_thresholds: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def load(cls, name: str, folder: Path = FOLDER) -> Calibration:
        """The shipped calibration of that detector. Raises CalibrationInvalid when it is absent or malformed."""
        path = folder / f"{name}.json"
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise CalibrationInvalid(name, f"there is no file {path}") from None
        except json.JSONDecodeError as error:
            raise CalibrationInvalid(name, f"{path} is not JSON ({error})") from error
        return cls.from_fields(name, fields)

    @classmethod
    def from_fields(cls, name: str, fields: Mapping[str, Any]) -> Calibration:
        """A calibration from the JSON form above. Raises CalibrationInvalid naming the wrong field."""
        method = fields.get("method")
        if method not in ("platt", "isotonic"):
            raise CalibrationInvalid(name, f"method is {method!r}, platt or isotonic expected")
        threshold = _number(name, fields, "threshold")
        if not 0.0 <= threshold <= 1.0:
            raise CalibrationInvalid(name, f"threshold {threshold} is not in [0, 1]")
        rest: dict[str, Any] = {
            "detector_version": str(fields.get("detector_version", "")),
            "provenance": fields.get("provenance", {}),
            "risk_thresholds": _risk_thresholds(name, fields, threshold),
        }
        if method == "platt":
            slope = _number(name, fields, "slope")
            if slope <= 0:
                raise CalibrationInvalid(name, f"slope {slope} does not rise")
            return cls(name, method, threshold, slope=slope, intercept=_number(name, fields, "intercept"), **rest)
        raw, probability = _series(name, fields, "raw"), _series(name, fields, "probability")
        if len(raw) != len(probability) or not raw:
            raise CalibrationInvalid(name, f"raw has {len(raw)} points and probability {len(probability)}")
        if list(raw) != sorted(raw) or list(probability) != sorted(probability) or probability[0] < 0 or probability[-1] > 1:
            raise CalibrationInvalid(name, "raw and probability must rise, probability within [0, 1]")
        return cls(name, method, threshold, raw=raw, probability=probability, **rest)

    def threshold_for(self, risk: str) -> float:
        """The threshold for answers of that risk: :attr:`threshold` unless the calibration names another one."""
        return self.risk_thresholds.get(risk, self.threshold)

    def for_risk(self, risk: str) -> Calibration:
        """The same map with the threshold of that risk."""
        return replace(self, threshold=self.threshold_for(risk)) if risk in self.risk_thresholds else self

    def apply(self, raw: float) -> float:
        """The probability of hallucination for a raw score. Raises ValueError for a raw score that is not a number."""
        if math.isnan(raw):
            raise ValueError(f"calibration {self.name!r}: a raw score must be a number")
        if self.method == "platt":
            logit = max(-_MAX_LOGIT, min(_MAX_LOGIT, self.slope * raw + self.intercept))
            return 1.0 / (1.0 + math.exp(-logit))
        return self._interpolate(raw)

    def _interpolate(self, raw: float) -> float:
        right = bisect_right(self.raw, raw)
        if right == 0:
            return self.probability[0]
        if right == len(self.raw):
            return self.probability[-1]
        x0, x1 = self.raw[right - 1], self.raw[right]
        y0, y1 = self.probability[right - 1], self.probability[right]
        return y0 + (y1 - y0) * (raw - x0) / (x1 - x0)


def _number(name: str, fields: Mapping[str, Any], key: str) -> float:
    value = fields.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise CalibrationInvalid(name, f"{key} is {value!r}, a number expected")
    return float(value)


def _risk_thresholds(name: str, fields: Mapping[str, Any], threshold: float) -> dict[str, float]:
    """Thresholds by risk. Where more is at stake more must be caught, so none may be above that of a lower risk."""
    given = fields.get("risk_thresholds", {})
    if not isinstance(given, Mapping):
        raise CalibrationInvalid(name, f"risk_thresholds is {given!r}, a map from risk to threshold expected")
    if unknown := set(given) - set(RISKS):
        raise CalibrationInvalid(name, f"risk_thresholds names {', '.join(sorted(unknown))}, choose from {', '.join(RISKS)}")
    found = {risk: _number(name, given, risk) for risk in RISKS if risk in given}
    steps = [threshold, *found.values()]
    if steps != sorted(steps, reverse=True) or steps[-1] < 0.0:
        raise CalibrationInvalid(name, f"risk_thresholds {found} must fall from threshold {threshold} with rising risk, none below 0")
    return found


def _series(name: str, fields: Mapping[str, Any], key: str) -> tuple[float, ...]:
    values = fields.get(key)
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise CalibrationInvalid(name, f"{key} is {values!r}, a list of numbers expected")
    return tuple(_number(name, {key: value}, key) for value in values)

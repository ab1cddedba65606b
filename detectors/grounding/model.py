"""The small model over the measured differences: logistic regression with its coefficients in JSON, fitted by benchmarks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detectors.grounding.features import FEATURES

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class SupportModel:
    """Log odds that a sentence is not borne out: intercept + sum of weight * (value - mean) / scale."""

    weights: tuple[float, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    intercept: float

    @classmethod
    def load(cls, name: str) -> SupportModel:
        """The shipped model, ``encoder``, ``statement`` or ``words``.

        Raises:
            ValueError: it was fitted on other features than this code measures.
        """
        path = FOLDER / f"{name}_model.json"
        fields = json.loads(path.read_text(encoding="utf-8"))
        if tuple(fields["features"]) != FEATURES:
            raise ValueError(f"{path.name} was fitted on {fields['features']}, this version measures {list(FEATURES)}")
        return cls(tuple(fields["weights"]), tuple(fields["means"]), tuple(fields["scales"]), float(fields["intercept"]))

    def log_odds(self, values: Sequence[float]) -> float:
        """The raw score of measured values in the order of :data:`FEATURES`."""
        terms = zip(self.weights, values, self.means, self.scales, strict=True)
        return self.intercept + sum(weight * (value - mean) / scale for weight, value, mean, scale in terms)

"""Turns what the listeners say about claimed words, and where they were found, into one raw score (log odds of a wrong claim)."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detectors.hearing.support import Dispute, Opinion

FEATURES = ("against_kinder", "against_mean", "unexpected_kinder", "sound_kinder", "weighty")
MODEL = Path(__file__).with_name("quote_model.json")
# Log probabilities beyond this say no more than "certainly not".
_MOST_NATS = 25.0
# A stated second is rounded and word times are good to about a second, so that up to here a time is right (seconds) …
_TOLERANCE_S = 2.6
# … and this much further it is certainly wrong.
_TOLERANCE_WIDTH_S = 0.35
_ALMOST_CERTAIN = 12.0


@dataclass(frozen=True, slots=True)
class WordModel:
    """Logistic regression over :data:`FEATURES`; fitted by ``benchmarks``, see the provenance in its file."""

    weights: tuple[float, ...]
    intercept: float

    def log_odds(self, features: Sequence[float]) -> float:
        """Log odds that the claimed words were not said."""
        return self.intercept + sum(weight * value for weight, value in zip(self.weights, features, strict=True))


@functools.lru_cache(maxsize=1)
def word_model() -> WordModel:
    """The shipped model. Raises ValueError when its file names other features than this code computes."""
    fields = json.loads(MODEL.read_text(encoding="utf-8"))
    if tuple(fields["features"]) != FEATURES:
        raise ValueError(f"{MODEL.name} was fitted on {fields['features']}, this version computes {list(FEATURES)}")
    return WordModel(tuple(fields["weights"]), float(fields["intercept"]))


def word_features(opinions: Sequence[Opinion]) -> tuple[float, ...]:
    """The features of claimed words: each listener's worst dispute, seen by the listener kinder to the claim.

    All zero where a listener hears exactly the claimed words.
    """
    worst = [worst_dispute(opinion) for opinion in opinions]
    if not worst or any(dispute is None for dispute in worst):
        return (0.0,) * len(FEATURES)
    disputes = [dispute for dispute in worst if dispute is not None]
    against = [_against(dispute) for dispute in disputes]
    unexpected = [max(-10.0, min(_MOST_NATS, dispute.surprise - dispute.support)) for dispute in disputes]
    return (
        min(against),
        sum(against) / len(against),
        min(unexpected),
        min(dispute.sound for dispute in disputes),
        float(all(dispute.weighty for dispute in disputes)),
    )


def worst_dispute(opinion: Opinion) -> Dispute | None:
    """The difference that speaks most against the claim; None where the listener hears the claimed words."""
    return max(opinion.disputes, key=_against, default=None)


def time_log_odds(stated: float, start: float, end: float) -> float:
    """Log odds that a stated start is wrong, given where the words really are (seconds)."""
    distance = abs(stated - start)
    if start < stated <= end:
        # Inside the words, though not at their start, is only half as wrong.
        distance /= 2
    return max(-_ALMOST_CERTAIN, min(_ALMOST_CERTAIN, (distance - _TOLERANCE_S) / _TOLERANCE_WIDTH_S))


def either(one: float, other: float) -> float:
    """Log odds that at least one of two independent faults is there, from the log odds of each."""
    right = (1 - _probability(one)) * (1 - _probability(other))
    return math.log(max(1e-9, 1 - right) / max(1e-9, right))


def _against(dispute: Dispute) -> float:
    return max(0.0, min(_MOST_NATS, -dispute.support))


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, log_odds))))

"""What the higher tiers have in common: they are asked about hard statements only, and give a probability or nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from detectors.contract import Usage

# Log odds beyond this are no longer told apart: a tier may be sure, it is never the only word.
_MOST = 4.0


@dataclass(frozen=True, slots=True)
class Opinion:
    """A tier's probability that a statement is *not* borne out, and what asking cost (nothing where the answer was kept).

    ``probability`` is None where it has no opinion; ``reason`` then says why. Asking may have cost something all the same.
    """

    tier: str
    probability: float | None
    usage: tuple[Usage, ...] = ()
    reason: str = ""


class Tier(Protocol):
    """A second opinion. ``version`` is part of the detector's, because verdicts depend on it."""

    version: str

    def load(self) -> None:
        """Raises DetectorUnavailable when it cannot work here at all."""
        ...

    def opinion(self, statement: str, passages: Sequence[str]) -> Opinion:
        """What the passages say to a statement."""
        ...


def joined(score: float, probability: float) -> float:
    """The mean of both log odds as a probability. The weights are equal because no tier is known before it is configured."""
    logits = [max(-_MOST, min(_MOST, math.log(p / (1 - p)))) for p in (_inside(score), _inside(probability))]
    return 1 / (1 + math.exp(-sum(logits) / 2))


def _inside(probability: float) -> float:
    return min(0.999, max(0.001, probability))

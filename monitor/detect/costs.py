"""What judging costs: the seconds a detector is expected to take on a response, and the budget that they are paid from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from monitor.clock import Clock
from monitor.detect.cases import family_of
from monitor.records import ResponseRecord, Risk

RISKS: tuple[Risk, ...] = get_args(Risk)
# Before a worker has told what a detector states of itself.
UNKNOWN_S = 1.0
# What one outcome weighs in the running mean: some twenty of them settle it.
_WEIGHT = 0.05
# How much of an hour's budget is kept for responses of higher risk. What is kept back is not lost: the budget fills up
# all the time, so that in the long run the lowest risk alone may spend the whole of it.
RESERVED: Mapping[str, float] = {"assistive": 0.5, "decision_support": 0.25, "authoritative": 0.0}
_HOUR_S = 3600.0


class CostBook:
    """Expected seconds by detector and family of evidence: what the detector states, moved by what outcomes really took.

    Outcomes that cost nothing (nothing to check, verdict known before) count too: the mean is what the next response will
    cost, not what it would if everything had to be looked at.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, dict[str, float]] = {}

    def state(self, detector: str, costs: Mapping[str, float]) -> None:
        """What a detector says of itself; measured costs stay."""
        if costs and detector not in self._seconds:
            self._seconds[detector] = dict(costs)

    def expected(self, detector: str, record: ResponseRecord) -> float:
        """Seconds of one worker for all the evidence of a response that the detector reads."""
        known = self._seconds.get(detector)
        families = [family_of(piece) for piece in record.evidence]
        if known is None:
            return UNKNOWN_S * len(families)
        return sum(known.get(family, 0.0) for family in families)

    def learn(self, detector: str, record: ResponseRecord, spent_s: float) -> None:
        """Move the families of this response towards what it took, all by the same factor."""
        known = self._seconds.get(detector)
        expected = self.expected(detector, record)
        if known is None or expected <= 0.0:
            return
        factor = 1.0 - _WEIGHT + _WEIGHT * spent_s / expected
        for family in {family_of(piece) for piece in record.evidence} & set(known):
            known[family] *= factor


class DetectionBudget:
    """Seconds of worker time that fill up evenly to one hour's worth; 0 an hour = no limit. A new start begins full.

    Higher risks may draw on more of it (:data:`RESERVED`), so that what matters most is still looked at when an hour was busy.
    """

    def __init__(self, seconds_per_hour: float, clock: Clock) -> None:
        self._per_hour = seconds_per_hour
        self._clock = clock
        self._left = seconds_per_hour
        self._filled_at = clock.now()

    def refusal(self, risk: str, seconds: float) -> str | None:
        """None, and the seconds are taken, where the budget has them; otherwise the reason in words."""
        if not self._per_hour:
            return None
        self._fill()
        left = self._left - RESERVED.get(risk, 0.0) * self._per_hour
        if seconds <= left:
            self._left -= seconds
            return None
        return (
            f"over budget: about {seconds:.1f} s of worker time are needed, {max(0.0, left):.1f} s of {self._per_hour:g} s an hour "
            f"are left for {risk.replace('_', ' ')} responses"
        )

    def settle(self, expected_s: float, spent_s: float) -> None:
        """Give back what was taken and not used, or take what was used beyond it."""
        if self._per_hour:
            self._left = max(-self._per_hour, self._left + expected_s - spent_s)

    def _fill(self) -> None:
        now = self._clock.now()
        passed_s = max(0.0, (now - self._filled_at).total_seconds())
        self._filled_at = now
        self._left = min(self._per_hour, self._left + passed_s * self._per_hour / _HOUR_S)


def urgency(record: ResponseRecord) -> int:
    """How high the risk of a response is, 0 = lowest."""
    return RISKS.index(record.risk)

"""Which responses are looked at: sampling by risk, and shedding when the queue is too old."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from monitor.clock import Clock
from monitor.findings import OutcomeState
from monitor.store.rows import SpooledResponse

# Only a response whose wrong answer costs little may be left out.
LEFT_OUT_RISK = "assistive"


@dataclass(frozen=True, slots=True)
class DetectionPolicy:
    """Decides before a worker sees a response. Higher risks than assistive are always looked at.

    ``share`` of the assistive responses is looked at, chosen by a hash of project and id, so that every detector and
    every restart chooses the same ones. ``max_wait_s`` (0 = no limit) is the age in the queue at which assistive
    responses are shed so that the rest is looked at in time.
    """

    share: float
    max_wait_s: int
    clock: Clock

    def left_out(self, response: SpooledResponse) -> tuple[OutcomeState, str] | None:
        """State and reason of a response that is not looked at, or None."""
        if response.record.risk != LEFT_OUT_RISK:
            return None
        if self.share < 1.0 and position(response.project, response.record.id) >= self.share:
            return "sampled_out", f"sampled out: {self.share:.0%} of assistive responses are checked"
        waited = self.clock.now() - response.received_at
        if self.max_wait_s and waited > timedelta(seconds=self.max_wait_s):
            return "over_budget", f"over budget: it waited {waited.total_seconds():.0f} s, the limit is {self.max_wait_s} s"
        return None


def position(project: str, identifier: str) -> float:
    """Where a response falls in [0, 1): uniform, and always the same."""
    digest = hashlib.sha256(f"{project}:{identifier}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64

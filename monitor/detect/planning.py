"""In which order and in which micro-batches open work goes to the workers, and what the budget leaves out.

Responses of higher risk come first; of one response the cheap detectors come before the costly ones, so that a budget
that runs short still buys the most verdicts. A batch is of one detector and one risk, and no longer than people like to
wait for its verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from monitor.clock import Clock
from monitor.detect.costs import CostBook, DetectionBudget, urgency
from monitor.detect.engine import Finished, WorkItem
from monitor.findings import OutcomeRecord

# A batch closes at the first of these (and at the setting `batch_size`).
BATCH_S = 20.0
BATCH_BYTES = 16 * 1024 * 1024


class OpenItem(msgspec.Struct, frozen=True):
    """A response and the detectors that have not looked at it."""

    item: WorkItem
    detectors: tuple[str, ...]


class Batch(msgspec.Struct, frozen=True):
    """Work to be submitted at once."""

    detector: str
    items: tuple[WorkItem, ...]


class Refused(msgspec.Struct, frozen=True):
    """A pair that the budget leaves out, and why."""

    item: WorkItem
    detector: str
    reason: str


class Planner:
    """Plans pages of open work; learns costs from what comes back. One thread."""

    def __init__(self, batch_size: int, budget_s_per_hour: float, clock: Clock) -> None:
        self._batch_size = batch_size
        self._costs = CostBook()
        self._budget = DetectionBudget(budget_s_per_hour, clock)
        self._granted: dict[tuple[str, str, str], float] = {}

    def forget(self) -> None:
        """Nothing is at work any more; what was granted to it counts as spent."""
        self._granted.clear()

    def state_costs(self, stated: Mapping[str, Mapping[str, float]]) -> None:
        """What detectors say they cost, by detector and family."""
        for detector, costs in stated.items():
            self._costs.state(detector, costs)

    def plan(self, page: Sequence[OpenItem]) -> tuple[list[Batch], list[Refused]]:
        """Batches in the order in which they should be worked on, and what there is no budget for."""
        groups: dict[tuple[int, str], list[tuple[WorkItem, float]]] = {}
        refused: list[Refused] = []
        for one in sorted(page, key=lambda open_item: -urgency(open_item.item.record)):
            record = one.item.record
            priced = sorted(((self._costs.expected(name, record), name) for name in one.detectors), key=lambda pair: pair[0])
            for seconds, name in priced:
                reason = self._budget.refusal(record.risk, seconds)
                if reason is not None:
                    refused.append(Refused(one.item, name, reason))
                    continue
                self._granted[one.item.project, record.id, name] = seconds
                groups.setdefault((urgency(record), name), []).append((one.item, seconds))
        return self._batches(groups), refused

    def learn(self, finished: Finished) -> None:
        """Settle the budget and move the expected costs by what a batch really took."""
        for item, outcome in zip(finished.items, finished.outcomes, strict=True):
            self._settle(item, outcome)

    def _settle(self, item: WorkItem, outcome: OutcomeRecord) -> None:
        granted = self._granted.pop((item.project, item.record.id, outcome.detector), None)
        spent_s = outcome.duration_ms / 1000
        if granted is not None:
            self._budget.settle(granted, spent_s)
        if outcome.state != "failed":
            self._costs.learn(outcome.detector, item.record, spent_s)

    def _batches(self, groups: Mapping[tuple[int, str], Sequence[tuple[WorkItem, float]]]) -> list[Batch]:
        def order(entry: tuple[tuple[int, str], Sequence[tuple[WorkItem, float]]]) -> tuple[int, float]:
            (risk, _), items = entry
            return -risk, sum(seconds for _, seconds in items) / len(items)

        return [Batch(name, part) for (_, name), items in sorted(groups.items(), key=order) for part in self._parts(items)]

    def _parts(self, items: Sequence[tuple[WorkItem, float]]) -> list[tuple[WorkItem, ...]]:
        parts: list[tuple[WorkItem, ...]] = []
        part: list[WorkItem] = []
        left_s, left_bytes = BATCH_S, BATCH_BYTES
        for item, seconds in items:
            size = sum(len(piece.content or "") for piece in item.record.evidence)
            if part and (len(part) == self._batch_size or seconds > left_s or size > left_bytes):
                parts.append(tuple(part))
                part, left_s, left_bytes = [], BATCH_S, BATCH_BYTES
            part.append(item)
            left_s, left_bytes = left_s - seconds, left_bytes - size
        return [*parts, tuple(part)]

"""An engine that judges in the caller's thread: flags every "wrong" in the answer; detectors can be held back."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from monitor.detect.engine import DetectorReport, Finished, WorkItem, outcome_of
from monitor.detect.wire import Judgement
from monitor.findings import FindingRecord


class WordEngine:
    """See :class:`monitor.detect.engine.Engine`. What is in ``held`` is not finished; ``breaks`` makes collect raise once."""

    def __init__(self) -> None:
        self.reports: dict[str, DetectorReport] = {}
        self.restarts = 0
        self.held: set[str] = set()
        self.breaks = False
        self.started = self.stopped = 0
        self.order: list[tuple[str, str]] = []
        self._queue: list[tuple[str, tuple[WorkItem, ...]]] = []

    @property
    def unfinished(self) -> int:
        return len(self._queue)

    def start(self) -> None:
        self.started += 1

    def submit(self, detector: str, items: Sequence[WorkItem], folder: str | None = None) -> None:
        assert folder is None
        self.order += [(detector, item.record.answer.text) for item in items]
        self._queue.append((detector, tuple(items)))

    def collect(self, timeout_s: float) -> list[Finished]:
        if self.breaks:
            self.breaks = False
            raise RuntimeError("the engine broke")
        done = [(detector, items) for detector, items in self._queue if detector not in self.held]
        self._queue = [(detector, items) for detector, items in self._queue if detector in self.held]
        if not done:
            time.sleep(min(timeout_s, 0.005))
        return [self._finished(detector, items) for detector, items in done]

    def withdraw(self, response_ids: Collection[str], after_s: float) -> int:
        before = len(self._queue)
        self._queue = [(name, items) for name, items in self._queue if any(item.record.id not in response_ids for item in items)]
        return before - len(self._queue)

    def stop(self, *, drain: bool, timeout_s: float = 30.0) -> list[Finished]:
        self.stopped += 1
        self._queue = []
        return []

    def _finished(self, detector: str, items: tuple[WorkItem, ...]) -> Finished:
        outcomes = tuple(outcome_of(item, detector, self._judgement(detector, item), datetime.now(UTC)) for item in items)
        return Finished(detector=detector, items=items, outcomes=outcomes)

    def _judgement(self, detector: str, item: WorkItem) -> Judgement:
        findings = [
            FindingRecord(
                detector=detector,
                claim_id=f"c{number}",
                claim_text=word,
                claim_kind="statement",
                verdict="hallucinated" if word == "wrong" else "supported",
                score=0.9 if word == "wrong" else 0.1,
                explanation="Looked.",
            )
            for number, word in enumerate(item.record.answer.text.split())
        ]
        return Judgement(state="judged", findings=tuple(findings))

"""What runs detectors for the service: the contract of engines, and how their work and results look."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from monitor.detect.wire import Judgement
from monitor.findings import OutcomeRecord
from monitor.records import Evidence, ResponseRecord


class WorkItem(msgspec.Struct, frozen=True, kw_only=True):
    """One response to be looked at; ``record`` holds only what a detector may see, ``neighbours`` sources of other responses."""

    project: str
    record: ResponseRecord
    neighbours: tuple[Evidence, ...] = ()


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """Items that reached an outcome, one each in order. ``poison``: given up after every retry.

    ``damaged``: hashes of sealed evidence that did not open.
    """

    detector: str
    items: tuple[WorkItem, ...]
    outcomes: tuple[OutcomeRecord, ...]
    poison: bool = False
    damaged: tuple[str, ...] = ()


class DetectorReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a detector on this machine. ``available`` is None until a worker has tried to load it.

    ``costs`` are the seconds that a piece of evidence of each family takes, as the detector states them.
    """

    available: bool | None = None
    version: str | None = None
    weights_version: str | None = None
    reason: str | None = None
    costs: dict[str, float] = {}


class Engine(Protocol):
    """Runs micro-batches on workers. One thread drives it; :attr:`reports` and :attr:`restarts` may be read by any.

    Work is not durable here: what was submitted and not collected when an engine stops is simply gone, and the driver
    finds it due again in the store.
    """

    @property
    def reports(self) -> dict[str, DetectorReport]:
        """By detector, as far as known."""
        ...

    @property
    def restarts(self) -> int:
        """Workers that had to be replaced since the start."""
        ...

    @property
    def unfinished(self) -> int:
        """Batches submitted and not yet collected."""
        ...

    def start(self) -> None:
        """Start the workers."""
        ...

    def submit(self, detector: str, items: Sequence[WorkItem], folder: str | None = None) -> None:
        """Queue a micro-batch; without items the detector is only loaded, somewhere.

        Batches that wait are taken up by the highest risk among their items, and in the order submitted.
        """
        ...

    def collect(self, timeout_s: float) -> list[Finished]:
        """What has finished, waiting up to ``timeout_s`` for something to."""
        ...

    def withdraw(self, response_ids: Collection[str], after_s: float) -> int:
        """Give up batches that hold nothing but these responses: how many were given up; nothing is collected of them.

        A batch that waits is dropped. One at work ends with its worker, which is replaced, but only when it has been
        judged for ``after_s``: a worker that still loads is needed by whoever comes next, and one that is about to end
        is dearer to replace than to wait for.
        """
        ...

    def stop(self, *, drain: bool, timeout_s: float = 30.0) -> list[Finished]:
        """End the workers: after the batches they work on (``drain``, at most ``timeout_s``), or at once."""
        ...


def outcome_of(item: WorkItem, detector: str, judgement: Judgement, finished_at: datetime, attempts: int = 1) -> OutcomeRecord:
    """The judgement as the outcome of one response."""
    return OutcomeRecord(
        project=item.project,
        response_id=item.record.id,
        response_time=item.record.time,
        workflow=item.record.workflow,
        detector=detector,
        state=judgement.state,
        finished_at=finished_at,
        detector_version=judgement.detector_version,
        weights_version=judgement.weights_version,
        reason=judgement.reason,
        duration_ms=judgement.duration_ms,
        attempts=attempts,
        findings=judgement.findings,
        quality=judgement.quality,
        usage=judgement.usage,
        cached=judgement.cached,
    )

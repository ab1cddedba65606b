"""From the spool into the store, for ever."""

from __future__ import annotations

from typing import Protocol

from monitor.clock import Clock
from monitor.spool import Spool
from monitor.store.writer import Writer


class OnDeadLetter(Protocol):
    """Takes what cannot be processed: stage is ``store`` here, ``payload`` the record's JSON."""

    def __call__(self, project: str, stage: str, response_id: str, detector: str | None, reason: str, payload: str | None) -> None: ...


class Drain:
    """One thread that empties the spool."""

    def __init__(self, spool: Spool, writer: Writer, clock: Clock, on_dead_letter: OnDeadLetter) -> None:
        raise NotImplementedError

    def start(self) -> None:
        raise NotImplementedError

    def stop(self, timeout_s: float = 10.0) -> None:
        raise NotImplementedError

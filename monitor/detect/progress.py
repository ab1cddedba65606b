"""What the driver has open: per sidecar, which sequences are unfinished and how far the cursor may move."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from monitor.store.rows import SpooledResponse

Pair = tuple[str, str, str]
"""(project, response id, detector)."""


@dataclass(slots=True)
class SidecarProgress:
    """One sidecar. ``read`` is the last sequence taken from the store, ``saved`` the persisted cursor."""

    saved: int
    read: int
    _open: dict[int, int] = field(default_factory=dict)

    @property
    def reached(self) -> int:
        """The highest sequence up to which everything has ended."""
        return min(self._open) - 1 if self._open else self.read

    def opened(self, sequence: int, pairs: int) -> None:
        """A response was read; ``pairs`` of it have not ended yet."""
        self.read = max(self.read, sequence)
        if pairs:
            self._open[sequence] = pairs

    def ended(self, sequence: int) -> None:
        """One pair of a response has ended."""
        self._open[sequence] -= 1
        if not self._open[sequence]:
            del self._open[sequence]


class OpenWork:
    """All sidecars together, and the responses whose pairs have not ended."""

    def __init__(self, cursors: dict[str, int]) -> None:
        self.sidecars = {sidecar: SidecarProgress(cursor, cursor) for sidecar, cursor in cursors.items()}
        self._waiting: dict[Pair, list[tuple[str, int]]] = {}
        self._responses: dict[tuple[str, str], tuple[SpooledResponse, int]] = {}

    def __len__(self) -> int:
        return len(self._responses)

    def progress(self, sidecar: str) -> SidecarProgress:
        """That sidecar's progress, from the beginning where it is new."""
        return self.sidecars.setdefault(sidecar, SidecarProgress(0, 0))

    def add(self, response: SpooledResponse, detectors: Iterable[str]) -> list[str]:
        """Open a response for these detectors; returns those that are not already under way.

        The same id may come in through two sidecars: it is looked at once and ends for both.
        """
        project, identifier = response.project, response.record.id
        wanted = list(detectors)
        fresh = []
        for detector in wanted:
            waiting = self._waiting.setdefault((project, identifier, detector), [])
            if not waiting:
                fresh.append(detector)
            waiting.append((response.sidecar, response.sequence))
        self.progress(response.sidecar).opened(response.sequence, len(wanted))
        if fresh:
            known, count = self._responses.get((project, identifier), (response, 0))
            self._responses[(project, identifier)] = (known, count + len(fresh))
        return fresh

    def response(self, project: str, identifier: str) -> SpooledResponse | None:
        """The open response of that id."""
        found = self._responses.get((project, identifier))
        return None if found is None else found[0]

    def end(self, pair: Pair) -> None:
        """A pair's outcome is in the store."""
        for sidecar, sequence in self._waiting.pop(pair, []):
            self.sidecars[sidecar].ended(sequence)
        known = self._responses.get(pair[:2])
        if known is None:
            return
        response, count = known
        if count > 1:
            self._responses[pair[:2]] = (response, count - 1)
        else:
            del self._responses[pair[:2]]

"""The spool: records are on disk before anybody hears 202."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from monitor.clock import Clock


class SpoolState(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for the store. ``bytes`` is the size of the waiting records."""

    count: int
    bytes: int
    oldest_received_at: datetime | None


class SpooledItem(msgspec.Struct, frozen=True, kw_only=True):
    """One record as it was taken in; ``raw`` is its JSON."""

    sequence: int
    project: str
    id: str
    received_at: datetime
    raw: bytes


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Records that go into the store together; the same token always means the same records."""

    token: str
    items: tuple[SpooledItem, ...]


class Spool:
    """Append, read in stable batches, confirm."""

    sidecar: str

    def __init__(self, path: Path, max_bytes: int, commit_ms: float, clock: Clock) -> None:
        raise NotImplementedError

    def append(self, project: str, items: Sequence[tuple[str, bytes]]) -> list[bool]:
        """True = new, False = that id was taken before. Raises SlowDown or StorageUnavailable, and then took nothing."""
        raise NotImplementedError

    def pending(self) -> SpoolState:
        raise NotImplementedError

    def next_batch(self, limit: int) -> Batch | None:
        raise NotImplementedError

    def confirm(self, batch: Batch) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

"""Time as the stages see it: one clock to read, and one that tests can move."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What a stage may ask about time."""

    def now(self) -> datetime:
        """Current time, timezone-aware, UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; a movable clock moves instead."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class MovableClock:
    """A clock that stands still until it is moved; ``sleep`` moves it. For tests and simulations."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        self.move(timedelta(seconds=seconds))

    def move(self, by: timedelta) -> None:
        with self._lock:
            self._now += by

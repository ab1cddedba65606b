"""What lately could not be fetched, so that a broken or slow source costs its wait once and not at every detector.

Each detector asks for a response's evidence anew, and a source that answers drop by drop would hold a worker for a minute
each time, with all other responses behind it.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from monitor.errors import EvidenceRefused, EvidenceTooSlow

# How long a reference that failed, or a host that is too slow, is left alone.
LEFT_ALONE_S = 60.0
# This many fetches that ran out of time, no further apart than the minutes, make a slow host.
SLOW_FETCHES = 2
SLOW_WITHIN_S = 300.0
_KEPT = 1_000


class Faults:
    """Remembers failed references for a minute, and hosts that let fetches run out of time. Not thread-safe."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._references: OrderedDict[str, tuple[float, EvidenceRefused]] = OrderedDict()
        self._slow: OrderedDict[str, deque[float]] = OrderedDict()

    def raise_known(self, uri: str) -> None:
        """Raises EvidenceRefused where asking for this reference again can only cost time."""
        now = self._now()
        at, error = self._references.get(uri, (-LEFT_ALONE_S, None))
        if error is not None and now - at < LEFT_ALONE_S:
            raise type(error)(error.evidence, error.problem, error.remedy)
        host = urlsplit(uri).netloc
        times = self._slow.get(host) or deque()
        if len(times) >= SLOW_FETCHES and now - times[-1] < LEFT_ALONE_S:
            problem = f"is not asked for now: {host} was too slow {len(times)} times in the last {SLOW_WITHIN_S / 60:.0f} minutes"
            raise EvidenceRefused(uri[:200], problem, "Send the response again when its host answers, or upload the file")

    def add(self, uri: str, error: EvidenceRefused) -> None:
        """A fetch has failed."""
        now = self._now()
        self._references[uri] = (now, error)
        _forget_oldest(self._references)
        if isinstance(error, EvidenceTooSlow):
            times = self._slow.setdefault(urlsplit(uri).netloc, deque())
            times.append(now)
            while now - times[0] > SLOW_WITHIN_S:
                times.popleft()
            self._slow.move_to_end(urlsplit(uri).netloc)
            _forget_oldest(self._slow)


def _forget_oldest(kept: OrderedDict[str, Any]) -> None:
    while len(kept) > _KEPT:
        kept.popitem(last=False)

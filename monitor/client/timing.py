"""The stages of the response that is being made: timed where they happen, logged with it."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_current: contextvars.ContextVar[Drafted | None] = contextvars.ContextVar("groundwatch-response", default=None)


class Drafted:
    """A response in the making: set its fields as they become known; stages are timed with :meth:`stage`.

    ``fields`` are those of the response record, ``files`` evidence by id.
    """

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields
        self.files: dict[str, Any] = {}
        self.stages: list[dict[str, Any]] = []

    def set(self, **fields: Any) -> None:
        """Fields of the record, such as ``answer``, ``claims`` or ``usage``."""
        self.fields.update(fields)

    def attach(self, **files: Any) -> None:
        """Evidence by id: paths, bytes, URLs, PIL images, (samples, rate)."""
        self.files.update(files)

    @contextmanager
    def stage(self, name: str, budget_ms: float | None = None) -> Iterator[None]:
        """Time one stage; an exception marks it ``error`` (``timeout`` for a TimeoutError) and goes on its way."""
        started = time.perf_counter()
        status = "ok"
        try:
            yield
        except BaseException as error:
            status = "timeout" if isinstance(error, TimeoutError) else "error"
            raise
        finally:
            spent = {"name": name, "duration_ms": (time.perf_counter() - started) * 1000, "status": status}
            self.stages.append(spent if budget_ms is None else {**spent, "budget_ms": budget_ms})


@contextmanager
def drafting(drafted: Drafted) -> Iterator[Drafted]:
    """Make it the one that :func:`stage` speaks of, in this thread or task."""
    token = _current.set(drafted)
    try:
        yield drafted
    finally:
        _current.reset(token)


@contextmanager
def stage(name: str, budget_ms: float | None = None) -> Iterator[None]:
    """Time a stage of the response that is being made around here; outside of one it times nothing."""
    drafted = _current.get()
    if drafted is None:
        yield
        return
    with drafted.stage(name, budget_ms):
        yield

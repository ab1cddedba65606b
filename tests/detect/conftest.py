"""What the detect tests share: records to look at, and engines on the fakes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.clock import MovableClock
from monitor.detect.engine import Finished, WorkItem
from monitor.detect.local import LocalEngine
from monitor.detect.wire import WorkerConfig
from monitor.records import Answer, Evidence, ResponseRecord

FAKES = "tests.detect.fakes"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def record(identifier: str, answer: str, *, evidence: tuple[Evidence, ...] | None = None) -> ResponseRecord:
    """A response with one short text as evidence."""
    source = (Evidence(id="doc", media_type="text/plain", content="a document"),) if evidence is None else evidence
    return ResponseRecord(id=identifier, time=NOON, workflow="test", answer=Answer(text=answer), evidence=source)


def items(*answers: str) -> list[WorkItem]:
    """Work on answers, with ids r0, r1 …"""
    return [WorkItem(project="default", record=record(f"r{number}", answer)) for number, answer in enumerate(answers)]


def collect(engine: LocalEngine, wanted: int, within_s: float = 30.0) -> list[Finished]:
    """Results until there are outcomes of ``wanted`` responses."""
    found: list[Finished] = []
    until = time.monotonic() + within_s
    while sum(len(one.outcomes) for one in found) < wanted:
        assert time.monotonic() < until, f"only {found} after {within_s} s"
        found += engine.collect(0.2)
    return found


@pytest.fixture
def config(tmp_path: Path) -> WorkerConfig:
    """Workers on the fakes, with their cache in a fresh folder."""
    return WorkerConfig(cache_dir=str(tmp_path / "cache"), max_evidence_bytes=1_000_000, catalogue=FAKES, claims=FAKES)


@pytest.fixture
def make_engine(config: WorkerConfig, clock: MovableClock) -> Iterator[Callable[..., LocalEngine]]:
    """Starts engines and ends them after the test."""
    engines: list[LocalEngine] = []

    def make(workers: int = 1, item_timeout_s: float = 30.0) -> LocalEngine:
        engine = LocalEngine(config, workers, item_timeout_s, clock)
        engine.start()
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        engine.stop(drain=False)

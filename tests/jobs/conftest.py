from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from monitor.clock import MovableClock
from monitor.jobs.runner import JobRunner
from monitor.metadata.database import Database
from monitor.metadata.jobs import RunRecord
from monitor.settings import Settings
from monitor.store.reading import Reader
from tests.jobs.fakes import ListReader


@pytest.fixture
def lists() -> ListReader:
    return ListReader()


@pytest.fixture
def runner(settings: Settings, lists: ListReader, database: Database, clock: MovableClock) -> JobRunner:
    return JobRunner(settings, cast(Reader, lists), database, clock)


@pytest.fixture
def run(runner: JobRunner) -> Callable[[str], RunRecord]:
    """Runs one job to its end and fails the test if the job failed."""

    def run_one(name: str) -> RunRecord:
        record = runner.run(name)
        assert record.error is None
        return record

    return run_one

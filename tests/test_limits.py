from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from monitor.clock import MovableClock
from monitor.errors import RecordInvalid, SlowDown
from monitor.limits import FRESH_S, Limits
from monitor.metadata.database import Database
from monitor.metadata.limits import LimitsRecord, ProjectBudgets
from tests.conftest import NOON
from tests.serving import command


def limited(database: Database, clock: MovableClock, **limits: int) -> Limits:
    ProjectBudgets(database).set_limits("a", LimitsRecord(**limits), NOON, "ann")
    return Limits(database, clock)


def refused(limits: Limits, **what: bool) -> int:
    with pytest.raises(SlowDown) as caught:
        limits.check("a", **what)
    return caught.value.retry_after_s


def test_without_limits_everything_goes(database: Database, clock: MovableClock) -> None:
    limits = Limits(database, clock)
    for _ in range(1000):
        limits.check("a")
        limits.charge("a", responses=1000)


def test_a_minutes_worth_may_come_at_once_and_then_at_its_pace(database: Database, clock: MovableClock) -> None:
    limits = limited(database, clock, responses_per_minute=60)
    limits.check("a")
    limits.charge("a", responses=60)
    assert refused(limits) == 1
    clock.move(timedelta(seconds=1))
    limits.check("a")
    limits.charge("a", responses=31)
    assert refused(limits) == 31
    clock.move(timedelta(seconds=31))
    limits.check("a")


def test_one_projects_rush_is_no_other_projects_limit(database: Database, clock: MovableClock) -> None:
    limits = limited(database, clock, responses_per_minute=1)
    limits.charge("a", responses=5)
    refused(limits)
    limits.check("b")


def test_a_daily_quota_ends_at_midnight_and_survives_a_restart(database: Database, clock: MovableClock) -> None:
    limits = limited(database, clock, responses_per_day=100, evidence_bytes_per_day=10)
    limits.charge("a", responses=100, evidence_bytes=10)
    assert refused(limits) == refused(limits, evidence=True) == 12 * 3600
    limits.flush()
    again = Limits(database, clock)
    assert refused(again) == 12 * 3600
    assert again.usage("a")[1].responses == 100
    clock.move(timedelta(hours=12))
    again.check("a")
    again.check("a", evidence=True)
    assert again.usage("a")[1].responses == 0


def test_usage_of_two_processes_adds_up(database: Database, clock: MovableClock) -> None:
    for _ in range(2):
        limits = Limits(database, clock)
        limits.charge("a", responses=3)
        limits.flush()
    assert Limits(database, clock).usage("a")[1].responses == 6


def test_a_changed_limit_is_noticed_within_seconds(database: Database, clock: MovableClock) -> None:
    limits = limited(database, clock, responses_per_minute=1)
    limits.charge("a", responses=5)
    refused(limits)
    ProjectBudgets(database).set_limits("a", LimitsRecord(), NOON, "ann")
    clock.move(timedelta(seconds=FRESH_S))
    limits.check("a")


def test_a_limit_below_one_is_refused(database: Database) -> None:
    with pytest.raises(RecordInvalid) as caught:
        ProjectBudgets(database).set_limits("a", LimitsRecord(responses_per_day=0), NOON, "ann")
    assert caught.value.field == "responses_per_day"


def test_the_command_line_sets_and_lists_limits_and_rotates_keys(tmp_path: Path) -> None:
    assert command("projects", "limit", "shop", "--per-minute", "600", data=tmp_path).returncode == 0
    assert "responses per minute 600" in command("projects", "list", data=tmp_path).stdout
    made = command("keys", "create", "ci", "--role", "ingest", "--project", "shop", data=tmp_path)
    old = made.stderr.split()[1]
    rotated = command("keys", "rotate", old, "--project", "shop", "--grace-hours", "1", data=tmp_path)
    assert rotated.returncode == 0, rotated.stderr
    assert rotated.stdout.startswith("gw_")
    listed = command("keys", "list", "--project", "shop", data=tmp_path).stdout
    assert listed.count("ingest") == 2
    assert "until" in listed

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from monitor.alerts.lifecycle import Lifecycle
from monitor.alerts.rules import RuleBook
from monitor.clock import MovableClock
from monitor.metadata.alerts import AlertRecord
from monitor.metadata.database import Database
from monitor.metadata.jobs import RunRecord
from monitor.settings import Settings
from monitor.store.rows import StageLatency
from tests.jobs.fakes import ListReader

Run = Callable[[str], RunRecord]


def stage(
    p95_ms: float, *, name: str = "total", responses: int = 100, over: int = 0, with_budget: int = 0, workflow: str = "w"
) -> StageLatency:
    return StageLatency(
        workflow=workflow,
        stage=name,
        responses=responses,
        p50_ms=p95_ms / 2,
        p95_ms=p95_ms,
        p99_ms=p95_ms * 2,
        over_budget=over,
        with_budget=with_budget,
    )


def alerts_of(settings: Settings, database: Database) -> list[AlertRecord]:
    return Lifecycle(settings, database).list("default")[0]


def test_a_percentile_over_the_limit_raises_an_alert(
    settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run
) -> None:
    lists.latencies = [stage(12_000), stage(9_999, workflow="calm"), stage(90_000, name="infer")]
    assert run("latency_threshold").facts == {"examined": 3, "opened": 1, "folded": 0, "resolved": 0}
    (alert,) = alerts_of(settings, database)
    assert alert.title == "w: 95th percentile of responses is 12.0 s, limit 10.0 s"
    assert alert.labels == {"kind": "latency_threshold", "workflow": "w", "stage": "total"}
    assert alert.samples["since"] == (clock.now() - timedelta(seconds=900)).isoformat()


def test_a_rule_may_limit_any_stage(settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run) -> None:
    RuleBook(database).create("default", "latency_threshold", clock.now(), actor="ann", workflow="w", params={"p95_ms": {"infer": 500}})
    lists.latencies = [stage(600, name="infer"), stage(60_000)]
    run("latency_threshold")
    assert [alert.labels["stage"] for alert in alerts_of(settings, database)] == ["infer"]


def test_too_few_responses_raise_nothing(lists: ListReader, run: Run) -> None:
    lists.latencies = [stage(12_000, responses=29)]
    assert run("latency_threshold").facts["opened"] == 0


def test_too_many_over_their_own_budget_raise_an_alert(settings: Settings, database: Database, lists: ListReader, run: Run) -> None:
    lists.latencies = [stage(500, name="encode", over=40, with_budget=100), stage(500, name="upload", over=26, with_budget=100)]
    run("latency_threshold")
    # 26% of 100 may well be 20%: the lower end of its interval is 18.4%.
    (alert,) = alerts_of(settings, database)
    assert alert.title == "w: 40% of responses are over the budget of stage encode"
    assert (alert.facts["over_budget"], alert.facts["with_budget"]) == (40, 100)


def test_an_alert_resolves_only_well_below_the_limit_and_after_a_quiet_time(
    settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run
) -> None:
    lists.latencies = [stage(12_000)]
    run("latency_threshold")
    clock.move(timedelta(seconds=1000))
    lists.latencies = [stage(9_800)]
    assert run("latency_threshold").facts["resolved"] == 0
    lists.latencies = []
    assert run("latency_threshold").facts["resolved"] == 0
    lists.latencies = [stage(9_000)]
    assert run("latency_threshold").facts["resolved"] == 1
    assert alerts_of(settings, database)[0].state == "resolved"


def test_a_percentile_that_swings_around_the_limit_stays_one_alert(
    settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run
) -> None:
    for number in range(30):
        lists.latencies = [stage(10_500 if number % 3 == 0 else 9_000)]
        run("latency_threshold")
        clock.move(timedelta(minutes=1))
    (alert,) = alerts_of(settings, database)
    assert (alert.state, alert.occurrences) == ("open", 10)

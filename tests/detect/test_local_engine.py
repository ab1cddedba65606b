"""The local engine: what comes out when workers judge, raise, crash, hang, or lose their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec
import pytest

from monitor.clock import MovableClock
from monitor.detect.engine import Finished, WorkItem
from monitor.detect.local import LocalEngine
from monitor.detect.wire import WorkerConfig
from monitor.records import Evidence
from tests.detect.conftest import NOON, collect, items, record

MakeEngine = Callable[..., LocalEngine]


def by_id(finished: list[Finished]) -> dict[str, Finished]:
    return {outcome.response_id: one for one in finished for outcome in one.outcomes}


def states(finished: list[Finished]) -> dict[str, str]:
    return {outcome.response_id: outcome.state for one in finished for outcome in one.outcomes}


def pids(engine: LocalEngine) -> list[int]:
    return [seat.child.pid for seat in engine._seats if seat.child is not None]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_batch_comes_back_with_findings_in_order(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine.submit("keyword", items("all is right", "this is wrong"))
    (finished,) = collect(engine, 2)
    assert [outcome.response_id for outcome in finished.outcomes] == ["r0", "r1"]
    clean, flagged = finished.outcomes
    assert not clean.flagged
    assert clean.max_score == 0.1
    assert flagged.flagged
    assert flagged.state == "judged"
    assert flagged.finished_at == NOON
    assert (flagged.detector_version, flagged.weights_version) == ("1", "none")
    finding = flagged.findings[-1]
    assert (finding.claim_text, finding.claim_span, finding.evidence_id, finding.evidence_span) == ("wrong", (8, 13), "doc", (0, 1))
    assert engine.unfinished == 0


def test_waiting_batches_of_higher_risk_are_taken_up_first(make_engine: MakeEngine) -> None:
    engine = make_engine()
    low, lower, high = items("one", "two", "three")
    engine.submit("keyword", [low])
    engine.submit("keyword", [lower])
    engine.submit("keyword", [msgspec.structs.replace(high, record=msgspec.structs.replace(high.record, risk="authoritative"))])
    assert [outcome.response_id for one in collect(engine, 3) for outcome in one.outcomes] == ["r2", "r0", "r1"]


def test_the_crash_of_one_item_costs_its_neighbours_nothing(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine.submit("crashing", items("fine", "crash", "also fine"))
    found = collect(engine, 3)
    assert states(found) == {"r0": "judged", "r1": "failed", "r2": "judged"}
    poison = by_id(found)["r1"]
    assert poison.poison
    assert poison.outcomes[0].attempts == 3
    assert poison.outcomes[0].reason == "the worker ended with exit code 7"
    assert not by_id(found)["r0"].poison
    assert engine.restarts == 3


def test_an_item_that_crashed_its_worker_once_is_judged_when_alone(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine.submit("crashing", items("die-once", "fine"))
    found = collect(engine, 2)
    assert states(found) == {"r0": "judged", "r1": "judged"}
    assert by_id(found)["r0"].outcomes[0].attempts == 2


def test_a_hanging_item_is_ended_and_its_neighbours_are_judged(make_engine: MakeEngine) -> None:
    engine = make_engine(item_timeout_s=0.5)
    engine.submit("hanging", items("fine", "hang"))
    found = collect(engine, 2)
    assert states(found) == {"r0": "judged", "r1": "failed"}
    assert "still judging after its time was up" in (by_id(found)["r1"].outcomes[0].reason or "")


def test_an_exception_is_retried_alone_and_the_worker_lives(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine.submit("raising", items("fine", "raise"))
    found = collect(engine, 2)
    assert states(found) == {"r0": "judged", "r1": "failed"}
    assert by_id(found)["r1"].outcomes[0].reason == "RuntimeError: a bug in a library"
    assert by_id(found)["r1"].poison
    assert engine.restarts == 0


def test_an_unavailable_detector_fails_every_response_without_retry_or_dead_letter(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine.submit("absent", items("one", "two"))
    engine.submit("absent", items("three"))
    found = collect(engine, 3)
    assert {outcome.reason for one in found for outcome in one.outcomes} == {"not installed: imaginary weights. pip install imagination"}
    assert {outcome.attempts for one in found for outcome in one.outcomes} == {1}
    assert not any(one.poison for one in found)
    assert engine.reports["absent"].available is False


def test_a_detector_whose_load_crashes_is_given_up_and_others_go_on(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine.submit("unloadable", items("one"))
    engine.submit("keyword", items("two"))
    found = collect(engine, 2)
    reasons = {one.detector: one.outcomes[0].reason for one in found}
    assert reasons["unloadable"] == "could not be loaded: the worker ended with exit code 9, 3 times"
    assert reasons["keyword"] is None
    assert engine.reports["unloadable"].available is False


def test_loading_without_items_reports_the_versions(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine.submit("keyword", [])
    while engine.unfinished:
        assert engine.collect(0.2) == []
    report = engine.reports["keyword"]
    assert (report.available, report.version, report.weights_version) == (True, "1", "none")


def test_a_worker_killed_while_idle_is_replaced(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine.submit("keyword", items("one"))
    collect(engine, 1)
    (pid,) = pids(engine)
    os.kill(pid, signal.SIGKILL)
    engine.submit("keyword", items("two"))
    assert states(collect(engine, 1)) == {"r0": "judged"}
    assert pids(engine) != [pid]


def test_workers_ignore_the_signals_of_their_group(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine.submit("keyword", items("one"))
    collect(engine, 1)
    (pid,) = pids(engine)
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGTERM)
    engine.submit("keyword", items("two"))
    collect(engine, 1)
    assert pids(engine) == [pid]
    assert engine.restarts == 0


def test_a_graceful_stop_finishes_the_batch_at_work_and_drops_the_rest(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine.submit("raising", items("slow"))
    engine.submit("raising", items("later"))
    while not any(seat.task for seat in engine._seats):
        engine.collect(0.05)
    left = engine.stop(drain=True)
    assert [outcome.state for one in left for outcome in one.outcomes] == ["judged"]
    assert pids(engine) == []


def test_a_hard_stop_waits_for_nothing(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine.submit("hanging", items("hang"))
    while not any(seat.task and not seat.loading for seat in engine._seats):
        engine.collect(0.05)
    (pid,) = pids(engine)
    started = time.monotonic()
    assert engine.stop(drain=False) == []
    assert time.monotonic() - started < 5
    assert not alive(pid)


def test_withdrawn_work_is_dropped_or_ended_with_its_worker_and_the_rest_is_judged(make_engine: MakeEngine) -> None:
    engine = make_engine()
    hanging, waiting, wanted = items("hang", "unwanted", "wanted")
    engine.submit("hanging", [hanging])
    while not any(seat.task and not seat.loading for seat in engine._seats):
        engine.collect(0.05)
    (pid,) = pids(engine)
    engine.submit("hanging", [waiting])
    engine.submit("hanging", [wanted])
    assert engine.withdraw(["r0", "r1"], after_s=3600) == 1, "what is at work may go on, what waits is dropped"
    assert alive(pid)
    assert engine.withdraw(["r0", "r1"], after_s=0) == 1
    assert not alive(pid)
    assert states(collect(engine, 1)) == {"r2": "judged"}
    assert engine.unfinished == 0


def test_a_worker_that_loads_for_withdrawn_work_is_left_to_load(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine.submit("hanging", items("hang"))
    while not any(seat.task for seat in engine._seats):
        engine.collect(0.05)
    (pid,) = pids(engine)
    assert any(seat.loading for seat in engine._seats)
    assert engine.withdraw(["r0"], after_s=0) == 0
    assert alive(pid)


def test_a_record_that_cannot_be_sent_is_poison_alone(make_engine: MakeEngine) -> None:
    engine = make_engine()
    huge = Evidence(id="doc", media_type="text/plain", content="text", metadata={"n": 10**30})
    batch = [*items("fine"), WorkItem(project="default", record=record("big", "x", evidence=(huge,)))]
    engine.submit("keyword", batch)
    found = collect(engine, 2)
    assert states(found) == {"r0": "judged", "big": "failed"}
    assert "cannot be sent to a worker" in (by_id(found)["big"].outcomes[0].reason or "")


def test_two_workers_share_the_work(make_engine: MakeEngine) -> None:
    engine = make_engine(workers=2)
    for _ in range(4):
        engine.submit("keyword", items("one", "wrong"))
    assert len(collect(engine, 8)) == 4
    assert len(set(pids(engine))) == 2


def test_a_worker_ends_when_its_parent_is_killed(config: WorkerConfig, clock: MovableClock) -> None:
    script = (
        "import sys, time, msgspec\n"
        "from monitor.clock import SystemClock\n"
        "from monitor.detect.local import LocalEngine\n"
        "from monitor.detect.wire import WorkerConfig\n"
        "from tests.detect.conftest import items\n"
        "config = msgspec.json.decode(sys.argv[1], type=WorkerConfig)\n"
        "engine = LocalEngine(config, 1, 60.0, SystemClock())\n"
        "engine.start()\n"
        "engine.submit('hanging', items('hang'))\n"
        "while not any(seat.task and not seat.loading for seat in engine._seats): engine.collect(0.05)\n"
        "print(engine._seats[0].child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    import msgspec

    command = [sys.executable, "-c", script, msgspec.json.encode(config).decode()]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    until = time.monotonic() + 10
    while alive(pid) and time.monotonic() < until:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.05)
    state = ""
    with suppress(FileNotFoundError), open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - a kernel file
        state = stat.read().rsplit(")", 1)[1].split()[0]
    assert state in ("", "Z")


@pytest.mark.parametrize("package", ["chdb", "clickhouse_connect", "sqlalchemy", "fastapi", "torch"])
def test_a_worker_imports_no_database_and_no_web_server(package: str) -> None:
    script = f"import sys, monitor.detect.worker; sys.exit({package!r} in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", script], env=environment, check=False).returncode == 0


def test_a_batch_of_several_projects_is_judged_project_by_project(make_engine: Callable[..., LocalEngine]) -> None:
    engine = make_engine()
    mixed = [WorkItem(project=project, record=record(f"{project}-{number}", "fine")) for number in range(2) for project in ("a", "b")]
    engine.submit("keyword", mixed)
    found = collect(engine, 4)
    assert sorted(tuple({item.project for item in one.items}) for one in found) == [("a",), ("b",)]
    assert {outcome.state for one in found for outcome in one.outcomes} == {"judged"}


def test_a_worker_that_holds_too_much_memory_is_replaced_and_the_neighbour_is_judged(config: WorkerConfig, clock: MovableClock) -> None:
    engine = LocalEngine(msgspec.structs.replace(config, memory_bytes=400_000_000), 1, 60.0, clock)
    engine.start()
    try:
        engine.submit("bloating", items("bloat", "fine"))
        found = {outcome.response_id: outcome for one in collect(engine, 2, within_s=90) for outcome in one.outcomes}
    finally:
        engine.stop(drain=False)
    assert (found["r0"].state, found["r1"].state) == ("failed", "judged")
    assert "bytes of memory" in (found["r0"].reason or "")

"""Costs, budget and the order of work: what is looked at first, and what is left out when time runs short."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from monitor.clock import MovableClock
from monitor.detect.costs import UNKNOWN_S, CostBook, DetectionBudget
from monitor.detect.engine import Finished, WorkItem, outcome_of
from monitor.detect.planning import BATCH_BYTES, OpenItem, Planner
from monitor.detect.wire import Judgement
from monitor.findings import OutcomeState
from monitor.records import Evidence, ResponseRecord, Risk
from tests.detect.conftest import NOON, record

COSTS = {"cheap": {"text": 0.1}, "costly": {"text": 8.0}, "seeing": {"image": 2.0}}


def item(identifier: str, risk: Risk = "assistive", content: str = "a document") -> WorkItem:
    evidence = (Evidence(id="doc", media_type="text/plain", content=content),)
    made: ResponseRecord = msgspec.structs.replace(record(identifier, "words", evidence=evidence), risk=risk)
    return WorkItem(project="default", record=made)


def planner(clock: MovableClock, budget: float = 0, batch_size: int = 8) -> Planner:
    made = Planner(batch_size, budget, clock)
    made.state_costs(COSTS)
    return made


def finished(one: WorkItem, detector: str, seconds: float, state: OutcomeState = "judged") -> Finished:
    outcome = outcome_of(one, detector, Judgement(state=state, duration_ms=seconds * 1000), NOON)
    return Finished(detector=detector, items=(one,), outcomes=(outcome,))


def test_higher_risks_come_first_and_of_one_risk_the_cheap_detectors(clock: MovableClock) -> None:
    page = [
        OpenItem(item(name, risk), ("costly", "cheap"))
        for name, risk in (("a", "assistive"), ("b", "authoritative"), ("c", "decision_support"))
    ]
    batches, refused = planner(clock).plan(page)
    assert [(batch.detector, [one.record.id for one in batch.items]) for batch in batches] == [
        ("cheap", ["b"]), ("costly", ["b"]), ("cheap", ["c"]), ("costly", ["c"]), ("cheap", ["a"]), ("costly", ["a"]),
    ]  # fmt: skip
    assert refused == []


def test_a_batch_closes_by_number_by_expected_time_and_by_size(clock: MovableClock) -> None:
    small = [OpenItem(item(f"r{number}"), ("cheap", "costly")) for number in range(5)]
    batches, _ = planner(clock, batch_size=4).plan(small)
    sizes = {name: [len(batch.items) for batch in batches if batch.detector == name] for name in ("cheap", "costly")}
    assert sizes == {"cheap": [4, 1], "costly": [2, 2, 1]}
    large = [OpenItem(item(f"r{number}", content="x" * (BATCH_BYTES // 2 + 1)), ("cheap",)) for number in range(2)]
    assert [len(batch.items) for batch in planner(clock).plan(large)[0]] == [1, 1]


def test_without_a_budget_nothing_is_refused(clock: MovableClock) -> None:
    _, refused = planner(clock).plan([OpenItem(item(f"r{number}"), ("costly",)) for number in range(1000)])
    assert refused == []


def test_a_short_budget_buys_cheap_detectors_and_high_risks_first(clock: MovableClock) -> None:
    page = [OpenItem(item(f"a{number}"), ("costly", "cheap")) for number in range(3)]
    page += [OpenItem(item(f"z{number}", "authoritative"), ("costly", "cheap")) for number in range(3)]
    batches, refused = planner(clock, budget=40).plan(page)
    looked_at = {(batch.detector, one.record.id) for batch in batches for one in batch.items}
    # 3 × 8.1 s for the authoritative ones; of 15.7 s left, assistive answers may not touch the 20 s kept back.
    assert looked_at == {(name, f"z{number}") for name in ("cheap", "costly") for number in range(3)}
    assert {(one.detector, one.item.record.id) for one in refused} == {(name, f"a{n}") for name in ("cheap", "costly") for n in range(3)}
    assert refused[0].reason == (
        "over budget: about 0.1 s of worker time are needed, 0.0 s of 40 s an hour are left for assistive responses"
    )


def test_the_budget_fills_up_with_time_and_gets_back_what_was_not_used(clock: MovableClock) -> None:
    plans = planner(clock, budget=16)
    one, two, three = (item(name) for name in ("one", "two", "three"))
    assert plans.plan([OpenItem(one, ("costly",))])[1] == []
    assert len(plans.plan([OpenItem(two, ("costly",))])[1]) == 1
    plans.learn(finished(one, "costly", 0.0))
    assert plans.plan([OpenItem(two, ("costly",))])[1] == []
    assert len(plans.plan([OpenItem(three, ("costly",))])[1]) == 1
    clock.move(timedelta(minutes=30))
    assert plans.plan([OpenItem(three, ("costly",))])[1] == []


def test_work_that_took_longer_than_expected_is_paid_by_what_comes_after(clock: MovableClock) -> None:
    budget = DetectionBudget(100.0, clock)
    assert budget.refusal("authoritative", 10.0) is None
    budget.settle(10.0, 150.0)
    assert "0.0 s of 100 s" in str(budget.refusal("authoritative", 0.1))
    clock.move(timedelta(hours=1))
    assert budget.refusal("authoritative", 40.0) is None


def test_assistive_responses_alone_may_spend_the_whole_budget_in_the_long_run(clock: MovableClock) -> None:
    budget, granted = DetectionBudget(3600.0, clock), 0
    for _ in range(24 * 60):
        clock.move(timedelta(minutes=1))
        while budget.refusal("assistive", 10.0) is None:
            granted += 10
    assert granted == pytest.approx(24 * 3600, rel=0.05)


def test_expected_costs_move_to_what_was_measured_and_leave_other_families_alone() -> None:
    book = CostBook()
    one = item("r").record
    assert book.expected("reader", one) == UNKNOWN_S
    book.state("reader", {"text": 1.0, "image": 5.0})
    for _ in range(200):
        book.learn("reader", one, 3.0)
    assert book.expected("reader", one) == pytest.approx(3.0, rel=0.01)
    picture = msgspec.structs.replace(one, evidence=(Evidence(id="p", media_type="image/png", uri="sha256:" + "0" * 64),))
    assert book.expected("reader", picture) == 5.0
    book.state("reader", {"text": 1.0})
    assert book.expected("reader", one) == pytest.approx(3.0, rel=0.01)


def test_a_detector_that_reads_none_of_the_evidence_costs_nothing(clock: MovableClock) -> None:
    batches, refused = planner(clock, budget=1e-9).plan([OpenItem(item("r"), ("seeing",))])
    assert (len(batches), refused) == (1, [])


def test_what_failed_teaches_nothing_about_cost(clock: MovableClock) -> None:
    plans, one = planner(clock), item("r")
    for _ in range(50):
        plans.learn(finished(one, "costly", 0.0, "failed"))
    batches, _ = plans.plan([OpenItem(one, ("costly",)), OpenItem(item("s"), ("costly",)), OpenItem(item("t"), ("costly",))])
    assert [len(batch.items) for batch in batches] == [2, 1]

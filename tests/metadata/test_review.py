from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from monitor.clock import MovableClock
from monitor.errors import Conflict, NotFound, RecordInvalid
from monitor.metadata.audit import AuditLog
from monitor.metadata.database import Database
from monitor.metadata.keys import ApiKeys
from monitor.metadata.review import ItemRecord, NewItem, NewVerdict, ReviewItems
from monitor.review.queue import ReviewQueue
from monitor.settings import Settings

P = "default"
WRONG = NewVerdict(claim_text="a red car", claim_id="c1", span=(0, 9), hallucinated=True, error="object", cause="perception")
RIGHT = NewVerdict(claim_text="two dogs", claim_id="c2", hallucinated=False)


class Room:
    """A queue with some items in it; item r0 is the most urgent."""

    def __init__(self, settings: Settings, database: Database, clock: MovableClock) -> None:
        self.clock, self.database = clock, database
        self.queue = ReviewQueue(settings, database, clock)
        self.items = ReviewItems(database)
        ApiKeys(database).ensure_project(P, clock.now())

    def fill(self, count: int = 3, workflow: str = "w") -> None:
        self.items.add(P, [self.item(f"{workflow}-r{n}", 0.9 - n / 100, workflow) for n in range(count)], self.clock.now())

    def item(self, response_id: str, priority: float = 0.5, workflow: str = "w") -> NewItem:
        return NewItem(
            response_id=response_id,
            response_time=self.clock.now(),
            workflow=workflow,
            risk="assistive",
            stratum="floor",
            reason="Picked at random.",
            priority=priority,
            inclusion_probability=0.02,
        )

    def claim(self, reviewer: str = "ann", workflow: str | None = None) -> ItemRecord:
        item = self.queue.claim_next(P, reviewer, workflow)
        assert item is not None
        return item

    def actions(self) -> list[str]:
        return [entry.action for entry in reversed(AuditLog(self.database).list(P)[0])]


@pytest.fixture
def room(settings: Settings, database: Database, clock: MovableClock) -> Room:
    return Room(settings, database, clock)


def test_the_most_urgent_item_is_claimed_under_a_lease(room: Room, settings: Settings) -> None:
    room.fill()
    item = room.claim()
    assert (item.response_id, item.state, item.claimed_by) == ("w-r0", "claimed", "ann")
    assert item.lease_until == room.clock.now() + timedelta(seconds=settings.review_lease_s)
    assert room.queue.counts(P) == {"queued": 2, "claimed": 1, "judged": 0, "skipped": 0}
    assert room.claim("bob").response_id == "w-r1"


def test_claiming_again_returns_the_item_already_held(room: Room) -> None:
    room.fill()
    first = room.claim()
    room.clock.move(timedelta(seconds=60))
    again = room.claim()
    assert again.id == first.id
    assert again.lease_until is not None
    assert first.lease_until is not None
    assert again.lease_until > first.lease_until
    assert room.actions().count("review.claim") == 1


def test_a_claim_is_narrowed_to_a_workflow(room: Room) -> None:
    room.fill(1, "w")
    room.fill(1, "other")
    assert room.claim("ann", "other").response_id == "other-r0"
    assert room.claim("ann", "w").response_id == "w-r0"
    assert room.queue.claim_next(P, "bob", "other") is None
    assert room.queue.claim_next("empty", "bob") is None


def test_a_lapsed_lease_returns_the_item_to_the_queue(room: Room, settings: Settings) -> None:
    room.fill(1)
    item = room.claim("ann")
    assert room.queue.claim_next(P, "bob") is None
    room.clock.move(timedelta(seconds=settings.review_lease_s))
    assert room.queue.counts(P)["queued"] == 1
    assert [waiting.id for waiting in room.queue.page(P, "queued")] == [item.id]
    assert room.queue.page(P, "claimed") == []
    assert room.claim("bob").id == item.id
    with pytest.raises(Conflict, match="held by bob"):
        room.queue.judge(P, item.id, "ann", [RIGHT])


def test_work_done_past_the_lease_counts_while_nobody_took_the_item(room: Room, settings: Settings) -> None:
    room.fill(1)
    item = room.claim("ann")
    room.clock.move(timedelta(seconds=settings.review_lease_s + 1))
    assert room.queue.judge(P, item.id, "ann", [RIGHT]).state == "judged"


def test_reviewers_who_claim_at_once_get_different_items(room: Room) -> None:
    room.fill(8)
    claimed: list[str] = []
    threads = [threading.Thread(target=lambda name=f"r{n}": claimed.append(room.claim(name).id)) for n in range(8)]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 8


def test_verdicts_close_the_item_and_are_read_by_response(room: Room) -> None:
    room.fill()
    item = room.claim()
    judged = room.queue.judge(P, item.id, "ann", [WRONG, RIGHT])
    assert (judged.state, judged.finished_at, judged.lease_until) == ("judged", room.clock.now(), None)
    found = room.queue.verdicts_for(P, ["w-r0", "w-r1"])
    assert list(found) == ["w-r0"]
    wrong = next(verdict for verdict in found["w-r0"] if verdict.hallucinated)
    assert (wrong.claim_id, wrong.span, wrong.error, wrong.cause, wrong.reviewer) == ("c1", (0, 9), "object", "perception", "ann")
    assert room.queue.verdicts_for("other", ["w-r0"]) == {}
    assert room.actions() == ["review.claim", "review.judge"]


def test_a_correction_supersedes_and_the_old_verdicts_stay_readable(room: Room) -> None:
    room.fill(1)
    item = room.claim()
    room.queue.judge(P, item.id, "ann", [WRONG, RIGHT])
    before = room.queue.history(P, item.id)
    assert room.queue.undo(P, item.id, "ann").state == "claimed"
    # Between the two judgements nothing stands.
    assert room.queue.verdicts_for(P, ["w-r0"]) == {}
    room.queue.judge(P, item.id, "ann", [NewVerdict(claim_text="a red car", claim_id="c1", hallucinated=False)])
    (standing,) = room.queue.verdicts_for(P, ["w-r0"])["w-r0"]
    assert not standing.hallucinated
    assert standing.supersedes == next(verdict.id for verdict in before if verdict.claim_id == "c1")
    assert len(room.queue.history(P, item.id)) == 3
    assert room.actions()[-2:] == ["review.undo", "review.judge"]


def test_an_item_can_be_judged_once_and_by_its_holder_only(room: Room) -> None:
    room.fill(2)
    item = room.claim("ann")
    with pytest.raises(Conflict, match="held by ann"):
        room.queue.judge(P, item.id, "bob", [RIGHT])
    with pytest.raises(Conflict, match="queued"):
        room.queue.judge(P, room.queue.page(P, "queued")[0].id, "ann", [RIGHT])
    with pytest.raises(NotFound):
        room.queue.judge("other", item.id, "ann", [RIGHT])
    room.queue.judge(P, item.id, "ann", [RIGHT])
    with pytest.raises(Conflict, match="judged"):
        room.queue.judge(P, item.id, "ann", [RIGHT])
    assert len(room.queue.history(P, item.id)) == 1


@pytest.mark.parametrize(
    ("verdicts", "field"),
    [
        ([], "verdicts"),
        ([{"hallucinated": True, "cause": "reasoning"}], "verdicts[0].error"),
        ([{"hallucinated": False}, {"claim_id": "b", "hallucinated": True, "error": "value"}], "verdicts[1].cause"),
        ([{"hallucinated": False, "error": "value"}], "verdicts[0].error"),
        ([{"hallucinated": False, "cause": "reasoning"}], "verdicts[0].cause"),
        ([{"hallucinated": False, "span": (4, 4)}], "verdicts[0].span"),
        ([{"hallucinated": False, "claim_text": ""}], "verdicts[0].claim_text"),
        ([{"hallucinated": False}, {"hallucinated": False}], "verdicts[1]"),
    ],
)
def test_a_verdict_that_cannot_be_used_is_refused_with_its_field(room: Room, verdicts: list[dict[str, Any]], field: str) -> None:
    room.fill(1)
    item = room.claim()
    with pytest.raises(RecordInvalid) as refused:
        room.queue.judge(P, item.id, "ann", [NewVerdict(**{"claim_text": "a", **verdict}) for verdict in verdicts])
    assert refused.value.field == field
    assert room.queue.get(P, item.id).state == "claimed"


def test_a_released_item_goes_back_and_only_its_holder_can_release_it(room: Room) -> None:
    room.fill(1)
    item = room.claim()
    with pytest.raises(Conflict, match="held by ann"):
        room.queue.release(P, item.id, "bob")
    released = room.queue.release(P, item.id, "ann")
    assert (released.state, released.claimed_by, released.lease_until) == ("queued", None, None)
    with pytest.raises(Conflict, match="queued"):
        room.queue.release(P, item.id, "ann")
    assert room.claim("bob").id == item.id


def test_a_skipped_item_is_closed_and_can_be_taken_back_by_its_reviewer_only(room: Room) -> None:
    room.fill(1)
    item = room.claim()
    assert room.queue.skip(P, item.id, "ann", "no idea").state == "skipped"
    with pytest.raises(Conflict, match="skipped"):
        room.queue.skip(P, item.id, "ann")
    with pytest.raises(Conflict):
        room.queue.undo(P, item.id, "bob")
    taken_back = room.queue.undo(P, item.id, "ann")
    assert (taken_back.state, taken_back.claimed_by, taken_back.finished_at) == ("claimed", "ann", None)


def test_a_request_comes_first_and_says_who_asked(room: Room) -> None:
    room.fill(2)
    item = room.queue.request(P, "asked", room.clock.now(), "w", "assistive", "bob", "looks odd")
    assert (item.stratum, item.inclusion_probability, item.state) == ("requested", 0.0, "queued")
    assert "bob" in item.reason
    assert "looks odd" in item.reason
    assert room.claim().id == item.id
    assert "review.request" in room.actions()


def test_a_request_moves_a_waiting_item_up_and_wakes_a_skipped_one(room: Room) -> None:
    room.fill(3)
    moved = room.queue.request(P, "w-r2", room.clock.now(), "w", "assistive", "bob")
    assert (moved.stratum, moved.inclusion_probability) == ("floor", 0.02)
    assert room.claim().response_id == "w-r2"
    room.queue.skip(P, moved.id, "ann")
    assert room.queue.request(P, "w-r2", room.clock.now(), "w", "assistive", "bob").state == "queued"


def test_a_request_leaves_a_judged_item_alone(room: Room) -> None:
    room.fill(1)
    item = room.claim()
    room.queue.judge(P, item.id, "ann", [RIGHT])
    assert room.queue.request(P, "w-r0", room.clock.now(), "w", "assistive", "bob").state == "judged"


def test_a_requested_response_that_is_drawn_later_counts_with_its_chance(room: Room) -> None:
    room.queue.request(P, "r", room.clock.now(), "w", "assistive", "bob")
    assert room.items.known(P, ["r"]) == set()
    assert room.items.add(P, [room.item("r")], room.clock.now()) == 0
    item = room.queue.of_response(P, "r")
    assert item is not None
    assert (item.stratum, item.inclusion_probability, item.priority) == ("floor", 0.02, 1.0)
    assert "Also drawn" in item.reason
    assert room.items.known(P, ["r"]) == {"r"}


def test_filling_twice_adds_nothing(room: Room) -> None:
    room.fill()
    room.fill()
    assert room.queue.counts(P)["queued"] == 3
    assert room.queue.of_response(P, "unheard-of") is None

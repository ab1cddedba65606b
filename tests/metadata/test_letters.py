from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.clock import MovableClock
from monitor.errors import Conflict, NotFound, RecordInvalid
from monitor.metadata.database import Database
from monitor.metadata.letters import DeadLetters


def test_the_same_trouble_is_kept_once_while_it_waits(database: Database, clock: MovableClock) -> None:
    letters = DeadLetters(database, clock)
    for _ in range(3):
        letters.add("p", "detect", "r1", "ocr_mismatch", "the worker died", None)
    letters.add("p", "detect", "r1", "object_hallucination", "the worker died", None)
    letters.add("p", "store", "r1", None, "refused", "{}")
    assert letters.waiting("p") == 3
    assert letters.waiting() == 3
    assert letters.waiting("other") == 0
    assert letters.waiting_by_stage("p") == {"detect": 2, "store": 1}


def test_letters_are_paged_newest_first_without_gaps(database: Database, clock: MovableClock) -> None:
    letters = DeadLetters(database, clock)
    for number in range(7):
        letters.add("p", "store", f"r{number}", None, "refused", None)
        # Pairs share their time: the page must not end between two of the same moment and lose one.
        clock.move(timedelta(seconds=number % 2))
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page, cursor = letters.list("p", 2, cursor)
        seen += [letter.response_id for letter in page]
        if cursor is None:
            break
    assert sorted(seen) == [f"r{number}" for number in range(7)]
    assert seen[0] == "r6"


def test_a_closed_letter_cannot_be_closed_again(database: Database, clock: MovableClock) -> None:
    letters = DeadLetters(database, clock)
    letters.add("p", "store", "r1", None, "refused", "{}")
    letter = letters.list("p")[0][0]
    assert letters.close("p", letter.id, "replayed", "ann").state == "replayed"
    with pytest.raises(Conflict, match="replayed"):
        letters.close("p", letter.id, "discarded", "ann")
    with pytest.raises(NotFound):
        letters.close("other", letter.id, "discarded", "ann")
    assert letters.waiting("p") == 0


def test_a_replay_that_has_not_ended_is_found_and_may_be_given_up(database: Database, clock: MovableClock) -> None:
    letters = DeadLetters(database, clock)
    for number in range(3):
        letters.add("p", "detect", f"r{number}", "keyword", "it broke", "{}")
        clock.move(timedelta(seconds=1))
    for letter in letters.list("p")[0]:
        letters.close("p", letter.id, "replaying", "ann")
    assert [letter.response_id for letter in letters.replaying()] == ["r0", "r1", "r2"]
    letters.end_replay("p", "r0", "keyword")
    letters.end_replay("p", "r1", "keyword", "waiting")
    letters.close("p", letters.replaying()[0].id, "discarded", "ann")
    assert {letter.response_id: letter.state for letter in letters.list("p")[0]} == {"r0": "replayed", "r1": "waiting", "r2": "discarded"}
    letters.end_replay("p", "r2", "keyword")
    assert letters.list("p")[0][0].state == "discarded"


@pytest.mark.parametrize("cursor", ["x", "////", "bm90LWEtdGltZXx4", "MjAyNi0wMS0wMVQwMDowMDowMHx4"])
def test_a_cursor_of_another_list_is_refused(database: Database, clock: MovableClock, cursor: str) -> None:
    with pytest.raises(RecordInvalid) as refused:
        DeadLetters(database, clock).list("p", 2, cursor)
    assert refused.value.field == "cursor"

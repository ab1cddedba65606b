from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from monitor.checks.desk import KEPT_WAITING_S, MOST_OPEN, CheckDesk
from monitor.clock import MovableClock
from monitor.errors import SlowDown
from monitor.records import Answer, ResponseRecord
from monitor.settings import Settings
from tests.checks.engines import WordEngine
from tests.conftest import NOON

TWO = ("ocr_mismatch", "quote_mismatch")


def record(text: str = "all wrong") -> ResponseRecord:
    return ResponseRecord(id="r-1", time=NOON, workflow="qa", answer=Answer(text=text))


class Desk:
    """A desk over one engine, started anew where the desk asks for another."""

    def __init__(self, settings: Settings, workers: int = 1) -> None:
        self.engine = WordEngine()
        self.desk = CheckDesk(
            settings.model_copy(update={"detectors": TWO, "check_workers": workers}), "", MovableClock(NOON), lambda: self.engine
        )


@pytest.fixture
def made(settings: Settings) -> Iterator[Desk]:
    desk = Desk(settings)
    yield desk
    desk.desk.stop()


def test_all_detectors_are_heard_under_the_callers_own_id(made: Desk) -> None:
    outcomes = made.desk.take("default", record(), TWO, urgent=True).wait(10)
    assert [(one.detector, one.state, one.flagged, one.response_id) for one in outcomes] == [(name, "judged", True, "r-1") for name in TWO]


def test_nothing_is_started_before_the_first_check(made: Desk) -> None:
    assert made.engine.started == 0
    made.desk.take("default", record(), TWO, urgent=True).wait(10)
    assert made.engine.started == 1


def test_at_the_deadline_there_is_what_was_found_so_far(made: Desk) -> None:
    made.engine.held = {"quote_mismatch"}
    check = made.desk.take("default", record(), TWO, urgent=True)
    began = time.monotonic()
    assert [one.detector for one in check.wait(0.3)] == ["ocr_mismatch"]
    assert time.monotonic() - began < 5
    assert not check.finished


def test_an_abandoned_check_begins_nothing_more(made: Desk) -> None:
    made.engine.held = {"ocr_mismatch"}
    first = made.desk.take("default", record("first"), TWO, urgent=True)
    first.wait(0.2)
    first.abandon()
    made.engine.held = set()
    made.desk.take("default", record("second"), TWO, urgent=True).wait(10)
    assert ("quote_mismatch", "first") not in made.engine.order
    assert ("quote_mismatch", "second") in made.engine.order


def test_work_that_nobody_waits_for_any_more_gives_way_to_the_next_check(made: Desk) -> None:
    made.engine.held = {"ocr_mismatch"}
    cut_off = made.desk.take("default", record("cut off"), TWO, urgent=True)
    cut_off.wait(0.2)
    cut_off.abandon()
    assert [one.detector for one in made.desk.take("default", record("next"), ["quote_mismatch"], urgent=True).wait(10)] == [
        "quote_mismatch"
    ]
    assert cut_off.over


def test_a_queued_check_gives_way_to_nobody(made: Desk) -> None:
    made.engine.held = {"ocr_mismatch"}
    queued = made.desk.take("default", record("queued"), TWO, urgent=False)
    queued.wait(0.2)
    assert made.desk.take("default", record("next"), ["quote_mismatch"], urgent=True).wait(KEPT_WAITING_S * 3) == []
    made.engine.held = set()
    assert [one.state for one in queued.wait(10)] == ["judged", "judged"]


def test_of_two_workers_one_is_left_to_those_who_wait(settings: Settings) -> None:
    made = Desk(settings, workers=2)
    made.engine.held = {"ocr_mismatch"}
    queued = [made.desk.take("default", record(f"queued {number}"), ["ocr_mismatch"], urgent=False) for number in range(2)]
    queued[0].wait(0.2)
    (found,) = made.desk.take("default", record("next"), ["quote_mismatch"], urgent=True).wait(10)
    assert found.detector == "quote_mismatch"
    assert sum(check.at_work for check in queued) == 1
    made.engine.held = set()
    assert [check.wait(10)[0].state for check in queued] == ["judged", "judged"]
    made.desk.stop()


def test_who_waits_goes_first(made: Desk) -> None:
    made.engine.held = {"ocr_mismatch"}
    made.desk.take("default", record("blocking"), ["ocr_mismatch"], urgent=True).wait(0.2)
    made.desk.take("default", record("queued"), ["quote_mismatch"], urgent=False)
    urgent = made.desk.take("default", record("urgent"), ["quote_mismatch"], urgent=True)
    made.engine.held = set()
    urgent.wait(10)
    texts = [text for _, text in made.engine.order]
    assert texts.index("urgent") < (texts.index("queued") if "queued" in texts else 99)


def test_two_checks_of_the_same_response_do_not_mix(made: Desk) -> None:
    checks = [made.desk.take("default", record(text), TWO, urgent=True) for text in ("fine", "wrong")]
    assert [[one.flagged for one in check.wait(10)] for check in checks] == [[False, False], [True, True]]


def test_too_many_open_checks_are_told_to_slow_down(made: Desk) -> None:
    made.engine.held = set(TWO)
    for _ in range(MOST_OPEN):
        made.desk.take("default", record(), TWO, urgent=True)
    with pytest.raises(SlowDown):
        made.desk.take("default", record(), TWO, urgent=True)


def test_workers_that_break_fail_what_is_open_and_are_replaced(made: Desk) -> None:
    made.engine.breaks = True
    outcomes = made.desk.take("default", record(), TWO, urgent=True).wait(10)
    assert [one.state for one in outcomes] == ["failed", "failed"]
    assert made.desk.take("default", record(), TWO, urgent=True).wait(10)[0].state == "judged"
    assert made.engine.stopped >= 1


def test_stopping_frees_those_who_wait(made: Desk) -> None:
    made.engine.held = set(TWO)
    check = made.desk.take("default", record(), TWO, urgent=True)
    threading.Timer(0.2, made.desk.stop).start()
    assert check.wait(3) == []


def test_with_no_workers_it_is_off(settings: Settings) -> None:
    assert not Desk(settings, workers=0).desk.enabled

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from monitor.alerts.lifecycle import Lifecycle
from monitor.alerts.params import ModalityParams
from monitor.clock import MovableClock
from monitor.jobs.modality import judge_lack
from monitor.metadata.alerts import AlertRecord
from monitor.metadata.database import Database
from monitor.metadata.jobs import RunRecord
from monitor.settings import Settings
from tests.jobs.fakes import ListReader

Run = Callable[[str], RunRecord]
PARAMS = ModalityParams()
BOTH, TEXT = frozenset({"image", "text"}), frozenset({"text"})


def fill(lists: ListReader, clock: MovableClock, *, day_lacks: int, hour: int, hour_lacks: int, day: int = 480) -> None:
    """``day`` responses before the last hour and ``hour`` in it, so many of each without a picture."""
    now = clock.now()
    for number in range(day):
        lists.carried.append((now - timedelta(minutes=61 + number), "w", TEXT if number < day_lacks else BOTH))
    for number in range(hour):
        lists.carried.append((now - timedelta(seconds=10 + number), "w", TEXT if number < hour_lacks else BOTH))


def alerts_of(settings: Settings, database: Database) -> list[AlertRecord]:
    return Lifecycle(settings, database).list("default")[0]


def test_responses_without_their_usual_picture_raise_an_alert(
    settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run
) -> None:
    fill(lists, clock, day_lacks=2, hour=60, hour_lacks=8)
    facts = run("missing_modality").facts
    assert (facts["examined"], facts["opened"]) == (2, 1)
    (alert,) = alerts_of(settings, database)
    assert alert.title == "w: 13% of responses lack image evidence"
    assert alert.labels == {"kind": "missing_modality", "workflow": "w", "family": "image"}
    assert len(alert.facts["response_ids"]) == 5
    assert (alert.facts["missing"], alert.facts["responses"]) == (8, 60)


def test_a_total_loss_is_seen_although_by_then_most_lack_it(
    settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run
) -> None:
    fill(lists, clock, day_lacks=0, hour=60, hour_lacks=60)
    run("missing_modality")
    (alert,) = alerts_of(settings, database)
    assert alert.title == "w: 100% of responses lack image evidence"


def test_a_workflow_that_always_has_some_without_pictures_is_left_alone(lists: ListReader, clock: MovableClock, run: Run) -> None:
    fill(lists, clock, day_lacks=96, hour=60, hour_lacks=14)
    assert run("missing_modality").facts["opened"] == 0


def test_a_workflow_that_went_quiet_raises_nothing(lists: ListReader, clock: MovableClock, run: Run) -> None:
    fill(lists, clock, day_lacks=0, hour=0, hour_lacks=0)
    assert run("missing_modality").facts["opened"] == 0


def test_without_a_baseline_the_window_speaks_for_itself(lists: ListReader, clock: MovableClock, run: Run) -> None:
    fill(lists, clock, day=0, day_lacks=0, hour=25, hour_lacks=5)
    assert run("missing_modality").facts["opened"] == 1


def test_the_alert_resolves_when_the_evidence_is_back(
    settings: Settings, database: Database, lists: ListReader, clock: MovableClock, run: Run
) -> None:
    fill(lists, clock, day_lacks=0, hour=60, hour_lacks=20)
    run("missing_modality")
    clock.move(timedelta(hours=2))
    fill(lists, clock, day=0, day_lacks=0, hour=60, hour_lacks=0)
    assert run("missing_modality").facts["resolved"] == 1
    assert alerts_of(settings, database)[0].state == "resolved"


@pytest.mark.parametrize(
    ("missing", "responses", "before_missing", "before", "expected"),
    [
        (0, 0, 0, 100, None),
        (5, 10, 60, 100, None),
        (6, 10, 0, 10, None),
        (3, 60, 0, 1000, True),
        (2, 60, 0, 1000, False),
        (3, 1000, 0, 1000, False),
        (12, 60, 100, 1000, False),
        (30, 60, 100, 1000, True),
    ],
)
def test_lack_is_judged_against_a_normal_day(missing: int, responses: int, before_missing: int, before: int, expected: bool | None) -> None:
    judged = judge_lack(missing, responses, before_missing, before, PARAMS)
    assert (None if judged is None else judged[1]) == expected


def test_a_month_of_minutes_on_a_quiet_workflow_raises_nothing(lists: ListReader, clock: MovableClock) -> None:
    import numpy as np

    rng = np.random.default_rng(4)
    lacking = rng.random(30 * 24 * 60) < 0.03
    alarms = 0
    for end in range(25 * 60, len(lacking), 15):
        window, before = lacking[end - 60 : end], lacking[end - 25 * 60 : end - 60]
        judged = judge_lack(int(window.sum()), 60, int(before.sum()), len(before), PARAMS)
        alarms += judged is not None and judged[1]
    assert alarms == 0

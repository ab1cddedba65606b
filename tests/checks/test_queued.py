from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from monitor.alerts.rules import RuleBook
from monitor.checks.desk import CheckDesk
from monitor.checks.queued import KEPT, MAX_ATTEMPTS, QueuedWork, check_callback
from monitor.clock import MovableClock
from monitor.errors import NotFound, RecordInvalid
from monitor.metadata.checks import CheckRecord, QueuedChecks
from monitor.metadata.database import Database
from monitor.records import Answer, ResponseRecord
from monitor.settings import Settings
from monitor.signing import signed
from tests.checks.engines import WordEngine
from tests.conftest import NOON

TWO = ("ocr_mismatch", "quote_mismatch")
CALLBACK = "https://app.example.com/hooks/checked"


class Working:
    """Queued work over a desk and a list of calls made; ``turn`` is called by hand."""

    def __init__(self, settings: Settings, database: Database, clock: MovableClock) -> None:
        self.calls: list[dict[str, Any]] = []
        self.requests: list[httpx.Request] = []
        self.answers: list[httpx.Response] = []
        self.engine = WordEngine()
        self.clock = clock
        self.database = database
        self.settings = settings.model_copy(update={"detectors": TWO, "callback_prefixes": ("https://app.example.com/hooks",)})
        self.open()

    def open(self) -> None:
        self.desk = CheckDesk(self.settings, "", self.clock, lambda: self.engine)
        self.work = QueuedWork(self.settings, self.database, self.desk, self.clock, httpx.MockTransport(self._answer))
        self.checks = QueuedChecks(self.database)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.calls.append({"url": str(request.url), **json.loads(request.content)})
        return self.answers.pop(0) if self.answers else httpx.Response(200)

    def queue(self, text: str = "all wrong", callback: str | None = None) -> CheckRecord:
        record = ResponseRecord(id="r-1", time=NOON, workflow="qa", answer=Answer(text=text))
        return self.work.queue("default", record, TWO, callback)

    def until_done(self, check: CheckRecord) -> CheckRecord:
        limit = time.monotonic() + 20
        while (found := self.checks.get("default", check.id)).state != "done":
            assert time.monotonic() < limit
            self.work.turn()
            time.sleep(0.01)
        return found


@pytest.fixture
def working(settings: Settings, database: Database, clock: MovableClock) -> Iterator[Working]:
    RuleBook(database).ensure_defaults("default", NOON)
    made = Working(settings, database, clock)
    yield made
    made.desk.stop()


def test_a_queued_check_is_done_and_keeps_its_outcomes(working: Working) -> None:
    done = working.until_done(working.queue())
    assert [(one.detector, one.flagged) for one in done.outcomes] == [(name, True) for name in TWO]
    assert (done.callback_state, done.finished_at) == ("none", NOON)


def test_progress_can_be_read_while_it_runs(working: Working) -> None:
    working.engine.held = {"quote_mismatch"}
    check = working.queue()
    limit = time.monotonic() + 20
    while not (found := working.checks.get("default", check.id)).outcomes:
        assert time.monotonic() < limit
        working.work.turn()
        time.sleep(0.01)
    assert (found.state, [one.detector for one in found.outcomes]) == ("running", ["ocr_mismatch"])


def test_a_check_is_another_projects_secret(working: Working) -> None:
    with pytest.raises(NotFound):
        working.checks.get("other", working.queue().id)


def test_a_restart_begins_what_was_running_again(working: Working) -> None:
    working.engine.held = set(TWO)
    check = working.queue()
    working.work.turn()
    assert working.checks.get("default", check.id).state == "running"
    working.desk.stop()
    working.engine = WordEngine()
    working.open()
    working.work.start()
    working.work.stop()
    assert working.until_done(check).state == "done"


def test_the_caller_is_called_back_once_it_is_done(working: Working) -> None:
    check = working.until_done(working.queue(callback=CALLBACK))
    working.work.turn()
    told = {"id": check.id, "response_id": "r-1", "state": "done", "verdict": "hallucinated", "flagged": True}
    assert working.calls == [{"url": CALLBACK, **told}]
    assert working.checks.get("default", check.id).callback_state == "delivered"


def test_a_check_in_which_nobody_could_judge_is_not_called_back_as_clean(working: Working) -> None:
    working.until_done(working.queue(" ", callback=CALLBACK))
    working.work.turn()
    assert [(call["verdict"], call["flagged"]) for call in working.calls] == [("not_checked", False)]


def test_a_callback_is_signed_under_the_same_id_at_every_try(working: Working) -> None:
    secret = "whsec_" + "A" * 32
    working.settings = working.settings.model_copy(update={"webhook_secrets": (secret,)})
    working.desk.stop()
    working.open()
    working.answers = [httpx.Response(500)]
    check = working.until_done(working.queue(callback=CALLBACK))
    for _ in range(2):
        working.work.turn()
        working.clock.move(timedelta(seconds=60))
    assert [request.headers["webhook-id"] for request in working.requests] == [check.id] * 2
    for request in working.requests:
        at = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)
        assert signed(json.loads(request.content), check.id, at, [secret])[1]["webhook-signature"] == request.headers["webhook-signature"]


def test_a_callback_that_fails_is_tried_again_later_and_given_up_in_the_end(working: Working) -> None:
    working.answers = [httpx.Response(500)] * 99
    check = working.until_done(working.queue(callback=CALLBACK))
    for _ in range(MAX_ATTEMPTS + 3):
        working.work.turn()
        working.work.turn()
        working.clock.move(timedelta(seconds=2000))
    found = working.checks.get("default", check.id)
    assert (found.callback_state, found.attempts, found.last_error) == ("failed", MAX_ATTEMPTS, "HTTP 500")
    assert len(working.calls) == MAX_ATTEMPTS


def test_a_redirect_is_not_followed(working: Working) -> None:
    working.answers = [httpx.Response(302, headers={"location": "http://169.254.169.254/"})]
    check = working.until_done(working.queue(callback=CALLBACK))
    working.work.turn()
    assert working.checks.get("default", check.id).last_error == "HTTP 302"
    assert len(working.calls) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example.com/",
        "https://app.example.com/hooks-of-others",
        "https://app.example.com/hooks/../admin",
        "ftp://app.example.com/hooks/x",
        "",
    ],
)
def test_a_callback_outside_the_allowed_prefixes_is_refused(url: str) -> None:
    with pytest.raises(RecordInvalid, match="GROUNDWATCH_CALLBACK_PREFIXES"):
        check_callback(url, ("https://app.example.com/hooks", "ftp://app.example.com"))


def test_what_was_done_is_forgotten_after_a_while(working: Working) -> None:
    check = working.until_done(working.queue())
    working.clock.move(KEPT + timedelta(hours=2))
    working.work.turn()
    with pytest.raises(NotFound):
        working.checks.get("default", check.id)

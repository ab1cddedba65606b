"""Checks that nobody waits for: worked off from a table, so that a restart forgets none, and called back when done."""

from __future__ import annotations

import random
import threading
from datetime import timedelta

import httpx
import structlog

from monitor.checks.desk import Check, CheckDesk
from monitor.clock import Clock
from monitor.errors import GroundwatchError, RecordInvalid, SlowDown
from monitor.findings import verdict_of
from monitor.metadata.checks import CheckRecord, QueuedChecks
from monitor.metadata.database import Database
from monitor.records import ResponseRecord
from monitor.settings import Settings
from monitor.signing import signed

POLL_S = 0.25
# Few at a time, so that those whose caller waits never find the desk full of these.
AT_ONCE = 4
KEPT = timedelta(days=7)
CALL_TIMEOUT_S = 10.0
MAX_ATTEMPTS = 10
# 5 s, 10 s … 15 min, each times 0.5–1.5: ten attempts span about an hour.
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 900.0
_PRUNE_EVERY = timedelta(hours=1)

log = structlog.get_logger(__name__)


def check_callback(url: str, prefixes: tuple[str, ...]) -> None:
    """Raises RecordInvalid for an address that the operator did not allow."""
    known = any(url == prefix or url.startswith(prefix if prefix.endswith("/") else f"{prefix}/") for prefix in prefixes if prefix)
    if not known or not url.startswith(("http://", "https://")) or ".." in url or "@" in url.split("/")[2]:
        problem = f"{url[:200]!r} is under no allowed prefix"
        raise RecordInvalid("callback_url", problem, "Ask the operator to add its prefix to GROUNDWATCH_CALLBACK_PREFIXES, or poll")


class QueuedWork:
    """A thread that takes queued checks to the desk, notes their progress and makes the callbacks."""

    def __init__(
        self, settings: Settings, database: Database, desk: CheckDesk, clock: Clock, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._prefixes = settings.callback_prefixes
        self._secrets = settings.webhook_secrets
        self._checks = QueuedChecks(database)
        self._desk = desk
        self._clock = clock
        self._transport = transport
        self._at_work: dict[str, tuple[CheckRecord, Check, int]] = {}
        self._random = random.Random()  # noqa: S311 - spreads retries, keeps no secret
        self._prune_after = clock.now()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, with what an earlier process left."""
        if self._desk.enabled and self._thread is None:
            self._checks.begin_again()
            self._ending.clear()
            self._thread = threading.Thread(target=self._run, name="queued-checks", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End; what is running is queued again at the next start."""
        thread, self._thread = self._thread, None
        self._ending.set()
        if thread is not None:
            thread.join(CALL_TIMEOUT_S + POLL_S)

    def queue(self, project: str, record: ResponseRecord, detectors: tuple[str, ...], callback_url: str | None) -> CheckRecord:
        """Take a check in. Raises RecordInvalid for a callback that is not allowed, MetadataUnavailable."""
        if callback_url is not None:
            check_callback(callback_url, self._prefixes)
        return self._checks.add(project, record, detectors, callback_url, self._clock.now())

    def _run(self) -> None:
        while not self._ending.wait(POLL_S):
            try:
                self.turn()
            except Exception as trouble:  # noqa: BLE001 - the database may be away; rows stay as they are and the loop goes on
                log.warning("queued checks wait", error=f"{type(trouble).__name__}: {trouble}")
                self._ending.wait(FIRST_WAIT_S)

    def turn(self) -> None:
        """One round: begin what there is room for, note progress, make callbacks."""
        for check in self._checks.next_queued(AT_ONCE - len(self._at_work)):
            try:
                taken = self._desk.take(check.project, check.record, check.detectors, urgent=False)
            except SlowDown:
                break
            if self._checks.begin(check):
                self._at_work[check.id] = (check, taken, 0)
            else:
                taken.abandon()
        for check, taken, known in list(self._at_work.values()):
            finished = taken.finished
            outcomes = taken.so_far()
            if finished:
                self._checks.progress(check, outcomes, self._clock.now())
                del self._at_work[check.id]
            elif len(outcomes) > known:
                self._checks.progress(check, outcomes)
                self._at_work[check.id] = (check, taken, len(outcomes))
        self._call_back()
        if self._clock.now() >= self._prune_after:
            self._checks.prune(self._clock.now() - KEPT)
            self._prune_after = self._clock.now() + _PRUNE_EVERY

    def _call_back(self) -> None:
        due = self._checks.due_callbacks(self._clock.now(), AT_ONCE)
        if not due:
            return
        # A redirect could lead inside the network, so it is a failure.
        with httpx.Client(transport=self._transport, timeout=CALL_TIMEOUT_S, follow_redirects=False, trust_env=False) as client:
            for check in due:
                error = self._post(client, check)
                again = None
                if error is not None and check.attempts + 1 < MAX_ATTEMPTS:
                    wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**check.attempts) * (0.5 + self._random.random())
                    again = self._clock.now() + timedelta(seconds=wait)
                self._checks.told(check, error, again)

    def _post(self, client: httpx.Client, check: CheckRecord) -> str | None:
        """What went wrong, or None. The body names the check; its result is fetched with a key, not sent around."""
        url = check.callback_url or ""
        try:
            # The operator may have taken the prefix back since the check was queued.
            check_callback(url, self._prefixes)
            verdict = verdict_of(check.outcomes)
            body = {
                "id": check.id,
                "response_id": check.record.id,
                "state": "done",
                "verdict": verdict,
                "flagged": verdict == "hallucinated",
            }
            content, headers = signed(body, check.id, self._clock.now(), self._secrets)
            answer = client.post(url, content=content, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, GroundwatchError) as error:
            return f"{type(error).__name__}: {error}"
        return None if answer.is_success else f"HTTP {answer.status_code}"

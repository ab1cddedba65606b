"""The review queue: claim, judge, correct. The rules are here, the conditional updates in :mod:`monitor.metadata.review`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from monitor.clock import Clock
from monitor.errors import Conflict, NotFound, RecordInvalid
from monitor.metadata.database import Database
from monitor.metadata.keys import ApiKeys
from monitor.metadata.review import ItemRecord, ItemState, NewItem, NewVerdict, ReviewItems, VerdictRecord
from monitor.records import Risk
from monitor.review.sampling import REQUESTED_PRIORITY
from monitor.settings import Settings


class ReviewQueue:
    """What reviewers do. Every change is in the audit log; raises NotFound, Conflict, RecordInvalid."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self._lease = timedelta(seconds=settings.review_lease_s)
        self._items = ReviewItems(database)
        self._keys = ApiKeys(database)
        self._clock = clock

    def get(self, project: str, item_id: str) -> ItemRecord:
        """One item."""
        return self._items.get(project, item_id)

    def of_response(self, project: str, response_id: str) -> ItemRecord | None:
        """The item of a response, or None."""
        return self._items.of_response(project, response_id)

    def page(self, project: str, state: ItemState | None = None, workflow: str | None = None, limit: int = 100) -> list[ItemRecord]:
        """Items, next to be judged first."""
        return self._items.page(project, self._clock.now(), state, workflow, limit)

    def counts(self, project: str, workflow: str | None = None) -> dict[str, int]:
        """How many items are queued, claimed, judged, skipped."""
        return self._items.counts(project, self._clock.now(), workflow)

    def claim_next(self, project: str, reviewer: str, workflow: str | None = None) -> ItemRecord | None:
        """The reviewer's next item under a lease (the one held already comes first); None when nothing waits."""
        now = self._clock.now()
        return self._items.claim_next(project, reviewer, workflow, now, now + self._lease)

    def judge(self, project: str, item_id: str, reviewer: str, verdicts: Sequence[NewVerdict]) -> ItemRecord:
        """Close an item with the verdicts of the reviewer who holds it.

        A lease that lapsed meanwhile does no harm as long as nobody else claimed the item: the work is not thrown away.
        """
        check_verdicts(verdicts)
        if not self._items.judge(project, item_id, reviewer, verdicts, self._clock.now()):
            raise self._conflict(project, item_id, reviewer, "claim it before judging it")
        return self._items.get(project, item_id)

    def release(self, project: str, item_id: str, reviewer: str) -> ItemRecord:
        """Give a claimed item back to the queue."""
        free = {"state": "queued", "claimed_by": None, "lease_until": None}
        if not self._items.change(
            project, item_id, reviewer, "review.release", self._clock.now(), states=("claimed",), holder=reviewer, values=free
        ):
            raise self._conflict(project, item_id, reviewer, "only its holder can give it back")
        return self._items.get(project, item_id)

    def skip(self, project: str, item_id: str, reviewer: str, note: str | None = None) -> ItemRecord:
        """Close a claimed item without a verdict: the reviewer cannot tell."""
        now = self._clock.now()
        closed = {"state": "skipped", "finished_at": now, "lease_until": None}
        facts = {"note": note}
        if not self._items.change(
            project, item_id, reviewer, "review.skip", now, states=("claimed",), holder=reviewer, facts=facts, values=closed
        ):
            raise self._conflict(project, item_id, reviewer, "claim it before skipping it")
        return self._items.get(project, item_id)

    def undo(self, project: str, item_id: str, reviewer: str) -> ItemRecord:
        """Take back the reviewer's own judgement or skip: claimed again, under a new lease.

        The verdicts stay as rows but no longer count; the next judgement supersedes them.
        """
        now = self._clock.now()
        again = {"state": "claimed", "finished_at": None, "lease_until": now + self._lease}
        if not self._items.change(
            project, item_id, reviewer, "review.undo", now, states=("judged", "skipped"), holder=reviewer, values=again
        ):
            raise self._conflict(project, item_id, reviewer, "only the reviewer who closed it can take that back")
        return self._items.get(project, item_id)

    def request(
        self, project: str, response_id: str, response_time: datetime, workflow: str, risk: Risk, actor: str, note: str | None = None
    ) -> ItemRecord:
        """Put a response first in the queue because a person asks for it.

        One that waits is moved up, a skipped one waits again; a claimed or judged one is returned as it is. The
        probability of a response that was not drawn is 0: it says nothing of the others and stays out of estimates.
        """
        now = self._clock.now()
        self._keys.ensure_project(project, now)
        reason = f"{actor} asked for a review" + (f": {note}" if note else ".")
        item = NewItem(
            response_id=response_id,
            response_time=response_time,
            workflow=workflow,
            risk=risk,
            stratum="requested",
            reason=reason,
            priority=REQUESTED_PRIORITY,
            inclusion_probability=0.0,
        )
        self._items.add(project, [item], now)
        found = self._items.of_response(project, response_id)
        if found is None:
            raise NotFound("review item of response", response_id)
        first = {"state": "queued", "priority": REQUESTED_PRIORITY, "finished_at": None, "claimed_by": None}
        self._items.change(
            project, found.id, actor, "review.request", now, states=("queued", "skipped"), facts={"note": note}, values=first
        )
        return self._items.get(project, found.id)

    def verdicts_for(self, project: str, response_ids: Sequence[str]) -> dict[str, list[VerdictRecord]]:
        """The verdicts that stand, by response."""
        return self._items.verdicts_for(project, response_ids)

    def history(self, project: str, item_id: str) -> list[VerdictRecord]:
        """Every verdict ever given on an item, superseded ones included, oldest first."""
        return self._items.history(project, item_id)

    def _conflict(self, project: str, item_id: str, reviewer: str, wanted: str) -> Conflict:
        item = self._items.get(project, item_id)
        held = item.state == "claimed" and item.claimed_by != reviewer
        return Conflict("review item", item_id, f"held by {item.claimed_by}" if held else item.state, wanted)


def check_verdicts(verdicts: Sequence[NewVerdict]) -> None:
    """Refuse verdicts that would be of no use later; raises RecordInvalid naming the field."""
    if not verdicts:
        raise RecordInvalid("verdicts", "is empty", "Judge at least one claim, or skip the item")
    seen: set[str] = set()
    for index, verdict in enumerate(verdicts):
        field = f"verdicts[{index}]"
        if not verdict.claim_text:
            raise RecordInvalid(f"{field}.claim_text", "is empty", "Say which claim is judged")
        if verdict.span is not None and not 0 <= verdict.span[0] < verdict.span[1]:
            raise RecordInvalid(f"{field}.span", f"{list(verdict.span)} is not a range", "Use [start, end) with start < end")
        _check_reason(field, verdict)
        key = verdict.claim_id or verdict.claim_text
        if key in seen:
            raise RecordInvalid(field, f"judges claim {key!r} a second time", "Send one verdict per claim")
        seen.add(key)


def _check_reason(field: str, verdict: NewVerdict) -> None:
    named: Literal["error", "cause"]
    for named in ("error", "cause"):
        given = getattr(verdict, named)
        if verdict.hallucinated and given is None:
            raise RecordInvalid(f"{field}.{named}", "is missing for a hallucinated claim", f"Name the {named} of the hallucination")
        if not verdict.hallucinated and given is not None:
            raise RecordInvalid(f"{field}.{named}", "is given for a claim that is not hallucinated", "Leave it out, or set hallucinated")

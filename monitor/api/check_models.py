"""What the HTTP API says of checks on demand."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from monitor.api.models import Body, ClaimView, OutcomeView
from monitor.findings import Verdict

_RESPONSE = "A response record; id, time and workflow may be left out. Evidence is inline, uploaded (sha256:), or under an allowed prefix."


class CheckBody(Body):
    """An answer to check, and how long the caller can wait."""

    response: dict[str, Any] = Field(description=_RESPONSE)
    detectors: list[str] | None = Field(None, min_length=1, max_length=64, description="By default all that run here.")
    deadline_ms: int = Field(10_000, ge=1, le=600_000)


class QueueCheckBody(Body):
    """An answer to check without waiting."""

    response: dict[str, Any] = Field(description=_RESPONSE)
    detectors: list[str] | None = Field(None, min_length=1, max_length=64, description="By default all that run here.")
    callback_url: str | None = Field(
        None, max_length=2000, description="Posted to when the check is done: id, response_id, state, verdict, flagged."
    )


class CheckResult(Body):
    """What was found. ``complete`` is false where the deadline came first; ``unfinished`` then names the detectors.

    ``verdict``: ``hallucinated`` where any claim is, ``not_checked`` where nobody could judge any. No claim of an
    unfinished detector counts as supported.
    """

    id: str
    verdict: Verdict
    complete: bool
    claims: list[ClaimView]
    outcomes: list[OutcomeView]
    unfinished: list[str]
    duration_ms: float


class QueuedCheckView(Body):
    """A queued check; ``result`` grows while it runs."""

    id: str
    url: str
    state: Literal["queued", "running", "done"]
    detectors_done: int
    detectors_total: int
    result: CheckResult
    callback_state: Literal["none", "pending", "delivered", "failed"]
    callback_error: str | None
    created_at: datetime
    finished_at: datetime | None

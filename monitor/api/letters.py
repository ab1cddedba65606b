"""Dead letters over HTTP: see what could not be processed, mend it, send it again, or give it up."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query

from monitor.api.access import GuardedRoute, Who
from monitor.api.context import Context, Running
from monitor.api.desk_models import (
    ActorBody,
    DeadLetterDetail,
    DeadLetterPage,
    DeadLetterView,
    ReplayAllBody,
    ReplayBody,
    ReplayReport,
)
from monitor.errors import Conflict, RecordInvalid
from monitor.metadata.letters import DeadLetters, LetterRecord, LetterState
from monitor.replay import Replay

router = APIRouter(route_class=GuardedRoute, tags=["operations"])


@router.get("/v1/dead-letters")
def list_dead_letters(
    running: Running,
    who: Who,
    state: Annotated[LetterState | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=1000)] = None,
) -> DeadLetterPage:
    """What could not be processed, with the reason, newest first."""
    letters, following = DeadLetters(running.database, running.clock).list(who.project, limit, cursor, state)
    return DeadLetterPage(items=[_view(letter) for letter in letters], next=following)


@router.get("/v1/dead-letters/{letter_id}")
def get_dead_letter(letter_id: str, running: Running, who: Who) -> DeadLetterDetail:
    """One of them, with what it held."""
    letter = DeadLetters(running.database, running.clock).get(who.project, letter_id)
    return DeadLetterDetail(**_view(letter).model_dump(), payload=letter.payload)


@router.post("/v1/dead-letters/{letter_id}/replay")
def replay_dead_letter(letter_id: str, body: ReplayBody, running: Running, who: Who) -> DeadLetterView:
    """Send one through again, as it is or mended; 409 when it does not wait any more."""
    return _view(_replay(running).replay(who.project, letter_id, who.actor(body.actor), body.payload))


@router.post("/v1/dead-letters/{letter_id}/discard")
def discard_dead_letter(letter_id: str, body: ActorBody, running: Running, who: Who) -> DeadLetterView:
    """Give one up for good; 409 when it does not wait any more."""
    return _view(_replay(running).discard(who.project, letter_id, who.actor(body.actor)))


@router.post("/v1/dead-letters/replay")
def replay_dead_letters(body: ReplayAllBody, running: Running, who: Who) -> ReplayReport:
    """Send all waiting ones through again, as after a fault of ours that is mended. Ask again while there are more."""
    replay, actor = _replay(running), who.actor(body.actor)
    letters = DeadLetters(running.database, running.clock).oldest_waiting(who.project, body.limit, body.stage)
    failed: dict[str, str] = {}
    for letter in letters:
        try:
            replay.replay(who.project, letter.id, actor)
        except (RecordInvalid, Conflict) as error:
            failed[letter.id] = str(error)
    return ReplayReport(replayed=len(letters) - len(failed), failed=failed)


def _replay(running: Context) -> Replay:
    return Replay(running.ingest, running.driver, running.database, running.clock)


def _view(letter: LetterRecord) -> DeadLetterView:
    fields = msgspec.structs.asdict(letter)
    return DeadLetterView(**{name: fields[name] for name in DeadLetterView.model_fields})

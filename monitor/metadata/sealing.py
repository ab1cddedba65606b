"""The sealed columns of the metadata written again: payloads of dead letters and records of queued checks."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from monitor.errors import SealBroken
from monitor.metadata.checks import place_of as check_place
from monitor.metadata.database import Database
from monitor.metadata.letters import place_of as letter_place
from monitor.metadata.tables import DeadLetter, QueuedCheck

_PAGE = 200


def reseal(database: Database, target: Database) -> tuple[int, int]:
    """Write every sealed column as ``target``, the same database with other keys or none, writes it.

    Returns how many were written, and how many do not open and stay as they are. Raises MetadataUnavailable.
    """
    written = lost = 0
    columns: tuple[tuple[Any, Any, Any], ...] = (
        (DeadLetter.id, DeadLetter.payload, letter_place),
        (QueuedCheck.id, QueuedCheck.record, check_place),
    )
    for key, column, place_of in columns:
        after = ""
        while True:
            with database.session() as session:
                page = session.execute(select(key, column).where(key > after, column.is_not(None)).order_by(key).limit(_PAGE)).all()
                for identifier, stored in page:
                    after = identifier
                    place = place_of(identifier)
                    try:
                        again = target.sealed(database.opened(stored, place), place)
                    except SealBroken:
                        lost += 1
                        continue
                    session.execute(update(column.class_).where(key == identifier).values({column.key: again}))
                    written += 1
            if len(page) < _PAGE:
                break
    database.compact()
    return written, lost

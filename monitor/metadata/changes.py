"""Conditional updates: the condition is in the statement, and the number of rows it met is the answer."""

from __future__ import annotations

from typing import cast

from sqlalchemy import CursorResult, Delete, Update
from sqlalchemy.orm import Session


def changed_rows(session: Session, statement: Update | Delete) -> int:
    """Run it and say how many rows met its condition; 0 is normal: somebody else was first."""
    # Objects in the session would keep their old values; every read after a change asks the database again.
    result = session.execute(statement.execution_options(synchronize_session=False))
    session.expire_all()
    return cast("CursorResult[tuple[()]]", result).rowcount

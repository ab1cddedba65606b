"""How far detection has come, one row a sidecar."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from monitor.clock import Clock
from monitor.errors import MetadataUnavailable, StoreUnavailable
from monitor.metadata.database import Database
from monitor.metadata.tables import DetectionCursor


class DetectionCursors:
    """Reads and moves the cursors; every method raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def all(self) -> dict[str, int]:
        """The last finished ingest sequence by sidecar; a sidecar without an entry stands at 0."""
        try:
            with self._database.session() as session:
                return {row.sidecar: row.sequence for row in session.scalars(select(DetectionCursor))}
        except (DBAPIError, MetadataUnavailable) as error:
            raise StoreUnavailable("reading the detection cursors", str(error)) from error

    def advance(self, sidecar: str, sequence: int) -> None:
        """Move a cursor forward; never back, whoever else moved it meanwhile."""
        try:
            with self._database.session() as session:
                row = session.get(DetectionCursor, sidecar)
                if row is None:
                    session.add(DetectionCursor(sidecar=sidecar, sequence=sequence, updated_at=self._clock.now()))
                elif sequence > row.sequence:
                    row.sequence = sequence
                    row.updated_at = self._clock.now()
        except (DBAPIError, MetadataUnavailable) as error:
            raise StoreUnavailable("moving a detection cursor", str(error)) from error

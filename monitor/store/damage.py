"""Parts that ClickHouse could not read when it started: it sets them aside without a word, and their rows are gone from every read.

Of the embedded store only: a server has operators and a log of its own.
"""

from __future__ import annotations

from monitor.store.client import Store
from monitor.store.fragments import query

REMEDY = "restore the data folder from a backup; to go on without these rows, delete that folder"
SET_ASIDE = query(
    "set_aside",
    "Damaged parts of our tables that were left out at a start, for log and status: table and folder.",
    """SELECT table, path FROM system.detached_parts
WHERE database = currentDatabase() AND startsWith(ifNull(reason, ''), 'broken')
ORDER BY table, path""",
)


def damaged_parts(store: Store) -> list[tuple[str, str]]:
    """(table, folder) of each. Raises StoreUnavailable."""
    return [(table, path) for table, path in store.rows(SET_ASIDE, {})] if store.embedded else []

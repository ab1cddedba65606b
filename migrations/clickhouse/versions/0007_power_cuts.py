"""What was inserted, merged or deleted is on the disk before anybody relies on it.

By default ClickHouse leaves its files to the operating system's cache, which a kill survives and a power cut does not. The
spool drops a batch once it is inserted, so a cut took what was acknowledged in the half minute before. Merges are synced
too: a large part that a cut left half written keeps its table from loading, and a deleted row would come back.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = ("records", "responses", "outcomes", "evidence_quality")
_SETTINGS = {"fsync_after_insert": 1, "fsync_part_directory": 1, "min_rows_to_fsync_after_merge": 1}


def upgrade() -> None:
    changes = ", ".join(f"{name} = {value}" for name, value in _SETTINGS.items())
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} MODIFY SETTING {changes}")


def downgrade() -> None:
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} RESET SETTING {', '.join(_SETTINGS)}")

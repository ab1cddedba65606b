"""Where the schema stands is on the disk, too, before a migration is reported as done.

Statements on tables are synced, the row that Alembic keeps of them was not: a power cut after going back left the older tables
under the newer revision, and the next migration did not bring them forward again.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE alembic_version MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1"
    )


def downgrade() -> None:
    """The settings stay: it is on the way back that the row must not be lost."""

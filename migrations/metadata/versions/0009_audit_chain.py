"""Audit entries that follow each other: each carries a digest over itself and the one before; views are found by subject."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Entries from before stay without: nobody could vouch for them now.
    op.add_column("audit_entries", sa.Column("digest", sa.String(length=64), nullable=True))
    op.create_index("ix_audit_entries_project_subject", "audit_entries", ["project_id", "subject"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_audit_entries_project_subject", table_name="audit_entries")
    op.drop_column("audit_entries", "digest")

"""What a detector paid others for on a response, such as calls of a judge, beside its findings."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# One Nested column in five parts; an item without a price has no amount, never 0.
_COLUMNS = {
    "item": "Array(LowCardinality(String))",
    "quantity": "Array(Float64)",
    "unit": "Array(LowCardinality(String))",
    "amount": "Array(Nullable(Float64))",
    "currency": "Array(LowCardinality(String))",
}


def upgrade() -> None:
    for name, kind in _COLUMNS.items():
        op.execute(f"ALTER TABLE outcomes ADD COLUMN IF NOT EXISTS `usage.{name}` {kind}")


def downgrade() -> None:
    for name in reversed(_COLUMNS):
        op.execute(f"ALTER TABLE outcomes DROP COLUMN IF EXISTS `usage.{name}`")

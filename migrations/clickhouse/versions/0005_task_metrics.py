"""Task metrics: the answer against its reference, and what the answering model said of its own answer.

They stand in ``responses``, so that every filter applies and calibration against the detectors' verdicts joins nothing. All
four are known when a response is taken in and empty for one without a reference, a confidence and an abstention.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_COLUMNS = {
    "confidence": "SimpleAggregateFunction(max, Nullable(Float64)) CODEC(ZSTD(1))",
    "abstained": "SimpleAggregateFunction(max, UInt8) CODEC(ZSTD(1))",
    # Equal for attempts at the same question, 0 without a reference.
    "question_key": "SimpleAggregateFunction(max, UInt64) CODEC(ZSTD(1))",
    "task_metrics": "SimpleAggregateFunction(maxMap, Map(String, Float64)) CODEC(ZSTD(1))",
}


def upgrade() -> None:
    for name, kind in _COLUMNS.items():
        op.execute(f"ALTER TABLE responses ADD COLUMN IF NOT EXISTS {name} {kind}")


def downgrade() -> None:
    for name in reversed(_COLUMNS):
        op.execute(f"ALTER TABLE responses DROP COLUMN IF EXISTS {name}")

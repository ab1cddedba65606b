"""Input quality: how good each piece of evidence is, and the worst of a response's pieces beside its outcomes.

``responses.input_quality`` folds like the outcomes do: detection writes it with them, and the merge keeps the worst that was
measured. Empty means not measured; it is no grade. ``evidence_quality`` has the pieces with their problems and numbers, for
the detail page.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS evidence_quality (
            project LowCardinality(String),
            response_time DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
            response_id String CODEC(ZSTD(1)),
            evidence_id String CODEC(ZSTD(1)),
            family LowCardinality(String),
            sha256 String CODEC(ZSTD(1)),
            measured_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
            grade Enum8('good' = 1, 'poor' = 2, 'unusable' = 3),
            problems Nested(
                name LowCardinality(String),
                grade LowCardinality(String),
                text String
            ) CODEC(ZSTD(1)),
            measures Map(LowCardinality(String), Float64) CODEC(ZSTD(1)),
            duration_ms Float32 CODEC(ZSTD(1))
        )
        ENGINE = ReplacingMergeTree(measured_at)
        PARTITION BY toYYYYMM(response_time)
        ORDER BY (project, response_time, response_id, evidence_id)
        SETTINGS non_replicated_deduplication_window = 1000
        """
    )
    op.execute(
        """
        ALTER TABLE responses ADD COLUMN IF NOT EXISTS
            input_quality SimpleAggregateFunction(max, Enum8('' = 0, 'good' = 1, 'poor' = 2, 'unusable' = 3))
        """
    )


def downgrade() -> None:
    op.execute("ALTER TABLE responses DROP COLUMN IF EXISTS input_quality")
    op.execute("DROP TABLE IF EXISTS evidence_quality SYNC")

"""Records: the log of responses as they came in, one row each.

``record`` is the canonical JSON without ``answer.text``; the text has a column of its own, so it is stored once and can
be searched without parsing JSON. Serves the detail page (by id), the detect driver (by sidecar and sequence), stage
latencies and text search.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # 1,024 rows a granule: detail and driver fetch single wide rows. The bloom filter finds an id without its time,
    # the minmax index finds what a sidecar took in after a sequence number.
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS records (
            project LowCardinality(String),
            id String CODEC(ZSTD(1)),
            time DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
            received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
            sidecar LowCardinality(String),
            sequence UInt64 CODEC(Delta, ZSTD(1)),
            workflow LowCardinality(String),
            release_stage LowCardinality(String),
            model_provider LowCardinality(String),
            model_version LowCardinality(String),
            prompt_version LowCardinality(String),
            tier LowCardinality(String),
            attempt UInt32 CODEC(ZSTD(1)),
            trace_id String CODEC(ZSTD(1)),
            span_id String CODEC(ZSTD(1)),
            session_id String CODEC(ZSTD(1)),
            stages Nested(
                name LowCardinality(String),
                duration_ms Float64,
                budget_ms Nullable(Float64),
                status LowCardinality(String)
            ) CODEC(ZSTD(1)),
            answer String CODEC(ZSTD(3)),
            record String CODEC(ZSTD(3)),
            INDEX by_id id TYPE bloom_filter(0.01) GRANULARITY 1,
            INDEX by_sequence sequence TYPE minmax GRANULARITY 1
        )
        ENGINE = ReplacingMergeTree(received_at)
        PARTITION BY toYYYYMM(time)
        ORDER BY (project, time, id)
        SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE IF EXISTS records SYNC")

"""Outcomes: how each detector ended on each response, with its findings inside; and the view ``findings``.

Findings live in the outcome's row, so a later outcome replaces them all at once and none is left over. The view unfolds
them, one row a finding, for whoever asks in SQL. Serves the detail page.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS outcomes (
            project LowCardinality(String),
            response_time DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
            response_id String CODEC(ZSTD(1)),
            detector LowCardinality(String),
            workflow LowCardinality(String),
            state LowCardinality(String),
            finished_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
            detector_version LowCardinality(String),
            weights_version LowCardinality(String),
            reason Nullable(String) CODEC(ZSTD(1)),
            duration_ms Float64 CODEC(ZSTD(1)),
            attempts UInt16 CODEC(ZSTD(1)),
            findings Nested(
                claim_id String,
                claim_text String,
                claim_kind LowCardinality(String),
                claim_span Array(Int64),
                verdict LowCardinality(String),
                score Nullable(Float64),
                error LowCardinality(String),
                reason Nullable(String),
                explanation String,
                evidence_id LowCardinality(String),
                region Array(Float64),
                time Array(Float64),
                page UInt32,
                evidence_span Array(Int64),
                quote Nullable(String),
                duration_ms Float64
            ) CODEC(ZSTD(1))
        )
        ENGINE = ReplacingMergeTree(finished_at)
        PARTITION BY toYYYYMM(response_time)
        ORDER BY (project, response_time, response_id, detector)
        SETTINGS non_replicated_deduplication_window = 1000
        """
    )
    op.execute(
        """
        CREATE VIEW IF NOT EXISTS findings AS
        SELECT
            project, response_time, response_id, detector, workflow, finished_at,
            f.claim_id AS claim_id, f.claim_text AS claim_text, f.claim_kind AS claim_kind, f.claim_span AS claim_span,
            f.verdict AS verdict, f.score AS score, f.error AS error, f.reason AS reason, f.explanation AS explanation,
            f.evidence_id AS evidence_id, f.region AS region, f.time AS time, f.page AS page,
            f.evidence_span AS evidence_span, f.quote AS quote, f.duration_ms AS duration_ms
        FROM outcomes FINAL
        ARRAY JOIN findings AS f
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW IF EXISTS findings SYNC")
    op.execute("DROP TABLE IF EXISTS outcomes SYNC")

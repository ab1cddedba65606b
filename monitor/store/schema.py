"""What a response and an outcome look like as ClickHouse rows, and how long they stay.

The tables themselves are created by ``migrations/clickhouse``; a test holds the columns here against them.
Empty strings stand for "not given" in columns whose values are never empty, so that no column needs a null mask.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import msgspec

from monitor.findings import QUALITY_GRADES, EvidenceQuality, FindingRecord, OutcomeRecord, QualityGrade, input_quality
from monitor.records import Answer, ResponseRecord, Usage, encode_response, family_of
from monitor.store.client import Store
from monitor.store.queries import ENGINES
from monitor.store.rows import SpooledResponse
from monitor.task_metrics.reference import question_key, task_metrics

OUTCOME_TUPLE = (
    "Tuple(finished_ms UInt64, state Enum8('sampled_out' = 1, 'over_budget' = 2, 'not_applicable' = 3, 'failed' = 4, "
    "'abstained' = 5, 'judged' = 6), flagged UInt8, score Float64, duration_ms Float32)"
)
NO_SCORE = -1.0
UINT32_MAX = 2**32 - 1

RECORDS: Mapping[str, str] = {
    "project": "LowCardinality(String)",
    "id": "String",
    "time": "DateTime64(3, 'UTC')",
    "received_at": "DateTime64(3, 'UTC')",
    "sidecar": "LowCardinality(String)",
    "sequence": "UInt64",
    "workflow": "LowCardinality(String)",
    "release_stage": "LowCardinality(String)",
    "model_provider": "LowCardinality(String)",
    "model_version": "LowCardinality(String)",
    "prompt_version": "LowCardinality(String)",
    "tier": "LowCardinality(String)",
    "attempt": "UInt32",
    "trace_id": "String",
    "span_id": "String",
    "session_id": "String",
    "stages.name": "Array(LowCardinality(String))",
    "stages.duration_ms": "Array(Float64)",
    "stages.budget_ms": "Array(Nullable(Float64))",
    "stages.status": "Array(LowCardinality(String))",
    "answer": "String",
    "record": "String",
}
RESPONSES: Mapping[str, str] = {
    "project": "LowCardinality(String)",
    "id": "String",
    "time": "DateTime64(3, 'UTC')",
    "received_at": "DateTime64(3, 'UTC')",
    "workflow": "LowCardinality(String)",
    "risk": "LowCardinality(String)",
    "release": "LowCardinality(String)",
    "model": "LowCardinality(String)",
    "cohort": "Map(String, String)",
    "modalities": "Array(String)",
    "duration_ms": "Nullable(Float64)",
    "cost": "Nullable(Float64)",
    "currency": "LowCardinality(String)",
    "unpriced_items": "UInt32",
    "fallback": "LowCardinality(String)",
    "confidence": "Nullable(Float64)",
    "abstained": "UInt8",
    "question_key": "UInt64",
    "task_metrics": "Map(String, Float64)",
}
RESPONSE_OUTCOMES: Mapping[str, str] = {
    "project": "LowCardinality(String)",
    "id": "String",
    "time": "DateTime64(3, 'UTC')",
    "outcomes": f"Map(String, {OUTCOME_TUPLE})",
    "input_quality": "Enum8('' = 0, 'good' = 1, 'poor' = 2, 'unusable' = 3)",
}
OUTCOMES: Mapping[str, str] = {
    "project": "LowCardinality(String)",
    "response_time": "DateTime64(3, 'UTC')",
    "response_id": "String",
    "detector": "LowCardinality(String)",
    "workflow": "LowCardinality(String)",
    "state": "LowCardinality(String)",
    "finished_at": "DateTime64(6, 'UTC')",
    "detector_version": "LowCardinality(String)",
    "weights_version": "LowCardinality(String)",
    "reason": "Nullable(String)",
    "duration_ms": "Float64",
    "attempts": "UInt16",
    "findings.claim_id": "Array(String)",
    "findings.claim_text": "Array(String)",
    "findings.claim_kind": "Array(LowCardinality(String))",
    "findings.claim_span": "Array(Array(Int64))",
    "findings.verdict": "Array(LowCardinality(String))",
    "findings.score": "Array(Nullable(Float64))",
    "findings.error": "Array(LowCardinality(String))",
    "findings.reason": "Array(Nullable(String))",
    "findings.explanation": "Array(String)",
    "findings.evidence_id": "Array(LowCardinality(String))",
    "findings.region": "Array(Array(Float64))",
    "findings.time": "Array(Array(Float64))",
    "findings.page": "Array(UInt32)",
    "findings.evidence_span": "Array(Array(Int64))",
    "findings.quote": "Array(Nullable(String))",
    "findings.duration_ms": "Array(Float64)",
    "usage.item": "Array(LowCardinality(String))",
    "usage.quantity": "Array(Float64)",
    "usage.unit": "Array(LowCardinality(String))",
    "usage.amount": "Array(Nullable(Float64))",
    "usage.currency": "Array(LowCardinality(String))",
}
EVIDENCE_QUALITY: Mapping[str, str] = {
    "project": "LowCardinality(String)",
    "response_time": "DateTime64(3, 'UTC')",
    "response_id": "String",
    "evidence_id": "String",
    "family": "LowCardinality(String)",
    "sha256": "String",
    "measured_at": "DateTime64(6, 'UTC')",
    "grade": "Enum8('good' = 1, 'poor' = 2, 'unusable' = 3)",
    "problems.name": "Array(LowCardinality(String))",
    "problems.grade": "Array(LowCardinality(String))",
    "problems.text": "Array(String)",
    "measures": "Map(LowCardinality(String), Float64)",
    "duration_ms": "Float32",
}
# Which column of each table the retention counts from.
RETENTION_COLUMNS: Mapping[str, str] = {
    "records": "time",
    "responses": "time",
    "outcomes": "response_time",
    "evidence_quality": "response_time",
}

_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
_Key: TypeAlias = tuple[str, str, datetime]
_record_decoder = msgspec.json.Decoder(ResponseRecord)


def decode_record(raw: bytes | str) -> ResponseRecord:
    """A record that was checked when it was taken in; raises msgspec.DecodeError or ValidationError."""
    return _record_decoder.decode(raw)


def record_row(item: SpooledResponse) -> list[Any]:
    """One row of ``records``, in the order of RECORDS."""
    record = item.record
    model, release, route = record.model, record.release, record.route
    return [
        item.project,
        record.id,
        _milliseconds(record.time),
        _milliseconds(item.received_at),
        item.sidecar,
        item.sequence,
        record.workflow,
        (release.stage if release else None) or "",
        (model.provider if model else None) or "",
        (model.version if model else None) or "",
        record.prompt_version or "",
        (route.tier if route else None) or "",
        min((route.attempt if route else None) or 0, UINT32_MAX),
        record.trace_id or "",
        record.span_id or "",
        record.session_id or "",
        [stage.name for stage in record.stages],
        [stage.duration_ms for stage in record.stages],
        [stage.budget_ms for stage in record.stages],
        [stage.status for stage in record.stages],
        record.answer.text,
        encode_response(with_answer(record, "")).decode(),
    ]


def response_row(item: SpooledResponse) -> list[Any]:
    """One row of ``responses`` as ingest knows it, in the order of RESPONSES."""
    record = item.record
    cost, currency, unpriced = priced(record.usage)
    return [
        item.project,
        record.id,
        _milliseconds(record.time),
        _milliseconds(item.received_at),
        record.workflow,
        record.risk,
        record.release.version if record.release else "",
        record.model.name if record.model else "",
        record.cohort,
        sorted({family_of(evidence.media_type) for evidence in record.evidence}),
        sum(stage.duration_ms for stage in record.stages) if record.stages else None,
        cost,
        currency,
        unpriced,
        (record.route.fallback if record.route else None) or "",
        record.answer.confidence,
        int(record.answer.abstained),
        question_key(record),
        task_metrics(record),
    ]


def response_outcomes(outcomes: Iterable[OutcomeRecord]) -> list[list[Any]]:
    """Rows of ``responses`` that carry outcomes only, one a response, in the order of RESPONSE_OUTCOMES."""
    folded: dict[_Key, dict[str, tuple[Any, ...]]] = {}
    qualities: dict[_Key, QualityGrade | None] = {}
    for outcome in outcomes:
        key = (outcome.project, outcome.response_id, outcome.response_time.astimezone(UTC))
        detectors = folded.setdefault(key, {})
        qualities[key] = _worse(qualities.get(key), input_quality(outcome.quality))
        entry = _outcome_entry(outcome)
        if outcome.detector not in detectors or detectors[outcome.detector][0] <= entry[0]:
            detectors[outcome.detector] = entry
    return [[*key, detectors, qualities[key] or ""] for key, detectors in folded.items()]


def _worse(one: QualityGrade | None, other: QualityGrade | None) -> QualityGrade | None:
    """As the merge folds them: the greater of the two, where not measured is the least."""
    if one is None or other is None:
        return one or other
    return max(one, other, key=QUALITY_GRADES.index)


def evidence_quality_rows(outcomes: Iterable[OutcomeRecord]) -> list[list[Any]]:
    """Rows of ``evidence_quality``, in the order of EVIDENCE_QUALITY: one a measured piece, however many detectors sent it."""
    rows: dict[tuple[str, str, str], list[Any]] = {}
    for outcome in outcomes:
        for piece in outcome.quality:
            if piece.grade is not None:
                rows.setdefault((outcome.project, outcome.response_id, piece.evidence_id), _quality_row(outcome, piece))
    return list(rows.values())


def _quality_row(outcome: OutcomeRecord, piece: EvidenceQuality) -> list[Any]:
    return [
        outcome.project,
        outcome.response_time.astimezone(UTC),
        outcome.response_id,
        piece.evidence_id,
        piece.family,
        piece.sha256,
        outcome.finished_at.astimezone(UTC),
        piece.grade,
        [problem.name for problem in piece.problems],
        [problem.grade for problem in piece.problems],
        [problem.text for problem in piece.problems],
        piece.measures,
        piece.duration_ms,
    ]


def outcome_row(outcome: OutcomeRecord) -> list[Any]:
    """One row of ``outcomes``, in the order of OUTCOMES."""
    return [
        outcome.project,
        outcome.response_time.astimezone(UTC),
        outcome.response_id,
        outcome.detector,
        outcome.workflow,
        outcome.state,
        outcome.finished_at.astimezone(UTC),
        outcome.detector_version,
        outcome.weights_version,
        outcome.reason,
        outcome.duration_ms,
        min(outcome.attempts, 65_535),
        *_finding_columns(outcome.findings),
        [one.item for one in outcome.usage],
        [one.quantity for one in outcome.usage],
        [one.unit for one in outcome.usage],
        [one.cost for one in outcome.usage],
        [one.currency or "" for one in outcome.usage],
    ]


def with_answer(record: ResponseRecord, text: str) -> ResponseRecord:
    """The record with its answer text taken out, or put back."""
    answer: Answer = msgspec.structs.replace(record.answer, text=text)
    return msgspec.structs.replace(record, answer=answer)


def priced(usage: Sequence[Usage]) -> tuple[float | None, str, int]:
    """Sum of the priced items, its currency, and how many items are not in that sum.

    Items priced in several currencies have no sum: the cost is None and all of them count as unpriced.
    """
    costs = [(item.cost, item.currency or "") for item in usage]
    known = [(cost, currency) for cost, currency in costs if cost is not None]
    if not known or len({currency for _, currency in known}) > 1:
        return None, "", len(costs)
    return sum(cost for cost, _ in known), known[0][1], len(costs) - len(known)


def apply_retention(store: Store, days: int) -> None:
    """Set the age at which rows leave, where it differs from what the tables say. Raises StoreUnavailable."""
    engines = dict(store.rows(ENGINES, {}))
    for table, column in RETENTION_COLUMNS.items():
        found = re.search(r" TTL .*86400 \* (\d+)", engines[table])
        if found is None or int(found[1]) != days:
            # Counted in seconds up to the last DateTime there is (2106): a sum beyond would wrap into the past, and
            # every row would be gone the moment it is inserted.
            end = f"least(intDiv(toUnixTimestamp64Milli({column}), 1000) + 86400 * {int(days)}, 4294967295)"
            store.execute(f"retention of {table}", f"ALTER TABLE {table} MODIFY TTL toDateTime({end})")


def _milliseconds(time: datetime) -> int:
    """Since 1970: what a DateTime64(3) column holds, and the driver would make of a datetime with more work."""
    return (time - _EPOCH) // _MILLISECOND


def _outcome_entry(outcome: OutcomeRecord) -> tuple[int, str, int, float, float]:
    finished_ms = int(outcome.finished_at.timestamp() * 1000)
    score = outcome.max_score
    return finished_ms, outcome.state, int(outcome.flagged), NO_SCORE if score is None else score, outcome.duration_ms


def _finding_columns(findings: Sequence[FindingRecord]) -> list[list[Any]]:
    return [
        [f.claim_id for f in findings],
        [f.claim_text for f in findings],
        [f.claim_kind for f in findings],
        [list(f.claim_span or ()) for f in findings],
        [f.verdict for f in findings],
        [f.score for f in findings],
        [f.error or "" for f in findings],
        [f.reason for f in findings],
        [f.explanation for f in findings],
        [f.evidence_id or "" for f in findings],
        [list(f.region or ()) for f in findings],
        [list(f.time or ()) for f in findings],
        [min(f.page or 0, UINT32_MAX) for f in findings],
        [list(f.evidence_span or ()) for f in findings],
        [f.quote for f in findings],
        [f.duration_ms for f in findings],
    ]

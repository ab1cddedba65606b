"""From ClickHouse's rows back to frozen records: empty strings to None, NaN to None, times to aware UTC."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from monitor.errors import RecordInvalid
from monitor.findings import (
    QUALITY_GRADES,
    EvidenceQuality,
    FindingRecord,
    OutcomeRecord,
    OutcomeState,
    QualityGrade,
    QualityProblem,
    Verdict,
)
from monitor.records import ResponseRecord, Usage
from monitor.store.rows import ListedResponse
from monitor.store.schema import decode_record, with_answer

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2299, 1, 1, tzinfo=UTC)


def utc(value: datetime) -> datetime:
    """ClickHouse's UTC columns come without an offset."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def from_epoch(seconds: int) -> datetime:
    """Aware UTC from seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def stamp(value: datetime) -> str:
    """A time as a DateTime64(3, 'UTC') parameter; cut to the millisecond and to the years that the columns can hold."""
    value = min(max(value, EARLIEST), LATEST).astimezone(UTC)
    return value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}"


def number(value: Any) -> float | None:
    """A finite float, or None for NULL and for the NaN that an empty aggregate gives."""
    return None if value is None or not math.isfinite(value) else float(value)


def quantile(values: Sequence[Any], index: int, n: int) -> float | None:
    """One of an aggregate's quantiles; None where nothing was aggregated."""
    return number(values[index]) if n else None


def encode_cursor(time: datetime, response_id: str) -> str:
    """Opaque position after a row of the list."""
    milliseconds = (time - EPOCH) // timedelta(milliseconds=1)
    return base64.urlsafe_b64encode(f"{milliseconds}:{response_id}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[datetime, str]:
    """Raises RecordInvalid for anything that is not one of our cursors."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        milliseconds, separator, response_id = text.partition(":")
        if not separator or not response_id:
            raise ValueError(text)
        return EPOCH + timedelta(milliseconds=int(milliseconds)), response_id
    except (binascii.Error, ValueError, OverflowError):
        raise RecordInvalid("cursor", "is not a cursor of this list", "Send the `next` of the page before, unchanged") from None


def listed(row: Sequence[Any], excerpt: str, detector: str | None) -> ListedResponse:
    """A row of the ``$listed`` columns. The verdict is that of ``detector`` alone where one is named."""
    identifier, time, workflow, risk, model, release, cohort, modalities, duration, cost, currency, unpriced, fallback = row[:13]
    detectors, states, flags, max_score, quality = row[13:18]
    by_detector = cast("dict[str, OutcomeState]", dict(zip(detectors, states, strict=True)))
    wanted = [d for d in detectors if detector is None or d == detector]
    flagged = [d for d, flag in zip(detectors, flags, strict=True) if flag]
    return ListedResponse(
        id=identifier,
        time=utc(time),
        workflow=workflow,
        risk=risk,
        model=model or None,
        release=release or None,
        cohort=dict(cohort),
        modalities=list(modalities),
        answer_excerpt=excerpt,
        verdict=_verdict([by_detector[d] for d in wanted], any(d in flagged for d in wanted)),
        max_score=number(max_score),
        flagged_detectors=sorted(flagged),
        states=by_detector,
        duration_ms=number(duration),
        cost=number(cost),
        currency=(currency or None) if cost is not None else None,
        unpriced_items=unpriced,
        fallback=fallback or None,
        input_quality=quality or None,
    )


def record_of(answer: str, raw: str) -> ResponseRecord:
    """The record with its answer put back."""
    return with_answer(decode_record(raw), answer)


def outcome(key: Mapping[str, Any], row: Sequence[Any]) -> OutcomeRecord:
    """A row of ``outcomes_of``; ``key`` is project, response_id and response_time."""
    detector, workflow, state, finished_at, version, weights, reason, duration, attempts = row[:9]
    findings = tuple(_finding(detector, columns) for columns in zip(*row[9:25], strict=True))
    return OutcomeRecord(
        **key,
        workflow=workflow,
        detector=detector,
        state=state,
        finished_at=utc(finished_at),
        detector_version=version,
        weights_version=weights,
        reason=reason,
        duration_ms=duration,
        attempts=attempts,
        findings=findings,
        usage=tuple(
            Usage(item=item, quantity=quantity, unit=unit, amount=amount, currency=currency or None)
            for item, quantity, unit, amount, currency in zip(*row[25:30], strict=True)
        ),
    )


def grade_of(code: int) -> QualityGrade | None:
    """The grade of a code of ``responses.input_quality``; 0 is not measured."""
    return QUALITY_GRADES[code - 1] if code else None


def evidence_quality(row: Sequence[Any]) -> EvidenceQuality:
    """A row of ``quality_of``."""
    evidence_id, family, sha256, grade, names, grades, texts, measures, duration = row
    problems = (QualityProblem(name=name, grade=bad, text=text) for name, bad, text in zip(names, grades, texts, strict=True))
    return EvidenceQuality(
        evidence_id=evidence_id,
        family=family,
        sha256=sha256,
        grade=grade,
        problems=tuple(problems),
        measures=dict(measures),
        duration_ms=duration,
    )


def _verdict(states: Sequence[OutcomeState], flagged: bool) -> Verdict:
    if flagged:
        return "hallucinated"
    return "supported" if "judged" in states else "not_checked"


def _finding(detector: str, columns: Sequence[Any]) -> FindingRecord:
    claim_id, claim_text, claim_kind, claim_span, verdict, score, error, reason, explanation = columns[:9]
    evidence_id, region, time, page, evidence_span, quote, duration = columns[9:]
    return FindingRecord(
        detector=detector,
        claim_id=claim_id,
        claim_text=claim_text,
        claim_kind=claim_kind,
        claim_span=tuple(claim_span) or None,
        verdict=verdict,
        score=number(score),
        error=error or None,
        reason=reason,
        explanation=explanation,
        evidence_id=evidence_id or None,
        region=tuple(region) or None,
        time=tuple(time) or None,
        page=page or None,
        evidence_span=tuple(evidence_span) or None,
        quote=quote,
        duration_ms=duration,
    )

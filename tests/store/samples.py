"""Responses and outcomes that the store's tests write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.findings import FindingRecord, OutcomeRecord, OutcomeState
from monitor.records import Answer, Evidence, Model, Release, ResponseRecord
from monitor.store.rows import ResponseFilter, SpooledResponse

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def spooled(identifier: str, sequence: int = 1, *, project: str = "default", sidecar: str = "s1", **fields: Any) -> SpooledResponse:
    """A response of noon with as little as the contract asks for; ``fields`` are those of the record."""
    record = ResponseRecord(
        id=identifier,
        time=fields.pop("time", NOON),
        workflow=fields.pop("workflow", "image-qa"),
        answer=Answer(text=fields.pop("text", f"answer of {identifier}")),
        **fields,
    )
    return SpooledResponse(
        project=project, sidecar=sidecar, sequence=sequence, received_at=record.time + timedelta(seconds=1), record=record
    )


def full(identifier: str, sequence: int = 1, **fields: Any) -> SpooledResponse:
    """A response with a model, a release, a cohort and a picture."""
    given = {
        "model": Model(name="gpt-4v", provider="openai"),
        "release": Release(version="2.0", stage="canary"),
        "cohort": {"device": "ios", "language": "en"},
        "evidence": (Evidence(id="e", media_type="image/png", uri="sha256:" + "0" * 64),),
    }
    return spooled(identifier, sequence, **(given | fields))


def outcome(
    response: SpooledResponse,
    detector: str = "ocr_mismatch",
    state: OutcomeState = "judged",
    *scores: float,
    after_s: float = 10,
    **fields: Any,
) -> OutcomeRecord:
    """An outcome with one finding a score; scores from 0.5 on are hallucinated."""
    findings = tuple(
        FindingRecord(
            detector=detector,
            claim_id=f"c{number}",
            claim_text="a dog",
            claim_kind="object",
            verdict="hallucinated" if score >= 0.5 else "supported",
            explanation="Looked.",
            score=score,
        )
        for number, score in enumerate(scores)
    )
    return OutcomeRecord(
        project=response.project,
        response_id=response.record.id,
        response_time=response.record.time,
        workflow=response.record.workflow,
        detector=detector,
        state=state,
        finished_at=response.received_at + timedelta(seconds=after_s),
        findings=fields.pop("findings", findings),
        **fields,
    )


def window(**fields: Any) -> ResponseFilter:
    """The day around noon, narrowed by ``fields``."""
    return ResponseFilter(**({"project": "default", "since": NOON - DAY, "until": NOON + DAY} | fields))

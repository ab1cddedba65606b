"""The list of responses, and everything known about one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

import msgspec
from fastapi import APIRouter, Query

from monitor.api.access import GuardedRoute, Who
from monitor.api.context import Running
from monitor.api.models import (
    ClaimView,
    EvidenceQualityView,
    EvidenceView,
    FindingView,
    OutcomeView,
    QualityProblemView,
    ResponseDetail,
    ResponsePage,
    ResponseRow,
    StageView,
    UsageView,
)
from monitor.api.review import verdict_view
from monitor.api.window import Filter
from monitor.errors import EvidenceMissing, EvidenceUnusable, NotFound
from monitor.evidence import EvidenceStore
from monitor.findings import EvidenceQuality, FindingRecord, OutcomeRecord, Verdict
from monitor.records import Claim, Evidence, ResponseRecord, Usage, family_of
from monitor.review.queue import ReviewQueue
from monitor.store.rows import ListedResponse

router = APIRouter(route_class=GuardedRoute, tags=["responses"])

MAX_TEXT = 100_000
# UTF-8 takes at most four bytes a code point.
_MAX_TEXT_BYTES = 4 * MAX_TEXT
_WORST: tuple[Verdict, ...] = ("hallucinated", "supported", "not_checked")


@router.get("/v1/responses")
def list_responses(
    found: Filter,
    running: Running,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str | None, Query(max_length=1000)] = None,
) -> ResponsePage:
    """Responses of a window, newest first."""
    rows, following = running.reader.list_responses(found, limit, cursor)
    return ResponsePage(items=[_row(row) for row in rows], next=following)


@router.get("/v1/responses/{response_id}")
def get_response(response_id: str, running: Running, who: Who) -> ResponseDetail:
    """One response with its claims, evidence, outcomes and reviewers' verdicts."""
    stored = running.reader.response(who.project, response_id)
    if stored is None:
        raise NotFound("response", response_id)
    if running.views is not None:
        running.views.note(who.project, who.actor("local"), f"response:{response_id}")
    record = stored.record
    queue = ReviewQueue(running.settings, running.database, running.clock)
    item = queue.of_response(who.project, response_id)
    verdicts = queue.verdicts_for(who.project, [response_id]).get(response_id, [])
    qualities = {piece.evidence_id: piece for piece in stored.quality}
    ended = {outcome.detector for outcome in stored.outcomes}
    return ResponseDetail(
        row=_row(stored.listed),
        question=None if record.question is None else record.question.text,
        answer=record.answer.text,
        claims=claim_views(record, stored.outcomes),
        evidence=[_evidence(running.evidence.of(who.project), evidence, qualities.get(evidence.id)) for evidence in record.evidence],
        outcomes=[outcome_view(outcome) for outcome in stored.outcomes],
        pending=[name for name in running.settings.detectors if name not in ended],
        stages=[StageView(**msgspec.structs.asdict(stage)) for stage in record.stages],
        usage=[_usage(u) for u in record.usage],
        verdicts=[verdict_view(verdict) for verdict in verdicts],
        review_item=None if item is None else item.id,
        attributes=record.attributes,
        received_at=stored.received_at,
    )


def _row(listed: ListedResponse) -> ResponseRow:
    return ResponseRow.model_validate(msgspec.structs.asdict(listed))


def claim_views(record: ResponseRecord, outcomes: Sequence[OutcomeRecord]) -> list[ClaimView]:
    """Claims in the order they stand in the answer; a caller's claim that nobody looked at is there, not checked."""
    findings: dict[str, list[FindingRecord]] = {}
    for outcome in outcomes:
        for finding in outcome.findings:
            findings.setdefault(finding.claim_id, []).append(finding)
    views = [_claim(identifier, found) for identifier, found in findings.items()]
    seen_ids, seen_texts = set(findings), {(view.text, view.span) for view in views}
    for index, claim in enumerate(record.claims):
        if claim.id not in seen_ids and (claim.text, claim.span) not in seen_texts:
            views.append(_unchecked(index, claim))
    return sorted(views, key=lambda view: (view.span is None, view.span or (0, 0), view.id))


def _claim(identifier: str, found: list[FindingRecord]) -> ClaimView:
    first = found[0]
    verdict = min((finding.verdict for finding in found), key=_WORST.index)
    return ClaimView(
        id=identifier,
        text=first.claim_text,
        kind=first.claim_kind,
        span=first.claim_span,
        verdict=verdict,
        score=max((finding.score for finding in found if finding.score is not None), default=None),
        findings=[_finding(finding) for finding in found],
    )


def _unchecked(index: int, claim: Claim) -> ClaimView:
    identifier = claim.id or f"given-{index}"
    kind = claim.kind or "statement"
    return ClaimView(id=identifier, text=claim.text, kind=kind, span=claim.span, verdict="not_checked", score=None, findings=[])


def _finding(finding: FindingRecord) -> FindingView:
    fields = msgspec.structs.asdict(finding)
    return FindingView(**{name: fields[name] for name in FindingView.model_fields})


def _usage(one: Usage) -> UsageView:
    return UsageView(item=one.item, quantity=one.quantity, unit=one.unit, modality=one.modality, cost=one.cost, currency=one.currency)


def outcome_view(outcome: OutcomeRecord) -> OutcomeView:
    return OutcomeView(
        detector=outcome.detector,
        detector_version=outcome.detector_version,
        weights_version=outcome.weights_version,
        state=outcome.state,
        reason=outcome.reason,
        claims_checked=sum(finding.score is not None for finding in outcome.findings),
        claims_flagged=sum(finding.verdict == "hallucinated" for finding in outcome.findings),
        duration_ms=outcome.duration_ms,
        finished_at=outcome.finished_at,
        usage=[_usage(one) for one in outcome.usage],
    )


def _evidence(store: EvidenceStore, evidence: Evidence, quality: EvidenceQuality | None) -> EvidenceView:
    sha256 = evidence.sha256
    if evidence.uri is not None and evidence.uri.startswith("sha256:"):
        sha256 = evidence.uri.removeprefix("sha256:")
    stored = sha256 is not None and store.exists(sha256)
    gone = None if stored or sha256 is None else store.deleted(sha256)
    return EvidenceView(
        id=evidence.id,
        media_type=evidence.media_type,
        family=family_of(evidence.media_type),
        role=evidence.role,
        title=evidence.title,
        sha256=sha256,
        url=f"/v1/evidence/{sha256}" if stored else None,
        reference=_address(evidence.uri),
        text=_text(store, evidence, sha256 if stored else None),
        deleted_at=None if gone is None else gone[1],
        metadata=evidence.metadata,
        quality=None if quality is None else _quality(quality),
    )


def _address(uri: str | None) -> str | None:
    """A reference without what may open it to whoever reads this: credentials, and the signature in a query."""
    try:
        parts = urlsplit(uri or "")
    except ValueError:  # brackets that are no IPv6 address
        return None
    if parts.scheme not in ("https", "s3", "gs"):
        return None
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _quality(found: EvidenceQuality) -> EvidenceQualityView | None:
    if found.grade is None:
        return None
    problems = [QualityProblemView(name=one.name, grade=one.grade, text=one.text) for one in found.problems]
    return EvidenceQualityView(grade=found.grade, problems=problems, measures=found.measures)


def _text(store: EvidenceStore, evidence: Evidence, sha256: str | None) -> str | None:
    if not evidence.is_text:
        return None
    if evidence.content is not None:  # short text stays in the record
        return evidence.content[:MAX_TEXT]
    if sha256 is None:
        return None
    try:
        with store.open(sha256) as blob:
            return blob.read(_MAX_TEXT_BYTES).decode(errors="replace")[:MAX_TEXT]
    except (EvidenceMissing, EvidenceUnusable):  # removed between the look and the read, or its sealed bytes do not open
        return None

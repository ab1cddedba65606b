"""Which earlier verdicts answer for a case: what a verdict rests on, as a key, and the verdict itself, as bytes.

A key is made of everything that could change the verdict: the code and options of the detectors, the detector's
version and its weights, the risk, the evidence it reads, and the claim, either alone or with the whole
answer around it (see :meth:`detectors.contract.Detector.claim_context`). Nothing is kept of a case that lacks evidence
or of a judgement that failed. Scores are kept as the detector gives them: a team's own calibration comes after.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import msgspec

from detectors.contract import Case, Claim, Detector, EvidenceFile, Finding, Outcome, Place, Verdict
from monitor.detect.verdict_cache import VerdictCache

# Changed when keys or values are made otherwise.
_FORMAT = 1


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """A finding without its claim."""

    verdict: Verdict
    score: float | None
    explanation: str
    place: Place | None = None
    error: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is known of a case: ``open`` is the case of the claims still to be judged, None when there are none.

    ``claims`` are the ids of the claims looked up, none where there was nothing to look up. ``keys`` name the verdicts
    of the open ones.
    """

    open: Case | None
    findings: Mapping[str, Finding] = field(default_factory=dict)
    keys: Mapping[str, bytes] = field(default_factory=dict)
    claims: frozenset[str] = frozenset()


class Recall:
    """Looks verdicts up and keeps new ones. ``source`` stands for the code and options they come from."""

    def __init__(self, cache: VerdictCache | None, source: str) -> None:
        self._cache = cache
        self._source = source

    def look_up(self, detector: Detector, case: Case) -> Recalled:
        """Earlier verdicts on the claims of a case."""
        claims = detector.claims_for(case) if self._cache is not None and not case.missing and detector.concerns(case) else []
        ids = frozenset(claim.id for claim in claims)
        if self._cache is None or not claims or len(ids) < len(claims):
            return Recalled(case)
        contexts = {claim.id: detector.claim_context(case, claim) for claim in claims}
        keys = self._keys(detector, case, claims, contexts)
        stored = self._cache.get(keys.values())
        findings = {}
        for claim in claims:
            kept = _decoded(stored.get(keys[claim.id]))
            if kept is not None:
                findings[claim.id] = Finding(claim, kept.verdict, kept.score, kept.explanation, kept.place, kept.error, kept.reason)
        if len(findings) == len(claims):
            return Recalled(None, findings, claims=ids)
        if None in contexts.values():
            # Some verdict rests on the other claims too: all are judged again, together.
            return Recalled(case, {}, keys, ids)
        rest = replace(case, claims=tuple(claim for claim in case.claims if claim.id not in findings)) if findings else case
        return Recalled(rest, findings, {name: key for name, key in keys.items() if name not in findings}, ids)

    def keep(self, recalled: Recalled, outcome: Outcome) -> None:
        """Keep what was found of the open claims, unless their evidence has gone meanwhile.

        A detector that found something of its own, or had no word on a claim, is asked again the next time.
        """
        case = recalled.open
        if self._cache is None or case is None or not recalled.keys or outcome.state not in ("judged", "abstained"):
            return
        found_of = {finding.claim.id for finding in outcome.findings}
        if set(recalled.keys) <= found_of <= recalled.claims and all(piece.path.is_file() for piece in case.evidence):
            found = ((recalled.keys.get(finding.claim.id), finding) for finding in outcome.findings)
            self._cache.put({key: _encoded(finding) for key, finding in found if key is not None})

    def _keys(self, detector: Detector, case: Case, claims: list[Claim], contexts: Mapping[str, str | None]) -> dict[str, bytes]:
        read = [_evidence(piece) for piece in case.evidence if piece.family in detector.families]
        read += [_evidence(piece) for piece in case.neighbours]
        about = (_FORMAT, self._source, detector.name, detector.version, detector.weights_version, case.risk, read)
        start = hashlib.sha256(_packed(about))
        every = [_evidence(piece) for piece in case.evidence]
        around = (case.answer, case.question, case.workflow, case.abstained, case.confidence)
        whole = _packed((around, every, [asdict(claim) for claim in case.claims]))
        keys = {}
        for claim in claims:
            context = contexts[claim.id]
            digest = start.copy()
            digest.update(_packed(("whole", claim.id)) + whole if context is None else _packed(("claim", context, _content(claim))))
            keys[claim.id] = digest.digest()
        return keys


def merged(detector: Detector, case: Case, recalled: Recalled, outcome: Outcome | None) -> Outcome:
    """The outcome of a whole case from earlier verdicts and, where claims were open, the outcome of those."""
    if outcome is not None and not recalled.findings:
        return outcome
    started = time.perf_counter()
    new = {finding.claim.id: finding for finding in outcome.findings} if outcome is not None else {}
    found = {**recalled.findings, **new}
    joined = detector.concluded([found[claim.id] for claim in detector.claims_for(case) if claim.id in found], started)
    return joined if outcome is None else replace(joined, duration_ms=joined.duration_ms + outcome.duration_ms, usage=outcome.usage)


def _evidence(piece: EvidenceFile) -> tuple[Any, ...]:
    return piece.id, piece.sha256, piece.media_type, piece.role, piece.title, dict(piece.metadata)


def _content(claim: Claim) -> tuple[Any, ...]:
    """A claim without its name and its place in the answer."""
    return claim.kind, claim.text, claim.speaker, claim.given, [asdict(place) for place in claim.citations], dict(claim.facts)


def _packed(value: Any) -> bytes:
    # Facts hold whatever an extractor understood; what msgpack has no form for is told apart by its repr.
    return msgspec.msgpack.encode(value, enc_hook=repr, order="deterministic")


def _encoded(finding: Finding) -> bytes:
    return msgspec.msgpack.encode(_Kept(finding.verdict, finding.score, finding.explanation, finding.place, finding.error, finding.reason))


def _decoded(value: bytes | None) -> _Kept | None:
    if value is None:
        return None
    try:
        return msgspec.msgpack.decode(value, type=_Kept)
    except msgspec.MsgspecError:
        return None  # written by another hand or damaged: judged again

"""Everything that one response's verdicts rest on, as one JSON document that can be verified without the service.

The digest is SHA-256 over the canonical JSON of the rest (keys sorted, no spaces, UTF-8). It is also written into the audit
log at each export, so that a document can be told from one that somebody made up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

import monitor
from monitor.detect.catalogues import calibration_of
from monitor.errors import EvidenceMissing
from monitor.evidence import EvidenceStore
from monitor.findings import OutcomeRecord
from monitor.metadata.review import VerdictRecord
from monitor.records import Evidence, ResponseRecord
from monitor.store.rows import StoredResponse

FORMAT = "groundwatch-chain/1"


def digest_of(document: Mapping[str, Any]) -> str:
    """The digest a document must carry: over everything but ``digest`` itself."""
    rest = {name: value for name, value in document.items() if name != "digest"}
    return sha256_of(json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode())


def sha256_of(content: bytes) -> str:
    """SHA-256 in lower-case hex."""
    return hashlib.sha256(content).hexdigest()


def chain_of(
    project: str,
    stored: StoredResponse,
    verdicts: Sequence[VerdictRecord],
    evidence: EvidenceStore,
    calibration_dir: Path,
    now: datetime,
) -> dict[str, Any]:
    """The document of one response. ``evidence`` is the project's own store.

    ``calibrations`` are those in force at the export; a finding's score and verdict are as they were given.

    Raises:
        StorageUnavailable: the evidence store does not answer.
    """
    record = stored.record
    document: dict[str, Any] = {
        "format": FORMAT,
        "groundwatch": monitor.__version__,
        "project": project,
        "exported_at": now.isoformat(),
        "received_at": stored.received_at.isoformat(),
        "response": _plain(record),
        "answer_sha256": sha256_of(record.answer.text.encode()),
        "sources": [_source(piece, evidence) for piece in record.evidence],
        "outcomes": [_outcome(outcome) for outcome in sorted(stored.outcomes, key=lambda one: one.detector)],
        "input_quality": [_plain(piece) for piece in stored.quality],
        "calibrations": {one.detector: calibration_of(one.detector, record.risk, calibration_dir) for one in stored.outcomes},
        "reviews": [_plain(verdict) for verdict in verdicts],
    }
    return {**document, "digest": digest_of(document)}


def _plain(value: Any) -> Any:
    # Through JSON, so that the document hashed here is the one read back there.
    return json.loads(msgspec.json.encode(value))


def _outcome(outcome: OutcomeRecord) -> dict[str, Any]:
    fields: dict[str, Any] = _plain(outcome)
    return {name: value for name, value in fields.items() if name not in ("project", "response_id", "response_time", "quality")}


def _source(piece: Evidence, store: EvidenceStore) -> dict[str, Any]:
    """Where a source is and the hash of its bytes; None where the service never held them."""
    known = {"evidence": piece.id, "media_type": piece.media_type, "role": piece.role}
    if piece.content is not None:
        content = piece.content_bytes()
        return {**known, "kind": "inline", "sha256": sha256_of(content), "bytes": len(content), "stored": True}
    if piece.uri is None or not piece.uri.startswith("sha256:"):
        return {**known, "kind": "reference", "sha256": piece.sha256, "bytes": None, "stored": False}
    sha256 = piece.uri.removeprefix("sha256:")
    try:
        return {**known, "kind": "blob", "sha256": sha256, "bytes": store.size(sha256), "stored": True}
    except EvidenceMissing:
        return {**known, "kind": "blob", "sha256": sha256, "bytes": None, "stored": False}


def record_in(document: Mapping[str, Any]) -> ResponseRecord:
    """The response in a document. Raises msgspec.ValidationError."""
    return msgspec.convert(document["response"], ResponseRecord, strict=False)

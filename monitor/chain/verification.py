"""``groundwatch chain verify``: whether a document is whole, its sources are what they were, and its verdicts come out again."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import msgspec

from monitor.chain.export import FORMAT, digest_of, record_in, sha256_of
from monitor.detect.bench import Bench, judge_or_fail
from monitor.detect.cases import visible
from monitor.detect.wire import CATALOGUE_MODULE, CLAIMS_MODULE, Judgement, config_of
from monitor.errors import RecordInvalid
from monitor.findings import FindingRecord
from monitor.records import ResponseRecord
from monitor.sealing import keys_for
from monitor.settings import Settings

# Models may round differently on another machine.
SCORE_TOLERANCE = 0.02
_REMEDY = "Name a file written by `groundwatch chain export`"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. ``unknown``: it could not be, for the reason given; it counts neither way."""

    what: str
    state: Literal["good", "bad", "unknown"]
    detail: str = ""


def read_chain(path: Path) -> dict[str, Any]:
    """The document in a file. Raises RecordInvalid where it is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise RecordInvalid(str(path), f"is not JSON ({error})", _REMEDY) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise RecordInvalid(str(path), f"is not a chain of the format {FORMAT}", _REMEDY)
    missing = [name for name in ("digest", "response", "sources", "outcomes", "answer_sha256") if name not in document]
    if missing:
        raise RecordInvalid(str(path), f"has no {missing[0]}", _REMEDY)
    return document


def verify(document: Mapping[str, Any], evidence: Path | None = None) -> list[Step]:
    """Recompute the digest and every hash; sources are looked for below ``evidence`` by their content.

    Raises:
        RecordInvalid: the response in it is none.
    """
    record = _record(document)
    found = digest_of(document)
    steps = [_step("digest", found == document["digest"], f"the document has {found}, it says {document['digest']}")]
    answer = sha256_of(record.answer.text.encode())
    steps.append(_step("answer", answer == document["answer_sha256"], f"the answer has SHA-256 {answer}"))
    files = {} if evidence is None else _hashed(evidence)
    inline = {piece.id: piece for piece in record.evidence if piece.content is not None}
    for source in document["sources"]:
        what = f"source {source['evidence']}"
        if source["evidence"] in inline:
            actual = sha256_of(inline[source["evidence"]].content_bytes())
            steps.append(_step(what, actual == source["sha256"], f"its content has SHA-256 {actual}"))
        elif source["sha256"] in files:
            steps.append(Step(what=what, state="good"))
        else:
            if source["sha256"] is None:
                where = "it was not stored, so no hash of it was taken"
            else:
                where = "no folder was given with --evidence" if evidence is None else f"no file below {evidence} has its hash"
            steps.append(Step(what=what, state="unknown", detail=where))
    return steps


def replay(
    document: Mapping[str, Any],
    evidence: Path,
    settings: Settings,
    *,
    catalogue: str = CATALOGUE_MODULE,
    finders: str = CLAIMS_MODULE,
) -> list[Step]:
    """Judge again with the detectors installed here, and compare each verdict.

    A detector or weights of another version, one that does not run here, and one that had no verdict are ``unknown``.
    """
    record = visible(_local(_record(document), _hashed(evidence)))
    uncached = settings.model_copy(update={"verdict_cache_bytes": 0})
    steps = []
    with closing(Bench(config_of(uncached, keys=keys_for(settings), catalogue=catalogue, claims=finders))) as bench:
        for outcome in document["outcomes"]:
            name = outcome["detector"]
            if outcome["state"] not in ("judged", "abstained"):
                steps.append(Step(what=name, state="unknown", detail=f"it gave no verdict: {outcome['state']}"))
                continue
            steps += _compared(name, outcome, judge_or_fail(bench, name, record, evidence))
    return steps


def _compared(name: str, outcome: Mapping[str, Any], again: Judgement) -> list[Step]:
    if again.state == "failed":
        return [Step(what=name, state="unknown", detail=again.reason or "failed")]
    then = (outcome.get("detector_version", ""), outcome.get("weights_version", ""))
    now = (again.detector_version, again.weights_version)
    if then != now:
        return [Step(what=name, state="unknown", detail=f"judged by {' '.join(then)}, here is {' '.join(now)}")]
    known: dict[Any, list[FindingRecord]] = defaultdict(list)
    for finding in again.findings:
        known[finding.claim_text, finding.claim_span].append(finding)
    steps = []
    for one in msgspec.convert(outcome.get("findings", []), list[FindingRecord], strict=False):
        what = f"{name} on {one.claim_text[:60]!r}"
        same = known.get((one.claim_text, one.claim_span))
        if not same:
            steps.append(Step(what=what, state="bad", detail="the claim was not judged this time"))
            continue
        other = same.pop(0)
        if one.score is None and other.score is not None:
            # Its evidence may have come, or a package been installed, since.
            detail = f"not checked then ({one.reason}), {other.verdict} {other.score} now"
            steps.append(Step(what=what, state="unknown", detail=detail))
            continue
        close = one.score == other.score or (
            None not in (one.score, other.score) and abs((one.score or 0) - (other.score or 0)) <= SCORE_TOLERANCE
        )
        steps.append(
            _step(what, one.verdict == other.verdict and close, f"{one.verdict} {one.score} then, {other.verdict} {other.score} now")
        )
    return steps or [_step(name, outcome["state"] == again.state, f"{outcome['state']} then, {again.state} now")]


def _local(record: ResponseRecord, files: Mapping[str, Path]) -> ResponseRecord:
    """The record with stored blobs as files of the folder; those that are not there are missing evidence."""
    pieces = []
    for piece in record.evidence:
        sha256 = (piece.uri or "").removeprefix("sha256:")
        pieces.append(msgspec.structs.replace(piece, uri=f"file:{files[sha256]}") if sha256 in files else piece)
    return msgspec.structs.replace(record, evidence=tuple(pieces))


def _hashed(folder: Path) -> dict[str, Path]:
    """Every file below a folder by the hash of its bytes, its path relative to the folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as stream:
                found[hashlib.file_digest(stream, "sha256").hexdigest()] = path.relative_to(folder)
    return found


def _record(document: Mapping[str, Any]) -> ResponseRecord:
    try:
        return record_in(document)
    except msgspec.ValidationError as error:
        raise RecordInvalid("response", f"is not a response record ({error})", _REMEDY) from error


def _step(what: str, good: bool, otherwise: str) -> Step:
    return Step(what=what, state="good") if good else Step(what=what, state="bad", detail=otherwise)

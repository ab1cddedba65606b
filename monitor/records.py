"""The response record, version 1: one logged response with the evidence its answer must rest on.

The same structs serve the client, the spool, labelled corpora and exports. They are frozen, refuse unknown
fields, and every refusal is a :class:`~monitor.errors.RecordInvalid` that names the field and the remedy.
Regions are fractions ``[x, y, width, height]`` of the picture with the origin top left, media times are seconds,
text spans are ``[start, end)`` in Unicode code points, pages count from 1.
"""

from __future__ import annotations

import base64
import re
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec

from monitor.errors import RecordInvalid

Risk = Literal["assistive", "decision_support", "authoritative"]
ClaimKind = Literal["object", "text", "quantity", "entity", "quote", "speaker", "event", "trend", "statement"]
ErrorKind = Literal[
    "object", "value", "label", "trend", "magnitude", "quote", "entity", "time", "speaker", "event", "source", "unsupported"
]
Cause = Literal["perception", "grounding", "reasoning"]
EvidenceRole = Literal["source", "transcript", "ocr", "table", "reference_voice"]
StageStatus = Literal["ok", "timeout", "error", "skipped"]

# The project of whoever needs no key, and of everything that has no project of its own.
DEFAULT_PROJECT = "default"
MAX_COHORT_KEYS = 32
# Stands for every code point of personal data that was taken out of a text.
MASK = "█"
# Free-form values nested deeper than this would exhaust the stack of whoever writes or shows them later.
MAX_DEPTH = 64
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]*(;.*)?", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_URI_SCHEMES = ("file:", "sha256:", "s3:", "gs:", "https:")

# `$` alone would let a final newline through in Python; this reads the same in JSON Schema. No address can end in `.` or `..`.
Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^(?!\.{1,2}$)[A-Za-z0-9._:-]+$(?!\n)")]
# PostgreSQL takes no NUL in text, and these names reach the metadata.
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256, pattern=r"^[^\x00]+$")]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]
Timestamp = Annotated[datetime, msgspec.Meta(tz=True)]


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True, gc=False):
    """Shared behaviour of all record structs. Trees without cycles: the collector need not look into them."""


class Release(_Record, frozen=True):
    """The rollout unit that produced the answer."""

    version: Name
    stage: str | None = None


class Model(_Record, frozen=True):
    """The model that answered."""

    name: Name
    provider: str | None = None
    version: str | None = None


class Question(_Record, frozen=True):
    """What was asked."""

    text: str


class Answer(_Record, frozen=True):
    """What was answered; ``abstained`` when the model declined."""

    text: str
    confidence: Fraction | None = None
    abstained: bool = False
    finish_reason: str | None = None


class Evidence(_Record, frozen=True):
    """One source. Exactly one of ``uri`` and ``content`` is set; ``content`` is text, or base64 for binary types."""

    id: Name
    media_type: str
    uri: str | None = None
    content: str | None = None
    sha256: str | None = None
    title: str | None = None
    role: EvidenceRole = "source"
    metadata: dict[str, Any] = {}

    @property
    def is_text(self) -> bool:
        """Whether ``content`` is carried as plain text rather than base64."""
        return is_text_type(self.media_type)

    def content_bytes(self) -> bytes:
        """The inline content decoded; raises RecordInvalid when there is none or it is not base64."""
        if self.content is None:
            raise RecordInvalid("content", "there is no inline content", "Read the evidence by its uri")
        if self.is_text:
            return self.content.encode()
        try:
            return base64.b64decode(self.content, validate=True)
        except ValueError as error:  # binascii.Error, or a character that is not ASCII
            raise RecordInvalid("content", f"is not base64 ({error})", f"Encode {self.media_type} content as base64") from error


class Citation(_Record, frozen=True):
    """Where in the evidence a claim is said to rest."""

    evidence: Name
    region: tuple[Fraction, Fraction, Fraction, Fraction] | None = None
    time: tuple[NonNegative, NonNegative] | None = None
    page: Annotated[int, msgspec.Meta(ge=1)] | None = None
    span: tuple[int, int] | None = None
    quote: str | None = None
    speaker: str | None = None


class Claim(_Record, frozen=True):
    """One statement of the answer; ``span`` locates it in ``answer.text``."""

    text: str
    id: str | None = None
    span: tuple[int, int] | None = None
    kind: ClaimKind | None = None
    confidence: Fraction | None = None
    citations: tuple[Citation, ...] = ()
    speaker: str | None = None


class Stage(_Record, frozen=True):
    """One link of the latency chain, in milliseconds."""

    name: Name
    duration_ms: NonNegative
    budget_ms: NonNegative | None = None
    status: StageStatus = "ok"


class Usage(_Record, frozen=True):
    """Something consumed. Without ``amount`` and ``unit_price`` it is unpriced, never free."""

    item: Name
    quantity: NonNegative
    unit: Name
    modality: str | None = None
    unit_price: NonNegative | None = None
    amount: NonNegative | None = None
    currency: str | None = None

    @property
    def cost(self) -> float | None:
        """Amount, or quantity × unit price, in ``currency``; None where neither is known."""
        if self.amount is not None:
            return self.amount
        return None if self.unit_price is None else self.quantity * self.unit_price


class Route(_Record, frozen=True):
    """Which inference tier, fallback path and retry produced the answer."""

    tier: str | None = None
    fallback: str | None = None
    fallback_reason: str | None = None
    attempt: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Reference(_Record, frozen=True):
    """Gold answer, where one is known."""

    text: str | None = None
    claims: tuple[Claim, ...] = ()


class Label(_Record, frozen=True):
    """A human verdict on a span of the answer; only in corpora and imports."""

    span: tuple[int, int]
    hallucinated: bool
    error: ErrorKind | None = None
    cause: Cause | None = None
    citation: Citation | None = None
    annotator: str | None = None


class ResponseRecord(_Record, frozen=True):
    """One logged response. Only ``id``, ``time``, ``workflow`` and ``answer`` are required."""

    id: Identifier
    time: Timestamp
    workflow: Name
    answer: Answer
    risk: Risk = "assistive"
    cohort: dict[str, str] = {}
    release: Release | None = None
    model: Model | None = None
    prompt_version: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    session_id: str | None = None
    question: Question | None = None
    evidence: tuple[Evidence, ...] = ()
    claims: tuple[Claim, ...] = ()
    stages: tuple[Stage, ...] = ()
    usage: tuple[Usage, ...] = ()
    route: Route | None = None
    reference: Reference | None = None
    attributes: dict[str, Any] = {}
    labels: tuple[Label, ...] = ()


_NESTED = (dict, list)
_decoder = msgspec.json.Decoder(ResponseRecord)
_encoder = msgspec.json.Encoder()
_PATH = re.compile(r"^(?P<problem>.*?)(?: - at `(?P<path>[^`]+)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"contains unknown field `(?P<name>[^`]+)`")
_MISSING = re.compile(r"missing required field `(?P<name>[^`]+)`")


def is_text_type(media_type: str) -> bool:
    """Whether evidence of this IANA type is carried as text (``text/*``, JSON, XML, CSV)."""
    bare = media_type.split(";")[0].strip().lower()
    return bare.startswith("text/") or bare in ("application/json", "application/xml") or bare.endswith(("+json", "+xml"))


@lru_cache(maxsize=1024)
def family_of(media_type: str) -> str:
    """``image``, ``audio``, ``video``, ``text``, ``pdf`` or ``other``, as detectors and dashboards group evidence."""
    bare = media_type.split(";")[0].strip().lower()
    if bare == "application/pdf":
        return "pdf"
    if is_text_type(bare):
        return "text"
    head = bare.split("/")[0]
    return head if head in ("image", "audio", "video") else "other"


def parse_response(raw: bytes | str) -> ResponseRecord:
    """Read one record from JSON and check it against the whole contract.

    Raises:
        RecordInvalid: naming the first field that is wrong and what to send instead.
    """
    try:
        record = _decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordInvalid("$", f"is not JSON ({error})", "Send one JSON object per response, UTF-8") from None
    check_response(record)
    return record


def encode_response(record: ResponseRecord) -> bytes:
    """The record as compact JSON; defaults are left out, so parse(encode(r)) == r."""
    return _encoder.encode(record)


def _explain(message: str) -> RecordInvalid:
    match = _PATH.match(message)
    problem, path = (match["problem"], match["path"]) if match else (message, None)
    field = (path or "$").removeprefix("$.")
    if unknown := _UNKNOWN.search(problem):
        name = unknown["name"] if field == "$" else f"{field}.{unknown['name']}"
        return RecordInvalid(name, "is not a field of the response record", "Remove it, or put it under `attributes`")
    if missing := _MISSING.search(problem):
        name = missing["name"] if field == "$" else f"{field}.{missing['name']}"
        return RecordInvalid(name, "is required and missing", "Add it")
    problem = problem.replace("`", "'")
    return RecordInvalid(field, problem[0].lower() + problem[1:], _remedy(field))


def _remedy(field: str) -> str:
    last = field.rsplit(".", 1)[-1]
    remedies = {
        "id": "Use 1 to 128 characters of A-Z a-z 0-9 . _ : -, and not . or .. alone",
        "time": "Send an RFC 3339 time with offset, such as 2026-01-31T08:00:00Z",
        "risk": "Use assistive, decision_support or authoritative",
        "region": "Use [x, y, width, height] as fractions of the picture",
        "span": "Use [start, end) in code points of the text",
    }
    return remedies.get(last, "Send the type and range the response record gives for this field")


def check_response(record: ResponseRecord) -> None:
    """Rules between fields that types cannot say. Raises RecordInvalid."""
    if len(record.cohort) > MAX_COHORT_KEYS:
        raise RecordInvalid("cohort", f"has {len(record.cohort)} keys", f"Send at most {MAX_COHORT_KEYS}; put the rest under `attributes`")
    _check_depth("attributes", record.attributes)
    ids: set[str] = set()
    for index, evidence in enumerate(record.evidence):
        _check_depth(f"evidence[{index}].metadata", evidence.metadata)
        _check_evidence(f"evidence[{index}]", evidence)
        if evidence.id in ids:
            raise RecordInvalid(f"evidence[{index}].id", f"{evidence.id!r} is used twice", "Give every piece of evidence its own id")
        ids.add(evidence.id)
    length = len(record.answer.text)
    for index, claim in enumerate(record.claims):
        _check_span(f"claims[{index}].span", claim.span, length)
        for number, citation in enumerate(claim.citations):
            _check_citation(f"claims[{index}].citations[{number}]", citation)
    for index, label in enumerate(record.labels):
        _check_span(f"labels[{index}].span", label.span, length)
        if label.citation is not None:
            _check_citation(f"labels[{index}].citation", label.citation)


def _check_depth(field: str, value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        inside = (node.values() if isinstance(node, dict) else node for node in level)
        level = [inner for nodes in inside for inner in nodes if isinstance(inner, _NESTED)]
        if not level:
            return
    raise RecordInvalid(field, f"is nested deeper than {MAX_DEPTH} levels", "Flatten it, or send the inner part as text")


def _check_evidence(field: str, evidence: Evidence) -> None:
    if not _MEDIA_TYPE.fullmatch(evidence.media_type):
        raise RecordInvalid(f"{field}.media_type", f"{evidence.media_type!r} is not a media type", "Use an IANA type such as image/png")
    if (evidence.uri is None) == (evidence.content is None):
        found = "neither is" if evidence.uri is None else "both are"
        raise RecordInvalid(field, f"needs exactly one of uri and content, {found} given", "Send one of them")
    if evidence.uri is not None and not evidence.uri.startswith(_URI_SCHEMES):
        raise RecordInvalid(f"{field}.uri", f"{evidence.uri[:80]!r} has no usable scheme", "Use file:, sha256:, s3:, gs: or https:")
    if evidence.uri is not None and evidence.uri.startswith("sha256:") and not _SHA256.fullmatch(evidence.uri[7:]):
        raise RecordInvalid(f"{field}.uri", "sha256: must be followed by 64 lower-case hex digits", "Send the hash of the uploaded file")
    if evidence.sha256 is not None and not _SHA256.fullmatch(evidence.sha256):
        raise RecordInvalid(f"{field}.sha256", "is not 64 lower-case hex digits", "Send the SHA-256 of the content in lower-case hex")
    if evidence.content is not None:
        try:
            evidence.content_bytes()
        except RecordInvalid as error:
            raise RecordInvalid(f"{field}.content", error.problem, error.remedy) from None


def _check_span(field: str, span: tuple[int, int] | None, length: int) -> None:
    if span is not None and not 0 <= span[0] < span[1] <= length:
        raise RecordInvalid(field, f"{list(span)} does not lie in the answer of {length} code points", "Use [start, end) with start < end")


def _check_citation(field: str, citation: Citation) -> None:
    if citation.time is not None and citation.time[1] < citation.time[0]:
        raise RecordInvalid(f"{field}.time", f"{list(citation.time)} ends before it starts", "Send [start, end] in seconds")
    if citation.span is not None and not 0 <= citation.span[0] < citation.span[1]:
        raise RecordInvalid(f"{field}.span", f"{list(citation.span)} is not a range", "Use [start, end) with start < end")
    if citation.region is not None and (
        citation.region[0] + citation.region[2] > 1.0001 or citation.region[1] + citation.region[3] > 1.0001
    ):
        raise RecordInvalid(f"{field}.region", f"{list(citation.region)} leaves the picture", "Use [x, y, width, height] as fractions")

"""What the service and its workers say to each other: small typed messages over a pipe, and the workers' settings."""

from __future__ import annotations

from pathlib import Path

import msgspec

from monitor.findings import EvidenceQuality, FindingRecord, OutcomeState
from monitor.records import DEFAULT_PROJECT, Evidence, ResponseRecord, Usage
from monitor.sealing import KeyRing
from monitor.settings import Settings

# Modules with ``CATALOGUE`` and ``create``, and with ``extract`` and ``complete``. Tests name their own.
CATALOGUE_MODULE = "detectors.catalogue"
CLAIMS_MODULE = "detectors.claims"


class WorkerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """All a worker needs to know. ``evidence_url`` empty: there is no evidence store (a corpus, a one-off check).

    ``verdict_cache_bytes`` 0: verdicts are not kept. ``calibration_dir`` empty: only the shipped calibrations are used.
    ``encryption_keys``: newest first, none where nothing is sealed; like every secret they travel by the pipe alone.
    """

    cache_dir: str
    max_evidence_bytes: int
    evidence_url: str = ""
    evidence_prefixes: tuple[str, ...] = ()
    device: str = "auto"
    precision: str = "auto"
    threads: int = 0
    allow_download: bool = False
    clip_model: str = ""
    clip_pretrained: str = ""
    whisper_model: str = ""
    object_model: str = ""
    nli_model: str = ""
    judge_url: str = ""
    judge_model: str = ""
    judge_key: str = ""
    judge_budget: int = 200
    judge_timeout_s: float = 20.0
    judge_input_price: float | None = None
    judge_output_price: float | None = None
    judge_currency: str = "USD"
    citation_required_workflows: tuple[str, ...] = ()
    memory_bytes: int = 0
    verdict_cache_bytes: int = 0
    calibration_dir: str = ""
    encryption_keys: tuple[bytes, ...] = ()
    catalogue: str = CATALOGUE_MODULE
    claims: str = CLAIMS_MODULE

    def __repr__(self) -> str:
        # A log or a traceback must not carry the secrets.
        return f"WorkerConfig(cache_dir={self.cache_dir!r}, evidence_url={self.evidence_url!r}, catalogue={self.catalogue!r})"

    @property
    def cache_path(self) -> Path:
        """Folder for joined weights and copies of evidence."""
        return Path(self.cache_dir)


def config_of(
    settings: Settings,
    *,
    evidence_url: str = "",
    keys: KeyRing | None = None,
    catalogue: str = CATALOGUE_MODULE,
    claims: str = CLAIMS_MODULE,
) -> WorkerConfig:
    """The workers' share of the settings; with ``evidence_url`` where evidence lies in the service's own store, sealed with ``keys``."""
    return WorkerConfig(
        cache_dir=str(settings.cache_dir),
        max_evidence_bytes=settings.max_evidence_bytes,
        evidence_url=evidence_url,
        evidence_prefixes=settings.evidence_prefixes,
        device=settings.device,
        precision=settings.precision,
        threads=settings.threads,
        allow_download=settings.allow_download,
        clip_model=settings.clip_model,
        clip_pretrained=settings.clip_pretrained,
        whisper_model=settings.whisper_model,
        object_model=settings.object_model,
        nli_model=settings.nli_model,
        judge_url=settings.judge_url,
        judge_model=settings.judge_model,
        judge_key=settings.judge_key,
        judge_budget=settings.judge_budget,
        judge_timeout_s=settings.judge_timeout_s,
        judge_input_price=settings.judge_input_price,
        judge_output_price=settings.judge_output_price,
        judge_currency=settings.judge_currency,
        citation_required_workflows=settings.citation_required_workflows,
        memory_bytes=settings.worker_memory_bytes,
        verdict_cache_bytes=settings.verdict_cache_bytes,
        calibration_dir=str(settings.calibration_dir),
        encryption_keys=() if keys is None else keys.raw,
        catalogue=catalogue,
        claims=claims,
    )


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """How one detector ended on one record, before it is known whose record that is."""

    state: OutcomeState
    findings: tuple[FindingRecord, ...] = ()
    reason: str | None = None
    duration_ms: float = 0.0
    detector_version: str = ""
    weights_version: str = ""
    quality: tuple[EvidenceQuality, ...] = ()
    usage: tuple[Usage, ...] = ()
    cached: bool | None = None
    """Whether every verdict is an earlier one of the same content; None where earlier ones were not looked for."""


# --- service → worker ---------------------------------------------------------------------------------------------


class Configure(msgspec.Struct, frozen=True, tag=True):
    """First message of every worker's life."""

    config: WorkerConfig


class Judge(msgspec.Struct, frozen=True, tag=True):
    """A micro-batch of one project for one detector; without records it only loads the detector. ``folder`` is a corpus's.

    ``neighbours`` are sources of other responses, a tuple a record, or nothing at all.
    """

    number: int
    detector: str
    records: tuple[ResponseRecord, ...]
    folder: str | None = None
    neighbours: tuple[tuple[Evidence, ...], ...] = ()
    project: str = DEFAULT_PROJECT


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Finish and exit."""


# --- worker → service ---------------------------------------------------------------------------------------------


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The worker has started and waits for work."""


class Loaded(msgspec.Struct, frozen=True, tag=True):
    """A detector is loaded; the time for judging counts from here. ``costs``: seconds a piece of evidence, by family."""

    detector: str
    version: str
    weights_version: str
    costs: dict[str, float] = {}


class Judged(msgspec.Struct, frozen=True, tag=True):
    """One judgement a record, in the order sent. ``damaged``: hashes of sealed evidence that did not open."""

    number: int
    judgements: tuple[Judgement, ...]
    damaged: tuple[str, ...] = ()


class Unavailable(msgspec.Struct, frozen=True, tag=True):
    """The detector cannot run here at all; retrying does not help."""

    number: int
    detector: str
    reason: str


class Broken(msgspec.Struct, frozen=True, tag=True):
    """The detector raised on this batch; the worker lives."""

    number: int
    reason: str


ToWorker = Configure | Judge | Stop
ToService = Ready | Loaded | Judged | Unavailable | Broken

_encoder = msgspec.msgpack.Encoder()
_to_worker = msgspec.msgpack.Decoder(ToWorker)
_to_service = msgspec.msgpack.Decoder(ToService)


def pack(message: ToWorker | ToService) -> bytes:
    """A message as bytes."""
    return _encoder.encode(message)


def unpack_to_worker(raw: bytes) -> ToWorker:
    """What the service said."""
    message: ToWorker = _to_worker.decode(raw)
    return message


def unpack_to_service(raw: bytes) -> ToService:
    """What a worker said."""
    message: ToService = _to_service.decode(raw)
    return message

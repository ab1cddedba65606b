"""Where detectors work: loads them on first use and judges micro-batches. Lives in a worker, or in a one-off check."""

from __future__ import annotations

import hashlib
import importlib
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import msgspec

from detectors.calibration import CalibrationInvalid
from detectors.calibration.recalibration import Recalibration
from detectors.contract import Case, Detector, DetectorOptions, DetectorUnavailable, Finding, Outcome, not_checked
from monitor.detect.cases import CaseBuilder, ClaimFinders
from monitor.detect.catalogues import catalogue_of
from monitor.detect.quality import QualityMeter, explained, unseeable
from monitor.detect.recall import Recall, Recalled, merged
from monitor.detect.verdict_cache import FILE, VerdictCache
from monitor.detect.wire import Judgement, WorkerConfig
from monitor.evidence import BlobCache, EvidenceStore, ReferenceReader
from monitor.findings import EvidenceQuality, FindingRecord
from monitor.records import DEFAULT_PROJECT, MASK, Evidence, ResponseRecord, Usage
from monitor.sealing import KeyRing, PlainFolder, Vault
from monitor.settings import PLAIN_FOLDER

# Copies of inline and fetched evidence: ten of the largest allowed, as the store keeps twenty of its own.
_CACHED_EVIDENCE = 10
_log = logging.getLogger(__name__)


def source_digest(config: WorkerConfig) -> str:
    """SHA-256 of the code and tables that verdicts come from, and of the options that change them.

    A verdict cached under another digest may be another verdict now.
    """
    digest = hashlib.sha256()
    folders = {Path(str(importlib.import_module(name.split(".")[0]).__file__)).parent for name in (config.catalogue, config.claims)}
    for folder in sorted({*folders, Path(__file__).parent}):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".json"):
                digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    options = (config.device, config.precision, config.clip_model, config.clip_pretrained, config.whisper_model, config.object_model)
    tiers = (config.nli_model, config.judge_url, config.judge_model)
    digest.update("\0".join((*options, *tiers, *config.citation_required_workflows)).encode())
    if config.calibration_dir:
        for path in sorted(Path(config.calibration_dir).glob("*.json")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


class Bench:
    """Detectors ready to judge. Not thread-safe."""

    def __init__(self, config: WorkerConfig) -> None:
        self._calibrations = Path(config.calibration_dir) if config.calibration_dir else None
        self._catalogue = catalogue_of(config.catalogue)
        self._options = DetectorOptions(
            device=config.device,
            precision=config.precision,
            threads=config.threads,
            allow_download=config.allow_download,
            cache_dir=config.cache_path,
            clip_model=config.clip_model,
            clip_pretrained=config.clip_pretrained,
            whisper_model=config.whisper_model,
            object_model=config.object_model,
            nli_model=config.nli_model,
            judge_url=config.judge_url,
            judge_model=config.judge_model,
            judge_key=config.judge_key,
            judge_budget=config.judge_budget,
            judge_timeout_s=config.judge_timeout_s,
            judge_input_price=config.judge_input_price,
            judge_output_price=config.judge_output_price,
            judge_currency=config.judge_currency,
            citation_required_workflows=config.citation_required_workflows,
        )
        limit = config.max_evidence_bytes
        keys = KeyRing(config.encryption_keys) if config.encryption_keys else None
        self._vault = None if keys is None else Vault(keys, PlainFolder(config.cache_path / PLAIN_FOLDER))
        cache = BlobCache(config.cache_path / "evidence", _CACHED_EVIDENCE * limit, self._vault)
        self._cases = CaseBuilder(
            finders=cast(ClaimFinders, importlib.import_module(config.claims)),
            store=EvidenceStore(config.evidence_url, limit, config.cache_path, self._vault) if config.evidence_url else None,
            references=ReferenceReader(config.evidence_prefixes, limit, cache),
            cache=cache,
            max_bytes=limit,
        )
        self._meter = QualityMeter()
        kept = VerdictCache(config.cache_path / FILE, config.verdict_cache_bytes, keys=keys) if config.verdict_cache_bytes else None
        self._recall = Recall(kept, source_digest(msgspec.structs.replace(config, calibration_dir="")) if kept is not None else "")
        self._loaded: dict[str, Detector] = {}
        self._recalibrations: dict[str, Recalibration | None] = {}

    def is_loaded(self, name: str) -> bool:
        """Whether :meth:`load` would return at once."""
        return name in self._loaded

    def load(self, name: str) -> Detector:
        """The loaded detector. Raises DetectorUnavailable, or whatever a broken library raises."""
        if name not in self._loaded:
            detector = self._catalogue.create(name, self._options)
            detector.load()
            self._recalibrations[name] = self._recalibration(detector)
            self._loaded[name] = detector
        return self._loaded[name]

    def _recalibration(self, detector: Detector) -> Recalibration | None:
        """The team's own calibration where there is one that fits; the shipped one alone is used otherwise."""
        path = self._calibrations / f"{detector.name}.json" if self._calibrations is not None else None
        if path is None or not path.is_file():
            return None
        try:
            return Recalibration.read(path, detector.name, detector.version)
        except CalibrationInvalid as error:
            _log.warning("the shipped calibration is used: %s", error)
            return None

    def judge(
        self,
        name: str,
        records: Sequence[ResponseRecord],
        folder: Path | None = None,
        neighbours: Sequence[tuple[Evidence, ...]] = (),
        project: str = DEFAULT_PROJECT,
    ) -> list[Judgement]:
        """One judgement a record of one project, in order.

        ``neighbours`` are sources of other responses, one tuple a record or none at all.

        Raises:
            DetectorUnavailable: the detector, or the claim finders, cannot run here.
            Exception: anything else a detector or its library raises; then nothing is known about any record.
        """
        detector = self.load(name)
        with self._opened_evidence():
            return self._judge(detector, records, folder, neighbours, project)

    def _judge(
        self,
        detector: Detector,
        records: Sequence[ResponseRecord],
        folder: Path | None,
        neighbours: Sequence[tuple[Evidence, ...]],
        project: str,
    ) -> list[Judgement]:
        cases = [self._cases.build(record, folder, project=project, find_claims=not detector.finds_own_claims) for record in records]
        if neighbours:
            cases = [self._cases.beside(case, near, project) for case, near in zip(cases, neighbours, strict=True)]
        recalled = [self._recall.look_up(detector, case) for case in cases]
        outcomes, shared = self._detect(detector, cases, recalled)
        # After the detector has read them, the files are in the page cache.
        qualities = [self._meter.measure(case.evidence, case.missing) for case in cases]
        own = self._recalibrations[detector.name]
        return [_judgement(detector, own, *one) for one in zip(outcomes, cases, recalled, shared, qualities, strict=True)]

    def _detect(self, detector: Detector, cases: Sequence[Case], recalled: Sequence[Recalled]) -> tuple[list[Outcome], list[float]]:
        """Outcomes of the cases, and what preparing the batch cost each in milliseconds; only what is open is looked at."""
        still_open = [one.open for one in recalled if one.open is not None]
        started = time.perf_counter()
        found = detector.detect(still_open) if still_open else []
        spent_ms = (time.perf_counter() - started) * 1000
        if len(found) != len(still_open):
            raise ValueError(f"{detector.name} gave {len(found)} outcomes for {len(still_open)} cases")
        each = _share_of_preparation(found, spent_ms)
        judged = iter(found)
        outcomes, shared = [], []
        for case, one in zip(cases, recalled, strict=True):
            outcome = next(judged) if one.open is not None else None
            if outcome is not None:
                self._recall.keep(one, outcome)
            outcomes.append(merged(detector, case, one, outcome))
            shared.append(0.0 if outcome is None or outcome.state == "not_applicable" else each)
        return outcomes, shared

    def quality(self, record: ResponseRecord, folder: Path | None = None) -> tuple[EvidenceQuality, ...]:
        """How good each piece of a record's evidence is, without any detector. Raises StorageUnavailable."""
        with self._opened_evidence():
            return self._meter.measure(*self._cases.locate(record, folder))

    @contextmanager
    def _opened_evidence(self) -> Iterator[None]:
        """Sealed evidence lies open for the time of the block only."""
        try:
            yield
        finally:
            if self._vault is not None:
                self._vault.clear()

    def take_damaged(self) -> tuple[str, ...]:
        """Hashes of sealed evidence that did not open since this was asked last."""
        if self._vault is None or not self._vault.damaged:
            return ()
        found = tuple(sorted(self._vault.damaged))
        self._vault.damaged.clear()
        return found

    def close(self) -> None:
        """Leave no folder behind."""
        if self._vault is not None:
            self._vault.plain.close()


def judge_or_fail(bench: Bench, name: str, record: ResponseRecord, folder: Path | None = None) -> Judgement:
    """The judgement on one record; whatever a detector raises becomes ``failed`` with its reason."""
    try:
        return bench.judge(name, [record], folder)[0]
    except DetectorUnavailable as error:
        return Judgement(state="failed", reason=str(error))
    except Exception as error:  # noqa: BLE001 - whatever a model library raises is this detector's failure; the reason is recorded
        return Judgement(state="failed", reason=f"{type(error).__name__}: {error}")


def _share_of_preparation(outcomes: Sequence[Outcome], spent_ms: float) -> float:
    """What reading the whole batch's evidence at once cost each case that was looked at, in milliseconds."""
    looked_at = sum(outcome.state != "not_applicable" for outcome in outcomes)
    return max(0.0, spent_ms - sum(outcome.duration_ms for outcome in outcomes)) / max(1, looked_at)


def _judgement(
    detector: Detector,
    own: Recalibration | None,
    outcome: Outcome,
    case: Case,
    recalled: Recalled,
    shared_ms: float,
    quality: tuple[EvidenceQuality, ...],
) -> Judgement:
    missing = [one for one in case.missing if one.family in detector.families]
    if missing and not detector.accounts_for_missing:
        outcome = _without(outcome, detector, case, "; ".join(one.problem for one in missing))
    outcome = explained(unmasked(_taken_back(outcome, detector, case, quality)), detector.families, quality)
    weights = outcome.weights_version or detector.weights_version
    return Judgement(
        state=outcome.state,
        findings=tuple(_finding_record(detector.name, own, finding) for finding in outcome.findings),
        reason=outcome.reason,
        duration_ms=outcome.duration_ms + shared_ms,
        detector_version=outcome.detector_version or detector.version,
        weights_version=weights if own is None else f"{weights} {own.mark}".strip(),
        quality=quality,
        usage=tuple(Usage(item=u.item, quantity=u.quantity, unit=u.unit, amount=u.amount, currency=u.currency) for u in outcome.usage),
        cached=recalled.open is None if recalled.claims else None,
    )


def _without(outcome: Outcome, detector: Detector, case: Case, problem: str) -> Outcome:
    """The outcome when evidence was missing: support that was found stands, its absence proves nothing."""
    claims = detector.claims_for(case)
    if outcome.state == "not_applicable":
        if not claims:
            return replace(outcome, reason=f"{outcome.reason}; {problem}")
        return replace(outcome, state="abstained", findings=tuple(not_checked(claim, problem) for claim in claims), reason=problem)
    return _doubted(outcome, {piece.id for piece in case.evidence}, problem)


def _taken_back(outcome: Outcome, detector: Detector, case: Case, quality: Sequence[EvidenceQuality]) -> Outcome:
    """The outcome less what was found wrong on evidence too bad to see it in; support that was found stands."""
    blind = {} if detector.accounts_for_missing else unseeable(quality, detector.families, detector.undone_by)
    if not blind or all(finding.verdict != "hallucinated" for finding in outcome.findings):
        return outcome
    return _doubted(outcome, {piece.id for piece in case.evidence} - set(blind), "; ".join(blind.values()))


def _doubted(outcome: Outcome, sound: set[str], problem: str) -> Outcome:
    """No claim counts as wrong unless all the evidence it cites is ``sound``."""
    findings = tuple(_not_wrong(finding, sound, problem) for finding in outcome.findings)
    judged = any(finding.score is not None for finding in findings)
    return replace(outcome, state="judged" if judged else "abstained", findings=findings, reason=problem)


def _not_wrong(finding: Finding, sound: set[str], problem: str) -> Finding:
    cited = {place.evidence for place in finding.claim.citations}
    if finding.verdict != "hallucinated" or (cited and cited <= sound):
        return finding
    return not_checked(finding.claim, f"{problem}, and it may support the claim", finding.place)


def unmasked(outcome: Outcome) -> Outcome:
    """The outcome less what was found wrong in claims whose words were taken out: for that alone they differ from the evidence."""
    problem = "personal data in the claim was masked"
    findings = tuple(
        not_checked(one.claim, problem, one.place) if one.verdict == "hallucinated" and MASK in one.claim.text else one
        for one in outcome.findings
    )
    if findings == outcome.findings:
        return outcome
    judged = any(finding.score is not None for finding in findings)
    return replace(outcome, state="judged" if judged else "abstained", findings=findings, reason=problem)


def _finding_record(detector: str, own: Recalibration | None, finding: Finding) -> FindingRecord:
    claim, place = finding.claim, finding.place
    return FindingRecord(
        detector=detector,
        claim_id=claim.id,
        claim_text=claim.text,
        claim_kind=claim.kind,
        claim_span=claim.span,
        verdict=finding.verdict,
        score=finding.score if own is None or finding.score is None else own.apply(finding.score),
        explanation=finding.explanation,
        error=finding.error,
        reason=finding.reason,
        evidence_id=place.evidence if place else None,
        region=place.region if place else None,
        time=place.time if place else None,
        page=place.page if place else None,
        evidence_span=place.span if place else None,
        quote=place.quote if place else None,
        duration_ms=finding.duration_ms,
    )

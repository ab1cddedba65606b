"""What a detector is given and what it must give back.

A detector looks at one kind of failure. It is handed cases (an answer, its claims, its evidence), re-reads the
evidence itself and returns one outcome a case, in the same order. An outcome always names its state:

========================  ====================================================================================
``judged``                at least one claim got a score
``abstained``             it looked and cannot say (unreadable evidence, claim outside what it can verify)
``not_applicable``        nothing here is its business (no picture, no quote …)
``failed``                it broke, or its weights or packages are not installed; the reason says which
``sampled_out``           set by the service: the sampling policy left the response out
``over_budget``           set by the service: the detection budget was spent
========================  ====================================================================================

Only ``judged`` counts as checked. A claim without a score is *not checked*; it never counts as clean.

Scores are probabilities of hallucination in [0, 1] after calibration. Regions are fractions ``(x, y, width,
height)`` of the picture, origin top left; times are seconds; spans are ``[start, end)`` code points; pages count
from 1. This package imports nothing of the service.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from detectors.calibration import Calibration

State = Literal["judged", "abstained", "not_applicable", "failed", "sampled_out", "over_budget"]
Verdict = Literal["supported", "hallucinated", "not_checked"]
Region = tuple[float, float, float, float]
Interval = tuple[float, float]
Span = tuple[int, int]
_DEFAULT_RISK = "assistive"


class DetectorError(Exception):
    """Root of what detectors raise on purpose."""


class DetectorUnavailable(DetectorError):
    """The detector cannot run here: a package or a weight file is missing. Names the remedy."""

    def __init__(self, detector: str, missing: str, remedy: str) -> None:
        self.detector = detector
        self.missing = missing
        self.remedy = remedy
        super().__init__(f"not installed: {missing}. {remedy}")


class EvidenceUnreadable(DetectorError):
    """A piece of evidence could not be decoded. The detector abstains on it, the worker lives."""

    def __init__(self, evidence: str, cause: str) -> None:
        self.evidence = evidence
        self.cause = cause
        super().__init__(f"evidence {evidence!r} cannot be read: {cause}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the evidence something stands. Only what applies is set."""

    evidence: str
    region: Region | None = None
    time: Interval | None = None
    page: int | None = None
    span: Span | None = None
    quote: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """One checkable statement of the answer.

    ``kind`` is a kind of the response record (object, text, quantity, entity, quote, speaker, event, trend,
    statement). ``facts`` holds what the extractor understood and a detector needs, such as
    ``{"noun": "dog", "count": 2, "negated": True}`` or ``{"quote": "…", "start_s": 12.0}``.
    ``given`` is True for a caller's own claim.
    """

    id: str
    text: str
    span: Span | None
    kind: str
    citations: tuple[Place, ...] = ()
    speaker: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    given: bool = False


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """One source as a local file. ``sha256`` is the key of every cache; ``path`` is absolute."""

    id: str
    media_type: str
    path: Path
    sha256: str
    role: str = "source"
    title: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """``image``, ``audio``, ``video``, ``text``, ``pdf`` or ``other``."""
        bare = self.media_type.split(";")[0].strip().lower()
        if bare == "application/pdf":
            return "pdf"
        if bare.startswith("text/") or bare in ("application/json", "application/xml") or bare.endswith(("+json", "+xml")):
            return "text"
        head = bare.split("/")[0]
        return head if head in ("image", "audio", "video") else "other"


@dataclass(frozen=True, slots=True)
class MissingEvidence:
    """A piece of evidence the response names and the case had to be built without; ``problem`` is a sentence for a person.

    ``position`` counts all evidence of the response from 0. ``altered`` when the bytes are there and are not those
    the response names by their hash.
    """

    id: str
    family: str
    problem: str
    title: str | None = None
    position: int = 0
    altered: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One response to look at. Labels and attributes of the record are never part of it.

    ``abstained`` and ``confidence`` are what the answering model said of its own answer.
    ``missing`` is evidence the response names and that could not be had. ``neighbours`` is text evidence of other
    responses of the same project and session or customer, never evidence for this one: content that comes from there
    leaked. It is empty unless the service is set to look for that.
    """

    id: str
    answer: str
    claims: tuple[Claim, ...]
    evidence: tuple[EvidenceFile, ...]
    question: str | None = None
    risk: str = "assistive"
    workflow: str = ""
    missing: tuple[MissingEvidence, ...] = ()
    abstained: bool = False
    confidence: float | None = None
    neighbours: tuple[EvidenceFile, ...] = ()

    def evidence_of(self, *families: str) -> tuple[EvidenceFile, ...]:
        """The evidence of these families, in order; reference voices are left out."""
        return tuple(e for e in self.evidence if e.family in families and e.role != "reference_voice")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a detector found about one claim.

    ``score`` is None exactly when ``verdict`` is ``not_checked``; ``reason`` then says why. ``place`` is where the
    detector itself looked or found the support. ``explanation`` is one sentence for a person.
    """

    claim: Claim
    verdict: Verdict
    score: float | None
    explanation: str
    place: Place | None = None
    error: str | None = None
    reason: str | None = None
    duration_ms: float = 0.0

    def __post_init__(self) -> None:
        if (self.score is None) != (self.verdict == "not_checked"):
            raise ValueError(f"finding on {self.claim.text!r}: a score is given exactly when the claim was checked")
        if self.score is not None and not 0.0 <= self.score <= 1.0:
            raise ValueError(f"finding on {self.claim.text!r}: score {self.score} is not in [0, 1]")


def not_checked(claim: Claim, reason: str, place: Place | None = None) -> Finding:
    """The honest finding when a claim could not be judged."""
    return Finding(claim=claim, verdict="not_checked", score=None, explanation=f"Not checked: {reason}.", place=place, reason=reason)


@dataclass(frozen=True, slots=True)
class Usage:
    """Something a detector paid for, as in the response record: ``amount`` None where its price is not known, never 0."""

    item: str
    quantity: float
    unit: str
    amount: float | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one detector ended on one case. ``usage`` is what it paid others for on the way."""

    detector: str
    state: State
    findings: tuple[Finding, ...] = ()
    reason: str | None = None
    duration_ms: float = 0.0
    detector_version: str = ""
    weights_version: str = ""
    usage: tuple[Usage, ...] = ()


@dataclass(frozen=True, slots=True)
class DetectorOptions:
    """How detectors run on this machine. Model names are what the library in question accepts, or a local path.

    ``device`` is ``auto``, ``cpu`` or ``cuda``; ``precision`` is ``auto`` (half on a GPU, single elsewhere),
    ``single`` or ``half``. ``allow_download`` lets a library fetch weights by itself; otherwise only local paths and
    the ``offline-models`` packages are used. ``clip_model`` with ``clip_pretrained`` (open_clip tag or file) turns the
    open-vocabulary verifier on. ``threads`` 0 leaves the choice to the libraries. In ``citation_required_workflows``
    every statement must cite a source.
    """

    device: str = "auto"
    precision: str = "auto"
    threads: int = 0
    allow_download: bool = False
    cache_dir: Path | None = None
    clip_model: str = ""
    clip_pretrained: str = ""
    whisper_model: str = ""
    object_model: str = ""
    second_reader: bool = True
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


class Detector(ABC):
    """One failure, one class. Subclasses say in their docstring when they are wrong.

    ``name`` is the catalogue key, ``version`` changes whenever a verdict could, ``kinds`` are the claim kinds it
    judges, ``families`` the evidence it reads (nothing else of a case's evidence may change a verdict),
    ``seconds_per_case`` its typical cost on one CPU core. A detector takes its probabilities and its threshold from
    :attr:`calibration`, never from a file of its own, so that the threshold follows the risk of the case.
    ``accounts_for_missing`` is True where its findings already weigh that evidence is missing; the service takes back
    what other detectors found wrong when the missing piece might have supported it.
    ``undone_by`` names the input problems (:mod:`detectors.quality.verdicts`) under which it overlooks what is there; the service
    takes back what it found wrong on such evidence, as it does for every detector on evidence graded unusable.
    ``finds_own_claims`` is True where it reads the answer itself: its cases carry the caller's own claims only, and are
    built without the other claim finders and their language model.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    kinds: ClassVar[frozenset[str]]
    families: ClassVar[frozenset[str]]
    seconds_per_case: ClassVar[float]
    accounts_for_missing: ClassVar[bool] = False
    undone_by: ClassVar[frozenset[str]] = frozenset()
    finds_own_claims: ClassVar[bool] = False

    def __init__(self, options: DetectorOptions) -> None:
        self.options = options
        self._risk = _DEFAULT_RISK
        self._usage: list[Usage] = []
        self._calibrations: dict[str, Calibration] = {}

    @property
    def calibration(self) -> Calibration:
        """The detector's calibration, its ``threshold`` that of the risk of the case now judged. Raises CalibrationInvalid."""
        if self._risk not in self._calibrations:
            shipped = self._calibrations.get(_DEFAULT_RISK) or Calibration.load(self.name)
            self._calibrations.setdefault(_DEFAULT_RISK, shipped)
            self._calibrations[self._risk] = shipped.for_risk(self._risk)
        return self._calibrations[self._risk]

    @classmethod
    def stated_costs(cls) -> dict[str, float]:
        """Seconds one piece of evidence of each family takes on one CPU core, until the service has measured it.

        Override it where families differ much.
        """
        return dict.fromkeys(sorted(cls.families), cls.seconds_per_case)

    def claim_context(self, case: Case, claim: Claim) -> str | None:
        """What a verdict on one claim rests on besides that claim's own content, the risk and the evidence read.

        Verdicts are kept by it: with an answer a verdict is kept for the claim alone, and used again wherever the same
        claim meets the same evidence; ``""`` says that nothing else plays a part, not even where in the answer the
        claim stands. None, the safe default, keeps the verdict for the whole case only: answer, question and every claim.
        """
        return None

    @abstractmethod
    def load(self) -> None:
        """Load weights; called once before the first judgement. Raises DetectorUnavailable with the remedy."""

    @property
    @abstractmethod
    def weights_version(self) -> str:
        """Names and short hashes of the loaded weights."""

    @abstractmethod
    def judge(self, case: Case, claims: Sequence[Claim]) -> list[Finding]:
        """Findings on the claims this detector is responsible for, at most one a claim. May raise EvidenceUnreadable."""

    def paid(self, usage: Sequence[Usage]) -> None:
        """Put what judging the present case cost on its outcome."""
        self._usage += usage

    def prepare(self, cases: Sequence[Case]) -> None:  # noqa: B027 - an optional hook, empty on purpose
        """Read the evidence of several cases at once where batching is faster; results go to the detector's cache."""

    def claims_for(self, case: Case) -> list[Claim]:
        """The claims of the case that are this detector's business."""
        return [claim for claim in case.claims if claim.kind in self.kinds]

    def concerns(self, case: Case) -> bool:
        """Whether the case has what this detector looks at."""
        return bool(case.evidence_of(*self.families))

    def detect(self, cases: Sequence[Case]) -> list[Outcome]:
        """One outcome a case, in order. Evidence that cannot be read makes the detector abstain on that case only."""
        mine = [(case, self.claims_for(case) if self.concerns(case) else []) for case in cases]
        self.prepare([case for case, claims in mine if claims])
        return [self._detect_one(case, claims) for case, claims in mine]

    def _detect_one(self, case: Case, claims: list[Claim]) -> Outcome:
        started = time.perf_counter()
        self._risk = case.risk
        if not self.concerns(case):
            return self._outcome("not_applicable", (), f"no {' or '.join(sorted(self.families))} evidence", started)
        if not claims:
            return self._outcome("not_applicable", (), f"no {' or '.join(sorted(self.kinds))} claim in the answer", started)
        try:
            findings = self.judge(case, claims)
        except EvidenceUnreadable as error:
            findings = [not_checked(claim, str(error)) for claim in claims]
        seen = {finding.claim.id for finding in findings}
        findings += [not_checked(claim, f"{self.name} gave no verdict") for claim in claims if claim.id not in seen]
        return self.concluded(findings, started)

    def concluded(self, findings: Sequence[Finding], started: float) -> Outcome:
        """The outcome that findings on the claims of one case make; ``started`` is when work on it began, by ``perf_counter``."""
        if any(finding.score is not None for finding in findings):
            return self._outcome("judged", tuple(findings), None, started)
        return self._outcome("abstained", tuple(findings), next(f.reason for f in findings), started)

    def _outcome(self, state: State, findings: tuple[Finding, ...], reason: str | None, started: float) -> Outcome:
        spent = (time.perf_counter() - started) * 1000
        share = spent / max(1, len(findings))
        timed = tuple(f if f.duration_ms else replace(f, duration_ms=share) for f in findings)
        usage, self._usage = tuple(self._usage), []
        return Outcome(self.name, state, timed, reason, spent, self.version, self.weights_version, usage)

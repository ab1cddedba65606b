"""An application over working stand-ins: rows from memory instead of ClickHouse, a spool in a list, no workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from starlette.testclient import TestClient

from monitor.api.application import create_app
from monitor.api.context import Context
from monitor.api.rendering import Renderer
from monitor.checks.desk import CheckDesk
from monitor.checks.queued import QueuedWork
from monitor.clock import MovableClock
from monitor.detect.contracts import DetectorStatus
from monitor.detect.driver import Halt
from monitor.errors import Conflict, NotFound, StorageUnavailable, StoreUnavailable
from monitor.evidence import EvidenceStore
from monitor.findings import EvidenceQuality, FindingRecord, OutcomeRecord, QualityProblem
from monitor.ingest import Ingest
from monitor.jobs.runner import JobStatus
from monitor.limits import Limits
from monitor.metadata.database import Database
from monitor.otlp.reader import RequestReader
from monitor.otlp.traces import Traces
from monitor.records import Answer, Claim, Evidence, ResponseRecord, Stage, Usage
from monitor.settings import Settings
from monitor.spool import SpoolState
from monitor.store.rows import (
    DetectorCount,
    FacetValues,
    ListedResponse,
    QualityCount,
    ResponseFilter,
    StoredResponse,
    TrendBucket,
    WindowSummary,
)
from monitor.task_metrics.windows import AnswerCell, GroupSums, MetricSum
from monitor.telemetry import Metrics
from tests.checks.engines import WordEngine
from tests.conftest import NOON
from tests.test_ingest import ListSpool

TEXT_HASH = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # of b"hello"


class CountedSpool(ListSpool):
    """The list spool, which can also say how full it is, and fail on command."""

    def __init__(self) -> None:
        super().__init__()
        self.failure: Exception | None = None

    def append(self, project: str, items: Sequence[tuple[str, bytes]], *, again: bool = False) -> list[bool]:
        if self.failure is not None:
            raise self.failure
        return super().append(project, items, again=again)

    def pending(self) -> SpoolState:
        size = sum(map(len, self.taken.values()))
        return SpoolState(count=len(self.taken), bytes=size, oldest_received_at=NOON - timedelta(seconds=3) if self.taken else None)


def finding(claim: str, verdict: str, score: float | None, detector: str = "ocr_mismatch", **fields: Any) -> FindingRecord:
    given: dict[str, Any] = {"claim_text": claim, "claim_kind": "text", "claim_span": None, "explanation": "Looked.", **fields}
    return FindingRecord(detector=detector, claim_id=claim, verdict=cast(Any, verdict), score=score, **given)


def stored(identifier: str, project: str = "default") -> StoredResponse:
    record = ResponseRecord(
        id=identifier,
        time=NOON,
        workflow="qa",
        risk="authoritative",
        answer=Answer(text="The total is 41. A dog."),
        evidence=(
            Evidence(id="note", media_type="text/plain", uri=f"sha256:{TEXT_HASH}"),
            Evidence(id="short", media_type="text/plain", content="said inline"),
            Evidence(id="photo", media_type="image/png", uri=f"sha256:{'0' * 64}"),
        ),
        claims=(Claim(text="A dog.", span=(17, 23), kind="object"),),
        stages=(Stage(name="infer", duration_ms=120.0, budget_ms=100.0),),
        usage=(
            Usage(item="input_tokens", quantity=100, unit="tokens", unit_price=0.01, currency="EUR"),
            Usage(item="gpu", quantity=1, unit="s"),
        ),
        attributes={"shop": 7},
    )
    outcome = OutcomeRecord(
        project=project,
        response_id=identifier,
        response_time=NOON,
        workflow="qa",
        detector="ocr_mismatch",
        state="judged",
        finished_at=NOON,
        findings=(
            finding("total", "hallucinated", 0.9, claim_text="The total is 41.", claim_span=(0, 16)),
            finding("total", "not_checked", None, reason="blurred"),
        ),
    )
    listed = ListedResponse(
        id=identifier,
        time=NOON,
        workflow="qa",
        risk="authoritative",
        model="m",
        release="1",
        cohort={"device": "phone"},
        modalities=["image"],
        answer_excerpt="The total",
        verdict="hallucinated",
        max_score=0.9,
        flagged_detectors=["ocr_mismatch"],
        states={"ocr_mismatch": "judged"},
        duration_ms=120.0,
        cost=1.0,
        currency="EUR",
        unpriced_items=1,
        fallback=None,
        input_quality="poor",
    )
    soft = QualityProblem(name="blurred", grade="poor", text="the picture is blurred")
    quality = [EvidenceQuality(evidence_id="photo", family="image", grade="poor", problems=(soft,), measures={"sharpness": 0.05})]
    return StoredResponse(listed=listed, record=record, received_at=NOON, outcomes=[outcome], quality=quality)


class RowsReader:
    """Answers from memory; remembers the last filter; is down when told to be."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], StoredResponse] = {("default", "r-1"): stored("r-1"), ("default", "r-2"): stored("r-2")}
        self.asked: ResponseFilter | None = None
        self.down = False

    def _ask(self, f: ResponseFilter) -> None:
        self.asked = f
        if self.down:
            raise StoreUnavailable("a query", "connection refused")

    def list_responses(self, f: ResponseFilter, limit: int, cursor: str | None = None) -> tuple[list[ListedResponse], str | None]:
        self._ask(f)
        rows = [row.listed for (project, _), row in self.rows.items() if project == f.project]
        return rows[:limit], "more" if len(rows) > limit else None

    def response(self, project: str, response_id: str) -> StoredResponse | None:
        return self.rows.get((project, response_id))

    def summary(self, f: ResponseFilter) -> WindowSummary:
        self._ask(f)
        return WindowSummary(
            responses=10,
            checked=4,
            not_checked=5,
            pending=1,
            flagged=1,
            duration_ms_p50=100.0,
            duration_ms_p95=None,
            duration_ms_p99=None,
            cost_total=None,
            cost_mean=None,
            currency=None,
            mixed_currencies=False,
            unpriced_responses=10,
            detection_lag_s_p95=2.0,
            detectors=[
                DetectorCount(detector="ocr_mismatch", state="judged", responses=4, flagged=1),
                DetectorCount(detector="ocr_mismatch", state="failed", responses=5, flagged=0),
                DetectorCount(detector="quote_mismatch", state="not_applicable", responses=9, flagged=0),
            ],
            detector_duration_ms={"ocr_mismatch": (10.0, 20.0)},
            qualities=[
                QualityCount(grade=None, responses=3, checked=0, flagged=0),
                QualityCount(grade="poor", responses=5, checked=2, flagged=1),
                QualityCount(grade="good", responses=2, checked=2, flagged=0),
            ],
        )

    def trends(self, f: ResponseFilter, bucket_s: int) -> list[TrendBucket]:
        self._ask(f)
        point = {"duration_ms_p50": None, "duration_ms_p95": None, "cost_mean": None, "cost_total": None}
        return [TrendBucket(start=NOON, responses=3, checked=0, flagged=0, **point)]

    def task_sums(self, f: ResponseFilter, by: str, cohort_key: str = "") -> list[GroupSums]:
        self._ask(f)
        right = AnswerCell(truth="reference", abstained=False, confidence=0.9, right=True, responses=3)
        wrong = AnswerCell(truth="reference", abstained=False, confidence=0.6, right=False, responses=1)
        unknown = AnswerCell(truth="verdict", abstained=False, confidence=0.9, right=None, responses=5)
        metrics = [MetricSum(name="correct", n=4, mean=0.75, variance=0.25), MetricSum(name="wer", n=4, mean=0.4, variance=0.1)]
        first = GroupSums(group=f"{by}/{cohort_key}", responses=9, metrics=metrics, attempts=[(4, 1, 2)], cells=[right, wrong, unknown])
        rest = [GroupSums(group=f"g{number}", responses=1, metrics=[], attempts=[], cells=[unknown]) for number in range(60)]
        return [first, *rest] if by == "cohort" else [first]

    def release_marks(self, f: ResponseFilter) -> list[tuple[datetime, str]]:
        return [(NOON, "1")]

    def facets(self, project: str, since: datetime, until: datetime) -> FacetValues:
        return FacetValues(workflows=["qa"], models=[], releases=[], risks=[], cohorts={}, detectors=[])


class IdleDriver:
    """A driver that has nothing to do; keeps what it was asked to look at again."""

    def __init__(self) -> None:
        self.halted: Halt | None = None
        self.asked: list[tuple[str, str, str]] = []
        self.store_problem: str | None = None

    def check_runs(self, detector: str) -> None:
        if detector not in ("ocr_mismatch", "keyword"):
            raise Conflict("detector", detector, "not running here", "name it in GROUNDWATCH_DETECTORS and start workers")

    def again(self, project: str, record: ResponseRecord, detector: str) -> None:
        self.asked.append((project, record.id, detector))

    def resume(self) -> bool:
        was, self.halted = self.halted, None
        return was is not None

    def undetected(self) -> int:
        if self.store_problem:
            raise StoreUnavailable("due", self.store_problem)
        return 4

    def detector_status(self) -> list[DetectorStatus]:
        why = "not installed"
        return [DetectorStatus(name="ocr_mismatch", failure="x", version=None, weights_version=None, available=False, reason=why)]


class OneJob:
    """A runner with one job that never runs by itself."""

    running = False

    def list(self) -> list[JobStatus]:
        times = dict.fromkeys(("next_run_at", "last_started_at", "last_finished_at", "last_state", "last_error"))
        return [JobStatus(name="drift", interval_s=60, last_facts={}, **cast(Any, times))]

    def run_now(self, name: str) -> JobStatus:
        if name != "drift":
            raise NotFound("job", name)
        if self.running:
            raise Conflict("job", name, "running", "wait")
        return self.list()[0]


class Memory:
    """A store that is nowhere."""

    location = "memory"
    embedded = False


class Api:
    """The application, a client on loopback, and the stand-ins behind it."""

    def __init__(self, settings: Settings, database: Database, clock: MovableClock) -> None:
        self.spool, self.reader, self.jobs = CountedSpool(), RowsReader(), OneJob()
        self.settings, self.database, self.clock = settings, database, clock
        self.evidence = EvidenceStore(settings.blob_url, settings.max_evidence_bytes, settings.cache_dir)
        self.missing: list[str] = []
        self.refused_writes: list[StorageUnavailable] = []
        self.engine = WordEngine()
        self.driver = IdleDriver()
        self.renderer = Renderer()
        self.desk = CheckDesk(settings, self.evidence.url, clock, lambda: self.engine)
        self.queued_checks = QueuedWork(settings, database, self.desk, clock)
        self.ingest = Ingest(settings, self.spool, self.evidence, clock)
        self.context = Context(
            settings=settings,
            clock=clock,
            database=database,
            store=cast(Any, Memory()),
            reader=cast(Any, self.reader),
            spool=cast(Any, self.spool),
            evidence=self.evidence,
            ingest=self.ingest,
            limits=Limits(database, clock),
            traces=Traces(cast(Any, self.spool), self.ingest, 60.0, lambda *_: None),
            span_requests=RequestReader(processors=1),
            desk=self.desk,
            queued_checks=self.queued_checks,
            driver=cast(Any, self.driver),
            jobs=cast(Any, self.jobs),
            metrics=Metrics(),
            renderer=self.renderer,
            started_at=clock.now(),
            not_ready=lambda: self.missing,
            write_refused=lambda error: self.refused_writes.append(error) is None,
        )
        self.app = create_app(self.context)
        self.http = TestClient(self.app, base_url="http://127.0.0.1:4318", raise_server_exceptions=False)

    def record(self, identifier: str = "r-9", **fields: Any) -> dict[str, Any]:
        return {"id": identifier, "time": NOON.isoformat(), "workflow": "qa", "answer": {"text": "x"}, **fields}


def small(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update={"max_body_bytes": 50_000, "max_evidence_bytes": 60_000, **changes})


@pytest.fixture
def api(settings: Settings, database: Database, clock: MovableClock) -> Iterator[Api]:
    """Single user on loopback."""
    made = Api(small(settings), database, clock)
    with made.http:
        yield made
    made.desk.stop()
    made.renderer.stop()


@pytest.fixture
def guarded(settings: Settings, database: Database, clock: MovableClock) -> Iterator[Api]:
    """As reached from other machines: every request needs a key."""
    made = Api(small(settings, host="0.0.0.0"), database, clock)  # noqa: S104 - nothing listens
    with made.http:
        yield made
    made.desk.stop()
    made.renderer.stop()

"""The jobs on the real store: what an incident leaves in ClickHouse becomes alerts and review items."""

from __future__ import annotations

from datetime import datetime, timedelta

from monitor.alerts.lifecycle import Lifecycle
from monitor.clock import MovableClock
from monitor.findings import FindingRecord, OutcomeRecord
from monitor.jobs.runner import JobRunner
from monitor.metadata.database import Database
from monitor.records import Answer, Evidence, ResponseRecord, Stage, Usage
from monitor.review.queue import ReviewQueue
from monitor.settings import Settings
from monitor.store.reading import Reader
from monitor.store.rows import ResponseFilter, SpooledResponse
from monitor.store.writer import Writer

PICTURE = Evidence(id="e", media_type="image/png", uri="sha256:" + "0" * 64)
DAYS, PER_HOUR = 3, 20


def response(number: int, time: datetime, *, incident: bool) -> tuple[SpooledResponse, OutcomeRecord]:
    """Every twentieth is flagged; in the incident every fourth, three times as dear, slow, and some lack their picture."""
    identifier = f"r{number}"
    wrong = number % (4 if incident else 20) == 0
    record = ResponseRecord(
        id=identifier,
        time=time,
        workflow="image-qa",
        risk="decision_support",
        answer=Answer(text="a dog"),
        cohort={"device": "ios" if number % 2 else "android"},
        evidence=() if incident and number % 5 == 0 else (PICTURE,),
        stages=(Stage(name="infer", duration_ms=20_000 if incident else 900 + number % 50),),
        usage=(Usage(item="tokens", quantity=1000, unit="token", amount=(0.06 if incident else 0.02), currency="USD"),),
    )
    finding = FindingRecord(
        detector="ocr_mismatch",
        claim_id="c",
        claim_text="a dog",
        claim_kind="object",
        verdict="hallucinated" if wrong else "supported",
        explanation="Looked.",
        score=0.9 if wrong else 0.1,
    )
    spooled = SpooledResponse(project="default", sidecar="s", sequence=number + 1, received_at=time, record=record)
    outcome = OutcomeRecord(
        project="default",
        response_id=identifier,
        response_time=time,
        workflow=record.workflow,
        detector="ocr_mismatch",
        state="judged",
        finished_at=time,
        findings=(finding,),
    )
    return spooled, outcome


def test_an_incident_becomes_alerts_with_samples_and_review_items(
    settings: Settings, database: Database, reader: Reader, writer: Writer, clock: MovableClock
) -> None:
    settings = settings.model_copy(update={"detectors": ("ocr_mismatch",)})
    clock.move(timedelta(minutes=59))
    now = clock.now()
    step = timedelta(hours=1) / PER_HOUR
    rows = []
    for number in range(DAYS * 24 * PER_HOUR):
        time = now - timedelta(seconds=1) - number * step
        rows.append(response(number, time, incident=number < 2 * PER_HOUR - 2))
    # Enough of them in the last quarter of an hour for a percentile.
    rows += [response(10_000 + n, now - timedelta(seconds=2 + n), incident=True) for n in range(40)]
    writer.insert_responses([spooled for spooled, _ in rows], "responses")
    writer.insert_outcomes([outcome for _, outcome in rows], "outcomes")

    runner = JobRunner(settings, reader, database, clock)
    runs = {job.name: runner.run(job.name) for job in runner.list()}
    assert {name: run.error for name, run in runs.items()} == dict.fromkeys(runs)

    alerts = {alert.kind: alert for alert in Lifecycle(settings, database).list("default")[0]}
    assert set(alerts) == {"drift", "cost_anomaly", "latency_threshold", "missing_modality"}
    assert alerts["drift"].labels["workflow"] == "image-qa"
    assert "cohort_key" not in alerts["drift"].labels
    assert alerts["missing_modality"].labels["family"] == "image"
    assert alerts["cost_anomaly"].facts["ratio"] > 2.5

    samples = alerts["drift"].samples
    shown, _ = reader.list_responses(
        ResponseFilter(
            project="default",
            since=datetime.fromisoformat(samples["since"]),
            until=datetime.fromisoformat(samples["until"]),
            workflow=samples["workflow"],
            verdict="hallucinated",
        ),
        limit=500,
    )
    assert len(shown) == alerts["drift"].facts["flagged"]

    queue = ReviewQueue(settings, database, clock)
    assert runs["review_fill"].facts["queued"] == queue.counts("default")["queued"] > 20
    item = queue.claim_next("default", "ann")
    assert item is not None
    assert reader.response("default", item.response_id) is not None
    assert runner.run("review_fill").facts["queued"] == 0

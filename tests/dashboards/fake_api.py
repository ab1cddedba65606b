"""A small working copy of the sidecar's API in memory, so that the dashboard is tested over real HTTP.

Bodies are the sidecar's own models, so a changed contract breaks these tests. Run it by hand for work on the pages:
``python -m tests.dashboards.fake_api [port]``.
"""

from __future__ import annotations

import math
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse

from monitor.api import models, task_models
from monitor.api.task_metrics import group_view
from monitor.task_metrics.windows import AnswerCell, GroupSums, MetricSum, task_quality
from tests.dashboards import fake_content
from tests.dashboards.fake_desk import Desk
from tests.dashboards.fake_scenes import blobs, thumbnail

Details = list[models.ResponseDetail]


def share(hits: int, n: int) -> models.Share:
    """A Wilson interval at 95%."""
    if n == 0:
        return models.Share(value=None, low=None, high=None, n=0)
    z, p = 1.96, hits / n
    centre, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return models.Share(value=p, low=max(0.0, (centre - spread) / (1 + z * z / n)), high=(centre + spread) / (1 + z * z / n), n=n)


def quantile(values: list[float], q: float) -> float | None:
    """The value at ``q``; None of nothing."""
    return sorted(values)[min(len(values) - 1, int(q * len(values)))] if values else None


def chosen(details: Details, request: Request) -> Details:
    """The list filters."""
    query = request.query_params
    since = datetime.fromisoformat(query.get("since", (datetime.now(UTC) - timedelta(days=1)).isoformat()))
    until = datetime.fromisoformat(query.get("until", "2999-01-01T00:00:00+00:00"))
    kept = [detail for detail in details if since <= detail.row.time < until]
    for name in ("workflow", "model", "release", "risk", "verdict"):
        if (wanted := query.get(name)) is not None:
            kept = [detail for detail in kept if getattr(detail.row, name) == wanted]
    if (wanted := query.get("quality")) is not None:
        kept = [detail for detail in kept if detail.row.input_quality == wanted]
    if (wanted := query.get("detector")) is not None:
        kept = [detail for detail in kept if wanted in detail.row.states]
    if (wanted := query.get("text")) is not None:
        kept = [detail for detail in kept if wanted.lower() in detail.answer.lower()]
    if (wanted := query.get("min_score")) is not None:
        kept = [detail for detail in kept if (detail.row.max_score or 0) >= float(wanted)]
    for pair in query.getlist("cohort"):
        key, _, value = pair.partition(":")
        kept = [detail for detail in kept if detail.row.cohort.get(key) == value]
    return kept


def qualities(details: Details) -> list[models.QualitySummary]:
    """The split by input quality."""
    split = []
    for grade in ("good", "poor", "unusable", None):
        alike = [detail for detail in details if detail.row.input_quality == grade]
        judged = [detail for detail in alike if "judged" in detail.row.states.values()]
        if alike:
            flagged = share(sum(detail.row.verdict == "hallucinated" for detail in judged), len(judged))
            split.append(models.QualitySummary(grade=grade, responses=len(alike), flagged=flagged))
    return split


def summarise(details: Details, since: datetime, until: datetime) -> models.Summary:
    """Key figures of a window."""
    judged = [detail for detail in details if "judged" in detail.row.states.values()]
    pending = [detail for detail in details if not detail.row.states]
    times = [detail.row.duration_ms for detail in details if detail.row.duration_ms is not None]
    costs = [detail.row.cost for detail in details if detail.row.cost is not None]
    per_detector = []
    for name in fake_content.DETECTORS:
        states: dict[str, int] = defaultdict(int)
        for detail in details:
            if name in detail.row.states:
                states[detail.row.states[name]] += 1
        flagged = sum(name in detail.row.flagged_detectors for detail in details)
        per_detector.append(
            models.DetectorSummary(
                detector=name, states=dict(states), flagged=share(flagged, states["judged"]), duration_ms_p50=402.0, duration_ms_p95=913.0
            )
        )
    return models.Summary(
        since=since,
        until=until,
        responses=len(details),
        checked=len(judged),
        not_checked=len(details) - len(judged) - len(pending),
        pending=len(pending),
        flagged=share(sum(detail.row.verdict == "hallucinated" for detail in judged), len(judged)),
        duration_ms_p50=quantile(times, 0.5),
        duration_ms_p95=quantile(times, 0.95),
        duration_ms_p99=quantile(times, 0.99),
        cost_total=sum(costs) if costs else None,
        cost_mean=sum(costs) / len(costs) if costs else None,
        currency="USD" if costs else None,
        unpriced_responses=sum(detail.row.unpriced_items > 0 for detail in details),
        detection_lag_s_p95=11.0 if judged else None,
        detectors=per_detector if judged else [],
        input_quality=qualities(details),
    )


def trend_of(details: Details, bucket_s: int) -> models.Trends:
    """Buckets of time; empty ones are absent."""
    buckets: dict[int, Details] = defaultdict(list)
    for detail in details:
        buckets[int(detail.row.time.timestamp() // bucket_s * bucket_s)].append(detail)
    points = []
    for start, inside in sorted(buckets.items()):
        begin = datetime.fromtimestamp(start, UTC)
        total = summarise(inside, begin, begin)
        points.append(
            models.TrendPoint(
                start=begin,
                responses=total.responses,
                checked=total.checked,
                flagged=total.flagged,
                duration_ms_p50=total.duration_ms_p50,
                duration_ms_p95=total.duration_ms_p95,
                cost_mean=total.cost_mean,
                cost_total=total.cost_total,
            )
        )
    first: dict[str, datetime] = {}
    for detail in sorted(details, key=lambda item: item.row.time):
        first.setdefault(detail.row.release or "", detail.row.time)
    marks = [models.ReleaseMark(time=when, version=version) for version, when in first.items()]
    return models.Trends(bucket_s=bucket_s, points=points, marks=marks)


def task_groups(details: Details, by: str) -> list[task_models.TaskQualityGroup]:
    """Every third response has a reference; the model is surer than it is right."""
    parts: dict[str, Details] = defaultdict(list)
    for detail in details:
        parts[str(getattr(detail.row, by, None) or "") if by != "all" else "all"].append(detail)
    return [group_view(task_quality(task_sums(name, part))) for name, part in sorted(parts.items(), key=lambda item: -len(item[1]))]


def task_sums(name: str, details: Details) -> GroupSums:
    """Cells by position in the list: confidences from 0.35 on, right less often than stated, some abstentions."""
    cells = []
    for number, detail in enumerate(details):
        known = number % 3 == 0
        confidence = 0.35 + 0.6 * (number * 37 % 100) / 100
        right = (number * 61 % 100) / 100 < confidence**1.6
        checked = "judged" in detail.row.states.values()
        cells.append(
            AnswerCell(
                truth="reference" if known else "verdict",
                abstained=number % 17 == 0,
                confidence=None if number % 17 == 0 else round(confidence, 2),
                right=right if known else detail.row.verdict == "supported" if checked else None,
                responses=1,
            )
        )
    known = [cell for cell in cells if cell.truth == "reference" and not cell.abstained]
    share_right = sum(bool(cell.right) for cell in known) / len(known) if known else 0.0
    values = {"correct": share_right, "exact_match": 0.7 * share_right, "token_f1": 0.9 * share_right, "rouge_l": 0.85 * share_right}
    values |= {"bleu": 0.6 * share_right, "edit_distance": 0.4, "claim_recall": share_right}
    sums = [MetricSum(name=metric, n=len(known), mean=value, variance=0.08) for metric, value in values.items() if known]
    attempts = [(5, 2, 6), (5, 4, 9), (5, 0, 3)] if known else []
    return GroupSums(group=name, responses=len(details), metrics=sums, attempts=attempts, cells=cells)


@cache
def content() -> tuple[models.ResponseDetail, ...]:
    """The responses, built once a process; nobody changes them, a test that needs another puts it in the list."""
    return tuple(fake_content.build(datetime.now(UTC), blobs()))


def problem(status: int, title: str, detail: str, remedy: str | None = None) -> JSONResponse:
    """RFC 9457."""
    body = models.Problem(title=title, status=status, detail=detail, remedy=remedy)
    return JSONResponse(body.model_dump(), status, media_type="application/problem+json")


def create(empty: bool = False) -> FastAPI:  # noqa: C901 - a list of small routes
    """The application; ``empty`` holds no responses, alerts or review items."""
    app = FastAPI()
    files = blobs()
    details: Details = [] if empty else list(content())
    by_hash = {blob.sha256: blob for blob in files.values()}
    desk = Desk(details, empty)
    app.state.desk = desk
    app.state.failing = None

    @app.middleware("http")
    async def fail_when_told(request: Request, follow) -> Response:
        if app.state.failing and request.url.path.startswith(app.state.failing):
            return problem(503, "The store does not answer", "clickhouse: connection refused", "Start the store again")
        return await follow(request)

    @app.get("/v1/summary")
    def summary(request: Request) -> models.Summary:
        now = datetime.now(UTC)
        return summarise(chosen(details, request), now, now)

    @app.get("/v1/trends")
    def trends(request: Request) -> models.Trends:
        inside = chosen(details, request)
        length = (inside[0].row.time - inside[-1].row.time).total_seconds() if inside else 0
        return trend_of(inside, 3600 if length < 2 * 86_400 else 6 * 3600)

    @app.get("/v1/task-metrics")
    def task_metrics(request: Request, by: str = "all") -> task_models.TaskQualities:
        now = datetime.now(UTC)
        return task_models.TaskQualities(since=now, until=now, by=by, groups=task_groups(chosen(details, request), by), left_out=0)

    @app.get("/v1/facets")
    def facets(request: Request) -> models.Facets:
        rows = [detail.row for detail in chosen(details, request)]
        cohorts: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            for key, value in row.cohort.items():
                cohorts[key].add(value)
        return models.Facets(
            workflows=sorted({row.workflow for row in rows}),
            models=sorted({row.model for row in rows if row.model}),
            releases=sorted({row.release for row in rows if row.release}),
            risks=sorted({row.risk for row in rows}),
            cohorts={key: sorted(values) for key, values in cohorts.items()},
            detectors=list(fake_content.DETECTORS),
        )

    @app.get("/v1/responses")
    def responses(request: Request, limit: int = 50, cursor: str = "0") -> models.ResponsePage:
        rows = [detail.row for detail in chosen(details, request)]
        start = int(cursor)
        return models.ResponsePage(items=rows[start : start + limit], next=str(start + limit) if start + limit < len(rows) else None)

    @app.get("/v1/responses/{response_id}", response_model=models.ResponseDetail)
    def response(response_id: str) -> object:
        found = next((detail for detail in details if detail.row.id == response_id), None)
        if found is None:
            return problem(404, "Not found", f"no response {response_id}")
        return found.model_copy(update={"review_item": desk.item_of(response_id), "verdicts": desk.verdicts.get(response_id, [])})

    @app.get("/v1/evidence/{sha256}")
    def evidence(sha256: str, width: Annotated[int | None, Query()] = None, page: Annotated[int | None, Query()] = None) -> Response:
        if sha256 not in by_hash:
            return problem(404, "Evidence missing", "nothing is stored under this hash")
        blob = thumbnail(by_hash[sha256], width, page)
        return Response(blob.content, media_type=blob.media_type)

    desk.mount(app)
    return app


@contextmanager
def running(app: FastAPI, port: int = 0) -> Iterator[str]:
    """Serve on loopback in a thread; yields the address."""
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", log_config=None, access_log=False, ws="none", lifespan="off")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
        if not thread.is_alive():
            raise RuntimeError("the fake API did not start")
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


if __name__ == "__main__":
    uvicorn.run(create(), host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 4399, log_level="warning")

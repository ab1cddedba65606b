"""The part of the fake API that is changed by hand: alerts and rules, the review queue, jobs, audit."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse

from monitor.api import desk_models, models
from tests.dashboards.fake_content import FAILURES, HOSTILE


class Desk:
    """Alerts, review items and jobs in memory, with the rules of the sidecar about who may do what."""

    def __init__(self, details: list[models.ResponseDetail], empty: bool) -> None:
        self.now = datetime.now(UTC)
        self.details = details
        self.verdicts: dict[str, list[models.VerdictView]] = {}
        self.log: list[desk_models.AuditView] = []
        self.alerts = [] if empty else self._alerts()
        self.rules = [] if empty else self._rules()
        wanted = [] if empty else [detail for detail in details if detail.claims][:12]
        self.items = {f"q-{index}": self._item(f"q-{index}", detail) for index, detail in enumerate(wanted)}
        self.started: list[str] = []
        self.store_problem: str | None = None
        self.silent_calls = 0
        self.damaged_parts: list[str] = []

    # --- content --------------------------------------------------------------------------------------------------

    def _alerts(self) -> list[desk_models.AlertView]:
        def alert(number: int, **given: Any) -> desk_models.AlertView:
            plain: dict[str, Any] = {
                "id": f"a-{number}",
                "rule_id": f"rule-{number}",
                "state": "open",
                "labels": {"workflow": "receipt-extraction"},
                "samples": {},
                "opened_at": self.now - timedelta(hours=3 * number),
                "last_seen_at": self.now - timedelta(minutes=7 * number),
                "acknowledged_at": None,
                "acknowledged_by": None,
                "resolved_at": None,
                "resolved_by": None,
                "deliveries": [],
            }
            return desk_models.AlertView(**{**plain, **given})

        window = {"since": (self.now - timedelta(hours=6)).isoformat(), "until": self.now.isoformat()}
        return [
            alert(
                1,
                kind="drift",
                severity="page",
                occurrences=4,
                title="Hallucinations in receipt-extraction rose from 6.8% to 29.4%",
                summary="Flagged share 29.4% (18.7–43.0), n = 51, against 6.8% (4.9–9.3), n = 512 in the week before.",
                labels={"workflow": "receipt-extraction", "cohort": "device:ios"},
                samples={**window, "workflow": "receipt-extraction", "verdict": "hallucinated", "cohort": "device:ios"},
                facts={"current": 0.294, "baseline": 0.068, "n": 51, "p_value": 0.0004, "cohort": "device:ios"},
                deliveries=[
                    desk_models.DeliveryView(channel="webhook", event="opened", state="delivered", attempts=1, last_error=None),
                    desk_models.DeliveryView(
                        channel="webhook", event="repeated", state="failed", attempts=5, last_error="connection refused"
                    ),
                ],
            ),
            alert(
                2,
                kind="latency_threshold",
                severity="ticket",
                occurrences=12,
                state="acknowledged",
                title="Stage infer over its budget in image-qa",
                summary="p95 1.63 s, budget 1.20 s, 40 responses.",
                labels={"workflow": "image-qa", "stage": "infer"},
                samples={**window, "workflow": "image-qa"},
                facts={"p95_ms": 1630.0, "budget_ms": 1200.0, "n": 40},
                acknowledged_at=self.now - timedelta(hours=2),
                acknowledged_by="mara",
            ),
            alert(
                3,
                kind="missing_modality",
                severity="info",
                occurrences=1,
                state="resolved",
                title=HOSTILE,
                summary=HOSTILE,
                labels={"workflow": HOSTILE},
                facts={"<b>x</b>": HOSTILE},
                resolved_at=self.now - timedelta(hours=1),
                resolved_by="mara",
            ),
        ]

    def _rules(self) -> list[desk_models.AlertRuleView]:
        kinds: dict[str, tuple[str | None, dict[str, Any]]] = {
            "drift": (None, {"window_hours": 6, "baseline_days": 7, "min_checked": 40}),
            "latency_threshold": ("image-qa", {"stage": "infer", "p95_ms": 1200}),
            "cost_anomaly": (None, {"factor": 1.5, "min_responses": 50}),
        }
        return [
            desk_models.AlertRuleView(
                id=f"rule-{index}",
                kind=kind,
                workflow=workflow,
                severity="ticket",
                enabled=True,
                params=params,
                updated_at=self.now - timedelta(days=3),
            )
            for index, (kind, (workflow, params)) in enumerate(kinds.items(), 1)
        ]

    def _item(self, item_id: str, detail: models.ResponseDetail) -> desk_models.ReviewItemView:
        return desk_models.ReviewItemView(
            id=item_id,
            response_id=detail.row.id,
            response_time=detail.row.time,
            workflow=detail.row.workflow,
            risk=detail.row.risk,
            stratum="secret-stratum",
            reason="secret: highest score 0.93",
            priority=0.9,
            inclusion_probability=0.2,
            state="queued",
            claimed_by=None,
            lease_until=None,
            created_at=self.now,
            finished_at=None,
        )

    # --- actions --------------------------------------------------------------------------------------------------

    def item_of(self, response_id: str) -> str | None:
        """The review item of a response."""
        return next((item.id for item in self.items.values() if item.response_id == response_id), None)

    def counts(self) -> dict[str, int]:
        """Items in each state."""
        states = [item.state for item in self.items.values()]
        return {state: states.count(state) for state in ("queued", "claimed", "judged", "skipped")}

    def note(self, actor: str, action: str, subject: str, **facts: Any) -> None:
        """Write the audit log."""
        self.log.insert(0, desk_models.AuditView(at=datetime.now(UTC), actor=actor, action=action, subject=subject, facts=facts))

    def alert(self, alert_id: str, **changes: Any) -> desk_models.AlertView:
        """Change an alert, or read it."""
        index = next(index for index, alert in enumerate(self.alerts) if alert.id == alert_id)
        self.alerts[index] = self.alerts[index].model_copy(update=changes)
        return self.alerts[index]

    def move(self, item_id: str, **changes: Any) -> desk_models.ReviewItemView:
        """Change a review item, or read it."""
        self.items[item_id] = self.items[item_id].model_copy(update=changes)
        return self.items[item_id]

    def lease(self, item_id: str, reviewer: str) -> desk_models.ReviewItemView:
        """Claim an item for 15 minutes."""
        return self.move(item_id, state="claimed", claimed_by=reviewer, lease_until=datetime.now(UTC) + timedelta(minutes=15))

    # --- routes ---------------------------------------------------------------------------------------------------

    def mount(self, app: FastAPI) -> None:
        """Add the routes."""
        self._alert_routes(app)
        self._review_routes(app)
        self._operation_routes(app)

    def _alert_routes(self, app: FastAPI) -> None:
        @app.get("/v1/alerts")
        def alerts(state: str | None = None) -> desk_models.AlertPage:
            return desk_models.AlertPage(items=[alert for alert in self.alerts if state in (None, alert.state)], next=None)

        @app.get("/v1/alerts/{alert_id}")
        def alert(alert_id: str) -> desk_models.AlertView:
            return self.alert(alert_id)

        @app.post("/v1/alerts/{alert_id}/acknowledge")
        def acknowledge(alert_id: str, body: desk_models.ActorBody) -> desk_models.AlertView:
            self.note(body.actor, "alert_acknowledged", alert_id)
            return self.alert(alert_id, state="acknowledged", acknowledged_by=body.actor, acknowledged_at=datetime.now(UTC))

        @app.post("/v1/alerts/{alert_id}/resolve")
        def resolve(alert_id: str, body: desk_models.ActorBody) -> desk_models.AlertView:
            self.note(body.actor, "alert_resolved", alert_id)
            return self.alert(alert_id, state="resolved", resolved_by=body.actor, resolved_at=datetime.now(UTC))

        @app.get("/v1/alert-rules")
        def rules() -> list[desk_models.AlertRuleView]:
            return self.rules

        @app.put("/v1/alert-rules/{rule_id}")
        def change(rule_id: str, body: desk_models.AlertRuleBody) -> desk_models.AlertRuleView:
            index = next(index for index, rule in enumerate(self.rules) if rule.id == rule_id)
            self.rules[index] = self.rules[index].model_copy(update=body.model_dump())
            return self.rules[index]

    def _review_routes(self, app: FastAPI) -> None:
        @app.get("/v1/review")
        def queue(state: str | None = None, limit: int = 50) -> desk_models.ReviewPage:
            return desk_models.ReviewPage(
                items=[item for item in self.items.values() if state in (None, item.state)][:limit], counts=self.counts()
            )

        @app.post("/v1/review/next")
        def claim(body: desk_models.ClaimNextBody) -> Response:
            waiting = [item for item in self.items.values() if item.state == "queued" and body.workflow in (None, item.workflow)]
            if not waiting:
                return Response(status_code=204)
            return JSONResponse(self.lease(waiting[0].id, body.reviewer).model_dump(mode="json"))

        @app.get("/v1/review/{item_id}")
        def item(item_id: str) -> desk_models.ReviewItemView:
            return self.move(item_id)

        @app.post("/v1/review/{item_id}/verdicts")
        def judge(item_id: str, body: desk_models.JudgeBody) -> Response:
            held = self.items[item_id]
            if held.state != "claimed" or held.claimed_by != body.reviewer:
                refused = models.Problem(
                    title="Lease lost", status=409, detail="another reviewer holds this item", remedy="Take the next item"
                )
                return JSONResponse(refused.model_dump(), 409)
            for number, verdict in enumerate(body.verdicts):
                view = models.VerdictView(
                    id=f"{item_id}-{number}", reviewer=body.reviewer, created_at=datetime.now(UTC), **verdict.model_dump()
                )
                self.verdicts.setdefault(held.response_id, []).append(view)
            return JSONResponse(self.move(item_id, state="judged", lease_until=None).model_dump(mode="json"))

        @app.post("/v1/review/{item_id}/{how}")
        def hand_back(item_id: str, how: str, body: desk_models.ActorBody) -> desk_models.ReviewItemView:
            if how == "undo":
                self.verdicts.pop(self.items[item_id].response_id, None)
                return self.lease(item_id, body.actor)
            return self.move(item_id, state={"skip": "skipped", "release": "queued"}[how], claimed_by=None, lease_until=None)

        @app.post("/v1/responses/{response_id}/review")
        def put_on(response_id: str, body: desk_models.ActorBody) -> desk_models.ReviewItemView:
            detail = next(detail for detail in self.details if detail.row.id == response_id)
            self.note(body.actor, "review_requested", response_id)
            self.items[f"asked-{response_id}"] = self._item(f"asked-{response_id}", detail)
            return self.items[f"asked-{response_id}"]

    def _operation_routes(self, app: FastAPI) -> None:
        @app.get("/v1/status")
        def status() -> desk_models.Status:
            detectors = [
                desk_models.DetectorStatus(
                    name=name,
                    failure=failure,
                    version="1",
                    weights_version="2026.1",
                    available=name != "clip_contradiction",
                    reason="No open_clip weights: set GROUNDWATCH_CLIP_MODEL and GROUNDWATCH_CLIP_PRETRAINED"
                    if name == "clip_contradiction"
                    else None,
                )
                for name, failure in FAILURES.items()
            ]
            return desk_models.Status(
                version="0.1.0",
                started_at=self.now - timedelta(hours=30),
                store="/var/lib/groundwatch/clickhouse",
                spooled=3,
                spool_bytes=48_211,
                oldest_spooled_s=0.4,
                undetected=17 if self.store_problem is None else None,
                store_problem=self.store_problem,
                silent_calls=self.silent_calls,
                damaged_parts=self.damaged_parts,
                dead_letters=1,
                leader=True,
                workers=1,
                detectors=detectors,
            )

        @app.get("/v1/jobs")
        def jobs() -> desk_models.JobList:
            return desk_models.JobList(
                items=[
                    desk_models.JobView(
                        name=name,
                        interval_s=interval,
                        next_run_at=self.now + timedelta(seconds=interval),
                        last_started_at=self.now - timedelta(seconds=90),
                        last_finished_at=self.now - timedelta(seconds=89),
                        last_state="failed" if name == "cost" else "succeeded",
                        last_error="StoreUnavailable: connection refused" if name == "cost" else None,
                        last_facts={"slices": 14, "alerts": 1},
                    )
                    for name, interval in (("drift", 3600), ("cost", 3600), ("latency", 60), ("review", 60))
                ]
            )

        @app.post("/v1/jobs/{name}/run", status_code=202)
        def run(name: str) -> desk_models.JobView:
            self.started.append(name)
            return next(job for job in jobs().items if job.name == name)

        @app.get("/v1/dead-letters")
        def letters() -> desk_models.DeadLetterPage:
            letter = desk_models.DeadLetterView(
                id="d-1",
                stage="detect",
                response_id="r-00007",
                detector="ocr_mismatch",
                reason="worker died twice: " + HOSTILE,
                state="waiting",
                created_at=self.now,
            )
            return desk_models.DeadLetterPage(items=[letter], next=None)

        @app.get("/v1/dead-letters/{letter_id}")
        def letter(letter_id: str) -> desk_models.DeadLetterDetail:
            found = next(one for one in letters().items if one.id == letter_id)
            return desk_models.DeadLetterDetail(
                **found.model_dump(), payload=json.dumps({"id": found.response_id, "answer": {"text": HOSTILE}})
            )

        @app.get("/v1/audit")
        def audit() -> desk_models.AuditPage:
            return desk_models.AuditPage(items=self.log, next=None)

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerts.lifecycle import Lifecycle
from monitor.alerts.rules import KINDS, RuleBook
from tests.api.conftest import Api


@pytest.fixture
def alert(api: Api) -> str:
    book = RuleBook(api.database)
    book.ensure_defaults("default", api.clock.now())
    raised = Lifecycle(api.settings, api.database).raise_alert(
        "default",
        book.list("default")[0],
        ["qa"],
        title="Hallucinations doubled",
        summary="In qa.",
        labels={"workflow": "qa"},
        facts={"before": 0.1, "after": 0.2},
        samples={"workflow": "qa", "verdict": "hallucinated"},
        now=api.clock.now(),
    )
    return raised.alert.id


def test_an_alert_is_acknowledged_resolved_and_audited(api: Api, alert: str) -> None:
    listed = api.http.get("/v1/alerts?state=open").json()["items"]
    assert [item["id"] for item in listed] == [alert]
    assert (listed[0]["facts"], listed[0]["samples"]) == ({"before": 0.1, "after": 0.2}, {"workflow": "qa", "verdict": "hallucinated"})
    seen = api.http.post(f"/v1/alerts/{alert}/acknowledge", json={"actor": "ada"}).json()
    assert (seen["state"], seen["acknowledged_by"]) == ("acknowledged", "ada")
    assert api.http.post(f"/v1/alerts/{alert}/resolve", json={"note": "fixed"}).json()["state"] == "resolved"
    assert api.http.post(f"/v1/alerts/{alert}/acknowledge", json={}).status_code == 409
    assert api.http.get(f"/v1/alerts/{alert}").json()["resolved_by"] == "local"
    actions = [entry["action"] for entry in api.http.get("/v1/audit").json()["items"]]
    assert actions[:2] == ["alert.resolve", "alert.acknowledge"]


def test_unknown_alerts_and_states_are_refused(api: Api) -> None:
    assert api.http.get("/v1/alerts/none").status_code == 404
    assert api.http.get("/v1/alerts?state=closed").json()["field"] == "state"


def test_rules_are_made_changed_and_removed(api: Api) -> None:
    made = api.http.post("/v1/alert-rules", json={"kind": "drift", "workflow": "qa", "severity": "page"})
    assert made.status_code == 201
    rule: dict[str, Any] = made.json()
    assert rule["params"]
    changed = {"kind": "drift", "workflow": "qa", "enabled": False, "params": rule["params"]}
    assert api.http.put(f"/v1/alert-rules/{rule['id']}", json=changed).json()["enabled"] is False
    assert len(api.http.get("/v1/alert-rules").json()) == len(KINDS) + 1
    reply = api.http.delete(f"/v1/alert-rules/{rule['id']}")
    assert (reply.status_code, reply.content) == (204, b"")
    assert api.http.delete(f"/v1/alert-rules/{rule['id']}").status_code == 404


def test_a_rule_that_raised_alerts_is_kept(api: Api, alert: str) -> None:
    rule = api.http.get(f"/v1/alerts/{alert}").json()["rule_id"]
    assert api.http.delete(f"/v1/alert-rules/{rule}").status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "weather"}, "kind"),
        ({"kind": "drift", "params": {"surprise": 1}}, "params"),
        ({"kind": "drift", "colour": "red"}, "colour"),
        ({}, "kind"),
    ],
)
def test_a_rule_that_cannot_be_used_names_the_field(api: Api, body: dict[str, Any], field: str) -> None:
    reply = api.http.post("/v1/alert-rules", json=body)
    assert reply.status_code in (400, 422)
    assert reply.json()["field"].startswith(field)
    assert reply.json()["remedy"]


def test_a_response_is_requested_claimed_judged_and_taken_back(api: Api) -> None:
    assert api.http.post("/v1/review/next", json={"reviewer": "ada"}).status_code == 204
    asked = api.http.post("/v1/responses/r-1/review", json={"actor": "bob", "note": "odd"})
    assert (asked.status_code, asked.json()["stratum"], asked.json()["risk"]) == (200, "requested", "authoritative")
    item = api.http.post("/v1/review/next", json={"reviewer": "ada"}).json()
    assert (item["state"], item["claimed_by"], item["response_id"]) == ("claimed", "ada", "r-1")
    verdict = {
        "claim_id": "total",
        "claim_text": "The total is 41.",
        "span": [0, 16],
        "hallucinated": True,
        "error": "value",
        "cause": "perception",
    }
    url = f"/v1/review/{item['id']}"
    assert api.http.post(f"{url}/verdicts", json={"reviewer": "bob", "verdicts": [verdict]}).status_code == 409
    assert api.http.post(f"{url}/verdicts", json={"reviewer": "ada", "verdicts": [verdict]}).json()["state"] == "judged"
    detail = api.http.get("/v1/responses/r-1").json()
    assert detail["review_item"] == item["id"]
    assert [(v["reviewer"], v["span"], v["error"]) for v in detail["verdicts"]] == [("ada", [0, 16], "value")]
    assert api.http.post(f"{url}/undo", json={"actor": "bob"}).status_code == 409
    assert api.http.post(f"{url}/undo", json={"actor": "ada"}).json()["state"] == "claimed"
    assert api.http.post(f"{url}/release", json={"actor": "ada"}).json()["state"] == "queued"
    page = api.http.get("/v1/review?state=queued").json()
    assert ([entry["id"] for entry in page["items"]], page["counts"]["queued"]) == ([item["id"]], 1)
    api.http.post("/v1/review/next", json={"reviewer": "ada"})
    assert api.http.post(f"{url}/skip", json={"actor": "ada", "note": "unreadable"}).json()["state"] == "skipped"
    assert api.http.get(url).json()["finished_at"]


def test_a_review_of_nothing_answers_404(api: Api) -> None:
    assert api.http.post("/v1/responses/nobody/review", json={}).status_code == 404
    assert api.http.get("/v1/review/none").status_code == 404


@pytest.mark.parametrize("verdicts", [[], [{"claim_text": "", "hallucinated": False}], [{"claim_text": "x", "hallucinated": True}]])
def test_a_verdict_of_no_use_is_refused(api: Api, verdicts: list[dict[str, Any]]) -> None:
    api.http.post("/v1/responses/r-1/review", json={})
    item = api.http.post("/v1/review/next", json={"reviewer": "ada"}).json()
    reply = api.http.post(f"/v1/review/{item['id']}/verdicts", json={"reviewer": "ada", "verdicts": verdicts})
    assert reply.status_code in (400, 422)
    assert reply.json()["field"].startswith("verdicts")

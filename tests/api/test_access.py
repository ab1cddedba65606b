from __future__ import annotations

import re
from datetime import timedelta

import pytest
from fastapi.routing import APIRoute

from monitor.api.access import REQUIRED
from monitor.api.application import ROUTERS
from monitor.metadata.keys import ROLES, ApiKeys
from tests.api.conftest import Api
from tests.conftest import NOON

ROUTES = sorted(
    {
        (method, route.path_format)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
)
CLOSED = sorted(route for route, role in REQUIRED.items() if role is not None)


def ask(api: Api, method: str, path: str, key: str | None = None) -> int:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    return api.http.request(method, re.sub(r"\{\w+\}", "0" * 64, path), headers=headers).status_code


def test_the_table_names_every_route_and_no_other() -> None:
    assert sorted(REQUIRED) == ROUTES


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_a_route_lets_exactly_the_roles_in_that_reach_it(guarded: Api, method: str, path: str) -> None:
    needed = REQUIRED[method, path]
    assert needed is not None
    book = ApiKeys(guarded.database)
    assert ask(guarded, method, path) == 401
    assert ask(guarded, method, path, "gw_nobody") == 401
    for role in ROLES:
        _, secret = book.create("default", f"{role} key", role, NOON)
        status = ask(guarded, method, path, secret)
        assert (status not in (401, 403)) == (ROLES.index(role) >= ROLES.index(needed)), f"{role} got {status}"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_needs_no_key(guarded: Api, path: str) -> None:
    assert ask(guarded, "GET", path) == 200


def test_on_loopback_nobody_needs_a_key_but_a_wrong_one_is_refused(api: Api) -> None:
    assert ask(api, "GET", "/v1/status") == 200
    assert ask(api, "GET", "/v1/status", "gw_wrong") == 401


def test_a_refusal_says_how_to_authenticate(guarded: Api) -> None:
    reply = guarded.http.get("/v1/status")
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert reply.json()["remedy"] == "Send `Authorization: Bearer <key>`"


def test_expired_and_revoked_keys_are_refused(guarded: Api) -> None:
    book = ApiKeys(guarded.database)
    _, short = book.create("default", "short", "admin", NOON, expires_at=NOON + timedelta(hours=1))
    revoked, secret = book.create("default", "revoked", "admin", NOON)
    book.revoke("default", revoked.id, NOON)
    guarded.clock.move(timedelta(hours=2))
    assert ask(guarded, "GET", "/v1/status", short) == 401
    assert ask(guarded, "GET", "/v1/status", secret) == 401


def test_a_revoked_key_that_was_just_used_ends_within_seconds(guarded: Api) -> None:
    book = ApiKeys(guarded.database)
    record, secret = book.create("default", "k", "admin", NOON)
    assert ask(guarded, "GET", "/v1/status", secret) == 200
    book.revoke("default", record.id, NOON)
    guarded.app.state.gate._remember_s = 0.0
    assert ask(guarded, "GET", "/v1/status", secret) == 401


def test_a_key_sees_its_own_project_only(guarded: Api) -> None:
    _, secret = ApiKeys(guarded.database).create("other", "k", "admin", NOON)
    headers = {"authorization": f"Bearer {secret}"}
    assert guarded.http.get("/v1/responses", headers=headers).json()["items"] == []
    assert guarded.http.get("/v1/responses/r-1", headers=headers).status_code == 404
    assert guarded.reader.asked is not None
    assert guarded.reader.asked.project == "other"


def test_the_audit_log_names_the_key_not_what_the_body_says(guarded: Api) -> None:
    _, secret = ApiKeys(guarded.database).create("default", "night shift", "admin", NOON)
    headers = {"authorization": f"Bearer {secret}"}
    guarded.http.post("/v1/responses/r-1/review", json={"actor": "somebody else"}, headers=headers)
    assert "night shift" in {entry["actor"] for entry in guarded.http.get("/v1/audit", headers=headers).json()["items"]}


@pytest.mark.parametrize(
    "headers",
    [{"host": "evil.example:4318"}, {"origin": "https://evil.example"}, {"origin": "null"}],
    ids=["rebinding", "form post", "sandboxed page"],
)
def test_foreign_web_pages_are_kept_out_of_a_keyless_sidecar(api: Api, headers: dict[str, str]) -> None:
    assert api.http.post("/v1/responses", json=api.record(), headers=headers).status_code == 403
    assert api.spool.taken == {}


def test_the_dashboard_on_the_same_machine_is_let_in(api: Api) -> None:
    assert api.http.get("/v1/status", headers={"origin": "http://localhost:8501"}).status_code == 200


def test_a_body_is_not_read_before_the_key_is_known(guarded: Api) -> None:
    reply = guarded.http.post("/v1/alert-rules", content=b"{broken", headers={"content-type": "application/json"})
    assert reply.status_code == 401

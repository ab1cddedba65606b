"""What belongs to one project is nowhere to be had with another project's key."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest

from monitor.api.access import REQUIRED
from monitor.metadata.keys import ApiKeys
from monitor.metadata.letters import DeadLetters
from tests.api.conftest import Api
from tests.conftest import NOON

PAGE = b"a page of project a"
SHA256 = hashlib.sha256(PAGE).hexdigest()


def bearer(api: Api, project: str, role: str = "admin") -> dict[str, str]:
    _, secret = ApiKeys(api.database).create(project, f"{project}-{role}", role, NOON)
    return {"Authorization": f"Bearer {secret}"}


def test_a_blob_opens_only_to_the_project_that_uploaded_it(guarded: Api) -> None:
    a, b = bearer(guarded, "a"), bearer(guarded, "b")
    assert guarded.http.put(f"/v1/evidence/{SHA256}", content=PAGE, headers=a).status_code == 201
    assert guarded.http.get(f"/v1/evidence/{SHA256}", headers=a).content == PAGE
    assert guarded.http.get(f"/v1/evidence/{SHA256}", headers=b).status_code == 404
    # Having the bytes oneself is another matter.
    assert guarded.http.put(f"/v1/evidence/{SHA256}", content=PAGE, headers=b).status_code == 201
    assert guarded.http.get(f"/v1/evidence/{SHA256}", headers=b).content == PAGE


@pytest.mark.parametrize("project", ["..", ".", "a/b", "ü", "projects"])
def test_no_project_name_leaves_its_folder(guarded: Api, project: str) -> None:
    headers = bearer(guarded, project)
    assert guarded.http.put(f"/v1/evidence/{SHA256}", content=PAGE, headers=headers).status_code == 201
    assert guarded.http.get(f"/v1/evidence/{SHA256}", headers=headers).content == PAGE
    assert guarded.http.get(f"/v1/evidence/{SHA256}", headers=bearer(guarded, "b")).status_code == 404


def test_every_route_about_one_thing_says_404_to_another_project(guarded: Api) -> None:
    a, b = bearer(guarded, "a"), bearer(guarded, "b")
    letters = DeadLetters(guarded.database, guarded.clock)
    letters.add("a", "store", "r-1", None, "refused", "{}")
    letter = letters.list("a")[0][0].id
    check = guarded.http.post("/v1/checks", json={"response": {"answer": {"text": "x"}}, "detectors": ["ocr_mismatch"]}, headers=a).json()
    rule = guarded.http.get("/v1/alert-rules", headers=a).json()
    known = {"letter_id": letter, "check_id": check["id"], "sha256": SHA256, "rule_id": (rule or [{"id": "none"}])[0]["id"]}
    guarded.http.put(f"/v1/evidence/{SHA256}", content=PAGE, headers=a)
    tried = 0
    for (method, path), role in REQUIRED.items():
        if "{" not in path or role is None or (method, path) == ("PUT", "/v1/evidence/{sha256}"):
            continue
        concrete = path
        for name in ("letter_id", "check_id", "sha256", "rule_id", "alert_id", "item_id", "response_id", "name"):
            concrete = concrete.replace("{" + name + "}", known.get(name, "nobody-s"))
        body: dict[str, Any] = {"actor": "eve", "reviewer": "eve", "verdicts": [], "kind": "drift", "severity": "page", "enabled": True}
        reply = guarded.http.request(method, concrete, json=None if method == "GET" else body, headers=b)
        assert reply.status_code in (404, 422), (method, concrete, reply.text)
        tried += 1
    assert tried > 12
    assert letters.get("a", letter).state == "waiting"


def test_a_project_over_its_rate_is_told_when_to_come_again(guarded: Api) -> None:
    admin, ingest = bearer(guarded, "a"), bearer(guarded, "a", "ingest")
    assert guarded.http.put("/v1/limits", json={"responses_per_minute": 2}, headers=ingest).status_code == 403
    view = guarded.http.put("/v1/limits", json={"responses_per_minute": 2}, headers=admin).json()
    assert (view["responses_per_minute"], view["responses_today"]) == (2, 0)
    records = [guarded.record(f"r-{number}") for number in range(3)]
    assert guarded.http.post("/v1/responses", json=records, headers=ingest).status_code == 202
    reply = guarded.http.post("/v1/responses", json=[guarded.record("r-9")], headers=ingest)
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "60")
    assert guarded.http.post("/v1/traces", content=b"", headers={**ingest, "Content-Type": "application/x-protobuf"}).status_code == 429
    assert guarded.http.get("/v1/limits", headers=ingest | admin).json()["responses_today"] == 3
    guarded.clock.move(timedelta(minutes=2))
    assert guarded.http.post("/v1/responses", json=[guarded.record("r-9")], headers=ingest).status_code == 202


def test_a_rotated_key_works_beside_its_successor_until_the_grace_is_over(guarded: Api) -> None:
    keys = ApiKeys(guarded.database)
    old, old_secret = keys.create("a", "ci", "viewer", NOON, expires_at=NOON + timedelta(days=90))
    new, new_secret = keys.rotate("a", old.id, NOON, timedelta(hours=2))
    assert (new.name, new.role, new.expires_at) == ("ci", "viewer", NOON + timedelta(days=90))
    assert keys.verify(old_secret, NOON + timedelta(hours=1)) is not None
    assert keys.verify(old_secret, NOON + timedelta(hours=3)) is None
    assert keys.verify(new_secret, NOON + timedelta(hours=3)) is not None

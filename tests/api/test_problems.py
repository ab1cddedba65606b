from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI
from structlog.testing import capture_logs

from monitor import errors
from monitor.api.access import REQUIRED
from monitor.api.models import Problem
from monitor.api.problems import STATUS_OF, status_of
from tests.api.conftest import Api

# What no request can meet: these end the start of a process.
AT_START = {"SettingsInvalid", "AlreadyRunning"}


def test_every_error_of_ours_that_a_request_can_meet_has_a_status() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.GroundwatchError)}
    known = tuple(kind for kind, _ in STATUS_OF)
    rest = {kind.__name__ for kind in kinds if not issubclass(kind, (*known, errors.KeyRefused))}
    assert rest == AT_START | {"GroundwatchError"}
    assert status_of(errors.SettingsInvalid("X", 1, "a", "b")) == 500


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", "/v1/responses/", 404), ("DELETE", "/v1/summary", 405)]
)
def test_unknown_routes_and_methods_are_problems(api: Api, method: str, path: str, status: int) -> None:
    reply = api.http.request(method, path)
    found = Problem.model_validate(reply.json())
    assert (reply.status_code, found.status) == (status, status)
    assert reply.headers["content-type"] == "application/problem+json"
    assert found.remedy == "GET /openapi.json lists every route"


@pytest.mark.parametrize(
    ("content", "field"),
    [(b"{", "$"), (b"[]", "body"), (b'{"reviewer": ""}', "reviewer"), (b'{"reviewer": "a", "x": 1}', "x"), (b"{}", "reviewer")],
)
def test_a_body_that_cannot_be_read_names_the_field_and_the_remedy(api: Api, content: bytes, field: str) -> None:
    reply = api.http.post("/v1/review/next", content=content, headers={"content-type": "application/json"})
    found = Problem.model_validate(reply.json())
    assert (reply.status_code, found.field) == (422, field)
    assert found.remedy


def test_a_small_body_has_a_small_limit(api: Api) -> None:
    reply = api.http.post("/v1/review/next", json={"reviewer": "x" * 2_000_000})
    assert reply.status_code == 413


def test_an_unforeseen_error_says_nothing_of_the_inside(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.reader, "summary", lambda _filter: 1 / 0)
    with capture_logs() as logged:
        reply = api.http.get("/v1/summary")
    assert isinstance(logged[0]["exc_info"], ZeroDivisionError)
    assert reply.status_code == 500
    assert "Zero" not in reply.text
    assert "Traceback" not in reply.text
    assert Problem.model_validate(reply.json()).status == 500


def test_requests_are_measured_by_route_template(api: Api) -> None:
    api.http.get("/v1/responses/r-1")
    api.http.get("/v1/responses/nobody")
    api.http.get("/some/path/somebody/typed")
    exposition = api.http.get("/metrics").text
    assert 'route="/v1/responses/{response_id}",status="200"' in exposition
    assert 'route="/v1/responses/{response_id}",status="404"' in exposition
    assert 'method="unknown",route="unknown",status="404"' in exposition
    assert "somebody" not in exposition
    assert "nobody" not in exposition


def test_metrics_have_the_prefix_and_base_units(api: Api) -> None:
    names = re.findall(r"^# TYPE (\S+)", api.http.get("/metrics").text, re.MULTILINE)
    assert names
    assert all(name.startswith("groundwatch_") for name in names)


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_the_openapi_document_is_valid_and_tells_every_route(api: Api) -> None:
    document = api.http.get("/openapi.json").json()
    OpenAPI.model_validate(document)
    told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert told == set(REQUIRED)
    for reference in references(document):
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
    record = document["components"]["schemas"]["ResponseRecord"]
    assert set(record["required"]) == {"id", "time", "workflow", "answer"}
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert all("application/problem+json" in operation["responses"]["default"]["content"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert "422" not in json.dumps([list(operation["responses"]) for operation in operations])

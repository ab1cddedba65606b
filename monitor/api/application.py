"""The FastAPI application: routes, gate, problems, metrics, and an OpenAPI document that tells all of it."""

from __future__ import annotations

import time
from typing import Any

import anyio
import msgspec
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import monitor
from monitor.api import (
    alerts,
    chain,
    checks,
    erasures,
    evidence,
    letters,
    limits,
    operations,
    otlp,
    overview,
    problems,
    responses,
    responses_in,
    review,
    task_metrics,
)
from monitor.api.access import REQUIRED, SMALL_BODY, FindKey, Gate
from monitor.api.context import Context
from monitor.api.identity import IdTokens
from monitor.api.intake import BODIES_AT_ONCE, Intake
from monitor.api.models import Problem
from monitor.api.principal import Principal
from monitor.metadata.keys import PREFIX, ApiKeys
from monitor.records import ResponseRecord
from monitor.telemetry import Metrics
from monitor.tracing import span

ROUTERS: tuple[APIRouter, ...] = (
    operations.router,
    letters.router,
    limits.router,
    responses_in.router,
    otlp.router,
    checks.router,
    evidence.router,
    responses.router,
    overview.router,
    task_metrics.router,
    alerts.router,
    review.router,
    erasures.router,
    chain.router,
)
_SECURITY = {"apiKey": {"type": "http", "scheme": "bearer", "description": "Not needed on loopback."}}


def create_app(context: Context) -> FastAPI:
    """The application over running stages. Builds nothing and starts nothing by itself."""
    settings = context.settings
    app = FastAPI(
        title="groundwatch",
        version=monitor.__version__,
        summary="Checks what multimodal AI answers claim against their evidence.",
        docs_url=None,  # its page would load scripts from another host
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False},
    )
    app.state.context = context
    app.state.gate = Gate(_find_key(context), single_user=settings.single_user)
    app.state.intake = Intake(BODIES_AT_ONCE * settings.max_body_bytes)
    app.state.check_threads = anyio.CapacityLimiter(checks.WAITING_THREADS)
    app.state.body_limits = {
        ("POST", "/v1/responses"): settings.max_body_bytes,
        ("POST", "/v1/traces"): settings.max_body_bytes,
        ("POST", "/v1/logs"): settings.max_body_bytes,
        ("POST", "/v1/dead-letters/{letter_id}/replay"): 2 * SMALL_BODY,
        ("POST", "/v1/check"): settings.max_body_bytes,
        ("POST", "/v1/checks"): settings.max_body_bytes,
        ("PUT", "/v1/evidence/{sha256}"): settings.max_evidence_bytes,
        ("POST", "/v1/evidence"): settings.max_evidence_bytes + SMALL_BODY,
    }
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app)
    app.add_middleware(RequestTimer, metrics=context.metrics)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _find_key(context: Context) -> FindKey:
    keys = ApiKeys(context.database)
    people = IdTokens(context.settings, context.clock) if context.settings.oidc_issuer else None

    def find(token: str) -> Principal | None:
        if people is not None and not token.startswith(PREFIX):
            return people.verify(token)
        key = keys.verify(token, context.clock.now())
        return None if key is None else Principal(key.project, key.role, key.name)

    return find


class RequestTimer:
    """Measures every request under its route's template; what matches no route counts as ``unknown``."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"}
        try:
            with span(f"{scope['method']} request", parent=headers) as own:
                await self._app(scope, receive, noted)
                if own is not None:
                    own.set_attribute("http.route", getattr(scope.get("route"), "path_format", "unknown"))
                    own.set_attribute("http.response.status_code", status)
        finally:
            route = scope.get("route")
            known = isinstance(route, APIRoute)
            path = route.path_format if isinstance(route, APIRoute) else "unknown"
            method = scope["method"] if known else "unknown"
            self._metrics.requests.labels(method, path, str(status)).observe(time.perf_counter() - started)


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document, with the record's own schema, problems as the error of every route, and keys."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    _, record_schemas = msgspec.json.schema_components([ResponseRecord], ref_template="#/components/schemas/{name}")
    for name, schema in record_schemas.items():
        # A body of the API and a struct of the record must not share a name.
        if name in schemas:
            raise LookupError(f"two schemas are called {name}")
        schemas[name] = schema
    schemas["Problem"] = Problem.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["securitySchemes"] = _SECURITY
    error = {
        "description": "What went wrong, which field, and the remedy",
        "content": {problems.PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            operation["responses"].pop("422", None)
            operation["responses"].setdefault("default", error)
            needed = REQUIRED[method.upper(), path]
            if needed is not None:
                operation["security"] = [{"apiKey": []}, {}]
                operation["description"] = f"{operation.get('description', '')}\n\nNeeds the role {needed}.".strip()
    app.openapi_schema = document
    return document

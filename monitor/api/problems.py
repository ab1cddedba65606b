"""Every error leaves as RFC 9457 problem details; no stack trace reaches a client.

One table says which of our errors becomes which status. Anything that is not in it is our bug: the client hears 500,
the log gets the traceback.
"""

from __future__ import annotations

import http
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from monitor.api.models import Problem
from monitor.errors import (
    BodyTooLarge,
    BodyUnsupported,
    Conflict,
    EvidenceMissing,
    EvidenceRefused,
    GroundwatchError,
    KeyRefused,
    MetadataUnavailable,
    MigrationRequired,
    NotFound,
    RecordInvalid,
    SealBroken,
    SlowDown,
    StorageUnavailable,
    StoreRefused,
    StoreUnavailable,
)

PROBLEM_TYPE = "application/problem+json"
# The first class an error is an instance of decides.
STATUS_OF: tuple[tuple[type[GroundwatchError], int], ...] = (
    (RecordInvalid, 400),
    (SlowDown, 429),
    (StorageUnavailable, 507),
    (BodyTooLarge, 413),
    (BodyUnsupported, 415),
    (EvidenceRefused, 422),
    (SealBroken, 422),
    (EvidenceMissing, 404),
    (NotFound, 404),
    (Conflict, 409),
    (StoreUnavailable, 503),
    (StoreRefused, 500),
    (MetadataUnavailable, 503),
    (MigrationRequired, 503),
)
STORE_RETRY_S = 5
CHALLENGE = 'Bearer realm="groundwatch"'
# What is our fault is told to the log, not to a client.
OUR_FAULT = "groundwatch failed on this request; its log says why"

log = structlog.get_logger(__name__)


def problem(
    status: int, detail: str, *, field: str | None = None, remedy: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """A problem body as a response; ``title`` is the status' own phrase, as ``about:blank`` asks for."""
    body = Problem(title=http.HTTPStatus(status).phrase, status=status, detail=detail, field=field, remedy=remedy)
    return Response(body.model_dump_json(exclude_none=True), status, headers, PROBLEM_TYPE)


def status_of(error: GroundwatchError) -> int:
    """HTTP status of one of our errors; 500 where the table does not know it."""
    if isinstance(error, KeyRefused):
        return 403 if error.known else 401
    return next((status for kind, status in STATUS_OF if isinstance(error, kind)), 500)


def problem_of(error: GroundwatchError) -> Response:
    """One of our errors as a problem."""
    status = status_of(error)
    if status == 500:
        return problem(status, OUR_FAULT)
    headers: dict[str, str] = {}
    if isinstance(error, SlowDown):
        headers["Retry-After"] = str(error.retry_after_s)
    elif isinstance(error, (StoreUnavailable, MetadataUnavailable)):
        headers["Retry-After"] = str(STORE_RETRY_S)
    elif status == 401:
        headers["WWW-Authenticate"] = CHALLENGE
    elif status == 415:
        headers["Accept-Encoding"] = "gzip"
    return problem(status, str(error), field=_field_of(error), remedy=getattr(error, "remedy", None), headers=headers)


def _field_of(error: GroundwatchError) -> str | None:
    if isinstance(error, RecordInvalid):
        return error.field
    if isinstance(error, BodyUnsupported):
        return error.header
    return error.evidence if isinstance(error, EvidenceRefused) else None


def note_fault(request: Request, error: GroundwatchError) -> None:
    """Log what is not the caller's fault, and remember that the disk refuses writes.

    Clients whose records a full disk refuses try again and again, which would fill it with lines.
    """
    news = request.app.state.context.write_refused(error) if isinstance(error, StorageUnavailable) else True
    if news and status_of(error) >= 500:
        log.error("request failed", method=request.method, path=request.url.path, error=str(error))


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, GroundwatchError)  # noqa: S101 - narrows the type Starlette's signature widened
    note_fault(request, error)
    return problem_of(error)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - narrows the type Starlette's signature widened
    detail, remedy = str(error.detail), None
    if error.status_code == 404 and error.detail == "Not Found":
        detail, remedy = f"there is no {request.url.path}", "GET /openapi.json lists every route"
    elif error.status_code == 405:
        detail, remedy = f"{request.url.path} does not take {request.method}", "GET /openapi.json lists every route"
    return problem(error.status_code, detail, remedy=remedy, headers=dict(error.headers or {}))


async def _validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - narrows the type Starlette's signature widened
    first: dict[str, Any] = error.errors()[0]
    place, *path = [str(part) for part in first["loc"]]
    field = ".".join(path) or place
    wrong = first["msg"][0].lower() + first["msg"][1:]
    if first["type"] == "extra_forbidden":
        remedy = "Remove it"
    elif first["type"] == "missing":
        remedy = f"Add it to the {place}"
    elif first["type"] == "json_invalid":
        field, remedy = "$", "Send JSON"
    else:
        remedy = f"Correct it in the {place}"
    return problem(422, f"{field}: {wrong}", field=field, remedy=remedy)


async def _cut_short(_request: Request, _error: Exception) -> Response:
    # The client went away in the middle of its body: nobody reads this answer, and nothing of ours is broken.
    return problem(400, "the request was cut short", remedy="Send the whole body")


async def _unforeseen(request: Request, error: Exception) -> Response:
    log.error("unforeseen error", method=request.method, path=request.url.path, exc_info=error)
    return problem(500, OUR_FAULT)


def install(app: FastAPI) -> None:
    """Make ``app`` answer every error with a problem."""
    app.add_exception_handler(GroundwatchError, _ours)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(ClientDisconnect, _cut_short)
    app.add_exception_handler(Exception, _unforeseen)

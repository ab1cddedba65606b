"""Who may do what: one table of routes and roles, and the route class that enforces it before a body is read.

On loopback there is one user who needs no key: project ``default``, role ``admin``. Anywhere else, and wherever an
``Authorization`` header is sent, the key decides. A route that is missing in the table stops the start.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from threading import Lock
from typing import Annotated, Any, Protocol
from urllib.parse import urlsplit

import msgspec
from fastapi import Depends, HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.types import Message

from monitor.api.principal import SINGLE_USER, Principal
from monitor.errors import BodyTooLarge, KeyRefused, RecordInvalid
from monitor.metadata.keys import Role
from monitor.settings import LOOPBACK

# Method and path → the least role that may; None = anybody.
REQUIRED: dict[tuple[str, str], Role | None] = {
    ("GET", "/healthz"): None,
    ("GET", "/readyz"): None,
    ("GET", "/metrics"): "viewer",
    ("POST", "/v1/responses"): "ingest",
    ("POST", "/v1/traces"): "ingest",
    ("POST", "/v1/logs"): "ingest",
    ("POST", "/v1/check"): "ingest",
    ("POST", "/v1/checks"): "ingest",
    ("GET", "/v1/checks/{check_id}"): "ingest",
    ("PUT", "/v1/evidence/{sha256}"): "ingest",
    ("POST", "/v1/evidence"): "ingest",
    ("GET", "/v1/evidence/{sha256}"): "viewer",
    ("GET", "/v1/responses"): "viewer",
    ("GET", "/v1/responses/{response_id}"): "viewer",
    ("GET", "/v1/summary"): "viewer",
    ("GET", "/v1/trends"): "viewer",
    ("GET", "/v1/task-metrics"): "viewer",
    ("GET", "/v1/facets"): "viewer",
    ("GET", "/v1/alerts"): "viewer",
    ("GET", "/v1/alerts/{alert_id}"): "viewer",
    ("POST", "/v1/alerts/{alert_id}/acknowledge"): "operator",
    ("POST", "/v1/alerts/{alert_id}/resolve"): "operator",
    ("GET", "/v1/alert-rules"): "viewer",
    ("POST", "/v1/alert-rules"): "operator",
    ("PUT", "/v1/alert-rules/{rule_id}"): "operator",
    ("DELETE", "/v1/alert-rules/{rule_id}"): "operator",
    ("GET", "/v1/review"): "viewer",
    ("POST", "/v1/review/next"): "reviewer",
    ("GET", "/v1/review/{item_id}"): "viewer",
    ("POST", "/v1/review/{item_id}/verdicts"): "reviewer",
    ("POST", "/v1/review/{item_id}/release"): "reviewer",
    ("POST", "/v1/review/{item_id}/skip"): "reviewer",
    ("POST", "/v1/review/{item_id}/undo"): "reviewer",
    ("POST", "/v1/responses/{response_id}/review"): "reviewer",
    ("GET", "/v1/responses/{response_id}/chain"): "operator",
    ("POST", "/v1/erasures"): "admin",
    ("GET", "/v1/erasures"): "admin",
    ("GET", "/v1/erasures/{erasure_id}"): "admin",
    ("GET", "/v1/limits"): "viewer",
    ("PUT", "/v1/limits"): "admin",
    ("GET", "/v1/audit"): "operator",
    ("POST", "/v1/detection/resume"): "operator",
    ("GET", "/v1/jobs"): "viewer",
    ("POST", "/v1/jobs/{name}/run"): "operator",
    ("GET", "/v1/dead-letters"): "operator",
    ("POST", "/v1/dead-letters/replay"): "operator",
    ("GET", "/v1/dead-letters/{letter_id}"): "operator",
    ("POST", "/v1/dead-letters/{letter_id}/replay"): "operator",
    ("POST", "/v1/dead-letters/{letter_id}/discard"): "operator",
    ("GET", "/v1/status"): "viewer",
}
# Bodies of everything else are small JSON; these two stream to disk or have a limit of their own.
SMALL_BODY = 1024 * 1024


class FindKey(Protocol):
    """Looks a token up; None where it is unknown, expired or revoked. May raise KeyRefused with a better reason."""

    def __call__(self, token: str) -> Principal | None: ...


class Gate:
    """Decides about one request. Keys are remembered for ``remember_s`` so that load does not reach the database."""

    def __init__(self, find_key: FindKey, *, single_user: bool, remember_s: float = 5.0) -> None:
        self._find_key = find_key
        self._single_user = single_user
        self._remember_s = remember_s
        self._known: dict[str, tuple[float, Principal]] = {}
        self._lock = Lock()

    async def admit(self, request: Request, needed: Role | None) -> Principal | None:
        """The principal; None on an open route. Raises KeyRefused."""
        if self._single_user:
            _refuse_foreign_pages(request)
        if needed is None:
            return None
        header = request.headers.get("authorization", "")
        if not header and self._single_user:
            return SINGLE_USER
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise KeyRefused("no API key was sent", "Send `Authorization: Bearer <key>`", known=False)
        principal = await self._principal(token.strip())
        if not principal.may(needed):
            problem = f"{principal.key_name or 'the caller'} has the role {principal.role}, this needs {needed}"
            raise KeyRefused(problem, f"Use a key created with --role {needed}, or sign in as somebody who has that role", known=True)
        return principal

    async def _principal(self, token: str) -> Principal:
        now = time.monotonic()
        digest = hashlib.sha256(token.encode()).hexdigest()
        with self._lock:
            held = self._known.get(digest)
        if held is not None and now - held[0] < self._remember_s:
            return held[1]
        found = await run_in_threadpool(self._find_key, token)
        with self._lock:
            self._known = {key: value for key, value in self._known.items() if now - value[0] < self._remember_s}
            if found is not None:
                self._known[digest] = (now, found)
        if found is None:
            raise KeyRefused("the API key is unknown, expired or revoked", "Create one with `groundwatch keys create`", known=False)
        return found


def _refuse_foreign_pages(request: Request) -> None:
    """Keep web pages out of a sidecar that asks nobody for a key.

    A page the user happens to visit can reach loopback: by a name that resolves to it (DNS rebinding, seen in Host)
    or by a form post (seen in Origin).
    """
    host = _host_in(f"//{request.headers.get('host', '')}")
    origin = request.headers.get("origin")
    remedy = "Call it as http://127.0.0.1, or create a key and start with --host"
    if host not in LOOPBACK:
        raise KeyRefused(f"the Host header {str(host)[:80]!r} is not this machine", remedy, known=True)
    if origin is not None and _host_in(origin) not in LOOPBACK:
        raise KeyRefused(f"requests from the page {origin[:80]!r} are not taken", remedy, known=True)


def _host_in(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:  # a bracket that is never closed
        return None


class GuardedRoute(APIRoute):
    """A route that asks the gate first, then reads a body no larger than its limit."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The handler FastAPI made, behind the gate."""
        answer = super().get_route_handler()
        path = self.path_format
        missing = [method for method in self.methods or () if (method, path) not in REQUIRED]
        if missing:
            raise LookupError(f"{missing[0]} {path} has no role in monitor.api.access.REQUIRED")

        async def guarded(request: Request) -> Response:
            needed = REQUIRED[request.method, path]
            _refuse_nul(request)
            request.state.principal = await request.app.state.gate.admit(request, needed)
            limit = request.app.state.body_limits.get((request.method, path), SMALL_BODY)
            return await answer(_limited(request, limit))

        return guarded


def _refuse_nul(request: Request) -> None:
    # No text that the service stores or compares holds NUL; PostgreSQL cannot even be asked about one.
    if "\x00" in request.scope["path"]:
        raise RecordInvalid("path", "holds a NUL character", "Remove it")
    if b"%00" in request.scope["query_string"]:
        raise RecordInvalid("query", "holds a NUL character", "Remove it")


class _StrictRequest(Request):
    """A request whose JSON is read by the book: UTF-8, no NaN, no lone surrogates. Python's reader lets all of them in."""

    async def json(self) -> Any:
        """The body. Raises JSONDecodeError, which FastAPI reports as an unreadable body."""
        body = await self.body()
        try:
            return msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise json.JSONDecodeError(str(error), "", 0) from None


def _limited(request: Request, limit: int) -> Request:
    """The same request, whose body ends with 413 once it is larger than ``limit`` bytes.

    Raises:
        BodyTooLarge: its Content-Length already says so.
    """
    remedy = "Send less at once"
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise BodyTooLarge("the request body", limit, remedy)
    received = 0
    receive = request.receive

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            # FastAPI lets only its own exception pass from inside body parsing.
            raise HTTPException(413, f"the request body is larger than {limit} bytes. {remedy}")
        return message

    return _StrictRequest(request.scope, counted)


async def _principal_of(request: Request) -> Principal:
    principal: Any = request.state.principal
    if not isinstance(principal, Principal):
        raise LookupError("an open route asks who is calling")
    return principal


Who = Annotated[Principal, Depends(_principal_of)]

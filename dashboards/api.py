"""The sidecar's HTTP API as typed calls; answers are kept for a few seconds so that a page of charts loads fast.

Environment: ``GROUNDWATCH_API_URL`` (default ``http://127.0.0.1:4318``) and ``GROUNDWATCH_API_KEY`` (none on loopback).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec
import streamlit as st

from dashboards import bodies, task_bodies

DEFAULT_URL = "http://127.0.0.1:4318"
FRESH_S = 8
TIMEOUT_S = 20.0
MAX_MEDIA_BYTES = 64 * 1024 * 1024
Params = tuple[tuple[str, str], ...]
T = TypeVar("T")


class ApiFailed(Exception):
    """The API refused or failed; ``title`` says what, ``detail`` why and ``remedy`` what to do."""

    def __init__(self, title: str, detail: str, remedy: str | None = None, status: int | None = None) -> None:
        super().__init__(f"{title}: {detail}")
        self.title, self.detail, self.remedy, self.status = title, detail, remedy, status


class ApiUnreachable(ApiFailed):
    """Nothing answers at the address."""

    def __init__(self, url: str, detail: str) -> None:
        super().__init__(f"The sidecar at {url} does not answer", f"Start it with `groundwatch up`. ({detail})", "groundwatch up")


class EvidenceTooLarge(ApiFailed):
    """The media file is larger than a page can carry."""

    def __init__(self, size: int) -> None:
        super().__init__("Too large to show here", f"The file has {size:,} bytes; the dashboard plays up to {MAX_MEDIA_BYTES:,}.")


def base_url() -> str:
    """Where the sidecar is."""
    return os.environ.get("GROUNDWATCH_API_URL", "").rstrip("/") or DEFAULT_URL


@st.cache_resource(show_spinner=False, max_entries=256, on_release=httpx.Client.close)
def _client(url: str, key: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    # No proxies from the environment: the sidecar is on loopback or inside the cluster.
    return httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False)


def sign_in_needed() -> bool:
    """Whether people sign in here."""
    return os.environ.get("GROUNDWATCH_SIGN_IN") == "1"


def _key() -> str:
    """What this visitor shows the sidecar: their own ID token where people sign in, else the dashboard's key."""
    if sign_in_needed():
        return str(st.user.tokens.get("id") or "") if st.user.is_logged_in else ""
    return os.environ.get("GROUNDWATCH_API_KEY", "")


def _send(method: str, path: str, params: Params = (), body: Mapping[str, Any] | None = None) -> httpx.Response:
    url = base_url()
    try:
        reply = _client(url, _key()).request(method, path, params=params, json=body)
    except httpx.TimeoutException as error:
        raise ApiFailed(f"The sidecar at {url} took too long", f"No answer within {TIMEOUT_S:.0f} s to {method} {path}") from error
    except httpx.TransportError as error:
        raise ApiUnreachable(url, str(error)) from error
    if reply.is_success:
        return reply
    raise _failure(reply)


def _failure(reply: httpx.Response) -> ApiFailed:
    if reply.status_code in (401, 403) and sign_in_needed():
        problem = reply.json() if reply.headers.get("content-type", "").startswith("application/") else {}
        title = "You are signed out" if reply.status_code == 401 else "You may not do this"
        return ApiFailed(title, str(problem.get("detail", "")), _remedy_in(problem), reply.status_code)
    if reply.status_code in (401, 403):
        detail = "Set GROUNDWATCH_API_KEY to a key whose role allows this, and start the dashboard again"
        return ApiFailed("The sidecar refused the key", detail, status=reply.status_code)
    try:
        problem = reply.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    stated = problem.get("detail")
    shown = stated if isinstance(stated, str) else reply.text[:300] or "no reason given"
    field = f"{problem['field']}: " if problem.get("field") else ""
    return ApiFailed(str(problem.get("title") or f"HTTP {reply.status_code}"), field + shown, _remedy_in(problem), reply.status_code)


def _remedy_in(problem: Mapping[str, Any]) -> str | None:
    """The remedy, where the detail does not already end with it."""
    remedy = problem.get("remedy")
    return None if remedy is None or str(problem.get("detail", "")).endswith(remedy) else str(remedy)


@st.cache_data(ttl=FRESH_S, max_entries=256, show_spinner=False)
def _read(url: str, key: str, path: str, params: Params) -> bytes:
    # The key is part of what is remembered: nobody is shown what somebody else may see.
    return _send("GET", path, params).content


def _get(kind: type[T], path: str, params: Params = ()) -> T:
    return _decode(_read(base_url(), _key(), path, params), kind, path)


def _post(kind: type[T], path: str, body: Mapping[str, Any] | None = None, method: str = "POST") -> T | None:
    reply = _send(method, path, body=body)
    # What was just changed must be seen at once.
    _read.clear()
    return _decode(reply.content, kind, path) if reply.status_code != 204 else None


def _decode(content: bytes, kind: type[T], path: str) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        detail = f"{path}: {error}"
        raise ApiFailed("The sidecar's answer does not fit this dashboard", detail, "Install the same version of both") from error


def _part(identifier: str) -> str:
    return quote(identifier, safe="")


# --- reading ------------------------------------------------------------------------------------------------------


def summary(filters: Params) -> bodies.Summary:
    """Key figures of a window."""
    return _get(bodies.Summary, "/v1/summary", filters)


def trends(filters: Params) -> bodies.Trends:
    """Key figures over time; the sidecar chooses the bucket."""
    return _get(bodies.Trends, "/v1/trends", (*filters, ("bucket", "auto")))


def task_quality(filters: Params, by: str) -> task_bodies.TaskQualities:
    """How well the answering model did, by group."""
    return _get(task_bodies.TaskQualities, "/v1/task-metrics", (*filters, ("by", by)))


def facets(window: Params) -> bodies.Facets:
    """Values to filter by in a window."""
    return _get(bodies.Facets, "/v1/facets", tuple(pair for pair in window if pair[0] in ("since", "until")))


def responses(filters: Params, limit: int, cursor: str | None = None) -> bodies.ResponsePage:
    """One page of the list."""
    return _get(bodies.ResponsePage, "/v1/responses", (*filters, ("limit", str(limit)), *((("cursor", cursor),) if cursor else ())))


def response(response_id: str) -> bodies.ResponseDetail:
    """Everything about one response."""
    return _get(bodies.ResponseDetail, f"/v1/responses/{_part(response_id)}")


def alerts(state: str | None, limit: int = 100, cursor: str | None = None) -> bodies.AlertPage:
    """Alerts in a state, or all."""
    given = (("state", state), ("limit", str(limit)), ("cursor", cursor))
    return _get(bodies.AlertPage, "/v1/alerts", tuple((name, value) for name, value in given if value))


def alert(alert_id: str) -> bodies.AlertView:
    """One alert."""
    return _get(bodies.AlertView, f"/v1/alerts/{_part(alert_id)}")


def alert_rules() -> list[bodies.AlertRuleView]:
    """Every rule."""
    return _get(list[bodies.AlertRuleView], "/v1/alert-rules")


def review_queue(limit: int = 1) -> bodies.ReviewPage:
    """Counts of the queue and its next items."""
    return _get(bodies.ReviewPage, "/v1/review", (("state", "queued"), ("limit", str(limit))))


def status() -> bodies.Status:
    """How the sidecar is doing."""
    return _get(bodies.Status, "/v1/status")


def jobs() -> list[bodies.JobView]:
    """Scheduled jobs."""
    return _get(bodies.JobList, "/v1/jobs").items


def dead_letters(state: str | None, cursor: str | None = None) -> bodies.DeadLetterPage:
    """What could not be processed: a page of those in a state, or of all."""
    given = (("limit", "50"), ("state", state), ("cursor", cursor))
    return _get(bodies.DeadLetterPage, "/v1/dead-letters", tuple((name, value) for name, value in given if value))


def dead_letter(letter_id: str) -> bodies.DeadLetterDetail:
    """One of them with what it held."""
    return _get(bodies.DeadLetterDetail, f"/v1/dead-letters/{_part(letter_id)}")


def audit(limit: int = 50, cursor: str | None = None) -> bodies.AuditPage:
    """Who did what."""
    return _get(bodies.AuditPage, "/v1/audit", (("limit", str(limit)), *((("cursor", cursor),) if cursor else ())))


@st.cache_data(ttl=3600, max_entries=48, max_size="256MB", show_spinner=False)
def _blob(url: str, key: str, path: str, params: Params) -> bytes:
    # The size is asked before the bytes are read: a two-hour recording must not land in this process.
    client = _client(url, key)
    try:
        with client.stream("GET", path, params=params) as reply:
            announced = int(reply.headers.get("content-length", 0))
            if announced > MAX_MEDIA_BYTES:
                raise EvidenceTooLarge(announced)
            reply.read()
    except httpx.TransportError as error:
        raise ApiUnreachable(url, str(error)) from error
    if reply.is_success:
        return reply.content
    raise _failure(reply)


def picture(path: str, width: int = 1400, page: int | None = None) -> bytes:
    """A picture at most ``width`` pixels wide, or one rendered page of a document."""
    return _blob(base_url(), _key(), path, (("width", str(width)), *((("page", str(page)),) if page else ())))


def media(path: str) -> bytes:
    """The bytes of a recording. Raises EvidenceTooLarge above 64 MiB."""
    return _blob(base_url(), _key(), path, ())


# --- changing -----------------------------------------------------------------------------------------------------


def acknowledge(alert_id: str, actor: str) -> None:
    """Take an alert."""
    _post(bodies.AlertView, f"/v1/alerts/{_part(alert_id)}/acknowledge", {"actor": actor})


def resolve(alert_id: str, actor: str) -> None:
    """Close an alert."""
    _post(bodies.AlertView, f"/v1/alerts/{_part(alert_id)}/resolve", {"actor": actor})


def enable_rule(rule: bodies.AlertRuleView, enabled: bool) -> None:
    """Switch a rule on or off."""
    body = {"kind": rule.kind, "workflow": rule.workflow, "severity": rule.severity, "enabled": enabled, "params": rule.params}
    _post(bodies.AlertRuleView, f"/v1/alert-rules/{_part(rule.id)}", body, "PUT")


def request_review(response_id: str, actor: str) -> bodies.ReviewItemView | None:
    """Put a response into the review queue."""
    return _post(bodies.ReviewItemView, f"/v1/responses/{_part(response_id)}/review", {"actor": actor})


def claim_next(reviewer: str, workflow: str | None) -> bodies.ReviewItemView | None:
    """Take the next item of the queue; None when it is empty."""
    body = {"reviewer": reviewer, **({"workflow": workflow} if workflow else {})}
    return _post(bodies.ReviewItemView, "/v1/review/next", body)


def review_item(item_id: str) -> bodies.ReviewItemView:
    """One item of the queue as it stands now."""
    return msgspec.json.decode(_send("GET", f"/v1/review/{_part(item_id)}").content, type=bodies.ReviewItemView)


def judge(item_id: str, reviewer: str, verdicts: Sequence[Mapping[str, Any]]) -> None:
    """Send all verdicts on an item."""
    _post(bodies.ReviewItemView, f"/v1/review/{_part(item_id)}/verdicts", {"reviewer": reviewer, "verdicts": list(verdicts)})


def hand_back(item_id: str, actor: str, how: str) -> bodies.ReviewItemView | None:
    """``release``, ``skip`` or ``undo`` an item."""
    return _post(bodies.ReviewItemView, f"/v1/review/{_part(item_id)}/{how}", {"actor": actor})


def run_job(name: str) -> None:
    """Start a job now."""
    _post(bodies.JobView, f"/v1/jobs/{_part(name)}/run")


def replay_letter(letter_id: str, actor: str, payload: str | None) -> None:
    """Send a dead letter through again; ``payload`` is what it holds now."""
    _post(bodies.DeadLetterView, f"/v1/dead-letters/{_part(letter_id)}/replay", {"actor": actor, "payload": payload})


def discard_letter(letter_id: str, actor: str) -> None:
    """Give a dead letter up."""
    _post(bodies.DeadLetterView, f"/v1/dead-letters/{_part(letter_id)}/discard", {"actor": actor})


def replay_waiting(actor: str) -> bodies.ReplayReport | None:
    """Send all waiting dead letters through again."""
    return _post(bodies.ReplayReport, "/v1/dead-letters/replay", {"actor": actor})


def resume_detection() -> None:
    """Let detection go on after it had stopped itself."""
    _post(bodies.Resumed, "/v1/detection/resume")

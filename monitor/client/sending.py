"""The client's side of the wire: requests to one sidecar, and what its answers mean. httpx is loaded at the first of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from monitor.errors import GroundwatchError
from monitor.records import ResponseRecord, encode_response

if TYPE_CHECKING:
    import httpx

DEFAULT_URL = "http://127.0.0.1:4318"
_CHUNK = 1 << 20
_PASSING = (408, 429, 502, 503, 504, 507)


class ClientError(GroundwatchError):
    """groundwatch did not take the request. ``permanent`` says whether sending the same again can help."""

    def __init__(self, status: int | None, detail: str, *, permanent: bool, retry_after_s: float | None = None) -> None:
        self.status = status
        self.permanent = permanent
        self.retry_after_s = retry_after_s
        super().__init__(detail)


class ItemReply(msgspec.Struct, frozen=True):
    """What happened to one record: ``accepted``, ``duplicate`` or ``refused`` with field, problem and remedy."""

    index: int
    status: str
    id: str | None = None
    field: str | None = None
    problem: str | None = None
    remedy: str | None = None


class Reply(msgspec.Struct, frozen=True):
    """The answer to one request, item by item in the order sent."""

    accepted: int
    duplicates: int
    refused: int
    items: tuple[ItemReply, ...]


class CheckedClaim(msgspec.Struct, frozen=True):
    """One claim of a checked answer: ``hallucinated``, ``supported`` or ``not_checked``; ``findings`` say why."""

    text: str
    verdict: str
    span: tuple[int, int] | None = None
    score: float | None = None
    findings: tuple[dict[str, Any], ...] = ()


class CheckReply(msgspec.Struct, frozen=True):
    """What a check on demand found. ``unfinished`` names detectors that the deadline cut off."""

    verdict: str
    complete: bool
    claims: tuple[CheckedClaim, ...]
    unfinished: tuple[str, ...] = ()

    @property
    def flagged(self) -> bool:
        """Whether any claim is hallucinated."""
        return self.verdict == "hallucinated"


_reply = msgspec.json.Decoder(Reply)
_check_reply = msgspec.json.Decoder(CheckReply)
# How long after the deadline the answer may still be on its way.
_GRACE_S = 10.0


class Connection:
    """Connections to one sidecar, opened at the first request. Thread-safe.

    Args:
        url: address of ``groundwatch serve``.
        key: API key, where the sidecar asks for one.
        timeout_s: seconds each network step may take.
        transport: how httpx connects, for instance through a Unix socket.
    """

    def __init__(self, url: str, key: str | None, timeout_s: float, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._timeout_s = timeout_s
        self._transport = transport
        self._opened: httpx.Client | None = None

    def close(self) -> None:
        """Close what is open."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def forget(self) -> None:
        """After a fork: the sockets belong to the parent."""
        self._opened = None

    def send(self, records: Sequence[ResponseRecord], *, keep_references: bool = False) -> Reply:
        """Log records; refused ones are named in the reply and cost no neighbour. Raises ClientError."""
        path = "/v1/responses?references=keep" if keep_references else "/v1/responses"
        body = b"[" + b",".join(encode_response(record) for record in records) + b"]"
        response = self._request("POST", path, content=body, headers={"Content-Type": "application/json"})
        # 400 with items = every item was refused; any other 400 is about the request itself.
        if response.status_code == 400 and response.headers.get("content-type", "").startswith("application/json"):
            return _reply.decode(response.content)
        _check(response)
        return _reply.decode(response.content)

    def upload(self, source: Path | bytes, media_type: str, sha256: str | None = None) -> str:
        """Store one piece of evidence and return its SHA-256. Raises ClientError, OSError."""
        sha256 = sha256 or hash_of(source)
        content = source if isinstance(source, bytes) else _pieces(source)
        headers = {"Content-Type": media_type}
        if not isinstance(source, bytes):
            headers["Content-Length"] = str(source.stat().st_size)
        _check(self._request("PUT", f"/v1/evidence/{sha256}", content=content, headers=headers))
        return sha256

    def check(self, record: ResponseRecord, detectors: Sequence[str] | None, deadline_s: float) -> CheckReply:
        """Check an answer now. Raises ClientError."""
        body: dict[str, Any] = {"response": msgspec.to_builtins(record), "deadline_ms": max(1, round(deadline_s * 1000))}
        if detectors is not None:
            body["detectors"] = list(detectors)
        headers = {"Content-Type": "application/json"}
        timeout = deadline_s + _GRACE_S
        response = self._request("POST", "/v1/check", content=msgspec.json.encode(body), headers=headers, timeout=timeout)
        _check(response)
        return _check_reply.decode(response.content)

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        import httpx

        try:
            if self._opened is None:
                # Proxy variables are for the outside world, not for a sidecar.
                self._opened = httpx.Client(
                    base_url=self.url, headers=self._headers, timeout=self._timeout_s, trust_env=False, transport=self._transport
                )
            return self._opened.request(method, path, **options)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            detail = f"{self.url!r} is no address of a sidecar ({error}). Give Client a url such as {DEFAULT_URL}"
            raise ClientError(None, detail, permanent=True) from error
        except httpx.TransportError as error:
            detail = f"cannot reach groundwatch at {self.url}: {error or type(error).__name__}. Is `groundwatch serve` running?"
            raise ClientError(None, detail, permanent=False) from error


def hash_of(source: Path | bytes) -> str:
    """SHA-256 of a file or of bytes, in hex. Raises OSError."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with source.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while piece := stream.read(_CHUNK):
            yield piece


def _check(response: httpx.Response) -> None:
    if response.is_success:
        return
    try:
        problem: Mapping[str, Any] = msgspec.json.decode(response.content, type=dict[str, Any])
        detail = str(problem.get("detail", response.reason_phrase))
    except msgspec.MsgspecError:
        detail = response.reason_phrase  # not ours: a proxy in between answered
    wait = response.headers.get("retry-after", "")
    raise ClientError(
        response.status_code,
        f"groundwatch answered {response.status_code}: {detail}",
        permanent=response.status_code not in _PASSING,
        retry_after_s=float(wait) if wait.isdigit() else None,
    )

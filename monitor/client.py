"""What an application needs to log responses: httpx and msgspec, nothing else.

    with Client() as client:
        client.log_response(
            id="r-1", workflow="invoice-qa", question="What is the total?", answer="The total is 41.20 EUR.",
            files={"page": "invoice.png"},
        )

Evidence goes up first, by its hash, then the record; both may be sent again without doubling anything.
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import msgspec

from monitor.errors import GroundwatchError, RecordInvalid
from monitor.records import ResponseRecord, encode_response, parse_response

DEFAULT_URL = "http://127.0.0.1:4318"
_CHUNK = 1 << 20


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


_reply = msgspec.json.Decoder(Reply)


class Client:
    """Sends to one groundwatch sidecar. Thread-safe, and cheap to keep for the life of a process.

    Args:
        url: address of ``groundwatch serve``.
        key: API key, where the sidecar asks for one.
        timeout_s: seconds each network step may take.
        transport: how httpx connects, for instance through a Unix socket.
    """

    def __init__(
        self, url: str = DEFAULT_URL, key: str | None = None, timeout_s: float = 30.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        # Proxy variables are for the outside world, not for a sidecar.
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s, trust_env=False, transport=transport)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def log_response(
        self,
        record: ResponseRecord | Mapping[str, Any] | None = None,
        *,
        files: Mapping[str, Path | str | bytes] | None = None,
        **fields: Any,
    ) -> ItemReply:
        """Log one response, given as a record, as a mapping of its fields, or as keyword arguments.

        Among the fields ``answer`` and ``question`` may be plain text, and ``time`` is now unless it is given.
        ``files`` gives evidence, by its id, as a path or as bytes: it is uploaded and referenced by its hash. A path
        without an entry in ``evidence`` gets one, with the media type its name says.

        Returns the item: ``accepted`` (on the sidecar's disk) or ``duplicate``.

        Raises:
            RecordInvalid: the record breaks the contract, here or there; names the field and the remedy.
            ClientError: the sidecar cannot be reached or did not take it now.
        """
        if (record is None) == (not fields):
            raise RecordInvalid("$", "needs either a record or its fields", "Pass a ResponseRecord, a mapping, or keyword arguments")
        whole = record if isinstance(record, ResponseRecord) else _record_of(record or fields, files or {})
        sent = self.with_files(whole, files or {})
        item = self.send([sent]).items[0]
        if item.status == "refused":
            raise RecordInvalid(item.field or "$", item.problem or "was refused", item.remedy or "Correct it")
        return item

    def send(self, records: Sequence[ResponseRecord]) -> Reply:
        """Log several responses at once; refused ones are named in the reply and cost no neighbour. Raises ClientError."""
        body = b"[" + b",".join(encode_response(record) for record in records) + b"]"
        response = self._request("POST", "/v1/responses", content=body, headers={"Content-Type": "application/json"})
        # 400 with items = every item was refused; any other 400 is about the request itself.
        if response.status_code == 400 and response.headers.get("content-type", "").startswith("application/json"):
            return _reply.decode(response.content)
        _check(response)
        return _reply.decode(response.content)

    def upload(self, source: Path | str | bytes, media_type: str = "application/octet-stream") -> str:
        """Store one piece of evidence and return its ``sha256:`` uri. Raises ClientError, OSError."""
        sha256 = _hash_of(source)
        content = source if isinstance(source, bytes) else _pieces(Path(source))
        headers = {"Content-Type": media_type}
        if not isinstance(source, bytes):
            headers["Content-Length"] = str(Path(source).stat().st_size)
        _check(self._request("PUT", f"/v1/evidence/{sha256}", content=content, headers=headers))
        return f"sha256:{sha256}"

    def with_files(self, record: ResponseRecord, files: Mapping[str, Path | str | bytes]) -> ResponseRecord:
        """The record with these files uploaded and referenced by their hashes."""
        known = {evidence.id for evidence in record.evidence}
        for name in files:
            if name not in known:
                raise RecordInvalid("files", f"{name!r} is the id of no evidence", "Name the evidence with its media_type in `evidence`")
        evidence = tuple(
            msgspec.structs.replace(piece, uri=self.upload(files[piece.id], piece.media_type), content=None, sha256=None)
            if piece.id in files
            else piece
            for piece in record.evidence
        )
        return msgspec.structs.replace(record, evidence=evidence)

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.TransportError as error:
            detail = f"cannot reach groundwatch at {self._http.base_url}: {error or type(error).__name__}. Is `groundwatch serve` running?"
            raise ClientError(None, detail, permanent=False) from error


def _record_of(fields: Mapping[str, Any], files: Mapping[str, Path | str | bytes]) -> ResponseRecord:
    given = {name: value for name, value in fields.items() if value is not None}
    given.setdefault("time", datetime.now(UTC))
    for name in ("answer", "question"):
        if isinstance(given.get(name), str):
            given[name] = {"text": given[name]}
    evidence: list[dict[str, Any]] = [msgspec.to_builtins(piece) for piece in given.get("evidence", ())]
    named = {piece.get("id") for piece in evidence}
    evidence += [{"id": name, "media_type": _type_of(name, source)} for name, source in files.items() if name not in named]
    for piece in evidence:
        if piece.get("id") in files and "uri" not in piece and "content" not in piece:
            piece["uri"] = f"sha256:{_hash_of(files[piece['id']])}"
    given["evidence"] = evidence
    return parse_response(msgspec.json.encode(given))


def _type_of(name: str, source: Path | str | bytes) -> str:
    guessed = None if isinstance(source, bytes) else mimetypes.guess_type(str(source))[0]
    if guessed is None:
        raise RecordInvalid("files", f"the media type of {name!r} is not known", "Name it in `evidence` with its media_type")
    return guessed


def _hash_of(source: Path | str | bytes) -> str:
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with Path(source).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while piece := stream.read(_CHUNK):
            yield piece


def _check(response: httpx.Response) -> None:
    if response.is_success:
        return
    try:
        problem = msgspec.json.decode(response.content, type=dict[str, Any])
        detail = str(problem.get("detail", response.reason_phrase))
    except msgspec.MsgspecError:
        detail = response.reason_phrase  # not ours: a proxy in between answered
    wait = response.headers.get("retry-after", "")
    again = response.status_code in (429, 502, 503, 504, 507)
    raise ClientError(
        response.status_code,
        f"groundwatch answered {response.status_code}: {detail}",
        permanent=not again,
        retry_after_s=float(wait) if wait.isdigit() else None,
    )

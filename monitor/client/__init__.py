"""What an application needs to log responses: httpx and msgspec, nothing else.

    client = Client()
    client.log_response(
        workflow="invoice-qa", question="What is the total?", answer="The total is 41.20 EUR.", files={"page": "invoice.png"},
    )

Logging returns at once and never raises into the application: a thread uploads the evidence by its hash, sends records
in batches, and tries again while the sidecar is away. Whoever must know uses :meth:`Client.send_response`.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from monitor.client.building import Parcel, parcel_of
from monitor.client.chat import fields_of
from monitor.client.outbox import Outbox
from monitor.client.sending import DEFAULT_URL, CheckReply, ClientError, Connection, ItemReply, Reply
from monitor.client.timing import Drafted, drafting, stage
from monitor.errors import GroundwatchError, RecordInvalid
from monitor.records import ResponseRecord

if TYPE_CHECKING:
    import httpx

__all__ = ["CheckReply", "Client", "ClientError", "Drafted", "ItemReply", "Reply", "stage"]

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger("groundwatch")


class Client:
    """Logs to one groundwatch sidecar. Thread-safe, and meant to be kept for the life of a process.

    Args:
        url: address of ``groundwatch serve``.
        key: API key, where the sidecar asks for one.
        timeout_s: seconds each network step may take.
        raise_errors: whether :meth:`log_response` raises for a record that breaks the contract, instead of logging a warning.
        max_bytes: memory for what waits to be sent; beyond it responses are dropped and counted.
        gather_s: how long a response waits for company.
        give_up_s: how long a response is tried again before it is dropped and counted.
        transport: how httpx connects, for instance through a Unix socket.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        key: str | None = None,
        timeout_s: float = 30.0,
        *,
        raise_errors: bool = False,
        max_bytes: int = 64 * 1024 * 1024,
        gather_s: float = 0.2,
        give_up_s: float = 300.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._connection = Connection(url, key, timeout_s, transport)
        self._outbox = Outbox(self._connection, max_bytes, gather_s, give_up_s)
        self._raise_errors = raise_errors

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self, timeout_s: float = 10.0) -> bool:
        """Send what waits, for at most ``timeout_s`` seconds, and close. False where something was left and dropped."""
        done = self._outbox.close(timeout_s)
        self._connection.close()
        return done

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until everything logged so far is sent or given up; False where that took longer."""
        return self._outbox.flush(timeout_s)

    @property
    def counts(self) -> dict[str, int]:
        """Responses so far: ``sent`` (on the sidecar's disk), ``refused`` by it, ``dropped`` here."""
        return {"sent": self._outbox.sent, "refused": self._outbox.refused, "dropped": self._outbox.dropped}

    # --- logging --------------------------------------------------------------------------------------------------

    def log_response(
        self, record: ResponseRecord | Mapping[str, Any] | None = None, *, files: Mapping[str, Any] | None = None, **fields: Any
    ) -> str | None:
        """Log one response, given as a record, as a mapping of its fields, or as keyword arguments. Returns its id at once.

        Among the fields ``answer`` and ``question`` may be plain text; ``time`` is now and ``id`` is made up unless they
        are given. ``files`` gives evidence by its id: a path, bytes, an ``https:``/``s3:``/``gs:`` URL, a PIL image, or a
        numpy array as ``(samples, sample_rate)``. Bytes need an entry in ``evidence`` that names their media type.

        None where the response cannot be logged: the reason is in the log of the logger ``groundwatch``.

        Raises:
            RecordInvalid, OSError: only with ``raise_errors``.
        """
        return self._log(record, files or {}, fields)

    def _log(
        self,
        record: ResponseRecord | Mapping[str, Any] | None,
        files: Mapping[str, Any],
        fields: Mapping[str, Any],
        *,
        keep_references: bool = False,
    ) -> str | None:
        try:
            parcel = parcel_of(record, files, fields, keep_references=keep_references)
        except (GroundwatchError, OSError, TypeError, ValueError) as error:
            if self._raise_errors:
                raise
            self._outbox.dropped += 1
            log.warning("a response could not be logged: %s", error)
            return None
        return parcel.record.id if self._outbox.put(parcel) else None

    def log_chat(self, request: Mapping[str, Any], response: Any, *, files: Mapping[str, Any] | None = None, **fields: Any) -> str | None:
        """Log an OpenAI-compatible chat: question, answer, pictures, recordings and documents, model and tokens.

        ``request`` is what was passed to ``chat.completions.create`` or ``responses.create``, ``response`` what came
        back. ``workflow`` and any other field of the record may be added or given differently. As :meth:`log_response`,
        but a picture that the sidecar may not fetch costs nothing but itself: it is kept as evidence that was not checked,
        or, where its address is not one that could be followed, named in ``attributes["chat"]["unreachable_evidence"]``.
        """
        try:
            known, media = fields_of(request, response)
        except RecordInvalid as error:
            if self._raise_errors:
                raise
            self._outbox.dropped += 1
            log.warning("a chat could not be logged: %s", error)
            return None
        given = {"workflow": "chat", **known, **fields}
        given["attributes"] = {**known["attributes"], **(fields.get("attributes") or {})}
        return self._log(given, {**media, **(files or {})}, {}, keep_references=True)

    @contextmanager
    def response(self, **fields: Any) -> Iterator[Drafted]:
        """Log a response as it is made; the stages timed inside (:meth:`Drafted.stage`, :func:`stage`) go with it.

        with client.response(workflow="qa", question=question) as drafted:
            with drafted.stage("retrieve", budget_ms=200):
                pages = search(question)
            drafted.set(answer=ask(question, pages))
            drafted.attach(page=pages[0])

        Without an answer (an exception) nothing is logged; the exception goes on its way.
        """
        drafted = Drafted(dict(fields))
        with drafting(drafted):
            yield drafted
        self._log_drafted(drafted)

    def logged(self, **fields: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorate a function whose return value is the answer's text; its stages are those timed with :func:`stage`."""

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            @functools.wraps(function)
            def answering(*args: P.args, **kwargs: P.kwargs) -> R:
                drafted = Drafted(dict(fields))
                with drafting(drafted):
                    result = function(*args, **kwargs)
                drafted.set(answer=result if isinstance(result, str) else str(result))
                self._log_drafted(drafted)
                return result

            return answering

        return decorate

    def _log_drafted(self, drafted: Drafted) -> None:
        self.log_response({"stages": drafted.stages, **drafted.fields}, files=drafted.files)

    # --- at once, with an answer ----------------------------------------------------------------------------------

    def send_response(
        self, record: ResponseRecord | Mapping[str, Any] | None = None, *, files: Mapping[str, Any] | None = None, **fields: Any
    ) -> ItemReply:
        """As :meth:`log_response`, but now: returns when the sidecar has answered.

        Returns the item: ``accepted`` (on the sidecar's disk) or ``duplicate``.

        Raises:
            RecordInvalid: the record breaks the contract, here or there; names the field and the remedy.
            ClientError: the sidecar cannot be reached or did not take it now.
            OSError: a file cannot be read.
        """
        parcel = parcel_of(record, files or {}, fields)
        self._upload(parcel)
        item = self._connection.send([parcel.record]).items[0]
        if item.status == "refused":
            raise RecordInvalid(item.field or "$", item.problem or "was refused", item.remedy or "Correct it")
        return item

    def check(
        self,
        answer: str,
        *,
        files: Mapping[str, Any] | None = None,
        detectors: Sequence[str] | None = None,
        deadline_s: float = 10.0,
        **fields: Any,
    ) -> CheckReply:
        """Check an answer before it is shown; nothing is logged. What the deadline cut off is named, never taken for clean.

        ``files`` and ``fields`` are those of :meth:`log_response`.

        Raises:
            RecordInvalid: the record breaks the contract.
            ClientError: the sidecar cannot be reached, or too many checks are open.
        """
        parcel = parcel_of(None, files or {}, {"workflow": "check", "answer": answer, **fields})
        self._upload(parcel)
        return self._connection.check(parcel.record, detectors, deadline_s)

    def send(self, records: Sequence[ResponseRecord]) -> Reply:
        """Send several responses now; refused ones are named in the reply and cost no neighbour. Raises ClientError."""
        return self._connection.send(records)

    def upload(self, source: Path | str | bytes, media_type: str = "application/octet-stream") -> str:
        """Store one piece of evidence now and return its ``sha256:`` uri. Raises ClientError, OSError."""
        return f"sha256:{self._connection.upload(source if isinstance(source, bytes) else Path(source), media_type)}"

    def _upload(self, parcel: Parcel) -> None:
        for upload in parcel.uploads:
            self._connection.upload(upload.source, upload.media_type, upload.sha256)

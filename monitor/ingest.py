"""Ingest: the bytes of one request in, the fate of every item out.

A request is cut into items without reading them (:class:`msgspec.Raw`), each item is parsed and checked alone, so one
bad item never costs its neighbours. Inline evidence moves to the evidence store, what remains is spooled as its own
bytes, and only when the spool has synced them to disk is an item ``accepted``.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol

import msgspec

from monitor.clock import Clock
from monitor.errors import BodyTooLarge, BodyUnsupported, RecordInvalid
from monitor.evidence import reference_allowed
from monitor.records import ResponseRecord, encode_response, parse_response
from monitor.redaction import Redactor
from monitor.settings import Settings

ItemStatus = Literal["accepted", "duplicate", "refused"]
JSON_TYPES = ("application/json", "text/json")
LINES_TYPES = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines", "application/json-lines")
_GZIP_WBITS = 31
_CHUNK = 1 << 20


class _OnlyId(msgspec.Struct):
    """An id is worth naming even where the rest of the item is wrong."""

    id: str


_only_id = msgspec.json.Decoder(_OnlyId)
_raw_list = msgspec.json.Decoder(list[msgspec.Raw])
_raw_map = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Spool(Protocol):
    """Where accepted items wait for the store."""

    def append(self, project: str, items: Sequence[tuple[str, bytes]], *, again: bool = False) -> list[bool]:
        """Blocks until the items are on disk; True = new, False = the id was taken before and ``again`` is not set."""
        ...


class EvidenceStore(Protocol):
    """Where inline evidence goes."""

    def of(self, project: str) -> EvidenceStore:
        """The store of one project."""
        ...

    def externalise(self, record: ResponseRecord) -> ResponseRecord:
        """The record with every inline content stored and replaced by its ``sha256:`` uri."""
        ...


class Fate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What happened to one item; ``index`` counts from 0 in the order sent."""

    index: int
    id: str | None = None
    status: ItemStatus
    field: str | None = None
    problem: str | None = None
    remedy: str | None = None


class KeptTimes(NamedTuple):
    """Times from the oldest to the newest are taken in."""

    oldest: datetime
    newest: datetime


class Ingest:
    """Takes requests for any project. Safe to call from many threads at once.

    ``redactor`` has been over every record before anything of it is written.

    Raises:
        SettingsInvalid: ``redact`` names what cannot be looked for here.
    """

    def __init__(self, settings: Settings, spool: Spool, evidence: EvidenceStore, clock: Clock) -> None:
        self._settings = settings
        self._spool = spool
        self._evidence = evidence
        self._clock = clock
        self.redactor = Redactor(settings.redact)

    def take(
        self, project: str, body: bytes, content_type: str = "", content_encoding: str = "", *, keep_references: bool = False
    ) -> list[Fate]:
        """The fate of every item of the body, in order. What is ``accepted`` is on disk.

        With ``keep_references`` a reference that may not be followed is kept, for detectors to say that it was not checked.

        Raises:
            BodyUnsupported: a content type or encoding that is not read here.
            BodyTooLarge: more than ``max_body_bytes`` after decompression.
            RecordInvalid: the body as a whole is not JSON or not gzip.
            SlowDown: the spool is full; nothing was taken.
            StorageUnavailable: the disk refused the write; nothing was acknowledged.
        """
        plain = decompress(body, content_encoding, self._settings.max_body_bytes)
        fates: dict[int, Fate] = {}
        good: list[tuple[int, str, bytes]] = []
        kept = self.kept_times()
        for index, raw in enumerate(split(plain, content_type)):
            try:
                record, spooled = self._admit(project, raw, kept, keep_references)
                good.append((index, record.id, spooled))
            except RecordInvalid as error:
                fates[index] = _refused(index, _id_of(raw), error.field, error.problem, error.remedy)
        return self._spooled(project, good, fates)

    def take_records(self, project: str, records: Sequence[ResponseRecord], *, again: bool = False) -> list[Fate]:
        """As :meth:`take`, for records that were made here from something else (spans). References are not looked at.

        With ``again`` a known id is taken once more: the store never had it.

        Raises:
            SlowDown, StorageUnavailable: nothing was taken.
        """
        fates: dict[int, Fate] = {}
        good: list[tuple[int, str, bytes]] = []
        kept = self.kept_times()
        for index, record in enumerate(records):
            try:
                self.check_time(record.time, kept)
                good.append((index, record.id, encode_response(self._stored(project, self.redactor.record(record)))))
            except RecordInvalid as error:
                fates[index] = _refused(index, record.id, error.field, error.problem, error.remedy)
        return self._spooled(project, good, fates, again=again)

    def take_encoded(self, project: str, records: Sequence[tuple[str, bytes, bool]]) -> list[Fate]:
        """As :meth:`take_records`, of records whose times were looked at: id, JSON, and whether contents of evidence are in it.

        Raises:
            SlowDown, StorageUnavailable: nothing was taken.
        """
        fates: dict[int, Fate] = {}
        good: list[tuple[int, str, bytes]] = []
        for index, (identifier, raw, inline) in enumerate(records):
            try:
                if inline or self.redactor.active:
                    raw = encode_response(self._stored(project, self.redactor.record(parse_response(raw))))
                good.append((index, identifier, raw))
            except RecordInvalid as error:
                fates[index] = _refused(index, identifier, error.field, error.problem, error.remedy)
        return self._spooled(project, good, fates)

    def _spooled(self, project: str, good: Sequence[tuple[int, str, bytes]], fates: dict[int, Fate], *, again: bool = False) -> list[Fate]:
        """All fates in order, once the good items are on disk; the second of two items with one id is a duplicate."""
        chosen: dict[str, tuple[int, bytes]] = {}
        for index, identifier, raw in good:
            if identifier in chosen:
                fates[index] = Fate(index=index, id=identifier, status="duplicate")
            else:
                chosen[identifier] = (index, raw)
        items = [(identifier, raw) for identifier, (_, raw) in chosen.items()]
        fresh = self._spool.append(project, items, again=again) if items else []
        for (identifier, (index, _)), new in zip(chosen.items(), fresh, strict=True):
            fates[index] = Fate(index=index, id=identifier, status="accepted" if new else "duplicate")
        return [fates[index] for index in sorted(fates)]

    def _admit(self, project: str, raw: bytes, kept: KeptTimes, keep_references: bool) -> tuple[ResponseRecord, bytes]:
        record = parse_response(raw)
        self._check_live(record, kept, keep_references)
        stored = self._stored(project, self.redactor.record(record))
        return record, raw if stored is record else encode_response(stored)

    def _stored(self, project: str, record: ResponseRecord) -> ResponseRecord:
        inline = any(evidence.content is not None for evidence in record.evidence)
        return self._evidence.of(project).externalise(record) if inline else record

    def _check_live(self, record: ResponseRecord, kept: KeptTimes, keep_references: bool) -> None:
        """What holds for a live record but not for a corpus."""
        self.check_time(record.time, kept)
        if record.labels:
            raise RecordInvalid("labels", "are for corpora and imports", "Log the response without labels; judge it in review")
        self.check_references(record, keep=keep_references)

    def check_references(self, record: ResponseRecord, *, keep: bool = False) -> None:
        """Raises RecordInvalid for a reference that nobody here will follow; with ``keep`` only where nobody ever could."""
        for index, evidence in enumerate(record.evidence):
            if evidence.uri is not None:
                self._check_uri(f"evidence[{index}].uri", evidence.uri, keep)

    def kept_times(self) -> KeptTimes:
        """Which times the store keeps, as of now."""
        now = self._clock.now()
        oldest = now - timedelta(days=self._settings.retention_days)
        return KeptTimes(oldest, now + timedelta(seconds=self._settings.future_tolerance_s))

    def check_time(self, time: datetime, kept: KeptTimes) -> None:
        """Raises RecordInvalid for a time that the store would not keep."""
        # Rows older than the store's TTL would vanish at insert while the summaries still count them.
        if time < kept.oldest:
            problem = f"{time.isoformat()} is older than the {self._settings.retention_days} days that are kept"
            raise RecordInvalid("time", problem, "Send responses while they are young, or raise GROUNDWATCH_RETENTION_DAYS")
        if time > kept.newest:
            problem = f"{time.isoformat()} is more than {self._settings.future_tolerance_s} s ahead of the server's clock"
            raise RecordInvalid("time", problem, "Set the sender's clock, or raise GROUNDWATCH_FUTURE_TOLERANCE_S")

    def _check_uri(self, field: str, uri: str, keep: bool) -> None:
        # A sha256: blob may still be on its way; detection says "evidence not stored" if it never comes.
        if uri.startswith("sha256:"):
            return
        if uri.startswith("file:"):
            problem = "file: is for corpora on this machine, not for the network"
            raise RecordInvalid(field, problem, "Upload the file with PUT /v1/evidence/{sha256} and send sha256:<hex>")
        if not keep and not reference_allowed(uri, self._settings.evidence_prefixes):
            problem = f"{uri[:200]!r} is under no allowed prefix"
            raise RecordInvalid(field, problem, "Upload the file, or ask the operator to add its prefix to GROUNDWATCH_EVIDENCE_PREFIXES")


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The plain body. Never inflates more than ``limit`` bytes, however small the gzip is.

    Raises:
        BodyUnsupported, BodyTooLarge, RecordInvalid (not gzip, or cut short).
    """
    named = encoding.strip().lower()
    if named in ("gzip", "x-gzip"):
        return _gunzip(body, limit)
    if named not in ("", "identity"):
        raise BodyUnsupported("Content-Encoding", encoding, "Send it plain or with gzip")
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _gunzip(body: bytes, limit: int) -> bytes:
    plain = bytearray()
    rest = body
    while rest:  # a gzip may have several members
        member = zlib.decompressobj(wbits=_GZIP_WBITS)
        while not member.eof:
            try:
                piece = member.decompress(rest, _CHUNK)
            except zlib.error as error:
                raise RecordInvalid("$", f"the body is not gzip ({error})", "Compress it with gzip, or drop Content-Encoding") from None
            plain += piece
            if len(plain) > limit:
                raise _too_large(limit)
            if not piece and not member.unconsumed_tail and not member.eof:
                raise RecordInvalid("$", "the gzip body is cut short", "Send all of it")
            rest = member.unconsumed_tail
        rest = member.unused_data
    return bytes(plain)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge("the request body", limit, "Send fewer responses at once, and upload evidence instead of inlining it")


def split(body: bytes, content_type: str) -> Iterator[bytes]:
    """The items of a body as their own bytes: one object, an array, ``{"responses": […]}``, or JSON lines.

    Raises:
        BodyUnsupported: the content type is neither JSON nor JSON lines.
        RecordInvalid: the body as a whole is not JSON.
    """
    bare = content_type.split(";")[0].strip().lower()
    if bare in LINES_TYPES:
        return (line for line in body.splitlines() if line.strip())
    if bare and bare not in JSON_TYPES:
        raise BodyUnsupported("Content-Type", content_type, "Send application/json, or application/x-ndjson for JSON lines")
    return (bytes(raw) for raw in _split_json(body))


def _split_json(body: bytes) -> list[msgspec.Raw] | list[bytes]:
    try:
        if body.lstrip()[:1] == b"[":
            return _raw_list.decode(body)
        fields = _raw_map.decode(body)
        if "responses" not in fields:
            return [body]
        if len(fields) > 1:
            other = next(name for name in fields if name != "responses")
            raise RecordInvalid(other, "stands beside responses", 'Send {"responses": […]} alone, or one response record')
        return _raw_list.decode(fields["responses"])
    except msgspec.ValidationError as error:
        raise RecordInvalid("$", f"is neither a response nor a list of them ({error})", "Send a JSON object or array") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        problem = f"the body is not JSON ({error})"
        raise RecordInvalid("$", problem, "Send a JSON object, an array, or JSON lines as application/x-ndjson") from None


def _id_of(raw: bytes) -> str | None:
    try:
        return _only_id.decode(raw).id[:128]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # not even that can be read; the index names the item


def _refused(index: int, identifier: str | None, field: str, problem: str, remedy: str) -> Fate:
    return Fate(index=index, id=identifier, status="refused", field=field, problem=problem, remedy=remedy)

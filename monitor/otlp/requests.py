"""A request as its traces, those that are whole with the records of their answers: all that needs no state of the service.

So that it can be done in a process beside it (:mod:`monitor.otlp.reader`), everything here can be packed.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec

from monitor.errors import RecordInvalid
from monitor.otlp.assembly import Trace
from monitor.otlp.conventions import is_inference
from monitor.otlp.reading import read_spans
from monitor.otlp.shapes import shape_of
from monitor.otlp.spans import Span
from monitor.records import ResponseRecord, encode_response

# Records that are held at once, more than a request of the largest size has by itself. Documents are repeated in each answer of
# their trace: two megabytes of spans made half a gigabyte of records.
MOST_BYTES = 32 * 1024 * 1024
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Span])


class ReadAnswer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An answer of a whole trace: its ``record`` as JSON, or the ``problem`` with it. ``inline``: contents of evidence are in it."""

    span_name: str
    id: str = ""
    record: bytes = b""
    inline: bool = False
    problem: str = ""


class ReadTrace(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a request holds of one trace.

    ``key`` names these very spans, ``packed`` is what :func:`unpack` reads, ``ended_ns`` the first and the last end, ``calls``
    counts calls of models. Only a ``whole`` trace has ``answers``, ``silent`` calls that tell nothing, and ``unreadable``: the
    error that it ended in, with its traceback. One whose records would make too much of the request is not called whole.
    """

    trace_id: str
    key: str
    spans: int
    packed: bytes
    ended_ns: tuple[int, int]
    calls: int
    whole: bool
    answers: list[ReadAnswer] = []
    silent: int = 0
    unreadable: tuple[str, str] | None = None

    def joined(self) -> list[Span]:
        """The spans again."""
        return unpack(self.packed)


class ReadRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag=True):
    """The traces of a request, and why some of its spans cannot be read."""

    traces: list[ReadTrace]
    malformed: list[str]


def read_request(body: bytes, encoding: str, *, assemble: bool = True) -> ReadRequest:
    """Raises RecordInvalid: the body as a whole cannot be read. Without ``assemble`` no trace has answers."""
    spans, malformed = read_spans(body, encoding)
    return ReadRequest(traces=read_traces(spans, assemble=assemble), malformed=malformed)


def read_traces(spans: Iterable[Span], *, assemble: bool = True) -> list[ReadTrace]:
    """The spans by trace."""
    by_trace: dict[str, list[Span]] = {}
    for span in spans:
        by_trace.setdefault(span.trace_id, []).append(span)
    traces: list[ReadTrace] = []
    left = MOST_BYTES
    for group in by_trace.values():
        traces.append(_read(group, assemble, left))
        left -= sum(len(answer.record) for answer in traces[-1].answers)
    return traces


def _read(spans: Sequence[Span], assemble: bool, most_bytes: int) -> ReadTrace:
    ends = [span.end_ns for span in spans]
    whole = is_whole(spans)
    answers: list[ReadAnswer] = []
    silent = size = 0
    unreadable = None
    if whole and assemble:
        try:
            trace = Trace(spans)
            silent = trace.silent
            for span, record in records_of(trace):
                answers.append(_answer(span, record))
                size += len(answers[-1].record)
                if size > most_bytes:
                    whole, answers, silent = False, [], 0
                    break
        except Exception as error:  # noqa: BLE001 - one trace that nobody can read must not cost its neighbours; it is told
            # All of it is told to be rejected, so none of it may be taken.
            answers, silent, unreadable = [], 0, (type(error).__name__, traceback.format_exc())
    return ReadTrace(
        trace_id=spans[0].trace_id,
        key=digest_of("".join(sorted(span.span_id for span in spans)).encode()),
        spans=len(spans),
        packed=pack(spans),
        ended_ns=(min(ends), max(ends)),
        calls=sum(map(is_inference, spans)),
        whole=whole,
        answers=answers,
        silent=silent,
        unreadable=unreadable,
    )


def _answer(span: Span, record: ResponseRecord | RecordInvalid) -> ReadAnswer:
    if isinstance(record, RecordInvalid):
        return ReadAnswer(span_name=span.name, problem=str(record))
    inline = any(evidence.content is not None for evidence in record.evidence)
    return ReadAnswer(span_name=span.name, id=record.id, record=encode_response(record), inline=inline)


def is_whole(spans: Collection[Span]) -> bool:
    """Whether little of a trace is likely still to come: its root is there, and calls of models if it speaks of such at all.

    Services send at times of their own: the root of one may be there before the calls that another made for it.
    """
    rooted = any(not span.parent_id for span in spans)
    return rooted and (any(map(is_inference, spans)) or not any(shape_of(span.attributes).genai for span in spans))


def records_of(trace: Trace) -> Iterator[tuple[Span, ResponseRecord | RecordInvalid]]:
    """Every answer of a trace with its record, or with why there is none."""
    for position, (answer, _) in enumerate(trace.answers):
        try:
            yield answer, trace.record(position)
        except RecordInvalid as error:
            yield answer, error


def pack(spans: Sequence[Span]) -> bytes:
    """Spans as they wait on disk."""
    return _encoder.encode(spans)


def unpack(packed: bytes) -> list[Span]:
    """The spans again."""
    return _decoder.decode(packed)


def digest_of(content: bytes) -> str:
    """A name for these bytes."""
    return hashlib.blake2b(content, digest_size=12).hexdigest()

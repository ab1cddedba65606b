"""Spans wait for their trace: on disk before anybody hears 200, in memory by trace, made into records when it is whole.

A trace is whole when its root span (one without a parent) has come: exporters send a parent after its children. A
request that brings the root of a trace nobody waits for becomes records at once. Where the root never comes, because
another service keeps it to itself, the trace is taken as it is after ``wait_s`` without a new span. The record's id is
made of trace and span, so a trace that is assembled again after a kill doubles nothing.

Some instrumentations send the messages apart from the spans, as events. They wait like spans; and from a project that sends
such, a whole trace waits too while one of its calls has told nothing.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec
import structlog

from monitor.errors import GroundwatchError, RecordInvalid
from monitor.ingest import Ingest, KeptTimes
from monitor.otlp.assembly import Trace
from monitor.otlp.messages import is_silent
from monitor.otlp.requests import MOST_BYTES, ReadTrace, digest_of, is_whole, pack, read_traces, records_of, unpack
from monitor.otlp.spans import Span, SpanEvent, time_of
from monitor.records import ResponseRecord
from monitor.spool import Spool, SpooledItem

_TICK_S = 0.2
_PAGE = 1_000
# Traces made into records together: each commit to the disk costs as much as making dozens of records.
_TOGETHER = 200
# A trace with more spans than this is assembled early: what nobody ends must not fill the memory.
_MOST_SPANS = 10_000
LET_TELL = (
    "Let the instrumentation record contents, such as OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true, "
    "or span_only with OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental"
)

log = structlog.get_logger(__name__)

_Key = tuple[str, str]
_Made = tuple[Span, ResponseRecord | RecordInvalid]


class OnDeadLetter(Protocol):
    """Takes what could not be made into a record; ``stage`` is ``ingest``."""

    def __call__(self, project: str, stage: str, response_id: str, detector: str | None, reason: str, payload: str | None) -> None: ...


class Taken(NamedTuple):
    """Why spans and answers of a request were rejected, and how many ``responses`` were new: records, and calls that wait."""

    rejected: list[str]
    responses: int


class _Waiting:
    """What has come of one trace. ``touched`` is a monotonic time in seconds."""

    def __init__(self) -> None:
        self.spans: dict[str, Span] = {}
        self.events: dict[str, list[Span]] = {}
        self.sequences: list[int] = []
        self.touched = time.monotonic()
        # Whether something has come since it was last looked at; thousands may wait, and are passed five times a second.
        self.changed = True
        self._taken = 0

    @property
    def whole(self) -> bool:
        return is_whole(self.spans.values())

    @property
    def too_large(self) -> bool:
        return self._taken > _MOST_SPANS

    def add(self, span: Span) -> None:
        """One more span, or messages of one."""
        self._taken += 1
        self.changed = True
        if span.stand_in:
            self.events.setdefault(span.span_id, []).append(span)
        else:
            self.spans.setdefault(span.span_id, span)

    def joined(self) -> list[Span]:
        """The spans with their messages; of a span that never came, its messages stand in for it."""
        spans = dict(self.spans)
        for span_id, events in self.events.items():
            # Sorting is stable: what was said in the same moment stays in the order it came in.
            told = sorted(events, key=lambda event: event.end_ns)
            said = tuple(event for one in told for event in one.events)
            own = spans.get(span_id)
            if own is not None:
                spans[span_id] = msgspec.structs.replace(own, events=own.events + said)
            else:
                attributes = {name: value for one in told for name, value in one.attributes.items()}
                spans[span_id] = msgspec.structs.replace(told[0], end_ns=told[-1].end_ns, attributes=attributes, events=said)
        return list(spans.values())


class Traces:
    """Takes spans from any thread and assembles in a thread of its own.

    Args:
        spool: on-disk buffer of its own, not the one of the records.
        wait_s: quiet time after which a trace without a root is assembled.
        on_dead_letter: takes what cannot be made into a record.
        on_stand_ins: told of a project's responses whose spans never came, which nobody has counted yet.
    """

    def __init__(
        self,
        spool: Spool,
        ingest: Ingest,
        wait_s: float,
        on_dead_letter: OnDeadLetter,
        on_stand_ins: Callable[[str, int], object] = lambda *_: None,
    ) -> None:
        self._on_stand_ins = on_stand_ins
        self._spool = spool
        self._ingest = ingest
        self._wait_s = wait_s
        self._on_dead_letter = on_dead_letter
        self._lock = threading.Lock()
        self._waiting: Counter[_Key] = Counter()  # rows on disk by trace, counted before they are read back
        self._traces: dict[_Key, _Waiting] = {}
        # Projects whose messages come apart from the spans.
        self._told_apart: set[str] = set()
        self._silent: Counter[str] = Counter()
        self._read_to = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.responses = 0
        self.dead_letters = 0

    def start(self) -> None:
        """Begin assembling, with what an earlier process left."""
        self._recover()
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Stop; what waits stays on disk."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
            self._thread = None

    @property
    def open_traces(self) -> int:
        """Traces that wait for their root."""
        return len(self._waiting)

    def silent(self, project: str | None = None) -> int:
        """Calls of models since the start, of one project or of all, that nobody can check: they came without what was said."""
        with self._lock:
            return self._silent.total() if project is None else self._silent[project]

    def take_events(self, project: str, events: Sequence[Span]) -> list[str]:
        """Take messages in that came apart from their spans; when it returns they are on disk. Returns why some were rejected.

        Raises:
            SlowDown, StorageUnavailable: nothing new was taken; what was taken already is known by its id.
        """
        by_trace, rejected = self._sorted_in(events)
        # Not by the ids of their spans, of which one may have several: the same request sent again is the same bytes.
        packed = [(trace_id, pack(group)) for trace_id, group in by_trace.items()]
        if packed:
            self._told_apart.add(project)
            self._keep(project, [(f"{trace_id}:{digest_of(raw)}", raw) for trace_id, raw in packed])
        return rejected

    def take(self, project: str, traces: Sequence[ReadTrace]) -> Taken:
        """Take what a request holds in; when it returns the spans, or the records made of them, are on disk.

        Raises:
            SlowDown, StorageUnavailable: nothing new was taken; what was taken already is known by its id.
        """
        kept = self._ingest.kept_times()
        rejected: list[str] = []
        whole: list[ReadTrace] = []
        waiting: list[ReadTrace] = []
        for trace in self._admitted(traces, kept, rejected):
            if trace.whole and not self._waits((project, trace.trace_id)) and not self._more_to_come(project, trace):
                whole.append(trace)
            else:
                waiting.append(trace)
        new = self._keep(project, [(f"{trace.trace_id}:{trace.key}", trace.packed) for trace in waiting]) if waiting else []
        responses = sum(trace.calls for trace, fresh in zip(waiting, new, strict=True) if fresh)
        for trace in whole:
            if trace.unreadable is not None:
                kind, told = trace.unreadable
                log.error("a trace could not be made into records", trace=trace.trace_id, exception=told)
                rejected += [f"span {span.name[:80]!r}: the trace cannot be read ({kind})" for span in trace.joined()]
        answers = [answer for trace in whole for answer in trace.answers]
        rejected += [f"span {answer.span_name[:80]!r}: {answer.problem}" for answer in answers if answer.problem]
        good = [(answer.id, answer.record, answer.inline) for answer in answers if not answer.problem]
        fates = self._ingest.take_encoded(project, good) if good else []
        rejected += [f"span {fate.id}: {fate.field} {fate.problem}" for fate in fates if fate.status == "refused"]
        accepted = sum(fate.status == "accepted" for fate in fates)
        self.responses += accepted
        self._note_silent(project, sum(trace.silent for trace in whole))
        return Taken(rejected, responses + accepted)

    def _admitted(self, traces: Sequence[ReadTrace], kept: KeptTimes, rejected: list[str]) -> Iterator[ReadTrace]:
        """The traces, without spans whose time is not kept, and masked."""
        for trace in traces:
            first, last = map(time_of, trace.ended_ns)
            if kept.oldest <= first and last <= kept.newest and not self._ingest.redactor.active:
                yield trace
            else:
                by_trace, refused = self._sorted_in(trace.joined())
                rejected += refused
                yield from read_traces(span for group in by_trace.values() for span in group)

    def _sorted_in(self, spans: Sequence[Span]) -> tuple[dict[str, list[Span]], list[str]]:
        """The spans masked and by trace, and why others cannot be taken."""
        by_trace: dict[str, list[Span]] = {}
        rejected: list[str] = []
        kept = self._ingest.kept_times()
        for span in spans:
            try:
                self._ingest.check_time(span.ended_at, kept)
                by_trace.setdefault(span.trace_id, []).append(self._redacted(span))
            except RecordInvalid as error:
                rejected.append(f"span {span.name[:80]!r}: {error}")
        return by_trace, rejected

    def _redacted(self, span: Span) -> Span:
        """Spans wait on disk, so they are masked before they are records; those are looked over once more as a whole."""
        redactor = self._ingest.redactor
        if not redactor.active:
            return span
        attributes, events, resource = redactor.value(
            [span.attributes, [msgspec.to_builtins(event) for event in span.events], span.resource]
        )
        return msgspec.structs.replace(
            span,
            name=redactor.label(span.name),
            attributes=attributes,
            events=tuple(SpanEvent(**event) for event in events),
            resource=resource,
        )

    def _waits(self, key: _Key) -> bool:
        with self._lock:
            return key in self._waiting

    def _keep(self, project: str, rows: list[tuple[str, bytes]]) -> list[bool]:
        """Let spans wait on disk; which of the rows are new."""
        keys = [(project, identifier.partition(":")[0]) for identifier, _ in rows]
        with self._lock:
            # Before the write: a root that comes right after it must find that its trace is waited for.
            self._waiting.update(keys)
        try:
            new = self._spool.append(project, rows)
        except GroundwatchError:
            self._forget(keys)
            raise
        self._forget([key for key, fresh in zip(keys, new, strict=True) if not fresh])
        return new

    def _forget(self, keys: Iterable[_Key]) -> None:
        with self._lock:
            self._waiting.subtract(keys)
            self._waiting = +self._waiting

    # --- the thread -----------------------------------------------------------------------------------------------

    def _recover(self) -> None:
        while page := self._spool.after(self._read_to, _PAGE):
            with self._lock:
                self._waiting.update((item.project, item.id.partition(":")[0]) for item in page)
            self._add(page)

    def _run(self) -> None:
        while not self._stop.wait(_TICK_S):
            try:
                self.turn()
            except GroundwatchError as error:
                # The spool of the records is full, or the disk or the metadata is away: everything is still on disk.
                log.warning("traces wait", error=str(error))

    def turn(self) -> None:
        """Read what has come, assemble what is whole or has waited long enough."""
        while page := self._spool.after(self._read_to, _PAGE):
            self._add(page)
        now = time.monotonic()
        ready = [key for key, trace in self._traces.items() if now - trace.touched >= self._wait_s or self._complete(key[0], trace)]
        for project in dict.fromkeys(project for project, _ in ready):
            mine = [key for key in ready if key[0] == project]
            for start in range(0, len(mine), _TOGETHER):
                self._assemble_each(project, mine[start : start + _TOGETHER])

    def _complete(self, project: str, trace: _Waiting) -> bool:
        if not trace.changed:
            return False
        complete = trace.too_large or (trace.whole and not self._more_to_come(project, trace))
        # What is complete stays so until it could be assembled.
        trace.changed = complete
        return complete

    def _more_to_come(self, project: str, trace: ReadTrace | _Waiting) -> bool:
        """Whether the messages of one of the calls are likely still on their way."""
        if project not in self._told_apart:
            return False
        try:
            return any(is_silent(span) for span in trace.joined())
        except Exception:  # noqa: BLE001 - a span that nobody can read is found, and told, where its trace is assembled
            return False

    def _add(self, page: Sequence[SpooledItem]) -> None:
        for item in page:
            if item.problem is not None:
                self._lost(item)
                continue
            key = (item.project, item.id.partition(":")[0])
            trace = self._traces.setdefault(key, _Waiting())
            for span in unpack(item.raw):
                trace.add(span)
                if span.stand_in:
                    self._told_apart.add(item.project)
            trace.sequences.append(item.sequence)
            trace.touched = time.monotonic()
            self._read_to = item.sequence

    def _lost(self, item: SpooledItem) -> None:
        """Spans that were sealed and do not open: a letter says so, and their trace is made without them."""
        self.dead_letters += 1
        self._on_dead_letter(item.project, "ingest", item.id, None, item.problem or "", None)
        self._spool.remove([item.sequence])
        self._forget([(item.project, item.id.partition(":")[0])])
        self._read_to = item.sequence

    def _assemble_each(self, project: str, keys: Sequence[_Key]) -> None:
        try:
            self._assemble(project, keys)
        except GroundwatchError:
            raise
        except Exception as error:
            # One trace that nobody can read must not hold up the others: it is found by taking each alone.
            if len(keys) > 1:
                for key in keys:
                    self._assemble_each(project, [key])
                return
            log.exception("a trace could not be made into records", trace=keys[0][1])
            for span in self._traces[keys[0]].joined():
                self._bury(project, span, f"{type(error).__name__}: {error}")
            self._done(keys)

    def _assemble(self, project: str, keys: Sequence[_Key]) -> None:
        """Make the records of some traces of one project and take them in together."""
        traces = [Trace(self._traces[key].joined()) for key in keys]
        for portion in _portions(pair for trace in traces for pair in records_of(trace)):
            self._take_portion(project, portion)
        self._note_silent(project, sum(trace.silent for trace in traces))
        self._done(keys)

    def _take_portion(self, project: str, made: Sequence[_Made]) -> None:
        good = [(answer, record) for answer, record in made if isinstance(record, ResponseRecord)]
        fates = self._ingest.take_records(project, [record for _, record in good]) if good else []
        for answer, record in made:
            if not isinstance(record, ResponseRecord):
                self._bury(project, answer, str(record))
        alone = 0
        for fate, (answer, _) in zip(fates, good, strict=True):
            if fate.status == "refused":
                self._bury(project, answer, f"{fate.field} {fate.problem}")
            alone += answer.stand_in and fate.status == "accepted"
        if alone:
            self._on_stand_ins(project, alone)
        self.responses += sum(fate.status == "accepted" for fate in fates)

    def _note_silent(self, project: str, calls: int) -> None:
        """Count calls, once what came with them is taken: what is turned away comes again."""
        with self._lock:
            before = self._silent[project]
            self._silent[project] += calls
        # Told when it begins and then ever more rarely.
        if before.bit_length() != (before + calls).bit_length():
            log.warning(
                "model calls came without what was said, and cannot be checked", project=project, calls=before + calls, remedy=LET_TELL
            )

    def _done(self, keys: Sequence[_Key]) -> None:
        self._spool.remove([sequence for key in keys for sequence in self._traces[key].sequences])
        for key in keys:
            self._forget([key] * len(self._traces.pop(key).sequences))

    def _bury(self, project: str, answer: Span, reason: str) -> None:
        self.dead_letters += 1
        payload = msgspec.json.encode(answer).decode()
        self._on_dead_letter(project, "ingest", f"{answer.trace_id}-{answer.span_id}", None, reason, payload)


def _portions(made: Iterable[_Made]) -> Iterator[list[_Made]]:
    """The answers, no more of them together than may be held at once."""
    portion: list[_Made] = []
    size = 0
    for answer, record in made:
        portion.append((answer, record))
        if isinstance(record, ResponseRecord):
            size += len(record.answer.text) + sum(len(evidence.content or "") for evidence in record.evidence)
        if size >= MOST_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion

"""From the spans of one trace to response records: one record for every answer that a model gave in it.

An answer is an inference span whose output has text; a call that only asks for tools is a step on the way. Where a framework's
span is around its client library's and both tell of the same call, that call is one answer and used its tokens once. What the
trace retrieved and what the messages carried is the evidence. The time of the trace is cut into stages so that every
moment belongs to the innermost span open then: the stages of a trace add up to its duration, however spans nest.
"""

from __future__ import annotations

import base64
import heapq
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise, takewhile
from typing import Any

import msgspec

from monitor.errors import RecordInvalid
from monitor.messages import Media, Message
from monitor.otlp import conventions
from monitor.otlp.messages import Document, inputs_of, joined, outputs_of
from monitor.otlp.retrieval import Retrievals
from monitor.otlp.shapes import shape_of
from monitor.otlp.spans import Span, first, number_of
from monitor.otlp.tree import SpanTree
from monitor.records import ResponseRecord, check_response, is_text_type

# A prompt this long holds the context it is to be answered from; a shorter one is only the question.
CONTEXT_CHARACTERS = 500
_RAW_ATTRIBUTES_BYTES = 64 * 1024
_MOST_STAGES = 64
# A framework's span of a call ends right after that of its client library: no more calls than these can end between.
_NEARBY = 16
# References that the service may follow where its operator allows them; file ids of a provider and http: are nobody's here.
_REACHABLE = ("https", "s3", "gs")
_NAME = re.compile(r"[\x00-\x1f]+")


class Trace:
    """What is known of one trace, worked out once for all answers in it."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self.spans = sorted(spans, key=lambda span: (span.end_ns, span.start_ns, span.span_id))
        self._tree = SpanTree(spans)
        spoken = [(span, outputs_of(span)) for span in self.spans if conventions.is_inference(span)]
        # Spans of calls that another span tells of, by the id of that one, and their own ids.
        self._twins: defaultdict[str, list[Span]] = defaultdict(list)
        self._told_elsewhere: set[str] = set()
        if len(spoken) > 1:
            self._find_twins(spoken)
        self._inside: dict[str, list[Span]] = {span.span_id: [] for span, _ in spoken}
        for span in self.spans:
            if span.parent_id in self._inside:
                self._inside[span.parent_id].append(span)
        self.answers: list[tuple[Span, list[Message]]] = []
        # Calls that ended well and told nothing of what the model gave back: their sender keeps contents to itself.
        self.silent = 0
        for span, outputs in spoken:
            if span.span_id in self._told_elsewhere:
                continue
            if any(message.text.strip() for message in outputs):
                self.answers.append((span, outputs))
            elif not outputs and not span.failed and conventions.tells_nothing(span):
                self.silent += 1
        self._retrievals = Retrievals(self.spans, self._tree, [span for span, _ in self.answers])
        self._accounted = {span.span_id for span, _ in self.answers} | self._told_elsewhere
        self._segments = list(_innermost(self.spans, [span.end_ns for span, _ in self.answers]))

    def record(self, position: int) -> ResponseRecord:
        """The record of one of the answers.

        Raises:
            RecordInvalid: what the span says breaks the record's contract.
        """
        answer, outputs = self.answers[position]
        inputs = inputs_of(answer)
        twins = self._twins.get(answer.span_id, [])
        usage = next(filter(None, map(conventions.usage_of, [answer, *twins])), [])
        evidence, unreachable = _evidence(inputs, self._retrievals.documents_for(answer), self._tool_results(answer))
        fields: dict[str, Any] = {
            **conventions.named_fields(answer, self._tree.root_of(answer), twins),
            "id": f"{answer.trace_id}-{answer.span_id}",
            "time": answer.ended_at,
            "trace_id": answer.trace_id,
            "span_id": answer.span_id,
            "question": _question(inputs),
            "answer": _answer(answer, outputs),
            "evidence": conventions.explicit_evidence(answer) + evidence,
            "stages": self._stages(position),
            "usage": usage + self._usage_on_the_way(position),
            "attributes": {"otel": _raw(answer, unreachable)},
        }
        try:
            record = msgspec.convert({name: value for name, value in fields.items() if value is not None}, ResponseRecord)
        except (msgspec.ValidationError, ValueError, OverflowError, RecursionError) as error:
            raise RecordInvalid("span", str(error), "Correct the attribute it comes from") from None
        check_response(record)
        return record

    def _find_twins(self, spoken: Sequence[tuple[Span, list[Message]]]) -> None:
        """Of every call with another around it that is the same one, which of both tells less. Inner spans end first."""
        said = {span.span_id: outputs for span, outputs in spoken}
        for position, (span, _) in enumerate(spoken):
            if span.failed or span.span_id in self._told_elsewhere:
                continue
            around = self._tree.call_around(span, said) or self._beside(span, spoken[position + 1 : position + 1 + _NEARBY])
            if around is None:
                continue
            lesser = _lesser((span, said[span.span_id]), (around, said[around.span_id]))
            if lesser is not None:
                kept = span if lesser is around else around
                self._told_elsewhere.add(lesser.span_id)
                self._twins[kept.span_id] += [lesser, *self._twins.pop(lesser.span_id, [])]

    def _beside(self, span: Span, later: Sequence[tuple[Span, list[Message]]]) -> Span | None:
        """The call around this one where it was not made its parent: callbacks of a framework open no context."""
        for outer, _ in later:
            encloses = outer.start_ns <= span.start_ns and outer.name != span.name and not outer.failed
            if encloses and conventions.is_one_call(span, outer):
                above = {outer.parent_id, *(one.span_id for one in islice(self._tree.ancestors(outer), _NEARBY))}
                if span.parent_id in above:
                    return outer
        return None

    def _tool_results(self, answer: Span) -> list[str]:
        """What tools gave back that the library itself called during the call, which no message of it tells."""
        return [result for result in map(conventions.tool_result, self._inside[answer.span_id]) if result and result.strip()]

    def _stages(self, position: int) -> list[dict[str, Any]]:
        """The latency chain of one answer: from the answer before it (or the start of the trace) to its own end.

        The last answer of a trace also has what followed it.
        """
        begin = self.answers[position - 1][0].end_ns if position else 0
        last = position == len(self.answers) - 1
        end = self.spans[-1].end_ns if last else self.answers[position][0].end_ns
        spent: defaultdict[str, int] = defaultdict(int)
        failed: set[str] = set()
        start = bisect_right(self._segments, begin, key=lambda segment: segment[0])
        for index in range(start, len(self._segments)):
            right, nanoseconds, span = self._segments[index]
            if right > end:
                break
            name = _NAME.sub(" ", conventions.stage_name(span))[:256] or "span"
            spent[name] += nanoseconds
            if span.failed:
                failed.add(name)
        kept = set(sorted(spent, key=lambda name: -spent[name])[:_MOST_STAGES])
        return [
            {"name": name, "duration_ms": spent[name] / 1e6, "status": "error" if name in failed else "ok"}
            for name in spent
            if name in kept
        ]

    def _usage_on_the_way(self, position: int) -> list[dict[str, Any]]:
        """What calls without an answer of their own used on the way to this one: tool-choosing calls, embeddings."""
        answer = self.answers[position][0]
        after = self.answers[position - 1][0].end_ns if position else 0
        start = bisect_right(self.spans, after, key=lambda span: span.end_ns)
        steps = takewhile(lambda span: span.end_ns <= answer.end_ns, map(self.spans.__getitem__, range(start, len(self.spans))))
        return [
            item
            for span in steps
            if span.span_id not in self._accounted and conventions.is_model_call(span)
            for item in conventions.usage_of(span)
        ]


def _innermost(spans: Sequence[Span], cuts: Sequence[int]) -> Iterator[tuple[int, int, Span]]:
    """(end, nanoseconds, span) in order of time: who was the innermost open span, the one that started last.

    No segment reaches across one of the ``cuts``.
    """
    edges = sorted({edge for span in spans for edge in (span.start_ns, span.end_ns)} | set(cuts))
    starting = sorted(spans, key=lambda span: (span.start_ns, -span.end_ns))
    open_now: list[tuple[int, int, int, Span]] = []
    begun = 0
    for left, right in pairwise(edges):
        while begun < len(starting) and starting[begun].start_ns <= left:
            span = starting[begun]
            begun += 1
            heapq.heappush(open_now, (-span.start_ns, span.end_ns, begun, span))
        while open_now and open_now[0][1] <= left:
            heapq.heappop(open_now)
        if open_now:
            yield right, right - left, open_now[0][3]


def _lesser(inner: tuple[Span, list[Message]], outer: tuple[Span, list[Message]]) -> Span | None:
    """Which of two nested calls is told better by the other; None where they are two calls."""
    (within, said), (around, repeated) = inner, outer
    text, again = _spoken(said), _spoken(repeated)
    if text and again:
        if text != again:
            return None
        return around if _told(within) >= _told(around) else within
    if said and not again:
        return around
    # A call for tools within one that answers is a step of a loop that the library itself runs, and its tools may call models.
    return None if said or conventions.is_one_call(within, around) is False else within


def _spoken(outputs: Sequence[Message]) -> str:
    return next((message.text.strip() for message in outputs if message.text.strip()), "")


def _told(span: Span) -> tuple[int, bool]:
    """How much is known of what a call was given."""
    inputs = inputs_of(span)
    return sum(medium.content is not None for message in inputs for medium in message.media), bool(inputs)


def _question(inputs: Sequence[Message]) -> dict[str, str] | None:
    asked = [message.text for message in inputs if message.role == "user" and message.text.strip()]
    return {"text": asked[-1]} if asked else None


def _answer(span: Span, outputs: Sequence[Message]) -> dict[str, Any]:
    spoken = next(message for message in outputs if message.text.strip())
    reasons = first(span.attributes, "gen_ai.response.finish_reasons")
    reason = spoken.finish_reason or (reasons[0] if isinstance(reasons, list) and reasons else first(span.attributes, "llm.finish_reason"))
    confidence = number_of(span.attributes, "groundwatch.confidence")
    return {
        "text": spoken.text,
        "abstained": span.attributes.get("groundwatch.abstained") is True,
        **({} if reason is None else {"finish_reason": str(reason)}),
        **({} if confidence is None else {"confidence": confidence}),
    }


# --- evidence -----------------------------------------------------------------------------------------------------


def _evidence(inputs: Sequence[Message], documents: Sequence[Document], beside: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Pieces of evidence, and the references that nobody here can follow. ``beside``: what tools gave that is in no message."""
    pieces: list[dict[str, Any]] = []
    unreachable: list[str] = []
    for number, document in enumerate(documents, start=1):
        pieces.append(_text_piece(f"document-{number}", document.content, document.title or document.id, document.metadata))
        if document.id:
            pieces[-1]["metadata"] = {**document.metadata, "document_id": document.id}
    for medium in (medium for message in inputs for medium in message.media):
        piece = _media_piece(f"input-{len(pieces) + len(unreachable) + 1}", medium)
        if piece is None:
            unreachable.append((medium.uri or medium.media_type)[:500])
        else:
            pieces.append(piece)
    results = [message.text for message in inputs if message.role == "tool" and message.text.strip()] or beside
    pieces += [_text_piece(f"tool-{number}", result, "tool result") for number, result in enumerate(results, start=1)]
    if not pieces and not unreachable:
        prompt = joined(message for message in inputs if message.role == "user")
        if len(prompt) >= CONTEXT_CHARACTERS:
            pieces.append(_text_piece("prompt", prompt, "the prompt itself"))
    return pieces, unreachable


def _text_piece(identifier: str, content: str, title: str | None, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    piece: dict[str, Any] = {"id": identifier, "media_type": "text/plain", "content": content, "metadata": metadata or {}}
    return piece if title is None else {**piece, "title": title}


def _media_piece(identifier: str, medium: Media) -> dict[str, Any] | None:
    """None where there is nothing to read: a reference that cannot be followed, or content cut short by an attribute limit."""
    head = b""
    if medium.content is not None:
        try:
            head = base64.b64decode(medium.content, validate=True)
        except ValueError:  # binascii.Error, or a character that is not ASCII
            return None
    elif medium.uri is None or medium.uri.split(":", 1)[0] not in _REACHABLE:
        return None
    piece: dict[str, Any] = {"id": identifier, "media_type": conventions.media_type_of(medium, head)}
    if medium.content is None:
        return {**piece, "uri": medium.uri}
    content = head.decode("utf-8", "replace") if is_text_type(piece["media_type"]) else medium.content
    return {**piece, "content": content}


# --- the rest -----------------------------------------------------------------------------------------------------


def _raw(span: Span, unreachable: Sequence[str]) -> dict[str, Any]:
    """The span as it came, less the messages, which the record holds; cut to what a row can bear."""
    attributes = {name: span.attributes[name] for name in shape_of(span.attributes).beside}
    kept: dict[str, Any] = {"name": span.name, "attributes": attributes, "resource": span.resource}
    if unreachable:
        kept["unreachable_evidence"] = list(unreachable)
    dropped: list[str] = []
    if len(msgspec.json.encode(attributes)) > _RAW_ATTRIBUTES_BYTES:
        sizes = {name: len(msgspec.json.encode(value)) for name, value in attributes.items()}
        while sizes and sum(sizes.values()) > _RAW_ATTRIBUTES_BYTES:
            largest = max(sizes, key=lambda name: sizes[name])
            dropped.append(largest)
            del sizes[largest], attributes[largest]
    if dropped:
        kept["dropped_attributes"] = dropped
    return kept

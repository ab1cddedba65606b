"""What was retrieved in a trace, and which of its answers rests on what."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from monitor.otlp import conventions
from monitor.otlp.messages import Document, documents_of
from monitor.otlp.shapes import shape_of
from monitor.otlp.spans import Span
from monitor.otlp.tree import SpanTree

# Evidence of one answer; beyond, the latest that were retrieved count.
MOST_DOCUMENTS = 100
# No more spans lie between an answer, or a retrieval, and what it is for.
_NEARBY = 16


class Retrievals:
    """The spans of a trace that brought documents.

    Args:
        spans: all of the trace, in the order they ended.
        tree: how they lie in one another.
        answers: those that gave an answer, in the order they ended.
    """

    def __init__(self, spans: Sequence[Span], tree: SpanTree, answers: Sequence[Span]) -> None:
        self._tree = tree
        # Few spans of a trace have documents, and every answer asks for them.
        self._spans = [span for span in spans if shape_of(span.attributes).documents]
        self._documents = {span.span_id: documents_of(span) for span in self._spans}
        # Positions among the spans by what they are for, in order: all of them, and those that chose among documents.
        self._retrieved: defaultdict[str | None, list[int]] = defaultdict(list)
        self._chosen: defaultdict[str | None, list[int]] = defaultdict(list)
        if self._spans:
            consumers = self._find_consumers(answers)
            for position, span in enumerate(self._spans):
                self._retrieved[consumers[span.span_id]].append(position)
                if conventions.is_reranker(span):
                    self._chosen[consumers[span.span_id]].append(position)

    def documents_for(self, answer: Span) -> list[Document]:
        """What this answer may rest on: its own documents, and those that its trace had retrieved before it ended.

        What another answer followed in a span that this one is not in was retrieved for that one, as in a job over many
        questions; where that leaves nothing, all of it counts. Where a reranker chose among what was retrieved, its choice
        is what the model saw.
        """
        if not self._spans:
            return []
        own: dict[str, Document] = {}
        for document in self._documents.get(answer.span_id, ()):
            own.setdefault(document.content, document)
        found: dict[str, Document] = {}
        # From the latest back, as far as there is room: in a long job thousands were retrieved before.
        for document in (one for span in self._before(answer) for one in reversed(self._documents[span.span_id])):
            if len(own) + len(found) >= MOST_DOCUMENTS:
                break
            if document.content not in own:
                found.setdefault(document.content, document)
        return [*own.values(), *reversed(found.values())]

    def _before(self, answer: Span) -> Iterator[Span]:
        """The retrievals that count for an answer, the latest first."""
        end = bisect_right(self._spans, answer.end_ns, key=lambda span: span.end_ns)
        within = {None, answer.span_id, self._tree.root_of(answer).span_id}
        within.update(one.span_id for one in islice(self._tree.ancestors(answer), _NEARBY))
        for consumers in (within, set(self._retrieved)):
            if any(True for _ in self._latest(self._retrieved, consumers, end, answer)):
                chosen = any(True for _ in self._latest(self._chosen, consumers, end, answer))
                return self._latest(self._chosen if chosen else self._retrieved, consumers, end, answer)
        return iter(())

    def _latest(self, positions: Mapping[str | None, list[int]], consumers: set[str | None], end: int, answer: Span) -> Iterator[Span]:
        """Those of some consumers before a position, the latest first, without the answer itself."""
        groups = (positions[consumer] for consumer in consumers if consumer in positions)
        backwards = (map(group.__getitem__, range(bisect_left(group, end) - 1, -1, -1)) for group in groups)
        spans = map(self._spans.__getitem__, heapq.merge(*backwards, reverse=True))
        return (span for span in spans if span.span_id != answer.span_id)

    def _find_consumers(self, answers: Sequence[Span]) -> dict[str, str | None]:
        """For every retrieval the innermost span around it in which an answer followed; None where none did."""
        latest: dict[str, int] = {}
        for answer in reversed(answers):
            for span in (answer, *self._tree.ancestors(answer)):
                if span.span_id in latest:
                    break
                latest[span.span_id] = answer.end_ns
        found: dict[str, str | None] = {}
        for retrieval in self._spans:
            around = islice(self._tree.ancestors(retrieval), _NEARBY)
            followed = (span.span_id for span in around if latest.get(span.span_id, 0) >= retrieval.end_ns)
            found[retrieval.span_id] = next(followed, None)
        return found

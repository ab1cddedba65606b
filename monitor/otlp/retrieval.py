"""What was retrieved in a trace, and which of its answers rests on what."""

from __future__ import annotations

from collections.abc import Sequence
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
        self._consumers: dict[str, str | None] = self._find_consumers(answers) if self._spans else {}

    def documents_for(self, answer: Span) -> list[Document]:
        """What this answer may rest on: its own documents, and those that its trace had retrieved before it ended.

        What another answer followed in a span that this one is not in was retrieved for that one, as in a job over many
        questions; where that leaves nothing, all of it counts. Where a reranker chose among what was retrieved, its choice
        is what the model saw.
        """
        before = [span for span in self._spans if span.span_id != answer.span_id and span.end_ns <= answer.end_ns]
        if before:
            within = {answer.span_id, self._tree.root_of(answer).span_id}
            within.update(one.span_id for one in islice(self._tree.ancestors(answer), _NEARBY))
            before = [span for span in before if (consumer := self._consumers[span.span_id]) is None or consumer in within] or before
        ranked = [span for span in before if conventions.is_reranker(span)]
        found: dict[str, Document] = {}
        for span in [answer, *(ranked or before)]:
            for document in self._documents.get(span.span_id, ()):
                found.setdefault(document.content, document)
        documents = list(found.values())
        own = len(self._documents.get(answer.span_id, ()))
        return documents if len(documents) <= MOST_DOCUMENTS else documents[:own] + documents[max(own, len(documents) - MOST_DOCUMENTS) :]

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

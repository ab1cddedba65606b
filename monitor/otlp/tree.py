"""How the spans of one trace lie in one another."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from monitor.otlp.spans import Span


class SpanTree:
    """The spans of a trace by id. Spans without their parents are trees of their own, and hostile ones may go in circles.

    A trace of a long job holds thousands of spans below thousands of others: what is found on the way up is kept, so that
    each span is passed once.
    """

    def __init__(self, spans: Sequence[Span]) -> None:
        self.by_id = {span.span_id: span for span in spans}
        self._roots: dict[str, Span] = {}
        self._calls_around: dict[str, Span | None] = {}

    def ancestors(self, span: Span) -> Iterator[Span]:
        """The known spans around a span, from the inside."""
        seen = {span.span_id}
        while (parent := self.by_id.get(span.parent_id)) is not None and parent.span_id not in seen:
            yield parent
            span = parent
            seen.add(span.span_id)

    def root_of(self, span: Span) -> Span:
        """The outermost known ancestor of a span, or the span itself."""
        passed: list[str] = []
        while span.span_id not in self._roots:
            passed.append(span.span_id)
            self._roots[span.span_id] = span
            parent = self.by_id.get(span.parent_id)
            if parent is None:
                break
            span = parent
        found = self._roots[span.span_id]
        self._roots.update(dict.fromkeys(passed, found))
        return found

    def call_around(self, span: Span, said: Collection[str]) -> Span | None:
        """The innermost call that a span lies in; ``said`` are the ids of calls."""
        asked, passed = span, list[str]()
        while span.span_id not in self._calls_around:
            passed.append(span.span_id)
            self._calls_around[span.span_id] = None  # what goes in a circle ends here
            parent = self.by_id.get(span.parent_id)
            if parent is None or parent.span_id in said:
                found = parent
                break
            span = parent
        else:
            found = self._calls_around[span.span_id]
        self._calls_around.update(dict.fromkeys(passed, found))
        return None if found is asked else found

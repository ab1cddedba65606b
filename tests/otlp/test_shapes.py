"""What attribute names alone say, and that it is never remembered at anybody's expense."""

from __future__ import annotations

from itertools import chain

import pytest

from monitor.otlp import conventions, shapes
from monitor.otlp.shapes import shape_of


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "_known", {})


def test_plain_names_promise_nothing_and_are_all_kept() -> None:
    plain = {"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 3, "llm.token_count.prompt": 3}
    shape = shape_of(plain)
    assert not any((shape.own, shape.costs, shape.token_parts, shape.documents))
    assert shape.beside == tuple(plain)


def test_messages_and_documents_are_not_kept_beside_the_record() -> None:
    names = ["gen_ai.input.messages", "llm.input_messages.0.message.role", "output.value", "retrieval.documents.0.document.content", "x"]
    assert shape_of(dict.fromkeys(names, "")).beside == ("x",)


@pytest.mark.parametrize(
    "name",
    [
        "gen_ai.retrieval.documents",
        "retrieval.documents.0.document.content",
        "reranker.output_documents.3.document.id",
    ],
)
def test_every_place_of_documents_is_known(name: str) -> None:
    assert shape_of({name: ""}).documents


def test_every_token_count_with_a_price_of_its_own_is_known() -> None:
    tables = chain(conventions._PARTS_OF_INPUT, conventions._PARTS_OF_OUTPUT)
    for name in chain.from_iterable(names for _, _, names in tables):
        assert shape_of({name: 1}).token_parts, name


def test_sets_of_names_are_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "_KNOWN_AT_ONCE", 10)
    for number in range(100):
        shape_of({f"name-{number}": ""})
    assert 0 < len(shapes._known) <= 10


def test_names_without_end_are_not_remembered() -> None:
    assert shape_of({"groundwatch.cohort." + "x" * 1_000_000: ""}).own
    assert not shapes._known

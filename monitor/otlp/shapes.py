"""Which conventions the attribute names of a span follow at all.

Spans come by the thousand with the same names, and most conventions have no part in them. What the names alone say is worked
out once for each set of names, so that a span is only asked for what it can have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

# Attributes whose content becomes question, answer or evidence; the record keeps it there and not a second time.
_CONTENT = re.compile(
    r"(gen_ai\.(input\.messages|output\.messages|prompt(\.\d+\.|$)|completion(\.\d+\.|$)|retrieval\.documents|system_instructions)"
    r"|llm\.((input_messages|output_messages|prompts)\.|prompts$)|(input|output)\.(value|images|documents)|retrieval\.documents\."
    r"|reranker\.\w+_documents\.|ai\.(prompt(\.messages)?|(response|result)\.(text|object))$)"
)
_DOCUMENTS = re.compile(r"(gen_ai\.)?retrieval\.documents|reranker\.output_documents|traceloop\.entity\.output$")
_TOKEN_PARTS = re.compile(r"(gen_ai\.usage|llm\.token_count)\.\w+\.|ai\.usage\.(cachedInput|reasoning)Tokens$")
_GENAI = ("groundwatch.", "gen_ai.", "openinference.", "llm.", "ai.", "agent.", "session.", "traceloop.")
_KNOWN_AT_ONCE = 1_024
# Names are a sender's own: sets of them that are larger are looked at again each time, so that nobody fills the memory.
_LONGEST = 8_192


class Shape(NamedTuple):
    """What a set of attribute names can hold."""

    own: bool
    """``groundwatch.*``"""
    costs: bool
    """``llm.cost.*``"""
    token_parts: bool
    """Tokens that have a price of their own."""
    documents: bool
    """Retrieved or ranked documents."""
    genai: bool
    """Anything that speaks of calls of models, or of what they are part of."""
    beside: tuple[str, ...]
    """Names that are neither messages nor documents."""


_known: dict[tuple[str, ...], Shape] = {}


def shape_of(attributes: Mapping[str, Any]) -> Shape:
    """The shape of some attributes. Any thread may ask."""
    names = tuple(attributes)
    shape = _known.get(names)
    if shape is None:
        shape = _look_at(names)
        if sum(map(len, names)) <= _LONGEST:
            if len(_known) >= _KNOWN_AT_ONCE:
                _known.clear()
            _known[names] = shape
    return shape


def _look_at(names: tuple[str, ...]) -> Shape:
    return Shape(
        own=any(name.startswith("groundwatch.") for name in names),
        costs=any(name.startswith("llm.cost.") for name in names),
        token_parts=any(_TOKEN_PARTS.match(name) for name in names),
        documents=any(_DOCUMENTS.match(name) for name in names),
        genai=any(name.startswith(_GENAI) for name in names),
        beside=tuple(name for name in names if not _CONTENT.match(name)),
    )

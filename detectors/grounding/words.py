"""Words of a claim or a passage as the comparison sees them, from one spaCy parse."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detectors.claims.language import english
from detectors.contract import Span
from detectors.grounding.lexicon import PLAIN_NEGATORS

if TYPE_CHECKING:
    from spacy.tokens import Doc

# Words that carry grammar rather than content; a difference in them is no difference in what is claimed.
_FUNCTION = frozenset(
    re.split(
        r"\s+",
        """
a an the this that these those i you he she it we they me him her us them my your his its our their mine yours hers ours theirs who whom
whose which what where when why how be is am are was were been being do does did done have has had having will would shall should can could
may might must of to in on at by for with from as into onto about over under between among through during before after above below up down
out off and or but nor so yet if then than because while although though there here also too very just such own same other another more most
s t d ll m o re ve y s' 's ’s as well both either per via upon it's that's get got say said says tell told make made""".strip(),
    )
)
_WORDLIKE = re.compile(r"\w")
_STEMMED = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d[\d,.]*")


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its place in the text. ``head`` is an index into the words of the same text, its own for a root.

    ``entity`` is spaCy's type, empty for no entity.
    """

    text: str
    lemma: str
    stem: str
    pos: str
    dep: str
    head: int
    span: Span
    content: bool
    name: bool
    number: bool
    negated: bool
    entity: str = ""


def words_of(texts: Sequence[str]) -> list[list[Word]]:
    """The words of each text. Raises DetectorUnavailable when spaCy or its model is not installed."""
    return [_words(doc) for doc in english().pipe(texts, batch_size=64)]


def stems_of(text: str) -> list[str]:
    """Stems of the content words and numbers of a text, without a parse: what retrieval counts."""
    return [stem(word) for word in (match.group().lower() for match in _STEMMED.finditer(text)) if word not in _FUNCTION]


@functools.lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """The stem of a word in lower case (Porter's second English stemmer)."""
    if word[:1].isdigit():
        return word.replace(",", "").rstrip(".")
    return str(_stemmer().stemWord(re.sub(r"['’]s?$", "", word)))


@functools.lru_cache(maxsize=1)
def _stemmer() -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer("english")


def _words(doc: Doc) -> list[Word]:
    index = {token.i: number for number, token in enumerate(token for token in doc if _WORDLIKE.search(token.text) or token.text == "%")}
    negated = _negated(doc)
    found: list[Word] = []
    for token in doc:
        if token.i not in index:
            continue
        head = token.head
        while head.i not in index and head.head.i != head.i:
            head = head.head
        lower = token.lower_
        number = token.like_num or token.ent_type_ in ("CARDINAL", "MONEY", "PERCENT", "ORDINAL", "QUANTITY")
        found.append(
            Word(
                text=token.text,
                lemma=token.lemma_.lower(),
                stem=stem(lower),
                pos=token.pos_,
                dep=token.dep_,
                head=index.get(head.i, index[token.i]),
                span=(token.idx, token.idx + len(token.text)),
                content=lower not in _FUNCTION and token.pos_ not in ("PUNCT", "SYM", "SPACE", "DET", "PRON", "CCONJ", "AUX", "PART"),
                name=token.ent_type_ in ("PERSON", "ORG", "GPE", "LOC", "NORP", "FAC", "PRODUCT", "EVENT", "WORK_OF_ART")
                or token.pos_ == "PROPN",
                number=number,
                negated=token.i in negated,
                entity=token.ent_type_,
            )
        )
    return found


def _negated(doc: Doc) -> set[int]:
    """Tokens under a negation: the negated word itself and what hangs on it directly."""
    found: set[int] = set()
    for token in doc:
        if token.lower_ == "without":
            # "Without approval" denies the approval and not the deed; "with or without" denies nothing.
            if not (token.dep_ == "conj" and token.head.lower_ == "with"):
                found.update(child.i for child in token.children if child.dep_ in ("pobj", "pcomp"))
        elif token.lower_ in PLAIN_NEGATORS or token.dep_ == "neg":
            found.add(token.head.i)
            if token.head.pos_ == "ADP":  # "not by e-mail"
                found.update(child.i for child in token.head.children if child.dep_ == "pobj")
            if token.head.pos_ == "AUX" and token.head.head.i != token.head.i:
                found.add(token.head.head.i)
    return found

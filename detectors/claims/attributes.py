"""What an answer says of a thing beside its name: how many, which colours, and what narrows a number or a denial."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from detectors.claims.numerals import find_worded, value_of
from detectors.seeing.vocabulary import COLOUR_WORDS, PICTURES, words

if TYPE_CHECKING:
    from spacy.tokens import Token

_INEXACT = words("about around approximately roughly nearly almost over least than most up some maybe perhaps")
_DIGITS = re.compile(r"(?<![\d.,])\d[\d,]*")
_JOINS = re.compile(r"\s*(?:to|or|and|[-–—])\s*")
_EXACTLY = words("only just exactly precisely")
_GROUPS = {"pair": 2, "duo": 2, "trio": 3, "dozen": 12}
_LARGEST_COUNT = 999
# The whole of what is seen, said as a place.
_SCENES = PICTURES | words("room kitchen bathroom bedroom office street sight here")
# "No visible dog" denies any dog, "no brown dog" only some.
_PLAIN = words("single visible actual real clear apparent discernible more other")
_EXISTENCE = words("be have lack see show find notice spot detect exist appear contain depict include visible present")
# "Orange juice" is no orange thing.
_MADE_OF_ORANGES = words("juice tree slice peel soda marmalade grove zest wedge segment")


def colours_of(head: Token, first: Token) -> tuple[str, ...]:
    """Colours said of the noun itself: "a red and white bus", "the bus is red", "a bench painted green"."""
    direct = [child for child in head.children if child.dep_ in ("amod", "compound") and child.i < first.i]
    if any(child.lower_ == "orange" for child in direct) and head.lemma_.lower() in _MADE_OF_ORANGES:
        direct = [child for child in direct if child.lower_ != "orange"]
    told = [*direct, *_predicates(head)]
    linked = [child for colour in told for child in colour.children if child.dep_ in ("conj", "amod")]
    known = {token.i: token.lower_ for token in (*told, *linked) if token.lower_ in COLOUR_WORDS}
    return tuple(dict.fromkeys(known[at] for at in sorted(known)))


def _predicates(head: Token) -> list[Token]:
    """What a copula or "painted" says of the noun, unless it is denied."""
    verbs = [child for child in head.children if child.dep_ in ("relcl", "acl")]
    if head.dep_ in ("nsubj", "nsubjpass"):
        verbs.append(head.head)
    found: list[Token] = []
    for verb in verbs:
        if verb.lemma_ in ("be", "paint", "color", "colour") and not any(child.dep_ == "neg" for child in verb.children):
            found += [child for child in verb.children if child.dep_ in ("acomp", "attr", "oprd") and child.i > verb.i]
    return found


def count_of(head: Token, first: Token) -> int | None:
    """How many, where the answer gives one plain number; None for "several", "about ten", "two or three"."""
    numbers = [child for child in head.children if child.dep_ == "nummod" and child.i < first.i]
    if numbers:
        start = numbers[0].left_edge.i
        within = [token for token in head.doc[start : numbers[-1].right_edge.i + 1] if token.i < first.i]
        before = head.doc[max(head.sent.start, start - 2) : start]
        if {token.lower_ for token in (*before, *within)} & _INEXACT or _is_range(
            head.doc[max(head.sent.start, first.i - 8) : first.i].text
        ):
            return None
        while within and within[0].lower_ in _EXACTLY:
            within = within[1:]
        return _whole(value_of(head.doc[within[0].i : within[-1].i + 1].text)) if within else None
    left = {child.lower_ for child in head.children if child.i < first.i}
    if left & {"single", "lone", "solitary"}:
        return 1
    if "both" in left:
        return 2
    holder = head.head.head if head.dep_ == "pobj" and head.head.lower_ == "of" else None
    if holder is None or any(child.dep_ == "nummod" for child in holder.children):
        return None
    return _GROUPS.get(holder.lemma_)


def _is_range(words_before: str) -> bool:
    """Whether the last two numbers are the ends of one range ("between two and four", "10-20")."""
    spans = sorted([*(one.span for one in find_worded(words_before)), *(digits.span() for digits in _DIGITS.finditer(words_before))])
    return len(spans) > 1 and _JOINS.fullmatch(words_before, spans[-2][1], spans[-1][0]) is not None


def _whole(value: float | None) -> int | None:
    return int(value) if value is not None and value % 1 == 0 and value <= _LARGEST_COUNT else None


def is_exhaustive(head: Token) -> bool:
    """Whether a count of this noun counts all of them: an existential or "the picture shows", with nothing that narrows it."""
    verb = head.head
    exists = any(child.dep_ == "expl" for child in verb.children)
    shown = verb.lemma_ in ("show", "contain", "depict", "see") and head.dep_ in ("dobj", "nsubjpass")
    narrowed = any(child.dep_ in ("acl", "relcl", "amod") for child in head.children)
    return (exists or shown) and _everywhere((head, verb), PICTURES) and not narrowed


def is_narrowed(head: Token, first: Token) -> bool:
    """Whether a denial of this noun leaves room for another one: of a kind, in a place, or doing something."""
    anchor = head
    while anchor.dep_ == "conj" and anchor.head.pos_ in ("NOUN", "PROPN", "PRON"):
        anchor = anchor.head
    verb = anchor.head
    if anchor.dep_ == "pobj" and verb.lower_ in ("without", "with"):
        return True
    if any(child.dep_ == "amod" and child.i < first.i and child.lower_ not in _PLAIN for child in head.children):
        return True
    if any(child.dep_ in ("acl", "relcl") and child.lemma_ not in _EXISTENCE for child in head.children):
        return True
    if anchor.dep_ in ("nsubj", "nsubjpass", "dobj") and verb.lemma_ not in _EXISTENCE:
        return True
    # "The table has no cups" says nothing of the shelf; "the kitchen has no sink" speaks of the whole.
    owners = [child for child in verb.children if child.dep_ == "nsubj" and child.i != anchor.i]
    if verb.lemma_ in ("have", "lack") and any(owner.lemma_.lower() not in _SCENES for owner in owners):
        return True
    return not _everywhere((head, anchor, verb), _SCENES)


def _everywhere(governors: tuple[Token, ...], wholes: frozenset[str]) -> bool:
    """Whether every place these words give is the whole picture."""
    places = [child for token in governors for child in token.children if child.dep_ in ("prep", "advcl", "acl")]
    return all(any(inner.lemma_.lower() in wholes for inner in place.children) for place in places if place.lemma_ not in _EXISTENCE)

"""Finds the things an answer says a picture shows.

A claim is one mention of one thing; its span is the noun with its compound ("traffic light", not "the red traffic
light"). What the mention says goes to ``facts``:

``noun``        singular lower-case name
``coco``        the COCO class it verifies to, or None (outside COCO, or several classes could support it)
``classes``     every COCO class that supports it; empty outside COCO
``match``       how word and class relate, see :mod:`detectors.seeing.vocabulary`; None outside COCO
``count``       how many, when the answer gives a plain number; None otherwise
``exhaustive``  the count is of all there are in the picture ("There are two dogs."), not of some ("two dogs on the left")
``attributes``  colours
``negated``     the answer says it is not there
``hedged``      offered as a guess
``depicted``    only a likeness of it is claimed (a painting, a toy)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detectors.claims.depiction import Stance, is_about_a_document, is_depicted, is_hedged, is_negated, sentences, stance_of
from detectors.claims.language import parsed
from detectors.contract import Claim
from detectors.seeing.vocabulary import DEPICTIONS, MEANINGS, MEASURES, NOT_THINGS, PICTURES, THINGS, Meaning, words

if TYPE_CHECKING:
    from spacy.tokens import Span, Token

_LONGEST_PHRASE = 3
_NUMBERS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12,
}  # fmt: skip
_COLOURS = words(
    "black white red green blue yellow orange brown grey gray pink purple beige tan gold golden silver turquoise teal maroon navy"
)
# Nouns made of verbs and adjectives name no thing one could point at.
_ABSTRACT = ("tion", "sion", "ness", "ity", "ment", "ship", "ance", "ence", "ism", "ing", "hood", "dom", "logy")
_GAMES = words("baseball basketball football soccer tennis volleyball golf rugby frisbee")
_INEXACT = words("about around approximately roughly nearly almost over least than most up")
# Said of single things that have a plural form; "two pairs" would count differently.
_PAIRED = frozenset(("skis", "scissors"))


@dataclass(frozen=True, slots=True)
class _Mention:
    first: Token
    head: Token
    noun: str
    meaning: Meaning | None


def find(text: str) -> list[Claim]:
    """Object claims of ``text`` in reading order; none where it talks about a document."""
    if not text.strip() or is_about_a_document(text):
        return []
    claims = []
    for sentence in sentences(parsed(text)):
        stance = stance_of(sentence)
        if stance != "none":
            claims += [_claim(text, mention) for mention in _mentions(sentence, stance)]
    return claims


def named(text: str) -> list[Claim]:
    """As :func:`find`, for a description of what happens: its tense and its subject do not matter."""
    return [_claim(text, mention) for sentence in sentences(parsed(text)) for mention in _mentions(sentence, "weak")]


def _claim(text: str, mention: _Mention) -> Claim:
    head, known = mention.head, mention.meaning
    start, end = mention.first.idx, head.idx + len(head)
    count = _count(mention)
    facts: dict[str, Any] = {
        "noun": mention.noun,
        "coco": known.classes[0] if known and len(known.classes) == 1 else None,
        "classes": known.classes if known else (),
        "match": known.match if known else None,
        "count": count,
        "exhaustive": count is not None and _is_exhaustive(head),
        "attributes": _colours(head),
        "negated": is_negated(head),
        "hedged": is_hedged(head),
        "depicted": is_depicted(head),
    }
    return Claim(id="", text=text[start:end], span=(start, end), kind="object", facts=facts)


def _mentions(sentence: Span, stance: Stance) -> Iterator[_Mention]:
    index = sentence.start
    while index < sentence.end:
        mention = _known(sentence, index) or (_unknown(sentence.doc[index]) if stance == "strong" else None)
        if mention is not None:
            yield mention
            index = mention.head.i
        index += 1


def _known(sentence: Span, index: int) -> _Mention | None:
    """The longest vocabulary phrase that starts here and stands for a thing."""
    for length in range(_LONGEST_PHRASE, 0, -1):
        if index + length > sentence.end:
            continue
        tokens = sentence.doc[index : index + length]
        for phrase in _singulars(tokens):
            if (phrase in MEANINGS or phrase in THINGS) and _is_thing(tokens[-1], index):
                noun = "eyeglasses" if phrase == "glass" and _is_worn(tokens[-1]) else phrase
                return _Mention(tokens[0], tokens[-1], noun, MEANINGS.get(noun))
    return None


def _is_worn(token: Token) -> bool:
    """Glasses that are worn are no drinking glasses."""
    holders = [token, *token.ancestors]
    return token.lower_ == "glasses" and any(holder.lemma_ == "wear" for holder in holders[:3])


def _singulars(tokens: Span) -> list[str]:
    head = "".join(token.lower_ + token.whitespace_ for token in tokens[:-1])
    last = tokens[-1]
    forms = [last.lower_, last.lemma_.lower()]
    for ending, replacement in (("ies", "y"), ("ves", "fe"), ("es", ""), ("s", "")):
        if last.lower_.endswith(ending):
            forms.append(last.lower_.removesuffix(ending) + replacement)
    return [head + form for form in dict.fromkeys(forms)]


def _is_thing(token: Token, first: int) -> bool:
    """Whether a vocabulary word is used as a noun of its own here. Taggers miss nouns in lists, so lists count too."""
    after = token.doc[token.i + 1] if token.i + 1 < len(token.doc) else None
    if (
        token.dep_ in ("compound", "amod", "nmod")
        and token.head.i > token.i
        and after is not None
        and after.pos_ in ("NOUN", "PROPN", "ADJ")
    ):
        return False
    if after is not None and (after.text == "-" or (after.text[:1] == "-" and len(after) > 1)):
        return False
    if (
        token.lower_ in _GAMES
        and token.head.lemma_ in ("play", "of", "enjoy", "for")
        and not any(child.dep_ == "det" for child in token.children)
    ):
        return False
    if token.pos_ in ("NOUN", "PROPN"):
        return True
    closed = after is None or after.is_punct or after.is_space or after.lower_ in ("and", "or", "as", "too", "in", "on")
    before = token.doc[first - 1] if first > token.sent.start else None
    opened = (
        before is None or before.text in (",", ":", "-", "•", "*") or before.lower_ in ("and", "or", "a", "an", "the", "some", "no", "any")
    )
    acts = token.pos_ == "VERB" and (token.dep_ == "ROOT" or (token.dep_ == "conj" and token.head.pos_ in ("VERB", "AUX")))
    return token.pos_ in ("VERB", "ADJ", "ADV", "X", "INTJ") and closed and (opened or token.dep_ in ("dobj", "attr")) and not acts


def _unknown(token: Token) -> _Mention | None:
    """A noun outside every list, in a sentence that points at the picture's content: a thing unless it looks abstract."""
    lemma = token.lemma_.lower()
    if token.pos_ != "NOUN" or token.dep_ not in ("attr", "dobj", "conj", "appos", "nsubj", "nsubjpass", "ROOT", "pobj"):
        return None
    if lemma in NOT_THINGS or lemma in MEASURES or lemma in _COLOURS or lemma.endswith(_ABSTRACT) or not token.is_alpha or len(lemma) < 3:
        return None
    if token.dep_ in ("pobj", "ROOT") and lemma not in DEPICTIONS:
        return None
    first = token
    while first.i > token.sent.start and first.nbor(-1).dep_ == "compound" and first.nbor(-1).head.i == token.i:
        first = first.nbor(-1)
    noun = " ".join([word.lower_ for word in token.doc[first.i : token.i]] + [lemma])
    return _Mention(first, token, noun, None)


def _colours(head: Token) -> tuple[str, ...]:
    """Colours said of the noun itself: "a red and white bus"."""
    direct = [child for child in head.children if child.dep_ in ("amod", "compound") and child.i < head.i]
    linked = [child for colour in direct for child in colour.children if child.dep_ in ("conj", "amod")]
    return tuple(token.lower_ for token in sorted(direct + linked, key=lambda token: token.i) if token.lower_ in _COLOURS)


def _count(mention: _Mention) -> int | None:
    head = mention.head
    if mention.meaning is not None and set(mention.meaning.classes) & _PAIRED:
        return None
    words = {child.lower_ for child in head.children if child.i < head.i}
    for child in head.children:
        if child.dep_ == "nummod" and child.i < mention.first.i:
            inexact = {token.lower_ for token in child.subtree} | ({child.nbor(-1).lower_} if child.i > head.sent.start else set())
            return None if inexact & _INEXACT else _number(child.lower_)
    return 1 if "single" in words else None


def _is_exhaustive(head: Token) -> bool:
    """Whether a count of this noun counts all of them: an existential or "the picture shows", with nothing that narrows it."""
    verb = head.head
    exists = any(child.dep_ == "expl" for child in verb.children)
    shown = verb.lemma_ in ("show", "contain", "depict", "see") and head.dep_ in ("dobj", "nsubjpass")
    narrowed = any(child.dep_ in ("acl", "relcl", "amod") for child in head.children)
    places = [child for token in (head, verb) for child in token.children if child.dep_ in ("prep", "advcl", "acl")]
    inside = all(any(inner.lemma_.lower() in PICTURES for inner in place.children) for place in places)
    return (exists or shown) and inside and not narrowed


def _number(word: str) -> int | None:
    if word in _NUMBERS:
        return _NUMBERS[word]
    return int(word) if word.isascii() and word.isdigit() and len(word) < 4 else None

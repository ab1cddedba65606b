"""Finds the things an answer says a picture shows.

A claim is one mention of one thing; its span is the noun with its compound ("traffic light", not "the red traffic
light"). What the mention says goes to ``facts``:

``noun``        singular lower-case name
``coco``        the COCO class it verifies to, or None (outside COCO, or several classes could support it)
``classes``     every COCO class that supports it; empty outside COCO
``match``       how word and class relate, see :mod:`detectors.seeing.vocabulary`; None outside COCO
``count``       how many, when the answer gives a plain number; None otherwise
``exhaustive``  the count is of all there are in the picture ("There are two dogs."), not of some ("two dogs on the left")
``attributes``  colours said of it ("a red car", "the car, which is red")
``negated``     the answer says it is not there
``narrowed``    the denial is of a kind, a place or a doing only ("no red car", "no dog on the couch", "nobody smiles")
``hedged``      offered as a guess
``depicted``    only a likeness of it is claimed (a painting, a toy)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detectors.claims.attributes import colours_of, count_of, is_exhaustive, is_narrowed
from detectors.claims.depiction import Stance, is_about_a_document, is_depicted, is_hedged, is_negated, sentences, stance_of
from detectors.claims.language import parsed
from detectors.contract import Claim
from detectors.seeing.vocabulary import COLOUR_WORDS, DEPICTIONS, MEANINGS, MEASURES, NOT_THINGS, PAIRED, THINGS, Meaning, words

if TYPE_CHECKING:
    from spacy.tokens import Span, Token

_LONGEST_PHRASE = 3
# Nouns made of verbs and adjectives name no thing one could point at.
_ABSTRACT = ("tion", "sion", "ness", "ity", "ment", "ship", "ance", "ence", "ism", "ing", "hood", "dom", "logy")
_GAMES = words("baseball basketball football soccer tennis volleyball golf rugby frisbee")
_NO_PERSON = frozenset(("nobody", "noone", "no-one"))


@dataclass(frozen=True, slots=True)
class _Mention:
    first: Token
    head: Token
    noun: str
    meaning: Meaning | None
    denied: bool = False


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
    counted = known is None or not set(known.classes) & PAIRED
    count = count_of(head, mention.first) if counted else None
    negated = mention.denied or is_negated(head)
    facts: dict[str, Any] = {
        "noun": mention.noun,
        "coco": known.classes[0] if known and len(known.classes) == 1 else None,
        "classes": known.classes if known else (),
        "match": known.match if known else None,
        "count": count,
        "exhaustive": count is not None and is_exhaustive(head),
        "attributes": colours_of(head, mention.first),
        "negated": negated,
        "narrowed": negated and is_narrowed(head, mention.first),
        "hedged": is_hedged(head),
        "depicted": is_depicted(head),
    }
    return Claim(id="", text=text[start:end], span=(start, end), kind="object", facts=facts)


def _mentions(sentence: Span, stance: Stance) -> Iterator[_Mention]:
    index = sentence.start
    while index < sentence.end:
        mention = _nobody(sentence, index) or _known(sentence, index) or (_unknown(sentence.doc[index]) if stance == "strong" else None)
        if mention is not None:
            yield mention
            index = mention.head.i
        index += 1


def _nobody(sentence: Span, index: int) -> _Mention | None:
    """ "Nobody" and "no one" deny that there are people."""
    token = sentence.doc[index]
    if token.lower_ in _NO_PERSON:
        return _Mention(token, token, "person", MEANINGS["person"], denied=True)
    if token.lower_ == "no" and index + 1 < sentence.end and token.nbor().lower_ == "one":
        return _Mention(token, token.nbor(), "person", MEANINGS["person"], denied=True)
    return None


def _known(sentence: Span, index: int) -> _Mention | None:
    """The longest vocabulary phrase that starts here and stands for a thing."""
    for length in range(_LONGEST_PHRASE, 0, -1):
        if index + length > sentence.end:
            continue
        tokens = sentence.doc[index : index + length]
        if _only_measures(tokens[-1]):
            continue
        for phrase in _singulars(tokens):
            if (phrase in MEANINGS or phrase in THINGS) and _is_thing(tokens[-1], index):
                noun = "eyeglasses" if phrase == "glass" and _is_worn(tokens[-1]) else phrase
                return _Mention(tokens[0], tokens[-1], noun, MEANINGS.get(noun))
    return None


def _only_measures(token: Token) -> bool:
    """ "A couple of dogs" speaks of dogs, "a herd of sheep" of sheep; a pair of scissors is the thing itself."""
    following = token.doc[token.i + 1] if token.i + 1 < len(token.doc) else None
    if token.lemma_.lower() not in MEASURES or following is None or following.lower_ != "of":
        return False
    return any(inner.dep_ == "pobj" for inner in following.children)


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
        and after.is_alpha  # an emoji is tagged as a noun
        and after.pos_ in ("NOUN", "PROPN", "ADJ")
    ):
        return False
    if after is not None and not token.whitespace_ and (after.text == "-" or (after.text[:1] == "-" and len(after) > 1)):
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
    if (
        lemma in NOT_THINGS
        or lemma in MEASURES
        or lemma in COLOUR_WORDS
        or lemma.endswith(_ABSTRACT)
        or not token.is_alpha
        or len(lemma) < 3
    ):
        return None
    if token.dep_ in ("pobj", "ROOT") and lemma not in DEPICTIONS:
        return None
    first = token
    while first.i > token.sent.start and first.nbor(-1).dep_ == "compound" and first.nbor(-1).head.i == token.i:
        first = first.nbor(-1)
    noun = " ".join([word.lower_ for word in token.doc[first.i : token.i]] + [lemma])
    return _Mention(first, token, noun, None)

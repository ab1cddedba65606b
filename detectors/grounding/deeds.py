"""Who does what to what: where a passage tells the same deed, which of its parts it fills otherwise.

A deed is a verb with what stands in its places: its doer, what it is done to or what something is, and what each of its
prepositions leads to, of active and passive alike. Sentence and passage tell the same deed when their verbs are alike and a
filler of at least one place is the same; another filler of another place, or a denial on one side, is then a contradiction, unless a
passage has the deed as the sentence tells it. Paraphrases fill a place in other words, so only names and values count as other
fillers. "Only" is compared with the rest of a list, and changes by what they begin and end with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from detectors.contract import Span
from detectors.grounding.comparison import Text, likeness
from detectors.grounding.lexicon import converse, opposed
from detectors.grounding.values import Value, find_values, in_groups
from detectors.grounding.words import Word

# Cosines: from the first on two verbs tell the same deed, from the second on a word is the same in other words.
SAME_DEED, ALIKE = 0.55, 0.8
# "Failed to get" did not get.
_FAILS = frozenset({"fail", "refuse", "decline", "neglect"})
_NAMES_IT = frozenset({"compound", "nummod"})
DESCRIBES = frozenset({"amod", "compound", "nmod", "nummod", "poss", "det"})
_ONLY = frozenset({"only", "solely", "exclusively"})
Alike = Callable[[int, int], float]


@dataclass(frozen=True, slots=True)
class Otherwise:
    """What a sentence says at the word numbered ``word`` and the passage numbered ``passage`` says instead, each in its own words."""

    word: int
    text: str
    passage: int
    instead: str


@dataclass(frozen=True, slots=True)
class Deed:
    """A verb by its number, whether it is denied, and the numbers of the words in each of its places."""

    verb: int
    denied: bool
    places: Mapping[str, Sequence[int]]


def otherwise(claim: Text, passages: Sequence[Text], alike: Sequence[Alike]) -> Iterator[Otherwise]:
    """What passages say otherwise of the deeds of a sentence; ``alike`` is :func:`alike_words` of each."""
    theirs = [deeds(passage) for passage in passages]
    for deed in deeds(claim):
        yield from _other_deed(claim, deed, list(zip(passages, theirs, alike, strict=True)))
    for number, passage in enumerate(passages):
        for word, text, instead in (*_only(claim, passage), *_directions(claim, passage)):
            yield Otherwise(word, text, number, instead)


def alike_words(claim: Text, passage: Text) -> Alike:
    """How alike a word of a sentence and one of a passage are, by their numbers: 1 of one stem, else the cosine."""
    table = likeness(claim, passage)
    return lambda one, other: 1.0 if claim.words[one].stem == passage.words[other].stem else float(table[one, other])


def deeds(text: Text) -> list[Deed]:
    """The deeds of a text with everything that hangs on their verbs; a verb joined to another shares its doer."""
    places: dict[int, dict[str, list[int]]] = {
        number: {}
        for number, word in enumerate(text.words)
        if word.pos == "VERB" or (word.pos == "AUX" and word.dep not in ("aux", "auxpass"))
    }
    for number, word in enumerate(text.words):
        if (place := _place_of(text, word)) is not None and place[0] in places:
            places[place[0]].setdefault(place[1], []).extend([number, *_joined(text, number)])
    for number, mine in places.items():
        above = text.words[number].head
        if text.words[number].dep in ("conj", "xcomp") and above in places and "doer" not in mine and "doer" in places[above]:
            mine["doer"] = places[above]["doer"]
    return [Deed(number, _is_denied(text, number, mine), mine) for number, mine in places.items()]


def _is_denied(text: Text, verb: int, places: Mapping[str, Sequence[int]]) -> bool:
    """Whether a deed is not done: "is not needed", "no server is needed", "failed to get"; two denials are none."""
    word = text.words[verb]
    denied = word.negated or any(text.words[at].negated for place in ("doer", "thing") for at in places.get(place, ()))
    return denied != (word.dep == "xcomp" and text.words[word.head].lemma in _FAILS)


def _place_of(text: Text, word: Word) -> tuple[int, str] | None:
    """The verb that a word hangs on, and in which place."""
    head = text.words[word.head]
    if word.dep == "nsubj":
        return word.head, "doer"
    if word.dep in ("nsubjpass", "dobj", "attr", "acomp", "oprd", "npadvmod"):
        return word.head, "thing"
    if word.dep == "dative":
        return word.head, "to"
    if word.dep != "pobj":
        return None
    if head.dep == "agent":
        return head.head, "doer"
    above = text.words[head.head]
    # "Pays for the water" and "pays the bill for the water": what hangs on the thing hangs on the verb.
    verb = above.head if above.dep in ("dobj", "nsubjpass", "attr") else head.head
    return verb, head.lemma


def _joined(text: Text, number: int) -> list[int]:
    """Words joined to a word by "and" or a comma."""
    found: list[int] = []
    for at, word in enumerate(text.words):
        if word.dep == "conj" and word.head in (number, *found):
            found.append(at)
    return found


def _other_deed(claim: Text, deed: Deed, told: Sequence[tuple[Text, list[Deed], Alike]]) -> Iterator[Otherwise]:
    """The part of one deed that the passages tell otherwise; nothing where one of them tells it the same."""
    best: tuple[int, Otherwise] | None = None
    for number, (passage, others, alike) in enumerate(told):
        for other in others:
            mine, theirs = claim.words[deed.verb], passage.words[other.verb]
            if alike(deed.verb, other.verb) < SAME_DEED or opposed(mine.lemma, theirs.lemma) or converse(mine.lemma, theirs.lemma):
                continue
            same, unclear, apart = _compared(claim, deed, passage, other, alike)
            denied = deed.denied != other.denied
            if same and not (unclear or apart or denied):
                return
            same += mine.stem == theirs.stem and _named_doers(claim, deed) and _named_doers(passage, other)
            # One thing at a time: where more is told otherwise it may be another deed.
            if not same or len(apart) + denied != 1 or (denied and unclear):
                continue
            if apart:
                filler, instead = apart[0]
                one = Otherwise(filler, _phrase(claim, filler), number, _phrase(passage, instead))
            else:
                one = Otherwise(deed.verb, _denied(mine.text, deed), number, _denied(theirs.text, other))
            if best is None or same > best[0]:
                best = same, one
    if best is not None:
        yield best[1]


def _named_doers(text: Text, deed: Deed) -> bool:
    return any(_named(text.words[at]) for at in deed.places.get("doer", ()))


def _denied(verb: str, deed: Deed) -> str:
    return f"not {verb}" if deed.denied else verb


Values = tuple[Sequence[Value], Sequence[Value]]


def _compared(claim: Text, deed: Deed, passage: Text, other: Deed, alike: Alike) -> tuple[int, int, list[tuple[int, int]]]:
    """How many fillers two deeds share, how many may be the same in other words, and those that differ with what stands there instead."""
    same, unclear, apart = 0, 0, []
    values = find_values(claim.text), find_values(passage.text)
    for place, fillers in deed.places.items():
        theirs = other.places.get(place, [])
        if place == "doer" and "thing" not in deed.places:
            # "The webinar stays" is what keeping the webinar does.
            theirs = [*theirs, *other.places.get("thing", ())]
        if not theirs or any(passage.words[at].pos == "PRON" for at in theirs):
            continue
        for filler in fillers:
            if claim.words[filler].pos == "PRON":
                continue
            if any(_equal(claim, filler, passage, at, alike, values) for at in theirs):
                same += 1
            elif all(_differs(claim, filler, passage, at, values) for at in theirs):
                apart.append((filler, theirs[0]))
            else:
                unclear += 1
    return same, unclear, apart


def _equal(claim: Text, filler: int, passage: Text, at: int, alike: Alike, values: Values) -> bool:
    mine, theirs = _valued(claim, filler, values[0]), _valued(passage, at, values[1])
    if mine and theirs:
        return any(one.equals(other) or one.may_stand_for(other) for one in mine for other in theirs) or any(
            in_groups(one.text, passage.text) for one in mine
        )
    word = claim.words[filler]
    # What has a place of its own in the passage is not meant by another word there, however like it is: a landlord by a tenant.
    return word.stem == passage.words[at].stem or (alike(filler, at) >= ALIKE and not _within(word, passage))


def _differs(claim: Text, filler: int, passage: Text, at: int, values: Values) -> bool:
    mine, theirs = _valued(claim, filler, values[0]), _valued(passage, at, values[1])
    if mine or theirs:
        return bool(mine and theirs) and any(one.rivals(other) for one in mine for other in theirs)
    word, other = claim.words[filler], passage.words[at]
    if not (_named(word) and _named(other)) or any(one.stem == other.stem for one in claim.words):
        return False
    return word.stem not in {one.stem for one in passage.words[max(0, at - 3) : at + 4]}


def _within(word: Word, passage: Text) -> bool:
    return any(other.stem == word.stem for other in passage.words)


def _valued(text: Text, number: int, values: Sequence[Value]) -> list[Value]:
    """The values that a word is or that stand on it."""
    spans = [text.words[number].span, *(word.span for word in text.words if word.head == number and word.number)]
    return [value for value in values if not value.loose and any(value.span[0] < end and start < value.span[1] for start, end in spans)]


def _phrase(text: Text, number: int) -> str:
    """A word with the names and nouns that stand right before it, and its number."""
    start, end = filler_span(text, number, _NAMES_IT)
    return text.text[start:end]


def _only(claim: Text, passage: Text) -> Iterator[tuple[int, str, str]]:
    """One of several that the passage names together."""
    pairs = [(passage.words[word.head], word) for word in passage.words if word.dep == "conj"]
    # "By A and by B" joins the two prepositions.
    joined = [(_object(passage, one), _object(passage, other)) for one, other in pairs]
    restricted = any(word.lemma in _ONLY for word in passage.words)
    for number, word in enumerate(claim.words):
        head = claim.words[word.head]
        if word.lemma in _ONLY and head.pos in ("NOUN", "PROPN") and not restricted:
            also = next((one if head.stem == other.stem else other for one, other in joined if head.stem in (one.stem, other.stem)), None)
            if also is not None:
                yield number, f"{word.text} {head.text}", f"also {also.text}"


def _object(text: Text, word: Word) -> Word:
    """What a preposition leads to; any other word itself."""
    if word.pos != "ADP":
        return word
    return next((other for other in text.words if other.dep == "pobj" and text.words[other.head] is word), word)


def _directions(claim: Text, passage: Text) -> Iterator[tuple[int, str, str]]:
    """A change to the value that the passage has it change from, or the other way round."""
    mine, theirs = _led(claim), _led(passage)
    for number, lead in mine.items():
        stem = claim.words[number].stem
        leads = {other for at, other in theirs.items() if passage.words[at].stem == stem}
        against = {"to": "from", "from": "to"}[lead]
        ends = [passage.words[at].text for at, other in theirs.items() if other == lead and passage.words[at].stem != stem]
        if leads == {against} and ends:
            yield number, f"{lead} {claim.words[number].text}", f"{lead} {ends[0]}"


def _led(text: Text) -> dict[int, str]:
    """Numbers right behind "from" or "to"."""
    return {at + 1: one.lemma for at, (one, two) in enumerate(pairwise(text.words)) if one.lemma in ("from", "to") and two.number}


def _named(word: Word) -> bool:
    return word.name and word.pos == "PROPN"


def filler_span(text: Text, number: int, with_these: frozenset[str] = DESCRIBES) -> Span:
    """A word with what describes it right before it."""
    first = number
    while first and text.words[first - 1].head in range(first, number + 1) and text.words[first - 1].dep in with_these:
        first -= 1
    return text.words[first].span[0], text.words[number].span[1]

"""What a passage says otherwise: a value, a name, a denial or a deed that differs where the rest of a sentence stands in the passage.

A sentence that only adds something may rest on what nobody wrote down; one that says "74 minutes" where its source says
"47 minutes" of the same thing is wrong. So a contradiction takes three things: the value or name stands nowhere in any
source, in no form; one passage has nearly everything else the sentence says; and another value of the same kind, or
another name, stands there in its place.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rapidfuzz import fuzz

from detectors.contract import Span
from detectors.grounding.comparison import Match, Text, alike_around, contradicted, flipped, likeness
from detectors.grounding.deeds import alike_words, filler_span, otherwise
from detectors.grounding.duties import other_duties
from detectors.grounding.lexicon import OTHER_AS_VERB, opposed
from detectors.grounding.retrieval import Indexed
from detectors.grounding.substitutions import stands_in, substitutions
from detectors.grounding.values import Value, find_values, in_groups, known_values
from detectors.grounding.words import Word, stem

# A deed is too rare among labels to be a feature of the fitted models; its rule alone counts.
KINDS = ("value", "name", "denial", "deed")
RULES = Path(__file__).with_name("contradiction_rules.json")
NAMED_FORMS = Path(__file__).with_name("nationalities.json")
# From this cosine on a word of the passage says what a word of the sentence says.
_ALIKE = 0.55
# The share of the words around a value or name that must stand around the other one too.
_SAME_PLACE = 0.45
# Sums and differences are looked for among so many values of the best passages at most.
_MOST_SUMMED = 14
_FUZZY = 86.0
_ONE_WORD = 0.8
# What a word counts that only another of the best passages has, and a verb, adjective or adverb, which a paraphrase changes most easily.
_ELSEWHERE, _PARAPHRASED = 0.75, 0.5
_EXCEPTION = re.compile(r"\b(?:except(?:ing)?|unless|other than|apart from|save for)\b", re.IGNORECASE)
_MARK = re.compile(r"[,;:()]")
_PLACES = frozenset({"GPE", "LOC", "NORP", "FAC"})
_NOT_NAMES = frozenset({"DATE", "TIME", "MONEY", "PERCENT", "CARDINAL", "ORDINAL", "QUANTITY", "LANGUAGE"})


@dataclass(frozen=True, slots=True)
class Contradiction:
    """``text`` at ``span`` of the sentence, where the passage numbered ``passage`` has ``instead``.

    ``aligned`` is the weighted share of the sentence's other content words that the passage has too, in [0, 1].
    """

    kind: str
    text: str
    span: Span
    instead: str
    passage: int
    aligned: float


@dataclass(frozen=True, slots=True)
class Rule:
    """From ``aligned`` on a contradiction of a kind is taken for a fact: ``precision`` of ``documents`` documents that had one."""

    aligned: float
    precision: float
    documents: int


def contradictions(claim: Text, passages: Sequence[Text], found: Sequence[Match], indexed: Indexed) -> list[Contradiction]:
    """Everything the passages say otherwise, the best aligned first; nothing where one of them has the sentence as it stands."""
    if any(stands_in(claim.text, passage.text) for passage in passages):
        return []
    direct = [_alike(claim, passage) for passage in passages]
    # What a neighbouring passage says may be meant by a pronoun or left out here.
    elsewhere = [_ELSEWHERE * max(column) for column in zip(*direct, strict=True)] if direct else []
    tables = [[max(pair) for pair in zip(table, elsewhere, strict=True)] for table in direct]
    every = [
        *_values(claim, passages, tables, indexed),
        *_names(claim, passages, tables, indexed),
        *_denials(claim, passages, found, tables, indexed),
    ]
    # A name or value that stands nowhere says more than that it is another one in this place.
    every += [one for one in _deeds(claim, passages, direct, indexed) if not any(_meet(one.span, other.span) for other in every)]
    for one in _substituted(claim, passages, indexed):
        known = next((at for at, other in enumerate(every) if other.kind == one.kind and _meet(other.span, one.span)), None)
        if known is None:
            every.append(one)
        else:
            every[known] = replace(every[known], aligned=max(every[known].aligned, one.aligned))
    return sorted(every, key=lambda one: -one.aligned)


@functools.lru_cache(maxsize=1)
def rules() -> dict[str, Rule]:
    """The measured rules by kind."""
    return {kind: Rule(**fields) for kind, fields in json.loads(RULES.read_text(encoding="utf-8"))["rules"].items()}


def best_aligned(every: Sequence[Contradiction]) -> dict[str, float]:
    """How well the best contradiction of each kind is aligned; 0 where there is none."""
    return {kind: max((one.aligned for one in every if one.kind == kind), default=0.0) for kind in KINDS}


def surest(every: Iterable[Contradiction]) -> tuple[Contradiction, float] | None:
    """The contradiction whose rule has the highest precision, with that precision; None where no rule holds."""
    held = [(rules()[one.kind].precision, one) for one in every if one.kind in rules() and one.aligned >= rules()[one.kind].aligned]
    if not held:
        return None
    precision, one = max(held, key=lambda pair: pair[0])
    return one, precision


def _alike(claim: Text, passage: Text) -> list[float]:
    """How well the passage has each word of the sentence: 1 for its stem, else the likeness of the likest word from ``_ALIKE`` on."""
    stems = {word.stem for word in passage.words}
    table = likeness(claim, passage)
    best = table.max(axis=1) if table.shape[1] else [0.0] * len(claim.words)
    return [
        1.0 if word.stem in stems else float(cosine) if cosine >= _ALIKE else 0.0 for word, cosine in zip(claim.words, best, strict=True)
    ]


def _aligned(claim: Text, passage: Text, alike: Sequence[float], indexed: Indexed, without: Sequence[Span]) -> float:
    """Weighted share of the content words and values that the passage has, besides those at ``without``.

    A single word that is left does not say what the sentence is about: it counts up to :data:`_ONE_WORD`.
    """
    values = [value for value in find_values(claim.text) if not value.loose and not any(_meet(value.span, span) for span in without)]
    taken = [*without, *(value.span for value in values)]
    left = [
        (indexed.weight(word.stem) * (1.0 if word.pos in ("NOUN", "PROPN") else _PARAPHRASED), alike[number])
        for number, word in enumerate(claim.words)
        if word.content and not word.number and not any(_meet(word.span, span) for span in taken)
    ]
    theirs = find_values(passage.text)
    left += [(1.0, float(any(value.equals(other) or value.may_stand_for(other) for other in theirs))) for value in values]
    total = sum(weight for weight, _ in left)
    share = sum(weight * share for weight, share in left) / total if total else 0.0
    return share if len(left) >= 2 else min(share, _ONE_WORD)


def _values(claim: Text, passages: Sequence[Text], tables: Sequence[Sequence[float]], indexed: Indexed) -> Iterator[Contradiction]:
    mine = find_values(claim.text)
    wanted = [value for value in mine if not value.loose and not value.worked_out]
    if not wanted:
        return
    known = [value for passage in indexed.passages for value in known_values(passage.text)]
    for value in wanted:
        if any(value.equals(other) for other in known) or _worked_out(value, passages):
            continue
        best: Contradiction | None = None
        for number, passage in enumerate(passages):
            rivals = [other for other in find_values(passage.text) if value.rivals(other) and not any(one.equals(other) for one in mine)]
            if not rivals or any(value.may_stand_for(other) for other in find_values(passage.text)):
                continue
            placed = [(_in_place(claim, value, passage, other), other) for other in rivals]
            context, other = max(placed, key=lambda pair: pair[0])
            aligned = _aligned(claim, passage, tables[number], indexed, (value.span,))
            if context >= _SAME_PLACE and (best is None or aligned > best.aligned):
                best = Contradiction("value", value.text, value.span, other.text, number, aligned)
        if best is not None:
            yield best


def _in_place(claim: Text, value: Value, passage: Text, other: Value) -> float:
    """How alike the surroundings of two values are; 0 for bare numbers that count different things."""
    if value.kind in ("number", "ordinal"):
        mine, theirs = _following(claim, value.span), _following(passage, other.span)
        if mine is None or theirs is None or mine.stem != theirs.stem:
            return 0.0 if mine is not None or theirs is not None else alike_around(claim, value.span, passage, other.span)
    return alike_around(claim, value.span, passage, other.span)


def _following(text: Text, span: Span) -> Word | None:
    """The noun a number counts: the first within three words behind it."""
    end = span[1]
    for word in [word for word in text.words if word.span[0] >= span[1]][:3]:
        # A comma or another number begins something else.
        if word.number or _MARK.search(text.text, end, word.span[0]):
            return None
        if word.pos in ("NOUN", "PROPN"):
            return word
        end = word.span[1]
    return None


def _worked_out(value: Value, passages: Sequence[Text]) -> bool:
    """Whether the value is the sum or difference of two of the passages, all of those of its kind in one passage, or the rest to 100 %."""
    sizes = [value.seconds] if value.seconds is not None else list(value.numbers)
    if value.kind in ("date", "clock", "weekday", "ordinal") or not sizes:
        return False
    for passage in passages:
        here = [v for v in find_values(passage.text) if v.kind == value.kind and not v.loose]
        theirs = [v.seconds if v.seconds is not None else v.numbers[0] for v in here if v.seconds is not None or v.numbers][:_MOST_SUMMED]
        made = {sum(theirs)} if len(theirs) > 2 else set()
        made |= {one + two for at, one in enumerate(theirs) for two in theirs[:at]} | {abs(one - two) for one in theirs for two in theirs}
        made |= {100 - one for one in theirs} if value.kind == "percent" else set()
        if any(abs(size - one) <= 0.005 * max(abs(size), abs(one)) for size in sizes for one in made if one):
            return True
    return False


def _names(claim: Text, passages: Sequence[Text], tables: Sequence[Sequence[float]], indexed: Indexed) -> Iterator[Contradiction]:
    mine = {word.stem for word in claim.words}
    for group in _named(claim):
        lost = [word for word in group if not _known(word.text, indexed)]
        span = (group[0].span[0], group[-1].span[1])
        if not lost or _initialled(claim.text[slice(*span)], indexed):
            continue
        best: Contradiction | None = None
        for number, passage in enumerate(passages):
            for other in _named(passage):
                place = (other[0].span[0], other[-1].span[1])
                if not _another(group, lost, other, mine) or not _in_its_place(claim, group, passage, other):
                    continue
                aligned = _aligned(claim, passage, tables[number], indexed, (span,))
                if best is None or aligned > best.aligned:
                    best = Contradiction("name", claim.text[slice(*span)], span, passage.text[slice(*place)], number, aligned)
        if best is not None:
            yield best


def _another(group: Sequence[Word], lost: Sequence[Word], other: Sequence[Word], mine: set[str]) -> bool:
    """Whether a name of a passage is another one: it shares nothing with the sentence, or only its first or its last word.

    Where no part is shared, a known surname or last word is a partial match of another place in the sources.
    """
    shared = {word.stem for word in group} & {word.stem for word in other}
    rest = [word for word in other if word.stem not in shared]
    if any(word.stem in mine for word in rest) or not rest:
        return False
    if shared:
        ends = group[0].stem == other[0].stem or group[-1].stem == other[-1].stem
        return ends and len(lost) + len(shared) == len(group)
    return lost[-1] is group[-1]


def _in_its_place(claim: Text, group: Sequence[Word], passage: Text, other: Sequence[Word]) -> bool:
    """Whether a name of a passage stands where the sentence has its own: among like words, or under the same word."""
    if not _same_sort(group, other) and not _same_neighbours(claim, group, passage, other):
        return False
    mine, theirs = _governor(claim, group[-1]), _governor(passage, other[-1])
    if mine is not None and theirs is not None and mine.stem == theirs.stem and group[-1].dep == other[-1].dep:
        return True
    span, place = (group[0].span[0], group[-1].span[1]), (other[0].span[0], other[-1].span[1])
    return alike_around(claim, span, passage, place) >= _SAME_PLACE


def _governor(text: Text, word: Word) -> Word | None:
    """The content word that a word hangs on, through prepositions."""
    for _ in range(3):
        above = text.words[word.head]
        if above is word:
            return None
        if above.content and above.pos in ("NOUN", "PROPN", "VERB", "ADJ"):
            return above
        word = above
    return None


def _named(text: Text) -> list[list[Word]]:
    """Names as runs of their words. A capital at the head of a sentence makes no name of a word the parser types as nothing."""
    values = [value.span for value in find_values(text.text)]
    groups: list[list[Word]] = []
    for position, word in enumerate(text.words):
        typed = word.entity and word.entity not in _NOT_NAMES
        alone = position == 0 and not typed and not (len(text.words) > 1 and text.words[1].name)
        if not (word.name and word.content and word.text[:1].isupper()) or alone or any(_meet(word.span, span) for span in values):
            continue
        if (
            groups
            and text.text[groups[-1][-1].span[1] : word.span[0]] in (" ", "-", ". ", "’s ", "'s ")
            and groups[-1][-1] is text.words[position - 1]
        ):
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups


def _same_sort(one: Sequence[Word], two: Sequence[Word]) -> bool:
    """Whether two names may be of the same sort: person, place or organisation, as far as the parser knows."""
    mine, theirs = (frozenset(_sort(word.entity) for word in words if word.entity) for words in (one, two))
    return not mine or not theirs or bool(mine & theirs)


def _same_neighbours(claim: Text, one: Sequence[Word], passage: Text, two: Sequence[Word]) -> bool:
    """Whether the same word stands right before, or right behind, both names: the parser's types are often wrong."""
    (left, right), (before, after) = _beside(claim, one), _beside(passage, two)
    return (left is not None and left == before) or (right is not None and right == after)


def _beside(text: Text, name: Sequence[Word]) -> tuple[str | None, str | None]:
    first, last = text.words.index(name[0]), text.words.index(name[-1])
    return text.words[first - 1].stem if first else None, text.words[last + 1].stem if last + 1 < len(text.words) else None


def _sort(entity: str) -> str:
    return "place" if entity in _PLACES else entity


def _known(name: str, indexed: Indexed) -> bool:
    """Whether a word of a name stands in the sources in any form: itself, as an adjective or a nation, or with a slip of the pen."""
    lower = name.lower()
    if stem(lower) in indexed.idf or lower in indexed.idf:
        return True
    forms = {lower, *_nations().get(lower, ())}
    return any(_same_name(form, other) for form in forms for other in indexed.idf)


def _same_name(name: str, other: str) -> bool:
    short, long = sorted((name, other), key=len)
    if len(short) >= 4 and long.startswith(short):
        return True
    if (
        len(short) >= 5
        and long.startswith(short[:-1])
        and long[: len(short)] != short
        and len(long) - len(short) <= 3
        and long.endswith("n")
    ):
        return True
    return len(short) >= 5 and name[0] == other[0] and fuzz.ratio(name, other) >= _FUZZY


@functools.lru_cache(maxsize=1)
def _nations() -> dict[str, tuple[str, ...]]:
    groups: list[list[str]] = json.loads(NAMED_FORMS.read_text(encoding="utf-8"))
    found: dict[str, set[str]] = {}
    for group in groups:
        for word in group:
            found.setdefault(word, set()).update(other for other in group if other != word)
    return {word: tuple(sorted(others)) for word, others in found.items()}


def _initialled(name: str, indexed: Indexed) -> bool:
    """Whether a name is the initials of words that stand side by side in a source, or a source has its initials."""
    letters = "".join(character for character in name if character.isalpha())
    initials = "".join(word[0] for word in name.replace("-", " ").split() if word[:1].isupper()).lower()
    if len(initials) >= 2 and initials in indexed.idf:
        return True
    if not (2 <= len(letters) <= 6 and letters.isupper()):
        return False
    return any(letters.lower() in _initials(passage.text) for passage in indexed.passages)


@functools.lru_cache(maxsize=4096)
def _initials(text: str) -> str:
    return "".join(word[0] for word in text.replace("-", " ").split() if word[:1].isupper()).lower()


def _substituted(claim: Text, passages: Sequence[Text], indexed: Indexed) -> Iterator[Contradiction]:
    """Values and names that stand in no source, in a sentence that is otherwise copied."""
    for one in substitutions(claim.text, [passage.text for passage in passages]):
        text, instead = claim.text[slice(*one.span)], passages[one.passage].text[slice(*one.place)]
        if _has_digit(text) and _has_digit(instead):
            kind, known = "value", _value_known(claim, one.span, passages[one.passage], one.place, indexed)
        elif one.span[0] and text[:1].isupper() and instead[:1].isupper() and not _has_digit(text + instead):
            kind, known = "name", any(_known(word, indexed) for word in text.split()) or _initialled(text, indexed)
        else:
            continue
        if not known:
            yield Contradiction(kind, text, one.span, instead, one.passage, one.share)


def _value_known(claim: Text, span: Span, passage: Text, place: Span, indexed: Indexed) -> bool:
    """Whether a value stands in a source in some form, or may stand for the one in its place."""
    mine = [value for value in find_values(claim.text) if _meet(value.span, span)]
    theirs = [value for value in find_values(passage.text) if _meet(value.span, place)]
    if any(value.may_stand_for(other) for value in mine for other in theirs):
        return True
    known = [value for other in indexed.passages for value in known_values(other.text)]
    if any(value.equals(other) for value in mine for other in known):
        return True
    return any(in_groups(claim.text[slice(*span)], other.text) for other in indexed.passages)


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)


def _denials(
    claim: Text, passages: Sequence[Text], found: Sequence[Match], tables: Sequence[Sequence[float]], indexed: Indexed
) -> Iterator[Contradiction]:
    told = contradicted(claim, passages, found)
    told += [(n, passages[found[n].passage].words[found[n].word].text) for n in flipped(claim, passages, found)]
    placed = [(number, instead, found[number].passage) for number, instead in told] + _other_deeds(claim, passages)
    for number, instead, passage in placed:
        word = claim.words[number]
        if _excepted(claim, passages[passage]) or any(_meet(word.span, value.span) for value in find_values(claim.text)):
            continue
        aligned = _aligned(claim, passages[passage], tables[passage], indexed, (word.span,))
        yield Contradiction("denial", word.text, word.span, instead, passage, aligned)


def _excepted(claim: Text, passage: Text) -> bool:
    """Whether a passage makes an exception of something the sentence speaks of: "except for service animals"."""
    found = _EXCEPTION.search(passage.text)
    stems = {word.stem for word in claim.words if word.content}
    return found is not None and any(word.stem in stems for word in passage.words if word.span[0] >= found.end())


def _deeds(claim: Text, passages: Sequence[Text], tables: Sequence[Sequence[float]], indexed: Indexed) -> Iterator[Contradiction]:
    alike = [alike_words(claim, passage) for passage in passages]
    for one in (*otherwise(claim, passages, alike), *other_duties(claim, passages, alike)):
        word = claim.words[one.word]
        if _excepted(claim, passages[one.passage]):
            continue
        aligned = _aligned(claim, passages[one.passage], tables[one.passage], indexed, (filler_span(claim, one.word),))
        yield Contradiction("deed", one.text, word.span, one.instead, one.passage, aligned)


def _other_deeds(claim: Text, passages: Sequence[Text]) -> list[tuple[int, str, int]]:
    """Verbs of which a passage has the opposite with the same subject: (word index, the opposite, passage number)."""
    result = []
    for word in claim.words:
        verb = claim.words[word.head]
        if word.dep not in ("nsubj", "nsubjpass") or verb.pos not in ("VERB", "AUX") or word.pos == "PRON" or verb.lemma in OTHER_AS_VERB:
            continue
        for number, passage in enumerate(passages):
            heads = [passage.words[other.head] for other in passage.words if other.stem == word.stem and other.dep == word.dep]
            against = next((head for head in heads if opposed(verb.lemma, head.lemma)), None)
            if against is not None and not any(head.stem == verb.stem for head in heads) and verb.negated == against.negated:
                result.append((word.head, against.text, number))
    return result


def _meet(one: Span, two: Span) -> bool:
    return one[0] < two[1] and two[0] < one[1]

"""Compares a sentence with candidate passages word by word: what each word rests on, and what speaks against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.contract import Span
from detectors.grounding.encoder import Encoded, Vectors
from detectors.grounding.lexicon import LACKING, OTHER_AS_VERB, PLAIN_NEGATORS, converse, opposed
from detectors.grounding.passages import Passage
from detectors.grounding.quantities import Quantity, find_quantities
from detectors.grounding.words import Word

Matrix = NDArray[np.float32]
# Cosine assumed for the same stem without an encoder, and for words that only begin alike.
_SAME_STEM, _LIKE_STEM = 0.8, 0.5


@dataclass(frozen=True, slots=True)
class Text:
    """A text as the comparison needs it: words, one vector a word (None without an encoder), quantities."""

    text: str
    words: tuple[Word, ...]
    vectors: Vectors | None
    quantities: tuple[Quantity, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """The best counterpart of a claim word: passage and word indexes, likeness, and whether the same stem stands in any passage."""

    passage: int
    word: int
    likeness: float
    same: bool
    nearby: bool


def text_of(text: str, words: Sequence[Word], encoded: Encoded | None) -> Text:
    """Words joined with the vectors of the tokens that make them up."""
    vectors = None if encoded is None else word_vectors(words, encoded)
    return Text(text, tuple(words), vectors, tuple(find_quantities(text)))


def word_vectors(words: Sequence[Word], encoded: Encoded) -> Vectors:
    """Unit vectors of words: the mean over their tokens, zero for a word behind the encoder's limit."""
    vectors = np.zeros((len(words), encoded.tokens.shape[1] if encoded.tokens.ndim == 2 else 0), np.float32)
    token = 0
    for number, word in enumerate(words):
        while token < len(encoded.spans) and encoded.spans[token][1] <= word.span[0]:
            token += 1
        last = token
        while last < len(encoded.spans) and encoded.spans[last][0] < word.span[1]:
            last += 1
        if last > token:
            mean = encoded.tokens[token:last].mean(axis=0)
            vectors[number] = mean / max(1e-9, float(np.linalg.norm(mean)))
    return vectors


def likeness(claim: Text, passage: Text) -> Matrix:
    """Likeness of each claim word (row) to each passage word, in [-1, 1]."""
    if claim.vectors is not None and passage.vectors is not None:
        return np.asarray(claim.vectors @ passage.vectors.T, np.float32)
    table = np.zeros((len(claim.words), len(passage.words)), np.float32)
    for row, word in enumerate(claim.words):
        for column, other in enumerate(passage.words):
            if word.stem == other.stem:
                table[row, column] = _SAME_STEM
            elif len(word.stem) > 4 and word.stem[:5] == other.stem[:5]:
                table[row, column] = _LIKE_STEM
    return table


def matches(claim: Text, passages: Sequence[Text]) -> list[Match]:
    """The best counterpart of every claim word; ``nearby`` where it stands in the best passage."""
    tables = [likeness(claim, passage) for passage in passages]
    stems = [frozenset(word.stem for word in passage.words) for passage in passages]
    found = []
    for row, word in enumerate(claim.words):
        best = (-1, -1, 0.0)
        for number, table in enumerate(tables):
            if table.shape[1]:
                column = int(np.argmax(table[row]))
                if float(table[row, column]) > best[2]:
                    best = (number, column, float(table[row, column]))
        found.append(Match(*best, same=any(word.stem in s for s in stems), nearby=bool(stems) and word.stem in stems[0]))
    return found


def contradicted(claim: Text, passages: Sequence[Text], found: Sequence[Match]) -> list[tuple[int, str]]:
    """Claim words whose counterpart is their opposite, or whose opposite stands where they do not: (word index, the opposite)."""
    result = []
    lemmas = [{word.lemma: word for word in passage.words} for passage in passages]
    for number, (word, match) in enumerate(zip(claim.words, found, strict=True)):
        if not word.content or match.passage < 0 or (word.lemma in OTHER_AS_VERB and word.pos == "VERB"):
            continue
        passage = passages[match.passage]
        counterpart = passage.words[match.word]
        other = counterpart if opposed(word.lemma, counterpart.lemma) else None
        if other is None and not match.same:
            other = next((one for lemma, one in lemmas[match.passage].items() if opposed(word.lemma, lemma)), None)
        # "Does not open" says what "closed" says.
        if (
            other is not None
            and word.negated == other.negated
            and not (converse(word.lemma, other.lemma) and _other_doer(claim, word, passage, other))
        ):
            result.append((number, other.lemma))
    return result


def _other_doer(claim: Text, verb: Word, passage: Text, other: Word) -> bool:
    """Whether two verbs have doers, and different ones."""
    mine, theirs = _doers(claim, verb), _doers(passage, other)
    return bool(mine and theirs) and not mine & theirs


def _doers(text: Text, verb: Word) -> set[str]:
    return {word.stem for word in text.words if word.dep == "nsubj" and text.words[word.head] is verb}


def flipped(claim: Text, passages: Sequence[Text], found: Sequence[Match]) -> list[int]:
    """Claim words that are negated where their counterpart is not, or the other way round."""
    result = []
    denials = _denials(claim)
    for number, (word, match) in enumerate(zip(claim.words, found, strict=True)):
        # "No seats were sold" and "seats were not sold" negate other words and say the same.
        if denials and match.passage >= 0 and _denials(passages[match.passage]) == denials:
            continue
        # Nor is it denied on one side only that there is no water in a tank that is empty.
        if denials and match.passage >= 0 and any(other.lemma in LACKING for other in passages[match.passage].words):
            continue
        if word.pos in ("VERB", "ADJ", "NOUN", "AUX") and word.content and match.passage >= 0 and match.likeness >= 0.5:
            counterpart = passages[match.passage].words[match.word]
            if word.negated != counterpart.negated and not opposed(word.lemma, counterpart.lemma):
                result.append(number)
    return result


def _denials(text: Text) -> int:
    # "Without" denies a thing, not the deed.
    return sum((word.text.lower() in PLAIN_NEGATORS and word.lemma != "without") or word.dep == "neg" for word in text.words)


@dataclass(frozen=True, slots=True)
class NumberFit:
    """How a number of the claim fares: ``present`` with the same value, ``rounded``, and how alike its surroundings are there."""

    quantity: Quantity
    present: bool
    rounded: bool
    context: float
    closest: Quantity | None
    passage: Passage | None


def number_fits(claim: Text, passages: Sequence[Text], places: Sequence[Passage]) -> list[NumberFit]:
    """Every number of the claim held against all numbers of the passages."""
    return [_fit(claim, quantity, passages, places) for quantity in claim.quantities]


def _fit(claim: Text, quantity: Quantity, passages: Sequence[Text], places: Sequence[Passage]) -> NumberFit:
    best: NumberFit | None = None
    for passage, place in zip(passages, places, strict=True):
        for other in passage.quantities:
            same, rounds = quantity.equals(other), quantity.rounds(other)
            context = alike_around(claim, quantity.span, passage, other.span)
            rank = (same, rounds, context)
            if best is None or rank > (best.present, best.rounded, best.context):
                best = NumberFit(quantity, same, rounds, context, other, place)
    return best or NumberFit(quantity, False, False, 0.0, None, None)


def alike_around(claim: Text, span: Span, passage: Text, other: Span, reach: int = 4) -> float:
    """Share of the content words around a claim's number that have a like word around the other number."""
    mine, theirs = _around(claim, span, reach), _around(passage, other, reach * 2)
    if not mine or not theirs:
        return 0.5
    stems = {passage.words[column].stem for column in theirs}
    if claim.vectors is None or passage.vectors is None:
        return sum(claim.words[row].stem in stems for row in mine) / len(mine)
    table = claim.vectors[mine] @ passage.vectors[theirs].T
    return float(np.mean([1.0 if claim.words[row].stem in stems else max(0.0, float(table[i].max())) for i, row in enumerate(mine)]))


def _around(text: Text, span: Span, reach: int) -> list[int]:
    content = [n for n, word in enumerate(text.words) if word.content and not (word.span[0] < span[1] and span[0] < word.span[1])]
    before = [n for n in content if text.words[n].span[1] <= span[0]][-reach:]
    after = [n for n in content if text.words[n].span[0] >= span[1]][:reach]
    return before + after

"""The measurable differences between a sentence and the passages it may rest on. All are 0 or near it for a sentence copied from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from detectors.contract import Span
from detectors.grounding.comparison import Match, NumberFit, Text, contradicted, flipped, matches, number_fits
from detectors.grounding.contradictions import Contradiction, best_aligned, contradictions
from detectors.grounding.lexicon import NEGATORS, QUANTIFIERS, UNCERTAIN
from detectors.grounding.retrieval import Candidate, Indexed
from detectors.grounding.values import confirmed
from detectors.grounding.words import Word

FEATURES = (
    "uncovered",
    "uncovered_best",
    "uncovered_all",
    "new_pairs",
    "unlike_best",
    "unlike_mean",
    "unlike_worst",
    "unlike_second",
    "unlike_verb",
    "unlike_noun",
    "unlike_adjective",
    "new_words",
    "new_name",
    "new_name_share",
    "far_name",
    "new_number",
    "rounded_number",
    "far_number",
    "new_code",
    "other_speaker",
    "opposite",
    "flipped",
    "negation",
    "more_negation",
    "certainty",
    "quantifier",
    "roles",
    "run",
    "length",
    "other_value",
    "other_name",
    "denied",
)
# Below this likeness a new word has no counterpart worth naming.
UNLIKE = 0.45
_GAP_OF = {"value": "number", "name": "name", "deed": "opposite"}


@dataclass(frozen=True, slots=True)
class Gap:
    """Something the passages do not bear out: ``kind`` number, name, opposite, negation or word; ``span`` in the claim."""

    kind: str
    text: str
    span: Span
    instead: str | None
    weight: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Feature values in the order of :data:`FEATURES`, the gaps, weightiest first, and what a passage says otherwise."""

    values: tuple[float, ...]
    gaps: tuple[Gap, ...]
    contradictions: tuple[Contradiction, ...]


def measure(claim: Text, candidates: Sequence[Candidate], passages: Sequence[Text], indexed: Indexed) -> Measured:
    """Features of a claim against its candidate passages (best first, ``passages`` their texts)."""
    known = confirmed(claim.text, (passage.text for passage in indexed.passages))
    found = [
        _same(match) if _within(word.span, known) else match for word, match in zip(claim.words, matches(claim, passages), strict=True)
    ]
    fits = number_fits(claim, passages, [candidate.passage for candidate in candidates])
    numbers = [replace(fit, present=True) if _within(fit.quantity.span, known) and not fit.rounded else fit for fit in fits]
    opposites = contradicted(claim, passages, found)
    turned = flipped(claim, passages, found)
    otherwise = contradictions(claim, passages, found, indexed)
    said = best_aligned(otherwise)
    content = [n for n, word in enumerate(claim.words) if word.content and not word.number]
    weights = np.asarray([indexed.weight(claim.words[n].stem) for n in content] or [1.0])
    same = np.asarray([found[n].same for n in content] or [True])
    near = np.asarray([found[n].nearby for n in content] or [True])
    had = np.asarray([found[n].same or claim.words[n].stem in indexed.idf for n in content] or [True])
    unlike = np.asarray([1 - found[n].likeness for n in content] or [0.0])
    new = np.where(same, 0.0, unlike)
    order = np.sort(new)[::-1]
    names = [n for n in content if claim.words[n].name]
    lost = [n for n in names if claim.words[n].stem not in indexed.idf]
    values = {
        "uncovered": float((weights * ~same).sum() / weights.sum()),
        "uncovered_best": float((weights * ~near).sum() / weights.sum()),
        "uncovered_all": float((~had).mean()),
        "new_pairs": _new_pairs(claim, passages),
        "unlike_best": 1 - max((c.cosine if c.cosine is not None else c.coverage for c in candidates), default=0.0),
        "unlike_mean": float((weights * unlike).sum() / weights.sum()),
        "unlike_worst": float(order[0]),
        "unlike_second": float(order[1]) if len(order) > 1 else 0.0,
        "unlike_verb": _worst(claim, found, content, ("VERB",)),
        "unlike_noun": _worst(claim, found, content, ("NOUN", "PROPN")),
        "unlike_adjective": _worst(claim, found, content, ("ADJ", "ADV")),
        "new_words": float(np.log1p((~had).sum())),
        "new_name": float(np.log1p(len(lost))),
        "new_name_share": len(lost) / max(1, len(names)),
        "far_name": float(np.mean([not found[n].nearby for n in names])) if names else 0.0,
        "new_number": float(np.log1p(sum(not fit.present and not fit.rounded for fit in numbers))),
        "rounded_number": float(any(fit.rounded and not fit.present for fit in numbers)),
        "far_number": max((1 - fit.context for fit in numbers if fit.present), default=0.0),
        "new_code": float(np.log1p(sum(_is_code(w.text) and w.stem not in indexed.idf for w in claim.words))),
        "other_speaker": _other_speaker(claim, candidates),
        "opposite": float(np.log1p(len(opposites))),
        "flipped": float(np.log1p(len(turned))),
        **_logic(claim, passages),
        "roles": _roles(claim, passages, found),
        "run": 1 - _longest_run(claim, passages) / max(1, len(claim.words)),
        "length": float(np.log1p(len(claim.words))),
        "other_value": said["value"],
        "other_name": said["name"],
        "denied": said["denial"],
    }
    told = [Gap(_GAP_OF[one.kind], one.text, one.span, one.instead, 4.0) for one in otherwise if one.kind in _GAP_OF]
    # What stands there instead is known: the same words need no second gap that knows less.
    gaps = [
        gap
        for gap in _gaps(claim, passages, found, numbers, opposites, turned, indexed)
        if not any(gap.span[0] < one.span[1] and one.span[0] < gap.span[1] for one in told)
    ]
    return Measured(tuple(values[name] for name in FEATURES), (*told, *gaps), tuple(otherwise))


def _same(match: Match) -> Match:
    """A word of a value that the evidence has in other words."""
    return replace(match, likeness=1.0, same=True, nearby=True)


def _within(span: Span, places: Sequence[Span]) -> bool:
    return any(start <= span[0] and span[1] <= end for start, end in places)


def _is_code(text: str) -> bool:
    """Letters and digits in one word ("Q3", "A380", "40kg"): a quarter, a model, a version."""
    return any(c.isdigit() for c in text) and any(c.isalpha() for c in text)


def _other_speaker(claim: Text, candidates: Sequence[Candidate]) -> float:
    """1 where the claim names speakers of the conversation, and none of them says the passage that is most like it."""
    named = {word.text.lower() for word in claim.words}
    speakers = {c.passage.speaker.split()[0].lower() for c in candidates if c.passage.speaker}
    best = candidates[0].passage.speaker if candidates else None
    return float(best is not None and bool(named & speakers) and best.split()[0].lower() not in named)


def _worst(claim: Text, found: Sequence[Match], content: Sequence[int], kinds: tuple[str, ...]) -> float:
    return max((1 - found[n].likeness for n in content if claim.words[n].pos in kinds and not found[n].same), default=0.0)


def _new_pairs(claim: Text, passages: Sequence[Text]) -> float:
    """Share of the claim's neighbouring content words that never stand within three words of each other in a passage."""
    mine = [word.stem for word in claim.words if word.content]
    pairs = set(pairwise(mine))
    theirs: set[tuple[str, str]] = set()
    for passage in passages:
        stems = [word.stem for word in passage.words if word.content]
        for gap in (1, 2, 3):
            theirs |= {*zip(stems, stems[gap:], strict=False)} | {*zip(stems[gap:], stems, strict=False)}
    return len(pairs - theirs) / len(pairs) if pairs else 0.0


def _logic(claim: Text, passages: Sequence[Text]) -> dict[str, float]:
    best = passages[0].words if passages else ()
    mine, theirs = _count(claim.words, NEGATORS), _count(best, NEGATORS)
    sure, unsure = _count(claim.words, UNCERTAIN), sum(_count(passage.words, UNCERTAIN) for passage in passages[:2])
    ranks = {QUANTIFIERS[word.lemma] for word in claim.words if word.lemma in QUANTIFIERS}
    theirs_ranks = {QUANTIFIERS[word.lemma] for passage in passages for word in passage.words if word.lemma in QUANTIFIERS}
    return {
        "negation": float(bool(mine) != bool(theirs)),
        "more_negation": float(mine > sum(_count(passage.words, NEGATORS) for passage in passages)),
        "certainty": float(unsure > 0 and sure == 0),
        "quantifier": float(bool(ranks - theirs_ranks)),
    }


def _count(words: Sequence[Word], lemmas: frozenset[str]) -> int:
    return sum(word.lemma in lemmas or word.text.lower() in lemmas for word in words)


def _roles(claim: Text, passages: Sequence[Text], found: Sequence[Match]) -> float:
    """1 where a doer of the claim is one to whom it is done in the passage, its verb being alike, or the other way round."""
    for number, word in enumerate(claim.words):
        verb, match = claim.words[word.head], found[number]
        if word.dep not in _DOERS | _DONE_TO or verb.pos != "VERB" or match.passage < 0 or not match.same:
            continue
        passage = passages[match.passage]
        for other in passage.words:
            if other.stem != word.stem or other.dep not in _DOERS | _DONE_TO:
                continue
            head = found[word.head]
            same_verb = head.passage == match.passage and passage.words[other.head].stem == passage.words[head.word].stem
            if same_verb and (other.dep in _DOERS) != (word.dep in _DOERS):
                return 1.0
    return 0.0


_DOERS = frozenset({"nsubj", "agent", "csubj"})
_DONE_TO = frozenset({"dobj", "nsubjpass", "dative", "iobj", "obj"})


def _longest_run(claim: Text, passages: Sequence[Text]) -> int:
    """Words in the longest run that stands in a passage word for word."""
    mine = [word.stem for word in claim.words]
    best = 0
    for passage in passages:
        row = [0] * (len(passage.words) + 1)
        for stem in mine:
            previous = 0
            for column, word in enumerate(passage.words, start=1):
                previous, row[column] = row[column], previous + 1 if word.stem == stem else 0
                best = max(best, row[column])
    return best


def _gaps(
    claim: Text,
    passages: Sequence[Text],
    found: Sequence[Match],
    numbers: Sequence[NumberFit],
    opposites: Sequence[tuple[int, str]],
    turned: Sequence[int],
    indexed: Indexed,
) -> tuple[Gap, ...]:
    gaps = [
        Gap("number", fit.quantity.text, fit.quantity.span, fit.closest.text if fit.closest and fit.context > 0.5 else None, 3.0)
        for fit in numbers
        if not fit.present and not fit.rounded
    ]
    said = {number for number, _ in opposites}
    gaps += [Gap("opposite", claim.words[n].text, claim.words[n].span, other, 2.5) for n, other in opposites]
    gaps += [Gap("negation", claim.words[n].text, claim.words[n].span, None, 2.0) for n in turned]
    for n, word in enumerate(claim.words):
        if not word.content or word.number or found[n].same or n in said or found[n].likeness >= UNLIKE:
            continue
        kind = "name" if word.name and word.stem not in indexed.idf else "word"
        match = found[n]
        other = passages[match.passage].words[match.word].text if match.passage >= 0 else None
        gaps.append(Gap(kind, word.text, word.span, other, (1.5 if kind == "name" else 0.0) + 1 - match.likeness))
    return tuple(sorted(gaps, key=lambda gap: -gap.weight))

"""Indexes sources and finds the passages that may support a sentence: by rare words and by meaning, until its words are covered."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.grounding.encoder import Encoded, Encoder, Vectors
from detectors.grounding.passages import Passage, Source
from detectors.grounding.words import stems_of

# BM25 (Robertson and Zaragoza 2009, equation 3.15) with the usual constants.
_K1, _B = 1.2, 0.75
# What one nat-normalised unit of each costs in the ranking; set once by hand, not tuned on any corpus.
_LEXICAL_WEIGHT = 0.6
_COVER_WEIGHT = 0.5
# Passages compared in full. A summary sentence seldom rests on more places.
KEPT = 6
# Above this many passages only those with the rarest shared words are encoded.
_MOST_ENCODED = 32
_KEPT_SOURCES = 128
# Passages that say what a source as a whole is about.
_MOST_AVERAGED = 48


@dataclass(frozen=True, slots=True)
class Indexed:
    """Passages of all sources of a claim with what retrieval needs."""

    passages: tuple[Passage, ...]
    stems: tuple[frozenset[str], ...]
    counts: tuple[Counter[str], ...]
    idf: dict[str, float]
    mean_length: float

    def weight(self, stem: str) -> float:
        """How telling a word is within these sources, in (0, 1]: 1 for a word they do not have."""
        return self.idf.get(stem, 1.0)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that may support the claim: cosine of the sentence vectors (None without encoder) and share of the claim's words."""

    passage: Passage
    cosine: float | None
    coverage: float
    encoded: Encoded | None


class Retriever:
    """Keeps the indexes and encodings of the last sources by their SHA-256. Not thread-safe."""

    def __init__(self, encoder: Encoder | None) -> None:
        self._encoder = encoder
        self._indexes: OrderedDict[tuple[tuple[str, str], ...], Indexed] = OrderedDict()
        self._encodings: OrderedDict[str, dict[int, Encoded]] = OrderedDict()

    def prepare(self, sources: Sequence[Source]) -> None:
        """Encode the passages of sources together that are short enough to be encoded whole."""
        if self._encoder is None:
            return
        wanted = [source for source in sources if source.sha256 not in self._encodings and len(source.passages) <= _MOST_ENCODED]
        wanted = list({source.sha256: source for source in wanted}.values())
        found = iter(self._encoder.encode([passage.text for source in wanted for passage in source.passages]))
        for source in wanted:
            self._remember(source.sha256, {number: next(found) for number in range(len(source.passages))})

    def mean(self, sources: Sequence[Source]) -> Vectors | None:
        """Unit vector of the mean over their passages, of long sources over evenly spaced ones; None without an encoder or passages."""
        if self._encoder is None:
            return None
        known = [encoded.sentence for source in sources for encoded in self._spaced(self._encoder, source)]
        if not known:
            return None
        total = np.asarray(known).mean(axis=0)
        return np.asarray(total / max(1e-9, float(np.linalg.norm(total))), np.float32)

    def _spaced(self, encoder: Encoder, source: Source) -> list[Encoded]:
        """Up to :data:`_MOST_AVERAGED` passages of a source, whatever other claims had encoded of it."""
        count = len(source.passages)
        chosen = sorted({int(number) for number in np.linspace(0, count - 1, min(count, _MOST_AVERAGED))}) if count else []
        known = self._encodings.get(source.sha256, {}) if source.sha256 else {}
        missing = [number for number in chosen if number not in known]
        if missing:
            known = {**known, **dict(zip(missing, encoder.encode([source.passages[number].text for number in missing]), strict=True))}
            self._remember(source.sha256, known)
        return [known[number] for number in chosen]

    def index(self, sources: Sequence[Source]) -> Indexed:
        """The joint index of some sources."""
        # Places name the evidence: the same text under another id has an index of its own.
        key = tuple((source.evidence, source.sha256) for source in sources)
        if key in self._indexes and all(source.sha256 for source in sources):
            self._indexes.move_to_end(key)
            return self._indexes[key]
        built = _indexed(sources)
        self._indexes[key] = built
        if len(self._indexes) > _KEPT_SOURCES:
            self._indexes.popitem(last=False)
        return built

    def candidates(self, claim: Encoded | None, stems: Sequence[str], sources: Sequence[Source], most: int = KEPT) -> list[Candidate]:
        """The passages most likely to support a claim, best first; each next one is chosen for what the ones before leave uncovered."""
        indexed = self.index(sources)
        wanted = frozenset(stems)
        total = sum(indexed.weight(stem) for stem in wanted) or 1.0
        lexical = np.asarray([_bm25(wanted, indexed, number) for number in range(len(indexed.passages))])
        lexical = lexical / max(1e-9, float(lexical.max(initial=0.0)))
        encoded = self._encoded(claim, sources, lexical)
        cosine = np.asarray([float(claim.sentence @ e.sentence) if claim is not None and e is not None else 0.0 for e in encoded])
        relevance = cosine + _LEXICAL_WEIGHT * lexical
        chosen: list[int] = []
        covered: set[str] = set()
        for _ in range(min(most, len(relevance))):
            gain = np.asarray([sum(indexed.weight(s) for s in (stems_ & wanted) - covered) / total for stems_ in indexed.stems])
            score = relevance + _COVER_WEIGHT * gain
            score[chosen] = -np.inf
            best = int(np.argmax(score))
            chosen.append(best)
            covered |= indexed.stems[best] & wanted
        return [
            Candidate(
                indexed.passages[number],
                float(cosine[number]) if encoded[number] is not None else None,
                sum(indexed.weight(s) for s in indexed.stems[number] & wanted) / total,
                encoded[number],
            )
            for number in chosen
        ]

    def _encoded(self, claim: Encoded | None, sources: Sequence[Source], lexical: np.ndarray) -> list[Encoded | None]:
        if self._encoder is None or claim is None:
            return [None] * len(lexical)
        found: list[Encoded | None] = []
        offset = 0
        for source in sources:
            known = self._encodings.get(source.sha256, {}) if source.sha256 else {}
            here = range(len(source.passages))
            if len(here) > _MOST_ENCODED:
                here = sorted(here, key=lambda number: -lexical[offset + number])[:_MOST_ENCODED]  # type: ignore[assignment]
            missing = [number for number in here if number not in known]
            if missing:
                fresh = self._encoder.encode([source.passages[number].text for number in missing])
                known = {**known, **dict(zip(missing, fresh, strict=True))}
                self._remember(source.sha256, known)
            found += [known.get(number) for number in range(len(source.passages))]
            offset += len(source.passages)
        return found

    def _remember(self, sha256: str, encodings: dict[int, Encoded]) -> None:
        if not sha256:
            return
        self._encodings[sha256] = encodings
        self._encodings.move_to_end(sha256)
        if len(self._encodings) > _KEPT_SOURCES:
            self._encodings.popitem(last=False)


def _indexed(sources: Sequence[Source]) -> Indexed:
    passages = tuple(passage for source in sources for passage in source.passages)
    counts = tuple(Counter(stems_of(passage.text)) for passage in passages)
    frequency = Counter(stem for count in counts for stem in count)
    most = math.log(1 + len(passages) / 0.5)
    idf = {stem: math.log(1 + (len(passages) - n + 0.5) / (n + 0.5)) / most for stem, n in frequency.items()}
    length = sum(sum(count.values()) for count in counts) / max(1, len(counts))
    return Indexed(passages, tuple(frozenset(count) for count in counts), counts, idf, max(1.0, length))


def _bm25(wanted: frozenset[str], indexed: Indexed, number: int) -> float:
    counts = indexed.counts[number]
    shared = indexed.stems[number] & wanted
    if not shared:
        return 0.0
    length = sum(counts.values()) / indexed.mean_length
    return sum(indexed.weight(s) * counts[s] * (_K1 + 1) / (counts[s] + _K1 * (1 - _B + _B * length)) for s in shared)

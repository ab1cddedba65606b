"""How well text bears out a sentence, whoever asks: the passages it rests on, what is missing, and one raw score.

:class:`SupportScorer` knows nothing of answers, detectors or thresholds::

    scorer = SupportScorer()
    scorer.load()
    source = passages_of(TextSources(options).read(evidence_file), evidence_file.sha256)   # or source_of("id", "plain text")
    scorer.prepare([source])                      # optional: encodes many sources at once
    found = scorer.support("The shop opens at nine.", [source])
    found.raw, found.passages[0].place, found.missing()

It is wrong where support takes more than reading: arithmetic, world knowledge, irony, a pronoun whose owner stands far
away; and where a false sentence is made of the passage's own words in another order than the parser notices.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from detectors.grounding.comparison import Text, text_of
from detectors.grounding.contradictions import Contradiction, surest
from detectors.grounding.encoder import Encoded, Encoder
from detectors.grounding.features import FEATURES, Gap, measure
from detectors.grounding.model import SupportModel
from detectors.grounding.passages import Passage, Source
from detectors.grounding.retrieval import Candidate, Retriever
from detectors.grounding.words import Word, stems_of, words_of

# Parsed passages are used again by the next sentence of the same answer.
_KEPT_PARSES = 4096
# The share of a sentence that may stand outside its longest run in a passage, for it to count as copied …
_COPIED = 0.1
# … if none of these differs.
_AGAINST = ("new_number", "opposite", "flipped", "negation", "roles", "new_name")


@dataclass(frozen=True, slots=True)
class Support:
    """What was found for one sentence.

    ``raw`` is the log odds that the sources do *not* say it, by the shipped model (above 0: more likely not said).
    ``passages`` are the best places, best first; ``gaps`` what they do not bear out, weightiest first. ``features`` are
    the measured differences by name.
    """

    claim: str
    raw: float
    passages: tuple[Passage, ...]
    gaps: tuple[Gap, ...]
    features: Mapping[str, float]
    contradictions: tuple[Contradiction, ...] = ()

    @property
    def contradicted(self) -> tuple[Contradiction, float] | None:
        """What a passage says otherwise, with how often such a contradiction was real where the rules were measured; None without one."""
        return surest(self.contradictions)

    @property
    def copied(self) -> bool:
        """Whether a passage says it nearly word for word, and nothing speaks against it."""
        return self.features["run"] <= _COPIED and not any(self.features[name] for name in _AGAINST)

    def missing(self, most: int = 3) -> str:
        """The weightiest gaps in words for a person, empty when there are none."""
        return "; ".join(dict.fromkeys(_told(gap) for gap in self.gaps[:most]))


class SupportScorer:
    """Scores sentences against sources. With ``encoder=False``, or where its weights are absent, meaning beyond words is not seen.

    ``model`` is ``encoder`` (weights set by hand, for texts of any kind) or ``statement`` (fitted on summaries and articles).
    Not thread-safe. ``threads`` 0 leaves the number to onnxruntime.
    """

    def __init__(self, *, encoder: bool = True, threads: int = 0, model: str = "encoder") -> None:
        self._encoder = Encoder(threads) if encoder and Encoder.installed() else None
        self._retriever = Retriever(self._encoder)
        self._parses: OrderedDict[str, list[Word]] = OrderedDict()
        self._model: SupportModel | None = None
        self._name = model

    @property
    def version(self) -> str:
        """What verdicts rest on: the encoder's weights, or ``words`` without them."""
        return "words" if self._encoder is None else self._encoder.version

    def load(self) -> None:
        """Raises DetectorUnavailable when spaCy or its model is missing, or encoder weights are there and not the pinned ones."""
        words_of(["."])
        if self._encoder is not None:
            self._encoder.load()
        self._model = SupportModel.load("words" if self._encoder is None else self._name)

    def prepare(self, sources: Sequence[Source]) -> None:
        """Encode these sources in one go; a source already known costs nothing."""
        self._retriever.prepare(sources)

    def support(self, claim: str, sources: Sequence[Source]) -> Support:
        """What the sources say to a sentence; together, so that several passages may support it jointly."""
        return self.supports([claim], sources)[0]

    def topic(self, claim: str, sources: Sequence[Source]) -> float | None:
        """How much sources as a whole are about what a sentence is about: cosine of its vector to the mean of theirs, in [-1, 1].

        None without an encoder, or where the sources are empty.
        """
        mean = self._retriever.mean(sources)
        if self._encoder is None or mean is None:
            return None
        return float(self._encoder.encode([claim])[0].sentence @ mean)

    def supports(self, claims: Sequence[str], sources: Sequence[Source]) -> list[Support]:
        """As :meth:`support` for several sentences, in order."""
        if self._model is None:
            raise RuntimeError("support() before load()")
        encoded: Sequence[Encoded | None] = [None] * len(claims) if self._encoder is None else self._encoder.encode(claims)
        chosen = [self._retriever.candidates(vector, stems_of(claim), sources) for claim, vector in zip(claims, encoded, strict=True)]
        self._parse([*claims, *(candidate.passage.text for candidates in chosen for candidate in candidates)])
        indexed = self._retriever.index(sources)
        found = []
        for claim, vector, candidates in zip(claims, encoded, chosen, strict=True):
            mine = text_of(claim, self._parses[claim], vector)
            measured = measure(mine, candidates, [self._text(candidate) for candidate in candidates], indexed)
            raw = self._model.log_odds(measured.values)
            passages = tuple(candidate.passage for candidate in candidates)
            named = dict(zip(FEATURES, measured.values, strict=True))
            found.append(Support(claim, raw, passages, measured.gaps, named, measured.contradictions))
        return found

    def _text(self, candidate: Candidate) -> Text:
        return text_of(candidate.passage.text, self._parses[candidate.passage.text], candidate.encoded)

    def _parse(self, texts: Sequence[str]) -> None:
        fresh = [text for text in dict.fromkeys(texts) if text not in self._parses]
        self._parses.update(zip(fresh, words_of(fresh), strict=True))
        for text in texts:
            self._parses.move_to_end(text)
        while len(self._parses) > max(_KEPT_PARSES, len(set(texts))):
            self._parses.popitem(last=False)


def _told(gap: Gap) -> str:
    instead = f" (it says {gap.instead!r})" if gap.instead else ""
    if gap.kind == "number":
        return f"the number {gap.text!r} is not there{instead}"
    if gap.kind == "name":
        return f"the name {gap.text!r} is nowhere in it{instead}"
    if gap.kind == "opposite":
        return f"it says {gap.instead!r}, not {gap.text!r}"
    if gap.kind == "negation":
        return f"{gap.text!r} is denied on one side only"
    return f"nothing in it speaks of {gap.text!r}"

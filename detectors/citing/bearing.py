"""Whether cited sources bear a statement out: a small model over the support scorer's differences, fitted on real citations.

Citations go wrong otherwise than summaries do: the cited text is often about something near and does not say the thing at
all. So this model asks first what the source as a whole is about, and how long a run of the statement's own words it has.
The same likeness means less in a long source, which is like something by chance more often: its length counts against it,
up to a limit.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from detectors.calibration import Calibration
from detectors.contract import DetectorUnavailable
from detectors.grounding.contradictions import surest
from detectors.grounding.passages import Source
from detectors.grounding.support import Support, SupportScorer

MODEL = Path(__file__).with_name("bearing_model.json")
FEATURES = ("off_topic", "run", "unlike_mean", "source_length")
# Passages of a source beyond these add nothing to what it is like by chance: only the best few are compared.
MOST_PASSAGES = 40
_REMEDY = "pip install 'groundwatch[lite,offline-models]'"


@dataclass(frozen=True)
class BearingModel:
    """Log odds that the sources do not bear a statement out: intercept + sum of weight × feature."""

    weights: Mapping[str, float]
    intercept: float

    @classmethod
    def load(cls, path: Path = MODEL) -> BearingModel:
        """The shipped model. Raises ValueError when it was fitted on other features than this code measures."""
        fields = json.loads(path.read_text(encoding="utf-8"))
        if tuple(fields["weights"]) != FEATURES:
            raise ValueError(f"{path.name} was fitted on {list(fields['weights'])}, this version measures {list(FEATURES)}")
        return cls({name: float(weight) for name, weight in fields["weights"].items()}, float(fields["intercept"]))

    def log_odds(self, features: Mapping[str, float]) -> float:
        """The raw score of measured features."""
        return self.intercept + sum(weight * features[name] for name, weight in self.weights.items())


@dataclass(frozen=True, slots=True)
class Bearing:
    """``raw`` log odds that the sources do not say it, what they are made of, and the scorer's passages and gaps."""

    raw: float
    features: Mapping[str, float]
    support: Support

    def score(self, calibration: Calibration) -> float:
        """The calibrated probability, at least that of a contradiction the sources hold (:mod:`detectors.grounding.contradictions`)."""
        score = calibration.apply(self.raw)
        # A cited text often tells of another deed like the one that another source tells: of five such labels two were wrong.
        held = surest(one for one in self.support.contradictions if one.kind != "deed")
        return score if held is None else max(score, held[1])


class BearingScorer:
    """The support scorer with the model above. Not thread-safe."""

    def __init__(self, threads: int = 0) -> None:
        self._scorer = SupportScorer(threads=threads)
        self._model = BearingModel.load()

    @property
    def version(self) -> str:
        """The support scorer's weights."""
        return self._scorer.version

    def load(self) -> None:
        """Raises DetectorUnavailable when spaCy, its model or the pinned encoder is not installed."""
        self._scorer.load()
        if self._scorer.version == "words":
            raise DetectorUnavailable("citation_mismatch", "the sentence encoder", _REMEDY)

    def bearing(self, text: str, sources: Sequence[Source]) -> Bearing:
        """What sources, taken together, say to a statement."""
        features, support = self.measure(text, sources)
        return Bearing(self._model.log_odds(features), features, support)

    def measure(self, text: str, sources: Sequence[Source]) -> tuple[dict[str, float], Support]:
        """The features the model is fitted on, and the support they come from."""
        support = self._scorer.support(text, sources)
        topic = self._scorer.topic(text, sources)
        passages = sum(len(source.passages) for source in sources)
        measured = {name: support.features[name] for name in FEATURES if name in support.features}
        measured |= {"off_topic": 1.0 - (topic or 0.0), "source_length": math.log1p(min(passages, MOST_PASSAGES))}
        return {name: measured[name] for name in FEATURES}, support

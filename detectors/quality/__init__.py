"""Input quality: how good each piece of evidence is, before and apart from what any detector says about the answer."""

from detectors.quality.grades import Grade, Problem, Quality
from detectors.quality.measuring import measure

__all__ = ["Grade", "Problem", "Quality", "measure"]

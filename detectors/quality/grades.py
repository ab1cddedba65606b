"""What a quality measurement says: numbers, the problems that follow from them, and the worst of those as a grade.

========== =====================================================================================================
grade      meaning
========== =====================================================================================================
good       no problem was found
poor       a detector can look, but a miss is likelier than on a clean input
unusable   nothing can be read from it; a verdict on it would be a guess
========== =====================================================================================================

What was not measured has no grade at all; it is never ``good``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Grade = Literal["good", "poor", "unusable"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: a short ``name`` to count by, how bad it is, and a sentence part for a person."""

    name: str
    grade: Grade
    text: str


@dataclass(frozen=True, slots=True)
class Quality:
    """The quality of one piece of evidence. ``measures`` are finite numbers with their unit in the name."""

    grade: Grade
    problems: tuple[Problem, ...] = ()
    measures: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


def quality(measures: Mapping[str, float], problems: Iterable[Problem] = ()) -> Quality:
    """The worst problem is the grade; the problems stand worst first. Measures that are not finite are left out."""
    found = tuple(sorted(problems, key=lambda problem: problem.grade != "unusable"))
    known = {name: round(float(value), 6) for name, value in measures.items() if math.isfinite(value)}
    return Quality(found[0].grade if found else "good", found, MappingProxyType(known))


def unusable(name: str, text: str, measures: Mapping[str, float] | None = None) -> Quality:
    """An input that nothing can be read from, for one reason."""
    return quality(measures or {}, [Problem(name, "unusable", text)])

"""Compares what a claimed window of a video shows with what the rest of it shows.

A wrong time needs a positive sighting: everything the claim names is seen elsewhere, and something of it is not seen
where it is said to be. A wrong event needs a thing whose absence the detector can vouch for, and a window without
gaps. Anything less is *unclear*.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from detectors.contract import Interval
from detectors.watching.facets import Facet, chance_of_all
from detectors.watching.looks import Look, Viewing
from detectors.watching.scenes import LONGEST_GAP_S, Segment, longest_gap

State = Literal["seen", "elsewhere", "nowhere", "unclear"]

# A moment reaches so far to both sides, in seconds; a stated clock time is cut to whole seconds.
MOMENT_S = 1.0
APPROXIMATE_S = 2.0
# Sightings this close outside the window are a matter of rounding, not of another time.
ROUNDING_S = 1.0
SLIVER_S = 0.4
# The share of false alarms the object detector is set for lies at the first; a sighting that moves an event asks for more.
MISSING = 0.3
SEEN = 0.8
SURELY_SEEN = 0.9
# A thing that may be there (below an even chance) is missing too where another stretch shows it at odds 20 times as high.
CONTRAST = 3.0
BELONGS = 0.5


@dataclass(frozen=True, slots=True)
class Judged:
    """``place`` is where it was seen, or the window that was looked at. ``wrong`` is a probability, None where unclear."""

    state: State
    wrong: float | None
    window: Interval
    place: Interval
    names: tuple[str, ...] = ()
    reason: str = ""


def window_of(facts: Mapping[str, Any], duration_s: float) -> Interval | None:
    """The stretch a claim speaks of, in seconds, clipped to the video; None where it states no time."""
    start, end = facts.get("start_s"), facts.get("end_s")
    slack = APPROXIMATE_S if facts.get("approximate") else 0.0
    if facts.get("last_s") is not None:
        return max(0.0, duration_s - facts["last_s"]), duration_s
    if facts.get("share"):
        return facts["share"][0] * duration_s, facts["share"][1] * duration_s
    if start is None:
        return None
    if facts.get("open"):
        end = duration_s
    elif end is None:
        slack = max(slack, MOMENT_S)
        end = start
    return min(max(0.0, start - slack), duration_s), min(end + slack, duration_s)


def judge(viewing: Viewing, facets: Sequence[Facet], window: Interval | None) -> Judged:
    """How a claim with these facets (at least one) fares; without a window it is true anywhere in the video."""
    whole = (0.0, viewing.duration_s)
    inside = _groups(viewing, window or whole)
    outside = _outside(viewing, window) if window else []
    stretch = window or whole
    if not inside:
        return Judged("unclear", None, stretch, stretch, reason="no frame of that stretch could be looked at")
    moved = [facet for facet in facets if _contrasts(facet, inside, outside)]
    wanted = [facet for facet in facets if facet in moved or not facet.soft]
    best = max(inside, key=lambda group: chance_of_all(wanted, group[1]))
    here = chance_of_all(wanted, best[1])
    there, place = _elsewhere(wanted, outside)
    if moved and there >= SEEN and place is not None:
        return Judged("elsewhere", 1.0 - here / (here + there), stretch, place, tuple(facet.name for facet in moved))
    missing = [facet for facet in wanted if max(facet.chance(looks) for _, looks in inside) < MISSING]
    if not missing:
        return _present(wanted, best, stretch)
    names = tuple(facet.name for facet in missing)
    proven = [facet for facet in missing if facet.proves_absence]
    if not proven:
        reason = f"{names[0]} was not seen, which proves nothing"
        return Judged("unclear", None, stretch, stretch, names, reason)
    if longest_gap([look.time_s for look in viewing.looks], stretch) > 2 * LONGEST_GAP_S:
        reason = f"{proven[0].name} was not seen, but too few frames of so long a stretch were looked at"
        return Judged("unclear", None, stretch, stretch, names, reason)
    return Judged("nowhere", 1.0 - here, stretch, stretch, tuple(facet.name for facet in proven))


def fits(viewing: Viewing, facets: Sequence[Facet], window: Interval) -> float:
    """Probability that a stretch shows everything the claim names; 1 where it names nothing that can be seen."""
    return max((chance_of_all(facets, looks) for _, looks in _groups(viewing, window)), default=0.0)


def share_inside(inner: Interval, outer: Interval) -> float:
    """Which share of the first stretch lies within the second."""
    length = max(1e-6, inner[1] - inner[0])
    return max(0.0, min(inner[1], outer[1]) - max(inner[0], outer[0])) / length


def _contrasts(facet: Facet, inside: Sequence[tuple[Interval, list[Look]]], outside: Sequence[tuple[Segment, list[Look]]]) -> bool:
    """Whether it is not seen in the window and clearly seen elsewhere."""
    here = max(facet.log_odds(looks) for _, looks in inside)
    there = max((facet.log_odds(looks) for _, looks in outside), default=here)
    return here < 0.0 and there - here >= CONTRAST and 1.0 / (1.0 + math.exp(-there)) >= SEEN


def _present(facets: Sequence[Facet], best: tuple[Interval, list[Look]], stretch: Interval) -> Judged:
    """Nothing is missing. Seen only if something that speaks for this event is among what was seen."""
    wanted = [(facet, SEEN if facet.proves_absence else SURELY_SEEN) for facet in facets if facet.specific]
    telling = [facet for facet, enough in wanted if facet.chance(best[1]) >= enough]
    if telling:
        return Judged("seen", 1.0 - chance_of_all(telling, best[1]), stretch, best[0], tuple(facet.name for facet in telling))
    weak = next((facet.name for facet, _ in wanted), None)
    reason = (
        f"{weak} may be there, but is not clearly seen" if weak else f"only {facets[0].name} was seen, which speaks for no particular event"
    )
    return Judged("unclear", None, stretch, stretch, reason=reason)


def _groups(viewing: Viewing, window: Interval) -> list[tuple[Interval, list[Look]]]:
    """The looks within the window by segment; slivers of a neighbouring segment are rounding."""
    found = []
    for segment in viewing.segments:
        start, end = max(segment.start_s, window[0]), min(segment.end_s, window[1])
        looks = viewing.within(start, end) if end - start >= min(SLIVER_S, window[1] - window[0]) else []
        if looks:
            found.append(((start, end), looks))
    return found


def _outside(viewing: Viewing, window: Interval) -> list[tuple[Segment, list[Look]]]:
    found = []
    for segment in viewing.segments:
        looks = [
            look
            for look in viewing.within(segment.start_s, segment.end_s)
            if look.time_s < window[0] - ROUNDING_S or look.time_s > window[1] + ROUNDING_S
        ]
        if looks:
            found.append((segment, looks))
    return found


def _elsewhere(facets: Sequence[Facet], outside: Sequence[tuple[Segment, list[Look]]]) -> tuple[float, Interval | None]:
    """The best chance outside the window, and the run of neighbouring segments around it that show it too."""
    if not outside:
        return 0.0, None
    chances = [chance_of_all(facets, looks) for _, looks in outside]
    first = last = chances.index(max(chances))
    while first > 0 and chances[first - 1] >= BELONGS and outside[first - 1][0].end_s == outside[first][0].start_s:
        first -= 1
    while last + 1 < len(outside) and chances[last + 1] >= BELONGS and outside[last + 1][0].start_s == outside[last][0].end_s:
        last += 1
    return max(chances), (outside[first][0].start_s, outside[last][0].end_s)

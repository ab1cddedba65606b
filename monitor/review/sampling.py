"""Which responses people should see, and with what chance each was picked.

Several reasons draw independently: a uniform floor over everything, more where the score is near the decision
boundary, more where a wrong answer costs much, more where a detector flagged. A draw is ``u < p`` with ``u`` from a
hash of project, response and reason, so filling the queue again, after a restart or on another machine, picks the same
responses. The recorded inclusion probability is that of the union, 1 − ∏(1 − pᵢ), which makes inverse-probability
(Horvitz–Thompson) estimates unbiased: Horvitz & Thompson 1952, JASA 47:663-685, eq. 7.
"""

from __future__ import annotations

import hashlib
import math
from typing import cast

import msgspec

from monitor.metadata.review import NewItem, Stratum
from monitor.records import Risk
from monitor.store.rows import ReviewCandidate

REQUESTED_PRIORITY = 1.0
# The floor comes before the flagged: estimates of the whole rest on it, so it must not be what is left undone.
_PRIORITY: dict[Stratum, float] = {"requested": REQUESTED_PRIORITY, "high_risk": 0.8, "floor": 0.7, "flagged": 0.6, "uncertain": 0.5}
_RISK_WEIGHT: dict[str, float] = {"authoritative": 0.09, "decision_support": 0.05, "assistive": 0.0}
# The reason named first where several drew the same response: the one that says most to a reviewer.
_NAMED_FIRST: tuple[Stratum, ...] = ("high_risk", "flagged", "uncertain", "floor")


class SamplingPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The chances. ``uncertain_peak`` at a score of 0.5, falling to 0 at ``uncertain_reach`` from it on both sides."""

    floor: float = 0.02
    uncertain_peak: float = 0.5
    uncertain_reach: float = 0.25
    flagged: float = 0.25
    authoritative: float = 0.1
    decision_support: float = 0.05
    authoritative_flagged: float = 1.0
    decision_support_flagged: float = 0.5


class Draw(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy says of one response: its total chance, and the reasons whose draw took it (maybe none)."""

    inclusion_probability: float
    chances: dict[Stratum, float]
    taken_by: tuple[Stratum, ...]


def uniform(project: str, response_id: str, stratum: str) -> float:
    """A number in [0, 1) that depends on nothing but these three: 53 bits of a BLAKE2b hash."""
    digest = hashlib.blake2b(f"{project}\n{response_id}\n{stratum}".encode(), digest_size=8, person=b"gw-review").digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


def chances_of(policy: SamplingPolicy, candidate: ReviewCandidate) -> dict[Stratum, float]:
    """The chance each reason has of picking this response; reasons without a chance are absent."""
    chances: dict[Stratum, float] = {"floor": policy.floor}
    if candidate.checked and candidate.max_score is not None:
        nearness = 1 - abs(candidate.max_score - 0.5) / policy.uncertain_reach
        chances["uncertain"] = policy.uncertain_peak * max(0.0, nearness)
    if candidate.risk == "authoritative":
        chances["high_risk"] = policy.authoritative_flagged if candidate.flagged else policy.authoritative
    elif candidate.risk == "decision_support":
        chances["high_risk"] = policy.decision_support_flagged if candidate.flagged else policy.decision_support
    if candidate.flagged:
        chances["flagged"] = policy.flagged
    return {stratum: chance for stratum, chance in chances.items() if chance > 0}


def draw(policy: SamplingPolicy, project: str, candidate: ReviewCandidate) -> Draw:
    """Whether this response goes to review, and with what chance it was to go."""
    chances = chances_of(policy, candidate)
    taken = tuple(name for name in _NAMED_FIRST if name in chances and uniform(project, candidate.id, name) < chances[name])
    missed_by_all = math.prod(1 - chance for chance in chances.values())
    return Draw(inclusion_probability=1 - missed_by_all, chances=chances, taken_by=taken)


def item_of(policy: SamplingPolicy, project: str, candidate: ReviewCandidate) -> NewItem | None:
    """The queue item of a response that was drawn, or None."""
    drawn = draw(policy, project, candidate)
    if not drawn.taken_by:
        return None
    stratum = drawn.taken_by[0]
    return NewItem(
        response_id=candidate.id,
        response_time=candidate.time,
        workflow=candidate.workflow,
        risk=cast(Risk, candidate.risk),
        stratum=stratum,
        reason=_reason(stratum, candidate, drawn),
        priority=_PRIORITY[stratum] + _RISK_WEIGHT.get(candidate.risk, 0.0),
        inclusion_probability=drawn.inclusion_probability,
    )


def _reason(stratum: Stratum, candidate: ReviewCandidate, drawn: Draw) -> str:
    score = "" if candidate.max_score is None else f" (highest score {candidate.max_score:.2f})"
    risk = candidate.risk.replace("_", "-")
    sentences: dict[Stratum, str] = {
        "high_risk": f"The answer is {risk}{f' and was flagged{score}' if candidate.flagged else ''}.",
        "flagged": f"A detector flagged a claim{score}.",
        "uncertain": f"The detectors are unsure{score}; your verdict settles where the boundary lies.",
        "floor": "Picked at random, whatever the detectors said, to measure what they miss.",
    }
    one_in = round(1 / drawn.chances[stratum])
    return f"{sentences[stratum]} {'All' if one_in == 1 else f'One in {one_in}'} of its kind {'are' if one_in == 1 else 'is'} reviewed."

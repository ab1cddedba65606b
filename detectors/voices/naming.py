"""Weighs every way of giving the names of an answer to the turns of a recording, and says how likely each stated name is wrong.

A turn's embedding is modelled as ``channel + voice + noise``: Gaussian, the channel shared by the recording, the voice by
all turns of a person, the noise shrinking with the length of the turn (the two-covariance form of probabilistic linear
discriminant analysis, Prince and Elder 2007, with one more level and one variance a level). Channel and voices are
integrated out, so a naming is scored as a whole: no clustering, no threshold on a similarity, and the turns of a person
vouch for each other. Rooms and microphones differ in how far apart voices come to lie, so the model is summed over
several :data:`CONDITIONS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Condition:
    """How embeddings spread in one kind of sound: squared distances between ``voices`` and within one, for a second of speech."""

    voices: float
    within: float


# Close microphones (read speech) and microphones across the room (meetings); see benchmarks/TUNING.md.
CONDITIONS = (Condition(0.36, 0.47), Condition(0.2, 0.53), Condition(0.1, 0.6))
# The channel's own spread: as large as the embeddings' common mean is long, squared.
_CHANNEL = 0.6
# Noise that no length of speech takes away, and a reference voice's further distance (another recording, another day).
_FLOOR, _ELSEWHERE = 0.02, 0.08
# The embedding has 256 numbers but no more independent directions than about this many.
_DIRECTIONS = 25.0
# Before listening: the share of wrong names, and among them of voices that no name stands for.
_WRONG, _OUTSIDER = 0.1, 0.2
# Namings weighed at once, at most.
_MOST = 20_000
_MOVES = 12


@dataclass(frozen=True, slots=True)
class Voice:
    """What was heard of one turn or reference voice: unit ``embedding`` (256), ``seconds`` of speech."""

    embedding: Doubles
    seconds: float
    reference: bool = False


@dataclass(frozen=True, slots=True)
class Naming:
    """For each turn: the log odds that its stated name is wrong, and the probability of each name (columns, last: none of them)."""

    log_odds: Doubles
    chances: Doubles


def weigh(turns: Sequence[Voice], stated: Sequence[int], names: int, references: Sequence[tuple[int, Voice]] = ()) -> Naming:
    """Probabilities of the names of each turn, given all turns and reference voices together.

    Args:
        turns: what was heard of each turn.
        stated: index of the name the answer gives it.
        names: how many names there are.
        references: reference voices with the index of their name.
    """
    claim = np.asarray(stated, dtype=np.int64)
    prior = np.full((len(turns), names + 1), _WRONG * (1 - _OUTSIDER) / max(1, names - 1))
    prior[:, names] = _WRONG * (_OUTSIDER if names > 1 else 1.0)
    prior[np.arange(len(turns)), claim] = 1 - _WRONG
    voices = [*turns, *(voice for _, voice in references)]
    fixed = np.asarray([name for name, _ in references], dtype=np.int64)
    likelihoods = [_Likelihood(voices, fixed, names, condition) for condition in CONDITIONS]

    def score(namings: Integers) -> Doubles:
        parts = np.stack([likelihood(namings) for likelihood in likelihoods])
        return np.asarray(np.logaddexp.reduce(parts, axis=0) + np.log(prior)[np.arange(len(turns)), namings].sum(axis=1))

    center = claim
    for _ in range(_MOVES):
        around = _around(center, names + 1)
        weights = score(around)
        best = around[int(np.argmax(weights))]
        if np.array_equal(best, center):
            break
        center = best
    shares = np.exp(weights - weights.max())
    shares /= shares.sum()
    chances = np.stack([shares @ (around == name) for name in range(names + 1)], axis=1)
    right = chances[np.arange(len(turns)), claim]
    wrong = np.maximum(chances.sum(axis=1) - right, 1e-12)
    return Naming(np.log(wrong) - np.log(np.maximum(right, 1e-12)), chances)


class _Likelihood:
    """Log marginal likelihood of namings under one condition, up to a constant shared by all conditions."""

    def __init__(self, voices: Sequence[Voice], fixed: Integers, names: int, condition: Condition) -> None:
        noise = np.asarray([_FLOOR + condition.within / max(v.seconds, 0.3) + _ELSEWHERE * v.reference for v in voices])
        embeddings = np.stack([voice.embedding for voice in voices])
        self._precision = 1 / noise
        self._products = (embeddings @ embeddings.T) * np.outer(self._precision, self._precision)
        self._own = float((np.log(noise) + (embeddings**2).sum(axis=1) / noise).sum())
        self._fixed, self._names, self._between = fixed, names, condition.voices

    def __call__(self, namings: Integers) -> Doubles:
        """For namings (m, turns) one number each; the name after the last is a voice of its own."""
        whole = np.concatenate([namings, np.broadcast_to(self._fixed, (len(namings), len(self._fixed)))], axis=1)
        cost = np.full(len(whole), self._own)
        pull = np.zeros(whole.shape)
        weight = np.zeros(len(whole))
        for name in range(self._names):
            members = (whole == name).astype(np.float64)
            precision = members @ self._precision
            squared = np.einsum("mi,mi->m", members @ self._products, members)
            added, gain = self._voice(precision, squared)
            cost += added
            weight += gain * precision
            pull += members * gain[:, None]
        alone = (whole == self._names).astype(np.float64)
        added, gain = self._voice(self._precision, np.diag(self._products))
        cost += alone @ added
        weight += alone @ (gain * self._precision)
        pull += alone * gain
        channel = np.einsum("mi,mi->m", pull @ self._products, pull)
        cost += np.log1p(_CHANNEL * weight) - _CHANNEL * channel / (1 + _CHANNEL * weight)
        return np.asarray(-0.5 * _DIRECTIONS * cost)

    def _voice(self, precision: Doubles, squared: Doubles) -> tuple[Doubles, Doubles]:
        """Cost of voices with these summed precisions and squared weighted sums, and how far each pulls at the channel."""
        gain = 1 / (1 + self._between * precision)
        return np.log1p(self._between * precision) - self._between * gain * squared, gain


def _around(center: Integers, names: int) -> Integers:
    """All namings that differ from ``center`` in up to as many turns as :data:`_MOST` allows, at least in one."""
    found = [center[None]]
    count = 1
    for changes in range(1, len(center) + 1):
        places = list(combinations(range(len(center)), changes))
        count += len(places) * (names - 1) ** changes
        if count > _MOST and changes > 1:
            break
        shifts = np.asarray(list(product(range(1, names), repeat=changes)))
        for place in places:
            moved = np.repeat(center[None], len(shifts), axis=0)
            moved[:, place] = (moved[:, place] + shifts) % names
            found.append(moved)
    return np.concatenate(found)

"""Which names the turns of a recording can bear together, on drawn embeddings with known voices."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.voices.naming import Voice, weigh


class Room:
    """Draws embeddings of voices as the model has it: a channel, voices around it, noise that shrinks with length."""

    def __init__(self, seed: int) -> None:
        self.draw = np.random.default_rng(seed)
        self.channel = np.abs(self.draw.normal(size=256))
        self.channel *= 0.75 / np.linalg.norm(self.channel)
        self.voices = [self._direction(0.36) for _ in range(6)]

    def voice(self, who: int, seconds: float = 4.0, reference: bool = False) -> Voice:
        raw = self.channel + self.voices[who] + self._direction(0.02 + 0.47 / seconds)
        return Voice(raw / np.linalg.norm(raw), seconds, reference)

    def _direction(self, variance: float) -> np.ndarray:
        raw = np.zeros(256)
        raw[:25] = self.draw.normal(size=25)
        return raw * np.sqrt(variance) / np.linalg.norm(raw)


@pytest.mark.parametrize("seed", range(6))
def test_the_one_turn_given_to_another_speaker_is_found(seed: int) -> None:
    room = Room(seed)
    true = [0, 1, 0, 1, 0, 2, 2]
    stated = [0, 1, 0, 0, 0, 2, 2]
    odds = weigh([room.voice(who) for who in true], stated, 3).log_odds
    assert odds[3] > 2
    assert all(odd < -2.8 for number, odd in enumerate(odds) if number != 3)


def test_two_wrong_turns_do_not_speak_for_each_other() -> None:
    room = Room(7)
    true = [0, 1, 2, 0, 1, 2]
    naming = weigh([room.voice(who) for who in [*true, 0, 1, 2]], [*true, 1, 2, 2], 3)
    assert [bool(odd > 0) for odd in naming.log_odds] == [False] * 6 + [True, True, False]
    assert naming.chances[6].argmax() == 0
    assert naming.chances[7].argmax() == 1


def test_reference_voices_tell_names_that_are_exchanged_throughout() -> None:
    room = Room(3)
    turns = [room.voice(who) for who in (0, 1, 0, 1)]
    references = [(0, room.voice(0, reference=True)), (1, room.voice(1, reference=True))]
    exchanged = [1, 0, 1, 0]
    assert all(odd < 0 for odd in weigh(turns, exchanged, 2).log_odds)
    assert all(odd > 2 for odd in weigh(turns, exchanged, 2, references).log_odds)


def test_a_voice_that_no_name_stands_for_is_none_of_them() -> None:
    room = Room(4)
    naming = weigh([room.voice(who) for who in (0, 1, 0, 1, 0, 5)], [0, 1, 0, 1, 0, 0], 2)
    assert naming.log_odds[5] > 0
    assert naming.chances[5].argmax() == 2


def test_one_turn_alone_is_as_uncertain_as_before_listening() -> None:
    naming = weigh([Room(5).voice(0)], [0], 1)
    assert naming.log_odds[0] == pytest.approx(np.log(0.1 / 0.9), abs=1e-6)


def test_a_meeting_of_sixty_turns_is_weighed_too() -> None:
    room = Room(6)
    true = [number % 5 for number in range(60)]
    stated = list(true)
    for wrong in (7, 23, 41):
        stated[wrong] = (stated[wrong] + 1) % 5
    odds = weigh([room.voice(who) for who in true], stated, 5).log_odds
    assert {number for number, odd in enumerate(odds) if odd > 0} == {7, 23, 41}


def test_chances_of_a_turn_sum_to_one() -> None:
    room = Room(8)
    chances = weigh([room.voice(who, 1.5) for who in (0, 1, 2, 0)], [0, 1, 2, 1], 3).chances
    assert chances.sum(axis=1) == pytest.approx(np.ones(4))

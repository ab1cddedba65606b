"""From opinions and times to one raw score."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from detectors.hearing import verdict
from detectors.hearing.judgement import unread_lead_s
from detectors.hearing.support import Dispute, Opinion
from detectors.hearing.verdict import FEATURES, either, time_log_odds, word_features, word_model, worst_dispute
from detectors.hearing.words import Difference, Fit

WAR = Dispute("peace", "war", 0.75, -16.0, -1.0, False)
HEIR = Dispute("heir", "air", 0.33, -0.4, -2.0, False)
NOT = Dispute("not", "", 1.0, -14.0, -2.0, True)


def opinion(*disputes: Dispute) -> Opinion:
    return Opinion("what was heard", 0.1, disputes)


def test_words_heard_as_claimed_score_nothing_against_the_claim() -> None:
    assert word_features([]) == (0.0,) * len(FEATURES)
    assert word_features([opinion(WAR), opinion()]) == (0.0,) * len(FEATURES)
    assert word_model().log_odds(word_features([])) < -2.0


def test_a_word_both_listeners_reject_is_wrong() -> None:
    assert word_model().log_odds(word_features([opinion(WAR), opinion(WAR)])) > 2.0


def test_a_missing_not_is_wrong() -> None:
    assert word_model().log_odds(word_features([opinion(NOT), opinion(NOT)])) > 1.0


def test_a_mishearing_the_sound_allows_is_right() -> None:
    assert word_model().log_odds(word_features([opinion(HEIR), opinion(HEIR)])) < -1.0


def test_the_worst_dispute_counts_not_the_sum_of_small_ones() -> None:
    assert worst_dispute(opinion(HEIR, WAR, HEIR)) is WAR
    assert word_features([opinion(HEIR, HEIR, HEIR)]) == word_features([opinion(HEIR)])


def test_more_against_a_claim_never_speaks_for_it() -> None:
    assert all(weight >= 0 for weight in word_model().weights)


def test_a_rounded_second_is_right_and_four_seconds_off_is_wrong() -> None:
    assert time_log_odds(12.0, 12.49, 15.0) < -4
    assert time_log_odds(13.0, 12.2, 15.0) < -4
    assert time_log_odds(8.0, 12.0, 15.0) > 3
    assert time_log_odds(20.0, 12.0, 15.0) > 10


def test_a_time_inside_the_words_is_half_as_wrong() -> None:
    assert time_log_odds(16.0, 12.0, 17.0) < time_log_odds(16.0, 12.0, 15.0)


def test_either_fault_alone_is_enough() -> None:
    assert either(-8.0, -8.0) < -6
    assert either(6.0, -8.0) == pytest.approx(6.0, abs=0.1)
    assert either(-8.0, 6.0) == pytest.approx(6.0, abs=0.1)


def test_a_model_of_other_features_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "quote_model.json"
    path.write_text(json.dumps({"features": ["loudness"], "weights": [1.0], "intercept": 0.0}))
    monkeypatch.setattr(verdict, "MODEL", path)
    word_model.cache_clear()
    with pytest.raises(ValueError, match="loudness"):
        word_model()
    word_model.cache_clear()


def test_words_misheard_at_the_head_of_a_quote_may_begin_before_its_place() -> None:
    assert unread_lead_s(Fit((10, 20), 0.3, (Difference((0, 4), (10, 10)), Difference((6, 7), (12, 13))))) == pytest.approx(1.8)
    assert unread_lead_s(Fit((10, 20), 0.1, (Difference((2, 3), (12, 12)),))) == 0.0
    assert unread_lead_s(Fit((10, 20), 0.0, ())) == 0.0

"""One answer against its reference: known values, the usual packages' numbers, and what must not break it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.records import Answer, Claim, Evidence, Question, Reference, ResponseRecord
from monitor.task_metrics import reference as measuring
from monitor.task_metrics.reference import MOST_BLEU_TOKENS, MOST_TOKENS, normalised, question_key, task_metrics, text_metrics
from tests.store.samples import NOON

LONG = "after eight years of work the bridge was opened to traffic in 1932"
WORDS = st.lists(st.sampled_from(["the", "cat", "sat", "on", "a", "mat", "dog", "ran", "12", "9"]), max_size=12).map(" ".join)


def measured(answer: str, text: str | None = None, *claims: str, **more: Any) -> dict[str, float]:
    fields = {name: more.pop(name) for name in ("evidence", "question") if name in more}
    reference = Reference(text=text, claims=tuple(Claim(text=claim) for claim in claims))
    record = ResponseRecord(id="r", time=NOON, workflow="qa", answer=Answer(text=answer, **more), reference=reference, **fields)
    return task_metrics(record)


@given(WORDS, WORDS)
@settings(max_examples=150, deadline=None)
def test_rouge_is_what_the_usual_package_gives(answer: str, reference: str) -> None:
    rouge_scorer = pytest.importorskip("rouge_score.rouge_scorer")
    theirs = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"]).score(reference, answer)
    found = text_metrics(answer, reference)
    for mine, name in (("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL")):
        assert found[mine] == pytest.approx(theirs[name].fmeasure)


@given(st.text(max_size=80), st.text(max_size=80))
@settings(max_examples=150, deadline=None)
def test_every_metric_of_any_two_texts_is_a_number_in_its_range(answer: str, reference: str) -> None:
    found = text_metrics(answer, reference, sound=True)
    assert all(0 <= value <= 1 for name, value in found.items() if name not in ("wer", "cer"))
    assert all(value >= 0 for value in found.values())


def test_equal_texts_score_full_whatever_case_punctuation_articles_and_form_of_numbers() -> None:
    found = text_metrics("The total: RM 1,000.50!", "total rm 1000.5")
    assert (found["exact_match"], found["token_f1"], found["edit_distance"]) == (1.0, 1.0, 0.0)
    assert normalised("9.00") == normalised("9") != normalised("900")


def test_known_values() -> None:
    found = text_metrics("the cat sat on the mat", "the cat lay on the mat", sound=True)
    assert found["token_f1"] == pytest.approx(0.75)
    assert found["rouge_l"] == pytest.approx(5 / 6)
    assert found["rouge_2"] == pytest.approx(3 / 5)
    assert found["wer"] == pytest.approx(1 / 4)
    assert 0 < found["bleu"] < 1


def test_error_rates_are_given_for_sound_only() -> None:
    clip = Evidence(id="e", media_type="audio/wav", uri="sha256:" + "0" * 64)
    assert "wer" not in measured("four two", "four two")
    assert measured("four two", "four two", evidence=(clip,))["wer"] == 0.0


def test_chinese_is_compared_sign_by_sign() -> None:
    assert text_metrics("猫坐在垫子上", "猫坐在椅子上")["rouge_1"] == pytest.approx(5 / 6)


@pytest.mark.parametrize(
    ("answer", "text", "correct"),
    [
        ("It was Orange Juice.", "Orange Juice", 1.0),
        ("It was apple juice.", "Orange Juice", 0.0),
        ("112", "12", 0.0),
        ("The total is RM 9.00.", "9", 1.0),
        ("The harbour bridge opened to traffic in 1932 after eight years of work", LONG, 1.0),
        ("Nothing of the kind was ever said by anyone", LONG, 0.0),
    ],
)
def test_an_answer_is_correct_that_gives_the_reference(answer: str, text: str, correct: float) -> None:
    assert measured(answer, text)["correct"] == correct


def test_every_claim_of_the_reference_must_be_found() -> None:
    answer = "The invoice of 3 May totals 88.20 and was issued by Okoro Ltd."
    assert measured(answer, None, "88.2", "Okoro Ltd")["claim_recall"] == 1.0
    half = measured(answer, None, "88.2", "Smith Ltd")
    assert (half["claim_recall"], half["correct"]) == (0.5, 0.0)


def test_a_long_claim_may_differ_by_a_letter_but_not_by_a_number() -> None:
    answer = "The bridge opened to the traffic in 1932, say the records."
    assert measured(answer, None, "the bridge opened to trafic in 1932")["claim_recall"] == 1.0
    assert measured(answer, None, "the bridge opened to traffic in 1933")["claim_recall"] == 0.0


def test_an_abstention_is_neither_correct_nor_compared() -> None:
    assert measured("I cannot tell.", "42", abstained=True) == {"answerable": 1.0}


def test_an_empty_reference_means_that_there_is_no_answer() -> None:
    assert measured("42", "") == {"answerable": 0.0, "correct": 0.0}
    assert measured("", "", abstained=True) == {"answerable": 0.0}


def test_without_a_reference_there_is_nothing_to_measure() -> None:
    assert measured("42") == {}
    assert task_metrics(ResponseRecord(id="r", time=NOON, workflow="qa", answer=Answer(text="42"))) == {}


def test_very_long_texts_are_compared_by_tokens_only() -> None:
    found = text_metrics("word " * (MOST_TOKENS + 1), "word " * 10)
    assert set(found) == {"exact_match", "token_f1"}


def test_bleu_is_not_counted_for_what_is_rather_long() -> None:
    found = text_metrics("word " * (MOST_BLEU_TOKENS + 1), "word " * 10)
    assert "bleu" not in found
    assert "rouge_l" in found


def test_a_library_that_breaks_leaves_the_record_without_metrics_and_a_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> float:
        raise RuntimeError("a bug in a metric")

    monkeypatch.setattr(measuring, "_bleu", broken)
    with caplog.at_level(logging.ERROR):
        assert measured("42", "42") == {}
    assert "response r" in caplog.text


def test_attempts_at_the_same_question_share_a_key() -> None:
    def record(identifier: str, answer: str, **fields: Any) -> ResponseRecord:
        given_fields = {"question": Question(text="How much?"), "reference": Reference(text="42")} | fields
        return ResponseRecord(id=identifier, time=NOON, workflow="qa", answer=Answer(text=answer), **given_fields)

    key = question_key(record("a", "41"))
    assert key == question_key(record("b", "42")) != 0
    assert key != question_key(record("c", "42", question=Question(text="How many?")))
    assert question_key(record("d", "42", reference=None)) == 0

"""Sentences copied word for word, but for a number or a name."""

from __future__ import annotations

import pytest

from detectors.grounding.passages import source_of
from detectors.grounding.substitutions import stands_in, substitutions
from detectors.grounding.support import SupportScorer

NEWS = (
    "Seven young people were murdered between 1989 and 1992 in the state forest south of the city.",
    "The advice is offered to every farm in the valley at $500/month with a trial of thirty days.",
    "The mayor praised the work of MarchTech Inc. in the harbour and promised more of it.",
    "Some 12 000 people came to the opening of the bridge on Sunday afternoon.",
    "The strike was not settled by the union and the company before the end of the year.",
)


@pytest.fixture(scope="module")
def scorer() -> SupportScorer:
    made = SupportScorer(threads=1)
    made.load()
    return made


def test_what_is_replaced_comes_with_what_stands_there() -> None:
    sentence = "Seven young people were murdered between 1989 and 215 in the state forest south of the city."
    (one,) = substitutions(sentence, NEWS)
    assert (sentence[slice(*one.span)], one.passage, NEWS[0][slice(*one.place)]) == ("215", 0, "1992")
    assert one.share > 0.9


@pytest.mark.parametrize(
    "sentence",
    [
        NEWS[0],
        "Young people were murdered in a forest between 1989 and 215 near that city.",
        "Between 1989 and 215.",
    ],
    ids=["copied whole", "in other words", "too short"],
)
def test_nothing_is_replaced_in_what_is_copied_whole_reworded_or_short(sentence: str) -> None:
    assert substitutions(sentence, NEWS) == []


def test_a_sentence_stands_in_a_passage_whatever_its_case_and_blanks_but_not_with_a_word_left_out() -> None:
    assert stands_in("the  advice is offered to every farm in the valley.", NEWS[1].replace("at $500", ". At $500"))
    assert not stands_in("The strike was settled by the union and the company.", NEWS[4])


@pytest.mark.models
@pytest.mark.parametrize(
    ("sentence", "kind", "instead"),
    [
        ("Seven young people were murdered between 1989 and 215 in the state forest south of the city.", "value", "1992"),
        ("The advice is offered to every farm in the valley at $2/month with a trial of thirty days.", "value", "$500"),
        ("The mayor praised the work of ForwardTech Inc. in the harbour and promised more of it.", "name", "MarchTech"),
    ],
)
def test_a_number_or_name_put_into_a_copied_sentence_contradicts_it(scorer: SupportScorer, sentence: str, kind: str, instead: str) -> None:
    contradicted = scorer.support(sentence, [source_of("news", " ".join(NEWS), "news")]).contradicted
    assert contradicted is not None
    assert (contradicted[0].kind, contradicted[0].instead) == (kind, instead)


@pytest.mark.models
@pytest.mark.parametrize(
    "sentence",
    [
        "Some 12,000 people came to the opening of the bridge on Sunday afternoon.",
        "Some twelve thousand people came to the opening of the bridge on Sunday afternoon.",
        "The mayor praised the work of MarchTech in the harbour and promised more of it.",
        "Some 10,000 people came to the opening of the bridge on Sunday afternoon.",
    ],
    ids=["grouped otherwise", "in words", "a shorter name", "rounded"],
)
def test_the_same_in_another_form_does_not(scorer: SupportScorer, sentence: str) -> None:
    assert scorer.support(sentence, [source_of("news", " ".join(NEWS), "news")]).contradicted is None

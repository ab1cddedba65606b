"""What a passage says otherwise."""

from __future__ import annotations

import pytest

from detectors.grounding.contradictions import RULES, Contradiction, rules, surest
from detectors.grounding.passages import source_of
from detectors.grounding.support import Support, SupportScorer

MEMO = source_of(
    "memo",
    "The outage of 3 June, which lasted 47 minutes, affected customers in Austria. Refunds cost EUR 380,000. "
    "Anna Berg leads the recovery team of twelve engineers. The contract with Siemens was renewed at 4 pm. "
    "The European Central Bank was informed. Sales rose to 120 units in May and 150 units in June.",
    "memo",
)


@pytest.fixture(scope="module")
def scorer() -> SupportScorer:
    made = SupportScorer(threads=1)
    made.load()
    return made


def told(scorer: SupportScorer, text: str) -> Support:
    return scorer.support(text, [MEMO])


@pytest.mark.models
@pytest.mark.parametrize(
    ("text", "kind", "instead"),
    [
        ("The outage of June lasted 74 minutes.", "value", "47 minutes"),
        ("Refunds cost EUR 830,000.", "value", "EUR 380,000"),
        ("The outage of 4 June affected customers in Austria.", "value", "3 June"),
        ("The contract with Siemens was renewed at 5 pm.", "value", "4 pm"),
        ("The recovery team has fifteen engineers.", "value", "twelve"),
        ("The outage affected customers in Germany.", "name", "Austria"),
        ("Anna Smith leads the recovery team.", "name", "Anna Berg"),
        ("The contract with Siemens was not renewed.", "denial", "renewed"),
        ("Sales fell to 120 units in May.", "denial", "rose"),
    ],
)
def test_another_value_name_or_denial_in_the_same_place_is_found(scorer: SupportScorer, text: str, kind: str, instead: str) -> None:
    found = told(scorer, text)
    assert found.contradicted is not None
    assert (found.contradicted[0].kind, found.contradicted[0].instead) == (kind, instead)


@pytest.mark.models
@pytest.mark.parametrize(
    "text",
    [
        "The outage of June lasted forty-seven minutes.",
        "Refunds cost about 400 thousand euros.",
        "Refunds cost 0.38 million euros.",
        "Austrian customers were affected by the outage.",
        "The contract with Siemens was renewed at 16:00.",
        "The ECB was informed.",
        "Berg leads the recovery team.",
        "A total of 270 units were sold in May and June.",
        "Sales rose by 30 units from May to June.",
        "The outage lasted nearly an hour.",
        "The weather in Norway was fine for 9 days.",
    ],
)
def test_another_form_an_approximation_a_sum_and_another_subject_contradict_nothing(scorer: SupportScorer, text: str) -> None:
    assert told(scorer, text).contradicted is None


def test_below_the_measured_alignment_no_rule_holds() -> None:
    least = rules()["value"].aligned
    weak, strong = (Contradiction("value", "74", (0, 2), "47", 0, aligned) for aligned in (least - 0.01, least))
    assert surest([weak]) is None
    assert surest([weak, strong]) == (strong, rules()["value"].precision)


def test_the_rules_say_on_how_many_documents_they_rest() -> None:
    assert RULES.is_file()
    assert all(0.5 < rule.precision < 1 and rule.documents > 0 for rule in rules().values())

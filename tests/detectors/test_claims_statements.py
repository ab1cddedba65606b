"""Which sentences of an answer state something, and which of those text cannot bear out."""

from __future__ import annotations

import pytest

from detectors.claims import complete, extract
from detectors.claims.statements import find, set_aside
from detectors.contract import Claim


def statements(answer: str) -> list[str]:
    return [claim.text for claim in find(answer)]


def test_each_sentence_is_a_claim_with_its_exact_span() -> None:
    answer = "The café opened in 1998. 😀 It seats forty guests, says Dr. Berg.\n- Dogs are welcome there"
    claims = find(answer)
    assert [answer[slice(*claim.span)] for claim in claims if claim.span] == [claim.text for claim in claims]
    assert [claim.text for claim in claims][-1] == "Dogs are welcome there"
    assert {claim.kind for claim in claims} == {"statement"}


@pytest.mark.parametrize(
    "sentence",
    [
        "Would you like to know more?",
        "Hello!",
        "Thank you for your question!",
        "Let me know if you need anything else.",
        "I hope this helps.",
        "Here is a summary of the document:",
        "Key points:",
        "# Results of the quarter",
        "Yes.",
        "---",
    ],
)
def test_what_states_nothing_is_no_claim(sentence: str) -> None:
    assert statements(sentence) == []


def test_code_is_no_claim() -> None:
    assert statements("The loop runs twice.\n```\nfor i in range(2): print(i)\n```") == ["The loop runs twice."]


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("The document does not mention the price.", "lacks"),
        ("I could not find any information about the warranty.", "itself"),
        ("No details are given in the report.", "lacks"),
        ("I think the offer is a good one.", "opinion"),
        ("You should check the terms before signing.", "advice"),
        ("As an AI, I have no access to the file.", "itself"),
    ],
)
def test_a_sentence_no_passage_can_bear_out_is_set_aside_with_the_reason(sentence: str, reason: str) -> None:
    assert statements(sentence) == [sentence]
    assert reason in (set_aside(sentence) or "")


@pytest.mark.parametrize(
    "sentence",
    [
        "The price does not include delivery.",
        "He did not say goodbye to his sister.",
        "Revenue fell by no more than 3%.",
        "The company may sell its shop.",
    ],
)
def test_a_denial_about_the_world_is_held_against_the_text(sentence: str) -> None:
    assert set_aside(sentence) is None


def test_a_cited_sentence_is_one_claim() -> None:
    claims = extract("The shop opens at nine [1]. It is closed on Monday.", {"text"})
    assert [(claim.id, claim.kind) for claim in claims] == [("c1", "statement"), ("c2", "statement")]


def test_a_given_statement_of_one_sentence_keeps_its_id_and_one_of_two_is_split() -> None:
    answer = "The shop opens at nine. It is closed on Monday."
    whole = Claim("a", answer, (0, len(answer)), "statement")
    single = Claim("b", "The shop opens at nine.", (0, 23), "statement")
    assert [(claim.id, claim.text) for claim in complete([single], answer, {"text"})] == [("b", "The shop opens at nine.")]
    parts = complete([whole], answer, {"text"})
    assert [claim.id for claim in parts] == ["a.1", "a.2"]
    assert [answer[slice(*claim.span)] for claim in parts if claim.span] == [claim.text for claim in parts]

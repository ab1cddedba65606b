"""Whether text says what a sentence claims."""

from __future__ import annotations

import pytest

from detectors.grounding.passages import Source, source_of
from detectors.grounding.support import SupportScorer

BANK = source_of(
    "report",
    "In the third quarter, Capital One earned $3.1 billion. The ratio was down 70 basis points from the prior quarter. "
    "The branch in Leeds opens at nine on Monday. The council approved the plan.",
)


@pytest.fixture(scope="module", params=[True, False], ids=["encoder", "words"])
def scorer(request: pytest.FixtureRequest) -> SupportScorer:
    made = SupportScorer(encoder=request.param, threads=1)
    made.load()
    return made


@pytest.mark.models
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("Capital One earned $3.1 billion in the third quarter.", "Capital One lost $3.1 billion in the third quarter."),
        ("The ratio was 70 basis points lower.", "The ratio rose 90 basis points."),
        ("The branch in Leeds opens at 9 on Monday.", "The branch in York opens at nine on Monday."),
        ("The council approved the plan.", "The council did not approve the plan."),
        ("The council approved the plan.", "Elephants like jazz."),
    ],
)
def test_what_is_said_scores_lower_than_what_is_not(scorer: SupportScorer, right: str, wrong: str) -> None:
    first, second = scorer.supports([right, wrong], [BANK])
    assert first.raw < second.raw


@pytest.mark.models
def test_the_passage_that_says_it_comes_first_and_with_its_place(scorer: SupportScorer) -> None:
    found = scorer.support("The branch in Leeds opens at nine.", [BANK])
    place = found.passages[0].place
    assert place.evidence == "report"
    assert place.quote == "The branch in Leeds opens at nine on Monday."


@pytest.mark.models
def test_several_sources_support_a_sentence_together(scorer: SupportScorer) -> None:
    other = Source("other", "", source_of("other", "The shop in Leeds is run by Anna Berg.").passages)
    alone = scorer.support("The branch in Leeds, run by Anna Berg, opens at nine.", [BANK])
    both = scorer.support("The branch in Leeds, run by Anna Berg, opens at nine.", [BANK, other])
    assert both.raw < alone.raw
    assert {passage.evidence for passage in both.passages} == {"report", "other"}


@pytest.mark.models
def test_a_wrong_number_and_an_unknown_name_are_told(scorer: SupportScorer) -> None:
    told = scorer.support("Anna Berg says the ratio was down 90 basis points.", [BANK]).missing()
    assert "90" in told
    assert "'Berg'" in told


@pytest.mark.models
@pytest.mark.parametrize(
    ("statement", "contradicted"),
    [
        ("The library lends books to members.", False),
        ("Members may lend twelve books.", True),
        ("The library does sell books.", True),
    ],
)
def test_one_deed_told_from_the_other_side_is_no_contradiction(statement: str, contradicted: bool) -> None:
    scorer = SupportScorer(threads=1)
    scorer.load()
    found = scorer.support(statement, [source_of("a", "Members may borrow twelve books. The library buys books every spring.")])
    assert any(gap.kind == "opposite" for gap in found.gaps) == contradicted

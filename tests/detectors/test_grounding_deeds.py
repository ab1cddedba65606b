"""Who does what: deeds that a passage tells otherwise, and those it tells in other words."""

from __future__ import annotations

import pytest

from detectors.grounding.passages import source_of
from detectors.grounding.support import SupportScorer

MINUTES = (
    "Priya fixed the login crash on Friday. The launch was moved from 25 June to 9 July. Mei writes the specification by 10 March; "
    "Dana calls the customer. The report was signed by Ralph. Requests must be approved by the department head and by the auditor. "
    "The tablets can be taken with or without food. Patients with a weak heart should not take them. "
    "The warranty covers parts but does not cover damage caused by water. The company failed to deliver the parts. "
    "Pets are not permitted, except for service animals. Travel abroad needs written approval. The museum is closed on Tuesdays."
)


@pytest.fixture(scope="module")
def scorer() -> SupportScorer:
    made = SupportScorer(threads=1, model="statement")
    made.load()
    return made


def told(scorer: SupportScorer, statement: str) -> list[tuple[str, str]]:
    """What the minutes say otherwise, where enough of the statement stands there."""
    found = scorer.support(statement, [source_of("minutes", MINUTES)])
    return [(one.text, one.instead) for one in found.contradictions if one.kind in ("deed", "denial") and one.aligned >= 0.6]


@pytest.mark.models
@pytest.mark.parametrize(
    ("statement", "text", "instead"),
    [
        ("Tom fixed the login crash.", "Tom", "Priya"),
        ("The login crash was repaired by Mei.", "Mei", "Priya"),
        ("Dana writes the specification.", "Dana", "Mei"),
        ("The report was signed by Priya.", "Priya", "Ralph"),
        ("The launch was moved to 25 June.", "to 25", "to 9"),
        ("Only the auditor has to approve requests.", "Only auditor", "also head"),
        ("The tablets must be taken with food.", "must be taken", "can be taken"),
        ("The tablets are recommended for patients with a weak heart.", "recommended", "should not take"),
        ("The warranty covers damage caused by water.", "covers", "not cover"),
        ("Travel abroad is possible without approval.", "approval", "approval"),
    ],
)
def test_a_part_of_a_deed_that_a_passage_has_otherwise_is_told_with_what_stands_there(
    scorer: SupportScorer, statement: str, text: str, instead: str
) -> None:
    assert (text, instead) in told(scorer, statement)


@pytest.mark.models
@pytest.mark.parametrize(
    "statement",
    [
        "Priya repaired the crash at login.",
        "The login crash was fixed by Priya.",
        "The launch was postponed to 9 July.",
        "The auditor has to approve requests.",
        "The tablets may be taken with food.",
        "Patients with a weak heart must not take the tablets.",
        "The warranty does not cover water damage.",
        "The warranty covers parts.",
        "The company did not deliver the parts.",
        "Service animals are permitted.",
        "The museum does not open on Tuesdays.",
        "Mei will write the specification, and Dana will call the customer.",
    ],
)
def test_the_same_deed_in_other_words_is_told_by_nobody_otherwise(scorer: SupportScorer, statement: str) -> None:
    assert told(scorer, statement) == []

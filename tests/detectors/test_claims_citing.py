"""Citations as people and models write them are found, and nothing else in brackets is taken for one."""

from __future__ import annotations

import pytest

from detectors.claims import extract
from detectors.claims.citing import citations, find, without_marks


def cited(answer: str) -> list[tuple[str, list[tuple[int, ...] | str]]]:
    found = citations(answer)
    return [(answer[slice(*span)], [mark.numbers or mark.name for mark in found.behind(span)]) for span in found.sentences]


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        ("Sales rose [1].", (1,)),
        ("Sales rose. [2]", (2,)),
        ("Sales rose [1, 3].", (1, 3)),
        ("Sales rose [2-4].", (2, 3, 4)),
        ("Sales rose 【2†source】.", (2,)),
        ("Sales rose.[^7]", (7,)),
        ("Sales rose.²", (2,)),
        ("Sales rose (source 3).", (3,)),
        ("Sales rose [see document 2].", (2,)),
        ("According to the second document, sales rose.", (2,)),
        ("The last report says that sales rose.", (-1,)),
        ("Document 3 says that sales rose.", (3,)),
    ],
)
def test_numbers_of_sources_are_read(answer: str, numbers: tuple[int, ...]) -> None:
    ((_, marks),) = cited(answer)
    assert marks == [numbers]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("Sales rose (doc-2).", "doc-2"),
        ("Sales rose [report.pdf].", "report.pdf"),
        ("As per annual_report.pdf sales rose.", "annual_report.pdf"),
    ],
)
def test_names_of_sources_are_read(answer: str, name: str) -> None:
    ((_, marks),) = cited(answer)
    assert marks == [name]


@pytest.mark.parametrize(
    "answer",
    [
        "The room has 12 m² of floor.",
        "Take x = [1, 2] as the start.",
        "The field `rows[1]` is empty.",
        "She left [0:10] and came back.",
        "Sales rose (about 5 percent).",
        "The first report was late.",
        "It weighs 3 kg (2 of them).",
    ],
)
def test_brackets_and_numbers_that_cite_nothing_are_left_alone(answer: str) -> None:
    assert [mark for mark in citations(answer).marks if mark.certain] == []
    assert find(answer) == []


def test_a_mark_after_the_stop_belongs_to_the_sentence_before_it() -> None:
    assert cited("Sales rose. [1] Costs fell. [2] Nothing else changed.") == [
        ("Sales rose.", [(1,)]),
        ("Costs fell.", [(2,)]),
        ("Nothing else changed.", []),
    ]


def test_a_mark_at_the_head_of_a_line_belongs_to_that_line() -> None:
    assert cited("Sales rose.\n【2†source】 Costs fell.")[1][1] == []
    assert cited("[2] Costs fell.") == [("Costs fell.", [(2,)])]


def test_the_page_and_the_time_in_a_bracket_are_part_of_the_citation() -> None:
    (page,) = citations("Sales rose (doc-2, p. 14).").marks
    assert (page.name, page.page) == ("doc-2", 14)
    (time,) = citations("She agreed [call.wav at 1:23].").marks
    assert (time.name, time.time) == ("call.wav", (83.0, 83.0))
    (prose,) = citations("On page 4 of report.pdf the sum is given.").marks
    assert (prose.name, prose.page) == ("report.pdf", 4)


def test_the_list_of_sources_at_the_end_says_what_numbers_mean_and_is_no_statement() -> None:
    found = citations("Sales rose [1].\n\nSources:\n[1] report.pdf\n2. Annual report")
    assert found.definitions == {1: "report.pdf", 2: "Annual report"}
    assert len(found.sentences) == 1
    assert citations("Sales rose.[^1]\n\n[^1]: doc-2, p. 4").definitions == {1: "doc-2, p. 4"}


def test_cited_sentences_become_statements_whatever_the_evidence() -> None:
    answer = "The sky is blue. The total is 5 [1]."
    # Texts and recordings bear on every statement; a video only on those that cite it.
    for family, expected in (("text", 2), ("pdf", 2), ("audio", 2), ("video", 1)):
        statements = [claim for claim in extract(answer, [family]) if claim.kind == "statement"]
        assert [claim.text for claim in statements] == ["The sky is blue.", "The total is 5 [1]."][-expected:]
        assert statements[0].span is not None
        assert answer[slice(*statements[0].span)] == statements[0].text


def test_marks_are_left_out_of_what_is_compared() -> None:
    assert without_marks("Sales rose [1, 2] by 3% (doc-1).") == "Sales rose by 3%."
    assert without_marks("Sales rose (sharply).") == "Sales rose (sharply)."

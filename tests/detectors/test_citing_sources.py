"""Which evidence a citation means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from detectors.citing.sources import Sources
from detectors.contract import Case, EvidenceFile, MissingEvidence, Place
from tests.detectors.sources import case, claim, text_file


def meant(given: Case) -> list[str | None]:
    sources = Sources(given)
    return [cited.place.evidence if cited.place else cited.problem for one in given.claims for cited in sources.cited_by(one)]


def test_the_callers_citations_come_before_the_marks_of_the_answer(tmp_path: Path) -> None:
    statement = claim("Sales rose [2].", Place("a"))
    assert meant(case(tmp_path, "Sales rose [2].", {"a": "x", "b": "y"}, (statement,))) == ["a"]


def test_a_number_means_the_place_in_the_record(tmp_path: Path) -> None:
    assert meant(case(tmp_path, "Sales rose [2].", {"minutes": "x", "report": "y"})) == ["report"]


def test_a_number_means_the_id_that_ends_in_it(tmp_path: Path) -> None:
    assert meant(case(tmp_path, "Sales rose [2].", {"doc-3": "x", "doc-2": "y"})) == ["doc-2"]


def test_a_number_means_the_text_that_begins_with_it(tmp_path: Path) -> None:
    assert meant(case(tmp_path, "Sales rose [9].", {"a": "[7] Costs.", "b": "[9] Sales."})) == ["b"]


def test_a_number_means_what_the_answers_own_list_says(tmp_path: Path) -> None:
    answer = "Sales rose [1].\n\nSources:\n[1] report.pdf\n[2] minutes.txt"
    assert meant(case(tmp_path, answer, {"minutes": "x", "report": "y"})) == ["report"]


def test_zero_is_the_first_source_where_an_answer_counts_from_zero(tmp_path: Path) -> None:
    assert meant(case(tmp_path, "Sales rose [0]. Costs fell [1].", {"a": "x", "b": "y"})) == ["a", "b"]


def test_a_number_beyond_the_sources_is_a_problem(tmp_path: Path) -> None:
    assert meant(case(tmp_path, "Sales rose [5].", {"a": "x", "b": "y"})) == ["it cites 5, and 2 sources were given"]


def test_a_name_that_no_source_has_is_a_problem(tmp_path: Path) -> None:
    assert meant(case(tmp_path, "Sales rose [budget.xlsx].", {"a": "x"})) == ["it cites 'budget.xlsx', and no source is called that"]


def test_an_evidence_id_that_does_not_exist_is_a_problem(tmp_path: Path) -> None:
    statement = claim("Sales rose.", Place("gone"))
    assert meant(case(tmp_path, "Sales rose.", {"a": "x"}, (statement,))) == ["it cites 'gone', and there is no such evidence"]


@pytest.mark.parametrize("answer", ["According to the Annual Report 2021, sales rose [x].", "Sales rose [Annual Report 2021]."])
def test_a_title_means_its_source(tmp_path: Path, answer: str) -> None:
    given = case(tmp_path, answer, {"a": "x", "b": "y"}, (claim(answer),))
    titled = tuple(replace(piece, title=title) for piece, title in zip(given.evidence, ("Minutes", "Annual report 2021"), strict=True))
    assert meant(replace(given, evidence=titled)) == ["b"]


def test_two_marks_of_a_sentence_cite_jointly(tmp_path: Path) -> None:
    assert meant(case(tmp_path, "Sales rose [1] and costs fell [2], says [1].", {"a": "x", "b": "y"})) == ["a", "b"]


def test_missing_evidence_keeps_its_number(tmp_path: Path) -> None:
    present = text_file(tmp_path, "b", "y")
    gone = MissingEvidence("a", "text", "evidence 'a' is not stored", position=0)
    answer = "Sales rose [1]. Costs fell [2]."
    statements = (claim("Sales rose [1].", span=(0, 15)), claim("Costs fell [2].", span=(16, 31), name="c2"))
    given = Case("r", answer, statements, (present,), missing=(gone,))
    sources = Sources(given)
    assert [one.missing for one in sources.cited_by(statements[0])] == [gone]
    assert [one.place.evidence for one in sources.cited_by(statements[1]) if one.place] == ["b"]


def test_reference_voices_are_not_counted(tmp_path: Path) -> None:
    voice = EvidenceFile("v", "audio/wav", tmp_path / "v", "0" * 64, role="reference_voice")
    given = case(tmp_path, "Sales rose [1].", {"a": "x"})
    assert meant(replace(given, evidence=(voice, *given.evidence))) == ["a"]

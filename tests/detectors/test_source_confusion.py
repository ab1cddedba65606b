"""Content attributed to one source that comes from another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from detectors.contract import Case, DetectorOptions, Finding, Place
from detectors.source_confusion import SourceConfusion
from tests.detectors.sources import case, claim, text_file

HARBOUR = (
    "The harbour of Lindvik was closed on Tuesday after a crane fell on the quay. Two dock workers were taken to hospital. "
    "The port authority expects ships to return on Friday."
)
BAKERY = (
    "A bakery in Osterby has sold 4,200 loaves to hikers since May. Its owner, Marit Halvorsen, plans to open a second shop. "
    "She bakes with flour from a mill built in 1874."
)


@pytest.fixture(scope="module")
def detector() -> SourceConfusion:
    loaded = SourceConfusion(DetectorOptions())
    loaded.load()
    return loaded


def findings(detector: SourceConfusion, given: Case) -> tuple[Finding, ...]:
    return detector.detect([given])[0].findings


def test_content_of_another_source_is_flagged_with_its_true_place(detector: SourceConfusion, tmp_path: Path) -> None:
    answer = "Marit Halvorsen plans to open a second shop [1]."
    (found,) = findings(detector, case(tmp_path, answer, {"a": HARBOUR, "b": BAKERY}))
    assert (found.verdict, found.error) == ("hallucinated", "source")
    assert found.place is not None
    assert found.place.evidence == "b"
    assert found.place.span is not None
    assert "Marit Halvorsen, plans to open a second shop" in BAKERY[slice(*found.place.span)]
    assert "'b'" in found.explanation
    assert "'a', which is cited" in found.explanation


def test_content_of_the_cited_source_is_right(detector: SourceConfusion, tmp_path: Path) -> None:
    answer = "A crane fell on the quay of Lindvik [1]. The mill was built in 1874 [2]."
    assert [one.verdict for one in findings(detector, case(tmp_path, answer, {"a": HARBOUR, "b": BAKERY}))] == ["supported"] * 2


def test_what_no_source_says_is_not_called_confusion(detector: SourceConfusion, tmp_path: Path) -> None:
    answer = "The mayor resigned over a parking scandal [1]."
    (found,) = findings(detector, case(tmp_path, answer, {"a": HARBOUR, "b": BAKERY}))
    assert found.verdict == "supported"


def test_what_both_sources_say_may_cite_either(detector: SourceConfusion, tmp_path: Path) -> None:
    answer = "Two dock workers were taken to hospital [2]."
    (found,) = findings(detector, case(tmp_path, answer, {"a": HARBOUR, "b": f"{BAKERY} Two dock workers were taken to hospital."}))
    assert found.verdict == "supported"


def test_sources_cited_together_are_taken_together(detector: SourceConfusion, tmp_path: Path) -> None:
    answer = "A crane fell on the quay of Lindvik, and Marit Halvorsen plans to open a second shop [1, 2]."
    (found,) = findings(detector, case(tmp_path, answer, {"a": HARBOUR, "b": BAKERY, "c": "Nothing of the kind is told here."}))
    assert found.verdict == "supported"


def test_sources_that_disagree_are_reported_and_the_answer_is_not_blamed(detector: SourceConfusion, tmp_path: Path) -> None:
    texts = {
        "a": "Revenue of the Lindvik port rose by 12% in the autumn quarter.",
        "b": "Revenue of the Lindvik port rose by 14% in the autumn quarter.",
    }
    (found,) = findings(detector, case(tmp_path, "Revenue of the Lindvik port rose by 12% in the autumn quarter [1].", texts))
    assert found.verdict == "supported"
    assert "The sources themselves disagree: 'b' gives 14 where 'a' gives 12" in found.explanation


def test_sources_that_agree_are_not_said_to_disagree(detector: SourceConfusion, tmp_path: Path) -> None:
    texts = {
        "a": "Revenue of the Lindvik port rose by 12% in the autumn quarter.",
        "b": "Revenue of the Lindvik port rose by 12% in the autumn quarter of 2021.",
    }
    (found,) = findings(detector, case(tmp_path, "Revenue of the Lindvik port rose by 12% in the autumn quarter [1].", texts))
    assert "disagree" not in found.explanation


def test_a_single_source_cannot_be_confused(detector: SourceConfusion, tmp_path: Path) -> None:
    assert detector.detect([case(tmp_path, "A crane fell [1].", {"a": HARBOUR})])[0].state == "not_applicable"


def test_a_statement_that_cites_every_source_can_come_from_no_other(detector: SourceConfusion, tmp_path: Path) -> None:
    (found,) = findings(detector, case(tmp_path, "A crane fell on the quay [1, 2].", {"a": HARBOUR, "b": BAKERY}))
    assert found.reason == "there is no other source it could come from"


def test_a_statement_without_telling_words_is_not_checked(detector: SourceConfusion, tmp_path: Path) -> None:
    (found,) = findings(detector, case(tmp_path, "It was so [1].", {"a": HARBOUR, "b": BAKERY}))
    assert found.verdict == "not_checked"
    assert "too few telling words" in str(found.reason)


def test_a_citation_of_an_unreadable_source_is_not_checked(detector: SourceConfusion, tmp_path: Path) -> None:
    given = case(tmp_path, "A crane fell on the quay of Lindvik [1].", {"a": HARBOUR, "b": BAKERY})
    given.evidence[0].path.write_bytes(b"\xff\xfe\x00")
    broken = replace(given.evidence[0], sha256="0" * 64)
    (found,) = findings(detector, replace(given, evidence=(broken, given.evidence[1])))
    assert found.verdict == "not_checked"


def test_a_citation_that_names_no_source_is_left_to_citation_mismatch(detector: SourceConfusion, tmp_path: Path) -> None:
    (found,) = findings(detector, case(tmp_path, "A crane fell on the quay [7].", {"a": HARBOUR, "b": BAKERY}))
    assert found.verdict == "not_checked"
    assert "it cites 7, and 2 sources were given" in str(found.reason)


def test_content_of_another_request_is_flagged_where_neighbours_are_given(detector: SourceConfusion, tmp_path: Path) -> None:
    answer = "Marit Halvorsen plans to open a second shop."
    given = case(tmp_path, answer, {"a": HARBOUR}, (claim(answer),))
    assert detector.detect([given])[0].state == "not_applicable"
    (found,) = findings(detector, replace(given, neighbours=(text_file(tmp_path, "r0/b", BAKERY),)))
    assert (found.verdict, found.error) == ("hallucinated", "source")
    assert "of another request of the same customer" in found.explanation
    home = "A crane fell on the quay of Lindvik."
    given = case(tmp_path, home, {"a": HARBOUR}, (claim(home),))
    (found,) = findings(detector, replace(given, neighbours=(text_file(tmp_path, "r0/b", BAKERY),)))
    assert found.verdict == "supported"


def test_spans_hold_in_texts_with_markup(detector: SourceConfusion, tmp_path: Path) -> None:
    page = f"<html><head><style>p {{color: red}}</style></head><body><p>{BAKERY}</p></body></html>"
    evidence = (text_file(tmp_path, "a", HARBOUR), text_file(tmp_path, "b", page, media_type="text/html"))
    text = "Marit Halvorsen plans to open a second shop."
    (found,) = findings(detector, Case("r", text, (claim(text, Place("a")),), evidence))
    assert found.place is not None
    assert found.place.span is not None
    assert page[slice(*found.place.span)].startswith(("Its owner, Marit Halvorsen", "A bakery"))

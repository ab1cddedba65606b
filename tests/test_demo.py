"""The demo's sample: its truth is exact, its records are valid, and its table counts what it says."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from monitor.demo.answers import ANSWERS, UNATTACHED
from monitor.demo.sample import Sample, make_evidence, samples
from monitor.demo.verdicts import judge
from monitor.records import check_response

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    folder = tmp_path_factory.mktemp("evidence")
    make_evidence(folder)
    return list(samples(folder, NOW, "demo"))


def finding(verdict: str, score: float | None) -> dict[str, Any]:
    return {"detector": "d", "verdict": verdict, "score": score, "explanation": f"it is {verdict}"}


def claim(span: tuple[int, int], *findings: dict[str, Any]) -> dict[str, Any]:
    return {"span": span, "findings": list(findings)}


def test_every_record_is_valid_and_every_file_is_what_it_says(everything: list[Sample]) -> None:
    assert len(everything) == len(ANSWERS) + len(UNATTACHED)
    assert len({sample.record.id for sample in everything}) == len(everything)
    for sample in everything:
        check_response(sample.record)
        assert sample.record.time < NOW
        if sample.file is not None and sample.file.suffix in (".png", ".jpg"):
            with Image.open(sample.file) as picture:
                picture.verify()


def test_statements_stand_where_they_are_said_to_stand(everything: list[Sample]) -> None:
    for sample in everything:
        for statement in sample.statements:
            assert sample.record.answer.text[slice(*statement.span)] == statement.words
    wrong = [statement for sample in everything for statement in sample.statements if statement.error]
    right = [statement for sample in everything for statement in sample.statements if not statement.error]
    assert len(wrong) >= 20
    assert len(right) > len(wrong)


def test_the_same_run_makes_the_same_records(everything: list[Sample], tmp_path: Path) -> None:
    make_evidence(tmp_path)
    again = [sample.record for sample in samples(tmp_path, NOW, "demo")]
    assert again == [sample.record for sample in everything]


def test_a_statement_takes_the_worst_finding_that_touches_it(everything: list[Sample]) -> None:
    sample = next(sample for sample in everything if any(statement.error for statement in sample.statements))
    at = next(number for number, statement in enumerate(sample.statements) if statement.error)
    span = sample.statements[at].span
    away = (span[1] + 1, span[1] + 2)

    def result(*claims: dict[str, Any]) -> str:
        return judge(sample, {"claims": list(claims)})[at].result

    assert result() == "not checked"
    assert result(claim(span, finding("not_checked", None))) == "not checked"
    assert result(claim(away, finding("hallucinated", 0.9))) == "not checked"
    assert result(claim(span, finding("supported", 0.1))) == "missed"
    assert result(claim(span, finding("supported", 0.1), finding("hallucinated", 0.8))) == "caught"


def test_a_flag_on_a_true_statement_is_a_false_alarm(everything: list[Sample]) -> None:
    sample = next(sample for sample in everything if sample.statements and not sample.statements[0].error)
    span = sample.statements[0].span
    assert judge(sample, {"claims": [claim(span, finding("hallucinated", 0.9))]})[0].result == "false alarm"
    assert judge(sample, {"claims": [claim(span, finding("supported", 0.1))]})[0].result == "passed"

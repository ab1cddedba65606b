"""``groundwatch check``: one answer, some files, an exit code that says what came of it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from monitor import check as checking
from monitor.check import CheckReport, check, read_answer, run, show
from monitor.errors import EvidenceRefused, SettingsInvalid
from monitor.settings import Settings

FAKES = "tests.detect.fakes"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "a page, 100%.txt"
    path.write_text("the page")
    return path


def fake_check(settings: Settings, answer: str, *files: Path, **more: Any) -> CheckReport:
    return check(answer, files, settings, catalogue=FAKES, finders=FAKES, **{"detectors": ["keyword"], **more})


def test_a_flagged_answer_exits_with_1(settings: Settings, page: Path) -> None:
    report = fake_check(settings, "this is wrong", page)
    assert report.exit_code == 1
    assert [finding.verdict for finding in report.outcomes[0].findings] == ["supported", "supported", "hallucinated"]
    assert report.evidence[0].media_type == "text/plain"


def test_a_clean_answer_exits_with_0(settings: Settings, page: Path) -> None:
    assert fake_check(settings, "all is well", page).exit_code == 0


def test_an_answer_nobody_could_check_exits_with_2(settings: Settings, page: Path, tmp_path: Path) -> None:
    assert fake_check(settings, "unsure", page).exit_code == 2
    binary = tmp_path / "x.bin"
    binary.write_bytes(b"\x00\x01")
    report = fake_check(settings, "this is wrong", binary)
    assert (report.exit_code, report.outcomes[0].state) == (2, "not_applicable")


def test_a_detector_that_breaks_or_is_absent_says_so_and_the_others_count(settings: Settings, page: Path) -> None:
    report = fake_check(settings, "raise wrong", page, detectors=["raising", "absent", "keyword"])
    assert [(one.state, one.reason) for one in report.outcomes] == [
        ("failed", "RuntimeError: a bug in a library"),
        ("failed", "not installed: imaginary weights. pip install imagination"),
        ("judged", None),
    ]
    assert report.exit_code == 1


def test_the_report_says_how_good_each_input_is(settings: Settings, page: Path, tmp_path: Path) -> None:
    broken, other = tmp_path / "broken.txt", tmp_path / "x.bin"
    broken.write_bytes(b"\xff\xfe" * 20)
    other.write_bytes(b"\x00\x01")
    report = fake_check(settings, "this is wrong", page, broken, other)
    assert [(piece.evidence_id, piece.grade) for piece in report.quality[:1]] == [("e1", "good")]
    assert report.quality[-1].grade is None
    assert not any(outcome.quality for outcome in report.outcomes)
    shown = io.StringIO()
    show(report, Console(file=shown, width=200))
    assert "a page, 100%.txt: good input" in shown.getvalue()
    assert "x.bin: input quality not measured" in shown.getvalue()


def test_the_quality_is_known_even_where_no_detector_can_run(settings: Settings, page: Path) -> None:
    report = fake_check(settings, "wrong", page, detectors=["absent"])
    assert [piece.grade for piece in report.quality] == ["good"]
    shown = io.StringIO()
    show(report, Console(file=shown, width=200))
    assert shown.getvalue().rstrip().endswith("Nothing was checked: absent failed.")


def test_given_claims_are_checked_instead_of_the_answer(settings: Settings, page: Path) -> None:
    report = fake_check(settings, "this is wrong", page, claims=["this is"])
    assert [(finding.claim_text, finding.verdict) for finding in report.outcomes[0].findings] == [("this is", "supported")]


def test_a_missing_file_a_missing_list_and_an_unknown_detector_are_refused(settings: Settings, page: Path, tmp_path: Path) -> None:
    with pytest.raises(EvidenceRefused, match="No such file"):
        fake_check(settings, "x", tmp_path / "none.png")
    with pytest.raises(EvidenceRefused, match="no evidence was given"):
        fake_check(settings, "x")
    with pytest.raises(SettingsInvalid, match="palmistry"):
        fake_check(settings, "x", page, detectors=["palmistry"])


def test_an_answer_comes_as_text_from_a_file_or_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "answer.txt"
    path.write_text("from a file")
    monkeypatch.setattr("sys.stdin", io.StringIO("from a pipe"))
    assert [read_answer(given) for given in ("as text", f"@{path}", "-")] == ["as text", "from a file", "from a pipe"]
    with pytest.raises(EvidenceRefused, match="the answer cannot be read"):
        read_answer(f"@{tmp_path / 'none.txt'}")


def test_a_forgotten_answer_is_asked_for_instead_of_waiting_at_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    with pytest.raises(EvidenceRefused, match="--answer"):
        read_answer("-")


def test_run_prints_json_alone_on_stdout_and_refusals_on_stderr(
    settings: Settings, page: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "check", lambda answer, files, settings, **more: fake_check(settings, answer, *files))
    assert run("this is wrong", [page], None, None, True, None, settings) == 1
    shown = json.loads(capsys.readouterr().out)
    assert (shown["flagged"], shown["checked"]) == (True, True)
    assert shown["outcomes"][0]["findings"][2]["claim_span"] == [8, 13]
    assert run("x", [page.with_name("none")], None, None, True, None, settings) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert "No such file" in caught.err


def test_run_shows_verdict_claim_and_place(
    settings: Settings, page: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "check", lambda answer, files, settings, **more: fake_check(settings, answer, *files))
    assert run("[bold]wrong[/bold]", [page], None, None, False, None, settings) == 1
    shown = capsys.readouterr().out
    assert "hallucinated" in shown
    assert page.name in shown
    assert "1 hallucinated, 2 supported, 0 not checked" in shown

"""``groundwatch evaluate``: what the numbers mean, what is refused, and that it goes on where it stopped."""

from __future__ import annotations

import hashlib
import io
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import roc_auc_score

from monitor.clock import MovableClock
from monitor.errors import SettingsInvalid
from monitor.evaluate import Corpus, CorpusRefused, CorpusReport, evaluate, evaluation, read_corpus, run
from monitor.evaluate.degraded import degraded
from monitor.evaluate.metrics import auroc, auroc_interval, expected_calibration_error
from monitor.evaluate.report import json_of, show
from monitor.evaluate.results import ResultCache
from monitor.evaluate.scoring import detector_scores
from monitor.findings import FindingRecord, OutcomeRecord
from monitor.records import Answer, Label, ResponseRecord
from monitor.settings import Settings
from tests.detectors.test_quality import page

FAKES = "tests.detect.fakes"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def line(identifier: str, answer: str, wrong: dict[str, bool], *, page: str = "page", cohort: str = "a", **more: Any) -> dict[str, Any]:
    """A labelled response: ``wrong`` says of words of the answer whether they are hallucinated."""
    labels = [
        {"span": [answer.index(word), answer.index(word) + len(word)], "hallucinated": false, **({"error": "value"} if false else {})}
        for word, false in wrong.items()
    ]
    evidence = [{"id": "doc", "media_type": "text/plain", "uri": f"file:evidence/{page}.txt"}]
    fixed = {"id": identifier, "time": NOON.isoformat(), "workflow": "w", "cohort": {"kind": cohort}, "answer": {"text": answer}}
    return {**fixed, "evidence": evidence, "labels": labels, "attributes": {"made": "by hand"}, **more}


def write_corpus(folder: Path, lines: list[dict[str, Any]], **description: Any) -> Path:
    (folder / "evidence").mkdir(parents=True)
    for name in ("page", "other"):
        (folder / "evidence" / f"{name}.txt").write_text(name)
    (folder / "corpus.json").write_text(json.dumps({"name": folder.name, "task": "grounding", "items": len(lines), **description}))
    (folder / "responses.jsonl").write_text("\n".join(json.dumps(one) for one in lines))
    return folder


@pytest.fixture
def corpus_folder(tmp_path: Path) -> Path:
    lines = [
        line("r1", "fine and wrong", {"fine": False, "wrong": True}),
        line("r2", "wrong2 good", {"wrong2": False, "good": True}, page="other", cohort="b"),
        line("r3", "unsure thing", {"unsure": True, "thing": False}, page="other", cohort="b"),
    ]
    return write_corpus(tmp_path / "words", lines)


def measured(settings: Settings, *folders: Path, **more: Any) -> list[CorpusReport]:
    return evaluate(folders, settings, catalogue=FAKES, claims=FAKES, **{"detectors": ["keyword"], **more})


# --- end to end on fakes ------------------------------------------------------------------------------------------


def test_labels_are_scored_by_the_findings_that_overlap_them(settings: Settings, corpus_folder: Path) -> None:
    (report,) = measured(settings, corpus_folder)
    found = report.detectors["keyword"]
    assert (report.name, report.task, report.responses, report.labels) == ("words", "grounding", 3, 6)
    # fine .1 true, wrong .9 false, wrong2 .9 true, good .1 false, unsure not judged, thing .1 true
    assert (found.labels, found.judged, found.coverage) == (6, 5, 5 / 6)
    assert found.catch == 1 / 2
    assert found.recall == 1 / 3
    assert found.false_alarms == 1 / 3
    assert found.precision == 1 / 2
    assert found.balanced_accuracy == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found.auroc == pytest.approx((0.5 + 0 + 0.5 + 1 + 0.5 + 1) / 6)
    assert found.brier == pytest.approx((0.01 * 3 + 0.81 * 2) / 5)
    assert found.seconds_per_response is not None
    assert report.overall == found
    assert report.reasons["keyword"] == {"the word is unsure": 1}


def test_slices_are_cohort_values_and_kinds_of_error_against_all_true_labels(settings: Settings, corpus_folder: Path) -> None:
    (report,) = measured(settings, corpus_folder)
    assert list(report.slices) == ["kind=a", "kind=b", "quality=good", "error=value"]
    assert (report.slices["kind=a"].labels, report.slices["kind=a"].auroc) == (2, 1.0)
    assert report.slices["kind=b"].labels == 4
    assert report.slices["error=value"].labels == 6


def test_slices_split_the_labels_by_measured_input_quality(settings: Settings, corpus_folder: Path) -> None:
    (corpus_folder / "evidence" / "other.txt").write_bytes(b"\xff\xfe" * 20)
    (report,) = measured(settings, corpus_folder)
    assert (report.slices["quality=good"].labels, report.slices["quality=unusable"].labels) == (2, 4)
    assert "quality=poor" not in report.slices
    # What was judged before is not measured again, and still known.
    (again,) = measured(settings, corpus_folder)
    assert again.slices == report.slices


def test_a_response_that_no_worker_measured_is_in_no_quality_slice(settings: Settings, corpus_folder: Path) -> None:
    (report,) = measured(settings, corpus_folder, detectors=["absent"])
    assert not [name for name in report.slices if name.startswith("quality=")]


# --- the answers themselves ---------------------------------------------------------------------------------------


def test_a_corpus_with_references_reports_how_well_the_answers_did(settings: Settings, tmp_path: Path) -> None:
    said = {"r1": ("fine", 0.9), "r2": ("wrong", 0.8), "r3": ("fine", 0.7)}
    lines = [line(name, text, {text: False}, reference={"text": "fine"}) for name, (text, _) in said.items()]
    for one in lines:
        one["answer"]["confidence"] = said[one["id"]][1]
    lines += [line("r4", "unsure", {"unsure": False}, reference={"text": "fine"}), line("r5", "thing", {"thing": False})]
    lines[3]["answer"]["abstained"] = True
    (report,) = measured(settings, write_corpus(tmp_path / "words", lines))
    assert report.answers is not None
    assert (report.answers.responses, report.answers.metrics["correct"].n) == (4, 3)
    assert report.answers.metrics["correct"].value == pytest.approx(2 / 3)
    # One question, asked four times, right twice.
    assert report.answers.pass_at[2].value == pytest.approx(1 - 1 / 6)
    (selection,) = report.answers.selections
    assert (selection.truth, selection.wrong_abstentions, selection.missed_abstentions) == ("reference", 1, 1)
    assert json.loads(json_of([report]))["corpora"][0]["answers"]["metrics"]["exact_match"]["n"] == 3
    shown = io.StringIO()
    show([report], Console(file=shown, width=160))
    assert "the answers against their references (4 responses)" in shown.getvalue()
    assert "answered right 2, wrong 1; abstained rightly 0, without need 1" in shown.getvalue()


def test_a_corpus_without_references_says_nothing_of_the_answers(settings: Settings, corpus_folder: Path) -> None:
    (report,) = measured(settings, corpus_folder)
    assert report.answers is None
    assert "answers" not in json.loads(json_of([report]))["corpora"][0]


# --- degraded copies ----------------------------------------------------------------------------------------------


@pytest.fixture
def picture_corpus(tmp_path: Path) -> Path:
    """Two answers on one picture, each with a text beside it."""
    folder = write_corpus(tmp_path / "pictures", [line("r1", "fine", {"fine": False}), line("r2", "wrong", {"wrong": True})])
    page().save(folder / "evidence" / "page.png")
    lines = [json.loads(one) for one in (folder / "responses.jsonl").read_text().splitlines()]
    for one in lines:
        one["evidence"].append({"id": "picture", "media_type": "image/png", "uri": "file:evidence/page.png"})
    (folder / "responses.jsonl").write_text("\n".join(json.dumps(one) for one in lines))
    return folder


def test_degraded_copies_are_measured_under_their_own_name_and_the_corpus_stays(settings: Settings, picture_corpus: Path) -> None:
    before = {path: path.read_bytes() for path in picture_corpus.rglob("*") if path.is_file()}
    (report,) = measured(settings, picture_corpus, degrade="dark_noise", seed=3)
    assert (report.name, report.labels) == ("pictures+dark_noise", 2)
    assert report.slices["quality=poor"].labels == 2
    assert {path: path.read_bytes() for path in picture_corpus.rglob("*") if path.is_file()} == before
    copies = list((settings.cache_dir / "degraded").rglob("*.png"))
    assert len(copies) == 1
    assert hashlib.sha256(copies[0].read_bytes()).hexdigest() == copies[0].stem


def test_all_degradations_are_those_that_the_evidence_allows(settings: Settings, picture_corpus: Path) -> None:
    reports = measured(settings, picture_corpus, degrade="all")
    assert [report.name.partition("+")[2] for report in reports] == ["rotate5", "perspective", "blur", "half", "jpeg15", "dark_noise"]


def test_the_same_seed_degrades_to_the_same_bytes(settings: Settings, picture_corpus: Path) -> None:
    corpus = read_corpus(picture_corpus)
    first, again, other = (degraded(corpus, "dark_noise", seed, settings.cache_dir) for seed in (1, 1, 2))
    hashes = [one.records[0].evidence[1].sha256 for one in (first, again, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert first.records[0].labels == corpus.records[0].labels
    assert first.records[0].evidence[0].media_type == "text/plain"


def test_a_degradation_that_does_not_exist_or_does_not_apply_is_refused(
    settings: Settings, picture_corpus: Path, corpus_folder: Path
) -> None:
    with pytest.raises(SettingsInvalid, match=r"melt.*rotate5.*all"):
        measured(settings, picture_corpus, degrade="melt")
    with pytest.raises(CorpusRefused, match="pictures has no recordings that clip could degrade"):
        measured(settings, picture_corpus, degrade="clip")
    with pytest.raises(CorpusRefused, match="words has no pictures or recordings"):
        measured(settings, corpus_folder, degrade="all")


def test_evidence_that_cannot_be_degraded_is_named(settings: Settings, picture_corpus: Path) -> None:
    (picture_corpus / "evidence" / "page.png").write_bytes(b"no picture")
    with pytest.raises(CorpusRefused, match=r"page\.png cannot be decoded"):
        measured(settings, picture_corpus, degrade="blur")
    (picture_corpus / "evidence" / "page.png").unlink()
    with pytest.raises(CorpusRefused, match="there is no file"):
        measured(settings, picture_corpus, degrade="blur")


def test_overall_takes_the_highest_score_of_all_detectors(settings: Settings, corpus_folder: Path) -> None:
    (report,) = measured(settings, corpus_folder, detectors=["absent", "keyword"])
    assert report.detectors["absent"].judged == 0
    assert report.detectors["absent"].auroc is None
    assert report.overall.judged == report.detectors["keyword"].judged
    assert report.overall.catch == report.detectors["keyword"].catch
    assert report.reasons["absent"] == {"failed: not installed: imaginary weights. pip install imagination": 6}


def test_a_response_whose_detection_fails_is_not_checked_with_its_reason(settings: Settings, tmp_path: Path) -> None:
    lines = [line("r1", "fine", {"fine": False}), line("r2", "crash", {"crash": True})]
    (report,) = measured(settings, write_corpus(tmp_path / "c", lines), detectors=["crashing"])
    assert report.detectors["crashing"].coverage == 0.5
    assert report.reasons["crashing"] == {"failed: the worker ended with exit code 7": 1}


def test_missing_or_escaping_evidence_is_not_checked(settings: Settings, tmp_path: Path) -> None:
    outside = tmp_path / "secret.txt"
    outside.write_text("secret")
    lines = [line("r1", "wrong", {"wrong": True}, page="none"), line("r2", "wrong", {"wrong": True})]
    lines[1]["evidence"][0]["uri"] = "file:../secret.txt"
    folder = write_corpus(tmp_path / "c", lines)
    (folder / "evidence" / "link.txt").symlink_to(outside)
    lines.append(line("r3", "wrong", {"wrong": True}, page="link"))
    lines.append(line("r4", "wrong", {"wrong": True}))
    lines[3]["evidence"][0]["sha256"] = "0" * 64
    (folder / "responses.jsonl").write_text("\n".join(json.dumps(one) for one in lines))
    (report,) = measured(settings, folder)
    assert report.overall.judged == 0
    reasons = " ".join(report.reasons["keyword"])
    assert "there is no file evidence/none.txt" in reasons
    assert "file:../secret.txt leaves the corpus folder" in reasons
    assert "file:evidence/link.txt leaves the corpus folder" in reasons
    assert "its content has SHA-256" in reasons


def test_the_limit_takes_the_first_responses(settings: Settings, corpus_folder: Path) -> None:
    (report,) = measured(settings, corpus_folder, limit=1)
    assert (report.responses, report.labels) == (1, 2)


def test_an_interrupted_evaluation_goes_on_where_it_stopped(settings: Settings, corpus_folder: Path) -> None:
    measured(settings, corpus_folder, limit=2)
    (path,) = (settings.cache_dir / "evaluate" / "words").glob("keyword-1-none.jsonl")
    kept = path.read_bytes()
    # The verdict on r1 is changed by hand and the last line cut short, as a kill would: one is believed, the other made again.
    path.write_bytes(kept.replace(b'"score":0.9', b'"score":0.8', 1)[:-20])
    (report,) = measured(settings, corpus_folder)
    assert report.overall.judged == 5
    entries = [json.loads(entry) for entry in path.read_text().splitlines() if entry.endswith("}}")]
    assert [entry["outcome"]["response_id"] for entry in entries] == ["r1", "r2", "r3"]
    assert report.overall.brier == pytest.approx((0.01 * 2 + 0.04 + 0.81 * 2) / 5)


def test_verdicts_of_other_code_or_of_failures_are_not_believed(settings: Settings) -> None:
    record = ResponseRecord(id="r", time=NOON, workflow="w", answer=Answer(text="a"))
    outcome = OutcomeRecord(
        project="p", response_id="r", response_time=NOON, workflow="w", detector="keyword", state="judged", finished_at=NOON
    )
    ResultCache(settings.cache_dir, "c", "keyword", "1", "none", "old").add(record, outcome)
    again = ResultCache(settings.cache_dir, "c", "keyword", "1", "none", "old")
    assert again.get(record) == outcome
    assert again.get(msgspec.structs.replace(record, answer=Answer(text="b"))) is None
    assert ResultCache(settings.cache_dir, "c", "keyword", "1", "none", "new").get(record) is None
    again.add(msgspec.structs.replace(record, id="s"), msgspec.structs.replace(outcome, state="failed"))
    assert ResultCache(settings.cache_dir, "c", "keyword", "1", "none", "old").get(msgspec.structs.replace(record, id="s")) is None


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["anomaly", "changepoint"])
def test_a_series_corpus_is_refused(tmp_path: Path, task: str) -> None:
    with pytest.raises(CorpusRefused, match=f"is a series corpus \\(task {task}\\)"):
        read_corpus(write_corpus(tmp_path / "c", [], task=task))


def test_what_is_no_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusRefused, match=r"corpus.json cannot be read"):
        read_corpus(tmp_path)
    (tmp_path / "corpus.json").write_text("[]")
    with pytest.raises(CorpusRefused, match=r"corpus.json is not a description"):
        read_corpus(tmp_path)
    (tmp_path / "corpus.json").write_text('{"name": "n", "task": "ocr"}')
    with pytest.raises(CorpusRefused, match=r"responses.jsonl cannot be read"):
        read_corpus(tmp_path)


def test_a_bad_line_is_refused_by_its_number(tmp_path: Path) -> None:
    good, bad = line("r1", "fine", {"fine": False}), line("r2", "fine", {"fine": False}, colour="red")
    with pytest.raises(CorpusRefused, match=r"responses.jsonl line 2, colour: is not a field"):
        read_corpus(write_corpus(tmp_path / "c", [good, bad]))
    with pytest.raises(CorpusRefused, match=r"line 2: the id 'r1' is used twice"):
        read_corpus(write_corpus(tmp_path / "d", [good, good]))


def test_an_unknown_detector_is_refused_before_anything_is_judged(settings: Settings, corpus_folder: Path) -> None:
    with pytest.raises(SettingsInvalid, match="palmistry"):
        measured(settings, corpus_folder, detectors=["palmistry"])


# --- output -------------------------------------------------------------------------------------------------------


def test_json_is_alone_on_stdout_with_the_promised_keys(
    settings: Settings, corpus_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_fakes(folders: Any, settings: Settings, **more: Any) -> list[CorpusReport]:
        return evaluate(folders, settings, catalogue=FAKES, claims=FAKES, **more)

    monkeypatch.setattr(evaluation, "evaluate", on_fakes)
    assert run([corpus_folder], None, ["absent", "keyword"], True, settings) == 0
    caught = capsys.readouterr()
    (shown,) = json.loads(caught.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))["corpora"]
    assert set(shown) == {"name", "task", "responses", "labels", "overall", "detectors", "slices"}
    measure_keys = (
        "labels judged coverage auroc auroc_low auroc_high catch false_alarms precision balanced_accuracy ece brier seconds_per_response"
    )
    assert set(shown["overall"]) == set(measure_keys.split())
    assert shown["detectors"]["absent"]["auroc"] is None
    assert "not installed" in caught.err
    assert run([corpus_folder / "evidence"], None, ["keyword"], True, settings) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert "corpus.json cannot be read" in caught.err


def test_the_table_names_every_number_and_reason(settings: Settings, corpus_folder: Path) -> None:
    console = Console(record=True, width=160, file=io.StringIO())
    reports = measured(settings, corpus_folder)
    show(reports, console)
    text = console.export_text()
    for heading in ("coverage", "AUROC", "95%", "catch", "false alarms", "precision", "recall", "ECE", "Brier", "s/item", "kind=b"):
        assert heading in text
    assert "keyword: 1 of 6 labels not checked" in text
    assert "the word is unsure" in text
    assert json.loads(json_of(reports))["corpora"][0]["labels"] == 6


# --- the numbers --------------------------------------------------------------------------------------------------


def finding(span: tuple[int, int] | None, score: float | None, verdict: Any) -> FindingRecord:
    return FindingRecord(
        detector="d", claim_id="c", claim_text="t", claim_kind="k", verdict=verdict, explanation="", claim_span=span, score=score
    )


def test_a_label_takes_the_highest_overlapping_score_and_touching_is_not_overlapping(tmp_path: Path) -> None:
    record = ResponseRecord(
        id="r", time=NOON, workflow="w", answer=Answer(text="0123456789"), labels=(Label(span=(2, 5), hallucinated=True),)
    )
    folder = write_corpus(tmp_path / "c", [])

    def score_of(*findings: FindingRecord) -> tuple[float, bool]:
        outcome = OutcomeRecord(
            project="p",
            response_id="r",
            response_time=NOON,
            workflow="w",
            detector="d",
            state="judged",
            finished_at=NOON,
            findings=findings,
        )
        scores = detector_scores(Corpus("c", "ocr", folder, (record,)), {"r": outcome})
        return float(scores.score[0]), bool(scores.flagged[0])

    assert score_of(finding((4, 9), 0.3, "supported"), finding((0, 3), 0.7, "hallucinated")) == (0.7, True)
    assert score_of(finding((1, 6), 0.2, "supported"), finding((5, 9), 0.9, "hallucinated")) == (0.2, False)
    assert math.isnan(score_of(finding((0, 2), 0.9, "hallucinated"))[0])
    assert math.isnan(score_of(finding(None, 0.9, "hallucinated"))[0])
    assert math.isnan(score_of(finding((2, 5), None, "not_checked"))[0])


def test_the_interval_is_a_bootstrap_over_sources() -> None:
    random = np.random.default_rng(1)
    truth = random.random(400) < 0.5
    score = np.clip(np.round(truth * 0.3 + random.random(400) * 0.7, 1), 0, 1)
    alone = auroc_interval(score, truth, np.arange(400))
    # An independent and slow bootstrap, one draw after another.
    draws = [random.integers(0, 400, 400) for _ in range(300)]
    slow = np.percentile([roc_auc_score(truth[draw], score[draw]) for draw in draws], [2.5, 97.5])
    assert alone == pytest.approx(tuple(slow), abs=0.02)
    # The same labels ten times over on the same sources are no new information.
    often = auroc_interval(np.tile(score, 10), np.tile(truth, 10), np.tile(np.arange(400), 10))
    assert often == pytest.approx(alone, abs=1e-9)
    assert auroc(np.tile(score, 10), np.tile(truth, 10)) == pytest.approx(auroc(score, truth))


def test_the_interval_is_the_same_every_time_and_covers_the_point() -> None:
    random = np.random.default_rng(2)
    truth, score = random.random(100) < 0.3, random.random(100)
    first = auroc_interval(score, truth, np.arange(100) // 3)
    assert first == auroc_interval(score, truth, np.arange(100) // 3)
    point = auroc(score, truth)
    assert first[0] is not None
    assert first[1] is not None
    assert point is not None
    assert first[0] < point < first[1]


def test_numbers_that_are_undefined_are_none() -> None:
    nothing, one = np.array([]), np.array([0.5])
    assert auroc(nothing, nothing.astype(bool)) is None
    assert auroc(one, np.array([True])) is None
    assert auroc_interval(one, np.array([True]), np.array([0])) == (None, None)
    assert auroc_interval(np.array([0.1, 0.9]), np.array([False, True]), np.array([0, 0])) == (None, None)
    assert expected_calibration_error(nothing, nothing.astype(bool)) is None


def test_calibration_error_is_the_weighted_gap_by_bin() -> None:
    score = np.array([0.05, 0.05, 0.95, 1.0])
    truth = np.array([False, True, True, True])
    assert expected_calibration_error(score, truth) == pytest.approx((2 * abs(0.05 - 0.5) + 2 * abs(0.975 - 1.0)) / 4)


# --- real detectors -----------------------------------------------------------------------------------------------


@pytest.mark.models
def test_real_detectors_judge_rendered_pages_end_to_end(settings: Settings, tmp_path: Path, clock: MovableClock) -> None:
    from PIL import Image, ImageDraw, ImageFont

    folder = write_corpus(tmp_path / "receipts", [], task="ocr")
    lines = []
    for number, (total, said) in enumerate([("48.20", "48.20"), ("17.35", "71.35"), ("130.00", "130.00"), ("9.99", "64.50")]):
        page = Image.new("RGB", (700, 900), "white")
        draw = ImageDraw.Draw(page)
        font = ImageFont.load_default(size=32)
        printed = [
            "CORNER BAKERY",
            "12 Mill Lane, Oxford",
            "Date 14/03/2025",
            "Sourdough loaf 4.60",
            "Filter coffee 2.80",
            "Almond cake 3.95",
        ]
        printed += ["Orange juice 3.10", "Table service 1.50", f"TOTAL {total}", "Paid by card", "Thank you for your visit"]
        for row, text in enumerate(printed):
            draw.text((40, 40 + 70 * row), text, fill="black", font=font)
        page.save(folder / "evidence" / f"p{number}.png")
        answer = f"The total is {said}."
        one = line(f"r{number}", answer, {said: total != said})
        sha256 = hashlib.sha256((folder / "evidence" / f"p{number}.png").read_bytes()).hexdigest()
        one["evidence"] = [{"id": "page", "media_type": "image/png", "uri": f"file:evidence/p{number}.png", "sha256": sha256}]
        lines.append(one)
    (folder / "responses.jsonl").write_text("\n".join(json.dumps(one) for one in lines))
    (report,) = evaluate([folder], settings, detectors=["ocr_mismatch"], clock=clock)
    pages = report.detectors["ocr_mismatch"]
    assert (pages.coverage, pages.auroc, pages.catch, pages.false_alarms) == (1.0, 1.0, 1.0, 0.0)
    assert report.overall == pages

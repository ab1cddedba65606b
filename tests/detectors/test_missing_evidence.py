"""Talk of evidence is compared with what is attached: flagged where it is missing, left alone where it is there or cannot be told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from detectors.claims import mentions
from detectors.contract import Case, Claim, DetectorOptions, EvidenceFile, Finding, MissingEvidence, Outcome, Place
from detectors.missing_evidence import RULE_SCORES
from detectors.missing_evidence import MissingEvidence as Detector
from tests.detectors.presence.sources import case_of, pdf, sentences

WRITTEN = {name: sentences(name) for name in ("tuning", "held_out")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources")


@pytest.fixture(scope="module")
def detector() -> Detector:
    made = Detector(DetectorOptions())
    made.load()
    return made


def look(detector: Detector, folder: Path, answer: str, *evidence: str, **more: Any) -> Outcome:
    return detector.detect([case_of({"answer": answer, "evidence": list(evidence), **more}, folder, 0)])[0]


def only(outcome: Outcome) -> Finding:
    (finding,) = outcome.findings
    return finding


def text(folder: Path, name: str, said: str, role: str = "source") -> EvidenceFile:
    path = folder / f"{name}.txt"
    path.write_text(said, encoding="utf-8")
    return EvidenceFile(name, "text/plain", path, name, role)


# --- the authored sentences -------------------------------------------------------------------------------------------


def test_there_are_enough_sentences_and_half_of_them_are_ordinary_talk() -> None:
    both = WRITTEN["tuning"] + WRITTEN["held_out"]
    assert len(both) >= 120
    assert sum(not line["flag"] for line in both) * 2 >= len(both)
    assert len({line["answer"] + line.get("question", "") + str(line["evidence"]) for line in both}) == len(both)


@pytest.mark.parametrize("half", ["tuning", "held_out"])
def test_nearly_all_authored_sentences_are_judged_as_written(detector: Detector, folder: Path, half: str) -> None:
    wrong = []
    for number, line in enumerate(WRITTEN[half]):
        (outcome,) = detector.detect([case_of(line, folder, number)])
        if any(finding.verdict == "hallucinated" for finding in outcome.findings) != line["flag"]:
            wrong.append(line["answer"])
    assert wrong == []


def test_every_rule_has_its_score_from_counted_sentences() -> None:
    rules = json.loads(RULE_SCORES.read_text())["rules"]
    for name, rule in rules.items():
        smoothed = (rule["right"] + 1) / (rule["n"] + 2)
        assert rule["score"] == pytest.approx(1 - smoothed if name == "refused_rightly" else smoothed, abs=0.001)
        assert rule["score"] > 0.5 or name == "refused_rightly"


# --- what a finding says ----------------------------------------------------------------------------------------------


def test_the_span_is_the_words_that_speak_of_the_missing_thing(detector: Detector, folder: Path) -> None:
    answer = "Österreich – as the bar chart shows, exports grew."
    finding = only(look(detector, folder, answer))
    assert finding.claim.span is not None
    assert answer[slice(*finding.claim.span)] == finding.claim.text == "the bar chart shows"
    assert (finding.error, finding.explanation) == (
        "source",
        "The answer speaks of 'the bar chart shows', but nothing is attached to this response.",
    )


def test_evidence_that_is_attached_supports_nothing(detector: Detector, folder: Path) -> None:
    outcome = look(detector, folder, "The image shows a dog.", "image")
    assert (outcome.state, outcome.findings) == ("not_applicable", ())


def test_a_piece_that_is_attached_but_not_stored_is_told_apart_from_none(detector: Detector) -> None:
    lost = MissingEvidence("photo", "image", "evidence 'photo' is not stored (sha256:abc…)")
    (outcome,) = detector.detect([Case("r", "The image shows a dog.", (), (), missing=(lost,))])
    assert outcome.state == "abstained"
    assert only(outcome).reason == "evidence 'photo' is not stored (sha256:abc…)"


def test_a_lost_recording_does_not_excuse_talk_of_a_picture(detector: Detector) -> None:
    lost = MissingEvidence("call", "audio", "evidence 'call' is not stored")
    (outcome,) = detector.detect([Case("r", "The image shows a dog.", (), (), missing=(lost,))])
    assert only(outcome).verdict == "hallucinated"


def test_a_text_that_speaks_of_a_picture_itself_leaves_it_unchecked(detector: Detector, folder: Path) -> None:
    outcome = look(detector, folder, "The photo shows the mayor.", "text:Photo by our reporter: the mayor at the fair.")
    assert (outcome.state, only(outcome).verdict) == ("abstained", "not_checked")
    silent = look(detector, folder, "The photo shows the mayor.", "text:The mayor went to the fair.")
    assert only(silent).explanation.endswith("only text is attached, which speaks of no image.")


def test_a_transcript_stands_for_the_recording_it_was_made_from(detector: Detector, tmp_path: Path) -> None:
    made = text(tmp_path, "t", "Ada: good morning.", "transcript")
    (outcome,) = detector.detect([Case("r", "In the recording Ada says good morning.", (), (made,))])
    assert outcome.findings == ()


def test_a_question_that_carries_the_text_needs_no_document(detector: Detector, folder: Path) -> None:
    question = "Summarise the document below. " + "The tenant pays on the first of each month. " * 6
    outcome = look(detector, folder, "The document sets the day on which rent is due.", question=question)
    assert all(finding.verdict == "not_checked" for finding in outcome.findings)


def test_a_reference_voice_is_no_evidence(detector: Detector, folder: Path) -> None:
    case = case_of({"answer": "The recording mentions a refund.", "evidence": ["audio60"]}, folder, 0)
    voice = EvidenceFile("ada", "audio/wav", case.evidence[0].path, "v", "reference_voice")
    (outcome,) = detector.detect([Case("r", case.answer, (), (voice,))])
    assert only(outcome).verdict == "hallucinated"


# --- pages and moments ------------------------------------------------------------------------------------------------


def test_a_printed_page_number_beyond_the_count_is_none_beyond_the_end(detector: Detector, tmp_path: Path) -> None:
    path = tmp_path / "excerpt.pdf"
    path.write_bytes(pdf([f"Lease of the old mill - {n}" for n in (211, 212, 213)]))
    excerpt = EvidenceFile("e", "application/pdf", path, "excerpt")
    printed, beyond = detector.detect([Case(n, f"On page {n} the fee is named.", (), (excerpt,)) for n in ("212", "214")])
    assert printed.findings == ()
    assert only(beyond).explanation == "The answer speaks of 'On page 214', but the document has 3 pages, none of them with this number."


def test_a_moment_beyond_the_end_is_an_error_of_time(detector: Detector, folder: Path) -> None:
    finding = only(look(detector, folder, "At 4:10 the caller hangs up.", "audio60"))
    assert (finding.error, finding.claim.text) == ("time", "At 4:10")
    assert "60 s long" in finding.explanation


@pytest.mark.parametrize("answer", ["He leaves work at 5:30 pm.", "They meet at 4:30.", 'She says "call me at 4:30".'])
def test_a_time_of_day_is_no_moment_of_the_recording(answer: str) -> None:
    assert mentions.find(answer) == []


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_a_refusal_over_nothing_is_supported_and_over_a_readable_picture_wrong(detector: Detector, folder: Path) -> None:
    answer = "I'm sorry, I cannot see the image."
    right, wrong = only(look(detector, folder, answer)), only(look(detector, folder, answer, "image"))
    assert (right.verdict, wrong.verdict, wrong.error) == ("supported", "hallucinated", "unsupported")
    assert right.score is not None
    assert right.score < 0.5
    assert wrong.place == Place("e0")


def test_a_refusal_over_an_unusable_picture_is_right(detector: Detector, folder: Path) -> None:
    assert only(look(detector, folder, "I cannot see the image.", "black")).verdict == "supported"
    told = only(look(detector, folder, "There is no image attached to your message.", "black"))
    assert told.verdict == "not_checked"


def test_a_refusal_without_a_reason_over_readable_evidence_is_not_checked(detector: Detector, folder: Path) -> None:
    finding = only(look(detector, folder, "I cannot answer that.", "image", abstained=True))
    assert (finding.verdict, finding.claim.id) == ("not_checked", "answer")


def test_an_empty_refusal_has_no_span(detector: Detector, folder: Path) -> None:
    finding = only(look(detector, folder, "", "silent", abstained=True))
    assert (finding.verdict, finding.claim.span) == ("supported", None)


def test_an_answer_over_nothing_but_unusable_evidence_names_its_confidence(detector: Detector, folder: Path) -> None:
    case = case_of({"answer": "A dog sleeps.", "evidence": ["black"]}, folder, 0)
    (outcome,) = detector.detect([Case("r", case.answer, (), case.evidence, confidence=0.93)])
    finding = only(outcome)
    assert finding.explanation.startswith("It is answered (with a confidence of 93%) although the evidence cannot be used")
    assert finding.claim.span == (0, 13)


def test_an_answer_that_quotes_a_request_does_not_decline(detector: Detector, folder: Path) -> None:
    finding = only(look(detector, folder, 'The caller says "please send me the contract, I don’t have it".', "silent"))
    assert (finding.verdict, finding.error) == ("hallucinated", "unsupported")
    assert finding.explanation.startswith("It is answered although the evidence cannot be used")


def test_one_usable_piece_is_enough(detector: Detector, folder: Path) -> None:
    assert look(detector, folder, "A dog sleeps.", "black", "image").findings == ()


# --- citations, and what must not break it ----------------------------------------------------------------------------


def test_a_citation_of_an_id_that_is_not_there_is_a_wrong_source(detector: Detector, tmp_path: Path) -> None:
    claim = Claim("c1", "Rent is due in May.", (0, 19), "statement", (Place("doc-9"),), given=True)
    (outcome,) = detector.detect([Case("r", "Rent is due in May.", (claim,), (text(tmp_path, "doc-1", "Rent is due in May."),))])
    assert (only(outcome).error, only(outcome).claim.id) == ("source", "c1")
    known = Claim("c1", "Rent is due in May.", (0, 19), "statement", (Place("doc-1"),), given=True)
    (outcome,) = detector.detect([Case("r", "Rent is due in May.", (known,), (text(tmp_path, "doc-1", "Rent is due in May."),))])
    assert outcome.findings == ()


def test_missing_and_hostile_files_break_nothing(detector: Detector, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.write_bytes(b"%PDF-1.7\x00" + bytes(range(256)) * 3)
    pieces = [EvidenceFile("e", media, odd, media) for media in ("application/pdf", "image/png", "audio/wav", "video/mp4", "font/woff")]
    pieces.append(EvidenceFile("e", "application/pdf", tmp_path / "gone", "gone"))
    for piece in pieces:
        (outcome,) = detector.detect([Case("r", "On page 7, at 9:59, the image shows a cat.", (), (piece,))])
        assert outcome.state in ("judged", "abstained", "not_applicable")


def test_spans_are_exact_and_ids_in_order_for_any_text() -> None:
    answer = "😀 The photo shows a cat. According to the recording, no.\nPage 7 lists it; I can't open the file."
    found = mentions.find(answer)
    assert [claim.id for claim in found] == ["m1", "m2", "m3", "m4"]
    assert all(claim.span and answer[slice(*claim.span)] == claim.text for claim in found)


def test_a_long_hostile_answer_is_read_in_time() -> None:
    assert len(mentions.find("the the the image page 7 at 4:10 you have not " * 2000)) < 10_000

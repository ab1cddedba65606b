from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from monitor import cli
from monitor.chain.export import chain_of, digest_of
from monitor.chain.verification import Step, read_chain, replay, verify
from monitor.clock import MovableClock
from monitor.detect.bench import Bench
from monitor.detect.catalogues import calibration_of
from monitor.detect.engine import WorkItem, outcome_of
from monitor.detect.wire import config_of
from monitor.errors import RecordInvalid
from monitor.evidence import EvidenceStore
from monitor.metadata.audit import AuditLog
from monitor.metadata.database import Database
from monitor.records import Answer, Evidence, ResponseRecord
from monitor.settings import Settings
from monitor.store.rows import StoredResponse
from tests.api.conftest import Api, small
from tests.api.conftest import stored as stored_row
from tests.conftest import NOON

FAKES = "tests.detect.fakes"
SOURCE = b"the long note\n" * 400


class Judged:
    """A response with an inline source, an uploaded one and one elsewhere, judged by a detector without models."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.evidence = EvidenceStore(settings.blob_url, 10**6, settings.cache_dir)
        sha256 = self.evidence.put(SOURCE).sha256
        pieces = (
            Evidence(id="short", media_type="text/plain", content="said inline"),
            Evidence(id="long", media_type="text/plain", uri=f"sha256:{sha256}"),
            Evidence(id="away", media_type="image/png", uri="https://example.org/p.png"),
        )
        record = ResponseRecord(id="r-1", time=NOON, workflow="qa", answer=Answer(text="wrong or right"), evidence=pieces)
        bench = Bench(config_of(settings, evidence_url=self.evidence.url, catalogue=FAKES, claims=FAKES))
        judgement = bench.judge("keyword", [record])[0]
        outcome = outcome_of(WorkItem(project="default", record=record), "keyword", judgement, NOON)
        listed = stored_row("r-1").listed
        self.stored = StoredResponse(listed=listed, record=record, received_at=NOON, outcomes=[outcome])
        self.document = self.export()
        self.folder = settings.data / "handed-over"
        self.folder.mkdir(parents=True)
        (self.folder / "any name.txt").write_bytes(SOURCE)

    def export(self) -> dict[str, Any]:
        made = chain_of("default", self.stored, [], self.evidence, self.settings.calibration_dir, NOON)
        return dict(json.loads(json.dumps(made)))

    def replayed(self, document: dict[str, Any] | None = None) -> list[Step]:
        return replay(document or self.document, self.folder, self.settings, catalogue=FAKES, finders=FAKES)


@pytest.fixture
def judged(settings: Settings) -> Judged:
    return Judged(settings)


def bad(steps: list[Step]) -> list[str]:
    return [step.what for step in steps if step.state == "bad"]


def states(steps: list[Step]) -> dict[str, str]:
    return {step.what: step.state for step in steps}


def test_a_chain_names_what_was_said_on_what_it_rests_and_who_judged_it(judged: Judged) -> None:
    document = judged.document
    assert document["response"]["answer"]["text"] == "wrong or right"
    kinds = {source["evidence"]: (source["kind"], source["stored"], source["bytes"]) for source in document["sources"]}
    assert kinds == {"short": ("inline", True, 11), "long": ("blob", True, len(SOURCE)), "away": ("reference", False, None)}
    assert document["sources"][1]["sha256"] == hashlib.sha256(SOURCE).hexdigest()
    (outcome,) = document["outcomes"]
    assert (outcome["detector"], outcome["detector_version"], outcome["weights_version"]) == ("keyword", "1", "none")
    first = outcome["findings"][0]
    assert (first["claim_text"], first["verdict"], first["score"], first["evidence_span"]) == ("wrong", "hallucinated", 0.9, [0, 1])
    assert document["calibrations"] == {"keyword": {"threshold": None, "shipped_sha256": None, "own_sha256": None}}
    assert document["digest"] == digest_of(document)


def test_a_shipped_calibration_is_named_by_its_hash_and_its_threshold(settings: Settings) -> None:
    settings.calibration_dir.mkdir(parents=True)
    (settings.calibration_dir / "ocr_mismatch.json").write_bytes(b"{}")
    found = calibration_of("ocr_mismatch", "authoritative", settings.calibration_dir)
    assert isinstance(found["threshold"], float)
    assert len(str(found["shipped_sha256"])) == 64
    assert found["own_sha256"] == hashlib.sha256(b"{}").hexdigest()


def test_an_untouched_chain_verifies_and_says_what_it_could_not_look_at(judged: Judged) -> None:
    whole = states(verify(judged.document, judged.folder))
    assert whole == {"digest": "good", "answer": "good", "source short": "good", "source long": "good", "source away": "unknown"}
    assert states(verify(judged.document))["source long"] == "unknown"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda d: d["outcomes"][0]["findings"][0].update(score=0.2), ["digest"]),
        (lambda d: d["response"]["answer"].update(text="right or right"), ["digest", "answer"]),
        (lambda d: d["response"]["evidence"][0].update(content="said otherwise"), ["digest", "source short"]),
        (lambda d: d.update(received_at="2020-01-01T00:00:00+00:00"), ["digest"]),
    ],
    ids=["score", "answer", "source", "time"],
)
def test_every_change_of_a_chain_shows(judged: Judged, change: Callable[[dict[str, Any]], None], found: list[str]) -> None:
    change(judged.document)
    assert bad(verify(judged.document)) == found


def test_a_changed_source_is_not_taken_for_the_one_that_was_judged(judged: Judged) -> None:
    (judged.folder / "any name.txt").write_bytes(SOURCE + b"!")
    assert states(verify(judged.document, judged.folder))["source long"] == "unknown"


def test_replaying_judges_again_and_finds_the_same(judged: Judged) -> None:
    steps = judged.replayed()
    assert [step.state for step in steps] == ["good", "good", "good"]


def test_replaying_shows_a_verdict_that_was_never_given(judged: Judged) -> None:
    judged.document["outcomes"][0]["findings"][0] |= {"verdict": "supported", "score": 0.1}
    judged.document["digest"] = digest_of(judged.document)
    assert bad(verify(judged.document)) == []
    assert bad(judged.replayed()) == ["keyword on 'wrong'"]


def test_a_claim_that_is_not_found_again_is_shown(judged: Judged) -> None:
    judged.document["outcomes"][0]["findings"][0]["claim_text"] = "invented"
    assert bad(judged.replayed()) == ["keyword on 'invented'"]


def test_a_claim_that_could_not_be_checked_then_says_nothing_against_the_chain(judged: Judged) -> None:
    gone = {"verdict": "not_checked", "score": None, "reason": "its evidence was away"}
    judged.document["outcomes"][0]["findings"][0] |= gone
    first = judged.replayed()[0]
    assert (first.state, first.detail) == ("unknown", "not checked then (its evidence was away), hallucinated 0.9 now")


def test_another_version_is_not_compared(judged: Judged) -> None:
    judged.document["outcomes"][0]["detector_version"] = "0"
    (step,) = judged.replayed()
    assert (step.state, step.detail) == ("unknown", "judged by 0 none, here is 1 none")


def test_a_detector_without_a_verdict_is_not_replayed(judged: Judged) -> None:
    judged.document["outcomes"][0] |= {"state": "sampled_out"}
    (step,) = judged.replayed()
    assert (step.state, step.detail) == ("unknown", "it gave no verdict: sampled_out")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a chain"),
        ('{"format": "other/1"}', "is not a chain"),
        ('{"format": "groundwatch-chain/1"}', "no digest"),
    ],
)
def test_a_file_that_is_no_chain_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(RecordInvalid, match=problem):
        read_chain(tmp_path / "c.json")


def test_a_chain_whose_response_is_none_is_refused(judged: Judged) -> None:
    del judged.document["response"]["answer"]
    with pytest.raises(RecordInvalid, match="not a response record"):
        verify(judged.document)


def test_the_command_says_each_step_and_ends_with_1_where_something_is_wrong(judged: Judged, tmp_path: Path) -> None:
    file = tmp_path / "chain.json"
    file.write_text(json.dumps(judged.document))
    run = CliRunner().invoke(cli.app, ["chain", "verify", str(file)])
    assert (run.exit_code, "good     digest" in run.stdout) == (0, True)
    file.write_text(json.dumps({**judged.document, "project": "other"}))
    run = CliRunner().invoke(cli.app, ["chain", "verify", str(file)])
    assert (run.exit_code, "bad      digest" in run.stdout) == (1, True)
    assert CliRunner().invoke(cli.app, ["chain", "verify", str(file), "--replay"]).exit_code == 2


def test_the_command_ends_with_3_where_a_source_is_not_in_the_folder(judged: Judged, tmp_path: Path) -> None:
    file = tmp_path / "chain.json"
    kept = judged.document
    kept["response"]["evidence"], kept["sources"] = kept["response"]["evidence"][:2], kept["sources"][:2]
    kept["digest"] = digest_of(kept)
    file.write_text(json.dumps(kept))
    command = ["chain", "verify", str(file), "--evidence", str(judged.folder)]
    assert CliRunner().invoke(cli.app, command).exit_code == 0
    (judged.folder / "any name.txt").unlink()
    run = CliRunner().invoke(cli.app, command)
    assert (run.exit_code, "unknown  source long: no file below" in run.stdout) == (3, True)


def test_a_source_whose_hash_was_never_taken_is_missed_with_that_reason(judged: Judged) -> None:
    (away,) = [step for step in verify(judged.document, judged.folder) if step.what == "source away"]
    assert (away.state, away.detail) == ("unknown", "it was not stored, so no hash of it was taken")


def test_exporting_without_a_sidecar_says_so(tmp_path: Path) -> None:
    run = CliRunner().invoke(cli.app, ["chain", "export", "r-1", "--url", "http://127.0.0.1:9", "--data", str(tmp_path)])
    assert (run.exit_code, "no sidecar answers" in run.stderr) == (2, True)


def test_the_route_gives_the_chain_and_the_audit_log_keeps_its_digest(settings: Settings, database: Database, clock: MovableClock) -> None:
    api = Api(small(settings), database, clock)
    reply = api.http.get("/v1/responses/r-1/chain")
    document = reply.json()
    assert (reply.status_code, document["digest"]) == (200, digest_of(document))
    assert bad(verify(document)) == []
    entry = AuditLog(api.database).list("default")[0][0]
    assert (entry.action, entry.subject, entry.facts) == ("chain.exported", "response:r-1", {"digest": document["digest"]})
    assert api.http.get("/v1/responses/nobody/chain").status_code == 404
    api.desk.stop()


def test_a_record_reads_back_from_its_chain_as_it_was(judged: Judged) -> None:
    assert msgspec.convert(judged.document["response"], ResponseRecord, strict=False) == judged.stored.record

"""Evidence that no detector reads: its bytes are not those the record names, or it could not be fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.detect.bench import Bench
from monitor.detect.wire import WorkerConfig
from monitor.records import Evidence
from tests.detect.conftest import record

TEXT = "Two dock workers were taken to hospital after a crane fell on the quay."


@pytest.mark.parametrize("altered", [True, False])
def test_a_citation_of_altered_evidence_is_flagged(tmp_path: Path, altered: bool) -> None:
    recorded = "0" * 64 if altered else None
    source = Evidence(id="doc", media_type="text/plain", content=TEXT, sha256=recorded)
    config = WorkerConfig(cache_dir=str(tmp_path / "cache"), max_evidence_bytes=1_000_000)
    (judged,) = Bench(config).judge("citation_mismatch", [record("r", "Two dock workers were taken to hospital [1].", evidence=(source,))])
    (finding,) = judged.findings
    if altered:
        assert (finding.verdict, finding.error) == ("hallucinated", "source")
        assert "which was altered" in finding.explanation
        assert "its content has SHA-256" in finding.explanation
    else:
        assert (finding.verdict, finding.evidence_id) == ("supported", "doc")


def test_a_statement_over_a_text_that_could_not_be_fetched_is_not_checked(tmp_path: Path) -> None:
    source = Evidence(id="doc", media_type="text/plain", uri="https://elsewhere.example.com/report.txt")
    bench = Bench(WorkerConfig(cache_dir=str(tmp_path / "cache"), max_evidence_bytes=1_000_000))
    asked = record("r", "Two dock workers were taken to hospital.", evidence=(source,))
    (judged,) = bench.judge("ungrounded_statement", [asked])
    (finding,) = judged.findings
    assert (judged.state, finding.verdict) == ("abstained", "not_checked")
    assert judged.reason == "evidence 'doc' was not read: reference not allowed"
    (looked,) = bench.judge("missing_evidence", [asked])
    assert (looked.state, looked.reason) == ("not_applicable", "it speaks of no evidence that is missing")

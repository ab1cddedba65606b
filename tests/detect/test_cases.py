"""Cases: what a detector is shown of a response, and what becomes of evidence that is not there."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.detect.bench import Bench, judge_or_fail, source_digest
from monitor.detect.cases import CaseBuilder, content_hash, visible
from monitor.detect.wire import WorkerConfig
from monitor.evidence import BlobCache, EvidenceStore, ReferenceReader
from monitor.records import Answer, Citation, Claim, Evidence, Label, Reference, Release, ResponseRecord
from tests.detect import fakes
from tests.detect.conftest import NOON, record

GONE = "0" * 64


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore((tmp_path / "store").as_uri(), 1000, tmp_path / "cache")


@pytest.fixture
def builder(store: EvidenceStore, tmp_path: Path) -> CaseBuilder:
    cache = BlobCache(tmp_path / "inline", 10_000)
    return CaseBuilder(fakes, store, ReferenceReader((), 1000, cache), cache, 1000)


@pytest.fixture
def bench(config: WorkerConfig) -> Bench:
    return Bench(config)


def text(identifier: str = "doc", **where: Any) -> Evidence:
    return Evidence(id=identifier, media_type="text/plain", **where)


def test_a_case_carries_the_answer_its_claims_and_evidence_as_files(builder: CaseBuilder, store: EvidenceStore) -> None:
    kept = store.put(b"stored")
    built = builder.build(
        record(
            "r", "two words", evidence=(text("a", uri=f"sha256:{kept.sha256}", role="transcript", title="A"), text("b", content="inline"))
        )
    )
    assert built.missing == ()
    assert (built.id, built.answer, built.workflow) == ("r", "two words", "test")
    assert [(claim.id, claim.text, claim.span) for claim in built.claims] == [("c1", "two", (0, 3)), ("c2", "words", (4, 9))]
    stored, inline = built.evidence
    assert (stored.path.read_bytes(), stored.sha256, stored.role, stored.title) == (b"stored", kept.sha256, "transcript", "A")
    assert (inline.path.read_bytes(), inline.sha256) == (b"inline", hashlib.sha256(b"inline").hexdigest())
    assert inline.path.is_absolute()


def test_only_what_a_detector_may_see_is_visible() -> None:
    told = ResponseRecord(
        id="r",
        time=NOON,
        workflow="w",
        answer=Answer(text="wrong"),
        cohort={"device": "x"},
        release=Release(version="1"),
        reference=Reference(text="right"),
        attributes={"altered": True},
        labels=(Label(span=(0, 5), hallucinated=True),),
    )
    shown = visible(told)
    assert (shown.labels, shown.attributes, shown.reference, shown.cohort, shown.release) == ((), {}, None, {}, None)
    assert content_hash(told) == content_hash(msgspec.structs.replace(told, labels=(), attributes={}))
    assert content_hash(told) != content_hash(msgspec.structs.replace(told, answer=Answer(text="right")))


def test_a_callers_claims_replace_the_extracted_ones(builder: CaseBuilder) -> None:
    claim = Claim(text="words", kind="statement", citations=(Citation(evidence="doc", page=2, speaker="Ann"),))
    (made,) = builder.build(msgspec.structs.replace(record("r", "two words"), claims=(claim,))).claims
    assert (made.id, made.text, made.span, made.speaker, made.given) == ("c1", "words", (4, 9), "Ann", True)
    assert (made.citations[0].evidence, made.citations[0].page) == ("doc", 2)


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ({"uri": f"sha256:{GONE}"}, "evidence 'doc' is not stored (sha256:000000000000…)"),
        ({"uri": "file:page.txt"}, "evidence 'doc' was not read: reference not allowed (file: is for corpora)"),
        ({"uri": "https://example.com/page.txt"}, "evidence 'doc' was not read: reference not allowed"),
        ({"uri": "s3://bucket/page.txt"}, "evidence 'doc' was not read: reference not allowed"),
    ],
)
def test_evidence_that_is_missing_or_refused_is_named_and_its_claims_stay(
    builder: CaseBuilder, where: dict[str, str], problem: str
) -> None:
    built = builder.build(record("r", "words", evidence=(text(**where),)))
    assert [one.problem for one in built.missing] == [problem]
    assert not built.missing[0].altered
    assert built.evidence == ()
    assert [claim.text for claim in built.claims] == ["words"]


def test_evidence_uploaded_later_is_found(builder: CaseBuilder, store: EvidenceStore) -> None:
    response = record("r", "words", evidence=(text(uri=f"sha256:{hashlib.sha256(b'late').hexdigest()}"),))
    assert builder.build(response).missing
    store.put(b"late")
    assert not builder.build(response).missing


def test_content_with_another_hash_than_declared_is_not_used(builder: CaseBuilder) -> None:
    built = builder.build(record("r", "words", evidence=(text(content="a", sha256=GONE),)))
    assert "its content has SHA-256" in built.missing[0].problem
    assert built.missing[0].altered


def test_a_corpus_file_over_the_limit_is_not_read(builder: CaseBuilder, tmp_path: Path) -> None:
    (tmp_path / "big file.txt").write_bytes(bytes(1001))
    (tmp_path / "small file.txt").write_bytes(b"x")
    for name, problems in (("big%20file.txt", 1), ("small%20file.txt", 0), ("small file.txt", 0)):
        built = builder.build(record("r", "words", evidence=(text(uri=f"file:{name}"),)), tmp_path)
        assert len(built.missing) == problems
    absolute = builder.build(record("r", "words", evidence=(text(uri="file:/etc/hostname"),)), tmp_path)
    assert "leaves the corpus folder" in absolute.missing[0].problem


# --- judging with and without evidence ----------------------------------------------------------------------------


def test_without_its_evidence_a_detector_abstains_on_every_claim(bench: Bench) -> None:
    (made,) = bench.judge("keyword", [record("r", "wrong words", evidence=(text(uri=f"sha256:{GONE}"),))])
    assert (made.state, made.reason) == ("abstained", "evidence 'doc' is not stored (sha256:000000000000…)")
    assert [(finding.claim_text, finding.verdict) for finding in made.findings] == [("wrong", "not_checked"), ("words", "not_checked")]


def test_with_part_of_the_evidence_missing_support_stands_and_contradiction_does_not(bench: Bench) -> None:
    both = (text("here", content="x"), text("gone", uri=f"sha256:{GONE}"))
    (made,) = bench.judge("keyword", [record("r", "wrong words", evidence=both)])
    assert [(finding.claim_text, finding.verdict) for finding in made.findings] == [("wrong", "not_checked"), ("words", "supported")]
    assert (made.state, made.reason) == ("judged", "evidence 'gone' is not stored (sha256:000000000000…)")


def test_a_claim_that_cites_only_present_evidence_is_judged_in_full(bench: Bench) -> None:
    both = (text("here", content="x"), text("gone", uri=f"sha256:{GONE}"))
    claims = (Claim(text="wrong", citations=(Citation(evidence="here"),)), Claim(text="wrong too", citations=(Citation(evidence="gone"),)))
    (made,) = bench.judge("keyword", [msgspec.structs.replace(record("r", "wrong too", evidence=both), claims=claims)])
    assert [finding.verdict for finding in made.findings] == ["hallucinated", "not_checked"]


def test_missing_evidence_of_another_family_does_not_matter(bench: Bench) -> None:
    both = (text("here", content="x"), Evidence(id="gone", media_type="image/png", uri=f"sha256:{GONE}"))
    (made,) = bench.judge("keyword", [record("r", "wrong", evidence=both)])
    assert (made.state, made.reason, made.findings[0].verdict) == ("judged", None, "hallucinated")


def test_unreadable_evidence_and_no_evidence_are_never_clean(bench: Bench) -> None:
    unreadable, nothing = bench.judge(
        "keyword", [record("r", "words", evidence=(text(content="unreadable"),)), record("s", "words", evidence=())]
    )
    assert (unreadable.state, unreadable.reason) == ("abstained", "evidence 'doc' cannot be read: it says so itself")
    assert (nothing.state, nothing.findings) == ("not_applicable", ())


def test_what_a_detector_raises_becomes_a_failed_judgement(bench: Bench) -> None:
    broken = judge_or_fail(bench, "raising", record("r", "raise"))
    assert (broken.state, broken.reason) == ("failed", "RuntimeError: a bug in a library")
    absent = judge_or_fail(bench, "absent", record("r", "words"))
    assert (absent.state, absent.reason) == ("failed", "not installed: imaginary weights. pip install imagination")


def test_the_digest_follows_the_options_that_change_verdicts(config: WorkerConfig) -> None:
    real = msgspec.structs.replace(config, catalogue="detectors.catalogue", claims="detectors.claims")
    assert source_digest(real) == source_digest(msgspec.structs.replace(real, threads=2))
    assert source_digest(real) != source_digest(msgspec.structs.replace(real, object_model="other.onnx"))


def test_a_project_is_judged_by_its_own_blobs_only(builder: CaseBuilder, store: EvidenceStore) -> None:
    kept = store.of("a").put(b"the page of a")
    about = record("r", "words", evidence=(text(uri=f"sha256:{kept.sha256}"),))
    assert builder.build(about, project="a").missing == ()
    assert [piece.problem for piece in builder.build(about, project="b").missing]
    assert [piece.problem for piece in builder.build(about).missing]


@pytest.mark.parametrize(
    ("declared", "content", "refused"),
    [
        ("image/png", b"RIFF0000WAVEfmt ", True),
        ("text/plain", b"%PDF-1.7 and text", True),
        ("application/pdf", b"\x89PNG\r\n\x1a\n", True),
        ("audio/wav", b"\x89PNG\r\n\x1a\n", True),
        ("image/jpeg", b"\x89PNG\r\n\x1a\n", False),
        ("audio/mp4", b"0000ftypisom", False),
        ("application/octet-stream", b"%PDF-1.7", False),
        ("text/plain", b"BMW is a car maker", False),
    ],
)
def test_a_file_that_is_another_kind_of_thing_than_it_says_reaches_no_decoder(
    builder: CaseBuilder, store: EvidenceStore, declared: str, content: bytes, refused: bool
) -> None:
    kept = store.put(content)
    about = record("r", "words", evidence=(Evidence(id="e", media_type=declared, uri=f"sha256:{kept.sha256}"),))
    problems = [piece.problem for piece in builder.build(about).missing]
    assert bool(problems) == refused
    assert all("but its content is" in problem for problem in problems)

"""Kept verdicts: what finds them again, what must not, and what becomes of a damaged or full file."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from monitor.clock import MovableClock
from monitor.detect.bench import Bench
from monitor.detect.verdict_cache import FILE, VerdictCache
from monitor.detect.wire import Judgement, WorkerConfig
from monitor.findings import FindingRecord
from monitor.records import Evidence, ResponseRecord
from tests.detect import fakes
from tests.detect.conftest import NOON, record


@pytest.fixture
def kept(config: WorkerConfig) -> WorkerConfig:
    return msgspec.structs.replace(config, verdict_cache_bytes=1_000_000)


@pytest.fixture(autouse=True)
def no_calls() -> None:
    fakes.Keyword.words_judged = 0
    fakes.Independent.words_judged = 0


def judge(config: WorkerConfig, *records: ResponseRecord, detector: str = "keyword") -> list[Judgement]:
    """By a bench of its own, as after a restart or in another worker."""
    return Bench(config).judge(detector, records)


def said(judgement: Judgement) -> list[FindingRecord]:
    return [msgspec.structs.replace(finding, duration_ms=0.0) for finding in judgement.findings]


def test_a_response_seen_before_is_not_judged_again_after_a_restart(kept: WorkerConfig) -> None:
    (first,) = judge(kept, record("r1", "wrong unsure fine"))
    assert (first.cached, fakes.Keyword.words_judged) == (False, 3)
    (again,) = judge(kept, record("r2", "wrong unsure fine"))
    assert (again.cached, fakes.Keyword.words_judged) == (True, 3)
    assert said(again) == said(first)
    assert (again.state, again.detector_version, again.weights_version) == (first.state, first.detector_version, first.weights_version)
    assert again.duration_ms < 50


def test_known_and_new_responses_of_a_batch_keep_their_order(kept: WorkerConfig) -> None:
    judge(kept, record("r1", "wrong"), record("r2", "fine"))
    outcomes = judge(kept, record("a", "fine"), record("b", "other"), record("c", "wrong"))
    assert [[f.verdict for f in one.findings] for one in outcomes] == [["supported"], ["supported"], ["hallucinated"]]
    assert [one.cached for one in outcomes] == [True, False, True]


def test_a_verdict_that_rests_on_the_whole_answer_is_not_used_for_another_answer(kept: WorkerConfig) -> None:
    judge(kept, record("r1", "wrong fine"))
    (other,) = judge(kept, record("r2", "fine wrong"))
    assert (other.cached, fakes.Keyword.words_judged) == (False, 4)


def test_a_claim_that_stands_for_itself_is_judged_once_whatever_the_answer(kept: WorkerConfig) -> None:
    judge(kept, record("r1", "wrong fine"), detector="independent")
    (other,) = judge(kept, record("r2", "so fine and wrong"), detector="independent")
    assert fakes.Independent.words_judged == 4  # "so" and "and" are new
    assert [(f.claim_text, f.claim_span, f.verdict) for f in other.findings] == [
        ("so", (0, 2), "supported"),
        ("fine", (3, 7), "supported"),
        ("and", (8, 11), "supported"),
        ("wrong", (12, 17), "hallucinated"),
    ]
    assert other.cached is False
    (again,) = judge(kept, record("r3", "and so wrong"), detector="independent")
    assert (again.cached, fakes.Independent.words_judged) == (True, 4)


@pytest.mark.parametrize(
    "other",
    [
        record("r", "wrong", evidence=(Evidence(id="doc", media_type="text/plain", content="another document"),)),
        record("r", "wrong", evidence=(Evidence(id="doc", media_type="text/plain", content="a document", role="transcript"),)),
        msgspec.structs.replace(record("r", "wrong"), risk="authoritative"),
    ],
    ids=["evidence", "role", "risk"],
)
def test_what_a_verdict_rests_on_is_part_of_its_key(kept: WorkerConfig, other: ResponseRecord) -> None:
    judge(kept, record("r", "wrong"))
    assert judge(kept, other)[0].cached is False


def test_another_version_weights_or_option_is_judged_anew(kept: WorkerConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    judge(kept, record("r", "wrong"))
    assert judge(msgspec.structs.replace(kept, clip_model="other"), record("r", "wrong"))[0].cached is False
    with monkeypatch.context() as changed:
        changed.setattr(fakes.Keyword, "version", "2")
        assert judge(kept, record("r", "wrong"))[0].cached is False
    with monkeypatch.context() as changed:
        changed.setattr(fakes.Keyword, "weights_version", "other")
        assert judge(kept, record("r", "wrong"))[0].cached is False
    assert judge(kept, record("r", "wrong"))[0].cached is True


def test_evidence_that_is_missing_is_neither_looked_up_nor_kept(kept: WorkerConfig) -> None:
    there = Evidence(id="doc", media_type="text/plain", content="a document")
    gone = (there, Evidence(id="b", media_type="text/plain", uri=f"sha256:{'0' * 64}"))
    assert judge(kept, record("r", "wrong", evidence=gone))[0].cached is None
    assert judge(kept, record("r", "wrong", evidence=gone))[0].cached is None


def test_evidence_that_vanishes_while_it_is_judged_leaves_nothing_behind(kept: WorkerConfig) -> None:
    assert judge(kept, record("r", "vanish"), detector="independent")[0].cached is False
    assert judge(kept, record("r", "vanish"), detector="independent")[0].cached is False


def test_what_failed_is_not_kept(kept: WorkerConfig) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError):
            judge(kept, record("r", "raise"), detector="raising")


def test_an_abstention_is_kept_with_its_reason(kept: WorkerConfig) -> None:
    first, again = (judge(kept, record("r", "unsure"))[0] for _ in range(2))
    assert (again.state, again.reason, again.cached) == (first.state, first.reason, True)


def test_without_a_limit_nothing_is_kept(config: WorkerConfig) -> None:
    assert [judge(config, record("r", "wrong"))[0].cached for _ in range(2)] == [None, None]
    assert not (config.cache_path / FILE).exists()


def test_a_damaged_file_is_made_anew_with_a_warning(kept: WorkerConfig, caplog: pytest.LogCaptureFixture) -> None:
    judge(kept, record("r", "wrong"))
    with contextlib.closing(sqlite3.connect(kept.cache_path / FILE)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (kept.cache_path / FILE).write_bytes(b"no database" * 1000)
    with caplog.at_level(logging.WARNING):
        assert judge(kept, record("r", "wrong"))[0].cached is False
    assert "damaged" in caplog.text
    assert judge(kept, record("r", "wrong"))[0].cached is True


def test_a_damaged_value_is_judged_again(kept: WorkerConfig) -> None:
    judge(kept, record("r", "wrong"))
    with contextlib.closing(sqlite3.connect(kept.cache_path / FILE)) as connection, connection:
        connection.execute("UPDATE verdicts SET value = x'00ff'")
    (again,) = judge(kept, record("r", "wrong"))
    assert (again.cached, again.findings[0].verdict) == (False, "hallucinated")


def test_a_folder_that_cannot_be_written_stops_nothing(kept: WorkerConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = VerdictCache(tmp_path / "file" / FILE, 1000)
    with caplog.at_level(logging.WARNING):
        cache.put({b"k": b"v"})
        assert cache.get([b"k"]) == {}
    assert caplog.text.count("is not used") == 1


def test_the_least_recently_used_leave_first(tmp_path: Path) -> None:
    clock = MovableClock(NOON)
    cache = VerdictCache(tmp_path / FILE, 600_000, clock)
    for number in range(300):
        clock.move(timedelta(minutes=30))
        cache.get([b"0"])
        cache.put({str(number).encode(): bytes(5000)})
    assert cache.get([b"0"]), "what is used all the time stays"
    assert not cache.get([b"1"])
    assert cache.get([b"299"])
    cache.close()
    assert (tmp_path / FILE).stat().st_size < 1_200_000


def test_two_workers_share_one_file(tmp_path: Path) -> None:
    one, other = (VerdictCache(tmp_path / FILE, 1_000_000) for _ in range(2))
    one.put({b"a": b"1"})
    other.put({b"b": b"2"})
    assert one.get([b"a", b"b"]) == other.get([b"a", b"b"]) == {b"a": b"1", b"b": b"2"}
    one.close()
    other.close()


def test_what_is_forgotten_is_synced_so_that_it_does_not_come_back_with_a_power_cut(tmp_path: Path) -> None:
    cache = VerdictCache(tmp_path / FILE, 1_000_000)
    cache.put({b"k": b"quote"})
    said: list[str] = []
    cache._opened().set_trace_callback(said.append)
    cache.clear()
    assert said.index("PRAGMA synchronous = FULL") < said.index("DELETE FROM verdicts") < said.index("VACUUM")
    assert cache.get([b"k"]) == {}


def test_a_damaged_file_is_forgotten_by_removing_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / FILE
    path.write_bytes(b"no database, with the quote of somebody" * 200)
    VerdictCache(path, 0).clear()
    assert not path.exists()
    assert "is damaged" in caplog.text

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.clock import MovableClock
from monitor.errors import SlowDown, StorageUnavailable
from monitor.evidence import EvidenceStore
from monitor.ingest import Fate, Ingest
from monitor.otlp import requests, traces
from monitor.otlp.assembly import Trace
from monitor.otlp.requests import read_traces
from monitor.otlp.spans import Span
from monitor.otlp.traces import Traces
from monitor.records import ResponseRecord, parse_response
from monitor.settings import Settings
from monitor.spool import Spool
from tests.conftest import NOON
from tests.otlp.spans import TRACE, chat, span

CHAT_ID = f"{TRACE}-{2:016x}"


class Buffering:
    """Traces over real spools; ``turn`` is called by hand."""

    def __init__(self, folder: Path, wait_s: float = 60.0, max_bytes: int = 10_000_000, redact: tuple[str, ...] = ()) -> None:
        self.folder, self.wait_s, self.max_bytes, self.redact = folder, wait_s, max_bytes, redact
        self.letters: list[tuple[Any, ...]] = []
        self.stand_ins: list[tuple[str, int]] = []
        self.open()

    def open(self) -> None:
        clock = MovableClock(NOON)
        settings = Settings(data=self.folder, redact=self.redact)
        self.records = Spool(settings.spool_path, self.max_bytes, 0, clock)
        self.spans = Spool(settings.traces_path, self.max_bytes, 0, clock, timedelta(days=1))
        ingest = Ingest(settings, self.records, EvidenceStore(settings.blob_url, 1_000_000, settings.cache_dir), clock)
        self.traces = Traces(
            self.spans,
            ingest,
            self.wait_s,
            lambda *letter: self.letters.append(letter),
            lambda project, count: self.stand_ins.append((project, count)),
        )

    def close(self) -> None:
        self.traces.stop()
        self.records.close()
        self.spans.close()

    def restart(self) -> None:
        self.close()
        self.open()
        self.traces.start()
        self.traces.stop()

    def take(self, *spans: Span) -> list[str]:
        return self.traces.take("default", read_traces(spans)).rejected

    @property
    def ids(self) -> list[str]:
        return [item.id for item in self.records.after(0, 1000)]


@pytest.fixture
def buffering(tmp_path: Path) -> Iterator[Buffering]:
    made = Buffering(tmp_path)
    yield made
    made.close()


ROOT = span(1, name="request", end_s=3.0)
CHAT = chat(2, parent=1, end_s=2.0)


def test_a_whole_trace_becomes_records_before_the_request_is_answered(buffering: Buffering) -> None:
    assert buffering.take(CHAT, ROOT) == []
    assert buffering.ids == [CHAT_ID]
    assert buffering.spans.pending().count == 0


def test_spans_wait_on_disk_for_their_root(buffering: Buffering) -> None:
    buffering.take(CHAT)
    buffering.traces.turn()
    assert (buffering.ids, buffering.spans.pending().count, buffering.traces.open_traces) == ([], 1, 1)
    buffering.take(ROOT)
    buffering.traces.turn()
    assert (buffering.ids, buffering.spans.pending().count, buffering.traces.open_traces) == ([CHAT_ID], 0, 0)
    stages = buffering.records.after(0, 1)[0].raw
    assert b'"request"' in stages


def test_a_trace_whose_root_never_comes_is_taken_as_it_is(tmp_path: Path) -> None:
    buffering = Buffering(tmp_path, wait_s=0.0)
    buffering.take(CHAT)
    buffering.traces.turn()
    assert buffering.ids == [CHAT_ID]
    buffering.close()


def test_what_waited_is_assembled_after_a_restart(buffering: Buffering) -> None:
    buffering.take(CHAT)
    buffering.restart()
    assert buffering.traces.open_traces == 1
    buffering.take(ROOT)
    buffering.traces.turn()
    assert buffering.ids == [CHAT_ID]


def test_a_trace_assembled_again_after_a_kill_doubles_nothing(buffering: Buffering, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(_: object) -> None:
        raise StorageUnavailable(buffering.folder, "killed between the record and the removal of its spans")

    buffering.take(CHAT)
    buffering.take(ROOT)
    with monkeypatch.context() as patched:
        patched.setattr(buffering.spans, "remove", killed)
        with pytest.raises(StorageUnavailable):
            buffering.traces.turn()
    assert buffering.ids == [CHAT_ID]
    buffering.restart()
    buffering.traces.turn()
    assert (buffering.ids, buffering.spans.pending().count) == ([CHAT_ID], 0)


def test_spans_sent_again_change_nothing(buffering: Buffering) -> None:
    for _ in range(2):
        buffering.take(CHAT)
        buffering.take(CHAT, ROOT)
    buffering.traces.turn()
    buffering.take(CHAT, ROOT)
    assert buffering.ids == [CHAT_ID]


def test_spans_of_a_time_that_is_not_kept_are_rejected_with_the_reason(buffering: Buffering) -> None:
    (reason,) = buffering.take(chat(3, start_s=90_000, end_s=90_001), CHAT, ROOT)
    assert "ahead of the server's clock" in reason
    assert buffering.ids == [CHAT_ID]


@pytest.mark.parametrize("redact", [(), ("email",)], ids=["plain", "masked"])
def test_evidence_that_cannot_be_kept_costs_its_answer_and_not_its_neighbours(tmp_path: Path, redact: tuple[str, ...]) -> None:
    buffering = Buffering(tmp_path, redact=redact)
    piece = {"id": "x", "media_type": "text/plain", "content": "41.20", "sha256": "0" * 64}
    bad = chat(3, trace_id="1" * 32, attributes={"groundwatch.evidence": json.dumps([piece])})
    (reason,) = buffering.take(bad, CHAT, ROOT, chat(4, parent=9, trace_id="2" * 32))
    assert f"{'1' * 32}-{3:016x}" in reason
    assert "sha256" in reason
    assert (buffering.ids, buffering.traces.open_traces) == ([CHAT_ID], 1)
    buffering.close()


@pytest.mark.parametrize("redact", [(), ("email",)], ids=["plain", "masked"])
def test_responses_are_counted_once_however_often_they_are_sent_or_told(tmp_path: Path, redact: tuple[str, ...]) -> None:
    buffering = Buffering(tmp_path, redact=redact)
    told_twice = [chat(2, end_s=3.0), chat(3, parent=2, start_s=1.0, end_s=2.0)]
    too_late = chat(5, trace_id="3" * 32, start_s=90_000, end_s=90_001)
    sent = read_traces([*told_twice, chat(4, parent=9, trace_id="2" * 32), too_late])
    twice = [buffering.traces.take("default", sent) for _ in range(2)]
    assert [(len(taken.rejected), taken.responses) for taken in twice] == [(1, 2), (1, 0)]
    buffering.close()


@pytest.mark.parametrize("evidence", ["{oops", '{"id": "x"}', '["x"]', "[" * 3000])
def test_evidence_that_cannot_be_read_is_told_and_not_left_out(buffering: Buffering, evidence: str) -> None:
    (reason,) = buffering.take(chat(1, attributes={"groundwatch.evidence": evidence}))
    assert "groundwatch.evidence: is not" in reason
    assert "JSON list" in reason
    assert buffering.ids == []


def test_a_root_that_comes_before_its_calls_speaks_for_them(buffering: Buffering) -> None:
    telling = span(1, name="request", end_s=3.0, attributes={"groundwatch.workflow": "refunds", "groundwatch.risk": "authoritative"})
    buffering.take(telling)
    buffering.traces.turn()
    assert buffering.traces.open_traces == 1
    buffering.take(CHAT)
    buffering.traces.turn()
    assert (buffering.ids, buffering.traces.open_traces) == ([CHAT_ID], 0)
    record = parse_response(buffering.records.after(0, 1)[0].raw)
    assert (record.workflow, record.risk, [stage.name for stage in record.stages]) == ("refunds", "authoritative", ["infer", "request"])


def test_a_trace_that_has_nothing_to_do_with_models_is_not_kept(buffering: Buffering) -> None:
    assert buffering.take(span(1, name="GET /health", attributes={"http.request.method": "GET"})) == []
    assert (buffering.traces.open_traces, buffering.spans.pending().count) == (0, 0)


def test_answers_that_repeat_large_documents_are_taken_in_portions(buffering: Buffering, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (requests, traces):
        monkeypatch.setattr(module, "MOST_BYTES", 100_000)
    together: list[int] = []
    take_records = Ingest.take_records

    def noted(self: Ingest, project: str, made: Sequence[ResponseRecord]) -> list[Fate]:
        together.append(len(made))
        return take_records(self, project, made)

    monkeypatch.setattr(Ingest, "take_records", noted)
    found = {"gen_ai.retrieval.documents": json.dumps([{"content": "The receipt. " * 2_000}])}
    answers = [chat(number, parent=1, start_s=float(number), end_s=number + 0.5) for number in range(3, 23)]
    other = chat(2, "The receipt. " * 2_000, trace_id="1" * 32)
    assert buffering.take(other, ROOT, span(2, 1, attributes=found), *answers) == []
    assert buffering.ids == [f"{'1' * 32}-{other.span_id}"]
    buffering.traces.turn()
    assert buffering.ids[1:] == [f"{TRACE}-{answer.span_id}" for answer in answers]
    assert together == [4] * 5
    # What the first traces of a request leave room for is what the next ones have.
    many = [chat(1, "The receipt. " * 2_000, trace_id=f"{number:032x}") for number in range(5)]
    assert [trace.whole for trace in read_traces(many)] == [True] * 3 + [False] * 2


def test_of_a_trace_that_cannot_be_read_no_answer_is_taken(buffering: Buffering, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Trace.record

    def second_fails(self: Trace, position: int) -> ResponseRecord:
        if position:
            raise KeyError("nobody expects it")
        return record(self, position)

    monkeypatch.setattr(Trace, "record", second_fails)
    later = chat(3, parent=1, start_s=2.0, end_s=2.5)
    neighbour = chat(1, trace_id="1" * 32)
    reasons = buffering.take(CHAT, later, ROOT, neighbour)
    assert [reason.partition(": ")[2] for reason in reasons] == ["the trace cannot be read (KeyError)"] * 3
    assert buffering.ids == [f"{'1' * 32}-{neighbour.span_id}"]


def test_an_answer_that_breaks_the_contract_is_rejected_or_a_dead_letter(buffering: Buffering) -> None:
    bad = {"groundwatch.evidence": '[{"id": "x", "media_type": "nonsense", "content": "y"}]'}
    (reason,) = buffering.take(chat(1, attributes=bad))
    assert "media_type" in reason
    other = "1" * 32
    buffering.take(chat(2, parent=1, trace_id=other, attributes=bad))
    buffering.take(span(1, trace_id=other))
    buffering.traces.turn()
    ((project, stage, identifier, detector, why, payload),) = buffering.letters
    assert (project, stage, identifier, detector) == ("default", "ingest", f"{other}-{2:016x}", None)
    assert "media_type" in why
    assert other in payload
    assert buffering.spans.pending().count == 0


def test_traces_of_two_projects_do_not_mix(buffering: Buffering) -> None:
    buffering.traces.take("a", read_traces([CHAT]))
    buffering.traces.take("b", read_traces([ROOT]))
    buffering.traces.turn()
    assert buffering.ids == []
    assert buffering.spans.pending().count == 1


def test_a_full_buffer_says_slow_down_and_takes_nothing(tmp_path: Path) -> None:
    buffering = Buffering(tmp_path, max_bytes=1_000_000)
    big = {"groundwatch.workflow": "w", "x": "y" * 2_000_000}
    with pytest.raises(SlowDown):
        buffering.take(chat(2, parent=1, attributes=big))
    assert buffering.traces.open_traces == 0
    buffering.take(CHAT, ROOT)
    assert buffering.ids == [CHAT_ID]
    buffering.close()

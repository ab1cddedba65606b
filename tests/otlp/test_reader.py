"""Requests are read in a process beside the service, and as well without it."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import msgspec
import pytest

from monitor.errors import RecordInvalid
from monitor.otlp import reader
from monitor.otlp.reader import SMALL_BYTES, RequestReader
from monitor.otlp.reading import JSON, PROTOBUF
from monitor.otlp.requests import read_request
from monitor.otlp.spans import Span
from tests.otlp.spans import as_json, chat, protobuf, span
from tests.serving import ROOT, Sidecar

LIMIT_S = 30.0


def request(first: int, count: int = 40) -> list[Span]:
    """Whole traces of one call each, and one whose root is elsewhere."""
    text = "The receipt shows a total of 41.20 EUR, paid by card. " * 8
    whole = [chat(number, text, trace_id=f"{number:032x}") for number in range(first, first + count)]
    return [*whole, span(first, parent=first + 1, trace_id="f" * 32)]


def until(true: Callable[[], object]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < limit, "waited too long"
        time.sleep(0.02)


@pytest.fixture
def beside() -> Iterator[RequestReader]:
    """A reader whose process has begun."""
    made = RequestReader(processors=2)
    begin(made)
    yield made
    made.stop()


def begin(made: RequestReader) -> None:
    until(lambda: made.read(protobuf(request(1)), PROTOBUF) and made.pid is not None)


def test_the_process_reads_what_the_service_would(beside: RequestReader) -> None:
    for body, encoding in ((protobuf(request(1)), PROTOBUF), (json.dumps(as_json(request(1))).encode(), JSON)):
        assert len(body) > SMALL_BYTES
        read = beside.read(body, encoding)
        assert read == read_request(body, encoding)
        assert [len(trace.answers) for trace in read.traces] == [1] * 40 + [0]
        assert read.traces[-1].joined() == request(1)[-1:]


def test_a_service_that_masks_spans_first_gets_them_as_they_came() -> None:
    made = RequestReader(processors=2, assemble=False)
    begin(made)
    there = made.read(protobuf(request(1)), PROTOBUF)
    made.stop()
    here = made.read(protobuf(request(1)), PROTOBUF)
    assert there == here
    assert [(trace.whole, trace.answers) for trace in there.traces] == [(True, [])] * 40 + [(False, [])]
    assert [one for trace in there.traces for one in trace.joined()] == request(1)


def test_a_body_that_nobody_can_read_is_refused_as_by_the_service(beside: RequestReader) -> None:
    for body, encoding in ((b"\x0a\xff\xff\xff\xff\x0f" + b"x" * SMALL_BYTES, PROTOBUF), (b"[" * SMALL_BYTES, JSON)):
        with pytest.raises(RecordInvalid) as here:
            read_request(body, encoding)
        with pytest.raises(RecordInvalid) as there:
            beside.read(body, encoding)
        assert str(there.value) == str(here.value)
    assert beside.pid is not None


def test_everybody_gets_the_answer_to_their_own_request(beside: RequestReader) -> None:
    wrong: list[int] = []

    def ask(first: int) -> None:
        for number in range(first, first + 5):
            expected = f"{number * 100:032x}"
            if beside.read(protobuf(request(number * 100)), PROTOBUF).traces[0].trace_id != expected:
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(1, 60, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    assert wrong == []
    assert not any(thread.is_alive() for thread in threads)


def test_while_there_is_no_process_the_service_reads_itself(beside: RequestReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "_pause_s", 0.0)
    first = beside.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    body = protobuf(request(1))
    for _ in range(3):
        assert beside.read(body, PROTOBUF) == read_request(body, PROTOBUF)
    begin(beside)
    assert beside.pid != first


@pytest.mark.parametrize("spans", [40, 1_200])
def test_a_process_that_hangs_is_replaced(spans: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "LONGEST_S", 0.5)
    beside = RequestReader(processors=2)
    begin(beside)
    hung = beside.pid
    assert hung is not None
    os.kill(hung, signal.SIGSTOP)
    body = protobuf(request(1, spans))  # the larger one does not fit between the processes
    assert beside.read(body, PROTOBUF) == read_request(body, PROTOBUF)
    assert beside.pid is None
    assert not Path(f"/proc/{hung}").exists()


def test_a_process_that_hangs_in_the_midst_of_a_reply_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "LONGEST_S", 0.5)
    beside = RequestReader(processors=2)
    begin(beside)
    hung = beside.pid
    assert hung is not None
    received = Connection.recv_bytes

    def stopped_in_between(self: Connection, maxlength: int | None = None) -> bytes:
        first = received(self, maxlength)
        os.kill(hung, signal.SIGSTOP)
        return first

    monkeypatch.setattr(Connection, "recv_bytes", stopped_in_between)
    body = protobuf(request(1, 1_200))
    assert beside.read(body, PROTOBUF) == read_request(body, PROTOBUF)
    assert beside.pid is None


def test_a_request_that_cannot_be_sent_costs_nobody_elses_answer(beside: RequestReader, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = Connection.send_bytes

    def no_memory(self: Connection, buf: bytes, offset: int = 0, size: int | None = None) -> None:
        monkeypatch.setattr(Connection, "send_bytes", sent)
        raise MemoryError

    monkeypatch.setattr(Connection, "send_bytes", no_memory)
    body = protobuf(request(1))
    with pytest.raises(MemoryError):
        beside.read(body, PROTOBUF)
    assert beside.pid is None
    assert beside.read(body, PROTOBUF) == read_request(body, PROTOBUF)


def test_after_a_reply_that_is_cut_short_nobody_reads_what_comes_behind_it(beside: RequestReader, monkeypatch: pytest.MonkeyPatch) -> None:
    received = Connection.recv_bytes
    cut = threading.Event()

    def cut_short(self: Connection, maxlength: int | None = None) -> bytes:
        if not cut.is_set():
            cut.set()
            os.read(self.fileno(), 100)
            raise MemoryError
        return received(self, maxlength)

    monkeypatch.setattr(Connection, "recv_bytes", cut_short)
    told: dict[int, str] = {}

    def ask(first: int) -> None:
        try:
            told[first] = beside.read(protobuf(request(first)), PROTOBUF).traces[0].trace_id
        except MemoryError:
            told[first] = "MemoryError"

    threads = [threading.Thread(target=ask, args=(first,)) for first in (100, 200, 300, 400)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    failed = [first for first, what in told.items() if what == "MemoryError"]
    assert len(failed) == 1
    assert {first: what for first, what in told.items() if first not in failed} == {
        first: f"{first:032x}" for first in (100, 200, 300, 400) if first not in failed
    }
    assert beside.pid is None


@pytest.mark.parametrize(("processors", "spans", "started"), [(2, 1, False), (2, 40, True), (2, 3_000, False), (1, 40, False)])
def test_a_process_is_started_where_it_helps(processors: int, spans: int, started: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[str] = []

    def no_start(module: str, *_: str, **__: object) -> None:
        starts.append(module)
        raise OSError(errno.EAGAIN, "no more processes")

    monkeypatch.setattr(reader, "start_module", no_start)
    made = RequestReader(processors=processors)
    body = protobuf(request(1, spans))
    for _ in range(3):
        assert made.read(body, PROTOBUF) == read_request(body, PROTOBUF)
    # Where none can be started, it is not tried again at once.
    assert starts == ["monitor.otlp.reader"] * started


def test_after_the_end_no_process_is_started_again(beside: RequestReader, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = beside.pid
    beside.stop()
    assert not Path(f"/proc/{pid}").exists()
    monkeypatch.setattr(reader, "start_module", None)  # to call it would fail
    body = protobuf(request(1))
    assert beside.read(body, PROTOBUF) == read_request(body, PROTOBUF)


def test_behind_a_request_that_takes_long_the_service_reads_itself(beside: RequestReader) -> None:
    assert beside.pid is not None
    os.kill(beside.pid, signal.SIGSTOP)
    slow = threading.Thread(target=beside.read, args=(protobuf(request(1)), PROTOBUF))
    slow.start()
    time.sleep(reader.BEHIND_S + 0.1)
    body = protobuf(request(100))
    began = time.monotonic()
    assert beside.read(body, PROTOBUF) == read_request(body, PROTOBUF)
    assert time.monotonic() - began < reader.LONGEST_S / 2
    assert slow.is_alive()
    os.kill(beside.pid, signal.SIGCONT)
    slow.join(LIMIT_S)
    assert not slow.is_alive()


def test_it_ends_with_a_service_that_is_killed() -> None:
    code = "from tests.otlp.test_reader import *; r = RequestReader(processors=2); begin(r); print(r.pid, flush=True); time.sleep(600)"
    service = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert service.stdout is not None
    with service.stdout:
        pid = int(service.stdout.readline())
        service.kill()
        service.wait()
    until(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes())


@pytest.mark.server
@pytest.mark.skipif(reader.usable_processors() < 2, reason="with one processor there is no such process")
def test_nothing_is_lost_where_it_is_killed_under_load(tmp_path: Path) -> None:
    sidecar = Sidecar(tmp_path / "data")
    sidecar.wait_ready()
    now = time.time_ns()
    requests = 60
    taken: list[int] = []
    killed = threading.Event()

    def send(numbers: range) -> None:
        with httpx.Client(base_url=sidecar.url, timeout=LIMIT_S, trust_env=False) as client:
            for number in numbers:
                spans = [
                    chat(one, "41.20 EUR in all. " * 40, trace_id=f"{number * 100 + one:032x}", resource={"service.name": "load"})
                    for one in range(1, 31)
                ]
                body = protobuf([msgspec.structs.replace(one, start_ns=now - 10**9, end_ns=now) for one in spans])
                for _ in range(1 if killed.is_set() else 3):  # sent again, as by an exporter that heard nothing
                    reply = client.post("/v1/traces", content=body, headers={"Content-Type": PROTOBUF})
                    assert reply.status_code == 200, reply.text
                taken.append(number)

    threads = [threading.Thread(target=send, args=(range(part, requests, 3),)) for part in range(3)]
    try:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            for pid in _readers_of(sidecar.process.pid):
                if not killed.is_set() and _processor_s(pid) > 0.5:  # more than its start takes: it reads
                    os.kill(pid, signal.SIGKILL)
                    killed.set()
            time.sleep(0.01)
        assert sorted(taken) == list(range(requests))
        sidecar.wait_drained()
        assert sidecar.get("/v1/summary?workflow=load")["responses"] == requests * 30
        assert "the process that reads requests ended (-9)" in sidecar.log.read_text()
    finally:
        sidecar.end()


def _processor_s(pid: int) -> float:
    try:
        user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[-1].split()[11:13]
    except OSError:
        return 0.0
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _readers_of(parent: int) -> set[int]:
    # The kernel lists children by the thread that started them.
    listed = [path.read_text().split() for path in Path(f"/proc/{parent}/task").glob("*/children")]
    return {int(pid) for pids in listed for pid in pids if b"monitor.otlp.reader" in _command(int(pid))}


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""

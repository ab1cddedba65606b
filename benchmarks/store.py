"""The store at size: `python -m benchmarks.store [--responses 1000000] [--drained 20000]`.

First drains records built from a labelled corpus (or invented text) through spool and writer and prints records a second
and bytes a response; then fills the embedded store by SQL with millions of responses over 30 days, three outcomes each,
and prints how long the dashboard's questions take, before and after a merge.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitor.clock import SystemClock
from monitor.drain import Drain
from monitor.findings import FindingRecord, OutcomeRecord
from monitor.migrate import migrate
from monitor.records import Answer, Evidence, Model, Question, Release, ResponseRecord, Stage, Usage, encode_response
from monitor.settings import Settings
from monitor.spool import Spool
from monitor.store.client import Store
from monitor.store.fragments import query
from monitor.store.reading import Reader
from monitor.store.rows import ResponseFilter
from monitor.store.writer import Writer

END = datetime(2026, 3, 31, tzinfo=UTC)
SIZES = query(
    "sizes",
    "Bytes on disk and rows of each table.",
    "SELECT table, sum(rows), sum(bytes_on_disk), count() FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table",
)
WORDS = Path(__file__).read_text(encoding="utf-8").split()


def record(number: int, chance: random.Random) -> ResponseRecord:
    """A response as a production client would log it: about 1.5 KB of JSON."""
    evidence = Evidence(id="page", media_type="image/png", uri="sha256:" + f"{chance.getrandbits(256):064x}")
    stages = tuple(Stage(name=name, duration_ms=round(chance.lognormvariate(4, 1), 2)) for name in ("encode", "retrieve", "infer"))
    return ResponseRecord(
        id=f"resp-{chance.getrandbits(64):016x}",
        time=END - timedelta(seconds=number * 0.5),
        workflow=chance.choice(("invoice-extraction", "image-qa", "meeting-summary")),
        question=Question(text="What does the picture show, and what is the total?"),
        answer=Answer(text=" ".join(chance.choices(WORDS, k=80)), confidence=round(chance.random(), 3)),
        cohort={"device": chance.choice(("ios", "android", "web")), "language": chance.choice(("en", "de", "fr"))},
        release=Release(version=f"2.{number // 50_000}", stage="ga"),
        model=Model(name=chance.choice(("gpt-4v", "claude")), provider="x"),
        trace_id=f"{chance.getrandbits(128):032x}",
        evidence=(evidence,),
        stages=stages,
        usage=(Usage(item="tokens", quantity=chance.randrange(4000), unit="token", unit_price=0.00001, currency="USD"),),
    )


def outcomes(given: ResponseRecord, chance: random.Random) -> list[OutcomeRecord]:
    """Two detectors that turned it away and one with two findings."""
    findings = tuple(
        FindingRecord(
            detector="object_hallucination",
            claim_id=f"c{n}",
            claim_text="a red bicycle beside the door",
            claim_kind="object",
            verdict="hallucinated" if chance.random() < 0.1 else "supported",
            explanation="The detector found it in the upper left of the picture.",
            score=chance.random(),
            evidence_id="page",
            region=(chance.random() / 2, chance.random() / 2, 0.25, 0.25),
        )
        for n in range(2)
    )
    return [
        OutcomeRecord(
            project="default",
            response_id=given.id,
            response_time=given.time,
            workflow=given.workflow,
            detector=detector,
            state="judged" if found else "not_applicable",
            finished_at=given.time + timedelta(seconds=5),
            detector_version="1",
            weights_version="ssd:abc123",
            duration_ms=chance.random() * 100,
            findings=found,
        )
        for detector, found in (("object_hallucination", findings), ("ocr_mismatch", ()), ("quote_mismatch", ()))
    ]


def drain(store: Store, folder: Path, count: int) -> None:
    """Through the product's own path: spool, drain, writer."""
    chance = random.Random(1)
    records = [record(number, chance) for number in range(count)]
    raws = [(item.id, encode_response(item)) for item in records]
    spool = Spool(folder / "spool.sqlite3", 2**32, 5.0, SystemClock())
    for start in range(0, count, 100):
        spool.append("default", raws[start : start + 100])
    mover = Drain(spool, Writer(store), SystemClock(), lambda *_: None)
    started = time.perf_counter()
    while mover.drain_once():
        pass
    print(
        f"drain: {count / (time.perf_counter() - started):,.0f} records/s; JSON {sum(len(raw) for _, raw in raws) / count:,.0f} bytes each"
    )
    ended = [outcome for item in records for outcome in outcomes(item, chance)]
    started = time.perf_counter()
    for start in range(0, len(ended), 3000):
        Writer(store).insert_outcomes(ended[start : start + 3000], f"o{start}")
    print(f"outcomes: {len(ended) / (time.perf_counter() - started):,.0f}/s in batches of 3,000")
    spool.close()
    for table in ("records", "responses", "outcomes"):
        store.execute("merge", f"OPTIMIZE TABLE {table} FINAL")
    sizes = {table: size for table, _, size, _ in store.rows(SIZES, {})}
    each = ", ".join(f"{table} {sizes[table] / count:,.0f}" for table in ("records", "responses", "outcomes"))
    print(f"bytes a response: {each}, together {sum(sizes.values()) / count:,.0f}")


RECORD_COLUMNS = """workflow, sidecar, sequence, answer, record"""
RECORD_VALUES = """['a', 'b', 'c'][1 + number % 3], 'bench', number, 'Two dogs and a bicycle.',
  '{"id":"r","time":"2026-03-01T00:00:00Z","workflow":"a","answer":{"text":""}}'"""
RESPONSE_COLUMNS = "received_at, workflow, risk, model, release, cohort, modalities, duration_ms, cost, currency"
RESPONSE_VALUES = """now64(3), ['a', 'b', 'c'][1 + number % 3], 'assistive', ['x', 'y'][1 + rand() % 2], '1.0',
  map('device', ['ios', 'web'][1 + rand(1) % 2], 'language', ['en', 'de', 'fr'][1 + rand(2) % 3]), ['image'],
  100 + rand(3) % 5000, rand(4) % 1000 / 1e5, 'USD'"""
OUTCOME_VALUES = """map(
  'd1', (toUInt64(1774000000000), 'judged', rand(5) % 20 = 0, rand(6) / 4294967295, 30.5),
  'd2', (toUInt64(1774000000000), 'abstained', 0, -1., 1.5),
  'd3', (toUInt64(1774000000000), 'not_applicable', 0, -1., 0.1)
)"""


def fill(store: Store, count: int) -> None:
    """Millions of narrow rows by SQL; the oldest arrive first and each is written once bare and once with outcomes."""
    step, gap = 100_000, int(30 * 86_400_000 / count)
    parts = (
        ("records", RECORD_COLUMNS, RECORD_VALUES),
        ("responses", RESPONSE_COLUMNS, RESPONSE_VALUES),
        ("responses", "outcomes", OUTCOME_VALUES),
    )
    for start in range(count - step, -1, -step):
        at = f"toDateTime64('2026-03-31 00:00:00', 3, 'UTC') - toIntervalMillisecond(number * {gap})"
        for table, columns, values in parts:
            key = f"'big', concat('r', lower(hex(sipHash64(number)))), {at}"
            source = f"SELECT {key}, {values} FROM numbers({start}, {step})"  # noqa: S608 - fixed texts and numbers of this file
            store.execute("fill", f"INSERT INTO {table} (project, id, time, {columns}) {source}")


def ask(store: Store, label: str) -> None:
    """The questions a page load asks, over a day, a week and the whole month."""
    reader = Reader(store)
    for name, span in (("1 day", timedelta(days=1)), ("7 days", timedelta(days=7)), ("30 days", timedelta(days=30))):
        f = ResponseFilter(project="big", since=END - span, until=END)
        picked = ResponseFilter(project="big", since=END - span, until=END, model="x", cohort={"device": "ios"}, verdict="hallucinated")
        asked: dict[str, Callable[[], object]] = {
            "list": lambda f=f: reader.list_responses(f, 50),
            "list, filtered": lambda f=picked: reader.list_responses(f, 50),
            "summary": lambda f=f: reader.summary(f),
            "summary, filtered": lambda f=picked: reader.summary(f),
            "trends": lambda f=f: reader.trends(f, 3600),
            "facets": lambda f=f: reader.facets(f.project, f.since, f.until),
            "slices": lambda f=f: reader.slice_buckets(f.project, f.since, f.until),
        }
        times = {question: min(_timed(call) for _ in range(3)) for question, call in asked.items()}
        print(f"{label}, {name}: " + ", ".join(f"{question} {wall:,.0f} ({cpu:,.0f})" for question, (wall, cpu) in times.items()))
    some = store.rows(query("some", "An id.", "SELECT id FROM records WHERE project = 'big' LIMIT 1"), {})[0][0]
    one, due = (
        min(_timed(lambda: reader.response("big", some)) for _ in range(3)),
        min(_timed(lambda: reader.due("bench", 1000, 256)) for _ in range(3)),
    )
    print(f"{label}: one response {one[0]:,.0f} ({one[1]:,.0f}), 256 due {due[0]:,.0f} ({due[1]:,.0f})")


def _timed(call: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds on the wall, and of CPU time of this process (the embedded store is in it)."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--responses", type=int, default=1_000_000)
    parser.add_argument("--drained", type=int, default=20_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        settings = Settings(data=Path(name), retention_days=36_500)
        store = Store.open(settings)
        migrate(settings, store)
        drain(store, Path(name), given.drained)
        for table in ("records", "responses"):
            store.execute("hold merges", f"SYSTEM STOP MERGES {table}")
        fill(store, given.responses)
        print("milliseconds on the wall (of CPU)")
        ask(store, "never merged")
        for table in ("records", "responses"):
            store.execute("allow merges", f"SYSTEM START MERGES {table}")
        for table in ("records", "responses"):
            store.execute("merge", f"OPTIMIZE TABLE {table} FINAL")
        ask(store, "merged")
        store.close()


if __name__ == "__main__":
    main()

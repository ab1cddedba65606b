"""How many records a second the spool acknowledges: `python -m benchmarks.spool [--seconds 5] [--threads 8] [--known 0] [--sealed 0]`.

Prints, for one caller and for several, acknowledged records a second, commits a second and the latency of one request of
100 records of 2 KB. ``--known`` fills the table of taken ids first, as after weeks of operation. A last line compares the
spool's commits with bare fsyncs of the same folder, which is what the disk allows. ``--sealed N`` measures instead a plain and
a sealed spool N times in turn, in an order that changes, and prints the ratio of each pair.
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import tempfile
import threading
import time
from pathlib import Path

from monitor.clock import SystemClock
from monitor.sealing import KeyRing
from monitor.spool import Spool

BATCH = 100
RECORD = b'{"id":"%s","time":"2026-03-02T12:00:00Z","workflow":"image-qa","answer":{"text":"' + b"x" * 1900 + b'"}}'


def measure(spool: Spool, threads: int, seconds: float) -> tuple[float, list[float]]:
    """Acknowledged records a second over all threads, and the seconds each request took."""
    latencies: list[float] = []
    lock = threading.Lock()
    stop = time.perf_counter() + seconds

    def call() -> None:
        mine = []
        while time.perf_counter() < stop:
            items = [(name, RECORD % name.encode()) for name in (secrets.token_hex(16) for _ in range(BATCH))]
            started = time.perf_counter()
            spool.append("default", items)
            mine.append(time.perf_counter() - started)
        with lock:
            latencies.extend(mine)

    workers = [threading.Thread(target=call) for _ in range(threads)]
    started = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return len(latencies) * BATCH / (time.perf_counter() - started), sorted(latencies)


def compare(folder: Path, threads: int, seconds: float, rounds: int) -> None:
    """Print sealed ÷ plain records a second and CPU a record, for each pair and their median."""
    keys = KeyRing([secrets.token_bytes(32)])
    rates: list[float] = []
    costs: list[float] = []
    for number in range(rounds):
        found: dict[bool, tuple[float, float]] = {}
        for sealed in (False, True) if number % 2 == 0 else (True, False):
            path = folder / f"{number}-{sealed}.sqlite3"
            spool = Spool(path, 64 * 2**30, 5.0, SystemClock(), keys=keys if sealed else None)
            cpu = time.process_time()
            rate, latencies = measure(spool, threads, seconds)
            found[sealed] = rate, (time.process_time() - cpu) / (len(latencies) * BATCH) * 1e6
            spool.close()
            path.unlink()
        rates.append(found[True][0] / found[False][0])
        costs.append(found[True][1] - found[False][1])
        print(f"pair {number + 1}: {found[False][0]:,.0f} records/s plain, {found[True][0]:,.0f} sealed, ratio {rates[-1]:.2f}")
    low, middle, high = min(rates), statistics.median(rates), max(rates)
    print(f"{threads} caller(s): sealed ÷ plain {middle:.2f} (median of {rounds}, {low:.2f} to {high:.2f})", end=", ")
    print(f"{statistics.median(costs):+.0f} µs of CPU a record of {len(RECORD % secrets.token_hex(16).encode())} bytes")


def fsyncs(folder: Path, seconds: float = 1.0) -> float:
    """Bare appends of 200 KB with fsync a second: the ceiling that the disk sets for one caller."""
    block, count = b"x" * BATCH * 2000, 0
    stop = time.perf_counter() + seconds
    with (folder / "bare").open("wb") as file:
        while time.perf_counter() < stop:
            file.write(block)
            file.flush()
            os.fsync(file.fileno())
            count += 1
    return count / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--known", type=int, default=0)
    parser.add_argument("--sealed", type=int, default=0, help="so many pairs of a plain and a sealed spool")
    parser.add_argument("--folder", type=Path, default=None, help="a folder on the disk to measure")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        if given.sealed:
            for threads in (1, given.threads):
                compare(folder, threads, given.seconds, given.sealed)
            return
        spool = Spool(folder / "spool.sqlite3", 64 * 2**30, 5.0, SystemClock())
        if given.known:
            with spool._writing, spool._transaction():
                rows = ((secrets.token_bytes(16), 0) for _ in range(given.known))
                spool._write.executemany("INSERT INTO taken VALUES (?, ?)", rows)
        for threads in (1, given.threads):
            cpu = time.process_time()
            rate, latencies = measure(spool, threads, given.seconds)
            each = (time.process_time() - cpu) / (len(latencies) * BATCH) * 1e6
            p50, p99 = latencies[len(latencies) // 2] * 1000, latencies[int(len(latencies) * 0.99)] * 1000
            took = f"request p50 {p50:.1f} ms, p99 {p99:.1f} ms, {each:.0f} µs of CPU a record"
            print(f"{threads} caller(s): {rate:,.0f} records/s acknowledged, {took}")
        spool.close()
        print(f"bare 200 KB append + fsync: {fsyncs(folder) * BATCH:,.0f} records/s would be the disk's ceiling for one caller")


if __name__ == "__main__":
    main()

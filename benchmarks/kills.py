"""kill -9 at random moments under load: every acknowledged record must be there afterwards, once.

    python -m benchmarks.kills --kills 200
    sudo python -m benchmarks.kills --kills 50 --power-cuts

A real sidecar process is loaded over HTTP with native batches and with OTLP spans (half of them waiting for a root that
comes later or never), killed after a random time, and started again on the same data folder. In the end the ids that were
acknowledged are held against the ids that can be read. Prints JSON; exits with 1 where one is lost or doubled.

A kill leaves the kernel what was written and not synced; a power cut does not. With ``--power-cuts`` the data folder lies on
an ext4 file system in a file, whose journal is aborted first (the kernel's ``trigger_fs_error``): from that moment nothing
reaches the disk any more, and what was only in the cache is gone when it is mounted again.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from monitor.settings import load_settings
from tests.otlp.spans import as_json, chat, span
from tests.serving import Sidecar

THREADS = 4
LONGEST_S = 300.0
DISK_BYTES = 4 << 30
CHILDREN_END_S = 10.0
# Exit codes up to this one: no errors, or errors that it mended.
E2FSCK_MENDED = 1
# What a client is told between the cut and the kill: whether the record was kept stays unknown.
DISK_FAILED = (503, 507)


class Load:
    """Threads that send for ever, each knowing what was acknowledged."""

    def __init__(self, url: str, kill: int, seed: int, disk_fails: bool) -> None:
        self._url, self._kill, self._seed = url, kill, seed
        self._expected = DISK_FAILED if disk_fails else ()
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self.acknowledged: Counter[str] = Counter()
        self.unanswered: set[str] = set()
        self.refused: list[Any] = []
        senders = [self._native] * (THREADS // 2) + [self._otlp] * (THREADS - THREADS // 2)
        self._threads = [threading.Thread(target=self._send, args=(number, sender)) for number, sender in enumerate(senders)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Wait for the threads."""
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _send(self, number: int, sender: Any) -> None:
        chance = random.Random(f"{self._seed}-{self._kill}-{number}")
        with httpx.Client(base_url=self._url, timeout=30) as client:
            batch = 0
            while not self._ending.is_set():
                batch += 1
                ids, send = sender(client, chance, f"{self._kill:05d}{number:02d}{batch:07d}")
                try:
                    reply = send()
                except httpx.TransportError:
                    with self._lock:
                        self.unanswered.update(ids)
                    return
                self._note(ids, reply)

    def _note(self, ids: list[str], reply: httpx.Response) -> None:
        with self._lock:
            if reply.status_code in self._expected:
                self.unanswered.update(ids)
                return
            if reply.status_code not in (200, 202) or "partialSuccess" in reply.text:
                self.refused.append(reply.text[:300])
                return
            items = reply.json().get("items")
            taken = ids if items is None else [item["id"] for item in items if item["status"] in ("accepted", "duplicate")]
            self.acknowledged.update(taken)

    def _native(self, client: httpx.Client, chance: random.Random, name: str) -> tuple[list[str], Any]:
        ids = [f"n{name}-{item}" for item in range(chance.randint(1, 30))]
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        records = [{"id": one, "time": now, "workflow": "kills", "answer": {"text": f"The number is {one}."}} for one in ids]
        return ids, lambda: client.post("/v1/responses", json=records)

    def _otlp(self, client: httpx.Client, chance: random.Random, name: str) -> tuple[list[str], Any]:
        trace_id = f"{int(name) + 1:032x}"
        whole = chance.random() < 0.5
        longer = chance.choice((1, 1, 400))  # larger requests are read by another process
        spans = [chat(number, f"Answer {number}. " * longer, parent=1, trace_id=trace_id) for number in range(2, chance.randint(3, 12))]
        sent = [*spans, span(1, trace_id=trace_id)] if whole else spans
        now = time.time_ns()
        body = as_json(sent, startTimeUnixNano=str(now - 10**9), endTimeUnixNano=str(now))
        return [f"{trace_id}-{one.span_id}" for one in spans], lambda: client.post("/v1/traces", json=body)


class Disk:
    """A file system of its own that loses its power when told to. Needs root, Linux and loop devices."""

    def __init__(self, folder: Path) -> None:
        self.mount_point = folder / "disk"
        self._image = folder / "disk.img"
        self.mount_point.mkdir()
        with self._image.open("wb") as image:
            image.truncate(DISK_BYTES)
        self._call("mkfs.ext4", "-q", self._image)
        self._mount()

    def cut(self) -> None:
        """Nothing written from now on, and nothing that was not synced, will be there again."""
        device = Path(self._call("findmnt", "-no", "SOURCE", self.mount_point).strip()).name
        Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("power cut")

    def restore(self) -> None:
        """Check the file system as a machine does when it starts, and mount it."""
        self.end()
        checked = subprocess.run(["e2fsck", "-fy", self._image], capture_output=True, text=True, check=False)
        if checked.returncode > E2FSCK_MENDED:
            raise RuntimeError(f"e2fsck ended with {checked.returncode}: {checked.stdout}{checked.stderr}")
        self._mount()

    def end(self) -> None:
        """Unmount it, once the children of a killed sidecar have noticed that it is gone."""
        limit = time.monotonic() + CHILDREN_END_S
        while subprocess.run(["umount", self.mount_point], capture_output=True, check=False).returncode and time.monotonic() < limit:
            time.sleep(0.1)
        if self.mount_point.is_mount():
            raise RuntimeError(f"{self.mount_point} is in use {CHILDREN_END_S:g} s after the sidecar was killed")

    def _mount(self) -> None:
        self._call("mount", "-o", "loop,errors=remount-ro", self._image, self.mount_point)

    def _call(self, *words: str | Path) -> str:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def run(kills: int, seed: int, power_cuts: bool) -> dict[str, Any]:
    """The reconciliation after so many kills, or power cuts."""
    chance = random.Random(seed)
    acknowledged: Counter[str] = Counter()
    unanswered: set[str] = set()
    refused: list[Any] = []
    began = time.monotonic()
    with ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory()))
        disk = Disk(folder) if power_cuts else None
        if disk is not None:
            ending.callback(disk.end)
        sidecar = Sidecar((disk.mount_point if disk else folder) / "data", GROUNDWATCH_TRACE_WAIT_S="1")
        sidecar.wait_ready()
        try:
            for kill in range(kills):
                load = Load(sidecar.url, kill, seed, disk is not None)
                time.sleep(chance.uniform(0.02, 1.5))
                if disk is not None:
                    disk.cut()
                sidecar.kill()
                load.end()
                if disk is not None:
                    disk.restore()
                acknowledged += load.acknowledged
                unanswered |= load.unanswered
                refused += load.refused
                # Sometimes it is killed again before it was ready.
                if chance.random() < 0.1:
                    sidecar.process = sidecar._start()
                    time.sleep(chance.uniform(0.0, 1.5))
                    sidecar.kill()
                sidecar.restart()
                if kill % 20 == 19:
                    print(f"{kill + 1} kills, {len(acknowledged)} acknowledged", file=sys.stderr)
            waited = wait_assembled(sidecar)
            sidecar.wait_drained()
            readable = Counter(sidecar.everything())
            lost = sorted(set(acknowledged) - set(readable))
            foreign = sorted(set(readable) - set(acknowledged) - unanswered)
            code, _ = sidecar.stop()
        finally:
            sidecar.end()
    return {
        "power_cuts" if power_cuts else "kills": kills,
        "acknowledged": len(acknowledged),
        "readable": len(readable),
        "unanswered_but_kept": len(set(readable) & unanswered - set(acknowledged)),
        "lost": lost[:20],
        "lost_count": len(lost),
        "doubled_count": sum(count > 1 for count in readable.values()),
        "never_sent_count": len(foreign),
        "refused": refused[:5],
        "clean_stop": code == 0,
        "spans_waited_s": round(waited),
        "seconds": round(time.monotonic() - began),
    }


def wait_assembled(sidecar: Sidecar) -> float:
    """Seconds until no acknowledged span waits on the disk any more: their traces never get a root, and go after a second of quiet."""
    began = time.monotonic()
    path = load_settings(data=sidecar.data).traces_path
    while time.monotonic() - began < LONGEST_S:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as spool:
            if not spool.execute("SELECT count(*) FROM waiting").fetchone()[0]:
                break
        time.sleep(0.5)
    return time.monotonic() - began


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--kills", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--power-cuts", action="store_true", help="cut the power of the disk as well (root)")
    given = arguments.parse_args()
    report = run(given.kills, given.seed, given.power_cuts)
    print(json.dumps(report, indent=1))
    sys.exit(1 if report["lost_count"] or report["doubled_count"] or report["refused"] else 0)

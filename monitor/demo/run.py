"""``groundwatch demo``: starts the real service, sends it the sample answers and shows what it caught and missed."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from monitor.client import Client
from monitor.demo.sample import Sample, make_evidence, samples
from monitor.demo.verdicts import Judged, counts_of, judge, table_of
from monitor.errors import GroundwatchError
from monitor.settings import Settings
from monitor.supervise import PID_FILE, stop_running

START_LIMIT_S = 90.0
VERDICT_LIMIT_S = 900.0
JOBS_LIMIT_S = 60.0
ASKED_AT_ONCE = 8
JOBS_AFTERWARDS = ("review_fill", "latency_threshold", "missing_modality", "drift", "cost_anomaly")


class DemoFailed(GroundwatchError):
    """The demo could not run to its end; the log says why."""

    def __init__(self, step: str, log: Path) -> None:
        super().__init__(f"the demo stopped at: {step}. Its log: {log}")


def run(settings: Settings, keep: bool) -> int:
    """Run the demo on ``settings.data``; with ``keep`` the service and dashboard stay up afterwards.

    Returns 0 when every answer ended in a named state, whatever the verdicts were: the table tells how good they are.
    """
    console = Console(width=None if sys.stdout.isatty() else 160)
    settings.data.mkdir(parents=True, exist_ok=True)
    stop_running(settings)
    settings = settings.model_copy(update={"port": _free(settings.port), "dashboard_port": _free(settings.dashboard_port)})
    evidence = settings.data / "demo-evidence"
    make_evidence(evidence)
    log = settings.data / "up.log"
    console.print(f"Starting groundwatch on {settings.data} (log: {log}) …")
    process = _start(settings, log)
    api = f"http://127.0.0.1:{settings.port}"
    try:
        _wait_ready(process, api, log)
        now = datetime.now(UTC)
        everything = list(samples(evidence, now, f"demo-{now:%Y%m%dT%H%M%S}"))
        _send(console, api, everything)
        judged, unfinished = _await_verdicts(console, api, everything, process, log)
        alerts = _run_jobs(api)
    except BaseException:
        process.terminate()  # `up` ends its children; the pid file may be gone with the folder
        raise
    console.print(table_of(judged))
    console.print(counts_of(judged))
    for identifier in unfinished:
        console.print(f"[bold red]{identifier}: no verdict within {VERDICT_LIMIT_S:.0f} s, see {log}")
    for title in alerts:
        console.print(f"[yellow]Alert[/]: {title}")
    console.print("Photographs, paper, speech and verdicts are real; the latencies, prices and times of day are made up.")
    if keep:
        console.print(
            f"\nDashboard: [bold]http://127.0.0.1:{settings.dashboard_port}/?range=6h[/]   API: {api}/openapi.json\nStop it with: make stop"
        )
    else:
        stop_running(settings)
    return 1 if unfinished else 0


def _free(port: int) -> int:
    """The port itself, or another free one where something else listens there."""
    for candidate in (port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", candidate))
                return int(probe.getsockname()[1])
    raise DemoFailed("finding a free port", Path("-"))


def _start(settings: Settings, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "monitor.cli", "up", "--data", str(settings.data)]
    command += ["--port", str(settings.port), "--dashboard-port", str(settings.dashboard_port)]
    with log.open("wb") as out:
        # Its own session: it outlives this command, and Ctrl-C here does not reach it twice.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    (settings.data / PID_FILE).write_text(str(process.pid))
    return process


def _wait_ready(process: subprocess.Popen[bytes], api: str, log: Path) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while time.monotonic() < limit and process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(f"{api}/readyz", timeout=5).is_success:
                return
        time.sleep(0.2)
    raise DemoFailed("starting the service", log)


def _progress(console: Console) -> Progress:
    return Progress(TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console)


def _send(console: Console, api: str, everything: Sequence[Sample]) -> None:
    with Client(api) as client, _progress(console) as progress:
        bar = progress.add_task("Sending answers", total=len(everything))
        for sample in everything:
            files = {evidence.id: sample.file for evidence in sample.record.evidence if sample.file is not None}
            client.send_response(sample.record, files=files)
            progress.advance(bar)


def _await_verdicts(
    console: Console, api: str, everything: Sequence[Sample], process: subprocess.Popen[bytes], log: Path
) -> tuple[list[Judged], list[str]]:
    waiting = {sample.record.id: sample for sample in everything}
    judged: dict[str, list[Judged]] = {}
    limit = time.monotonic() + VERDICT_LIMIT_S
    with httpx.Client(base_url=api, timeout=30) as http, _progress(console) as progress:
        bar = progress.add_task("Waiting for verdicts", total=len(everything))
        while waiting and time.monotonic() < limit:
            if process.poll() is not None:
                raise DemoFailed("checking the answers: the service ended", log)
            # Responses are checked in the order they came: asking for the next few leaves the processor to the detectors.
            for identifier in list(waiting)[:ASKED_AT_ONCE]:
                detail = _finished(http, identifier)
                if detail is not None:
                    judged[identifier] = judge(waiting.pop(identifier), detail)
                    progress.advance(bar)
            time.sleep(1.0)
    return [item for sample in everything for item in judged.get(sample.record.id, [])], sorted(waiting)


def _finished(http: httpx.Client, identifier: str) -> dict[str, Any] | None:
    """The response's detail once every detector has ended on it."""
    reply = http.get(f"/v1/responses/{identifier}")
    if reply.status_code == httpx.codes.NOT_FOUND:  # accepted, on its way from the spool
        return None
    reply.raise_for_status()
    detail: dict[str, Any] = reply.json()
    return None if detail["pending"] or not detail["outcomes"] else detail


def _run_jobs(api: str) -> list[str]:
    """Fill the review queue and run the checks now instead of at their next turn; titles of the alerts that are open then."""
    asked = datetime.now(UTC)
    limit = time.monotonic() + JOBS_LIMIT_S
    with httpx.Client(base_url=api, timeout=60) as http:
        for name in JOBS_AFTERWARDS:
            http.post(f"/v1/jobs/{name}/run").raise_for_status()
        while _unfinished_jobs(http, asked) and time.monotonic() < limit:
            time.sleep(0.2)
        alerts = http.get("/v1/alerts", params={"state": "open"}).raise_for_status().json()["items"]
    return [str(alert["title"]) for alert in alerts]


def _unfinished_jobs(http: httpx.Client, asked: datetime) -> list[str]:
    jobs = {job["name"]: job["last_finished_at"] for job in http.get("/v1/jobs").raise_for_status().json()["items"]}
    return [name for name in JOBS_AFTERWARDS if jobs[name] is None or datetime.fromisoformat(jobs[name]) < asked]

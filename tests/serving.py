"""Real ``groundwatch serve`` processes on free ports of this machine, to be stopped, killed and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
READY_LIMIT_S = 60.0


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**changes: str) -> dict[str, str]:
    """Ours without the caller's groundwatch settings; detection off unless asked for."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GROUNDWATCH_")}
    return {**clean, "GROUNDWATCH_WORKERS": "0", "PYTHONPATH": str(ROOT), **changes}


def command(*words: str, data: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run one ``groundwatch`` command to its end."""
    line = [sys.executable, "-m", "monitor.cli", *words, "--data", str(data)]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, check=False, cwd=data.anchor, env=environment(**changes))


class Sidecar:
    """One data folder and the process that serves it now."""

    def __init__(self, data: Path, *words: str, **changes: str) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data.parent / "serve.log"
        self._words, self._changes = words, changes
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        line = [sys.executable, "-m", "monitor.cli", "serve", "--data", str(self.data), "--port", str(self.port), *self._words]
        with self.log.open("ab") as out:
            env = environment(**self._changes)
            return subprocess.Popen(line, stdout=out, stderr=out, cwd=self.data.parent, env=env, start_new_session=True)

    def wait_ready(self) -> float:
        """Seconds until it was ready."""
        began = time.monotonic()
        while time.monotonic() - began < READY_LIMIT_S:
            assert self.process.poll() is None, f"serve ended with {self.process.returncode}:\n{self.log.read_text()}"
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).is_success:
                    return time.monotonic() - began
            except httpx.TransportError:
                time.sleep(0.02)
        raise AssertionError(f"not ready within {READY_LIMIT_S} s:\n{self.log.read_text()}")

    def kill(self) -> None:
        """SIGKILL: the process is told nothing, and the kernel still writes what it was given."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Start again on the same data folder and port."""
        self.process = self._start()
        self.wait_ready()

    def stop(self) -> tuple[int, float]:
        """SIGTERM; the exit code and how long it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60), time.monotonic() - began

    def end(self) -> None:
        """Leave nothing running."""
        if self.process.poll() is None:
            self.kill()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON of a read."""
        return httpx.get(f"{self.url}{path}", headers=headers, timeout=30).raise_for_status().json()

    def wait_drained(self) -> None:
        """Until the spool is empty."""
        limit = time.monotonic() + 60
        while self.get("/v1/status")["spooled"]:
            assert time.monotonic() < limit, f"the spool did not empty:\n{self.log.read_text()}"
            time.sleep(0.1)

    def everything(self) -> list[str]:
        """Ids of all responses the API lists, page by page, repeats included."""
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = self.get(f"/v1/responses?limit=500&cursor={cursor}" if cursor else "/v1/responses?limit=500")
            found += [item["id"] for item in page["items"]]
            cursor = page["next"]
        return found

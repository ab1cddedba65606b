from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

import monitor
from tests.serving import ROOT, Sidecar, command, environment, free_port


def test_help_is_instant_and_loads_nothing_heavy() -> None:
    script = (
        "import sys, monitor.cli; print([m for m in ('torch', 'fastapi', 'pydantic', 'chdb', 'sqlalchemy', 'httpx') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"


def test_without_the_server_extra_the_command_says_what_to_install() -> None:
    script = "import sys; sys.modules['typer'] = None; import monitor.cli"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (found.returncode, found.stderr.strip()) == (
        2,
        "The groundwatch command needs the server extra: pip install 'groundwatch[server]'",
    )


def test_the_version_is_printed(tmp_path: Path) -> None:
    found = subprocess.run([sys.executable, "-m", "monitor.cli", "version"], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == monitor.__version__


def test_a_setting_that_cannot_be_used_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    found = command("keys", "list", data=tmp_path / "data", GROUNDWATCH_PORT="many")
    assert found.returncode == 2
    assert found.stderr.startswith("groundwatch: GROUNDWATCH_PORT='many'")
    assert "Traceback" not in found.stderr


def test_a_list_without_keys_says_so_and_how_to_make_one(tmp_path: Path) -> None:
    listed = command("keys", "list", "--project", "new", data=tmp_path / "data")
    assert (listed.returncode, listed.stdout) == (0, "")
    assert "groundwatch keys create" in listed.stderr


def test_an_address_of_another_machine_is_not_taken_for_a_port_in_use(tmp_path: Path) -> None:
    command("keys", "create", "k", "--role", "admin", data=tmp_path / "data")
    refused = command("serve", "--host", "192.0.2.1", data=tmp_path / "data", GROUNDWATCH_WORKERS="0")
    assert refused.returncode == 2
    assert "--host" in refused.stderr
    assert '"color_message"' not in refused.stderr


def test_keys_are_made_listed_and_revoked(tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = command("keys", "create", "night shift", "--role", "operator", "--days", "30", data=data)
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("gw_")
    listed = command("keys", "list", data=data).stdout
    assert "operator" in listed
    assert "night shift" in listed
    assert "until" in listed
    assert made.stdout.strip() not in listed
    with closing(sqlite3.connect(data / "metadata.sqlite3")) as book, book:
        book.execute("UPDATE api_keys SET expires_at = '2026-01-02 00:00:00.000000'")
    assert "expired 2026-01-02" in command("keys", "list", data=data).stdout
    assert command("keys", "revoke", listed.split()[0], data=data).returncode == 0
    assert "revoked" in command("keys", "list", data=data).stdout
    assert command("keys", "revoke", "nobody", data=data).returncode == 2


@pytest.mark.store
def test_migrate_goes_up_tells_and_goes_down(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert "at nothing" in command("migrate", "--status", data=data).stdout
    up = command("migrate", data=data)
    assert up.returncode == 0, up.stderr
    assert "at nothing" not in up.stdout
    down = command("migrate", "--down", "clickhouse", "--to", "base", data=data)
    assert down.returncode == 0, down.stderr
    assert "clickhouse  at nothing" in down.stdout
    assert command("migrate", "--down", "everything", data=data).returncode == 2


@pytest.mark.server
def test_beyond_loopback_it_refuses_to_start_without_a_key_and_then_asks_for_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    refused = command("serve", "--host", "0.0.0.0", "--port", str(free_port()), data=data)  # noqa: S104 - it is refused
    assert refused.returncode == 2
    assert "groundwatch keys create" in refused.stderr
    assert "Traceback" not in refused.stderr
    key = command("keys", "create", "k", "--role", "viewer", data=data).stdout.strip()
    sidecar = Sidecar(data, "--host", "0.0.0.0")  # noqa: S104 - with a key
    try:
        sidecar.wait_ready()
        assert httpx.get(f"{sidecar.url}/v1/status").status_code == 401
        assert sidecar.get("/v1/status", {"authorization": f"Bearer {key}"})["leader"] is True
    finally:
        sidecar.end()


@pytest.fixture
def sidecar(tmp_path: Path) -> Iterator[Sidecar]:
    sidecar = Sidecar(tmp_path / "data")
    try:
        sidecar.wait_ready()
        yield sidecar
    finally:
        sidecar.end()


@pytest.mark.server
def test_a_second_process_on_the_same_folder_names_the_first(sidecar: Sidecar) -> None:
    second = command("serve", "--port", str(free_port()), data=sidecar.data)
    assert second.returncode == 2
    assert f"in use by process {sidecar.process.pid}" in second.stderr


@pytest.mark.server
def test_a_taken_port_names_itself(sidecar: Sidecar, tmp_path: Path) -> None:
    second = command("serve", "--port", str(sidecar.port), data=tmp_path / "other")
    assert second.returncode == 2
    assert f"cannot listen on 127.0.0.1:{sidecar.port}" in second.stderr


@pytest.mark.server
def test_doctor_tells_what_is_there_beside_a_running_sidecar_and_alone(sidecar: Sidecar) -> None:
    words = ("doctor", "--json", "--port", str(sidecar.port), "--dashboard-port", str(free_port()))
    for alone in (False, True):
        if alone:
            sidecar.stop()
        found = command(*words, data=sidecar.data, GROUNDWATCH_DETECTORS="[]")
        checks = {check["name"]: check for check in json.loads(found.stdout)}
        assert found.returncode == 0, found.stdout
        assert checks["data folder"]["state"] == "ok"
        assert checks["metadata schema"]["state"] == "ok"
        assert ("answers on" in checks["sidecar port"]["found"]) is not alone
        assert ("held by the running sidecar" in checks["store"]["found"]) is not alone


def test_doctor_fails_where_something_needed_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = command("doctor", "--json", data=tmp_path / "file" / "data", GROUNDWATCH_DETECTORS="[]")
    assert found.returncode == 1, found.stderr
    assert {check["state"] for check in json.loads(found.stdout) if check["name"] == "data folder"} == {"missing"}
    keys = command("keys", "list", data=tmp_path / "file" / "data")
    assert keys.returncode == 2
    assert "Traceback" not in keys.stderr


class Both:
    """A ``groundwatch up`` of its own."""

    def __init__(self, data: Path) -> None:
        self.data, self.port, self.dashboard_port = data, free_port(), free_port()
        self.log = data.parent / "up.log"
        line = [sys.executable, "-m", "monitor.cli", "up", "--data", str(data), "--port", str(self.port)]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [*line, "--dashboard-port", str(self.dashboard_port)], stdout=out, stderr=out, cwd=data.parent, env=environment()
            )

    def wait_started(self) -> None:
        limit = time.monotonic() + 90
        while "Dashboard  http://" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < limit, self.log.read_text()
            time.sleep(0.1)

    def answers(self) -> tuple[bool, bool]:
        found = []
        for url in (f"http://127.0.0.1:{self.port}/healthz", f"http://127.0.0.1:{self.dashboard_port}/_stcore/health"):
            try:
                found.append(httpx.get(url, timeout=5).is_success)
            except httpx.TransportError:
                found.append(False)
        return found[0], found[1]


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    both = Both(tmp_path / "data")
    try:
        yield both
    finally:
        if both.process.poll() is None:
            both.process.terminate()
            both.process.wait(60)


def test_up_on_a_disk_that_takes_no_writes_says_so_in_one_line(tmp_path: Path) -> None:
    # A folder in the place of its file refuses the write as a full disk does, whoever runs the test.
    (tmp_path / "data" / "groundwatch.pid").mkdir(parents=True)
    found = command("up", data=tmp_path / "data")
    assert found.returncode == 2
    assert found.stderr.startswith(f"groundwatch: cannot write to {tmp_path / 'data' / 'groundwatch.pid'}: ")
    assert found.stderr.count("\n") == 1


@pytest.mark.server
def test_up_runs_both_and_stop_ends_both(both: Both) -> None:
    both.wait_started()
    assert both.answers() == (True, True)
    assert command("stop", data=both.data).stdout == "Stopped.\n"
    assert both.process.wait(60) == 0
    assert both.answers() == (False, False)
    assert "Nothing runs" in command("stop", data=both.data).stdout


@pytest.mark.server
def test_up_ends_the_other_when_one_dies_and_passes_its_code_on(both: Both) -> None:
    both.wait_started()
    pid = int((both.data / "leader.lock").read_text())
    subprocess.run(["kill", "-9", str(pid)], check=True)
    assert both.process.wait(60) == 128 + 9
    assert both.answers() == (False, False)


@pytest.mark.server
def test_both_end_when_up_itself_is_killed(both: Both) -> None:
    both.wait_started()
    both.process.kill()
    both.process.wait()
    limit = time.monotonic() + 30
    while both.answers() != (False, False):
        assert time.monotonic() < limit
        time.sleep(0.2)

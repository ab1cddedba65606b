"""``groundwatch up``: the sidecar and the dashboard as two child processes that live and end together."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType

import httpx

from monitor.errors import GroundwatchError, StorageUnavailable
from monitor.settings import LOOPBACK, Settings
from monitor.syncing import write_synced

PID_FILE = "groundwatch.pid"
SIGN_IN_FILE = "sign-in.toml"
READY_LIMIT_S = 90.0
STOP_LIMIT_S = 20.0
_POLL_S = 0.2
_PR_SET_PDEATHSIG = 1
_EVERY_ADDRESS = ("0.0.0.0", "::", "*")  # noqa: S104 - recognised here, bound nowhere


class ChildFailed(GroundwatchError):
    """A child ended or did not get ready in time."""

    def __init__(self, name: str, problem: str, code: int) -> None:
        self.code = code
        super().__init__(f"{name} {problem}; its own output above says why")


def api_url(settings: Settings) -> str:
    """Where processes on this machine reach the sidecar."""
    if settings.host in _EVERY_ADDRESS or settings.host in LOOPBACK:
        return f"http://127.0.0.1:{settings.port}"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def serve_command(settings: Settings) -> list[str]:
    """How the sidecar is started as a child."""
    command = [sys.executable, "-m", "monitor.cli", "serve", "--data", str(settings.data)]
    return [*command, "--host", settings.host, "--port", str(settings.port), "--dashboard-port", str(settings.dashboard_port)]


def dashboard_command(settings: Settings) -> tuple[list[str], dict[str, str]]:
    """How the dashboard is started, and its environment."""
    found = importlib.util.find_spec("dashboards")
    if found is None or found.origin is None or importlib.util.find_spec("streamlit") is None:
        raise ChildFailed("the dashboard", "is not installed: pip install 'groundwatch[server]'", 2)
    page = Path(found.origin).with_name("app.py")
    command = [sys.executable, "-m", "streamlit", "run", str(page), "--server.address", "127.0.0.1"]
    command += ["--server.port", str(settings.dashboard_port), "--server.headless", "true", "--browser.gatherUsageStats", "false"]
    environment = {**os.environ, "GROUNDWATCH_API_URL": api_url(settings)}
    if settings.oidc_issuer:
        command += ["--secrets.files", str(sign_in_file(settings))]
        environment["GROUNDWATCH_SIGN_IN"] = "1"
    return command, environment


def sign_in_file(settings: Settings) -> Path:
    """What Streamlit needs to know for the sign-in, readable by this user only. Raises StorageUnavailable.

    The secret that signs its cookies is made once and kept, so that a restart signs nobody out.
    """
    path = settings.data / SIGN_IN_FILE
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        fields = {
            "redirect_uri": settings.oidc_callback,
            "cookie_secret": _kept_secret(path) or secrets.token_urlsafe(48),
            "client_id": settings.oidc_client_id,
            "client_secret": settings.oidc_client_secret,
            "server_metadata_url": f"{settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration",
        }
        lines = [f"{name} = {json.dumps(value)}" for name, value in fields.items()]
        write_synced(path, "\n".join(["[auth]", *lines, 'expose_tokens = ["id"]', ""]).encode(), 0o600)
    except OSError as error:
        raise StorageUnavailable(path, str(error)) from error
    return path


def _kept_secret(path: Path) -> str:
    """The secret in the file; empty where the file is missing or damaged: it is made anew then."""
    try:
        return str(tomllib.loads(path.read_text(encoding="utf-8"))["auth"]["cookie_secret"])
    except FileNotFoundError:
        return ""
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        print(f"groundwatch: {path} is damaged ({error}) and made anew; everybody has to sign in again", file=sys.stderr)  # noqa: T201
        return ""


class Child:
    """A child process in a group of its own: Ctrl-C reaches it through us only, and it dies when we do."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, env=environment, start_new_session=True, preexec_fn=_die_with_parent()
        )

    @property
    def ended(self) -> int | None:
        """Its exit code once it ended; a signal counts as 128 + its number, as shells say it."""
        code = self.process.poll()
        return code if code is None or code >= 0 else 128 - code

    def wait_ready(self, url: str, stopping: Callable[[], bool]) -> None:
        """Raises ChildFailed when it ends or does not answer ``url`` in time."""
        limit = time.monotonic() + READY_LIMIT_S
        while time.monotonic() < limit and not stopping():
            code = self.ended
            if code is not None:
                raise ChildFailed(self.name, f"ended with {code} while starting", code or 1)
            with suppress(httpx.TransportError):
                if httpx.get(url, timeout=2, trust_env=False).is_success:
                    return
            time.sleep(_POLL_S)
        if not stopping():
            raise ChildFailed(self.name, f"was not ready within {READY_LIMIT_S:.0f} s", 1)

    def stop(self) -> None:
        """End it and whatever it started; hard after ``STOP_LIMIT_S``."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                print(f"groundwatch: {self.name} did not stop within {STOP_LIMIT_S:.0f} s, ending it", file=sys.stderr)  # noqa: T201
        with suppress(ProcessLookupError, PermissionError):  # nobody of the group is left
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _die_with_parent() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)  # loaded before the fork: a child must not load libraries

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask


class _Stopping:
    """Remembers that somebody asked us to stop."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True

    def __call__(self) -> bool:
        return self.asked


def up(settings: Settings, say: Callable[[str], None]) -> int:
    """Run both until one ends or somebody stops us. Returns the exit code: 0 when stopped, else the child's.

    Raises:
        ChildFailed: one of them did not start.
        StorageUnavailable: the data folder cannot be written.
    """
    stopping = _Stopping()
    children: list[Child] = []
    pid_file = settings.data / PID_FILE
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        pid_file.write_text(f"{os.getpid()}\n")
    except OSError as error:
        raise StorageUnavailable(pid_file, error.strerror or str(error)) from error
    try:
        children.append(Child("the sidecar", serve_command(settings)))
        children[0].wait_ready(f"{api_url(settings)}/readyz", stopping)
        if not stopping():
            children.append(Child("the dashboard", *dashboard_command(settings)))
            children[1].wait_ready(f"http://127.0.0.1:{settings.dashboard_port}/_stcore/health", stopping)
        if not stopping():
            say(f"Dashboard  http://127.0.0.1:{settings.dashboard_port}\nSidecar    {api_url(settings)}\nData       {settings.data}")
        return _watch(children, stopping)
    finally:
        for child in reversed(children):
            child.stop()
        with suppress(FileNotFoundError):
            pid_file.unlink()


def _watch(children: list[Child], stopping: _Stopping) -> int:
    while not stopping():
        for child in children:
            code = child.ended
            if code is not None:
                print(f"groundwatch: {child.name} ended with {code}, stopping", file=sys.stderr)  # noqa: T201
                return code
        time.sleep(_POLL_S)
    return 0


def stop_running(settings: Settings) -> bool:
    """Stop the ``groundwatch up`` of this data folder and wait until it is gone; False when none runs."""
    try:
        pid = int((settings.data / PID_FILE).read_text())
    except (FileNotFoundError, ValueError):
        return False
    if not _is_ours(pid):
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    limit = time.monotonic() + 2 * STOP_LIMIT_S + 5
    while _is_ours(pid) and time.monotonic() < limit:
        # Reaps it where it is our own child, which would stay a zombie otherwise.
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.05)
    return True


def _is_ours(pid: int) -> bool:
    """Whether the process is a ``groundwatch up``: numbers are used again, and a stranger must not be stopped."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[-1].split()
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    return status[0] != "Z" and "up" in words and any("groundwatch" in word or "monitor.cli" in word for word in words)

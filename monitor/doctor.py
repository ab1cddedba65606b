"""``groundwatch doctor``: what is there, what is missing, and what to do about it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Literal

import httpx
import msgspec
from rich.console import Console
from rich.table import Table

from monitor.clock import SystemClock
from monitor.detect.catalogues import failures_of
from monitor.detect.local import LocalEngine
from monitor.detect.wire import config_of
from monitor.errors import AlreadyRunning, GroundwatchError, StorageUnavailable
from monitor.leader import Leadership
from monitor.metadata.database import Database
from monitor.metadata.keys import ApiKeys
from monitor.migrate import status as schema_status
from monitor.sealing import keys_for, noted_keys
from monitor.sealing.plain import SHARED_MEMORY
from monitor.settings import Settings
from monitor.store.client import Store
from monitor.supervise import api_url

State = Literal["ok", "warn", "missing"]
LITTLE_SPACE = 2 * 1024**3
NO_SPACE = 200 * 1024**2
LOAD_LIMIT_S = 120.0
_STYLE: dict[State, str] = {"ok": "green", "warn": "yellow", "missing": "bold red"}


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at. ``missing`` = groundwatch cannot do its work here without it."""

    name: str
    state: State
    found: str
    remedy: str = ""


def examine(settings: Settings) -> list[Check]:
    """Everything groundwatch needs on this machine; no check stops the others."""
    checks = [Check(name="settings", state="ok", found=f"data {settings.data}, detectors {', '.join(settings.detectors) or 'none'}")]
    checks += _safely("data folder", lambda: _data_folder(settings))
    checks += _safely("encryption at rest", lambda: _encryption(settings))
    running = _running(settings)
    checks += _ports(settings, running)
    checks += _safely("schemas", lambda: _schemas(settings, running))
    if not settings.single_user:
        checks += _safely("API keys", lambda: _api_keys(settings))
    checks += _safely("detectors", lambda: _detectors(settings))
    checks.append(_device(settings))
    return checks


def show(checks: list[Check], *, as_json: bool) -> None:
    """Print a table, or JSON for machines."""
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(checks)).decode() + "\n")
        return
    table = Table("", "What", "Found", "Remedy", box=None, pad_edge=False)
    for check in checks:
        table.add_row(f"[{_STYLE[check.state]}]{check.state}[/]", check.name, check.found, check.remedy)
    Console().print(table)


def _safely(name: str, look: Callable[[], Iterator[Check]]) -> list[Check]:
    try:
        return list(look())
    except GroundwatchError as error:
        return [Check(name=name, state="missing", found=str(error))]


def _data_folder(settings: Settings) -> Iterator[Check]:
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=settings.data) as probe:
            probe.write(b"x")
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        raise StorageUnavailable(settings.data, error.strerror or str(error)) from error
    free = shutil.disk_usage(settings.data).free
    found = f"{settings.data} is writable, {free / 1024**3:.1f} GiB free"
    state: State = "missing" if free < NO_SPACE else "warn" if free < LITTLE_SPACE else "ok"
    yield Check(name="data folder", state=state, found=found, remedy="" if state == "ok" else "Free disk space, or use another --data")


def _encryption(settings: Settings) -> Iterator[Check]:
    keys = keys_for(settings)
    if keys is None:
        yield Check(name="encryption at rest", state="ok", found="off: evidence, spool, dead letters and backups lie plain")
        return
    older = [known for known in noted_keys(settings.data) if known != keys.newest]
    found = f"evidence, spool, dead letters, queued checks, verdict cache and backups are sealed with key {keys.newest}"
    found += f"; older content may need {', '.join(older)}" if older else ""
    found += "; ClickHouse and the other metadata are not sealed"
    remedy = "`groundwatch seal` re-seals what is older" if older else ""
    yield Check(name="encryption at rest", state="ok", found=found, remedy=remedy)
    if not os.access(SHARED_MEMORY, os.W_OK):
        problem = f"no {SHARED_MEMORY}: evidence that is being judged lies plain in {settings.plain_dir} for that time"
        yield Check(name="shared memory", state="warn", found=problem, remedy=f"Mount a tmpfs at {SHARED_MEMORY}")


def _running(settings: Settings) -> dict[str, Any] | None:
    """The status of a sidecar that answers at our address, or None."""
    key = os.environ.get("GROUNDWATCH_API_KEY", "")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with suppress(httpx.HTTPError, ValueError):
        reply = httpx.get(f"{api_url(settings)}/v1/status", headers=headers, timeout=5, trust_env=False)
        found = reply.json()
        if reply.is_success and isinstance(found, dict) and "spooled" in found:
            return found
    return None


def _ports(settings: Settings, running: dict[str, Any] | None) -> list[Check]:
    if running is not None:
        found = f"groundwatch {running['version']} answers on {settings.port}, {running['spooled']} spooled"
        sidecar = Check(name="sidecar port", state="ok", found=found)
    else:
        sidecar = _port("sidecar port", settings.host, settings.port, "--port")
    return [sidecar, _port("dashboard port", "127.0.0.1", settings.dashboard_port, "--dashboard-port")]


def _port(name: str, host: str, port: int, option: str) -> Check:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            found = f"{host}:{port} is taken ({error.strerror})"
            return Check(name=name, state="warn", found=found, remedy=f"Fine if it is groundwatch; else choose another with {option}")
    return Check(name=name, state="ok", found=f"{host}:{port} is free")


def _schemas(settings: Settings, running: dict[str, Any] | None) -> Iterator[Check]:
    if running is not None:
        yield Check(name="store", state="ok", found=f"{running['store']}, held by the running sidecar")
        yield from _schema_checks(settings, None)
        return
    try:
        with Leadership(settings.data):
            store = Store.open(settings)
            try:
                store.ping()
                yield Check(name="store", state="ok", found=store.location)
                yield from _schema_checks(settings, store)
            finally:
                store.close()
    except AlreadyRunning as error:
        yield Check(name="store", state="warn", found=str(error), remedy="It runs on another address; nothing to do if you meant it to")
        yield from _schema_checks(settings, None)


def _schema_checks(settings: Settings, store: Store | None) -> Iterator[Check]:
    for tree in schema_status(settings, store):
        if store is None and tree.tree == "clickhouse":
            continue
        found = f"at {tree.current or 'nothing'}, newest {tree.head}"
        current = tree.current == tree.head
        remedy = "" if current else "`groundwatch migrate`, or just start: the first start migrates"
        yield Check(name=f"{tree.tree} schema", state="ok" if current else "warn", found=found, remedy=remedy)


def _api_keys(settings: Settings) -> Iterator[Check]:
    database = Database(settings.sqlalchemy_url)
    try:
        keys = ApiKeys(database)
        usable = sum(key.revoked_at is None for project in keys.projects() for key in keys.list(project))
    finally:
        database.dispose()
    state: State = "ok" if usable else "missing"
    remedy = "" if usable else f"{settings.host} needs one: `groundwatch keys create NAME --role admin`"
    yield Check(name="API keys", state=state, found=f"{usable} usable", remedy=remedy)


def _detectors(settings: Settings) -> Iterator[Check]:
    """Loads each detector in a worker, as the service does, so that packages, weights and device are really tried."""
    failures = failures_of(settings.detectors)
    engine = LocalEngine(config_of(settings, evidence_url=""), 1, settings.item_timeout_s, SystemClock())
    engine.start()
    try:
        for name in failures:
            engine.submit(name, [])
        limit = time.monotonic() + LOAD_LIMIT_S
        while time.monotonic() < limit and not all(_is_known(engine, name) for name in failures):
            engine.collect(0.2)
        for name, failure in failures.items():
            yield _detector(name, failure, engine)
    finally:
        engine.stop(drain=False)


def _is_known(engine: LocalEngine, name: str) -> bool:
    report = engine.reports.get(name)
    return report is not None and report.available is not None


def _detector(name: str, failure: str, engine: LocalEngine) -> Check:
    report = engine.reports.get(name)
    if report is None or report.available is None:
        return Check(
            name=name, state="missing", found=f"did not load within {LOAD_LIMIT_S:.0f} s", remedy="Give the machine more memory or time"
        )
    if not report.available:
        return Check(name=name, state="missing", found=f"{failure}: cannot run", remedy=report.reason or "")
    return Check(name=name, state="ok", found=f"{failure}: version {report.version}, {report.weights_version}")


def _device(settings: Settings) -> Check:
    if settings.device == "cpu" or importlib.util.find_spec("torch") is None:
        wanted: State = "missing" if settings.device == "cuda" else "ok"
        remedy = "pip install 'groundwatch[detectors]'" if wanted == "missing" else ""
        return Check(name="device", state=wanted, found="cpu", remedy=remedy)
    import torch

    if torch.cuda.is_available():
        return Check(name="device", state="ok", found=f"cuda: {torch.cuda.get_device_name()}")
    state: State = "missing" if settings.device == "cuda" else "ok"
    remedy = "Install a CUDA build of torch, or set GROUNDWATCH_DEVICE=cpu" if state == "missing" else ""
    return Check(name="device", state=state, found="cpu (torch sees no CUDA device)", remedy=remedy)

"""The house rules that a machine can check: which way imports point, how long a module may be, what a name may be."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("monitor", "detectors", "dashboards", "migrations")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
LONGEST_MODULE = 500
REFUSED_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "core", "base", "misc", "service", "handler", "data", "process"}

# From the bottom to the top: a module imports its own layer and those before it. Longest prefix wins.
LAYERS: tuple[tuple[str, ...], ...] = (
    (
        "monitor",
        "monitor.errors",
        "monitor.clock",
        "monitor.records",
        "monitor.findings",
        "monitor.messages",
        "monitor.media_types",
        "monitor.children",
        "monitor.signing",
        "monitor.syncing",
    ),
    (
        "monitor.settings",
        "monitor.score",
        "monitor.redaction",
        "monitor.sealing",
        "monitor.task_metrics",
        "monitor.client",
        "monitor.telemetry",
        "monitor.tracing",
    ),
    ("monitor.spool", "monitor.room", "monitor.store", "monitor.metadata", "monitor.evidence", "migrations"),
    (
        "monitor.migrate",
        "monitor.limits",
        "monitor.ingest",
        "monitor.drain",
        "monitor.erasure",
        "monitor.retention",
        "monitor.views",
        "monitor.detect",
        "monitor.alerts",
        "monitor.review",
    ),
    ("monitor.jobs", "monitor.evaluate", "monitor.check", "monitor.chain", "monitor.checks", "monitor.otlp", "monitor.replay"),
    ("monitor.api",),
    (
        "monitor.app",
        "monitor.leader",
        "monitor.supervise",
        "monitor.backup",
        "monitor.resealing",
        "monitor.erase",
        "monitor.doctor",
        "monitor.demo",
        "monitor.calibrate",
    ),
    ("monitor.cli",),
)
# Packages that only these modules may import.
ONLY = {
    "clickhouse_connect": ("monitor.store", "migrations.clickhouse"),
    "chdb": ("monitor.store",),
    "sqlalchemy": ("monitor.metadata", "monitor.store", "monitor.migrate", "migrations"),
    "detectors": ("detectors", "monitor.detect"),
    "monitor": ("monitor", "migrations"),
    "fastapi": ("monitor.api", "monitor.app"),
    "streamlit": ("dashboards",),
}
BASE_INSTALL = {"httpx", "msgspec", "monitor", "groundwatch"}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    nodes = list(tree.body) if top_level_only else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def layer_of(module: str) -> int | None:
    best: tuple[int, int] | None = None
    for number, names in enumerate(LAYERS):
        for name in names:
            exact_only = name == "monitor"
            if module == name or (not exact_only and module.startswith(f"{name}.")):
                best = max(best or (0, 0), (len(name), number))
    return None if best is None else best[1]


def within(module: str, prefixes: tuple[str, ...]) -> bool:
    return any(module == prefix or module.startswith(f"{prefix}.") for prefix in prefixes)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_downward_and_stay_in_their_rooms(path: Path) -> None:
    module = name_of(path)
    for imported in imports_of(path):
        for package, allowed in ONLY.items():
            if imported.split(".")[0] == package:
                assert within(module, allowed), f"{module} imports {imported}; only {allowed} may"
        mine, theirs = layer_of(module), layer_of(imported)
        if module.startswith("monitor") and theirs is not None and imported.startswith("monitor."):
            assert mine is not None, f"{module} has no layer: add it to LAYERS"
            assert theirs <= mine, f"{module} imports upward: {imported}"


def test_every_monitor_module_has_a_layer() -> None:
    assert [name_of(path) for path in MODULES if name_of(path).startswith("monitor") and layer_of(name_of(path)) is None] == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_are_short_and_well_named(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE
    assert not REFUSED_NAMES & set(path.relative_to(ROOT).with_suffix("").parts)


def test_the_client_needs_the_base_install_only() -> None:
    seen: set[str] = set()
    waiting = ["groundwatch"]
    while waiting:
        module = waiting.pop()
        seen.add(module)
        path = ROOT / Path(*module.split("."))
        file = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
        for imported in imports_of(file, top_level_only=True):
            top = imported.split(".")[0]
            assert top in BASE_INSTALL or top in sys.stdlib_module_names, f"{module} imports {imported}"
            target = ROOT / Path(*imported.split("."))
            found = target.with_suffix(".py").exists() or (target / "__init__.py").exists()
            if top == "monitor" and imported not in seen and found:
                waiting.append(imported)


def test_the_catalogue_names_every_detector_file() -> None:
    from detectors.catalogue import CATALOGUE

    files = {
        path.stem
        for path in (ROOT / "detectors").glob("*.py")
        if re.search(r"^class \w+\(\w*Detector\):", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert files == set(CATALOGUE)
    assert all(entry.target.startswith(f"detectors.{name}:") for name, entry in CATALOGUE.items())


def test_the_readme_names_every_setting() -> None:
    from monitor.settings import Settings

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [name for name in Settings.model_fields if f"`{name}`" not in readme]
    assert missing == []


def test_no_unfinished_mark_is_left() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    assert [name_of(path) for path in MODULES if marks.search(path.read_text(encoding="utf-8"))] == []


def test_an_upward_import_would_be_caught() -> None:
    assert layer_of("monitor.api.responses") == 5
    assert layer_of("monitor.store.reading") == 2
    assert layer_of("monitor.unheard_of") is None

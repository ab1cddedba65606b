"""``groundwatch calibrate``: fit the detectors' probabilities to what this service's own reviewers found."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from monitor.clock import Clock, SystemClock
from monitor.detect.catalogues import failures_of, version_of
from monitor.detect.refitting import Calibrated, Method, Refitting
from monitor.detect.wire import CATALOGUE_MODULE
from monitor.leader import Leadership
from monitor.metadata.audit import AuditLog
from monitor.metadata.database import Database
from monitor.metadata.review import ReviewItems
from monitor.migrate import migrate
from monitor.settings import Settings
from monitor.store.client import Store
from monitor.store.reading import Reader

EXIT_WRITTEN = 0
EXIT_NOTHING_WRITTEN = 1
ACTOR = "command line"


def calibrate(
    settings: Settings,
    reader: Reader,
    database: Database,
    *,
    project: str,
    detectors: Sequence[str] | None = None,
    method: Method = "platt",
    clock: Clock | None = None,
    catalogue: str = CATALOGUE_MODULE,
) -> list[Calibrated]:
    """Fit each detector, write what came out better, and say so in the audit log.

    Raises:
        SettingsInvalid: no such detector, or its packages are not installed.
    """
    names = list(dict.fromkeys(detectors or settings.detectors))
    failures_of(names, catalogue)
    now = (clock or SystemClock()).now()
    refitting = Refitting(settings.calibration_dir, project, ReviewItems(database), reader, now)
    done = [refitting.calibrate(name, version_of(name, catalogue), method) for name in names]
    for one in done:
        if one.path is not None and one.fit is not None:
            facts = {"method": method, "labels": one.fit.labels, "brier": [one.fit.brier_before.value, one.fit.brier_after.value]}
            AuditLog(database).add(project, now, ACTOR, "calibration.refit", f"calibration:{one.detector}", facts)
    return done


def run(settings: Settings, project: str, detectors: Sequence[str] | None, method: Method, as_json: bool) -> int:
    """Calibrate and print. Exit code 0 where something was written, 1 where nothing was."""
    with _opened(settings) as (reader, database):
        done = calibrate(settings, reader, database, project=project, detectors=detectors, method=method)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode([_fields(one) for one in done])).decode() + "\n")
    else:
        show(done, Console(width=None if sys.stdout.isatty() else 160))
    return EXIT_WRITTEN if any(one.path is not None for one in done) else EXIT_NOTHING_WRITTEN


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[Reader, Database]]:
    # The embedded store belongs to one process: while the sidecar runs, this names its pid and stops.
    lock = None if settings.clickhouse_url else Leadership(settings.data)
    try:
        migrate(settings)
        store = Store.open(settings)
        database = Database(settings.sqlalchemy_url)
        try:
            migrate(settings, store)
            yield Reader(store), database
        finally:
            database.dispose()
            store.close()
    finally:
        if lock is not None:
            lock.release()


def show(done: Sequence[Calibrated], console: Console) -> None:
    """A row a detector: labels, held-out Brier score and calibration error before and after with their intervals."""
    table = Table()
    for heading in ("detector", "labels", "Brier before", "after", "ECE before", "after", "result"):
        table.add_column(heading, overflow="fold")
    for one in done:
        fit = one.fit
        figures: tuple[str, ...] = ("–",) * 4
        if fit is not None:
            shown = (fit.brier_before, fit.brier_after, fit.ece_before, fit.ece_after)
            figures = tuple(f"{figure.value:.3f} ({figure.low:.3f}–{figure.high:.3f})" for figure in shown)
        labels = f"{len(one.labelled.truth)}, {sum(one.labelled.truth)} hallucinated"
        table.add_row(one.detector, labels, *figures, one.refused or f"written to {one.path}")
    console.print(table)
    for one in done:
        for reason, count in one.labelled.left_out.items():
            console.print(f"{one.detector}: {count} left out: {reason}", highlight=False)
    if any(one.path is not None for one in done):
        console.print("Workers use it from the next start of the sidecar on. Verdicts stay as they are, scores change their meaning.")


def _fields(one: Calibrated) -> dict[str, Any]:
    fit = None if one.fit is None else {name: value for name, value in asdict(one.fit).items() if name != "calibration"}
    labels = {"labels": len(one.labelled.truth), "hallucinated": sum(one.labelled.truth), "left_out": dict(one.labelled.left_out)}
    return {"detector": one.detector, **labels, "fit": fit, "written": None if one.path is None else str(one.path), "refused": one.refused}

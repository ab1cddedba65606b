"""The modules that name detectors, and what each detector catches. Light: the service needs no more to start."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

from detectors.calibration import FOLDER, Calibration
from detectors.catalogue import Entry
from detectors.contract import Detector, DetectorOptions, DetectorUnavailable
from monitor.detect.wire import CATALOGUE_MODULE
from monitor.errors import SettingsInvalid


class Catalogue(Protocol):
    """The module that names the detectors; see :mod:`detectors.catalogue`."""

    CATALOGUE: Mapping[str, Entry]

    def create(self, name: str, options: DetectorOptions) -> Detector:
        """The detector of that name, not yet loaded."""
        ...


def catalogue_of(module: str) -> Catalogue:
    """The catalogue in a module."""
    return cast(Catalogue, importlib.import_module(module))


def failures_of(detectors: Sequence[str], catalogue: str = CATALOGUE_MODULE) -> dict[str, str]:
    """What each of these detectors catches. Raises SettingsInvalid for a name that is in no catalogue."""
    known = catalogue_of(catalogue).CATALOGUE
    for name in detectors:
        if name not in known:
            raise SettingsInvalid("GROUNDWATCH_DETECTORS", name, "there is no such detector", f"Choose from {', '.join(known)}")
    return {name: known[name].failure for name in detectors}


def version_of(name: str, catalogue: str = CATALOGUE_MODULE) -> str:
    """The version of a detector as installed here. Raises SettingsInvalid where a package it needs is missing."""
    try:
        return catalogue_of(catalogue).create(name, DetectorOptions()).version
    except DetectorUnavailable as error:
        raise SettingsInvalid("GROUNDWATCH_DETECTORS", name, error.missing, error.remedy) from error


def calibration_of(name: str, risk: str, own: Path) -> dict[str, str | float | None]:
    """The calibration of a detector as in force here: thresholds for that risk, hash of the shipped file and of the team's own.

    Values are None where there is none: some detectors are rules, and a team need not have fitted any.
    """
    hashes = [
        hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        for path in (FOLDER / f"{name}.json", own / f"{name}.json")
    ]
    threshold = Calibration.load(name).threshold_for(risk) if hashes[0] is not None else None
    return {"threshold": threshold, "shipped_sha256": hashes[0], "own_sha256": hashes[1]}

"""Fits detectors/calibration/ocr_mismatch.json on a labelled corpus of receipts, as the service would judge them.

Usage: python benchmarks/fit_ocr_mismatch.py /path/to/receipts-sroie [--write]
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from detectors.calibration import FOLDER
from detectors.calibration.fit import fit_platt
from detectors.claims import extract
from detectors.contract import DetectorOptions, EvidenceFile
from detectors.ocr_mismatch import OcrMismatch

FOLDS = 5


def company(record: dict[str, Any]) -> str:
    """The company a receipt really comes from: what must not be split between folds."""
    altered = record["attributes"]["alterations"].get("company")
    name = altered["printed"] if altered else max(record["attributes"]["mentions"], key=lambda text: sum(map(str.isalpha, text)))
    return "".join(filter(str.isalnum, name.upper()))


def collect(folder: Path, detector: OcrMismatch) -> tuple[list[float], list[bool], list[str], int]:
    """Raw score, label and group of every labelled span, and how many spans were not judged."""
    raw: list[float] = []
    labels: list[bool] = []
    groups: list[str] = []
    missing = 0
    for line in (folder / "responses.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        given = record["evidence"][0]
        evidence = EvidenceFile(given["id"], given["media_type"], folder / given["uri"].removeprefix("file:"), given["sha256"])
        answer = record["answer"]["text"]
        claims = [claim for claim in extract(answer, (evidence.family,)) if claim.kind in detector.kinds]
        scored = [(claim.span, score) for claim in claims if claim.span and (score := detector.raw_score(claim, evidence)) is not None]
        for label in record["labels"]:
            hits = [score for span, score in scored if span[0] < label["span"][1] and label["span"][0] < span[1]]
            if not hits:
                missing += 1
                continue
            raw.append(max(hits))
            labels.append(label["hallucinated"])
            groups.append(company(record))
    return raw, labels, groups, missing


def main() -> None:
    """Measure, and with ``--write`` ship the fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    detector = OcrMismatch(DetectorOptions())
    detector.load()
    raw, labels, groups, missing = collect(arguments.corpus, detector)
    fit = fit_platt(raw, labels, groups, FOLDS, name=OcrMismatch.name)
    print(f"not judged: {missing}\n{fit.measured}\n{fit.calibration}")
    if arguments.write:
        provenance = {"corpus": arguments.corpus.name, "weights": detector.weights_version, "grouped_by": "company", "not_judged": missing}
        fit.save(FOLDER, OcrMismatch.version, provenance | {"date": datetime.now(UTC).date().isoformat()})


if __name__ == "__main__":
    main()

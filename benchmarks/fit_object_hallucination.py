"""Fits detectors/calibration/object_hallucination.json on a labelled corpus of pictures, and measures each cohort.

Usage: python benchmarks/fit_object_hallucination.py /path/to/objects-coco [--write]
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from detectors.calibration import FOLDER
from detectors.calibration.fit import fit_platt
from detectors.claims import extract
from detectors.contract import DetectorOptions, EvidenceFile
from detectors.object_hallucination import ObjectHallucination

FOLDS = 10
FALSE_ALARM_CEILING = 0.09
Row = tuple[float, bool, str, str]  # raw score, hallucinated, picture, cohort


def collect(folder: Path, detector: ObjectHallucination) -> tuple[list[Row], int]:
    """A row for every labelled span, and how many spans got no raw score."""
    rows: list[Row] = []
    missing = 0
    for line in (folder / "responses.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        given = record["evidence"][0]
        evidence = EvidenceFile(given["id"], given["media_type"], folder / given["uri"].removeprefix("file:"), given["sha256"])
        claims = [claim for claim in extract(record["answer"]["text"], (evidence.family,)) if claim.kind in detector.kinds]
        scored = [(claim.span, score) for claim in claims if claim.span and (score := detector.raw_score(claim, evidence)) is not None]
        for label in record["labels"]:
            hits = [score for span, score in scored if span[0] < label["span"][1] and label["span"][0] < span[1]]
            missing += not hits
            if hits:
                rows.append((max(hits), label["hallucinated"], given["sha256"], record["cohort"]["negatives"]))
    return rows, missing


def report(rows: list[Row]) -> None:
    """AUROC and the catch at 10% false alarms, for each cohort."""
    cohorts: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        cohorts[row[3]].append(row)
    for name, members in cohorts.items():
        scores, wrong = np.array([row[0] for row in members]), np.array([row[1] for row in members])
        bar = np.quantile(scores[~wrong], 0.9, method="higher")
        print(f"{name}: n {len(members)}, AUROC {roc_auc_score(wrong, scores):.4f}, catch at 10% {(scores[wrong] > bar).mean():.4f}")


def main() -> None:
    """Measure, and with ``--write`` ship the fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    detector = ObjectHallucination(DetectorOptions())
    detector.load()
    rows, missing = collect(arguments.corpus, detector)
    report(rows)
    raw, labels, pictures = [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
    fit = fit_platt(raw, labels, pictures, FOLDS, name=detector.name, false_alarm_ceiling=FALSE_ALARM_CEILING)
    print(f"not judged: {missing}\n{fit.measured}\n{fit.calibration}")
    if arguments.write:
        provenance = {
            "corpus": f"{arguments.corpus.name} (public half: COCO train2017 pictures, constructed answers, POPE protocol)",
            "unit": "labelled object mention, half of them hallucinated; scores assume that share",
            "weights": f"{detector.weights_version}, trained on COCO train2017, so fresh photographs may score worse",
            "grouped_by": "picture",
            "not_judged": missing,
            "false_alarm_ceiling": FALSE_ALARM_CEILING,
            "date": datetime.now(UTC).date().isoformat(),
        }
        fit.save(FOLDER, detector.version, provenance)


if __name__ == "__main__":
    main()

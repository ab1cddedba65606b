"""Measures event_mismatch on a labelled corpus of videos, and smooths its probabilities.

Usage: python -m benchmarks.fit_event_mismatch /path/to/video-actions [--write]

Nothing that decides a verdict is fitted. Platt's smoothed targets only keep scores from claiming more certainty than so
few labels can give; the threshold stays at even odds of the raw score.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from scipy.stats import beta

from detectors.calibration import FOLDER
from detectors.calibration.fit import fit_platt
from detectors.claims import extract
from detectors.contract import Case, DetectorOptions, EvidenceFile, Finding
from detectors.event_mismatch import EventMismatch

FOLDS = 7
_EDGE = 1e-6


@dataclass(frozen=True, slots=True)
class Row:
    """One label: ``truth`` is its error, or "right"; ``overlap`` of the found place with the labelled one, where both exist."""

    truth: str
    video: str
    finding: Finding | None
    overlap: float | None

    @property
    def judged(self) -> bool:
        """Whether the detector gave a score."""
        return self.finding is not None and self.finding.score is not None


def collect(folder: Path, detector: EventMismatch) -> tuple[list[Row], dict[str, float]]:
    """A row a label, and the seconds of the first answer about each video."""
    rows: list[Row] = []
    spent: dict[str, float] = {}
    for line in (folder / "responses.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        given, answer = record["evidence"][0], record["answer"]["text"]
        video = EvidenceFile(given["id"], given["media_type"], folder / given["uri"].removeprefix("file:"), given["sha256"])
        started = time.perf_counter()
        outcome = detector.detect([Case(record["id"], answer, extract(answer, (video.family,)), (video,))])[0]
        spent.setdefault(video.sha256, time.perf_counter() - started)
        for label in record["labels"]:
            left, right = label["span"]
            over = [f for f in outcome.findings if f.claim.span and f.claim.span[0] < right and left < f.claim.span[1]]
            best = max(over, key=lambda finding: -1.0 if finding.score is None else finding.score, default=None)
            place = (label.get("citation") or {}).get("time")
            found = best.place.time if best is not None and best.place is not None and best.error == "time" else None
            truth = label.get("error") if label["hallucinated"] else "right"
            rows.append(Row(truth, video.sha256, best, None if place is None or found is None else _overlap(place, found)))
    return rows, spent


def report(rows: list[Row], spent: dict[str, float]) -> dict[str, object]:
    """Coverage, flags and exact 95% intervals for each kind of label."""
    found: dict[str, object] = {}
    for kind in ("time", "event", "right"):
        labels = [row for row in rows if row.truth == kind]
        judged = [row for row in labels if row.judged]
        flagged = sum(row.finding is not None and row.finding.verdict == "hallucinated" for row in judged)
        found[kind] = {
            "labels": len(labels),
            "judged": len(judged),
            "flagged": flagged,
            "interval": _interval(flagged, len(judged)),
            "error given": dict(Counter(row.finding.error for row in judged if row.finding is not None and row.finding.error)),
        }
    overlaps = sorted(row.overlap for row in rows if row.overlap is not None and row.truth == "time")
    found["place overlap (median, least)"] = [round(overlaps[len(overlaps) // 2], 2), round(overlaps[0], 2)] if overlaps else []
    found["seconds a video (median, most)"] = [round(sorted(spent.values())[len(spent) // 2], 1), round(max(spent.values()), 1)]
    return found


def _interval(hits: int, of: int) -> list[float]:
    """Clopper and Pearson (1934). Labels of one clip are not independent: the truth is wider."""
    if of == 0:
        return [0.0, 1.0]
    low = float(beta.ppf(0.025, hits, of - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, of - hits)) if hits < of else 1.0
    return [round(low, 3), round(high, 3)]


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> float:
    shared = max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
    return shared / (max(one[1], other[1]) - min(one[0], other[0]) + _EDGE)


def main() -> None:
    """Measure, and with ``--write`` ship the smoothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    detector = EventMismatch(DetectorOptions(threads=arguments.threads))
    detector.load()
    rows, spent = collect(arguments.corpus, detector)
    measured = report(rows, spent)
    print(json.dumps(measured, indent=2))
    judged = [(row, row.finding) for row in rows if row.judged and row.finding is not None]
    raw = [detector.raw_score(finding) for _, finding in judged]
    wrong = [row.truth != "right" for row, _ in judged]
    fit = fit_platt(raw, wrong, [row.video for row, _ in judged], FOLDS, name=detector.name)
    even = replace(fit.calibration, threshold=fit.calibration.apply(0.0))
    print(f"{fit.measured}\n{even}")
    if arguments.write:
        provenance = {
            "corpus": f"{arguments.corpus.name} (constructed: 13 clips joined into 14 videos; the clip is the unit, not the label)",
            "what": "smoothing only: no threshold that decides a verdict was fitted; the one here is even odds of the raw score",
            "weights": detector.weights_version,
            "grouped_by": "video",
            "labels": measured,
            "date": datetime.now(UTC).date().isoformat(),
        }
        replace(fit, calibration=even).save(FOLDER, detector.version, provenance)


if __name__ == "__main__":
    main()

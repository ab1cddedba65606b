"""Fits the statement model and the calibration of chart_mismatch on labelled chart captions, and prints what to expect.

    python -m benchmarks.fit_chart_mismatch ../shared/corpus/charts-chocolate --readings /tmp/readings [--write] [--ablate]

Reading takes a second or two a chart and is kept in the ``--readings`` folder, one file a picture; fitting takes seconds.
Folds are by picture (sha256 of the evidence): captions of one chart are never on both sides. Model, Platt scaling and
threshold are all fitted without the fold they are measured on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from detectors.calibration import FOLDER
from detectors.calibration.fit import choose_threshold, fit_platt
from detectors.chart_mismatch import ChartMismatch
from detectors.charting.features import FEATURES
from detectors.charting.verdict import MODEL
from detectors.claims import extract
from detectors.contract import DetectorOptions, EvidenceFile
from detectors.reading.lines import Line, Reading
from detectors.reading.readers import READINGS, FastReader

FALSE_ALARM_CEILING = 0.10
FOLDS = 6
SEEDS = (0, 1, 2)
# L2 penalty on weights of standardised features.
PENALTY = 5.0
# More of these can only speak against a statement, more of those only for it.
AGAINST = frozenset(
    [
        *("absent", "absent_share", "derived", "measured", "rounded", "no_bond", "rival", "unheld", "stray", "pointed_gap", "duplicate"),
        *(
            "words_missing",
            "names_missing",
            "years_unknown",
            "extreme",
            "extreme_label",
            "from_to",
            "series",
            "compare",
            "denied",
            "majority",
        ),
    ]
)
FOR = frozenset(["mean_margin", "mean_bond", "coherent", "borne_out"])
# Contradictions too rare in the corpus to be learned from it (a handful each): the least they weigh, in log odds a contradiction.
AT_LEAST = {"from_to": 2.5, "series": 1.5, "compare": 1.0, "denied": 2.5, "extreme": 0.4, "majority": 0.6}
GROUPS = {
    "numbers": ("number", "values", "absent", "absent_share", "derived", "measured", "rounded", "pointed_gap", "duplicate", "counts"),
    "binding": ("mean_margin", "mean_bond", "no_bond", "rival", "unheld", "stray", "coherent"),
    "words": ("words", "words_missing", "names_missing", "years_unknown"),
    "moves": ("extreme", "extreme_label", "from_to", "series", "compare", "denied", "majority", "borne_out"),
    "chart": ("cells", "few_cells"),
}

Floats = NDArray[np.float64]
Row = dict[str, Any]


def collect(corpus: Path, readings: Path, threads: int) -> tuple[list[Row], int]:
    """A row a claim inside a labelled sentence, with its features, and how many labels there are."""
    detector = ChartMismatch(DetectorOptions(threads=threads))
    detector._reader = KeptReader(readings, threads)  # type: ignore[assignment]
    rows: list[Row] = []
    total = 0
    for line in (corpus / "responses.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        source = record["evidence"][0]
        path = corpus / source["uri"].removeprefix("file:")
        evidence = EvidenceFile(source["id"], source["media_type"], path, source["sha256"])
        sheet = detector.sheet(evidence)
        total += len(record["labels"])
        if isinstance(sheet, str):
            continue
        claims = [claim for claim in extract(record["answer"]["text"], {"image"}) if claim.kind == "trend"]
        for number, label in enumerate(record["labels"]):
            for claim in claims:
                if claim.span is None or not (claim.span[0] < label["span"][1] and label["span"][0] < claim.span[1]):
                    continue
                inspection = detector.inspect(claim, sheet)
                if inspection is not None:
                    row = {"label": f"{record['id']}#{number}", "wrong": label["hallucinated"], "error": label.get("error")}
                    cohort = record["cohort"]["captioner"]
                    rows.append(row | {"cohort": cohort, "group": source["sha256"], "text": claim.text, "values": inspection.values})
    return rows, total


class KeptReader:
    """The fast reader with its readings kept on disk."""

    def __init__(self, folder: Path, threads: int) -> None:
        self._folder = folder
        self._reader = FastReader(DetectorOptions(threads=threads))
        self._loaded = False
        folder.mkdir(parents=True, exist_ok=True)

    def read(self, evidence: EvidenceFile) -> Reading:
        """The reading of the picture, from the folder where it is there."""
        path = self._folder / f"{evidence.sha256}.json"
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            lines = tuple(_line(*fields) for fields in kept["lines"])
            return Reading(lines, kept["reader"], kept["pages"], kept["complete"])
        self._load()
        reading = self._reader.read(evidence)
        READINGS.clear()
        kept = {"reader": reading.reader, "pages": reading.pages, "complete": reading.complete}
        path.write_text(json.dumps(kept | {"lines": _rows(reading.lines)}), encoding="utf-8")
        return reading

    def recognise(self, pieces: Sequence[Any]) -> list[tuple[str, float]]:
        """Text and confidence of pieces of a picture, from the folder where they are there."""
        digest = hashlib.sha256(b"".join(piece.tobytes() for piece in pieces)).hexdigest()
        path = self._folder / f"{digest}.pieces.json"
        if not path.exists():
            self._load()
            path.write_text(json.dumps(self._reader.recognise(pieces)), encoding="utf-8")
        return [(text, confidence) for text, confidence in json.loads(path.read_text(encoding="utf-8"))]

    def lines_of(self, image: Any, page: int = 1) -> list[Line]:
        """The lines of a picture, from the folder where it is there."""
        path = self._folder / f"{hashlib.sha256(image.tobytes()).hexdigest()}.lines.json"
        if not path.exists():
            self._load()
            path.write_text(json.dumps(_rows(self._reader.lines_of(image, page))), encoding="utf-8")
        return [_line(*fields) for fields in json.loads(path.read_text(encoding="utf-8"))]

    def _load(self) -> None:
        if not self._loaded:
            self._reader.load()
            self._loaded = True


def _rows(lines: Iterable[Line]) -> list[list[Any]]:
    return [[line.text, line.confidence, line.region, line.page, line.corners, line.straight] for line in lines]


def _line(text: str, confidence: float, region: Any, page: int, corners: Any = None, straight: Any = None) -> Line:
    shape = (tuple(corners[0]), tuple(corners[1]), tuple(corners[2]), tuple(corners[3])) if corners else None
    return Line(text, confidence, tuple(region), page, shape, tuple(straight) if straight else None)


def fit_model(features: Floats, wrong: NDArray[np.bool_], used: tuple[str, ...] = FEATURES) -> Floats:
    """Weights on the raw features (zero where not ``used``) and the intercept, signs held to their meaning."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
    x = (features - mean) / spread

    def loss(parameters: Floats) -> tuple[float, Floats]:
        logit = x @ parameters[:-1] + parameters[-1]
        residual = expit(logit) - wrong
        fit = -np.where(wrong, log_expit(logit), log_expit(-logit)).sum() + PENALTY * (parameters[:-1] ** 2).sum()
        return float(fit), np.append(x.T @ residual + 2 * PENALTY * parameters[:-1], residual.sum())

    bounds: list[tuple[float | None, float | None]] = []
    for name, scale in zip(FEATURES, spread, strict=True):
        if name not in used:
            bounds.append((0.0, 0.0))
        elif name in AGAINST:
            bounds.append((AT_LEAST.get(name, 0.0) * float(scale), None))
        else:
            bounds.append((None, 0.0) if name in FOR else (None, None))
    start = np.asarray([low or 0.0 for low, _ in bounds] + [0.0])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[*bounds, (None, None)]).x
    weights = found[:-1] / spread
    return np.append(weights, found[-1] - float(weights @ mean))


def by_label(rows: list[Row], score: Floats) -> tuple[list[int], Floats]:
    """One row index and score a label: the highest of its claims', as the evaluation takes it."""
    best: dict[str, int] = {}
    for index, row in enumerate(rows):
        if row["label"] not in best or score[index] > score[best[row["label"]]]:
            best[row["label"]] = index
    chosen = list(best.values())
    return chosen, score[chosen]


def cross_validate(rows: list[Row], used: tuple[str, ...] = FEATURES, seeds: tuple[int, ...] = SEEDS) -> tuple[Floats, NDArray[np.bool_]]:
    """Mean probability over the seeds and the flag of the first, of every claim, from models that never saw its picture."""
    features = np.asarray([row["values"] for row in rows])
    wrong = np.asarray([row["wrong"] for row in rows])
    keys = [row["group"] for row in rows]
    probability, flagged = np.zeros(len(rows)), np.zeros(len(rows), bool)
    for seed in seeds:
        for train, test in StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(features, wrong, keys):
            model = fit_model(features[train], wrong[train], used)
            raw = features @ model[:-1] + model[-1]
            fit = fit_platt(raw[train].tolist(), wrong[train].tolist(), [keys[i] for i in train], FOLDS)
            applied = np.asarray([fit.calibration.apply(float(value)) for value in raw])
            probability[test] += applied[test] / len(seeds)
            if seed == seeds[0]:
                flagged[test] = applied[test] >= choose_threshold(applied[train], wrong[train], FALSE_ALARM_CEILING)
    return probability, flagged


def interval(wrong: NDArray[np.bool_], score: Floats, keys: list[str], draws: int = 1000) -> tuple[float, float]:
    """95% percentile interval of the AUROC, whole pictures drawn with replacement."""
    random = np.random.default_rng(20260301)
    places: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        places.setdefault(key, []).append(index)
    groups = [np.asarray(indexes) for indexes in places.values()]
    areas = []
    for _ in range(draws):
        chosen = np.concatenate([groups[i] for i in random.integers(0, len(groups), len(groups))])
        if 0 < wrong[chosen].sum() < len(chosen):
            areas.append(roc_auc_score(wrong[chosen], score[chosen]))
    low, high = np.percentile(areas, [2.5, 97.5])
    return round(float(low), 4), round(float(high), 4)


def report(rows: list[Row], probability: Floats, flagged: NDArray[np.bool_], total: int) -> dict[str, Any]:
    """The held-back numbers by label: all, by captioner, by kind of error."""
    chosen, score = by_label(rows, probability)
    wrong = np.asarray([rows[i]["wrong"] for i in chosen])
    flags = {rows[i]["label"] for i in range(len(rows)) if flagged[i]}
    flag = np.asarray([rows[i]["label"] in flags for i in chosen])
    found: dict[str, Any] = {
        "labels": total,
        "coverage": round(len(chosen) / total, 4),
        "n": len(chosen),
        "positives": int(wrong.sum()),
        "pictures": len({rows[i]["group"] for i in chosen}),
        "auroc": round(float(roc_auc_score(wrong, score)), 4),
        "auroc_95": interval(wrong, score, [rows[i]["group"] for i in chosen]),
        "catch": round(float(flag[wrong].mean()), 4),
        "false_alarms": round(float(flag[~wrong].mean()), 4),
        "brier": round(float(np.mean((score - wrong) ** 2)), 4),
    }
    for key in ("cohort", "error"):
        for value in sorted({rows[i][key] for i in chosen} - {None}):
            part = np.asarray([rows[i][key] == value or (key == "error" and not rows[i]["wrong"]) for i in chosen])
            if 0 < wrong[part].sum() < part.sum():
                area = round(float(roc_auc_score(wrong[part], score[part])), 4)
                found[f"{key}={value}"] = {"n": int(part.sum()), "positives": int(wrong[part].sum()), "auroc": area}
    return found


def ablate(rows: list[Row]) -> dict[str, float]:
    """AUROC by label without each group of features, and with each alone."""
    found = {}
    for name, members in GROUPS.items():
        rest = tuple(feature for feature in FEATURES if feature not in members)
        for title, used in ((f"without {name}", rest), (f"only {name}", members)):
            chosen, score = by_label(rows, cross_validate(rows, used, SEEDS[:1])[0])
            found[title] = round(float(roc_auc_score([rows[i]["wrong"] for i in chosen], score)), 4)
    return found


def write(rows: list[Row], measured: dict[str, Any]) -> None:
    """Fit on everything and write the model and the calibration with their provenance."""
    features, wrong = np.asarray([row["values"] for row in rows]), np.asarray([row["wrong"] for row in rows])
    model = fit_model(features, wrong)
    origin = {"corpus": "charts-chocolate", "date": datetime.now(UTC).date().isoformat(), "grouped_by": "picture sha256"}
    fields = {
        "features": list(FEATURES),
        "weights": [round(float(weight), 6) for weight in model[:-1]],
        "intercept": round(float(model[-1]), 6),
        "provenance": origin | {"claims": len(rows), "least_weights": AT_LEAST, "cross_validated": measured},
    }
    MODEL.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    raw = features @ model[:-1] + model[-1]
    keys = [row["group"] for row in rows]
    ceiling = FALSE_ALARM_CEILING
    fit = fit_platt(raw.tolist(), wrong.tolist(), keys, FOLDS, name=ChartMismatch.name, false_alarm_ceiling=ceiling)
    fit.save(FOLDER, ChartMismatch.version, origin | {"false_alarm_ceiling": ceiling, "cross_validated_with_model": measured})


def main() -> None:
    """Measure, and with ``--write`` ship the fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--readings", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ablate", action="store_true")
    parser.add_argument("--write", action="store_true", help="write the fitted files into detectors/")
    options = parser.parse_args()
    rows, total = collect(options.corpus, options.readings, options.threads)
    probability, flagged = cross_validate(rows)
    measured = report(rows, probability, flagged, total)
    print(json.dumps(measured, indent=2))
    if options.ablate:
        print(json.dumps(ablate(rows), indent=2))
    if options.write:
        write(rows, measured)


if __name__ == "__main__":
    main()

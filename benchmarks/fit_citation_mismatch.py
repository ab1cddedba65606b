"""Fits and measures citation_mismatch on a corpus of claims with the texts their authors cited for them.

    python -m benchmarks.fit_citation_mismatch CORPUS MEASURED [--write] [--other CORPUS] [--ablate]

Measuring takes a few tenths of a second a claim; the features are kept in the JSON lines file ``MEASURED`` (delete it when the
support scorer changes). Folds never split claims that share a cited text or a question; the model, and then Platt scaling and
threshold, are fitted without the fold they are measured on. ``--other`` is a corpus of answers that cite documents; what
the shipped fit does there is shown by set.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from detectors.calibration import FOLDER, Calibration
from detectors.calibration.fit import fit_platt
from detectors.citation_mismatch import CitationMismatch
from detectors.citing.bearing import FEATURES, MODEL, BearingScorer
from detectors.claims.citing import without_marks
from detectors.grounding.contradictions import best_aligned
from detectors.grounding.passages import source_of

FOLDS, SPLITS = 5, 4
# Share of supported claims that may be flagged in the training folds.
CEILING = 0.05
# Inverse strength of the L2 penalty on standardised features; strong, for there are few hundred claims.
PENALTY = 0.03
Rows = Sequence[dict[str, Any]]
Floats = NDArray[np.float64]


def measure(folder: Path, kept: Path) -> Rows:
    """One row a label: features, truth, set and group keys; measured once."""
    known = {(row["corpus"], row["id"], row["start"]): row for row in (_lines(kept) if kept.exists() else [])}
    scorer = BearingScorer(threads=1)
    scorer.load()
    rows = []
    with kept.open("a", encoding="utf-8") as out:
        for record in _lines(folder / "responses.jsonl"):
            texts = {one["id"]: (folder / one["uri"].removeprefix("file:"), one["sha256"]) for one in record["evidence"]}
            for claim, label in zip(record["claims"], record["labels"], strict=True):
                key = (folder.name, record["id"], label["span"][0])
                if key not in known:
                    cited = [one["evidence"] for one in claim["citations"]]
                    sources = [source_of(name, texts[name][0].read_text(encoding="utf-8"), texts[name][1]) for name in cited]
                    features, support = scorer.measure(without_marks(claim["text"]), sources)
                    known[key] = {
                        "corpus": folder.name,
                        "id": record["id"],
                        "start": label["span"][0],
                        "set": record["cohort"]["set"],
                        "wrong": label["hallucinated"],
                        "keys": [*(texts[name][1] for name in cited), record["question"]["text"]],
                        "features": features,
                        "contradicted": best_aligned(support.contradictions),
                    }
                    out.write(json.dumps(known[key]) + "\n")
                    out.flush()
                rows.append(known[key])
    return rows


def grouped(rows: Rows) -> NDArray[np.int64]:
    """A number for each row; rows that share a key, directly or through others, have the same."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for row in rows:
        for other in row["keys"][1:]:
            parent[root(other)] = root(row["keys"][0])
    numbers: dict[str, int] = {}
    return np.asarray([numbers.setdefault(root(row["keys"][0]), len(numbers)) for row in rows])


def matrix(rows: Rows, names: Sequence[str]) -> Floats:
    """Features of the rows, n × len(names)."""
    return np.asarray([[row["features"][name] for name in names] for row in rows], dtype=np.float64)


def fitted(x: Floats, y: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Weights and intercept on the features as they are measured."""
    mean, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    model = LogisticRegression(C=PENALTY, max_iter=5000).fit((x - mean) / scale, y)
    weights = np.asarray(model.coef_[0] / scale)
    return weights, float(model.intercept_[0] - (weights * mean).sum())


def held_out(x: Floats, y: NDArray[np.bool_], groups: NDArray[np.int64], seed: int) -> Floats:
    """Raw scores of every row by a model that saw neither it nor its group."""
    shuffled = np.random.default_rng(seed).permutation(groups.max() + 1)[groups]
    raw = np.zeros(len(y))
    for train, test in GroupKFold(n_splits=FOLDS).split(x, y, shuffled):
        weights, intercept = fitted(x[train], y[train])
        raw[test] = x[test] @ weights + intercept
    return raw


def areas(rows: Rows, y: NDArray[np.bool_], raw: Floats) -> str:
    """AUROC over all rows and of each set."""
    sets = np.asarray([row["set"] for row in rows])
    parts = [f"{name} {roc_auc_score(y[sets == name], raw[sets == name]):.3f}" for name in sorted(set(sets))]
    return f"all {roc_auc_score(y, raw):.3f}  " + "  ".join(parts)


def flags(rows: Rows, raw: Floats, calibration: Calibration) -> None:
    """Catch and false alarms of each set."""
    sets: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for row, one in zip(rows, raw, strict=True):
        sets[row["set"]].append((row["wrong"], calibration.apply(float(one)) >= calibration.threshold))
    for name, pairs in sorted(sets.items()):
        wrong, right = [flag for truth, flag in pairs if truth], [flag for truth, flag in pairs if not truth]
        print(f"  {name}: caught {sum(wrong)} of {len(wrong)}, false alarms {sum(right)} of {len(right)}")


def main() -> None:
    """Measure, and with ``--write`` ship the model and its calibration."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("measured", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--ablate", action="store_true")
    parser.add_argument("--other", type=Path)
    arguments = parser.parse_args()
    rows = measure(arguments.corpus, arguments.measured)
    x, y, groups = matrix(rows, FEATURES), np.asarray([row["wrong"] for row in rows], dtype=bool), grouped(rows)
    splits = [held_out(x, y, groups, seed) for seed in range(SPLITS)]
    print("held out, by split:", *(f"\n  {areas(rows, y, raw)}" for raw in splits))
    if arguments.ablate:
        for name in FEATURES:
            rest = matrix(rows, [other for other in FEATURES if other != name])
            raw = np.mean([held_out(rest, y, groups, seed) for seed in range(SPLITS)], axis=0)
            print(f"without {name}: {areas(rows, y, raw)}\n  {name} alone: {areas(rows, y, x[:, FEATURES.index(name)])}")
    fit = fit_platt(splits[0], y, groups.tolist(), FOLDS, name=CitationMismatch.name, false_alarm_ceiling=CEILING)
    print(fit.measured, fit.calibration, sep="\n")
    flags(rows, splits[0], fit.calibration)
    weights, intercept = fitted(x, y)
    if arguments.other:
        others = measure(arguments.other, arguments.measured)
        print(arguments.other.name)
        flags(others, matrix(others, FEATURES) @ weights + intercept, fit.calibration)
    if arguments.write:
        shipped = {"weights": dict(zip(FEATURES, np.round(weights, 4).tolist(), strict=True)), "intercept": round(intercept, 4)}
        MODEL.write_text(json.dumps(shipped, indent=1) + "\n", encoding="utf-8")
        provenance = {"corpus": arguments.corpus.name, "grouped_by": "claims that share a cited text or a question"}
        fit.save(FOLDER, CitationMismatch.version, provenance | {"date": datetime.now(UTC).date().isoformat()})


def _lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


if __name__ == "__main__":
    main()

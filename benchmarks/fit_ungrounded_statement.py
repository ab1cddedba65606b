"""Fits the model over a statement's differences to its evidence, and the calibration of ``ungrounded_statement``.

Usage: python -m benchmarks.fit_ungrounded_statement /path/to/text-grounding [--words] [--rows FILE] [--ablation] [--write]

A label may cover several sentences, of which one is wrong: the model is fitted by multiple-instance learning (mi-
SVM's scheme, Andrews et al. 2003, with logistic regression whose weights are not negative): in turns it is fitted,
and in every hallucinated label the sentence it finds worst is taken for the wrong one. Sets weigh the same, and each has
an intercept of its own, which is not shipped: how a set's true statements differ from its sources (short headlines, paid
paraphrases) and how many are wrong there must not be read as what a difference means.
Everything printed is held out: documents are never split between folds, and ``leave one set out`` has seen nothing of
the set's kind. ``--rows`` keeps the measured features in a file, so that a second run need not read the texts again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import GroupKFold

from detectors.calibration import FOLDER
from detectors.calibration.fit import fit_platt
from detectors.claims import extract
from detectors.claims.citing import without_marks
from detectors.claims.statements import set_aside
from detectors.grounding import model
from detectors.grounding.contradictions import best_aligned
from detectors.grounding.features import FEATURES
from detectors.grounding.passages import source_of
from detectors.grounding.support import SupportScorer
from detectors.ungrounded_statement import UngroundedStatement

FOLDS, ROUNDS, RIDGE = 5, 4, 300.0
FALSE_ALARMS = 0.1
RESAMPLES = 200
GROUPS_OF_FEATURES = {
    "coverage": ("uncovered", "uncovered_best", "uncovered_all", "new_words", "new_pairs", "run"),
    "encoder": ("unlike_best", "unlike_mean", "unlike_worst", "unlike_second", "unlike_verb", "unlike_noun", "unlike_adjective"),
    "numbers": ("new_number", "rounded_number", "far_number", "new_code"),
    "names": ("new_name", "new_name_share", "far_name"),
    "opposites": ("opposite",),
    "negation": ("flipped", "negation", "more_negation"),
    "certainty": ("certainty", "quantifier"),
    "roles": ("roles", "other_speaker"),
    "length": ("length",),
    "contradictions": ("other_value", "other_name", "denied"),
}
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Row:
    """One label: the feature values of its sentences, its verdict, its document, its set and the best aligned contradictions by kind."""

    values: list[list[float]]
    wrong: bool
    document: str
    kind: str
    contradicted: dict[str, float]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Logistic regression on standardised features."""

    weights: Floats
    means: Floats
    scales: Floats
    intercept: float

    def log_odds(self, values: Sequence[Sequence[float]]) -> Floats:
        """The raw score of each sentence."""
        return np.asarray(((np.asarray(values) - self.means) / self.scales) @ self.weights + self.intercept)

    def worst(self, rows: Sequence[Row]) -> Floats:
        """The highest raw score among the sentences of each label."""
        return np.asarray([self.log_odds(row.values).max() for row in rows])


def collect(folder: Path, scorer: SupportScorer) -> tuple[list[Row], int]:
    """The rows of a corpus, and how many labels no checkable statement overlaps."""
    rows: list[Row] = []
    missing = 0
    lines = (folder / "responses.jsonl").read_text(encoding="utf-8").splitlines()
    # Records of one document one after another: its encoding is then still at hand.
    for record in sorted(map(json.loads, lines), key=lambda record: record["evidence"][0]["sha256"]):
        answer = record["answer"]["text"]
        sources = [
            source_of(piece["id"], (folder / piece["uri"].removeprefix("file:")).read_text(encoding="utf-8"), piece["sha256"])
            for piece in record["evidence"]
        ]
        claims = [claim for claim in extract(answer, ("text",)) if claim.kind == "statement" and claim.span and not set_aside(claim.text)]
        found = scorer.supports([without_marks(claim.text) for claim in claims], sources)
        measured = [(claim.span, support) for claim, support in zip(claims, found, strict=True) if claim.span]
        for label in record["labels"]:
            mine = [one for span, one in measured if span[0] < label["span"][1] and label["span"][0] < span[1]]
            if mine:
                kind, values = record["cohort"]["set"], [list(one.features.values()) for one in mine]
                contradicted = best_aligned([other for one in mine for other in one.contradictions])
                rows.append(Row(values, label["hallucinated"], f"{kind}/{record['attributes']['group']}", kind, contradicted))
            else:
                missing += 1
    return rows, missing


def fit(rows: Sequence[Row], used: Sequence[int]) -> Fitted:
    """Multiple-instance logistic regression on the features of index ``used``; the others get weight 0."""
    values = np.asarray([one for row in rows for one in row.values])
    owner = np.asarray([number for number, row in enumerate(rows) for _ in row.values])
    wrong = np.asarray([row.wrong for row in rows])
    sizes = {kind: sum(row.kind == kind for row in rows) for kind in {row.kind for row in rows}}
    weight = np.asarray([len(rows) / len(sizes) / sizes[rows[number].kind] for number in owner])
    means, spread = values.mean(axis=0), values.std(axis=0)
    # A feature that never varies has no scale; it must not become 0 when the model is rounded.
    scales = np.where(spread < 1e-4, 1.0, spread)
    standard = ((values - means) / scales)[:, used]
    kinds = sorted(sizes)
    member = np.asarray([[float(rows[number].kind == kind) for kind in kinds] for number in owner])
    kept = np.ones(len(values), bool)
    for _ in range(ROUNDS):
        weights = monotone(standard[kept], member[kept], wrong[owner][kept], weight[kept])
        raw = standard @ weights
        worst = {number: index for index, number in sorted(enumerate(owner), key=lambda pair: raw[pair[0]])}
        kept = np.asarray([not wrong[number] or worst[number] == index for index, number in enumerate(owner)])
    every = np.zeros(values.shape[1])
    every[list(used)] = weights
    # The level is set by Platt scaling.
    return Fitted(every, means, scales, 0.0)


def monotone(values: Floats, member: Floats, wrong: NDArray[np.bool_], weight: Floats) -> Floats:
    """Ridge logistic regression with no weight below 0: a difference from the evidence never speaks for a statement.

    ``member`` (n × sets, 0 or 1) gives each set its intercept. Returns the weights of the values.

    Without that bound the paraphrases of one kind of summary, whose true ones use more new words than its false ones,
    turn the meaning of new words round for every other kind.
    """
    sign = np.where(wrong, 1.0, -1.0)
    width, sets = values.shape[1], member.shape[1]
    columns = np.hstack([values, member])
    ridge = np.append(np.full(width, RIDGE), np.zeros(sets))

    def loss(parameters: Floats) -> tuple[float, Floats]:
        margin = sign * (columns @ parameters)
        pull = -weight * sign * expit(-margin)
        total = -(weight * log_expit(margin)).sum() + (ridge * parameters**2).sum() / 2
        return float(total), columns.T @ pull + ridge * parameters

    bounds: list[tuple[float | None, float | None]] = [(0.0, None)] * width + [(None, None)] * sets
    found = minimize(loss, np.zeros(width + sets), jac=True, method="L-BFGS-B", bounds=bounds)
    weights: Floats = found.x[:width]
    return weights


def held_out(rows: Sequence[Row], used: Sequence[int]) -> Floats:
    """The raw score of every label by a model that has not seen its document."""
    documents = {document: number for number, document in enumerate(dict.fromkeys(row.document for row in rows))}
    groups = np.asarray([documents[row.document] for row in rows])
    raw = np.zeros(len(rows))
    for train, test in GroupKFold(FOLDS).split(raw, raw, groups):
        raw[test] = fit([rows[n] for n in train], used).worst([rows[n] for n in test])
    return raw


def by_set(rows: Sequence[Row], raw: Floats, title: str) -> None:
    """AUROC of each set and of all, with 95 % intervals by resampling documents."""
    print(title)
    for kind in [*sorted({row.kind for row in rows}), "pooled"]:
        chosen = [n for n, row in enumerate(rows) if kind in (row.kind, "pooled")]
        truth = np.asarray([rows[n].wrong for n in chosen])
        low, high = interval(truth, raw[chosen], [rows[n].document for n in chosen])
        print(f"  {kind:24} n {len(chosen):5}  AUROC {roc_auc_score(truth, raw[chosen]):.3f} [{low:.3f}, {high:.3f}]")


def interval(truth: NDArray[np.bool_], raw: Floats, documents: Sequence[str]) -> tuple[float, float]:
    """The middle 95 % of the AUROC over resampled documents."""
    members: dict[str, list[int]] = {}
    for number, document in enumerate(documents):
        members.setdefault(document, []).append(number)
    names, draw, found = list(members), np.random.default_rng(7), []
    for _ in range(RESAMPLES):
        chosen = [n for index in draw.integers(len(names), size=len(names)) for n in members[names[index]]]
        if 0 < truth[chosen].sum() < len(chosen):
            found.append(roc_auc_score(truth[chosen], raw[chosen]))
    return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))


def unseen_kinds(rows: Sequence[Row], used: Sequence[int]) -> Floats:
    """The raw score of every label by a model that has seen no set of its kind."""
    raw = np.zeros(len(rows))
    for kind in {row.kind for row in rows}:
        fitted = fit([row for row in rows if row.kind != kind], used)
        for number, row in enumerate(rows):
            if row.kind == kind:
                raw[number] = fitted.worst([row])[0]
    return raw


def kept_rows(path: Path | None, make: Callable[[], tuple[list[Row], int]]) -> tuple[list[Row], int]:
    """The rows from a file, where there is one."""
    if path is not None and path.is_file():
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if tuple(stored["features"]) == FEATURES:
            return [Row(*one) for one in stored["rows"]], stored["missing"]
    rows, missing = make()
    if path is not None:
        stored = {"features": FEATURES, "rows": [[r.values, r.wrong, r.document, r.kind, r.contradicted] for r in rows], "missing": missing}
        path.write_text(json.dumps(stored), encoding="utf-8")
    return rows, missing


def main() -> None:
    """Measure, and with ``--write`` ship the model; with the encoder also the calibration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--words", action="store_true", help="without the sentence encoder")
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--ablation", action="store_true")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    scorer = SupportScorer(encoder=not arguments.words)

    def read() -> tuple[list[Row], int]:
        scorer.load()
        return collect(arguments.corpus, scorer)

    rows, missing = kept_rows(arguments.rows, read)
    everything = range(len(FEATURES))
    raw = held_out(rows, everything)
    print(f"labels {len(rows)}, without a checkable statement {missing}, documents {len({row.document for row in rows})}")
    by_set(rows, raw, "documents held out")
    by_set(rows, unseen_kinds(rows, everything), "leave one set out")
    if arguments.ablation:
        for name, members in GROUPS_OF_FEATURES.items():
            by_set(rows, held_out(rows, [n for n in everything if FEATURES[n] not in members]), f"without {name}")
    truth = [row.wrong for row in rows]
    # Platt scaling of held-out scores: those of the model on its own rows would be too sure.
    calibrated = fit_platt(
        list(raw), truth, [row.document for row in rows], FOLDS, name=UngroundedStatement.name, false_alarm_ceiling=FALSE_ALARMS
    )
    print(calibrated.measured, calibrated.calibration)
    chances = np.asarray([calibrated.calibration.apply(float(one)) for one in raw])
    print(f"Brier {brier_score_loss(truth, chances):.3f}")
    if arguments.write:
        fitted = fit(rows, everything)
        name = "words" if arguments.words else "statement"
        provenance = {
            "corpus": arguments.corpus.name,
            "n": len(rows),
            "weights": scorer.version,
            "date": datetime.now(UTC).date().isoformat(),
        }
        fields = {
            "features": FEATURES,
            "weights": [round(float(one), 5) for one in fitted.weights],
            "means": [round(float(one), 5) for one in fitted.means],
            "scales": [round(float(one), 5) for one in fitted.scales],
            "intercept": round(fitted.intercept, 5),
            "provenance": provenance,
        }
        (model.FOLDER / f"{name}_model.json").write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
        if not arguments.words:
            # The detector always has the encoder; the model of words alone serves other callers of the scorer.
            calibrated.save(FOLDER, UngroundedStatement.version, provenance | {"grouped_by": "document", "not_judged": missing})


if __name__ == "__main__":
    main()

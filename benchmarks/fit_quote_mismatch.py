"""Fits the word model and the calibration of quote_mismatch on the labelled speech corpora, and prints what to expect.

    python -m benchmarks.fit_quote_mismatch --corpus ../shared/corpus --heard /tmp/heard.jsonl [--write]

Listening takes minutes and is kept in the ``--heard`` file, where it goes on if interrupted; fitting takes seconds.
Folds are by utterance: claims whose recording says nearly the same words are never on both sides. Word model,
Platt scaling and threshold are all fitted without the fold they are measured on.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.fuzz import partial_ratio
from scipy.optimize import minimize
from scipy.special import log_expit
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from detectors.calibration import FOLDER
from detectors.calibration.fit import fit_platt
from detectors.claims import extract
from detectors.contract import Case, DetectorOptions, EvidenceFile
from detectors.hearing.verdict import FEATURES, MODEL, either, time_log_odds
from detectors.quote_mismatch import QuoteMismatch

CORPORA = ("speech-quotes", "speech-digits")
# A claim is called wrong when that is likelier than not. A threshold chosen in each fold rests on one or two of the 67
# true quotes and does no better on the fold left out (see TUNING.md).
THRESHOLD = 0.5
FOLDS = 6
# Strength of the L2 penalty on weights of features scaled to about one.
PENALTY = 2.0
SCALES = np.asarray([10.0, 10.0, 10.0, 0.5, 1.0])

Floats = NDArray[np.float64]
Row = dict[str, Any]


def listen(corpus: Path, heard: Path, threads: int) -> list[Row]:
    """Everything the detector hears for the labelled claims, end to end from the answer's text."""
    detector = QuoteMismatch(DetectorOptions(threads=threads))
    rows: list[Row] = [json.loads(line) for line in heard.read_text(encoding="utf-8").splitlines()] if heard.exists() else []
    done = {row["id"] for row in rows}
    for name in CORPORA:
        for line in (corpus / name / "responses.jsonl").read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if record["id"] in done:
                continue
            source = record["evidence"][0]
            path = corpus / name / source["uri"].removeprefix("file:")
            evidence = EvidenceFile(source["id"], source["media_type"], path, source["sha256"])
            claims = extract(record["answer"]["text"], {"audio"})
            new = [_row(name, record, label, claims, detector, evidence) for label in record["labels"]]
            rows += new
            with heard.open("a", encoding="utf-8") as out:
                out.writelines(json.dumps(row) + "\n" for row in new)
    return rows


def _row(name: str, record: Row, label: Row, claims: Any, detector: QuoteMismatch, evidence: EvidenceFile) -> Row:
    row: Row = {"corpus": name, "id": record["id"], "wrong": label["hallucinated"], "error": label.get("error")}
    inside = [claim for claim in claims if claim.span[0] < label["span"][1] and label["span"][0] < claim.span[1]]
    for claim in inside:
        judged = detector.listen_for(Case(record["id"], record["answer"]["text"], tuple(claims), (evidence,)), evidence, claim)
        if not isinstance(judged, str):
            row |= {"text": claim.facts.get("quote") or claim.facts["digits"], "stated": claim.facts["start_s"], "fault": judged.fault}
            row |= {"features": judged.features, "time": judged.time, "heard": judged.heard, "log_odds": judged.log_odds}
        else:
            row["reason"] = judged
    return row


def groups(rows: list[Row]) -> list[int]:
    """One number an utterance: quotes of which one is nearly contained in the other share it; digit strings go by record."""
    found: list[int] = []
    for number, row in enumerate(rows):
        alike = (
            found[other]
            for other in range(number)
            if row["corpus"] == rows[other]["corpus"] == "speech-quotes"
            and partial_ratio(row["text"].lower(), rows[other]["text"].lower()) > 78
        )
        found.append(next(alike, number))
    return found


def fit_words(features: Floats, wrong: NDArray[np.bool_]) -> Floats:
    """Weights (not negative: no sign of a wrong claim may speak for it) and intercept, on scaled features."""
    x = features / SCALES

    def loss(parameters: Floats) -> float:
        logit = x @ parameters[:-1] + parameters[-1]
        fit = -np.where(wrong, log_expit(logit), log_expit(-logit)).sum()
        return float(fit + PENALTY * (parameters[:-1] ** 2).sum())

    bounds = [(0.0, None)] * len(FEATURES) + [(None, None)]
    return np.asarray(minimize(loss, np.zeros(len(FEATURES) + 1), method="L-BFGS-B", bounds=bounds).x)


def log_odds(row: Row, parameters: Floats) -> float:
    """What the detector computes with these parameters."""
    if not row["features"]:
        return float(row["log_odds"])
    words = float(np.asarray(row["features"]) / SCALES @ parameters[:-1] + parameters[-1])
    return words if row["stated"] is None else either(words, time_log_odds(row["stated"], *row["time"]))


def train_words(rows: list[Row]) -> Floats:
    """The word model; a right quote at a wrong time is an example of right words."""
    usable = [row for row in rows if row["features"]]
    return fit_words(
        np.asarray([row["features"] for row in usable]), np.asarray([row["wrong"] and row["error"] != "time" for row in usable])
    )


def cross_validate(rows: list[Row], keys: list[int]) -> tuple[Floats, NDArray[np.bool_]]:
    """Probabilities and flags of every claim from models that never saw its utterance."""
    wrong = np.asarray([row["wrong"] for row in rows])
    probability = np.zeros(len(rows))
    for train, test in StratifiedGroupKFold(FOLDS, shuffle=True, random_state=7).split(wrong, wrong, keys):
        words = train_words([rows[i] for i in train])
        raw = np.asarray([log_odds(row, words) for row in rows])
        fit = fit_platt(raw[train].tolist(), wrong[train].tolist(), [keys[i] for i in train], FOLDS)
        probability[test] = [fit.calibration.apply(raw[i]) for i in test]
    return probability, probability >= THRESHOLD


def report(rows: list[Row], probability: Floats, flagged: NDArray[np.bool_]) -> dict[str, Any]:
    """AUROC, catch and false alarms a corpus and error, on held-back folds."""
    found: dict[str, Any] = {}
    for name, error in (("speech-quotes", "quote"), ("speech-quotes", "time"), ("speech-digits", "value")):
        part = np.asarray([row["corpus"] == name and row["error"] in (None, error) for row in rows])
        wrong = np.asarray([row["wrong"] for row in rows])[part]
        found[f"{name} {error}"] = {
            "n": int(part.sum()),
            "wrong": int(wrong.sum()),
            "auroc": round(float(roc_auc_score(wrong, probability[part])), 4),
            "catch": round(float(flagged[part][wrong].mean()), 4),
            "false_alarms": round(float(flagged[part][~wrong].mean()), 4),
        }
    wrong = np.asarray([row["wrong"] for row in rows])
    edges = np.clip((probability * 10).astype(int), 0, 9)
    gaps = [(edges == b).sum() * abs(probability[edges == b].mean() - wrong[edges == b].mean()) for b in range(10) if (edges == b).any()]
    found["ece"] = round(float(sum(gaps) / len(rows)), 4)
    found["auroc"] = round(float(roc_auc_score(wrong, probability)), 4)
    found["catch"], found["false_alarms"] = round(float(flagged[wrong].mean()), 4), round(float(flagged[~wrong].mean()), 4)
    found["brier"] = round(float(brier_score_loss(wrong, probability)), 4)
    return found


def write(rows: list[Row], keys: list[int], measured: dict[str, Any]) -> None:
    """Fit on everything and write the word model and the calibration with their provenance."""
    words = train_words(rows)
    origin = {
        "corpora": list(CORPORA),
        "date": datetime.now(UTC).date().isoformat(),
        "n": len(rows),
        "groups": len(set(keys)),
        "cross_validated": measured,
    }
    fields = {
        "features": list(FEATURES),
        "weights": [round(float(w), 6) for w in words[:-1] / SCALES],
        "intercept": round(float(words[-1]), 6),
    }
    MODEL.write_text(json.dumps(fields | {"provenance": origin}, indent=2) + "\n", encoding="utf-8")
    raw = [log_odds(row, words) for row in rows]
    wrong = [bool(row["wrong"]) for row in rows]
    fit = fit_platt(raw, wrong, keys, FOLDS, name=QuoteMismatch.name)
    whole = {key: measured[key] for key in ("auroc", "brier", "catch", "false_alarms")}
    fit = replace(fit, calibration=replace(fit.calibration, threshold=THRESHOLD), measured=replace(fit.measured, **whole))
    fit.save(FOLDER, QuoteMismatch.version, origin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--heard", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="write the fitted files into detectors/")
    options = parser.parse_args()
    rows = listen(options.corpus, options.heard, options.threads)
    judged = [row for row in rows if "features" in row]
    keys = groups(judged)
    probability, flagged = cross_validate(judged, keys)
    measured = report(judged, probability, flagged)
    print(json.dumps({"coverage": len(judged) / len(rows)} | measured, indent=2))
    for row, p, flag in sorted(zip(judged, probability, flagged, strict=True), key=lambda item: item[1]):
        if flag != row["wrong"]:
            print(
                "false alarm" if flag else "missed",
                row["id"],
                round(float(p), 3),
                row["text"],
                "|",
                row["heard"],
                "|",
                row["features"],
                row["fault"],
            )
    if options.write:
        write(judged, keys, measured)


if __name__ == "__main__":
    main()

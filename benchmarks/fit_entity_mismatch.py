"""Calibrates entity_mismatch on words of labelled speech, asked for as if they were names.

Usage: python -m benchmarks.fit_entity_mismatch /path/to/speech-quotes [--write]

No corpus of spoken names is at hand. Of every true quote one long word is asked for at its time (right), one at the time of
another quote at least 15 s away (wrong time), and one long word of another recording (wrong). Real names are misheard more
often than these words: the band in which nothing is said stands for them.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from detectors.calibration import FOLDER
from detectors.calibration.fit import fit_platt
from detectors.claims import extract
from detectors.contract import Case, Claim, DetectorOptions, EvidenceFile
from detectors.entity_mismatch import EntityMismatch

FOLDS, SEED, LETTERS, APART_S = 6, 11, 6, 15.0
CEILING = 0.05
THRESHOLD, RISK_THRESHOLDS = 0.5, {"decision_support": 0.4, "authoritative": 0.3}


@dataclass(frozen=True, slots=True)
class Asked:
    """One word asked for: ``truth`` is right, entity or time."""

    truth: str
    claim: Claim
    evidence: EvidenceFile


def questions(folder: Path) -> list[Asked]:
    """Seeded words to ask for in every recording."""
    draw = random.Random(SEED)
    quotes: list[tuple[EvidenceFile, str, float]] = []
    for line in (folder / "responses.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        e = record["evidence"][0]
        evidence = EvidenceFile(e["id"], e["media_type"], folder / e["uri"].removeprefix("file:"), e["sha256"])
        claims = {claim.span: claim for claim in extract(record["answer"]["text"], ["audio"]) if claim.kind == "quote"}
        for label in record["labels"]:
            claim = claims.get(tuple(label["span"]))
            if claim is not None and not label["hallucinated"] and claim.facts["start_s"] is not None:
                quotes.append((evidence, claim.facts["quote"], claim.facts["start_s"]))
    asked: list[Asked] = []
    for evidence, quote, start in quotes:
        here = [(words, at) for other, words, at in quotes if other.sha256 == evidence.sha256]
        spoken = " ".join(words for words, _ in here).lower()
        long = [word for word in re.findall(r"[A-Za-z]+", quote) if len(word) >= LETTERS and spoken.count(word.lower()) == 1]
        if not long:
            continue
        word = draw.choice(long)
        asked.append(_asked("right", word, start, evidence))
        far = [at for _, at in here if abs(at - start) >= APART_S]
        if far:
            asked.append(_asked("time", word, draw.choice(far), evidence))
        foreign = [
            w for other, words, _ in quotes if other.sha256 != evidence.sha256 for w in re.findall(r"[A-Za-z]+", words) if len(w) >= LETTERS
        ]
        asked.append(_asked("entity", draw.choice([w for w in foreign if w.lower() not in spoken]), start, evidence))
    return asked


def _asked(truth: str, word: str, start: float, evidence: EvidenceFile) -> Asked:
    facts = {"spoken": True, "name": word.capitalize(), "start_s": start, "end_s": None}
    return Asked(truth, Claim("c1", word, None, "entity", facts=facts), evidence)


def main() -> None:
    """Print what was found; with ``--write`` replace the shipped calibration."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    detector = EntityMismatch(DetectorOptions(threads=1))
    detector.load()
    asked = questions(arguments.corpus)
    outcomes: Counter[tuple[str, str]] = Counter()
    rows: list[tuple[Asked, float]] = []
    for one in asked:
        case = Case("r", "", (one.claim,), (one.evidence,))
        found = detector.listen_for(case, one.evidence, one.claim)
        if not isinstance(found, str):
            rows.append((one, found.log_odds))
        (finding,) = detector.judge(case, [one.claim])
        outcomes[one.truth, finding.verdict] += 1
        if finding.verdict != ("supported" if one.truth == "right" else "hallucinated"):
            print(one.truth, one.claim.facts["name"], one.claim.facts["start_s"], finding.verdict, finding.reason or finding.explanation)
    for key, count in sorted(outcomes.items()):
        print(*key, count)
    raw, wrong = [value for _, value in rows], [one.truth != "right" for one, _ in rows]
    fit = fit_platt(raw, wrong, [one.evidence.sha256 for one, _ in rows], FOLDS, name=detector.name, false_alarm_ceiling=CEILING)
    print(fit.measured, fit.calibration)
    if arguments.write:
        fit = replace(fit, calibration=replace(fit.calibration, threshold=THRESHOLD, risk_thresholds=RISK_THRESHOLDS))
        provenance = {
            "corpus": f"long words of {arguments.corpus.name} asked for as names: {json.dumps(Counter(one.truth for one in asked))}",
            "date": datetime.now(tz=UTC).date().isoformat(),
            "grouped_by": "recording",
        }
        print(fit.save(FOLDER, detector.version, provenance))


if __name__ == "__main__":
    main()

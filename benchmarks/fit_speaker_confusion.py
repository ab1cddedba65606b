"""Calibrates speaker_confusion on a labelled corpus of speaker turns, and on seeded variants of its right records.

Usage: python -m benchmarks.fit_speaker_confusion /path/to/speaker-turns [--write]

A variant cuts every turn to a random length from 1.5 s on and gives one or two turns to another speaker of the recording,
so that the right naming stays the only best match of names to voices. Folds are by recording.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path

from detectors.calibration import FOLDER
from detectors.calibration.fit import fit_platt
from detectors.claims import complete
from detectors.contract import Case, Claim, DetectorOptions, EvidenceFile, Place
from detectors.speaker_confusion import BORNE_OUT, SpeakerConfusion

FOLDS, VARIANTS, SEED = 6, 4, 5
SHORTEST_S = 1.5
# Even odds flag; where a miss costs more, less is enough. All lie above what stands before listening (one name in ten wrong),
# which the costs of a miss alone would not ensure: what was heard must speak against a name, not only fail to speak for it.
THRESHOLD, RISK_THRESHOLDS = 0.5, {"decision_support": 0.4, "authoritative": 0.3}


@dataclass(frozen=True, slots=True)
class Row:
    """One turn: whether its name is wrong, the raw log odds, the recording it is in, of the corpus or a variant."""

    wrong: bool
    log_odds: float
    recording: str
    variant: bool


def cases(folder: Path) -> list[tuple[Case, EvidenceFile, dict[str, bool]]]:
    """Each record as a case with its recording and, by claim id, whether the claim is labelled wrong."""
    found = []
    for line in (folder / "responses.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        evidence = tuple(
            EvidenceFile(
                e["id"],
                e["media_type"],
                folder / e["uri"].removeprefix("file:"),
                e["sha256"],
                e.get("role", "source"),
                e.get("title"),
                e["metadata"],
            )
            for e in record["evidence"]
        )
        given = [
            Claim(
                c["id"],
                c["text"],
                tuple(c["span"]),
                c["kind"],
                (Place(c["citations"][0]["evidence"], time=tuple(c["citations"][0]["time"])),),
                c["citations"][0]["speaker"],
            )
            for c in record["claims"]
        ]
        claims = complete(given, record["answer"]["text"], ["audio"])
        wrong = {claim.id: label["hallucinated"] for claim, label in zip(claims, record["labels"], strict=True)}
        found.append((Case(record["id"], record["answer"]["text"], claims, evidence), evidence[0], wrong))
    return found


def variant(case: Case, draw: random.Random) -> tuple[Case, dict[str, bool]] | None:
    """A right case with shorter turns and one or two of them renamed; None where the renaming would be ambiguous."""
    claims = []
    for claim in case.claims:
        place = claim.citations[0]
        start, end = place.time or (0.0, 0.0)
        length = min(end - start, draw.uniform(SHORTEST_S, 6.0))
        begin = draw.uniform(start, end - length)
        claims.append(replace(claim, citations=(replace(place, time=(begin, begin + length)),)))
    names = sorted({str(claim.speaker) for claim in claims})
    chosen = draw.sample(range(len(claims)), draw.choice((0, 1, 1, 2)))
    for number in chosen:
        claims[number] = replace(claims[number], speaker=draw.choice([name for name in names if name != claims[number].speaker]))
    pairs = Counter((str(new.speaker), str(old.speaker)) for new, old in zip(claims, case.claims, strict=True))
    matches = sorted(sum(pairs[a, b] for a, b in zip(names, order, strict=True)) for order in permutations(names))
    if len(matches) > 1 and (matches[-1] == matches[-2] or matches[-1] != len(claims) - len(chosen)):
        return None
    return replace(case, claims=tuple(claims)), {claim.id: number in chosen for number, claim in enumerate(claims)}


def collect(folder: Path, detector: SpeakerConfusion) -> list[Row]:
    """A row a turn with enough speech, of the corpus and of the variants."""
    rows: list[Row] = []
    draw = random.Random(SEED)
    for case, recording, wrong in cases(folder):
        made = [(case, wrong, False)]
        if not any(wrong.values()):
            made += [(*changed, True) for _ in range(VARIANTS) if (changed := variant(case, draw)) is not None]
        for one, truth, varied in made:
            odds = detector.log_odds(one, recording, one.claims)
            rows += [Row(truth[claim], value, recording.sha256, varied) for claim, value in odds.items()]
    return rows


def main() -> None:
    """Print what cross-validation says; with ``--write`` replace the shipped calibration."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    detector = SpeakerConfusion(DetectorOptions(threads=1))
    detector.load()
    rows = collect(arguments.corpus, detector)
    fit = fit_platt(
        [row.log_odds for row in rows],
        [row.wrong for row in rows],
        [row.recording for row in rows],
        FOLDS,
        name=detector.name,
    )
    fit = replace(fit, calibration=replace(fit.calibration, threshold=THRESHOLD, risk_thresholds=RISK_THRESHOLDS))
    print(fit.measured)
    print(fit.calibration)
    for varied in (False, True):
        part = [row for row in rows if row.variant is varied]
        told = [row for row in part if not row.log_odds > BORNE_OUT or fit.calibration.apply(row.log_odds) >= THRESHOLD]
        flags = Counter((row.wrong, row.log_odds > BORNE_OUT) for row in told)
        print(
            f"{'variants' if varied else 'corpus'}: {len(part)} turns, {len(told)} told apart; caught {flags[True, True]} of "
            f"{flags[True, True] + flags[True, False]}, false alarms {flags[False, True]} of {flags[False, True] + flags[False, False]}"
        )
    if arguments.write:
        provenance = {
            "corpus": f"{arguments.corpus.name} and {VARIANTS} seeded variants of each right record (shorter turns, one or two renamed)",
            "date": datetime.now(tz=UTC).date().isoformat(),
            "group": "recording",
            "corpus_turns": sum(not row.variant for row in rows),
        }
        print(fit.save(FOLDER, detector.version, provenance))


if __name__ == "__main__":
    main()

"""How many short statements about short texts ``ungrounded_statement`` gets right: the mistakes people see at a glance.

    python -m benchmarks.written_statements [--misses]

``written_statements.json`` holds texts and statements written for this purpose by hand: half of them paraphrases, the others
with one thing changed (who, what, how many, when, must for may, a denial). Each set says what it was used for; only a set
that no rule was written on tells what to expect. Prints, for each, how many false statements are flagged and how many true ones.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from pathlib import Path

from detectors.contract import Case, Claim, DetectorOptions, EvidenceFile, Finding
from detectors.ungrounded_statement import UngroundedStatement

WRITTEN = Path(__file__).with_suffix(".json")


def judged(detector: UngroundedStatement, text: EvidenceFile, statement: str) -> Finding:
    """The finding on one statement."""
    claim = Claim("c1", statement, (0, len(statement)), "statement", given=True)
    return detector.detect([Case("r", statement, (claim,), (text,))])[0].findings[0]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--misses", action="store_true", help="name what was judged wrongly")
    given = parser.parse_args()
    detector = UngroundedStatement(DetectorOptions(threads=1))
    detector.load()
    with tempfile.TemporaryDirectory() as folder:
        for group in json.loads(WRITTEN.read_text(encoding="utf-8"))["sets"]:
            flagged: dict[bool, list[bool]] = {True: [], False: []}
            for number, one in enumerate(group["texts"]):
                path = Path(folder) / f"{group['name']}-{number}.txt"
                path.write_text(one["text"], encoding="utf-8")
                text = EvidenceFile("text", "text/plain", path, hashlib.sha256(path.read_bytes()).hexdigest())
                for statement in one["statements"]:
                    finding = judged(detector, text, statement["says"])
                    flagged[statement["true"]].append(finding.verdict == "hallucinated")
                    if given.misses and flagged[statement["true"]][-1] == statement["true"]:
                        print(
                            f"  {'right, flagged' if statement['true'] else 'wrong, passed'}: {statement['says']} | {finding.explanation}"
                        )
            wrong, right = flagged[False], flagged[True]
            print(
                f"{group['name']} ({group['note']}): wrong flagged {sum(wrong)} of {len(wrong)}, right flagged {sum(right)} of {len(right)}"
            )


if __name__ == "__main__":
    main()

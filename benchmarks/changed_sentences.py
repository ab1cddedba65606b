"""Measures copied sentences in which one number or one name was changed: ``ungrounded_statement`` on texts.

Usage: python -m benchmarks.changed_sentences /path/to/corpora [--documents N] [--from N]

Of each text of ``text-grounding`` up to twelve sentences are asked as they stand, and with one number, or one name, of another
document in the place of theirs. Prints for each kind how many were flagged and supported, with the share flagged (95 %,
resampled by document), and what was judged wrongly.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.page_statements import NAME, NUMBER, SEED, chosen, sentences, statements_of
from benchmarks.spoken_statements import share
from detectors.contract import DetectorOptions, EvidenceFile, Finding
from detectors.ungrounded_statement import UngroundedStatement

SENTENCES, SHOWN = 12, 15


def asked(text: str, others: Sequence[str], chance: random.Random) -> list[tuple[str, str]]:
    """Kind and sentence; what is put in stands nowhere in the text."""
    found = []
    for sentence in sentences(text)[:SENTENCES]:
        found.append(("as it stands", sentence))
        for kind, pattern in (("number", NUMBER), ("name", NAME)):
            places = list(pattern.finditer(sentence))
            strange = [match[0] for other in others for match in pattern.finditer(other) if match[0] not in text]
            if places and strange:
                place = chance.choice(places)
                found.append((kind, sentence[: place.start()] + chance.choice(strange) + sentence[place.end() :]))
    return found


def findings(corpora: Path, first: int, count: int, folder: Path) -> Iterator[tuple[str, str, Finding]]:
    """Kind, document and finding of every sentence."""
    detector = UngroundedStatement(DetectorOptions(threads=1))
    detector.load()
    texts = chosen(corpora, first + count)
    chance = random.Random(SEED)
    for name, text, _ in texts[first:]:
        path = folder / f"{name}.txt"
        path.write_text(text, encoding="utf-8")
        evidence = EvidenceFile("text", "text/plain", path, hashlib.sha256(path.read_bytes()).hexdigest())
        questions = asked(text, [other for known, other, _ in texts if known != name], chance)
        (outcome,) = detector.detect([statements_of([evidence], [sentence for _, sentence in questions])])
        by_claim = {finding.claim.id: finding for finding in outcome.findings}
        for number, (kind, _) in enumerate(questions):
            yield kind, name, by_claim[f"c{number}"]


def main() -> None:
    """Print the counts as JSON, after the mistakes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--documents", type=int, default=60)
    parser.add_argument("--from", type=int, default=0, dest="first", help="how many documents to pass over")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = list(findings(arguments.corpora, arguments.first, arguments.documents, Path(folder)))
    mistakes = [(kind, one) for kind, _, one in rows if one.verdict == ("hallucinated" if kind == "as it stands" else "supported")]
    for kind, one in mistakes[:SHOWN]:
        print(f"{kind} | {one.claim.text} | {one.explanation}")
    table = {}
    for kind in ("as it stands", "number", "name"):
        mine = [(name, one) for other, name, one in rows if other == kind]
        verdicts = Counter(one.verdict for _, one in mine)
        flagged = share([(name, one.verdict == "hallucinated") for name, one in mine]) if mine else None
        table[kind] = {"n": len(mine), **verdicts, "flagged": flagged}
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()

"""Measures how often a contradiction of a value, a name, a denial or a deed is real, and ships it as the least score of one.

Usage: python -m benchmarks.fit_contradictions ROWS [ROWS …] [--write]

ROWS are the file that ``fit_ungrounded_statement --rows`` keeps, first, and those ``fit_citation_mismatch`` measures. A label
counts where one of its sentences has a contradiction aligned as :data:`ALIGNED` says or better. Labels of one document share
one vote: its share of wrong ones. The precision is smoothed (Laplace: one right and one wrong document more).
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

from detectors.grounding.contradictions import KINDS, RULES

# By hand, round numbers; the tables printed say what others would give. Opposites and denials stand near each other by chance.
ALIGNED = {"value": 0.6, "name": 0.6, "denial": 0.7, "deed": 0.6}
SHOWN = (0.5, 0.6, 0.7, 0.8, 0.9)
Label = tuple[dict[str, float], bool, str]


def read(path: Path) -> list[Label]:
    """Each label's best alignment by kind, whether it is wrong, and its document."""
    text = path.read_text(encoding="utf-8")
    if text.lstrip().startswith('{"features"'):
        return [(contradicted, wrong, document) for _, wrong, document, _, contradicted in json.loads(text)["rows"]]
    rows = [json.loads(line) for line in text.splitlines()]
    return [(row["contradicted"], row["wrong"], row["keys"][0]) for row in rows]


def precision(labels: list[Label], kind: str, aligned: float) -> tuple[float, int, int, int]:
    """Smoothed precision over documents, documents, and labels that have one: wrong and all."""
    votes: dict[str, list[bool]] = defaultdict(list)
    for best, wrong, document in labels:
        if best[kind] >= aligned:
            votes[document].append(wrong)
    shares = [sum(one) / len(one) for one in votes.values()]
    every = [wrong for one in votes.values() for wrong in one]
    return (sum(shares) + 1) / (len(shares) + 2), len(shares), sum(every), len(every)


def main() -> None:
    """Print the table, and with ``--write`` ship the rules."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, nargs="+")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    by_file = {path.name: read(path) for path in arguments.rows}
    pooled = [label for labels in by_file.values() for label in labels]
    for name, labels in {**by_file, "pooled": pooled}.items():
        for kind in KINDS:
            found = [precision(labels, kind, aligned) for aligned in SHOWN]
            print(name, kind, *(f"≥{a}: {p:.2f} ({d} documents, {w}/{n})" for a, (p, d, w, n) in zip(SHOWN, found, strict=True)))
    if arguments.write:
        shipped = {}
        for kind in KINDS:
            # Another deed in a cited text is often that of another source: citation_mismatch leaves deeds out, and so does this.
            share, documents, _, _ = precision(by_file[arguments.rows[0].name] if kind == "deed" else pooled, kind, ALIGNED[kind])
            shipped[kind] = {"aligned": ALIGNED[kind], "precision": round(share, 4), "documents": documents}
        provenance = {"labels": len(pooled), "grouped_by": "document", "date": datetime.now(UTC).date().isoformat()}
        RULES.write_text(json.dumps({"rules": shipped, "provenance": provenance}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

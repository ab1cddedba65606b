"""Writes the scores of missing_evidence's rules: the share of authored sentences on which each rule is right, smoothed after Laplace.

    python -m benchmarks.fit_missing_evidence            # counts on the tuning half, writes detectors/presence/rule_scores.json
    python -m benchmarks.fit_missing_evidence --check    # precision and recall on both halves, writes nothing

A rule that fires n times and is right r times gets (r + 1) / (n + 2). A rule that refuses a flag ("the answer declines
rightly") gets one minus that. The held-out half is never counted.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from detectors.contract import DetectorOptions, Finding
from detectors.missing_evidence import RULE_SCORES, MissingEvidence
from tests.detectors.presence.sources import case_of, sentences


class _Watched(MissingEvidence):
    """Notes which rule gave each finding."""

    rules: list[str]

    def _wrong(self, claim, rule, told, error, place=None) -> Finding:  # type: ignore[no-untyped-def]
        self.rules.append(rule)
        self._scores.setdefault(rule, 0.9)
        return super()._wrong(claim, rule, told, error, place)

    def _right(self, claim, told, evidence=None) -> Finding:  # type: ignore[no-untyped-def]
        self.rules.append("refused_rightly")
        self._scores.setdefault("refused_rightly", 0.1)
        return super()._right(claim, told, evidence)


def count(name: str, folder: Path, tell: bool) -> tuple[Counter[str], Counter[str], list[int]]:
    """How often each rule fired and was right, and the sentences that were rightly and wrongly flagged, missed and left."""
    fired: Counter[str] = Counter()
    right: Counter[str] = Counter()
    table = [0, 0, 0, 0]
    detector = _Watched(DetectorOptions())
    if RULE_SCORES.exists():
        detector.load()
    for number, line in enumerate(sentences(name)):
        detector.rules = []
        outcome = detector.detect([case_of(line, folder, number)])[0]
        flagged = any(finding.verdict == "hallucinated" for finding in outcome.findings)
        for rule in set(detector.rules):
            fired[rule] += 1
            right[rule] += line["flag"] == (rule != "refused_rightly")
        table[(0 if line["flag"] else 1) if flagged else (2 if line["flag"] else 3)] += 1
        if tell and flagged != line["flag"]:
            told = [finding.explanation for finding in outcome.findings]
            print(f"  {'missed' if line['flag'] else 'false'}: {line['evidence']} {line['answer']!r} {told}")
    return fired, right, table


def main() -> None:
    """See the module."""
    check = "--check" in sys.argv
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("tuning", "held_out") if check else ("tuning",):
            fired, right, (hit, false, missed, left) = count(name, Path(scratch), tell="--tell" in sys.argv)
            print(f"{name}: precision {hit}/{hit + false}, recall {hit}/{hit + missed}, left alone {left}/{left + false}")
            for rule in sorted(fired):
                print(f"  {rule:18} right {right[rule]} of {fired[rule]}")
    if not check:
        rules = {}
        for rule in sorted(fired):
            share = (right[rule] + 1) / (fired[rule] + 2)
            score = 1 - share if rule == "refused_rightly" else share
            rules[rule] = {"score": round(score, 3), "right": right[rule], "n": fired[rule]}
        provenance = "right of n authored sentences (tests/detectors/presence/tuning.jsonl), (right + 1) / (n + 2)"
        RULE_SCORES.write_text(json.dumps({"provenance": provenance, "rules": rules}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

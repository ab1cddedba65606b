"""Fits and measures source_confusion on a corpus of answers that cite one of several documents for each sentence.

    python -m benchmarks.fit_source_confusion CORPUS [--write] [--single CORPUS]

Groups are sets of records that share a document, so that no document is in two folds. ``--single`` is a corpus of
answers about one document each: a document of another record of the same kind is put beside it, and the answer is taken to cite its own.
Nothing there comes from the other document, so every flag is a false alarm, also on statements that are wrong.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from detectors.calibration import FOLDER
from detectors.calibration.fit import fit_platt
from detectors.citing.origin import indexed
from detectors.citing.texts import TextSources
from detectors.claims.citing import without_marks
from detectors.contract import DetectorOptions, EvidenceFile
from detectors.source_confusion import Source, SourceConfusion

FOLDS = 5
# The rate of false alarms the threshold is chosen for.
CEILING = 0.003


def evidence_of(record: dict, folder: Path) -> list[EvidenceFile]:
    """The evidence of a record of a corpus in ``folder``."""
    return [
        EvidenceFile(one["id"], one["media_type"], folder / one["uri"].removeprefix("file:"), one["sha256"], title=one.get("title"))
        for one in record["evidence"]
    ]


def read(pieces: Iterable[EvidenceFile], texts: TextSources) -> list[Source]:
    """The sources as the detector reads them."""
    return [Source(piece, text := texts.read(piece), indexed(text.text)) for piece in pieces]


def joined(records: list[dict]) -> list[int]:
    """A number for each record; records that share a document, directly or through others, have the same."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for record in records:
        first, *rest = (one["sha256"] for one in record["evidence"])
        for other in rest:
            parent[root(other)] = root(first)
    numbers: dict[str, int] = {}
    return [numbers.setdefault(root(record["evidence"][0]["sha256"]), len(numbers)) for record in records]


def collect(folder: Path, detector: SourceConfusion) -> tuple[list[float], list[bool], list[int], int]:
    """Raw scores, truths and groups of all labels, and how many wrong ones are traced to the right document."""
    texts = TextSources(DetectorOptions())
    records = [json.loads(line) for line in (folder / "responses.jsonl").open(encoding="utf-8")]
    raw, labels, groups, traced = [], [], [], 0
    for record, group in zip(records, joined(records), strict=True):
        sources = read(evidence_of(record, folder), texts)
        for claim, label in zip(record["claims"], record["labels"], strict=True):
            found = detector.origin(without_marks(claim["text"]), [one["evidence"] for one in claim["citations"]], sources)
            if found is None:
                raise ValueError(f"{record['id']}: there is only one document")
            raw.append(found.raw)
            labels.append(label["hallucinated"])
            groups.append(group)
            traced += label["hallucinated"] and found.other.piece.id == label["citation"]["evidence"]
    return raw, labels, groups, traced


def misplaced(folder: Path, detector: SourceConfusion) -> tuple[list[float], list[bool]]:
    """Raw scores of statements about one document with the next other document of the same set beside it, and whether they are wrong."""
    texts = TextSources(DetectorOptions())
    sets: dict[str, list[dict]] = {}
    for line in (folder / "responses.jsonl").open(encoding="utf-8"):
        record = json.loads(line)
        sets.setdefault(record["cohort"]["set"], []).append(record)
    raw, wrong = [], []
    for records in sets.values():
        for number, record in enumerate(records):
            own = evidence_of(record, folder)[:1]
            following = records[number + 1 :] + records[:number]
            other = next((piece for one in following for piece in evidence_of(one, folder)[:1] if piece.sha256 != own[0].sha256), None)
            if other is None:
                continue
            sources = read([own[0], EvidenceFile("other", other.media_type, other.path, other.sha256)], texts)
            for label in record["labels"]:
                found = detector.origin(record["answer"]["text"][slice(*label["span"])], [own[0].id], sources)
                raw.append(found.raw if found else 0.0)
                wrong.append(label["hallucinated"])
    return raw, wrong


def main() -> None:
    """Measure, and with ``--write`` ship the fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--single", type=Path)
    arguments = parser.parse_args()
    detector = SourceConfusion(DetectorOptions())
    raw, labels, groups, traced = collect(arguments.corpus, detector)
    fit = fit_platt(raw, labels, groups, FOLDS, name=SourceConfusion.name, false_alarm_ceiling=CEILING)
    print(f"traced to the right document: {traced} of {sum(labels)}\n{fit.measured}\n{fit.calibration}")
    if arguments.single:
        others, wrong = misplaced(arguments.single, detector)
        flags = [fit.calibration.apply(one) >= fit.calibration.threshold for one in others]
        for kind in (True, False):
            chosen = [flag for flag, one in zip(flags, wrong, strict=True) if one is kind]
            print(
                f"{'wrong' if kind else 'right'} statements about one document, another beside it: flagged {sum(chosen)} of {len(chosen)}"
            )
    if arguments.write:
        provenance = {"corpus": arguments.corpus.name, "grouped_by": "records that share a document", "traced": traced}
        fit.save(FOLDER, SourceConfusion.version, provenance | {"date": datetime.now(UTC).date().isoformat()})


if __name__ == "__main__":
    main()

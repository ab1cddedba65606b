"""How much faster detectors are than their libraries called one by one: `python -m benchmarks.detectors CORPORA [--items 60]`.

CORPORA is the folder that holds objects-coco, receipts-sroie and speech-quotes. For each kind the same responses are
worked off in four ways, with models loaded and tried on other responses before the clock starts:

* ``plain``: the library called as its manual shows, once for each question put to it: the network's passes over the picture
  for every claim about an object; rapidocr and easyocr once for every response with a page; faster-whisper once for every
  response with a recording. Nothing is compared with the answer yet.
* ``one by one``: the detector, claim by claim, forgetting everything in between.
* ``cold``: a worker with an empty verdict cache, in micro-batches: claims read, input quality measured, verdicts made.
* ``warm``: another worker on the same folder, as after a restart: every verdict is an earlier one.

Prints JSON: seconds, their ratios, and how many verdicts of ``cold`` and ``warm`` equal those of ``one by one``. Run it
on a quiet machine; ``--threads`` applies to every way alike.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import detectors.claims
from detectors.catalogue import create
from detectors.contract import Case, Detector, DetectorOptions, EvidenceFile
from detectors.pictures import open_picture
from detectors.seeing.coco import CocoDetector
from detectors.weights import OCR_SECOND, verified_files, whisper_base_folder
from monitor.detect.bench import Bench
from monitor.detect.cases import CaseBuilder
from monitor.detect.wire import Judgement, WorkerConfig
from monitor.evaluate.corpus import read_corpus
from monitor.evidence import BlobCache, ReferenceReader
from monitor.records import ResponseRecord

KINDS = {
    "objects": ("objects-coco", "object_hallucination"),
    "text": ("receipts-sroie", "ocr_mismatch"),
    "speech": ("speech-quotes", "quote_mismatch"),
}
BATCH = 8
# Responses judged before the clock starts, and not again.
WARM_UP = 4
_MOST_BYTES = 200 * 1024 * 1024
Verdicts = dict[tuple[str, str], str]
_numbers = itertools.count()


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--items", type=int, default=60, help="responses of each kind, beside those of the warm-up")
    parser.add_argument("--kinds", default=",".join(KINDS), help="some of " + ", ".join(KINDS))
    parser.add_argument("--threads", type=int, default=0, help="threads of the models; 0 = the libraries' choice")
    arguments = parser.parse_args()
    table = {kind: measure(kind, arguments.corpora, arguments.items, arguments.threads) for kind in arguments.kinds.split(",")}
    print(json.dumps({"cores": os.cpu_count(), "threads": arguments.threads, "kinds": table}, indent=2))


def measure(kind: str, corpora: Path, items: int, threads: int) -> dict[str, Any]:
    """One kind: what was timed, the ratios, and the verdicts that agree."""
    corpus, name = KINDS[kind]
    folder = corpora / corpus
    records = read_corpus(folder, items + WARM_UP).records
    records, others = records[:-WARM_UP], records[-WARM_UP:]
    with tempfile.TemporaryDirectory() as cache:
        options = DetectorOptions(threads=threads, cache_dir=Path(cache) / "models")
        detector = create(name, options)
        detector.load()
        cases = [case for case in _cases(records, folder, Path(cache)) if detector.claims_for(case)]
        config = WorkerConfig(
            cache_dir=str(Path(cache) / "worker"), max_evidence_bytes=_MOST_BYTES, threads=threads, verdict_cache_bytes=64 * 1024 * 1024
        )
        # Parts loaded on demand (a second reader, the parser of sentences) load with cases that are not timed.
        detector.detect([_forgotten(case) for case in _cases(others, folder, Path(cache))])
        alone_s, alone = timed(lambda: one_by_one(detector, cases))
        cold_s, cold = timed(worker(config, name, records, others, folder))
        warm_s, warm = timed(worker(config, name, records, others, folder))
        plain = {way: timed(call)[0] for way, call in PLAIN[kind](cases, detector, options).items()}
    seconds = {**{f"plain {way}": spent for way, spent in plain.items()}, "one by one": alone_s, "cold": cold_s, "warm": warm_s}
    return {
        "responses": len(cases),
        "claims": len(alone),
        "seconds": {way: round(spent, 3) for way, spent in seconds.items()},
        "cold is faster by": {way: round(spent / cold_s, 2) for way, spent in seconds.items() if way not in ("cold", "warm")},
        "warm is faster by": {way: round(spent / warm_s, 1) for way, spent in seconds.items() if way != "warm"},
        "equal verdicts": {"cold": _equal(alone, cold), "warm": _equal(alone, warm), "of": len(alone)},
    }


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what the action gave."""
    started = time.perf_counter()
    given = action()
    return time.perf_counter() - started, given


def one_by_one(detector: Detector, cases: Sequence[Case]) -> Verdicts:
    """Every claim alone, nothing kept from the one before."""
    found: Verdicts = {}
    for case in cases:
        mine = detector.claims_for(case)
        others = tuple(claim for claim in case.claims if claim not in mine)
        for claim in mine:
            (outcome,) = detector.detect([_forgotten(replace(case, claims=(*others, claim)))])
            found.update({(case.id, finding.claim.id): finding.verdict for finding in outcome.findings})
    return found


def worker(
    config: WorkerConfig, name: str, records: Sequence[ResponseRecord], others: Sequence[ResponseRecord], folder: Path
) -> Callable[[], Verdicts]:
    """A fresh worker with its models loaded and tried on ``others``; what it does when called is timed."""
    bench = Bench(config)
    bench.load(name)
    bench.judge(name, list(others), folder)

    def work() -> Verdicts:
        found: Verdicts = {}
        for start in range(0, len(records), BATCH):
            batch = records[start : start + BATCH]
            for record, judgement in zip(batch, bench.judge(name, batch, folder), strict=True):
                found.update(_verdicts(record, judgement))
        return found

    return work


def _verdicts(record: ResponseRecord, judgement: Judgement) -> Verdicts:
    return {(record.id, finding.claim_id): finding.verdict for finding in judgement.findings}


def _equal(reference: Verdicts, other: Verdicts) -> int:
    return sum(other.get(key) == verdict for key, verdict in reference.items())


def _cases(records: Sequence[ResponseRecord], folder: Path, cache: Path) -> Iterator[Case]:
    blobs = BlobCache(cache / "blobs", _MOST_BYTES)
    builder = CaseBuilder(detectors.claims, None, ReferenceReader((), _MOST_BYTES, blobs), blobs, _MOST_BYTES)
    return (builder.build(record, folder) for record in records)


def _forgotten(case: Case) -> Case:
    """The same case under hashes that nothing was kept by."""
    return replace(case, evidence=tuple(replace(piece, sha256=f"{next(_numbers):064x}") for piece in case.evidence))


# --- the libraries alone ------------------------------------------------------------------------------------------


def _look(cases: Sequence[Case], detector: Detector, options: DetectorOptions) -> dict[str, Callable[[], Any]]:
    network = CocoDetector.open(options.object_model, detector.name, options.threads)
    asked = [(piece, claim) for case in cases for piece in case.evidence_of("image") for claim in detector.claims_for(case)]
    return {"cv2.dnn": lambda: [network.look(open_picture(piece)) for piece, _ in asked]}


def _read(cases: Sequence[Case], _detector: Detector, options: DetectorOptions) -> dict[str, Callable[[], Any]]:
    import easyocr
    import torch
    from rapidocr import RapidOCR

    if options.threads:
        torch.set_num_threads(options.threads)
    weights = str(verified_files(OCR_SECOND)[0].parent)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        slow = easyocr.Reader(
            ["en"], gpu=False, model_storage_directory=weights, user_network_directory=weights, download_enabled=False, verbose=False
        )
    fast = RapidOCR()
    pages = _pieces(cases, "image")
    return {
        "rapidocr": lambda: [fast(str(piece.path)) for piece in pages],
        "easyocr": lambda: [slow.readtext(str(piece.path)) for piece in pages],
    }


def _listen(cases: Sequence[Case], _detector: Detector, options: DetectorOptions) -> dict[str, Callable[[], Any]]:
    from faster_whisper import WhisperModel

    folder = whisper_base_folder(options.cache_dir or Path(tempfile.gettempdir()))
    model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=options.threads, local_files_only=True)
    recordings = _pieces(cases, "audio", "video")
    # Segments come as a generator: the work is done when they are taken.
    return {"faster-whisper": lambda: [list(model.transcribe(str(piece.path), word_timestamps=True)[0]) for piece in recordings]}


def _pieces(cases: Sequence[Case], *families: str) -> list[EvidenceFile]:
    return [piece for case in cases for piece in case.evidence_of(*families)]


PLAIN: dict[str, Callable[[Sequence[Case], Detector, DetectorOptions], dict[str, Callable[[], Any]]]] = {
    "objects": _look,
    "text": _read,
    "speech": _listen,
}


if __name__ == "__main__":
    main()

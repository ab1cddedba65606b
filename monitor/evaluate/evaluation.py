"""``groundwatch evaluate``: corpora through the detectors, resumable, with the numbers at the end."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from monitor.clock import Clock, SystemClock
from monitor.detect.bench import source_digest
from monitor.detect.cases import visible
from monitor.detect.catalogues import failures_of
from monitor.detect.engine import DetectorReport, WorkItem, outcome_of
from monitor.detect.local import LocalEngine
from monitor.detect.wire import CATALOGUE_MODULE, CLAIMS_MODULE, Judgement, WorkerConfig, config_of
from monitor.errors import GroundwatchError
from monitor.evaluate.answers import answer_quality
from monitor.evaluate.corpus import Corpus, read_corpus
from monitor.evaluate.degraded import expanded
from monitor.evaluate.metrics import Measure, measure
from monitor.evaluate.report import CorpusReport, json_of, show, show_reasons
from monitor.evaluate.results import ResultCache
from monitor.evaluate.scoring import DetectorScores, LabelTable, detector_scores, label_table, together
from monitor.findings import QUALITY_GRADES, OutcomeRecord, QualityGrade, input_quality
from monitor.sealing import keys_for
from monitor.settings import Settings

EXIT_DONE = 0
EXIT_REFUSED = 2
_COLLECT_S = 0.5
_PROJECT = "evaluation"


def run(
    folders: Sequence[Path],
    limit: int | None,
    detectors: Sequence[str] | None,
    as_json: bool,
    settings: Settings,
    degrade: str | None = None,
    seed: int = 0,
) -> int:
    """Measure the corpora and print the result: a report on stdout, progress and refusals on stderr.

    ``degrade`` measures degraded copies instead; see :func:`evaluate`.

    Returns 0, or 2 where a folder or a detector was refused (then nothing is measured).
    """
    aside = Console(stderr=True)
    try:
        reports = evaluate(folders, settings, limit=limit, detectors=detectors, aside=aside, degrade=degrade, seed=seed)
    except GroundwatchError as error:
        aside.print(f"groundwatch: {error}", highlight=False, markup=False, soft_wrap=True)
        return EXIT_REFUSED
    if not as_json:
        show(reports, Console(width=None if sys.stdout.isatty() else 160))
        return EXIT_DONE
    for report in reports:
        show_reasons(report, aside)
    sys.stdout.write(json_of(reports) + "\n")
    return EXIT_DONE


def evaluate(
    folders: Sequence[Path],
    settings: Settings,
    *,
    limit: int | None = None,
    detectors: Sequence[str] | None = None,
    aside: Console | None = None,
    clock: Clock | None = None,
    catalogue: str = CATALOGUE_MODULE,
    claims: str = CLAIMS_MODULE,
    degrade: str | None = None,
    seed: int = 0,
) -> list[CorpusReport]:
    """One report a folder, in order; with ``degrade`` one a folder and kind.

    Args:
        folders: labelled corpora.
        limit: only the first responses of each.
        detectors: names; by default those of the settings.
        aside: where progress is shown.
        degrade: measure copies degraded in this way, or with ``all`` in every way that applies, as corpora ``NAME+KIND``.
        seed: of the degradations; the same seed makes the same copies.

    Raises:
        CorpusRefused, SettingsInvalid: before anything is judged.
    """
    names = list(dict.fromkeys(detectors or settings.detectors))
    failures_of(names, catalogue)
    corpora = expanded([read_corpus(folder, limit) for folder in folders], degrade, seed, settings.cache_dir)
    config = config_of(settings, keys=keys_for(settings), catalogue=catalogue, claims=claims)
    engine = LocalEngine(config, max(1, settings.workers), settings.item_timeout_s, clock or SystemClock())
    reports = []
    with _running(engine), _progress(aside) as progress:
        known = _load(engine, names)
        for corpus in corpora:
            judge = _Judge(engine, config, settings, progress)
            reports.append(report_of(corpus, {name: judge.judge(corpus, name, known[name]) for name in names}))
    return reports


@contextmanager
def _running(engine: LocalEngine) -> Iterator[None]:
    engine.start()
    try:
        yield
    finally:
        engine.stop(drain=False)


def _progress(aside: Console | None) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=aside or Console(stderr=True), disable=aside is None)


def _load(engine: LocalEngine, names: Sequence[str]) -> dict[str, DetectorReport]:
    for name in names:
        engine.submit(name, [])
    while engine.unfinished:
        engine.collect(_COLLECT_S)
    return {name: engine.reports[name] for name in names}


class _Judge:
    """Gets the outcomes of one detector on one corpus, from the cache or from the workers."""

    def __init__(self, engine: LocalEngine, config: WorkerConfig, settings: Settings, progress: Progress) -> None:
        self._engine = engine
        self._digest = source_digest(config)
        self._settings = settings
        self._progress = progress

    def judge(self, corpus: Corpus, detector: str, report: DetectorReport) -> dict[str, OutcomeRecord]:
        items = [WorkItem(project=_PROJECT, record=visible(record)) for record in corpus.records]
        if not report.available:
            failed = Judgement(state="failed", reason=report.reason)
            now = self._engine.clock.now()
            return {item.record.id: outcome_of(item, detector, failed, now) for item in items}
        version, weights = report.version or "", report.weights_version or ""
        cache = ResultCache(self._settings.cache_dir, corpus.name, detector, version, weights, self._digest)
        outcomes = {item.record.id: known for item in items if (known := cache.get(item.record)) is not None}
        task = self._progress.add_task(f"{corpus.name}  {detector}", total=len(items), completed=len(outcomes))
        self._run(corpus, detector, [item for item in items if item.record.id not in outcomes], cache, outcomes, task)
        return outcomes

    def _run(
        self, corpus: Corpus, detector: str, items: list[WorkItem], cache: ResultCache, outcomes: dict[str, OutcomeRecord], task: TaskID
    ) -> None:
        size = self._settings.batch_size
        waiting = [items[start : start + size] for start in range(0, len(items), size)]
        waiting.reverse()
        while waiting or self._engine.unfinished:
            while waiting and self._engine.unfinished <= self._engine.workers:
                self._engine.submit(detector, waiting.pop(), str(corpus.folder))
            for finished in self._engine.collect(_COLLECT_S):
                for item, outcome in zip(finished.items, finished.outcomes, strict=True):
                    outcomes[item.record.id] = outcome
                    cache.add(item.record, outcome)
                self._progress.advance(task, len(finished.items))


def report_of(corpus: Corpus, outcomes: dict[str, dict[str, OutcomeRecord]]) -> CorpusReport:
    """The numbers of one corpus; ``outcomes`` by detector and response id."""
    table = label_table(corpus)
    scores = {name: detector_scores(corpus, found) for name, found in outcomes.items()}
    overall = together(scores.values())
    return CorpusReport(
        name=corpus.name,
        task=corpus.task,
        responses=len(corpus.records),
        labels=corpus.labels,
        overall=measure(table, overall),
        detectors={name: measure(table, found) for name, found in scores.items()},
        slices=_slices(table, overall, qualities_of(corpus, outcomes.values())),
        reasons={name: found.reasons for name, found in scores.items()},
        answers=answer_quality(corpus.name, corpus.records),
    )


def qualities_of(corpus: Corpus, outcomes: Iterable[dict[str, OutcomeRecord]]) -> list[QualityGrade | None]:
    """The input quality of each response, in order, as the detectors' workers measured it; None where none did."""
    several = list(outcomes)
    found = ([one[record.id].quality for one in several if one[record.id].quality] for record in corpus.records)
    return [input_quality(pieces[0]) if pieces else None for pieces in found]


def _slices(table: LabelTable, scores: DetectorScores, qualities: Sequence[QualityGrade | None]) -> dict[str, Measure]:
    """Every cohort value, every measured input quality, and every kind of hallucination against all true labels."""
    slices = {name: measure(table, scores, rows) for name, rows in table.slices.items()}
    for grade in QUALITY_GRADES:
        alike = np.array([one == grade for one in qualities], dtype=bool)[table.response]
        if alike.any():
            slices[f"quality={grade}"] = measure(table, scores, alike)
    for kind in sorted({error for error in table.error if error is not None}):
        of_kind = np.array([error == kind for error in table.error]) & table.hallucinated
        if of_kind.any():
            slices[f"error={kind}"] = measure(table, scores, of_kind | ~table.hallucinated)
    return slices

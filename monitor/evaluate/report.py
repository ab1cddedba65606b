"""How an evaluation is shown: JSON for machines, tables for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from monitor.evaluate.metrics import Measure
from monitor.task_metrics.estimates import Estimate
from monitor.task_metrics.windows import TaskQuality

_REASONS = 5
_REASON_LENGTH = 160
NOTE = (
    "catch and false alarms are over judged labels, recall is over all hallucinated ones; AUROC with a 95% interval "
    "(bootstrap over evidence); ECE over 10 bins of equal width. Not checked is in coverage, never clean."
)


class CorpusReport(msgspec.Struct, frozen=True, kw_only=True):
    """One corpus measured. ``detectors`` and ``reasons`` (why labels were not checked) are by detector.

    ``answers`` is how well the answering model did, where the corpus carries references.
    """

    name: str
    task: str
    responses: int
    labels: int
    overall: Measure
    detectors: dict[str, Measure]
    slices: dict[str, Measure]
    reasons: dict[str, Counter[str]]
    answers: TaskQuality | None = None


def json_of(reports: Sequence[CorpusReport]) -> str:
    """The machine's report; null where a number is undefined."""
    shown = ("name", "task", "responses", "labels", "overall", "detectors", "slices")
    corpora = [{name: _plain(getattr(report, name)) for name in shown} | _answers(report) for report in reports]
    return msgspec.json.format(msgspec.json.encode({"corpora": corpora})).decode()


def _answers(report: CorpusReport) -> dict[str, object]:
    return {} if report.answers is None else {"answers": report.answers}


def _plain(value: object) -> object:
    """Measures as maps, without recall, which the format does not have."""
    if isinstance(value, Measure):
        return {name: number for name, number in msgspec.structs.asdict(value).items() if name != "recall"}
    return {name: _plain(one) for name, one in value.items()} if isinstance(value, dict) else value


def show(reports: Sequence[CorpusReport], console: Console) -> None:
    """A table a corpus, its slices, and why labels were not checked."""
    for report in reports:
        table = _table(f"{report.name} ({report.task}): {report.responses} responses, {report.labels} labels", "detector")
        for name, measured in report.detectors.items():
            _row(table, name, measured)
        if len(report.detectors) > 1:
            _row(table, "all together", report.overall)
        console.print(table)
        if report.slices:
            slices = _table("by slice, all detectors together", "slice")
            for name, measured in report.slices.items():
                _row(slices, name, measured)
            console.print(slices)
        show_reasons(report, console)
        if report.answers is not None:
            _show_answers(report.answers, console)
    if reports:
        console.print(NOTE, style="dim")


def _show_answers(found: TaskQuality, console: Console) -> None:
    console.print(f"the answers against their references ({found.responses} responses)", highlight=False, style="italic")
    table = Table()
    for heading in ("metric", "value", "95%", "n"):
        table.add_column(heading, justify="left" if heading == "metric" else "right", no_wrap=True)
    rows: dict[str, Estimate] = {**found.metrics, **{f"pass@{k}": estimate for k, estimate in found.pass_at.items()}}
    for one in found.selections:
        rows |= {"Brier of confidence": one.confidence.brier, "ECE of confidence": one.confidence.ece, "AURC": one.confidence.aurc}
    for name, estimate in rows.items():
        interval = "–" if estimate.low is None or estimate.high is None else f"{estimate.low:.3f}–{estimate.high:.3f}"
        table.add_row(name, _number(estimate.value), interval, str(estimate.n))
    console.print(table)
    for one in found.selections:
        console.print(
            f"answered right {one.right_answers}, wrong {one.missed_abstentions}; abstained rightly {one.right_abstentions}, "
            f"without need {one.wrong_abstentions}",
            highlight=False,
        )


def show_reasons(report: CorpusReport, console: Console) -> None:
    """Why labels were not checked, most frequent first."""
    for detector, reasons in report.reasons.items():
        if not reasons:
            continue
        console.print(f"{report.name}, {detector}: {reasons.total()} of {report.labels} labels not checked", highlight=False, markup=False)
        for reason, count in reasons.most_common(_REASONS):
            short = reason if len(reason) <= _REASON_LENGTH else f"{reason[:_REASON_LENGTH]}…"
            console.print(f"  {count:>5}  {short}", highlight=False, markup=False)
        if len(reasons) > _REASONS:
            console.print(f"         and {len(reasons) - _REASONS} further reasons", highlight=False)


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first, no_wrap=True)
    for heading in ("n", "coverage", "AUROC", "95%", "catch", "false alarms", "precision", "recall", "ECE", "Brier", "s/item"):
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _row(table: Table, name: str, found: Measure, recall: float | str | None = "") -> None:
    interval = "–" if found.auroc_low is None or found.auroc_high is None else f"{found.auroc_low:.3f}–{found.auroc_high:.3f}"
    cells = [str(found.labels), _percent(found.coverage), _number(found.auroc), interval]
    cells += [_percent(found.catch), _percent(found.false_alarms), _percent(found.precision), _percent(found.recall)]
    cells += [_number(found.ece), _number(found.brier), _number(found.seconds_per_response)]
    table.add_row(name, *cells)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"

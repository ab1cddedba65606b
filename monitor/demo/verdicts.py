"""Holds what groundwatch said against what is known, statement by statement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rich.table import Table

from monitor.demo.sample import Sample, Statement

Result = Literal["caught", "missed", "passed", "false alarm", "not checked"]
STYLES: Mapping[Result, str] = {
    "caught": "green",
    "passed": "green",
    "missed": "bold red",
    "false alarm": "bold red",
    "not checked": "yellow",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """One statement with its result; ``detector`` and ``explanation`` come from the finding that decided it."""

    sample: Sample
    statement: Statement
    result: Result
    detector: str
    explanation: str


def judge(sample: Sample, detail: Mapping[str, Any]) -> list[Judged]:
    """Results of every statement of one answer; ``detail`` is the body of ``GET /v1/responses/{id}``."""
    return [_judge_statement(sample, statement, detail["claims"]) for statement in sample.statements]


def _judge_statement(sample: Sample, statement: Statement, claims: Iterable[Mapping[str, Any]]) -> Judged:
    start, end = statement.span
    touching = [claim for claim in claims if claim["span"] and claim["span"][0] < end and start < claim["span"][1]]
    findings = [finding for claim in touching for finding in claim["findings"] if finding["score"] is not None]
    if not findings:
        reasons = [finding["explanation"] for claim in touching for finding in claim["findings"]]
        return Judged(sample, statement, "not checked", "", reasons[0] if reasons else "No detector saw a claim here.")
    worst = max(findings, key=lambda finding: (finding["verdict"] == "hallucinated", finding["score"]))
    flagged = worst["verdict"] == "hallucinated"
    result: Result = ("caught" if flagged else "missed") if statement.error else ("false alarm" if flagged else "passed")
    return Judged(sample, statement, result, worst["detector"], worst["explanation"])


def table_of(judged: Iterable[Judged]) -> Table:
    """Every wrong statement with what became of it, and every true one that was not simply passed."""
    table = Table(title="What the answers got wrong, and what groundwatch said", title_justify="left", expand=True)
    table.add_column("evidence", no_wrap=True)
    table.add_column("statement", ratio=2)
    table.add_column("in truth", no_wrap=True)
    table.add_column("groundwatch", no_wrap=True)
    table.add_column("because", ratio=4)
    for item in judged:
        if item.result != "passed":
            truth = f"wrong ({item.statement.error})" if item.statement.error else "true"
            table.add_row(
                item.sample.record.evidence[0].title,
                item.statement.words,
                truth,
                f"[{STYLES[item.result]}]{item.result}[/]",
                item.explanation,
            )
    return table


def counts_of(judged: Iterable[Judged]) -> Table:
    """Counts per workflow; what was not checked stands in its own column."""
    rows: dict[str, Counter[str]] = {}
    for item in judged:
        row = rows.setdefault(item.sample.record.workflow, Counter())
        row["wrong" if item.statement.error else "true"] += 1
        row[f"{item.result} {'wrong' if item.statement.error else 'true'}"] += 1
    table = Table(title="Counts", title_justify="left")
    for heading in ("workflow", "wrong", "caught", "missed", "not checked", "true", "passed", "false alarms", "not checked"):
        table.add_column(heading, justify="left" if heading == "workflow" else "right")
    total: Counter[str] = Counter()
    for workflow, row in sorted(rows.items()):
        total += row
        table.add_row(workflow, *_cells(row))
    table.add_section()
    table.add_row("all", *_cells(total), style="bold")
    return table


def _cells(row: Counter[str]) -> list[str]:
    keys = ("wrong", "caught wrong", "missed wrong", "not checked wrong", "true", "passed true", "false alarm true", "not checked true")
    return [str(row[key]) for key in keys]

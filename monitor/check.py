"""``groundwatch check``: one answer against files on this machine, in this process; nothing is logged or stored."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.clock import Clock, SystemClock
from monitor.detect.bench import Bench, judge_or_fail
from monitor.detect.catalogues import failures_of
from monitor.detect.engine import WorkItem, outcome_of
from monitor.detect.wire import CATALOGUE_MODULE, CLAIMS_MODULE, config_of
from monitor.errors import EvidenceRefused, GroundwatchError
from monitor.findings import EvidenceQuality, FindingRecord, OutcomeRecord, QualityGrade, Verdict
from monitor.media_types import media_type_of
from monitor.records import Answer, Claim, Evidence, Question, ResponseRecord, check_response
from monitor.sealing import keys_for
from monitor.settings import Settings

EXIT_CLEAN = 0
EXIT_FLAGGED = 1
EXIT_NOTHING_CHECKED = 2
_STYLES: dict[Verdict, str] = {"hallucinated": "bold red", "supported": "green", "not_checked": "yellow"}
_GRADES: dict[QualityGrade, str] = {"good": "green", "poor": "yellow", "unusable": "bold red"}
_PROJECT = "check"


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. ``checked``: at least one claim got a verdict; ``flagged``: at least one is hallucinated."""

    answer: str
    evidence: list[Evidence]
    checked: bool
    flagged: bool
    outcomes: list[OutcomeRecord]
    quality: list[EvidenceQuality]

    @property
    def exit_code(self) -> int:
        """0 nothing flagged, 1 flagged, 2 nothing could be checked."""
        if self.flagged:
            return EXIT_FLAGGED
        return EXIT_CLEAN if self.checked else EXIT_NOTHING_CHECKED


def run(
    answer: str,
    files: Sequence[Path],
    question: str | None,
    claims: Sequence[str] | None,
    as_json: bool,
    detectors: Sequence[str] | None,
    settings: Settings,
) -> int:
    """Check and print; see :func:`read_answer` for ``answer`` and :class:`CheckReport` for the exit code."""
    try:
        report = check(read_answer(answer), files, settings, question=question, claims=claims or (), detectors=detectors)
    except GroundwatchError as error:
        Console(stderr=True).print(f"groundwatch: {error}", highlight=False, markup=False, soft_wrap=True)
        return EXIT_NOTHING_CHECKED
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
    else:
        show(report, Console(width=None if sys.stdout.isatty() else 160))
    return report.exit_code


def read_answer(answer: str) -> str:
    """The answer's text: as given, from standard input (``-``), or from a file (``@path``). Raises EvidenceRefused."""
    if answer == "-":
        if sys.stdin.isatty():
            raise EvidenceRefused("answer", "no answer was given", 'Say --answer "…", --answer @FILE, or pipe it in')
        return sys.stdin.read()
    if not answer.startswith("@"):
        return answer
    try:
        return Path(answer[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EvidenceRefused(answer[1:], f"the answer cannot be read ({error})", "Name a UTF-8 text file after @") from error


def check(
    answer: str,
    files: Sequence[Path],
    settings: Settings,
    *,
    question: str | None = None,
    claims: Sequence[str] = (),
    detectors: Sequence[str] | None = None,
    clock: Clock | None = None,
    catalogue: str = CATALOGUE_MODULE,
    finders: str = CLAIMS_MODULE,
) -> CheckReport:
    """One answer against its evidence files.

    Args:
        claims: statements to check instead of what is found in the answer.
        detectors: names; by default those of the settings.

    Raises:
        EvidenceRefused: a file is missing or unreadable.
        SettingsInvalid: no such detector.
    """
    names = list(dict.fromkeys(detectors or settings.detectors))
    failures_of(names, catalogue)
    if not files:
        raise EvidenceRefused("FILE", "no evidence was given", "Name the files that the answer must rest on")
    time = (clock or SystemClock()).now()
    record = ResponseRecord(
        id="check",
        time=time,
        workflow="check",
        answer=Answer(text=answer),
        question=None if question is None else Question(text=question),
        evidence=tuple(_evidence(number, path) for number, path in enumerate(files, start=1)),
        claims=tuple(Claim(text=text) for text in claims),
    )
    check_response(record)
    # Every file is named from the root, so that the files of one check may lie anywhere.
    root = Path("/")
    item = WorkItem(project=_PROJECT, record=record)
    with closing(Bench(config_of(settings, keys=keys_for(settings), catalogue=catalogue, claims=finders))) as bench:
        judgements = {name: judge_or_fail(bench, name, record, root) for name in names}
        quality = list(bench.quality(record, root))
    # The quality stands once in the report, not at every detector.
    outcomes = [outcome_of(item, name, msgspec.structs.replace(judged, quality=()), time) for name, judged in judgements.items()]
    found = [finding for outcome in outcomes for finding in outcome.findings]
    return CheckReport(
        answer=answer,
        evidence=list(record.evidence),
        checked=any(finding.score is not None for finding in found),
        flagged=any(outcome.flagged for outcome in outcomes),
        outcomes=outcomes,
        quality=quality,
    )


def _evidence(number: int, path: Path) -> Evidence:
    try:
        media_type = media_type_of(path)
    except OSError as error:
        raise EvidenceRefused(str(path), f"cannot be read ({error.strerror})", "Name an existing file") from error
    return Evidence(id=f"e{number}", media_type=media_type, uri=f"file:{str(path.resolve())[1:]}", title=path.name)


def show(report: CheckReport, console: Console) -> None:
    """A row a finding, then what became of the detectors that gave none, then how good the input is."""
    table = Table()
    for heading in ("verdict", "score", "claim", "detector", "where", "why"):
        table.add_column(heading, overflow="fold")
    titles = {piece.id: piece.title or piece.id for piece in report.evidence}
    findings = [finding for outcome in report.outcomes for finding in outcome.findings]
    for finding in sorted(findings, key=lambda one: (one.claim_span or (0, 0), one.detector)):
        score = "–" if finding.score is None else f"{finding.score:.2f}"
        verdict = Text(finding.verdict.replace("_", " "), style=_STYLES[finding.verdict])
        cells = (score, finding.claim_text, finding.detector, _where(finding, titles), finding.explanation)
        table.add_row(verdict, *(Text(cell) for cell in cells))
    if findings:
        console.print(table)
    for outcome in report.outcomes:
        if outcome.state != "judged":
            console.print(f"{outcome.detector}: {outcome.state.replace('_', ' ')}: {outcome.reason}", highlight=False, markup=False)
    for piece in report.quality:
        console.print(_quality(piece, titles))
    console.print(_summary(findings, [outcome.detector for outcome in report.outcomes if outcome.state == "failed"]), highlight=False)


def _quality(piece: EvidenceQuality, titles: dict[str, str]) -> Text:
    name = Text(f"{titles.get(piece.evidence_id, piece.evidence_id)}: ")
    if piece.grade is None:
        return name.append("input quality not measured", style="dim")
    name.append(f"{piece.grade} input", style=_GRADES[piece.grade])
    return name.append("".join(f"; {problem.text}" for problem in piece.problems))


def _where(finding: FindingRecord, titles: dict[str, str]) -> str:
    parts = [titles.get(finding.evidence_id or "", finding.evidence_id or "")]
    parts += [f"page {finding.page}"] if finding.page else []
    parts += [f"{finding.time[0]:.1f}–{finding.time[1]:.1f} s"] if finding.time else []
    if finding.region:
        x, y, width, height = (f"{value:.0%}" for value in finding.region)
        parts.append(f"box {x} {y}, {width} × {height}")
    return ", ".join(part for part in parts if part)


def _summary(findings: Sequence[FindingRecord], failed: Sequence[str]) -> str:
    count = Counter(finding.verdict for finding in findings)
    if not findings and failed:
        return f"Nothing was checked: {', '.join(failed)} failed."
    if not findings:
        return "Nothing was checked: no detector found a claim it is responsible for."
    return f"{count['hallucinated']} hallucinated, {count['supported']} supported, {count['not_checked']} not checked"

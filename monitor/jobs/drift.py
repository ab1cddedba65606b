"""Has the share of flagged responses risen, for a whole workflow or for one cohort of it?

Every run compares the last hours of each slice with the days before them, tests all slices of the project together
under false-discovery control, and raises one alert for a workflow that moved as a whole, or one for each cohort that
moved alone. While an alert is unresolved its slice keeps the baseline it had when the alert opened: a shift that lasts
must not become the new normal and so resolve itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import msgspec

from monitor.alerts.params import DriftParams, read_params
from monitor.alerts.rules import governs
from monitor.jobs.job import Condition, JobFacts, Watch
from monitor.jobs.shares import Counts, Shift, discoveries, shift
from monitor.metadata.rules import RuleRecord
from monitor.score import share
from monitor.store.rows import SliceBucket

HOUR = timedelta(hours=1)
# A sharp shift shows in the hour under way and the one before; a mild one, or a slice with little traffic, needs more.
WINDOWS = (2, 3, 6)
# How long a baseline is kept for an unresolved alert.
LONGEST_ALERT = timedelta(days=30)
WORST_COHORTS = 5
# An alert resolves by itself only when the share is not even suspicious any more.
CLEAR_P = 0.05

Slice = tuple[str, str, str]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A slice with enough counts: its shift over the window that shows most, and whether it is a discovery."""

    slice: Slice
    since: datetime
    shift: Shift
    p_up: float
    p_down: float
    risen: bool = False
    fallen: bool = False


class DriftJob:
    """Looks at the flagged share of every slice of a project."""

    name = "drift"

    def __init__(self, watch: Watch, interval_s: int) -> None:
        self.interval_s = interval_s
        self._watch = watch

    def look(self, project: str, facts: JobFacts) -> None:
        """Examine all slices under each drift rule."""
        rules = self._watch.rules.enabled(project, "drift")
        for rule in rules:
            self._look(project, rule, rules, facts)

    def _look(self, project: str, rule: RuleRecord, rules: Sequence[RuleRecord], facts: JobFacts) -> None:
        params = cast(DriftParams, read_params(rule.kind, rule.params))
        now = self._watch.clock.now()
        alerts = {_slice_of(alert.labels): alert for alert in self._watch.lifecycle.unresolved(project, rule)}
        opened = {name: max(alert.opened_at, now - LONGEST_ALERT) for name, alert in alerts.items()}
        earliest = min([now, *opened.values()])
        since = _hour(earliest) - timedelta(days=params.baseline_days) - WINDOWS[-1] * HOUR
        buckets = [b for b in self._watch.reader.slice_buckets(project, since, now) if governs(rule, b.workflow, rules)]
        findings = examine(buckets, now, params, opened)
        facts.examined += len(findings)
        for finding in findings:
            if finding.risen or finding.fallen:
                facts.note("risen" if finding.risen else "fallen", _numbers(finding))
        speaks_for = {name: _also(name, alert.facts) for name, alert in alerts.items()}
        conditions = [_condition(finding, also, findings, now) for finding, also in told(findings, speaks_for)]
        clear = [f.slice for f in findings if not f.risen and (f.p_up > CLEAR_P or f.shift.effect < params.min_effect)]
        self._watch.report(project, rule, conditions, clear, params.resolve_after_s, facts)


def examine(buckets: Sequence[SliceBucket], now: datetime, params: DriftParams, opened: dict[Slice, datetime]) -> list[Finding]:
    """The decision on every slice that has enough counts. ``opened``: slices under alert, and since when."""
    slices: dict[Slice, list[SliceBucket]] = defaultdict(list)
    for bucket in buckets:
        slices[(bucket.workflow, bucket.cohort_key, bucket.cohort_value)].append(bucket)
    found = [_examine(name, hours, now, params, opened.get(name)) for name, hours in sorted(slices.items())]
    findings = [finding for finding in found if finding is not None]
    risen = discoveries([finding.p_up for finding in findings], params.false_discovery)
    fallen = discoveries([finding.p_down for finding in findings], params.false_discovery)
    return [
        msgspec.structs.replace(
            finding,
            risen=up and finding.shift.effect >= params.min_effect,
            fallen=down and -finding.shift.effect >= params.min_effect,
        )
        for finding, up, down in zip(findings, risen, fallen, strict=True)
    ]


def _examine(name: Slice, hours: Sequence[SliceBucket], now: datetime, params: DriftParams, opened: datetime | None) -> Finding | None:
    last = _hour(now) + HOUR
    end = min(last, _hour(opened) + HOUR if opened else last) - WINDOWS[-1] * HOUR
    start = end - timedelta(days=params.baseline_days)
    baseline = [Counts(b.checked, b.flagged) for b in hours if start <= b.start < end]
    if sum(hour.checked for hour in baseline) < params.min_baseline:
        return None
    seen: list[tuple[datetime, Shift]] = []
    for width in WINDOWS:
        since = last - width * HOUR
        window = [Counts(b.checked, b.flagged) for b in hours if b.start >= since]
        if sum(hour.checked for hour in window) >= params.min_checked:
            shifted = shift(window, baseline)
            if shifted is not None:
                seen.append((since, shifted))
    if not seen:
        return None
    since, best = min(seen, key=lambda pair: min(pair[1].p_up, pair[1].p_down))
    # Looking through several windows and keeping the best one is paid for (Bonferroni).
    return Finding(
        slice=name,
        since=since,
        shift=best,
        p_up=min(1.0, len(seen) * min(shifted.p_up for _, shifted in seen)),
        p_down=min(1.0, len(seen) * min(shifted.p_down for _, shifted in seen)),
    )


def told(findings: Sequence[Finding], under_alert: dict[Slice, set[Slice]]) -> list[tuple[Finding, set[Slice]]]:
    """The risen slices that get an alert, each with the slices it speaks for as well.

    A whole workflow is told rather than its cohorts. Cohorts that rise alone in the same run mostly overlap (a region and
    the language spoken there), so the surest one is told and speaks for the others. ``under_alert`` maps the slices that
    have an unresolved alert to those it speaks for: they stay told, so that their alert does not look quiet.
    """
    risen = [finding for finding in findings if finding.risen]
    whole = {finding.slice[0] for finding in risen if not finding.slice[1]}
    covered = set().union(*under_alert.values())
    chosen = [(f, under_alert.get(f.slice, set())) for f in risen if not f.slice[1] or f.slice in under_alert]
    alone: dict[str, list[Finding]] = defaultdict(list)
    for finding in risen:
        if finding.slice[0] not in whole and finding.slice not in under_alert and finding.slice not in covered:
            alone[finding.slice[0]].append(finding)
    for cohorts in alone.values():
        first, *others = sorted(cohorts, key=lambda finding: (finding.p_up, finding.slice))
        chosen.append((first, {finding.slice for finding in others}))
    return chosen


def _condition(finding: Finding, also: set[Slice], findings: Sequence[Finding], now: datetime) -> Condition:
    workflow, key, value = finding.slice
    named = f"{workflow}, {key}={value}" if key else workflow
    moved, numbers = finding.shift, _numbers(finding)
    worst = [] if key else _worst(workflow, findings)
    now_share = share(moved.flagged, moved.checked)
    summary = (
        f"{moved.flagged} of {moved.checked} checked responses since {finding.since:%Y-%m-%d %H:%M} UTC were flagged "
        f"({now_share.value or 0:.1%}, 95% interval {now_share.low or 0:.1%} to {now_share.high or 0:.1%}); before, "
        f"{moved.baseline_flagged} of {moved.baseline_checked} ({moved.baseline_share:.1%})."
    )
    if worst:
        summary += " Worst: " + ", ".join(f"{w['cohort']} {w['share']:.1%} of {w['checked']}" for w in worst[:3]) + "."
    if also:
        summary += " Also risen: " + ", ".join(f"{other[1]}={other[2]}" for other in sorted(also)[:WORST_COHORTS]) + "."
    samples = {"since": finding.since.isoformat(), "until": now.isoformat(), "workflow": workflow, "verdict": "hallucinated"}
    labels = {"workflow": workflow}
    if key:
        samples["cohort"] = f"{key}:{value}"
        labels |= {"cohort_key": key, "cohort_value": value}
    return Condition(
        parts=finding.slice,
        title=f"Flagged share of {named} rose from {moved.baseline_share:.1%} to {moved.share:.1%}",
        summary=summary,
        labels=labels,
        facts={**numbers, "until": now.isoformat(), "worst_cohorts": worst, "also_risen": [list(other[1:]) for other in sorted(also)]},
        samples=samples,
        window_start=finding.since,
    )


def _worst(workflow: str, findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Cohorts of the workflow, the most surely risen first; those that show no rise at all are left out."""
    cohorts = [f for f in findings if f.slice[0] == workflow and f.slice[1] and f.shift.effect > 0 and f.p_up <= CLEAR_P]
    return [_numbers(finding) for finding in sorted(cohorts, key=lambda finding: finding.p_up)[:WORST_COHORTS]]


def _numbers(finding: Finding) -> dict[str, Any]:
    moved = finding.shift
    return {
        "workflow": finding.slice[0],
        "cohort": f"{finding.slice[1]}:{finding.slice[2]}" if finding.slice[1] else None,
        "since": finding.since.isoformat(),
        "checked": moved.checked,
        "flagged": moved.flagged,
        "share": round(moved.share, 6),
        "baseline_checked": moved.baseline_checked,
        "baseline_flagged": moved.baseline_flagged,
        "baseline_share": round(moved.baseline_share, 6),
        "overdispersion": round(moved.overdispersion, 6),
        "p_value": finding.p_up if moved.effect >= 0 else finding.p_down,
    }


def _slice_of(labels: dict[str, str]) -> Slice:
    return labels.get("workflow", ""), labels.get("cohort_key", ""), labels.get("cohort_value", "")


def _also(name: Slice, facts: dict[str, Any]) -> set[Slice]:
    return {(name[0], str(key), str(value)) for key, value in facts.get("also_risen", [])}


def _hour(time: datetime) -> datetime:
    return time.replace(minute=0, second=0, microsecond=0)

"""Do responses lack evidence that their workflow normally carries: a picture that was never attached, a lost recording?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

import msgspec

from monitor.alerts.params import ModalityParams, read_params
from monitor.alerts.rules import governs
from monitor.jobs.job import Condition, JobFacts, Watch
from monitor.metadata.rules import RuleRecord
from monitor.store.rows import MissingModality

# Responses of a baseline below which it says nothing of what is normal.
MIN_BASELINE = 30
# One look a minute at windows that overlap: some 25 independent looks a day for each workflow and family.
SIGNIFICANCE = 1e-4
# A share that chance explains is not enough to clear when it is still twice the usual.
MIN_RATIO = 2.0

Key = tuple[str, str]


class Lack(msgspec.Struct, frozen=True, kw_only=True):
    """``missing`` of ``responses`` lack the family now; ``usual`` is the share on a normal day, None where unknown."""

    missing: int
    responses: int
    usual: float | None
    p_value: float | None

    @property
    def share(self) -> float:
        """Share of the window that lacks the family."""
        return self.missing / self.responses


def judge_lack(missing: int, responses: int, before_missing: int, before: int, params: ModalityParams) -> tuple[Lack, bool] | None:
    """Whether more responses than usual lack a family of evidence; None where the workflow does not normally carry it.

    With a baseline: P(X ≥ missing) under the beta-binomial posterior predictive of the baseline with Jeffreys' prior
    (Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.4 and exercise 2.12), and at least twice the usual share.
    Without one the responses of the window speak for themselves: most carry it, these few do not.
    """
    if responses == 0:
        return None
    share = missing / responses
    enough = missing >= params.min_missing and share >= params.min_share
    if before < MIN_BASELINE:
        if 1 - share < params.expected_share:
            return None
        return Lack(missing=missing, responses=responses, usual=None, p_value=None), enough
    usual = before_missing / before
    if 1 - usual < params.expected_share:
        return None
    # scipy.stats takes a second to import, which the start of the service should not wait for.
    from scipy.stats import betabinom

    chance = float(betabinom.sf(missing - 1, responses, before_missing + 0.5, before - before_missing + 0.5))
    lack = Lack(missing=missing, responses=responses, usual=usual, p_value=chance)
    return lack, enough and chance < SIGNIFICANCE and share >= MIN_RATIO * usual


class ModalityJob:
    """Looks at the evidence families of every workflow of a project."""

    name = "missing_modality"

    def __init__(self, watch: Watch, interval_s: int) -> None:
        self.interval_s = interval_s
        self._watch = watch

    def look(self, project: str, facts: JobFacts) -> None:
        """Examine the last window under each rule."""
        rules = self._watch.rules.enabled(project, "missing_modality")
        for rule in rules:
            self._look(project, rule, rules, facts)

    def _look(self, project: str, rule: RuleRecord, rules: Sequence[RuleRecord], facts: JobFacts) -> None:
        params = cast(ModalityParams, read_params(rule.kind, rule.params))
        now = self._watch.clock.now()
        since = now - timedelta(seconds=params.window_s)
        begin = since - timedelta(seconds=params.baseline_s)
        baseline = self._rows(project, begin, since)
        window = self._window(project, begin, since, now, baseline)
        conditions: list[Condition] = []
        clear: list[tuple[str, ...]] = []
        for (workflow, family), row in sorted(window.items()):
            if not governs(rule, workflow, rules):
                continue
            before = baseline.get((workflow, family))
            judged = judge_lack(row.missing, row.responses, before.missing if before else 0, before.responses if before else 0, params)
            if judged is None:
                continue
            facts.examined += 1
            lack, lacking = judged
            if lacking:
                conditions.append(_condition(row, lack, since, now))
            elif lack.share < params.min_share or lack.share < MIN_RATIO * (lack.usual or 0.0):
                clear.append((workflow, family))
        self._watch.report(project, rule, conditions, clear, params.resolve_after_s, facts)

    def _window(
        self, project: str, begin: datetime, since: datetime, now: datetime, baseline: dict[Key, MissingModality]
    ) -> dict[Key, MissingModality]:
        """The window's rows, and those the store leaves out because by now most responses lack the family: a total
        loss is the difference between the whole time and the baseline."""
        window = self._rows(project, since, now)
        if all(key in window for key in baseline):
            return window
        both = self._rows(project, begin, now)
        for key, before in baseline.items():
            total = both.get(key)
            if key not in window and total is not None and total.responses > before.responses:
                window[key] = msgspec.structs.replace(
                    total, responses=total.responses - before.responses, missing=max(0, total.missing - before.missing), sample_ids=[]
                )
        return window

    def _rows(self, project: str, since: datetime, until: datetime) -> dict[Key, MissingModality]:
        return {(row.workflow, row.family): row for row in self._watch.reader.missing_modalities(project, since, until)}


def _condition(row: MissingModality, lack: Lack, since: datetime, now: datetime) -> Condition:
    usual = "most responses of the workflow carry it" if lack.usual is None else f"usually {lack.usual:.1%} lack it"
    return Condition(
        parts=(row.workflow, row.family),
        title=f"{row.workflow}: {lack.share:.0%} of responses lack {row.family} evidence",
        summary=f"{lack.missing} of {lack.responses} responses since {since:%Y-%m-%d %H:%M} UTC came without {row.family}; {usual}.",
        labels={"workflow": row.workflow, "family": row.family},
        facts={**msgspec.structs.asdict(lack), "share": lack.share, "response_ids": list(row.sample_ids), "since": since.isoformat()},
        samples={"since": since.isoformat(), "until": now.isoformat(), "workflow": row.workflow},
        window_start=since,
    )

"""Counts of the task metrics by group, as :mod:`monitor.task_metrics.windows` takes them."""

from __future__ import annotations

from typing import Literal

from monitor.store import queries
from monitor.store.asking import conditions
from monitor.store.client import Store
from monitor.store.rows import ResponseFilter
from monitor.store.unfolding import number
from monitor.task_metrics.windows import AnswerCell, GroupSums, MetricSum

GroupBy = Literal["all", "workflow", "model", "release", "risk", "cohort"]
_THOUSANDTHS = 1000


def task_sums(store: Store, f: ResponseFilter, by: GroupBy, cohort_key: str = "") -> list[GroupSums]:
    """One entry a group with any response, largest first. Raises StoreUnavailable."""
    filters, parameters = conditions(f)
    parameters |= {"by": by, "cohort_key": cohort_key}
    metrics: dict[str, list[MetricSum]] = {}
    attempts: dict[str, list[tuple[int, int, int]]] = {}
    cells: dict[str, list[AnswerCell]] = {}
    for group, name, n, mean, variance in store.rows(queries.TASK_METRICS, parameters, filters):
        metrics.setdefault(group, []).append(MetricSum(name=name, n=n, mean=mean, variance=number(variance) or 0.0))
    for group, tries, correct, questions in store.rows(queries.ATTEMPTS, parameters, filters):
        attempts.setdefault(group, []).append((tries, correct, questions))
    for group, known, abstained, stated, right, responses in store.rows(queries.ANSWER_CELLS, parameters, filters):
        cells.setdefault(group, []).append(
            AnswerCell(
                truth="reference" if known else "verdict",
                abstained=bool(abstained),
                confidence=None if stated < 0 else stated / _THOUSANDTHS,
                right=None if right < 0 else bool(right),
                responses=responses,
            )
        )
    groups = [
        GroupSums(
            group=group,
            responses=sum(cell.responses for cell in alike),
            metrics=metrics.get(group, []),
            attempts=attempts.get(group, []),
            cells=alike,
        )
        for group, alike in cells.items()
    ]
    return sorted(groups, key=lambda one: (-one.responses, one.group))

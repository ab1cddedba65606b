"""How well the answering model did: task metrics against references, its calibration, its abstentions."""

from __future__ import annotations

from typing import Annotated, cast

import msgspec
from fastapi import APIRouter, Query

from monitor.api.access import GuardedRoute
from monitor.api.context import Running
from monitor.api.task_models import Estimate as EstimateView
from monitor.api.task_models import PassAt, SelectionView, TaskMetric, TaskQualities, TaskQualityGroup
from monitor.api.window import Filter
from monitor.errors import RecordInvalid
from monitor.store.task_sums import GroupBy
from monitor.task_metrics.estimates import LOWER_IS_BETTER, Estimate
from monitor.task_metrics.windows import TaskQuality, task_quality

router = APIRouter(route_class=GuardedRoute, tags=["task quality"])

MOST_GROUPS = 50
_PLAIN = ("all", "workflow", "model", "release", "risk")
_COHORT = "cohort:"


@router.get("/v1/task-metrics")
def get_task_metrics(
    found: Filter,
    running: Running,
    by: Annotated[
        str,
        Query(min_length=1, max_length=256, description="all, workflow, model, release, risk, or cohort:KEY; one group for each value."),
    ] = "all",
) -> TaskQualities:
    """Task metrics, calibration of the answering model's confidence and quality of its abstentions, by group.

    Every number has its n and a 95% interval. What nobody checked is unknown; it is never counted as correct.
    """
    kind, key = _grouping(by)
    groups = running.reader.task_sums(found, kind, key)
    return TaskQualities(
        since=found.since,
        until=found.until,
        by=by,
        groups=[group_view(task_quality(sums)) for sums in groups[:MOST_GROUPS]],
        left_out=max(0, len(groups) - MOST_GROUPS),
    )


def _grouping(by: str) -> tuple[GroupBy, str]:
    """Raises RecordInvalid naming ``by``."""
    if by in _PLAIN:
        return cast(GroupBy, by), ""
    if by.startswith(_COHORT) and len(by) > len(_COHORT):
        return "cohort", by.removeprefix(_COHORT)
    raise RecordInvalid("by", f"{by[:80]!r} is no grouping", f"Choose from {', '.join(_PLAIN)}, or send cohort:KEY")


def group_view(found: TaskQuality) -> TaskQualityGroup:
    """A group as the API shows it."""
    return TaskQualityGroup(
        group=found.group,
        responses=found.responses,
        metrics=[
            TaskMetric(name=name, better="lower" if name in LOWER_IS_BETTER else "higher", estimate=_view(estimate))
            for name, estimate in found.metrics.items()
        ],
        pass_at=[PassAt(k=k, estimate=_view(estimate)) for k, estimate in found.pass_at.items()],
        selections=[SelectionView.model_validate(msgspec.to_builtins(one)) for one in found.selections],
    )


def _view(estimate: Estimate) -> EstimateView:
    return EstimateView(**msgspec.structs.asdict(estimate))

"""How well the answers of a corpus did against their references, where it carries any: the service's numbers, counted in memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from monitor.records import ResponseRecord
from monitor.task_metrics.reference import question_key, task_metrics
from monitor.task_metrics.windows import AnswerCell, GroupSums, MetricSum, TaskQuality, task_quality


def answer_quality(name: str, records: Sequence[ResponseRecord]) -> TaskQuality | None:
    """Task metrics, pass@k, calibration and abstentions of the records that carry a reference; None where none does."""
    measured = [(record, found) for record in records if (found := task_metrics(record))]
    if not measured:
        return None
    values: dict[str, list[float]] = defaultdict(list)
    attempts: dict[int, list[bool]] = defaultdict(list)
    cells: Counter[tuple[bool, float | None, bool]] = Counter()
    for record, found in measured:
        for metric, value in found.items():
            values[metric].append(value)
        attempts[question_key(record)].append(found.get("correct") == 1.0)
        right = found["answerable"] == 0.0 if record.answer.abstained else found["correct"] == 1.0
        cells[record.answer.abstained, record.answer.confidence, right] += 1
    sums = GroupSums(
        group=name,
        responses=len(measured),
        metrics=[_sum(metric, numbers) for metric, numbers in sorted(values.items())],
        attempts=[(n, c, questions) for (n, c), questions in Counter((len(t), sum(t)) for t in attempts.values()).items()],
        cells=[
            AnswerCell(truth="reference", abstained=abstained, confidence=confidence, right=right, responses=count)
            for (abstained, confidence, right), count in cells.items()
        ],
    )
    return task_quality(sums)


def _sum(name: str, numbers: Sequence[float]) -> MetricSum:
    variance = float(np.var(numbers, ddof=1)) if len(numbers) > 1 else 0.0
    return MetricSum(name=name, n=len(numbers), mean=float(np.mean(numbers)), variance=variance)

"""The numbers of each kind of alert rule: name, default, range and meaning. The README's table of rules is made of these."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from monitor.errors import RecordInvalid
from monitor.metadata.rules import RuleKind

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1, le=10**9)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=30 * 86_400)]
Days = Annotated[int, msgspec.Meta(ge=1, le=60)]
Milliseconds = Annotated[float, msgspec.Meta(gt=0)]


class DriftParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When the share of flagged responses counts as risen.

    ``baseline_days``: days before the window that say what is normal. ``min_checked`` and ``min_baseline``: checked
    responses needed in the window and in the baseline. ``min_effect``: smallest rise that matters, as a difference of
    shares. ``false_discovery``: Benjamini–Hochberg level of one run over all slices. ``resolve_after_s``: how long the
    share must look normal before the alert resolves by itself.
    """

    baseline_days: Days = 7
    min_checked: Count = 20
    min_baseline: Count = 200
    min_effect: Share = 0.02
    # 0.001 × 168 hourly runs a week = one false alarm in six weeks where nothing moves; tests/jobs measures it.
    false_discovery: Share = 0.001
    resolve_after_s: Seconds = 7200


class CostParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When the mean cost of a response counts as anomalous.

    ``history_days``: days of hourly means to compare with. ``min_hours``: hours of them needed. ``min_priced``: priced
    responses needed in the window. ``threshold``: robust z-score of the log cost. ``min_ratio``: smallest factor over
    the usual cost that matters.
    """

    history_days: Days = 28
    min_hours: Count = 24
    min_priced: Count = 20
    threshold: Annotated[float, msgspec.Meta(ge=3)] = 6.0
    min_ratio: Annotated[float, msgspec.Meta(ge=1)] = 1.3
    resolve_after_s: Seconds = 7200


class LatencyParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a stage counts as too slow.

    ``p95_ms``: stage → limit of its 95th percentile; ``total`` is the whole response. ``over_budget_share``: share of
    responses over their own ``budget_ms`` that is too much (tested on the lower end of its 95% interval).
    ``window_s``: how far back to look. ``min_responses``: responses needed there.
    """

    p95_ms: dict[str, Milliseconds] = msgspec.field(default_factory=lambda: {"total": 10_000.0})
    over_budget_share: Share = 0.2
    window_s: Seconds = 900
    min_responses: Count = 30
    resolve_after_s: Seconds = 900


class ModalityParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When evidence counts as missing.

    ``expected_share``: a family belongs to a workflow when at least this share of its responses carry it.
    ``min_missing`` and ``min_share``: how many responses of the window must lack it, and what share of them.
    ``baseline_s``: time before the window that says how many lack it on a normal day.
    """

    expected_share: Share = 0.6
    min_missing: Count = 3
    min_share: Share = 0.02
    window_s: Seconds = 3600
    baseline_s: Seconds = 86_400
    resolve_after_s: Seconds = 3600


class LetterParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``min_waiting``: dead letters that must wait before somebody is told."""

    min_waiting: Count = 1
    resolve_after_s: Seconds = 1


class StallParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``min_stalled_s``: how long a stage must have made no progress before somebody is told."""

    min_stalled_s: Seconds = 120
    resolve_after_s: Seconds = 1


RuleParams = DriftParams | CostParams | LatencyParams | ModalityParams | LetterParams | StallParams

PARAMS: dict[RuleKind, type[RuleParams]] = {
    "drift": DriftParams,
    "cost_anomaly": CostParams,
    "latency_threshold": LatencyParams,
    "missing_modality": ModalityParams,
    "dead_letters": LetterParams,
    "pipeline_stalled": StallParams,
}


def read_params(kind: RuleKind, params: dict[str, Any]) -> RuleParams:
    """The numbers of a rule with defaults filled in.

    Raises:
        RecordInvalid: naming the number that does not exist for this kind, or is out of range.
    """
    wanted = PARAMS[kind]
    try:
        return msgspec.convert(params, wanted, strict=True)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$.")
        field = f"params.{path.rstrip('`')}" if path else "params"
        known = ", ".join(wanted.__struct_fields__)
        raise RecordInvalid(field, problem.replace("`", "'"), f"A rule of kind {kind} takes {known}") from None


def full_params(kind: RuleKind, params: dict[str, Any]) -> dict[str, Any]:
    """The same as plain JSON, for keeping; raises RecordInvalid."""
    plain: dict[str, Any] = msgspec.to_builtins(read_params(kind, params))
    return plain

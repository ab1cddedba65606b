"""Task quality: does the answering model give the right answer, does it know when it does not, and does it then abstain?"""

from __future__ import annotations

import streamlit as st

from dashboards import api, frame, markup, task_charts, wording
from dashboards.filters import Filters
from dashboards.task_bodies import Estimate, SelectionView, TaskQualities, TaskQualityGroup

METRICS = {
    "correct": "Correct",
    "exact_match": "Exact match",
    "token_f1": "Token F1",
    "claim_recall": "Claim recall",
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "rouge_l": "ROUGE-L",
    "bleu": "BLEU",
    "edit_distance": "Edit distance ↓",
    "wer": "WER ↓",
    "cer": "CER ↓",
}
TRUTHS = {
    "reference": "Truth by reference",
    "verdict": "Truth by the detectors' verdict on checked responses",
}
GROUPINGS = {"all": "Everything together", "workflow": "Workflow", "model": "Model", "release": "Release", "risk": "Risk"}
_CHART = {"displayModeBar": False, "scrollZoom": False}


def render() -> None:
    """Filters, metrics by group, confidence and abstentions of one group."""
    now = frame.now()
    filters = frame.current_filters()
    params = filters.api(now)
    st.title("Task quality")
    offered = api.facets(params)
    frame.filter_bar(filters, offered, detailed=False)
    groupings = {**GROUPINGS, **{f"cohort:{key}": f"Cohort: {key}" for key in offered.cohorts}}
    by = st.selectbox("Group by", list(groupings), key="task_by", format_func=groupings.__getitem__, width=240)
    found = api.task_quality(params, by)
    if not found.groups:
        frame.nothing_found(filters, now)
        return
    show_metrics(found)
    show_confidence(found, filters)


def show_metrics(found: TaskQualities) -> None:
    """The answers against their references, a row a group."""
    st.header("Answers against their references")
    known = {metric.name for group in found.groups for metric in group.metrics}
    tries = sorted({one.k for group in found.groups for one in group.pass_at})
    if not known:
        frame.say(
            "No answer here has a reference", "Send `reference` with responses whose right answer is known, such as those of a test set."
        )
        return
    names = [name for name in METRICS if name in known]
    rows = [_metric_row(group, names, tries) for group in found.groups if group.metrics or group.pass_at]
    heads = ["Group", *(METRICS[name] for name in names), *(f"pass@{k}" for k in tries), "Answers"]
    note = "Below each number its 95% interval. ↓: lower is better. pass@k is over questions asked more than once."
    if found.left_out:
        note += f" {found.left_out:,} smaller groups are left out."
    frame.put(markup.table(heads, rows, range(1, len(heads)), note))


def _metric_row(group: TaskQualityGroup, names: list[str], tries: list[int]) -> list[str]:
    metrics = {metric.name: metric.estimate for metric in group.metrics}
    passed = {one.k: one.estimate for one in group.pass_at}
    cells = [*(metrics.get(name) for name in names), *(passed.get(k) for k in tries)]
    most = max((estimate.n for estimate in metrics.values()), default=0)
    return [_group_name(group), *(estimate_cell(estimate) for estimate in cells), f"{most:,}"]


def estimate_cell(estimate: Estimate | None) -> str:
    """The number over its interval."""
    if estimate is None or estimate.value is None:
        return "–"
    return markup.el("span", markup.el("div", f"{estimate.value:.3f}"), markup.el("div", _interval(estimate), cls="gw-note"))


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"n = {estimate.n:,}"
    return f"{estimate.low:.3f}–{estimate.high:.3f}"


def _group_name(group: TaskQualityGroup) -> str:
    return group.group or "(none)"


def show_confidence(found: TaskQualities, filters: Filters) -> None:
    """Calibration and abstentions of one group, each kind of truth by itself."""
    st.header("Confidence and abstention")
    names = {_group_name(group): group for group in found.groups}
    group = found.groups[0]
    if len(names) > 1:
        group = names[st.selectbox("Of which group", list(names), key="task_group", width=240)]
    for selection in group.selections:
        _selection(selection)
    if any(selection.unknown_answers for selection in group.selections):
        frame.link("Responses that were not checked", "responses", {**filters.address(), "verdict": "not_checked"})


def _selection(found: SelectionView) -> None:
    st.subheader(TRUTHS.get(found.truth, found.truth))
    frame.put(markup.tiles(_tiles(found)))
    if not found.confidence.bins:
        st.caption("No answer of known truth states a confidence (answer.confidence).")
        return
    left, right = st.columns(2)
    with left:
        st.plotly_chart(task_charts.reliability_chart(found.confidence), key=f"reliability_{found.truth}", config=_CHART)
        st.caption("Dashed: as much correct as stated. Points below it: surer than right. Bars: 95% interval; larger points: more answers.")
    with right:
        st.plotly_chart(task_charts.risk_coverage_chart(found.confidence), key=f"risk_{found.truth}", config=_CHART)
        st.caption("Dashed: the share of wrong answers of all. A useful confidence keeps the curve below it, lowest at the left.")


def _tiles(found: SelectionView) -> list[markup.Safe]:
    confidence = found.confidence
    best = (
        ""
        if confidence.aurc_best is None or confidence.error.value is None
        else f"best {confidence.aurc_best:.3f}, blind {confidence.error.value:.3f}"
    )
    return [
        markup.tile(
            "Answered right",
            f"{found.right_answers:,}",
            f"{found.missed_abstentions:,} answered wrong",
            f"{found.unknown_answers:,} of unknown truth",
            "A wrong answer is a missed abstention; what nobody checked is unknown, never right",
        ),
        markup.tile("Wrong among answers", wording.percent(found.risk.value), wording.interval(found.risk), ""),
        markup.tile(
            "Abstained rightly",
            f"{found.right_abstentions:,}",
            f"{found.wrong_abstentions:,} without need",
            f"{found.unknown_abstentions:,} of unknown truth",
        ),
        markup.tile("Answered at all", wording.percent(found.coverage.value), wording.interval(found.coverage), ""),
        markup.tile("Brier score", _plain(confidence.brier), _interval(confidence.brier), f"n = {confidence.brier.n:,}", "Lower is better"),
        markup.tile(
            "Calibration error",
            _plain(confidence.ece),
            _interval(confidence.ece),
            f"n = {confidence.ece.n:,}",
            "ECE in 10 bins of equal width",
        ),
        markup.tile("Area under risk–coverage", _plain(confidence.aurc), _interval(confidence.aurc), best, "Lower is better"),
    ]


def _plain(estimate: Estimate) -> str:
    return "–" if estimate.value is None else f"{estimate.value:.3f}"


if __name__ == "__main__":
    render()

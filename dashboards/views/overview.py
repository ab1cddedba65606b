"""Overview: is the feature getting better, for how long does it make people wait, and what does it cost?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from dashboards import api, charts, frame, markup, wording
from dashboards.bodies import DetectorSummary, Share, Summary, Trends
from dashboards.filters import Filters


def render() -> None:
    """Filters, key figures, trends, detectors."""
    # Links in alerts and reports may name a response at the root of the dashboard.
    if (wanted := st.query_params.get("id")) is not None:
        frame.open_page("response", {"id": wanted})
    if (wanted := st.query_params.get("alert")) is not None:
        frame.open_page("alerts", {"id": wanted})
    now = frame.now()
    filters = frame.current_filters()
    params = filters.api(now)
    st.title("Overview")
    frame.filter_bar(filters, api.facets(params), detailed=False)
    summary = api.summary(params)
    if not summary.responses:
        frame.nothing_found(filters, now)
        return
    frame.put(markup.tiles(key_figures(summary, api.summary(filters.before(now).api(now)))))
    backlog(summary)
    show_trends(filters, api.trends(params), summary, now)
    show_qualities(filters, summary)
    st.header("Detectors")
    show_detectors(summary.detectors)


def key_figures(summary: Summary, before: Summary) -> list[markup.Safe]:
    """The tiles: each with its n, and the window before as the yardstick."""
    money = summary.currency
    unchecked = f"{summary.not_checked:,} not checked · {summary.pending:,} waiting"
    tail = f"p50 {wording.duration(summary.duration_ms_p50)} · p99 {wording.duration(summary.duration_ms_p99)}"
    unpriced = f"of {summary.responses:,} responses, in part or whole"
    return [
        markup.tile(
            "Flagged, of checked",
            wording.percent(summary.flagged.value),
            wording.interval(summary.flagged),
            _quality_note(summary.flagged, before.flagged),
            "Share of checked responses with at least one claim found hallucinated; 95% interval",
        ),
        markup.tile(
            "Checked",
            wording.count(summary.checked),
            unchecked,
            f"of {summary.responses:,} responses",
            "Not checked never counts as clean",
        ),
        markup.tile(
            "Latency, p95", wording.duration(summary.duration_ms_p95), tail, _was(wording.duration(before.duration_ms_p95), before)
        ),
        markup.tile(
            "Cost per response",
            wording.money(summary.cost_mean, money),
            f"{wording.money(summary.cost_total, money)} in total",
            _was(wording.money(before.cost_mean, before.currency), before),
        ),
        markup.tile("Unpriced", wording.count(summary.unpriced_responses), unpriced, "unpriced is not free"),
        markup.tile(
            "Detection lag, p95", wording.span_of(summary.detection_lag_s_p95), "from receipt to last finding", _lag_note(summary.pending)
        ),
    ]


def _lag_note(pending: int) -> str:
    return f"{pending:,} still waiting" if pending else "nothing waiting"


def _was(value: str, before: Summary) -> str:
    return f"{value} in the window before" if before.responses else "nothing in the window before"


def _quality_note(current: Share, before: Share) -> str:
    if current.value is None:
        return "nothing checked yet"
    if before.value is None or before.low is None or before.high is None or current.low is None or current.high is None:
        return "nothing checked in the window before"
    was = wording.percent(before.value)
    if current.low > before.high:
        return f"▲ up from {was} before"
    if current.high < before.low:
        return f"▼ down from {was} before"
    return f"{was} before: no clear change"


def backlog(summary: Summary) -> None:
    """Say so when the numbers above are not the whole picture yet."""
    if summary.checked == 0:
        frame.say(
            "Nothing here has been checked",
            "Quality is unknown, not good. See Operations for detectors that cannot run and for the backlog.",
            "warn",
        )
    elif summary.pending > summary.responses / 4:
        frame.say("Detection is behind", f"{summary.pending:,} of {summary.responses:,} responses still wait to be checked.", "warn")


def show_trends(filters: Filters, trends: Trends, summary: Summary, now: datetime) -> None:
    """The chart; a chosen point leads to its samples."""
    left, right = st.columns([8, 1], vertical_alignment="center")
    with left:
        st.header("Quality, latency and cost")
    with right:
        frame.link("All responses", "responses", filters.address(), ":material/list:")
    if not trends.points:
        frame.say("No trend yet", "The first point appears when a whole bucket of time has responses.")
        return
    since, until = filters.window(now)
    figure = charts.trend_chart(trends, frame.zone(), summary.currency, (since, until or now))
    event: Any = st.plotly_chart(
        figure, key="trends", on_select="rerun", selection_mode="points", config={"displayModeBar": False, "scrollZoom": False}
    )
    chosen = [point["customdata"][0] for point in event["selection"]["points"] if point.get("customdata")]
    if not chosen:
        st.caption("Shaded: 95% interval. A break in a line is a time without responses. Choose a point to see its samples.")
        return
    start = datetime.fromisoformat(str(chosen[0]))
    narrowed = replace(filters, since=start.isoformat(), until=(start + timedelta(seconds=trends.bucket_s)).isoformat())
    with st.container(horizontal=True, vertical_alignment="center"):
        frame.put(markup.el("span", f"Bucket from {wording.moment(start, frame.zone())}, {wording.span_of(trends.bucket_s)} long:"))
        frame.link("Its responses", "responses", narrowed.address())
        frame.link("Its flagged responses", "responses", replace(narrowed, verdict="hallucinated").address())


def show_qualities(filters: Filters, summary: Summary) -> None:
    """Flagged share by input quality; nothing where no input was measured."""
    measured = [part for part in summary.input_quality if part.grade is not None]
    if not measured:
        return
    st.header("By input quality")
    rows = [
        [
            markup.chip(wording.grade(part.grade), wording.GRADES.get(part.grade or "", ("", "", "not_checked"))[2]),
            markup.el("span", wording.share(part.flagged), cls="gw-nowrap"),
            markup.share_bar(part.flagged),
            f"{part.responses:,}",
        ]
        for part in summary.input_quality
    ]
    frame.put(markup.table(["Worst input", "Flagged, of checked", "", "Responses"], rows, (3,)))
    worst = next((part.grade for part in reversed(measured) if part.grade != "good"), None)
    if worst is not None:
        frame.link(f"Responses with {worst} input", "responses", replace(filters, quality=worst).address())


def show_detectors(detectors: list[DetectorSummary]) -> None:
    """How each detector's responses ended."""
    if not detectors:
        frame.say("No detector has finished in this window", "Operations shows which detectors run and what keeps the others from running.")
        return
    heads = ["Detector", "Flagged, of judged", "How its responses ended", *wording.STATES.values(), "p50", "p95"]
    rows = [
        [
            detector.detector,
            markup.el("span", wording.share(detector.flagged), cls="gw-nowrap"),
            markup.states_bar(detector.states),
            *(f"{detector.states.get(state, 0):,}" for state in wording.STATES),
            wording.duration(detector.duration_ms_p50),
            wording.duration(detector.duration_ms_p95),
        ]
        for detector in detectors
    ]
    frame.put(
        markup.table(heads, rows, range(3, 11), "Only “judged” means that a detector looked; every other state counts as not checked.")
    )


if __name__ == "__main__":
    render()

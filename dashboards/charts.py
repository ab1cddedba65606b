"""The two charts: quality, latency and cost on one time axis, and the latency chain of one response."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, tzinfo

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards import wording
from dashboards.bodies import ReleaseMark, StageView, TrendPoint, Trends
from dashboards.markup import chart_text

FLAGGED = "#cc4b14"
SLOW = "#0072b2"
TYPICAL = "#56b4e9"
COST = "#a0568f"
NEUTRAL = "#7d8590"
OVER = "#cc4b14"
GRID = "rgba(125,133,144,0.25)"


def segments(points: Sequence[TrendPoint], bucket_s: int, known: Callable[[TrendPoint], bool]) -> list[list[TrendPoint]]:
    """Runs of neighbouring buckets that have a value; between two runs the line is broken."""
    runs: list[list[TrendPoint]] = []
    step = timedelta(seconds=bucket_s * 1.5)
    for point in points:
        if not known(point):
            continue
        # A month has days of 23 and 25 hours, so neighbours are recognised with half a bucket of tolerance.
        joins = bool(runs) and point.start - runs[-1][-1].start <= step
        if joins and _nothing_between(points, runs[-1][-1], point):
            runs[-1].append(point)
        else:
            runs.append([point])
    return runs


def _nothing_between(points: Sequence[TrendPoint], left: TrendPoint, right: TrendPoint) -> bool:
    return not any(left.start < point.start < right.start for point in points)


def trend_chart(trends: Trends, zone: tzinfo, currency: str | None, window: tuple[datetime, datetime]) -> go.Figure:
    """Three panels on one time axis: flagged share with its 95% band, p50 and p95 latency, cost per response."""
    latency = f'Latency, s: <span style="color:{SLOW}">●</span> p95  <span style="color:{TYPICAL}">●</span> p50'
    titles = ("Flagged share of checked responses, %", latency, f"Cost per response, {chart_text(currency or 'no currency')}")
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.075, subplot_titles=titles)
    _quality(figure, trends, zone)
    _line(figure, trends, zone, 2, "p95", SLOW, lambda p: p.duration_ms_p95, lambda v: v / 1000, wording.duration)
    _line(figure, trends, zone, 2, "p50", TYPICAL, lambda p: p.duration_ms_p50, lambda v: v / 1000, wording.duration)
    _line(figure, trends, zone, 3, "mean", COST, lambda p: p.cost_mean, float, lambda v: wording.money(v, currency))
    _releases(figure, trends, zone, window)
    figure.update_layout(
        height=570,
        margin={"l": 10, "r": 10, "t": 72 if _shown_marks(trends) else 30, "b": 10},
        hovermode="x unified",
        hoversubplots="axis",
        showlegend=False,
        clickmode="event+select",
        dragmode="zoom",
    )
    figure.update_xaxes(range=[when.astimezone(zone).replace(tzinfo=None) for when in window], showgrid=True, gridcolor=GRID)
    figure.update_yaxes(rangemode="tozero", gridcolor=GRID, zeroline=False, fixedrange=True, automargin=True)
    figure.update_xaxes(title_text=f"Time ({chart_text(str(zone))}), buckets of {wording.span_of(trends.bucket_s)}", row=3, col=1)
    for annotation in figure.layout.annotations[:3]:
        annotation.update(x=0, xanchor="left", font={"size": 13})
    return figure


def _local(point: TrendPoint, zone: tzinfo) -> datetime:
    # Plotly has no time zones: the wall clock of the reader's zone is drawn, and the axis names the zone.
    return point.start.astimezone(zone).replace(tzinfo=None)


def _quality(figure: go.Figure, trends: Trends, zone: tzinfo) -> None:
    for run in segments(trends.points, trends.bucket_s, lambda point: point.flagged.value is not None):
        times = [_local(point, zone) for point in run]
        low = [100 * (point.flagged.low or 0.0) for point in run]
        high = [100 * (point.flagged.high or 0.0) for point in run]
        value = [100 * (point.flagged.value or 0.0) for point in run]
        hover = [f"{wording.share(p.flagged)} · {p.responses - p.checked:,} of {p.responses:,} not checked" for p in run]
        if len(run) > 1:
            band = {"x": times + times[::-1], "y": high + low[::-1], "fill": "toself", "fillcolor": "rgba(204,75,20,0.16)"}
            figure.add_trace(go.Scatter(**band, mode="lines", line={"width": 0}, hoverinfo="skip", name="95% interval"), row=1, col=1)
        alone = {"type": "data", "symmetric": False, "array": [high[0] - value[0]], "arrayminus": [value[0] - low[0]], "color": FLAGGED}
        figure.add_trace(
            go.Scatter(
                x=times,
                y=value,
                mode="lines+markers",
                name="Flagged",
                line={"color": FLAGGED, "width": 2},
                marker={"size": 6},
                customdata=[[point.start.isoformat(), text] for point, text in zip(run, hover, strict=True)],
                error_y=alone if len(run) == 1 else None,
                hovertemplate="%{customdata[1]}<extra>Flagged</extra>",
            ),
            row=1,
            col=1,
        )


def _line(
    figure: go.Figure,
    trends: Trends,
    zone: tzinfo,
    row: int,
    name: str,
    colour: str,
    pick: Callable[[TrendPoint], float | None],
    scale: Callable[[float], float],
    say: Callable[[float], str],
) -> None:
    for run in segments(trends.points, trends.bucket_s, lambda point: pick(point) is not None):
        values = [pick(point) or 0.0 for point in run]
        hover = [f"{say(value)}, n = {point.responses:,}" for value, point in zip(values, run, strict=True)]
        figure.add_trace(
            go.Scatter(
                x=[_local(point, zone) for point in run],
                y=[scale(value) for value in values],
                mode="lines+markers",
                name=name,
                line={"color": colour, "width": 2},
                marker={"size": 5},
                customdata=[[point.start.isoformat(), chart_text(text)] for point, text in zip(run, hover, strict=True)],
                hovertemplate=f"%{{customdata[1]}}<extra>{name}</extra>",
            ),
            row=row,
            col=1,
        )


def _releases(figure: go.Figure, trends: Trends, zone: tzinfo, window: tuple[datetime, datetime]) -> None:
    late = window[1] - (window[1] - window[0]) / 5
    for number, mark in enumerate(_shown_marks(trends)):
        when = mark.time.astimezone(zone).replace(tzinfo=None)
        figure.add_vline(x=when, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
        # Versions that arrive close together would print over each other, so labels take turns on two heights.
        figure.add_annotation(
            x=when,
            y=1.055 + 0.05 * (number % 2),
            xref="x",
            yref="paper",
            text=chart_text(f"release {mark.version[:24]}"),
            showarrow=False,
            yanchor="bottom",
            xanchor="right" if mark.time > late else "left",
            font={"size": 12},
        )


def _shown_marks(trends: Trends) -> list[ReleaseMark]:
    # A release seen in the first bucket was most likely live before the window: a line there would claim a change.
    begin = trends.points[0].start + timedelta(seconds=trends.bucket_s)
    return sorted((mark for mark in trends.marks if mark.time >= begin), key=lambda mark: mark.time)


def stage_chart(stages: Sequence[StageView]) -> go.Figure:
    """The latency chain as a waterfall in the order logged; a tick marks each budget, overruns are hatched and named."""
    names = [f"{index + 1}. {chart_text(stage.name)}" for index, stage in enumerate(stages)]
    starts = [sum(stage.duration_ms for stage in stages[:index]) for index in range(len(stages))]
    over = [stage.budget_ms is not None and stage.duration_ms > stage.budget_ms for stage in stages]
    bars = go.Bar(
        y=names,
        x=[stage.duration_ms for stage in stages],
        base=starts,
        orientation="h",
        marker={"color": [OVER if late else SLOW for late in over], "pattern": {"shape": ["/" if late else "" for late in over]}},
        text=[_stage_text(stage, late) for stage, late in zip(stages, over, strict=True)],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    budgets = [
        (name, start + stage.budget_ms) for name, start, stage in zip(names, starts, stages, strict=True) if stage.budget_ms is not None
    ]
    ticks = go.Scatter(
        y=[name for name, _ in budgets],
        x=[at for _, at in budgets],
        mode="markers",
        marker={"symbol": "line-ns", "size": 18, "line": {"width": 2, "color": NEUTRAL}},
        hovertemplate="budget of %{y}<extra></extra>",
    )
    figure = go.Figure([bars, ticks] if budgets else [bars])
    total = sum(stage.duration_ms for stage in stages)
    reach = max([total, *(at for _, at in budgets)])
    figure.update_layout(
        height=70 + 34 * len(stages), margin={"l": 10, "r": 10, "t": 6, "b": 30}, showlegend=False, bargap=0.35, dragmode=False
    )
    figure.update_yaxes(autorange="reversed", automargin=True, ticksuffix="  ")
    figure.update_xaxes(title_text="ms since the first stage began", range=[0, max(1.0, reach * 1.28)], gridcolor=GRID, fixedrange=True)
    return figure


def _stage_text(stage: StageView, late: bool) -> str:
    text = wording.duration(stage.duration_ms)
    if late and stage.budget_ms is not None:
        text += f" · {wording.duration(stage.duration_ms - stage.budget_ms)} over budget"
    return text if stage.status == "ok" else f"{text} · {chart_text(stage.status)}"

"""Two charts of the answering model's confidence: reliability, and risk against coverage."""

from __future__ import annotations

import plotly.graph_objects as go

from dashboards import wording
from dashboards.charts import FLAGGED, GRID, NEUTRAL, SLOW
from dashboards.task_bodies import ConfidenceView

HEIGHT = 330


def reliability_chart(found: ConfidenceView) -> go.Figure:
    """Share correct by stated confidence with 95% intervals; the size of a point follows its n, the dashed line is perfect."""
    figure = go.Figure()
    figure.add_trace(
        go.Scatter(x=[0, 100], y=[0, 100], mode="lines", line={"color": NEUTRAL, "dash": "dash", "width": 1}, hoverinfo="skip")
    )
    most = max((one.correct.n for one in found.bins), default=1)
    value = [100 * (one.correct.value or 0.0) for one in found.bins]
    figure.add_trace(
        go.Scatter(
            x=[100 * one.confidence for one in found.bins],
            y=value,
            mode="lines+markers",
            line={"color": SLOW, "width": 1.5},
            marker={"size": [7 + 13 * (one.correct.n / most) ** 0.5 for one in found.bins], "color": SLOW},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [100 * (one.correct.high or 0.0) - at for one, at in zip(found.bins, value, strict=True)],
                "arrayminus": [at - 100 * (one.correct.low or 0.0) for one, at in zip(found.bins, value, strict=True)],
                "color": SLOW,
                "thickness": 1.2,
            },
            customdata=[f"stated {one.low:.0%}–{one.high:.0%}: correct {wording.share(one.correct)}" for one in found.bins],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    _look(figure, "Stated confidence, %", "Correct, %")
    figure.update_xaxes(range=[-3, 103])
    figure.update_yaxes(range=[-3, 103])
    return figure


def risk_coverage_chart(found: ConfidenceView) -> go.Figure:
    """Share of wrong answers among those kept, from the most confident one to all of them."""
    figure = go.Figure()
    error = 100 * (found.error.value or 0.0)
    figure.add_trace(
        go.Scatter(x=[0, 100], y=[error, error], mode="lines", line={"color": NEUTRAL, "dash": "dash", "width": 1}, hoverinfo="skip")
    )
    figure.add_trace(
        go.Scatter(
            x=[100 * point.coverage for point in found.curve],
            y=[100 * point.risk for point in found.curve],
            mode="lines+markers",
            line={"color": FLAGGED, "width": 2},
            marker={"size": 4},
            customdata=[
                f"confidence of {point.confidence:.0%} and more: {point.coverage:.0%} kept, {point.risk:.1%} of them wrong"
                for point in found.curve
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    _look(figure, "Answers kept, most confident first, %", "Wrong among them, %")
    figure.update_xaxes(range=[-3, 103])
    figure.update_yaxes(rangemode="tozero")
    return figure


def _look(figure: go.Figure, across: str, up: str) -> None:
    figure.update_layout(height=HEIGHT, margin={"l": 10, "r": 10, "t": 8, "b": 10}, showlegend=False, dragmode=False)
    figure.update_xaxes(title_text=across, gridcolor=GRID, zeroline=False, fixedrange=True, automargin=True)
    figure.update_yaxes(title_text=up, gridcolor=GRID, zeroline=False, fixedrange=True, automargin=True)

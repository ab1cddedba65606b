from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dashboards import charts
from dashboards.bodies import ReleaseMark, Share, StageView, TrendPoint, Trends

START = datetime(2026, 6, 18, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def point(hour: int, value: float | None = 0.1, latency: float | None = 900.0) -> TrendPoint:
    share = Share(
        value=value, low=None if value is None else value / 2, high=None if value is None else value * 2, n=0 if value is None else 40
    )
    return TrendPoint(
        start=START + timedelta(hours=hour),
        responses=50,
        checked=share.n,
        flagged=share,
        duration_ms_p50=latency,
        duration_ms_p95=latency,
        cost_mean=0.01,
        cost_total=0.5,
    )


def chart(points: list[TrendPoint], marks: list[ReleaseMark] | None = None):
    return charts.trend_chart(Trends(bucket_s=3600, points=points, marks=marks or []), BERLIN, "USD", (START, START + timedelta(hours=12)))


def lines(figure, name: str) -> list[int]:
    return [len(trace.x) for trace in figure.data if trace.name == name]


def test_a_gap_breaks_every_line() -> None:
    figure = chart([point(0), point(1), point(2), point(5), point(6)])
    assert lines(figure, "Flagged") == lines(figure, "p95") == lines(figure, "mean") == [3, 2]


def test_a_bucket_that_nobody_checked_is_a_gap_in_quality_only() -> None:
    figure = chart([point(0), point(1, value=None), point(2)])
    assert lines(figure, "Flagged") == [1, 1]
    assert lines(figure, "p95") == [3]


def test_the_interval_is_a_band_and_on_a_lonely_point_a_whisker() -> None:
    figure = chart([point(0), point(1), point(4)])
    band = next(trace for trace in figure.data if trace.name == "95% interval")
    assert max(band.y) == 20
    assert min(band.y) == 5
    alone = [trace for trace in figure.data if trace.name == "Flagged"][1]
    assert alone.error_y.array[0] == 10


def test_the_three_panels_share_one_axis_in_the_readers_zone() -> None:
    figure = chart([point(0), point(1)])
    assert {trace.xaxis for trace in figure.data} == {"x", "x2", "x3"}
    assert figure.layout.xaxis.matches == figure.layout.xaxis2.matches == "x3"
    assert figure.data[-1].x[0].hour == 2
    assert "Europe/Berlin" in figure.layout.xaxis3.title.text


def test_a_point_says_its_n_and_leads_to_its_bucket() -> None:
    flagged = next(trace for trace in chart([point(3)]).data if trace.name == "Flagged")
    assert flagged.customdata[0][0] == "2026-06-18T03:00:00+00:00"
    assert flagged.customdata[0][1] == "10.0% (5.0–20.0), n = 40 · 10 of 50 not checked"


def test_a_release_is_marked_unless_it_was_there_from_the_first_bucket() -> None:
    marks = [ReleaseMark(time=START, version="old"), ReleaseMark(time=START + timedelta(hours=2), version="<b>new</b>")]
    texts = [annotation.text for annotation in chart([point(0), point(2)], marks).layout.annotations]
    assert "release &lt;b&gt;new&lt;/b&gt;" in texts
    assert not any("old" in text for text in texts)


def test_stages_stand_one_after_the_other_and_overruns_are_named() -> None:
    stages = [
        StageView(name="upload", duration_ms=100, budget_ms=200, status="ok"),
        StageView(name="<b>infer", duration_ms=1500, budget_ms=1200, status="timeout"),
    ]
    bars = charts.stage_chart(stages).data[0]
    assert list(bars.base) == [0, 100]
    assert bars.text[1] == "1.50 s · 300 ms over budget · timeout"
    assert bars.y[1] == "2. &lt;b&gt;infer"

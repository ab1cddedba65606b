"""Numbers of a window: exact, honest about what is not known, and never NaN."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from monitor.findings import OutcomeState
from monitor.records import Evidence, Release, Stage, Usage
from monitor.store.reading import Reader
from monitor.store.rows import DetectorCount, ReviewCandidate
from monitor.store.writer import Writer
from tests.store.samples import DAY, NOON, full, outcome, spooled, window

HOUR = timedelta(hours=1)


def took(milliseconds: float) -> tuple[Stage, ...]:
    return (Stage(name="infer", duration_ms=milliseconds),)


def paid(amount: float | None, currency: str | None = "USD") -> tuple[Usage, ...]:
    return (Usage(item="tokens", quantity=1, unit="token", amount=amount, currency=currency),)


def test_a_window_without_responses_has_no_numbers(reader: Reader) -> None:
    summary = reader.summary(window())
    assert (summary.responses, summary.checked, summary.not_checked, summary.pending, summary.flagged) == (0, 0, 0, 0, 0)
    assert (summary.duration_ms_p50, summary.duration_ms_p95, summary.duration_ms_p99) == (None, None, None)
    assert (summary.cost_total, summary.cost_mean, summary.currency, summary.mixed_currencies) == (None, None, None, False)
    assert (summary.detection_lag_s_p95, summary.detectors, summary.detector_duration_ms) == (None, [], {})
    assert reader.trends(window(), 3600) == []


def test_unchecked_responses_are_counted_beside_the_checked_and_never_as_clean(reader: Reader, writer: Writer) -> None:
    states: list[tuple[str, OutcomeState, tuple[float, ...]]] = [
        ("flagged", "judged", (0.9, 0.1)),
        ("clean", "judged", (0.2,)),
        ("abstained", "abstained", ()),
        ("none", "not_applicable", ()),
        ("failed", "failed", ()),
        ("left", "sampled_out", ()),
        ("dear", "over_budget", ()),
    ]
    given = [full(identifier, n) for n, (identifier, _, _) in enumerate(states)]
    writer.insert_responses([*given, full("pending", 99)], "t1")
    writer.insert_outcomes([outcome(r, "ocr_mismatch", state, *scores) for r, (_, state, scores) in zip(given, states, strict=True)], "o1")
    summary = reader.summary(window())
    assert (summary.responses, summary.checked, summary.not_checked, summary.pending, summary.flagged) == (8, 2, 5, 1, 1)
    assert DetectorCount(detector="ocr_mismatch", state="judged", responses=2, flagged=1) in summary.detectors
    assert {(count.state, count.responses) for count in summary.detectors if count.state != "judged"} == {
        (state, 1) for _, state, _ in states if state != "judged"
    }
    (bucket,) = reader.trends(window(), 86400)
    assert (bucket.responses, bucket.checked, bucket.flagged) == (8, 2, 1)
    for verdict, count in (("hallucinated", 1), ("supported", 1), ("not_checked", 6)):
        assert reader.summary(window(verdict=verdict)).responses == count


def test_quantiles_are_those_of_numpy_over_the_timed_responses(reader: Reader, writer: Writer) -> None:
    durations = [float(n * n) for n in range(1, 48)]
    writer.insert_responses([full(f"r{n}", n, stages=took(d)) for n, d in enumerate(durations)] + [full("untimed", 99)], "t1")
    summary = reader.summary(window())
    expected = np.quantile(durations, [0.5, 0.95, 0.99])
    assert [summary.duration_ms_p50, summary.duration_ms_p95, summary.duration_ms_p99] == pytest.approx(expected.tolist())


def test_costs_of_several_currencies_have_no_sum(reader: Reader, writer: Writer) -> None:
    writer.insert_responses([full("a", 1, usage=paid(0.5)), full("b", 2, usage=paid(0.25)), full("c", 3)], "t1")
    summary = reader.summary(window())
    assert (summary.cost_total, summary.cost_mean, summary.currency, summary.mixed_currencies) == (0.75, 0.375, "USD", False)
    assert summary.unpriced_responses == 1
    writer.insert_responses([full("d", 4, usage=paid(9, "EUR"))], "t2")
    summary = reader.summary(window())
    assert (summary.cost_total, summary.cost_mean, summary.currency, summary.mixed_currencies) == (None, None, None, True)
    assert [(b.cost_mean, b.cost_total) for b in reader.trends(window(), 86400)] == [(None, None)]


def test_an_item_without_a_price_is_unpriced_and_never_free(reader: Reader, writer: Writer) -> None:
    writer.insert_responses(
        [
            full("part", 1, usage=paid(0.5) + paid(None)),
            full("none", 2, usage=paid(None)),
            full("mixed", 3, usage=paid(1) + paid(1, "EUR")),
            full("free", 4, usage=paid(0.0)),
        ],
        "t1",
    )
    found = {line.id: (line.cost, line.currency, line.unpriced_items) for line in reader.list_responses(window(), 10)[0]}
    assert found == {"part": (0.5, "USD", 1), "none": (None, None, 1), "mixed": (None, None, 2), "free": (0.0, "USD", 0)}
    assert reader.summary(window()).unpriced_responses == 3


def test_the_detection_lag_runs_from_taking_in_to_the_last_outcome(reader: Reader, writer: Writer) -> None:
    given = full("r")
    writer.insert_responses([given, full("pending", 2)], "t1")
    writer.insert_outcomes([outcome(given, "a", "judged", 0.1, after_s=3), outcome(given, "b", "abstained", after_s=8)], "o1")
    assert reader.summary(window()).detection_lag_s_p95 == pytest.approx(8.0)


def test_a_detectors_durations_leave_out_what_it_turned_away(reader: Reader, writer: Writer) -> None:
    given = [full(f"r{n}", n) for n in range(4)]
    writer.insert_responses(given, "t1")
    writer.insert_outcomes([outcome(r, "a", "judged", 0.1, duration_ms=100.0 * (n + 1)) for n, r in enumerate(given[:3])], "o1")
    writer.insert_outcomes([outcome(given[3], "a", "not_applicable", duration_ms=0.01)], "o2")
    assert reader.summary(window()).detector_duration_ms == {"a": (pytest.approx(200.0), pytest.approx(290.0))}


def test_trends_have_a_bucket_where_there_are_responses_and_a_gap_where_there_are_none(reader: Reader, writer: Writer) -> None:
    times = [NOON - 5 * HOUR, NOON - 5 * HOUR + timedelta(minutes=59, seconds=59.999), NOON]
    given = [full(f"r{n}", n, time=time, stages=took(100 + n)) for n, time in enumerate(times)]
    writer.insert_responses(given, "t1")
    writer.insert_outcomes([outcome(given[2], "a", "judged", 0.9)], "o1")
    buckets = reader.trends(window(), 3600)
    assert [(b.start, b.responses, b.checked, b.flagged, b.duration_ms_p50) for b in buckets] == [
        (NOON - 5 * HOUR, 2, 0, 0, 100.5),
        (NOON, 1, 1, 1, 102.0),
    ]
    assert [b.start for b in reader.trends(window(), 86400)] == [NOON.replace(hour=0)]
    assert [b.cost_total for b in buckets] == [None, None]


def test_a_release_is_marked_where_it_was_first_seen_and_not_where_the_window_begins(reader: Reader, writer: Writer) -> None:
    old, new = Release(version="1"), Release(version="2")
    writer.insert_responses(
        [
            full("a", 1, release=old, time=NOON - 10 * DAY),
            full("b", 2, release=old),
            full("c", 3, release=new, time=NOON - HOUR),
            full("d", 4, release=new),
            full("e", 5, release=Release(version="3"), workflow="other", time=NOON + HOUR),
            spooled("f", 6),
        ],
        "t1",
    )
    assert reader.release_marks(window()) == [(NOON - HOUR, "2"), (NOON + HOUR, "3")]
    assert reader.release_marks(window(workflow="image-qa", verdict="hallucinated", min_score=0.5)) == [(NOON - HOUR, "2")]


def test_facets_name_the_values_of_the_window_most_frequent_first(reader: Reader, writer: Writer) -> None:
    given = [full(f"r{n}", n, workflow="often" if n else "seldom", cohort={"device": "ios" if n < 2 else "web"}) for n in range(5)]
    writer.insert_responses([*given, full("old", 9, workflow="gone", time=NOON - 10 * DAY)], "t1")
    writer.insert_outcomes([outcome(given[0], "ocr_mismatch", "failed")], "o1")
    facets = reader.facets("default", NOON - DAY, NOON + DAY)
    assert facets.workflows == ["often", "seldom"]
    assert facets.cohorts == {"device": ["web", "ios"]}
    assert (facets.models, facets.releases, facets.risks, facets.detectors) == (["gpt-4v"], ["2.0"], ["assistive"], ["ocr_mismatch"])


def test_facets_hold_at_most_200_values_each(reader: Reader, writer: Writer) -> None:
    writer.insert_responses([full(f"r{n}", n, cohort={"customer": f"c{n}"}) for n in range(250)], "t1")
    assert len(reader.facets("default", NOON - DAY, NOON + DAY).cohorts["customer"]) == 200


def test_slices_are_hours_of_whole_workflows_and_of_each_cohort_value(reader: Reader, writer: Writer) -> None:
    given = [full(f"r{n}", n, cohort={"device": device}, usage=paid(n), stages=took(n)) for n, device in enumerate(["ios", "web", "web"])]
    writer.insert_responses([*given, full("later", 9, cohort={}, time=NOON + 2 * HOUR)], "t1")
    writer.insert_outcomes([outcome(given[1], "a", "judged", 0.9), outcome(given[2], "a", "judged", 0.1)], "o1")
    found = {(s.cohort_key, s.cohort_value, s.start): s for s in reader.slice_buckets("default", NOON - DAY, NOON + DAY)}
    assert set(found) == {("", "", NOON), ("device", "ios", NOON), ("device", "web", NOON), ("", "", NOON + 2 * HOUR)}
    whole, web, later = found["", "", NOON], found["device", "web", NOON], found["", "", NOON + 2 * HOUR]
    assert (whole.responses, whole.checked, whole.flagged, whole.priced, whole.cost_total) == (3, 2, 1, 3, 3.0)
    assert (web.responses, web.checked, web.flagged, web.cost_mean, web.duration_ms_p95) == (2, 2, 1, 1.5, pytest.approx(1.95))
    assert (later.cost_mean, later.cost_total, later.priced, later.duration_ms_p95) == (None, None, 0, None)


def test_stage_latencies_name_each_stage_and_the_whole_chain(reader: Reader, writer: Writer) -> None:
    chains = [
        (Stage(name="encode", duration_ms=10, budget_ms=20), Stage(name="infer", duration_ms=100, budget_ms=50)),
        (Stage(name="encode", duration_ms=30, budget_ms=20), Stage(name="infer", duration_ms=200)),
    ]
    writer.insert_responses([full(f"r{n}", n, stages=chain) for n, chain in enumerate(chains)] + [full("bare", 9)], "t1")
    found = {stage.stage: stage for stage in reader.stage_latencies("default", NOON - DAY, NOON + DAY)}
    assert {name: (s.responses, s.p50_ms, s.over_budget, s.with_budget) for name, s in found.items()} == {
        "encode": (2, 20.0, 1, 2),
        "infer": (2, 150.0, 1, 1),
        "total": (2, 170.0, 1, 1),
    }


def test_a_missing_modality_is_one_that_most_of_the_workflow_has(reader: Reader, writer: Writer) -> None:
    text = (Evidence(id="t", media_type="text/plain", content="x"),)
    with_picture = [full(f"p{n}", n) for n in range(8)]
    without = [full(f"w{n}", 20 + n, evidence=text, time=NOON + timedelta(minutes=n)) for n in range(7)]
    writer.insert_responses([*with_picture, *without, full("alone", 50, workflow="other", evidence=())], "t1")
    (found,) = reader.missing_modalities("default", NOON - DAY, NOON + DAY)
    assert (found.workflow, found.family, found.responses, found.missing) == ("image-qa", "image", 15, 7)
    assert found.sample_ids == ["w6", "w5", "w4", "w3", "w2"]


def test_review_candidates_are_responses_that_all_detectors_have_ended_on(reader: Reader, writer: Writer) -> None:
    given = [full(f"r{n}", n, time=NOON + n * HOUR, risk="authoritative") for n in range(4)]
    writer.insert_responses(given, "t1")
    ended = [outcome(given[0], "a", "judged", 0.6), outcome(given[1], "a", "abstained"), outcome(given[2], "a", "judged", 0.1)]
    writer.insert_outcomes([*ended, outcome(given[0], "b", "judged", 0.2), outcome(given[1], "b", "failed")], "o1")

    def candidates(ended_since: datetime, old: datetime) -> list[ReviewCandidate]:
        return reader.review_candidates("default", NOON - DAY, NOON + DAY, detectors=["b", "a"], ended_since=ended_since, old=old)

    found = candidates(NOON - DAY, NOON - DAY)
    assert [(c.id, c.max_score, c.flagged, c.checked, c.risk) for c in found] == [
        ("r0", 0.6, True, True, "authoritative"),
        ("r1", None, False, False, "authoritative"),
    ]
    assert found[0].time == NOON
    ends = sorted(one.finished_at for one in ended)
    assert [c.id for c in candidates(ends[-1] + HOUR, NOON - DAY)] == []
    # One outcome is enough for those that are too old to wait, and none is never enough.
    assert [c.id for c in candidates(ends[-1] + HOUR, NOON + DAY)] == ["r0", "r1", "r2"]

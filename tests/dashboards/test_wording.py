from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from dashboards import wording
from dashboards.bodies import Share


def test_a_share_is_written_with_its_interval_and_n() -> None:
    assert wording.share(Share(value=0.042, low=0.031, high=0.056, n=1203)) == "4.2% (3.1–5.6), n = 1,203"
    assert wording.share(Share(value=0.0042, low=0.002, high=0.008, n=5000)) == "0.42% (0.20–0.80), n = 5,000"


def test_a_share_of_nothing_is_unknown_and_not_zero() -> None:
    assert wording.share(Share(value=None, low=None, high=None, n=0)) == "—, n = 0"


@pytest.mark.parametrize("say", [wording.percent, wording.duration, wording.span_of, wording.score, wording.count, wording.size])
def test_what_is_not_known_is_a_dash_never_zero(say) -> None:
    assert say(None) == "—"
    assert wording.money(None, "USD") == "—"
    assert wording.moment(None, UTC) == "—"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0 ms"), (0.0026, "<0.1 ms"), (4.2, "4.2 ms"), (412, "412 ms"), (1240, "1.24 s"), (61_000, "61.0 s"), (600_000, "10.0 min")],
)
def test_durations_change_unit_with_their_size(milliseconds: float, text: str) -> None:
    assert wording.duration(milliseconds) == text


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1234.5, "USD", "$1,234.50"),
        (0.0045, "EUR", "€0.0045"),
        (0.0000123, "USD", "$0.000012"),
        (0, "GBP", "£0.00"),
        (3, "CHF", "3.00 CHF"),
        (3, None, "3.00 (no currency)"),
    ],
)
def test_money_carries_its_currency(amount: float, currency: str | None, text: str) -> None:
    assert wording.money(amount, currency) == text


def test_a_score_near_the_end_of_its_scale_is_not_rounded_to_certainty() -> None:
    assert [wording.score(value) for value in (0.0, 0.003, 0.5, 0.997, 1.0)] == ["0.00", "<0.01", "0.50", ">0.99", "1.00"]


def test_times_are_in_the_readers_zone_and_name_it() -> None:
    when = datetime(2026, 6, 18, 12, 3, 22, tzinfo=UTC)
    assert wording.moment(when, ZoneInfo("Europe/Berlin")) == "18 Jun 2026, 14:03:22 CEST"
    assert wording.ago(when, datetime(2026, 6, 18, 12, 6, 22, tzinfo=UTC)) == "3 min ago"


def test_positions_in_a_recording_are_minutes_and_seconds() -> None:
    assert wording.media_time(4.08) == "0:04.1"
    assert wording.media_time(125.5) == "2:05.5"


def test_open_values_become_one_line() -> None:
    assert (
        wording.fact({"n": 51, "low": 0.12345, "ok": True, "none": None, "list": [1, "a"]})
        == "n: 51, low: 0.1235, ok: yes, none: —, list: 1, a"
    )


def test_an_inputs_grade_has_an_icon_and_a_word_and_unmeasured_is_none_of_them() -> None:
    assert [wording.grade(name) for name in ("good", "poor", "unusable", None, "new")] == [
        "● Good",
        "◐ Poor",
        "○ Unusable",
        "Not measured",
        "? new",
    ]

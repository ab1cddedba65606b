from datetime import UTC, datetime, timedelta

from dashboards.filters import Filters, from_address, from_samples, parse_time

NOW = datetime(2026, 6, 18, 12, 3, 22, tzinfo=UTC)


def test_the_address_carries_the_filters_there_and_back() -> None:
    filters = Filters(range="7d", workflow="image-qa", verdict="hallucinated", cohort=("device:ios", "region:eu"))
    address = filters.address()
    assert address == {"range": "7d", "workflow": "image-qa", "verdict": "hallucinated", "cohort": ["device:ios", "region:eu"]}
    flat = {name: value for name, value in address.items() if isinstance(value, str)}
    assert from_address(flat, ["device:ios", "region:eu"]) == filters


def test_defaults_leave_the_address_clean() -> None:
    assert Filters().address() == {}


def test_a_broken_link_falls_back_to_the_default_window() -> None:
    filters = from_address({"range": "nonsense", "since": "yesterday", "until": "x", "color": "red"}, ["no-colon"])
    assert filters == Filters()


def test_a_relative_window_starts_on_a_whole_minute_so_readers_share_an_answer() -> None:
    early, late = Filters().window(NOW), Filters().window(NOW + timedelta(seconds=20))
    assert early == late == (datetime(2026, 6, 17, 12, 3, tzinfo=UTC), None)


def test_an_alerts_samples_become_the_same_filters_of_the_list() -> None:
    samples = {
        "since": "2026-06-18T06:00:00+00:00",
        "until": "2026-06-18T12:00:00+00:00",
        "workflow": "a b",
        "verdict": "hallucinated",
        "cohort": "customer:x, y:z",
    }
    filters = from_samples(samples)
    assert filters.window(NOW) == (datetime(2026, 6, 18, 6, tzinfo=UTC), datetime(2026, 6, 18, 12, tzinfo=UTC))
    assert dict(filters.api(NOW)) == samples


def test_a_plus_that_a_browser_turned_into_a_space_is_read() -> None:
    assert parse_time("2026-06-18T06:00:00 02:00") == datetime(2026, 6, 18, 4, tzinfo=UTC)


def test_the_window_before_is_as_long_and_ends_where_this_one_starts() -> None:
    before = Filters(range="6h", workflow="w").before(NOW)
    start, _ = Filters(range="6h").window(NOW)
    assert before.window(NOW) == (start - timedelta(hours=6), start)
    assert before.workflow == "w"

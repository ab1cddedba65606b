from __future__ import annotations

import io

import pytest

from monitor.api.ranges import ranged

CONTENT = bytes(range(100))
TAG = '"abc"'


def reply(**asked: str) -> tuple[int, str | None, str | None]:
    stream = io.BytesIO(CONTENT)
    made = ranged(stream, len(CONTENT), {name.replace("_", "-"): value for name, value in asked.items()}, {"ETag": TAG}, "text/plain")
    return made.status_code, made.headers.get("content-range"), made.headers.get("content-length")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("bytes=0-9", (206, "bytes 0-9/100", "10")),
        ("bytes=90-", (206, "bytes 90-99/100", "10")),
        ("bytes=90-1000", (206, "bytes 90-99/100", "10")),
        ("bytes=-5", (206, "bytes 95-99/100", "5")),
        ("bytes=-500", (200, None, "100")),
        ("bytes=0-", (200, None, "100")),
        ("bytes=100-", (416, "bytes */100", "0")),
        ("bytes=-0", (416, "bytes */100", "0")),
        ("bytes=9-0", (200, None, "100")),
        ("bytes=0-1,5-6", (200, None, "100")),
        ("lines=0-1", (200, None, "100")),
        ("bytes=-", (200, None, "100")),
    ],
)
def test_one_range_is_served_and_what_is_none_is_answered_with_the_whole(asked: str, found: tuple[int, str | None, str]) -> None:
    assert reply(range=asked) == found


def test_a_range_of_another_version_is_answered_with_the_whole() -> None:
    assert reply(range="bytes=0-9", if_range=TAG)[0] == 206
    assert reply(range="bytes=0-9", if_range='"other"')[0] == 200


def test_nothing_is_served_whole_and_has_no_range() -> None:
    assert ranged(io.BytesIO(), 0, {}, {}, "text/plain").status_code == 200
    assert ranged(io.BytesIO(), 0, {"range": "bytes=0-"}, {}, "text/plain").status_code == 416

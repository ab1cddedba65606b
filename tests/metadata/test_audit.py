from __future__ import annotations

import pytest

from monitor.clock import MovableClock
from monitor.errors import RecordInvalid
from monitor.metadata.audit import AuditLog
from monitor.metadata.database import Database


def test_the_log_is_paged_newest_first_and_by_project(database: Database, clock: MovableClock) -> None:
    log = AuditLog(database)
    for number in range(5):
        log.add("p", clock.now(), "ann", "did", f"thing:{number}", {"n": number})
    log.add("other", clock.now(), "bob", "did", "thing:x", {})
    first, cursor = log.list("p", 3)
    rest, end = log.list("p", 3, cursor)
    assert [entry.facts["n"] for entry in [*first, *rest]] == [4, 3, 2, 1, 0]
    assert end is None
    assert first[0].at == clock.now()


@pytest.mark.parametrize("cursor", ["-1", "x", "9" * 30, "²"])
def test_a_cursor_that_is_no_position_is_refused(database: Database, cursor: str) -> None:
    with pytest.raises(RecordInvalid, match="cursor"):
        AuditLog(database).list("p", 3, cursor)

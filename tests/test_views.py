from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from monitor import cli
from monitor.clock import MovableClock
from monitor.errors import MetadataUnavailable
from monitor.metadata.audit import AuditLog
from monitor.metadata.database import Database
from monitor.settings import Settings
from monitor.views import Views
from tests.api.conftest import TEXT_HASH, Api, small
from tests.conftest import NOON


def seen(database: Database, project: str = "default") -> list[tuple[str, str, str]]:
    return [(entry.actor, entry.action, entry.subject) for entry in reversed(AuditLog(database).list(project)[0])]


def test_a_view_is_noted_once_a_key_subject_and_day_also_after_a_restart(database: Database, clock: MovableClock) -> None:
    for _ in range(2):  # the second as after a restart
        views = Views(database, clock)
        for actor in ("ann", "ann", "bob"):
            views.note("default", actor, "response:r-1")
        views.write()
    assert seen(database) == [("ann", "viewed", "response:r-1"), ("bob", "viewed", "response:r-1")]
    clock.move(timedelta(days=1))
    views.note("default", "ann", "response:r-1")
    views.note("other", "ann", "response:r-1")
    assert views.write() == 2
    assert len(seen(database)) == 3
    assert seen(database, "other") == [("ann", "viewed", "response:r-1")]


def test_views_wait_while_the_metadata_is_away(database: Database, clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    views = Views(database, clock)
    views.note("default", "ann", "response:r-1")

    def away(*_: object) -> int:
        raise MetadataUnavailable("gone")

    with monkeypatch.context() as patched:
        patched.setattr(views._log, "add_views", away)
        with pytest.raises(MetadataUnavailable):
            views.write()
    assert views.write() == 1


def test_stopping_writes_what_waits(database: Database, clock: MovableClock) -> None:
    views = Views(database, clock)
    views.start()
    views.note("default", "ann", "response:r-1")
    views.stop()
    assert len(seen(database)) == 1


def test_opening_a_response_and_its_evidence_is_noted_where_it_is_asked_for(
    settings: Settings, database: Database, clock: MovableClock
) -> None:
    api = Api(small(settings), database, clock)
    api.http.get("/v1/responses/r-1")
    assert seen(database) == []
    views = Views(database, clock)
    object.__setattr__(api.context, "views", views)
    api.http.post("/v1/evidence", files={"file": ("h.txt", b"hello")})
    assert api.http.get("/v1/responses/r-1").status_code == 200
    assert api.http.get(f"/v1/evidence/{TEXT_HASH}").status_code == 200
    assert api.http.get("/v1/responses/nobody").status_code == 404
    views.write()
    assert {subject for _, _, subject in seen(database)} == {"response:r-1", f"evidence:{TEXT_HASH}"}
    api.desk.stop()


def filled(database: Database) -> AuditLog:
    log = AuditLog(database)
    for number in range(4):
        log.add("default", NOON + timedelta(seconds=number), "ann", "key.created", f"key:{number}", {"n": number, "é": [1.5, None]})
        log.add("other", NOON, "bob", "key.created", f"key:{number}", {})
    return log


def test_an_untouched_log_verifies_and_names_its_head(database: Database) -> None:
    report = filled(database).verify("default")
    assert (report.entries, report.unchained, report.broken_at, report.has_head) == (4, 0, None, True)
    assert report.head == AuditLog(database).list("default")[0][0].digest
    assert AuditLog(database).verify("default", report.head).has_head


@pytest.mark.parametrize(
    ("statement", "broken_at"),
    [
        ("UPDATE audit_entries SET actor = 'eve' WHERE id = 3", 3),
        ("UPDATE audit_entries SET facts = '{}' WHERE id = 3", 3),
        ("UPDATE audit_entries SET digest = NULL WHERE id = 3", 3),
        ("DELETE FROM audit_entries WHERE id = 3", 5),
        ("UPDATE audit_entries SET project_id = 'other' WHERE id = 3", 5),
    ],
)
def test_a_changed_or_removed_entry_shows(database: Database, statement: str, broken_at: int) -> None:
    log = filled(database)
    with database.session() as session:
        session.execute(text(statement))
    assert log.verify("default").broken_at == broken_at


def test_a_log_whose_end_was_cut_off_shows_to_whoever_noted_its_head(database: Database) -> None:
    log = filled(database)
    head = log.verify("default").head
    with database.session() as session:
        session.execute(text("DELETE FROM audit_entries WHERE id = 7"))
    cut = log.verify("default", head)
    assert (cut.broken_at, cut.has_head) == (None, False)


def test_entries_from_before_digests_are_counted_and_the_chain_begins_after_them(database: Database) -> None:
    log = filled(database)
    with database.session() as session:
        session.execute(text("UPDATE audit_entries SET digest = NULL"))
    log.add("default", NOON, "ann", "key.created", "key:9", {})
    report = log.verify("default")
    assert (report.entries, report.unchained, report.broken_at) == (5, 4, None)


@pytest.mark.postgres
def test_postgresql_keeps_the_chain_too(postgres_url: str, settings: Settings) -> None:
    from monitor.migrate import migrate

    there = settings.model_copy(update={"metadata_url": postgres_url})
    database = Database(postgres_url)
    with database.engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    migrate(there)
    assert filled(database).verify("default").broken_at is None
    database.dispose()


def test_the_command_ends_with_1_where_the_log_was_touched(database: Database, settings: Settings) -> None:
    filled(database)
    run = CliRunner().invoke(cli.app, ["audit", "verify", "--data", str(settings.data)])
    assert (run.exit_code, "4 entries" in run.stdout) == (0, True)
    assert CliRunner().invoke(cli.app, ["audit", "verify", "--head", "0" * 64, "--data", str(settings.data)]).exit_code == 1
    with database.session() as session:
        session.execute(text("UPDATE audit_entries SET actor = 'eve' WHERE id = 3"))
    run = CliRunner().invoke(cli.app, ["audit", "verify", "--data", str(settings.data)])
    assert (run.exit_code, "Entry 3" in run.stdout) == (1, True)

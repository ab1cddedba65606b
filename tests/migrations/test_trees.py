"""Each revision goes up, down and up again, and leads to what the code expects."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

from monitor import migrate
from monitor.alerts.rules import RuleBook
from monitor.errors import MigrationRequired, SettingsInvalid
from monitor.metadata.database import Database
from monitor.metadata.tables import Table
from monitor.records import Answer, Release, ResponseRecord
from monitor.settings import Settings
from monitor.store import schema
from monitor.store.client import Store
from monitor.store.fragments import query
from monitor.store.reading import Reader
from monitor.store.rows import SpooledResponse
from monitor.store.schema import RECORDS, RESPONSES, record_row, response_row
from tests.conftest import NOON
from tests.serving import free_port

RECORD = ResponseRecord(
    id="old-1", time=NOON, workflow="qa", answer=Answer(text="It is red."), cohort={"region": "eu"}, release=Release(version="1.0")
)
TREES: tuple[migrate.Tree, ...] = ("metadata", "clickhouse")
METADATA = [pytest.param("sqlite", id="sqlite"), pytest.param("postgresql", id="postgresql", marks=pytest.mark.postgres)]


def revisions(tree: migrate.Tree) -> list[str]:
    script = ScriptDirectory.from_config(migrate._config(tree, None))
    return [revision.revision for revision in reversed(list(script.walk_revisions()))]


@pytest.fixture
def metadata_settings(settings: Settings, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """Settings of the database that the test is run on, with nothing in it."""
    if request.param == "sqlite":
        yield settings
        return
    url = request.getfixturevalue("postgres_url")
    database = Database(url)
    with database.engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    database.dispose()
    yield settings.model_copy(update={"metadata_url": url})


# Revisions that change rows and no table.
ROWS_ONLY = {"0006"}
# Revisions of the ClickHouse tree that change the table in which Alembic keeps where it stands.
OF_ALEMBIC_ONLY = {"0008"}


def schema_of(settings: Settings) -> dict[str, list[str]]:
    database = Database(settings.sqlalchemy_url)
    found = inspect(database.engine)
    tables = {table: sorted(column["name"] for column in found.get_columns(table)) for table in found.get_table_names()}
    database.dispose()
    tables.pop("alembic_version", None)
    return tables


@pytest.mark.parametrize("tree", TREES)
def test_revisions_are_numbered_without_gaps(tree: migrate.Tree) -> None:
    found = revisions(tree)
    assert found == [f"{number:04d}" for number in range(1, len(found) + 1)]


@pytest.mark.parametrize("metadata_settings", METADATA, indirect=True)
def test_each_metadata_revision_goes_up_down_and_up_again(metadata_settings: Settings) -> None:
    migrate.migrate(metadata_settings)
    seen = {}
    for revision in reversed(revisions("metadata")):
        seen[revision] = schema_of(metadata_settings)
        migrate.downgrade(metadata_settings, "metadata", "-1")
    assert schema_of(metadata_settings) == {}
    assert migrate.status(metadata_settings)[0].current is None
    of_tables = [tables for revision, tables in seen.items() if revision not in ROWS_ONLY]
    assert len({str(tables) for tables in of_tables}) == len(of_tables), "a revision changes nothing"
    migrate.migrate(metadata_settings)
    assert schema_of(metadata_settings) == seen[migrate.head("metadata")]


@pytest.mark.parametrize("metadata_settings", METADATA, indirect=True)
def test_a_project_from_before_gets_the_rule_of_a_new_kind_and_loses_it_on_the_way_down(metadata_settings: Settings) -> None:
    migrate.migrate(metadata_settings)
    migrate.downgrade(metadata_settings, "metadata", "0005")
    database = Database(metadata_settings.sqlalchemy_url)
    with database.session() as session:
        session.execute(text("INSERT INTO projects VALUES ('p', 'p', '2026-03-02 12:00:00+00:00')"))
    migrate.migrate(metadata_settings)
    rules = RuleBook(database).list("p")
    assert [(rule.kind, rule.severity, rule.enabled) for rule in rules] == [("pipeline_stalled", "page", True)]
    migrate.downgrade(metadata_settings, "metadata", "0005")
    with database.session() as session:
        assert session.execute(text("SELECT count(*) FROM alert_rules")).scalar() == 0
    database.dispose()


@pytest.mark.parametrize("metadata_settings", METADATA, indirect=True)
def test_the_metadata_tree_leads_to_exactly_the_tables_of_the_code(metadata_settings: Settings) -> None:
    migrate.migrate(metadata_settings)
    database = Database(metadata_settings.sqlalchemy_url)
    with database.engine.connect() as connection:
        difference = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Table.metadata)
    database.dispose()
    assert difference == []


@pytest.mark.parametrize("metadata_settings", METADATA, indirect=True)
def test_only_one_unresolved_alert_a_fingerprint_is_possible_on_both_databases(metadata_settings: Settings) -> None:
    migrate.migrate(metadata_settings)
    database = Database(metadata_settings.sqlalchemy_url)
    now = "2026-03-02 12:00:00+00:00"
    project = text("INSERT INTO projects VALUES ('p', 'p', :now)")
    rule = text("INSERT INTO alert_rules VALUES ('r', 'p', 'drift', NULL, 'page', :yes, '{}', :now, :now)")
    alert = text(
        "INSERT INTO alerts (id, project_id, rule_id, fingerprint, state, severity, title, summary, labels, facts, opened_at, "
        "last_seen_at, occurrences) VALUES (:id, 'p', 'r', 'f', :state, 'page', 't', 's', '{}', '{}', :now, :now, 1)"
    )
    with database.session() as session:
        session.execute(project, {"now": now})
        session.execute(rule, {"now": now, "yes": True})
        for number in range(3):
            session.execute(alert, {"id": f"old{number}", "state": "resolved", "now": now})
        session.execute(alert, {"id": "a", "state": "open", "now": now})
    with pytest.raises(IntegrityError), database.session() as session:
        session.execute(alert, {"id": "b", "state": "acknowledged", "now": now})
    database.dispose()


def test_migrating_twice_changes_nothing(settings: Settings, store: Store) -> None:
    before = migrate.status(settings, store)
    assert migrate.migrate(settings, store) == before
    assert [found.current for found in before] == [found.head for found in before]


def test_each_clickhouse_revision_goes_up_down_and_up_again(settings: Settings, store: Store) -> None:
    tables = query("tables", "Tables as created.", "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()")

    def found() -> dict[str, str]:
        return {name: text for name, text in store.rows(tables, {}) if name != "alembic_version"}

    first = found()
    assert {"records", "responses", "outcomes", "findings"} <= set(first)
    seen = []
    for revision in reversed(revisions("clickhouse")):
        if revision not in OF_ALEMBIC_ONLY:
            seen.append(frozenset(found().items()))
        migrate.downgrade(settings, "clickhouse", "-1", store)
    assert found() == {}
    assert len(set(seen)) == len(seen), "a revision changes nothing"
    migrate.migrate(settings, store)
    assert set(found()) == set(first)


def test_the_clickhouse_tree_has_the_columns_that_are_inserted(store: Store) -> None:
    columns = query("columns", "Columns.", "SELECT table, name, type FROM system.columns WHERE database = currentDatabase()")
    found: dict[str, dict[str, str]] = {}
    for table, name, kind in store.rows(columns, {}):
        folded = re.fullmatch(r"SimpleAggregateFunction\(\w+, (.*)\)", kind)
        found.setdefault(table, {})[name] = folded[1] if folded else kind
    assert found["records"] == dict(schema.RECORDS)
    assert found["outcomes"] == dict(schema.OUTCOMES)
    assert found["evidence_quality"] == dict(schema.EVIDENCE_QUALITY)
    assert found["responses"] == {**schema.RESPONSES, **schema.RESPONSE_OUTCOMES}


def test_an_older_schema_is_refused_with_the_command_that_helps(settings: Settings) -> None:
    with pytest.raises(MigrationRequired, match=r"metadata schema is at nothing.*groundwatch migrate"):
        migrate.require_current(settings)
    migrate.migrate(settings)
    migrate.require_current(settings)
    migrate.downgrade(settings, "metadata", "0001")
    with pytest.raises(MigrationRequired, match="is at 0001"):
        migrate.require_current(settings)


def test_a_metadata_database_that_is_away_is_told_without_its_password(settings: Settings) -> None:
    away = settings.model_copy(update={"metadata_url": f"postgresql://gw:hush@127.0.0.1:{free_port()}/gw"})
    with pytest.raises(SettingsInvalid, match=r"GROUNDWATCH_METADATA_URL.*cannot be opened.*Start that database") as refusal:
        migrate.migrate(away)
    assert "hush" not in str(refusal.value)


def test_a_revision_that_nobody_made_cannot_be_gone_back_to(settings: Settings) -> None:
    migrate.migrate(settings)
    with pytest.raises(SettingsInvalid, match=r"--to='9999'.*one of 0001"):
        migrate.downgrade(settings, "metadata", "9999")


def test_the_retention_setting_reaches_every_table(settings: Settings, store: Store) -> None:
    migrate.migrate(settings.model_copy(update={"retention_days": 90}), store)
    ttl = query(
        "ttl", "Engines.", "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    )
    engines = {name: text for name, text in store.rows(ttl, {}) if name != "alembic_version"}
    assert set(engines) == set(schema.RETENTION_COLUMNS)
    assert all("86400 * 90)" in text for text in engines.values())


CLICKHOUSE_REVISIONS = revisions("clickhouse")


@pytest.mark.parametrize("revision", CLICKHOUSE_REVISIONS[:-1])
def test_responses_of_every_earlier_schema_can_be_read_after_the_upgrade(settings: Settings, store: Store, revision: str) -> None:
    migrate.downgrade(settings, "clickhouse", revision, store)
    kinds = query("columns", "Columns.", "SELECT table, name FROM system.columns WHERE database = currentDatabase()")
    there = {(table, name) for table, name in store.rows(kinds, {})}
    spooled = SpooledResponse(project="default", sidecar="s1", sequence=1, received_at=NOON, record=RECORD)
    old = {
        table: ({name: kind for name, kind in columns.items() if (table, name) in there}, row)
        for table, columns, row in (("records", RECORDS, record_row(spooled)), ("responses", RESPONSES, response_row(spooled)))
    }
    for table, (columns, row) in old.items():
        if columns:
            whole = RECORDS if table == "records" else RESPONSES
            kept = [value for name, value in zip(whole, row, strict=True) if name in columns]
            store.insert(table, columns, [kept], f"old-{table}")
    migrate.migrate(settings, store)
    assert {tree.current == tree.head for tree in migrate.status(settings, store)} == {True}
    assert [row.record.id for row in Reader(store).due("s1", 0, 10)] == ["old-1"]
    if old["responses"][0]:
        found = Reader(store).response("default", "old-1")
        assert found is not None
        assert found.record == RECORD


def test_the_row_that_says_where_the_tables_stand_is_synced_on_the_way_back_too(settings: Settings, store: Store) -> None:
    migrate.migrate(settings, store)
    migrate.downgrade(settings, "clickhouse", "0006", store)
    ((engine,),) = store.rows(
        query("kept", "Engine of Alembic's table.", "SELECT engine_full FROM system.tables WHERE name = 'alembic_version'"), {}
    )
    assert "fsync_after_insert = 1" in engine
    assert "min_rows_to_fsync_after_merge = 1" in engine
    migrate.migrate(settings, store)
    migrate.require_current(settings, store)

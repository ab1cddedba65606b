"""One connection for every thread, errors that say whether a retry helps, and refusals that name the setting."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from monitor.errors import SettingsInvalid, StoreRefused, StoreUnavailable
from monitor.records import family_of
from monitor.settings import Settings
from monitor.store import client
from monitor.store.client import Store
from monitor.store.fragments import Query
from monitor.store.reading import Reader
from monitor.store.schema import RETENTION_COLUMNS, priced
from monitor.store.writer import Writer
from tests.store.samples import NOON, full, outcome, window


def ask(sql: str) -> Query:
    return Query("test", "A question of this test.", sql)


def test_a_query_that_takes_too_long_is_ended_and_may_be_asked_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "READ_SETTINGS", {"max_execution_time": 0.5})
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"test.*TIMEOUT_EXCEEDED"):
        store.rows(ask("SELECT count() FROM numbers(100000000000) WHERE number % 7 = 3"), {})
    assert time.monotonic() - started < 20
    assert store.rows(ask("SELECT 1"), {}) == [(1,)]


def test_every_read_has_a_time_limit() -> None:
    assert client.READ_SETTINGS["max_execution_time"] > 0


def test_a_wrong_question_is_refused_for_good_with_clickhouses_code(store: Store) -> None:
    with pytest.raises(StoreRefused) as refused:
        store.rows(ask("SELECT nothing FROM responses"), {})
    assert (refused.value.code, refused.value.permanent) == (47, True)


def test_a_missing_table_is_worth_a_retry_because_somebody_may_migrate(store: Store) -> None:
    with pytest.raises(StoreUnavailable):
        store.rows(ask("SELECT 1 FROM nowhere"), {})


def test_a_migration_meets_the_same_errors(store: Store) -> None:
    full = "SELECT throwIf(1, 'not enough space', toInt16(243)) SETTINGS allow_custom_error_code_in_throwif = 1"
    with (
        pytest.raises(StoreUnavailable, match=r"did not complete migrate: .*not enough space"),
        store.sqlalchemy_connection() as connection,
    ):
        connection.exec_driver_sql(full)
    with pytest.raises(StoreRefused), store.sqlalchemy_connection() as connection:
        connection.exec_driver_sql("SELECT nonsense")


def test_a_row_that_does_not_fit_its_column_is_refused(store: Store) -> None:
    with pytest.raises(StoreRefused):
        store.insert("records", {"project": "LowCardinality(String)", "sequence": "UInt64"}, [["p", -5]], "t")


def test_a_closed_store_answers_nobody(store: Store) -> None:
    other = Store(store._connect, store.database, store.location)
    other.ping()
    other.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        other.ping()


def test_a_server_that_is_not_there_is_unavailable(settings: Settings) -> None:
    with pytest.raises(StoreUnavailable, match="open"):
        Store.open(settings.model_copy(update={"clickhouse_url": "clickhouse://u:secret@127.0.0.1:9/db"}))


@pytest.mark.parametrize("url", ["http://host/db", "clickhouse:///db", "nonsense", "clickhouse://host/a;drop"])
def test_a_url_that_is_none_is_refused_by_its_setting_and_without_its_password(settings: Settings, url: str) -> None:
    with pytest.raises(SettingsInvalid, match="GROUNDWATCH_CLICKHOUSE_URL"):
        Store.open(settings.model_copy(update={"clickhouse_url": url}))


def test_a_servers_url_gives_its_parts_and_its_location_hides_the_password() -> None:
    connect, database = client._server("clickhouse://me:p%40ss@example.org/watch")
    assert (connect["host"], connect["port"], connect["username"], connect["password"], database) == (
        "example.org",
        8123,
        "me",
        "p@ss",
        "watch",
    )
    assert client._server("clickhouses://example.org")[0]["port"] == 8443
    assert client._server("clickhouse://example.org:1?secure=true")[0]["secure"] is True


@pytest.mark.parametrize("module_store", ["embedded"], indirect=True)
def test_a_path_that_another_store_holds_open_is_unavailable(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        Store.open(Settings(data=tmp_path, clickhouse_url=""))


def test_many_threads_read_and_write_at_once(store: Store, reader: Reader, writer: Writer) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(5):
                given = full(f"{number}-{turn}", number * 100 + turn)
                writer.insert_responses([given], f"t{number}-{turn}")
                writer.insert_outcomes([outcome(given, "a", "judged", 0.9)], f"o{number}-{turn}")
                assert reader.response("default", given.record.id) is not None
                reader.summary(window())
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    summary = reader.summary(window())
    assert (summary.responses, summary.flagged) == (60, 60)


def test_the_same_batch_under_the_same_token_is_not_even_stored_twice(store: Store, writer: Writer) -> None:
    batch = [full(f"r{n}", n, time=NOON.replace(month=1 + n % 3)) for n in range(30)]
    outcomes = [outcome(item, "a", "judged", 0.9) for item in batch]
    for _ in range(3):
        writer.insert_responses(batch, "t")
        writer.insert_outcomes(outcomes, "o")
    for table, rows in (("records", 30), ("outcomes", 30), ("responses", 60)):
        counted = store.rows(
            ask("SELECT sum(rows) FROM system.parts WHERE active AND database = currentDatabase() AND table = {t:String}"), {"t": table}
        )
        assert counted[0][0] <= rows
    assert store.rows(ask("SELECT count() FROM records"), {}) == [(30,)]


def synced(store: Store) -> int:
    """Files that the engine has synced since it started."""
    return int(store.rows(Query("synced", "Counter.", "SELECT sum(value) FROM system.events WHERE event = 'FileSync'"), {})[0][0])


def test_what_was_inserted_or_merged_is_on_the_disk_and_not_only_with_the_kernel(store: Store, writer: Writer) -> None:
    first = full("a")
    before = synced(store)
    writer.insert_responses([first], "a")
    responses = synced(store)
    assert responses >= before + 2  # two tables, each at least its data
    writer.insert_outcomes([outcome(first)], "a")
    assert synced(store) > responses
    writer.insert_responses([full("b", 2)], "b")
    for table in ("records", "responses"):
        inserted = synced(store)
        store.execute("merge", f"OPTIMIZE TABLE {table} FINAL")
        assert synced(store) > inserted
    engines = Query("engines", "Engines.", "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()")
    settings = dict(store.rows(engines, {}))
    assert all("fsync_after_insert = 1" in settings[table] for table in RETENTION_COLUMNS)


def test_nothing_is_inserted_for_an_empty_batch(writer: Writer) -> None:
    writer.insert_responses([], "t")
    writer.insert_outcomes([], "o")


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        ("image/png", "image"),
        ("IMAGE/JPEG; q=1", "image"),
        ("audio/flac", "audio"),
        ("video/mp4", "video"),
        ("application/pdf", "pdf"),
        ("text/plain; charset=utf-8", "text"),
        ("application/json", "text"),
        ("application/ld+json", "text"),
        ("application/zip", "other"),
    ],
)
def test_media_types_fall_into_the_families_of_the_detectors(media_type: str, expected: str) -> None:
    assert family_of(media_type) == expected


def test_nothing_used_has_no_price() -> None:
    assert priced([]) == (None, "", 0)

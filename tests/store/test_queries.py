"""ClickHouse can plan every question, bare and with every filter, and no value stands in a text."""

from __future__ import annotations

import re

import pytest

from monitor.store import queries
from monitor.store.client import Store
from monitor.store.fragments import FILTERS, Query, parameters_of

SAMPLES = {
    "String": "x",
    "UInt32": 1,
    "UInt64": 1,
    "Float64": 0.5,
    "DateTime64(3, 'UTC')": "2026-03-02 12:00:00.000",
    "Array(String)": ["x"],
    "Array(DateTime64(3, 'UTC'))": ["2026-03-02 12:00:00.000"],
}


@pytest.mark.parametrize("asked", queries.ALL, ids=lambda asked: asked.name)
def test_clickhouse_can_plan_the_query(store: Store, asked: Query) -> None:
    for filters in [(), *([(name,) for name in tuple(FILTERS)] + [tuple(FILTERS)] if asked.takes_filters else [])]:
        sql = asked.render(filters)
        explained = Query(f"explain {asked.name}", "", "EXPLAIN PLAN " + sql.replace("$", "$$"))
        assert store.rows(explained, {name: SAMPLES[kind] for name, kind in parameters_of(sql).items()})


def test_every_query_is_listed_once_under_its_own_name() -> None:
    named = {name.lower(): value for name, value in vars(queries).items() if isinstance(value, Query)}
    assert {value.name: value for value in queries.ALL} == named
    assert all(value.purpose for value in queries.ALL)


def test_no_query_text_holds_a_literal_that_a_caller_could_have_sent() -> None:
    """Every comparison with a caller's word goes through a typed parameter."""
    for asked in queries.ALL:
        for column in ("project", "id", "sidecar", "detector"):
            assert not re.search(rf"\b{column} (=|IN) (?!\{{|\()", asked.render()), asked.name


def test_an_unknown_filter_is_refused() -> None:
    with pytest.raises(KeyError, match="nope"):
        queries.LIST.render(["nope"])

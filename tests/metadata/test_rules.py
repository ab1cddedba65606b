from __future__ import annotations

from typing import Any

import msgspec
import pytest

from monitor.alerts.lifecycle import Lifecycle
from monitor.alerts.params import PARAMS, full_params
from monitor.alerts.rules import KINDS, RuleBook, governs
from monitor.clock import MovableClock
from monitor.errors import Conflict, NotFound, RecordInvalid
from monitor.metadata.database import Database
from monitor.settings import Settings

P = "default"


def test_a_project_starts_with_one_rule_of_each_kind_and_only_once(database: Database, clock: MovableClock) -> None:
    book = RuleBook(database)
    assert book.ensure_defaults(P, clock.now())
    assert not book.ensure_defaults(P, clock.now())
    rules = book.list(P)
    assert sorted(rule.kind for rule in rules) == sorted(KINDS)
    assert all(rule.enabled and rule.workflow is None for rule in rules)
    latency = next(rule for rule in rules if rule.kind == "latency_threshold")
    assert latency.params["p95_ms"] == {"total": 10_000.0}


def test_a_default_rule_that_was_deleted_does_not_come_back(database: Database, clock: MovableClock) -> None:
    book = RuleBook(database)
    book.ensure_defaults(P, clock.now())
    book.delete(P, book.list(P)[0].id, clock.now(), actor="ann")
    book.ensure_defaults(P, clock.now())
    assert len(book.list(P)) == len(KINDS) - 1


def test_two_projects_have_rules_of_their_own(database: Database, clock: MovableClock) -> None:
    book = RuleBook(database)
    book.ensure_defaults(P, clock.now())
    book.ensure_defaults("other", clock.now())
    with pytest.raises(NotFound):
        book.get("other", book.list(P)[0].id)
    with pytest.raises(NotFound):
        book.delete("other", book.list(P)[0].id, clock.now(), actor="eve")


@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_of_every_kind_have_defaults_and_refuse_strangers(kind: str) -> None:
    struct = PARAMS[kind]  # type: ignore[index]
    assert full_params(kind, {}) == msgspec.to_builtins(struct())  # type: ignore[arg-type]
    with pytest.raises(RecordInvalid) as refused:
        full_params(kind, {"no_such_number": 1})  # type: ignore[arg-type]
    assert "no_such_number" in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "severity", "params", "field"),
    [
        ("earthquake", "page", {}, "kind"),
        ("drift", "loud", {}, "severity"),
        ("drift", "page", {"min_effect": 2}, "params.min_effect"),
        ("latency_threshold", "page", {"p95_ms": {"total": -1}}, "params.p95_ms"),
        ("cost_anomaly", "page", {"threshold": "high"}, "params.threshold"),
        ("missing_modality", "page", {"window_s": 0}, "params.window_s"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_with_its_field(
    database: Database, clock: MovableClock, kind: str, severity: str, params: dict[str, Any], field: str
) -> None:
    book = RuleBook(database)
    with pytest.raises(RecordInvalid) as refused:
        book.create(P, kind, clock.now(), actor="ann", severity=severity, params=params)
    assert refused.value.field.startswith(field)
    assert book.list(P) == []


def test_a_rule_is_changed_but_keeps_its_kind(database: Database, clock: MovableClock) -> None:
    book = RuleBook(database)
    rule = book.create(P, "drift", clock.now(), actor="ann", workflow="w")
    changed = book.update(
        P, rule.id, clock.now(), actor="ann", kind="drift", workflow=None, severity="info", enabled=False, params={"min_effect": 0.1}
    )
    assert book.get(P, rule.id) == changed
    assert (changed.enabled, changed.params["min_effect"], changed.params["baseline_days"]) == (False, 0.1, 7)
    assert book.enabled(P, "drift") == []
    with pytest.raises(RecordInvalid) as refused:
        book.update(P, rule.id, clock.now(), actor="ann", kind="dead_letters", workflow=None, severity="info", enabled=True, params={})
    assert refused.value.field == "kind"


def test_a_rule_that_raised_alerts_can_be_disabled_but_not_deleted(settings: Settings, database: Database, clock: MovableClock) -> None:
    book = RuleBook(database)
    rule = book.create(P, "drift", clock.now(), actor="ann")
    Lifecycle(settings, database).raise_alert(P, rule, ["x"], title="t", summary="s", labels={}, facts={}, samples={}, now=clock.now())
    with pytest.raises(Conflict, match="disable it"):
        book.delete(P, rule.id, clock.now(), actor="ann")


def test_the_rule_of_a_workflow_takes_it_over_from_the_project_wide_one(database: Database, clock: MovableClock) -> None:
    book = RuleBook(database)
    wide = book.create(P, "drift", clock.now(), actor="ann")
    narrow = book.create(P, "drift", clock.now(), actor="ann", workflow="invoices")
    rules = book.enabled(P, "drift")
    assert [governs(wide, "invoices", rules), governs(wide, "calls", rules)] == [False, True]
    assert [governs(narrow, "invoices", rules), governs(narrow, "calls", rules)] == [True, False]

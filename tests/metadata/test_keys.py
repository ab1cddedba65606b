from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from monitor.clock import MovableClock
from monitor.errors import NotFound, RecordInvalid
from monitor.metadata.audit import AuditLog
from monitor.metadata.database import Database
from monitor.metadata.keys import ROLES, ApiKeys, digest_of
from monitor.metadata.tables import ApiKey


def test_a_key_opens_its_project_and_only_its_digest_is_kept(database: Database, clock: MovableClock) -> None:
    keys = ApiKeys(database)
    record, secret = keys.create("shop", "ci", "ingest", clock.now())
    assert secret.startswith("gw_")
    assert len(secret) == 3 + 43
    assert keys.verify(secret, clock.now()) == record
    assert record.project == "shop"
    with database.session() as session:
        row = session.scalars(select(ApiKey)).one()
        assert row.digest == digest_of(secret)
        assert secret not in (row.id, row.name, row.digest)


@pytest.mark.parametrize("secret", ["", "gw_", "gw_wrong", "other_" + "a" * 43, "gw_" + "a" * 5000])
def test_an_unknown_secret_opens_nothing(database: Database, clock: MovableClock, secret: str) -> None:
    keys = ApiKeys(database)
    keys.create("shop", "ci", "ingest", clock.now())
    assert keys.verify(secret, clock.now()) is None


def test_an_expired_key_opens_nothing_from_its_expiry_on(database: Database, clock: MovableClock) -> None:
    keys = ApiKeys(database)
    _, secret = keys.create("shop", "ci", "viewer", clock.now(), expires_at=clock.now() + timedelta(hours=1))
    clock.move(timedelta(minutes=59))
    assert keys.verify(secret, clock.now()) is not None
    clock.move(timedelta(minutes=1))
    assert keys.verify(secret, clock.now()) is None


def test_a_revoked_key_opens_nothing_and_revoking_twice_is_one_line_in_the_audit_log(database: Database, clock: MovableClock) -> None:
    keys = ApiKeys(database)
    record, secret = keys.create("shop", "ci", "admin", clock.now(), actor="ann")
    keys.revoke("shop", record.id, clock.now(), actor="ann")
    keys.revoke("shop", record.id, clock.now(), actor="ann")
    assert keys.verify(secret, clock.now()) is None
    assert [entry.action for entry in AuditLog(database).list("shop")[0]] == ["key.revoke", "key.create"]
    assert keys.list("shop")[0].revoked_at == clock.now()


def test_a_key_of_another_project_cannot_be_revoked(database: Database, clock: MovableClock) -> None:
    keys = ApiKeys(database)
    record, _ = keys.create("shop", "ci", "admin", clock.now())
    with pytest.raises(NotFound):
        keys.revoke("other", record.id, clock.now())


@pytest.mark.parametrize(
    ("role", "name", "ends_in", "field"),
    [("root", "ci", None, "role"), ("viewer", "", None, "name"), ("viewer", "ci", timedelta(0), "expires_at")],
)
def test_a_key_that_makes_no_sense_is_refused(
    database: Database, clock: MovableClock, role: str, name: str, ends_in: timedelta | None, field: str
) -> None:
    expires_at = None if ends_in is None else clock.now() + ends_in
    with pytest.raises(RecordInvalid) as refused:
        ApiKeys(database).create("shop", name, role, clock.now(), expires_at=expires_at)
    assert refused.value.field == field


def test_each_role_may_do_what_the_roles_below_it_may(database: Database, clock: MovableClock) -> None:
    keys = ApiKeys(database)
    made = [keys.create("shop", role, role, clock.now())[0] for role in ROLES]
    allowed = [[key.allows(needed) for needed in ROLES] for key in made]
    assert allowed == [[rank <= own for rank in range(5)] for own in range(5)]


def test_making_a_project_twice_changes_nothing(database: Database, clock: MovableClock) -> None:
    keys = ApiKeys(database)
    keys.ensure_project("default", clock.now())
    keys.ensure_project("default", clock.now())
    assert keys.projects() == ["default"]

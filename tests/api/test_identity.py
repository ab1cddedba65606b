from __future__ import annotations

import base64
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from monitor.api.identity import IdTokens
from monitor.clock import MovableClock
from monitor.errors import KeyRefused, MetadataUnavailable, SettingsInvalid
from monitor.settings import Settings
from tests.conftest import NOON
from tests.issuer import CLIENT, Issuer

ROLES = {"gw-viewers": "viewer", "gw-operators": "operator", "gw-admins": "admin"}


class Door:
    def __init__(self, settings: Settings, clock: MovableClock) -> None:
        self.issuer = Issuer()
        self.clock = clock
        self.settings = settings.model_copy(
            update={"oidc_issuer": self.issuer.url, "oidc_client_id": CLIENT, "oidc_roles": ROLES, "oidc_project": "shop"}
        )
        self.tokens = IdTokens(self.settings, clock, self.issuer.transport())

    def token(self, **changes: Any) -> str:
        return self.issuer.token(self.clock.now().timestamp(), **changes)

    def refused(self, token: str) -> KeyRefused:
        with pytest.raises(KeyRefused) as caught:
            self.tokens.verify(token)
        return caught.value


@pytest.fixture
def door(settings: Settings, clock: MovableClock) -> Door:
    return Door(settings, clock)


def test_a_person_has_the_role_of_their_group_under_their_own_name(door: Door) -> None:
    person = door.tokens.verify(door.token())
    assert (person.project, person.role, person.key_name, person.actor("eve")) == ("shop", "operator", "ann@example.com", "ann@example.com")


def test_the_highest_group_counts(door: Door) -> None:
    assert door.tokens.verify(door.token(groups=["gw-viewers", "gw-admins", "others"])).role == "admin"
    assert door.tokens.verify(door.token(groups="gw-viewers")).role == "viewer"


def test_who_is_in_no_named_group_has_no_role_unless_there_is_one_for_everybody(door: Door) -> None:
    refusal = door.refused(door.token(groups=["others"]))
    assert refusal.known
    assert "GROUNDWATCH_OIDC_ROLES" in str(refusal)
    door.settings = door.settings.model_copy(update={"oidc_default_role": "viewer"})
    again = IdTokens(door.settings, door.clock, door.issuer.transport())
    assert again.verify(door.token(groups=None)).role == "viewer"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another"},
        {"iss": "https://elsewhere.example.com"},
        {"sub": None},
        {"exp": None},
        {"exp": int(NOON.timestamp()) - 120},
        {"azp": "another"},
    ],
)
def test_a_token_that_is_not_for_us_or_over_is_refused(door: Door, changes: dict[str, Any]) -> None:
    assert not door.refused(door.token(**changes)).known


def test_a_forged_token_is_refused(door: Door) -> None:
    forged = door.token(key=RSAKey.generate_key(2048, {"kid": "one"}))
    assert not door.refused(forged).known
    head, body, signature = door.token().split(".")
    assert not door.refused(f"{head}.{body[:-4]}AAAA.{signature}").known
    for nonsense in ("", "a.b.c", "x" * 5000):
        assert not door.refused(nonsense).known


def encoded(part: bytes | dict[str, Any]) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def test_neither_no_signature_nor_the_public_key_as_a_secret_is_a_signature(door: Door) -> None:
    claims = {"iss": door.issuer.url, "aud": CLIENT, "sub": "eve", "exp": int(NOON.timestamp()) + 600, "groups": ["gw-admins"]}
    signed = f"{encoded({'alg': 'HS256', 'kid': 'one'})}.{encoded(claims)}"
    mac = hmac.digest(door.issuer.key.as_pem(private=False), signed.encode(), "sha256")
    assert not door.refused(f"{signed}.{encoded(mac)}").known
    assert not door.refused(f"{encoded({'alg': 'none'})}.{encoded(claims)}.").known


def test_a_new_key_of_the_issuer_is_fetched_but_not_for_every_forgery(door: Door) -> None:
    door.tokens.verify(door.token())
    door.issuer.rotate()
    door.refused(door.token())
    door.clock.move(timedelta(minutes=2))
    assert door.tokens.verify(door.token()).role == "operator"
    before = door.issuer.fetched
    for _ in range(20):
        door.refused(door.token(key=RSAKey.generate_key(2048, {"kid": "three"})))
    assert door.issuer.fetched == before


def test_an_issuer_that_is_away_is_said_to_be(door: Door) -> None:
    door.issuer.away = True
    with pytest.raises(MetadataUnavailable, match="issuer"):
        door.tokens.verify(door.token())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"oidc_client_id": ""}, "OIDC_CLIENT_ID"),
        ({"oidc_roles": {"g": "emperor"}}, "OIDC_ROLES"),
        ({"oidc_default_role": "emperor"}, "OIDC_ROLES"),
    ],
)
def test_a_mistake_in_the_settings_stops_the_start_and_is_named(door: Door, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsInvalid, match=named):
        IdTokens(door.settings.model_copy(update=changes), door.clock)


def test_with_a_sign_in_loopback_is_no_single_user_any_more(door: Door) -> None:
    assert not door.settings.single_user

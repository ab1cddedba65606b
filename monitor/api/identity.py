"""People by OpenID Connect: the ID token that the dashboard passes on, checked against the issuer's own keys.

Checked are signature (asymmetric algorithms only), issuer, audience, expiry and, where the token has one, the authorised
party (OpenID Connect Core 1.0, section 3.1.3.7). The issuer's keys are fetched once an hour, and at most once a minute
for a key id that is not among them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast

import httpx
import structlog

from monitor.api.principal import Principal
from monitor.clock import Clock
from monitor.errors import KeyRefused, MetadataUnavailable, SettingsInvalid
from monitor.metadata.keys import ROLES, Role
from monitor.settings import Settings

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
KEYS_FRESH = timedelta(hours=1)
KEYS_AGAIN = timedelta(minutes=1)
LEEWAY_S = 60
_TIMEOUT_S = 10.0

log = structlog.get_logger(__name__)


class IdTokens:
    """Turns ID tokens into principals.

    Raises:
        SettingsInvalid: the settings name no client, an unknown role, or the package for it is missing.
    """

    def __init__(self, settings: Settings, clock: Clock, transport: httpx.BaseTransport | None = None) -> None:
        try:
            import joserfc  # noqa: F401 - only whether it is there
        except ModuleNotFoundError as error:
            remedy = "pip install 'groundwatch[oidc]'"
            raise SettingsInvalid("GROUNDWATCH_OIDC_ISSUER", settings.oidc_issuer, f"needs the package {error.name}", remedy) from error
        if not settings.oidc_client_id:
            raise SettingsInvalid("GROUNDWATCH_OIDC_CLIENT_ID", "", "is empty", "Name the client that the issuer knows the dashboard by")
        for role in (*settings.oidc_roles.values(), *([settings.oidc_default_role] if settings.oidc_default_role else [])):
            if role not in ROLES:
                raise SettingsInvalid("GROUNDWATCH_OIDC_ROLES", role, "is not a role", f"Use one of {', '.join(ROLES)}")
        self._settings = settings
        self._clock = clock
        self._transport = transport
        self._lock = threading.Lock()
        self._keys: Any = None
        self._fetched_at: datetime | None = None

    def verify(self, token: str) -> Principal:
        """Whose token it is, and their role.

        Raises:
            KeyRefused: it is forged, expired, for somebody else, or its owner has no role here.
            MetadataUnavailable: the issuer's keys cannot be fetched.
        """
        from joserfc import jwt
        from joserfc.errors import JoseError

        registry = jwt.JWTClaimsRegistry(
            now=lambda: int(self._clock.now().timestamp()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._settings.oidc_issuer},
            aud={"essential": True, "value": self._settings.oidc_client_id},
            sub={"essential": True},
            exp={"essential": True},
        )
        try:
            try:
                claims = jwt.decode(token, self._key_set(KEYS_FRESH), list(ALGORITHMS)).claims
            except (JoseError, ValueError):
                # The issuer may have changed its keys since.
                claims = jwt.decode(token, self._key_set(KEYS_AGAIN), list(ALGORITHMS)).claims
            registry.validate(claims)
        except (JoseError, ValueError) as error:
            raise KeyRefused(f"the sign-in is not valid ({type(error).__name__})", "Sign in again", known=False) from None
        if claims.get("azp", self._settings.oidc_client_id) != self._settings.oidc_client_id:
            raise KeyRefused("the sign-in is for another application", "Sign in again", known=False)
        return self._principal(claims)

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        found = claims.get(self._settings.oidc_role_claim, [])
        groups = [found] if isinstance(found, str) else [str(one) for one in found] if isinstance(found, list) else []
        granted = [role for group, role in self._settings.oidc_roles.items() if group in groups]
        if self._settings.oidc_default_role:
            granted.append(self._settings.oidc_default_role)
        name = str(claims.get("email") or claims.get("preferred_username") or claims["sub"])[:256]
        if not granted:
            problem = f"{name} has no role here"
            raise KeyRefused(problem, f"Ask for a group that GROUNDWATCH_OIDC_ROLES names in {self._settings.oidc_role_claim}", known=True)
        role = max(granted, key=lambda one: ROLES.index(cast(Role, one)))
        return Principal(self._settings.oidc_project, cast(Role, role), name)

    def _key_set(self, fresh: timedelta) -> Any:
        from joserfc.jwk import KeySet

        now = self._clock.now()
        with self._lock:
            if self._keys is None or self._fetched_at is None or now - self._fetched_at >= fresh:
                self._keys = KeySet.import_key_set(self._fetch())
                self._fetched_at = now
            return self._keys

    def _fetch(self) -> Any:
        issuer = self._settings.oidc_issuer.rstrip("/")
        try:
            with httpx.Client(transport=self._transport, timeout=_TIMEOUT_S) as client:
                about = client.get(f"{issuer}/.well-known/openid-configuration").raise_for_status().json()
                return client.get(about["jwks_uri"]).raise_for_status().json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
            log.error("the issuer's keys cannot be fetched", issuer=issuer, error=f"{type(error).__name__}: {error}")
            raise MetadataUnavailable(f"the issuer {issuer} cannot be asked for its keys ({type(error).__name__})") from error

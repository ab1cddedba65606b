"""Projects and the API keys that open them.

A key is ``gw_`` and 256 random bits; only its SHA-256 is kept, which is enough for a secret that cannot be guessed
(a slow hash protects passwords people choose). It is shown once, when it is made.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from datetime import datetime, timedelta
from typing import Literal, cast, get_args

import msgspec
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from monitor.errors import NotFound, RecordInvalid
from monitor.metadata.audit import add_entry
from monitor.metadata.changes import changed_rows
from monitor.metadata.database import Database
from monitor.metadata.tables import ApiKey, Project

Role = Literal["ingest", "viewer", "reviewer", "operator", "admin"]

# In rising order: each role may do what the ones before it may.
ROLES: tuple[Role, ...] = get_args(Role)
PREFIX = "gw_"


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it may be shown: everything but the secret and its digest."""

    id: str
    project: str
    name: str
    role: Role
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def allows(self, needed: Role) -> bool:
        """Whether this key's role reaches the needed one."""
        return ROLES.index(self.role) >= ROLES.index(needed)


def digest_of(secret: str) -> str:
    """What is kept of a secret: SHA-256 in lower-case hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


class ApiKeys:
    """Projects and keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ensure_project(self, project: str, now: datetime, name: str | None = None) -> None:
        """Make the project unless it is there; two processes may try at once."""
        try:
            with self._database.session() as session:
                if session.get(Project, project) is None:
                    session.add(Project(id=project, name=name or project, created_at=now))
        except IntegrityError:
            # Another process made it between the look and the write, which is what was wanted.
            return

    def projects(self) -> list[str]:
        """Ids of all projects."""
        with self._database.session() as session:
            return list(session.scalars(select(Project.id).order_by(Project.id)))

    def create(
        self, project: str, name: str, role: str, now: datetime, *, expires_at: datetime | None = None, actor: str = "local"
    ) -> tuple[KeyRecord, str]:
        """A new key and its secret, which cannot be read again.

        Raises:
            RecordInvalid: no such role, an empty name, or an expiry that is not in the future.
        """
        if role not in ROLES:
            raise RecordInvalid("role", f"{role!r} is not a role", f"Use one of {', '.join(ROLES)}")
        if not name or len(name) > 256:
            raise RecordInvalid("name", "must have 1 to 256 characters", "Say who or what will use the key")
        if expires_at is not None and expires_at <= now:
            raise RecordInvalid("expires_at", "lies in the past", "Give a later time, or none")
        self.ensure_project(project, now)
        secret = PREFIX + secrets.token_urlsafe(32)
        row = ApiKey(
            id=uuid.uuid4().hex,
            project_id=project,
            name=name,
            role=role,
            digest=digest_of(secret),
            created_at=now,
            expires_at=expires_at,
            revoked_at=None,
        )
        with self._database.session() as session:
            session.add(row)
            session.flush()
            record = _record(row)
            add_entry(session, project, now, actor, "key.create", f"key:{record.id}", {"name": name, "role": role})
        return record, secret

    def rotate(self, project: str, key_id: str, now: datetime, grace: timedelta, actor: str = "local") -> tuple[KeyRecord, str]:
        """A new key of the same name, role and lifetime; the old one ends after ``grace``.

        Raises:
            NotFound: this project has no such key.
            RecordInvalid: it has ended already.
        """
        old = next((key for key in self.list(project) if key.id == key_id), None)
        if old is None:
            raise NotFound("key", key_id)
        if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= now):
            raise RecordInvalid("key", f"{key_id} has ended already", "Create a new one")
        lifetime = None if old.expires_at is None else old.expires_at - old.created_at
        made = self.create(project, old.name, old.role, now, expires_at=None if lifetime is None else now + lifetime, actor=actor)
        ends = min(now + grace, old.expires_at or now + grace)
        with self._database.session() as session:
            changed_rows(session, update(ApiKey).where(ApiKey.id == key_id).values(expires_at=ends))
            add_entry(session, project, now, actor, "key.rotate", f"key:{key_id}", {"successor": made[0].id, "ends": ends.isoformat()})
        return made

    def verify(self, secret: str, now: datetime) -> KeyRecord | None:
        """The key this secret belongs to, or None when it is unknown, expired or revoked."""
        if not secret.startswith(PREFIX) or len(secret) > 256:
            return None
        digest = digest_of(secret)
        with self._database.session() as session:
            row = session.scalars(select(ApiKey).where(ApiKey.digest == digest)).one_or_none()
            # The look-up is by digest, so its timing says nothing of the secret; the comparison stays constant-time all the same.
            if row is None or not hmac.compare_digest(row.digest, digest):
                return None
            record = _record(row)
        if record.revoked_at is not None or (record.expires_at is not None and record.expires_at <= now):
            return None
        return record

    def revoke(self, project: str, key_id: str, now: datetime, actor: str = "local") -> None:
        """End a key now; revoking it again changes nothing. Raises NotFound."""
        with self._database.session() as session:
            mine = (ApiKey.id == key_id, ApiKey.project_id == project)
            if changed_rows(session, update(ApiKey).where(*mine, ApiKey.revoked_at.is_(None)).values(revoked_at=now)):
                add_entry(session, project, now, actor, "key.revoke", f"key:{key_id}", {})
            elif session.scalar(select(ApiKey.id).where(*mine)) is None:
                raise NotFound("key", key_id)

    def list(self, project: str) -> list[KeyRecord]:
        """All keys of a project, newest first, ended ones included."""
        query = select(ApiKey).where(ApiKey.project_id == project).order_by(ApiKey.created_at.desc(), ApiKey.id)
        with self._database.session() as session:
            return [_record(row) for row in session.scalars(query)]


def _record(row: ApiKey) -> KeyRecord:
    return KeyRecord(
        id=row.id,
        project=row.project_id,
        name=row.name,
        role=cast(Role, row.role),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )

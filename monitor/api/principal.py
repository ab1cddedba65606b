"""Who is asking."""

from __future__ import annotations

from monitor.metadata.keys import ROLES, Role
from monitor.records import DEFAULT_PROJECT


class Principal:
    """The project they see, their role, and the name of the key or person (None for the single user)."""

    __slots__ = ("key_name", "project", "role")

    def __init__(self, project: str, role: Role, key_name: str | None) -> None:
        self.project = project
        self.role = role
        self.key_name = key_name

    def may(self, needed: Role) -> bool:
        """Whether this role reaches the needed one."""
        return ROLES.index(self.role) >= ROLES.index(needed)

    def actor(self, given: str) -> str:
        """The name written into the audit log: the key's or person's where there is one, else what the body says."""
        return self.key_name or given


SINGLE_USER = Principal(DEFAULT_PROJECT, "admin", None)

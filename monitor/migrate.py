"""Both schemas up and down: ``metadata`` (SQLAlchemy) and ``clickhouse``, each a tree of Alembic revisions."""

from __future__ import annotations

from typing import Literal

import msgspec

from monitor.settings import Settings
from monitor.store.client import Store

Tree = Literal["metadata", "clickhouse"]


class TreeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where a schema stands; ``current`` None = nothing there yet."""

    tree: Tree
    current: str | None
    head: str


def migrate(settings: Settings, store: Store | None = None) -> list[TreeStatus]:
    """Bring both trees to their newest revision; the ClickHouse tree where a store is given. Idempotent."""
    raise NotImplementedError


def status(settings: Settings, store: Store | None = None) -> list[TreeStatus]:
    """Where each tree stands."""
    raise NotImplementedError


def require_current(settings: Settings, store: Store | None = None) -> None:
    """Raises MigrationRequired where a tree is not at its newest revision."""
    raise NotImplementedError


def downgrade(settings: Settings, tree: Tree, revision: str, store: Store | None = None) -> None:
    """Take one tree back to ``revision`` (``base`` = empty, ``-1`` = one step)."""
    raise NotImplementedError

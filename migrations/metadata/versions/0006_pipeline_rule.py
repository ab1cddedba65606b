"""Every project there is gets its rule of kind pipeline_stalled; new projects have it from the start."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KIND = "pipeline_stalled"
_projects = sa.table("projects", sa.column("id"))
_deliveries = sa.table("alert_deliveries", sa.column("alert_id"))
_alerts = sa.table("alerts", sa.column("id"), sa.column("rule_id"))
_rules = sa.table(
    "alert_rules",
    sa.column("id"),
    sa.column("project_id"),
    sa.column("kind"),
    sa.column("workflow"),
    sa.column("severity"),
    sa.column("enabled"),
    sa.column("params", sa.JSON()),
    sa.column("created_at", sa.DateTime(timezone=True)),
    sa.column("updated_at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    connection, now = op.get_bind(), datetime.now(UTC)
    for (project,) in connection.execute(sa.select(_projects.c.id)).all():
        row = {"id": uuid.uuid4().hex, "project_id": project, "kind": KIND, "workflow": None, "severity": "page", "enabled": True}
        params = {"min_stalled_s": 120, "resolve_after_s": 1}
        connection.execute(_rules.insert().values(**row, params=params, created_at=now, updated_at=now))


def downgrade() -> None:
    connection = op.get_bind()
    rules = sa.select(_rules.c.id).where(_rules.c.kind == KIND)
    alerts = sa.select(_alerts.c.id).where(_alerts.c.rule_id.in_(rules))
    connection.execute(_deliveries.delete().where(_deliveries.c.alert_id.in_(alerts)))
    connection.execute(_alerts.delete().where(_alerts.c.rule_id.in_(rules)))
    connection.execute(_rules.delete().where(_rules.c.kind == KIND))

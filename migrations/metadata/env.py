"""Runs the relational revisions: on the connection that :mod:`monitor.migrate` hands over, or by the ``alembic`` command."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, text

from monitor.metadata.database import Database
from monitor.metadata.tables import Table
from monitor.settings import load_settings

# Any number, as long as every groundwatch uses the same: two starting services must not migrate at once.
POSTGRES_LOCK = 4_318_001


def run(connection: Connection) -> None:
    """Run the revisions in one transaction; both databases can roll DDL back."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": POSTGRES_LOCK})
    context.configure(connection=connection, target_metadata=Table.metadata, compare_type=True, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if context.is_offline_mode():
    context.configure(url=load_settings().sqlalchemy_url, target_metadata=Table.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
elif given is not None:
    run(given)
else:
    database = Database(load_settings().sqlalchemy_url)
    with database.engine.begin() as own:
        run(own)
    database.dispose()

"""Runs the ClickHouse revisions: on the connection that :mod:`monitor.migrate` hands over, or by the ``alembic`` command."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from monitor.settings import load_settings
from monitor.store.client import Store


def run(connection: Connection) -> None:
    """ClickHouse has no transactions, so every revision is written to be run again after a failure."""
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    store = Store.open(load_settings())
    with store.sqlalchemy_connection() as own:
        run(own)
    store.close()

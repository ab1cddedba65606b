"""The connection to ClickHouse: embedded chDB in this process, or a server by URL."""

from __future__ import annotations

from monitor.settings import Settings


class Store:
    """One ClickHouse database, embedded or on a server; one client a thread."""

    location: str
    database: str

    @classmethod
    def open(cls, settings: Settings) -> Store:
        """Connect and create the database where it is missing; the tables come from :mod:`monitor.migrate`."""
        raise NotImplementedError

    def ping(self) -> None:
        """Raises StoreUnavailable when the store does not answer."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the clients of all threads."""
        raise NotImplementedError

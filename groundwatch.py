"""What an application imports to log its answers: ``from groundwatch import Client``."""

from typing import TYPE_CHECKING, Any

from monitor.client import Client, ClientError, Drafted, stage

if TYPE_CHECKING:
    from monitor.client.asynchronous import AsyncClient

__all__ = ["AsyncClient", "Client", "ClientError", "Drafted", "stage"]


def __getattr__(name: str) -> Any:
    # asyncio is a quarter of the import; an application without an event loop never pays for it.
    if name == "AsyncClient":
        from monitor.client.asynchronous import AsyncClient

        return AsyncClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

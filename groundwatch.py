"""What an application imports to log its answers: ``from groundwatch import Client``."""

from monitor.client import Client, ClientError, Drafted, stage
from monitor.client.asynchronous import AsyncClient

__all__ = ["AsyncClient", "Client", "ClientError", "Drafted", "stage"]

"""What an application imports to log its answers: ``from groundwatch import Client``."""

from monitor.client import Client

__all__ = ["Client"]

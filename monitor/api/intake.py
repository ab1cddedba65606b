"""Request bodies on their way in: how many bytes are held, and by how many threads they are taken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from fastapi import Request

from monitor.errors import SlowDown

# Requests that wait for the disk have threads of their own, so that slow reads never hold up what comes in.
INGEST_THREADS = 64
# Bodies held in memory at once, as a multiple of the largest one.
BODIES_AT_ONCE = 16


class Intake:
    """How much is being taken in right now. Lives on the event loop, so it needs no lock."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.held_bytes = 0
        self.threads = anyio.CapacityLimiter(INGEST_THREADS)

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """The body of a request, counted as held until the block ends. Raises SlowDown where too much is held."""
        received = 0
        pieces: list[bytes] = []
        try:
            async for piece in request.stream():
                if self.held_bytes + len(piece) > self.max_bytes:
                    raise SlowDown("the memory for request bodies", f"{self.max_bytes} bytes", 1)
                self.held_bytes += len(piece)
                received += len(piece)
                pieces.append(piece)
            body = b"".join(pieces)
            pieces.clear()
            yield body
        finally:
            self.held_bytes -= received

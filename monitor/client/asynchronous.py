"""The client for asyncio: logging never waits, and what must wait leaves the event loop free."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from monitor.client import Client
from monitor.client.sending import CheckReply, ItemReply, Reply
from monitor.client.timing import Drafted, drafting
from monitor.records import ResponseRecord

P = ParamSpec("P")
R = TypeVar("R")


class AsyncClient:
    """As :class:`monitor.client.Client`, with the same arguments, for use inside an event loop."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._client = Client(*args, **options)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self, timeout_s: float = 10.0) -> bool:
        """As :meth:`Client.close`."""
        return await asyncio.to_thread(self._client.close, timeout_s)

    async def flush(self, timeout_s: float = 10.0) -> bool:
        """As :meth:`Client.flush`."""
        return await asyncio.to_thread(self._client.flush, timeout_s)

    @property
    def counts(self) -> dict[str, int]:
        """As :attr:`Client.counts`."""
        return self._client.counts

    async def log_response(
        self, record: ResponseRecord | Mapping[str, Any] | None = None, *, files: Mapping[str, Any] | None = None, **fields: Any
    ) -> str | None:
        """As :meth:`Client.log_response`; files are read and pictures encoded outside the event loop."""
        if not files:
            return self._client.log_response(record, **fields)
        return await asyncio.to_thread(functools.partial(self._client.log_response, record, files=files, **fields))

    async def log_chat(
        self, request: Mapping[str, Any], response: Any, *, files: Mapping[str, Any] | None = None, **fields: Any
    ) -> str | None:
        """As :meth:`Client.log_chat`."""
        return await asyncio.to_thread(functools.partial(self._client.log_chat, request, response, files=files, **fields))

    async def send_response(
        self, record: ResponseRecord | Mapping[str, Any] | None = None, *, files: Mapping[str, Any] | None = None, **fields: Any
    ) -> ItemReply:
        """As :meth:`Client.send_response`."""
        return await asyncio.to_thread(functools.partial(self._client.send_response, record, files=files, **fields))

    async def check(self, answer: str, **options: Any) -> CheckReply:
        """As :meth:`Client.check`."""
        return await asyncio.to_thread(functools.partial(self._client.check, answer, **options))

    async def send(self, records: Sequence[ResponseRecord]) -> Reply:
        """As :meth:`Client.send`."""
        return await asyncio.to_thread(self._client.send, records)

    @asynccontextmanager
    async def response(self, **fields: Any) -> AsyncIterator[Drafted]:
        """As :meth:`Client.response`."""
        drafted = Drafted(dict(fields))
        with drafting(drafted):
            yield drafted
        await self.log_response({"stages": drafted.stages, **drafted.fields}, files=drafted.files)

    def logged(self, **fields: Any) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
        """As :meth:`Client.logged`, for coroutine functions."""

        def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
            @functools.wraps(function)
            async def answering(*args: P.args, **kwargs: P.kwargs) -> R:
                drafted = Drafted(dict(fields))
                with drafting(drafted):
                    result = await function(*args, **kwargs)
                drafted.set(answer=result if isinstance(result, str) else str(result))
                await self.log_response({"stages": drafted.stages, **drafted.fields}, files=drafted.files)
                return result

            return answering

        return decorate

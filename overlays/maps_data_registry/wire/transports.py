"""httpx's own transports: never shared between processes, and an async one carries one request at a time.

httpcore's pool costs time quadratic in the requests that share it. A free list does not: a transport is taken for a
request and given back when the reply has been read, so its pool never holds more than one connection.
"""

import os
from collections.abc import AsyncIterator
from typing import Any
from weakref import WeakKeyDictionary

import httpx

KEEP_ALIVE = 300.0
"""Seconds that an idle connection is kept: longer than the usual time between two polls."""

_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEP_ALIVE)


class SyncTransports(httpx.BaseTransport):
    """One `httpx.HTTPTransport` for each process: a forked child must not read replies from its parent's sockets."""

    def __init__(self, time_left: Any, **settings: Any) -> None:
        self._time_left = time_left
        self._settings = settings
        self._of_process: dict[int, httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        if (transport := self._of_process.get(process := os.getpid())) is None:
            transport = self._of_process.setdefault(process, self._build())  # threads that race get the same one
        return transport.handle_request(request)

    def close(self) -> None:
        """Close this process's connections."""
        if (transport := self._of_process.pop(os.getpid(), None)) is not None:
            transport.close()

    def _build(self) -> httpx.HTTPTransport:
        from .sockets import SyncSockets  # httpcore, and with it trio where there is one: not before it is needed

        transport = httpx.HTTPTransport(limits=_LIMITS, **self._settings)
        _set_backend(transport, SyncSockets(self._time_left))
        return transport


class AsyncTransports(httpx.AsyncBaseTransport):
    """Free lists of `httpx.AsyncHTTPTransport`, one for each event loop, as a connection belongs to one loop."""

    def __init__(self, **settings: Any) -> None:
        self._settings = settings
        self._free: WeakKeyDictionary[object, list[httpx.AsyncHTTPTransport]] = WeakKeyDictionary()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request on a transport that no other request uses."""
        loop, is_asyncio = _event_loop()
        free = self._free.setdefault(loop, [])
        transport = free.pop() if free else self._build(is_asyncio)
        try:
            response = await transport.handle_async_request(request)
        except BaseException:
            free.append(transport)  # whose connection httpcore has closed
            raise
        response.stream = _Lent(response.stream, transport, free, lambda: self._free.get(loop) is free)
        return response

    async def aclose(self) -> None:
        """Close this event loop's connections; those in use close when their replies have been read."""
        loop, _ = _event_loop()
        for transport in self._free.pop(loop, ()):
            await transport.aclose()

    def _build(self, is_asyncio: bool) -> httpx.AsyncHTTPTransport:
        transport = httpx.AsyncHTTPTransport(limits=_LIMITS, **self._settings)
        if is_asyncio:
            from .sockets import AsyncioSockets

            _set_backend(transport, AsyncioSockets())
        return transport


class _Lent(httpx.AsyncByteStream):
    """The body of a reply, whose transport is given back when the body is closed."""

    def __init__(self, stream: Any, transport: httpx.AsyncHTTPTransport, free: list[Any], is_open: Any) -> None:
        self._stream = stream
        self._transport = transport
        self._free = free
        self._is_open = is_open

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
        if self._is_open():
            self._free.append(self._transport)
        else:
            await self._transport.aclose()


def _set_backend(transport: Any, backend: object) -> None:
    transport._pool._network_backend = backend  # the one private name of httpx that is used, as it hands none through


def _event_loop() -> tuple[object, bool]:
    """The running event loop, and whether it is asyncio's."""
    import asyncio  # which a sync wait need not load

    try:
        return asyncio.get_running_loop(), True
    except RuntimeError:
        import trio

        return trio.lowlevel.current_trio_token(), False

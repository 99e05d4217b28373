"""Who sends a request: httpx's own transports, or the caller's.

httpx's own are never shared between processes or event loops, and each has one connection with one request at a time:
httpcore's pool costs time quadratic in the requests that share it, and a connection with one request can keep to that
request's deadline. So a transport is taken from a free list for a request, and given back when the reply has been read.
"""

import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import httpx

KEEP_ALIVE = 300.0
"""Seconds that an idle connection is kept: longer than the usual time between two polls."""

_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEP_ALIVE)


class OwnTransports:
    """Free lists of `httpx.HTTPTransport` and `httpx.AsyncHTTPTransport`.

    A transport is lent for one request to *url*'s origin, which must be over at the deadline, on `time.monotonic`.
    """

    def __init__(self, url: httpx.URL, *, proxy: httpx.Proxy | None = None, **settings: Any) -> None:
        self._url = url
        self._proxy = proxy
        self._settings = settings
        self._of_process: dict[int, list[Any]] = {}
        self._of_loop: WeakKeyDictionary[object, list[Any]] = WeakKeyDictionary()

    @contextlib.contextmanager
    def lend(self, deadline: float) -> Iterator[httpx.BaseTransport]:
        """A transport for the sync client. One whose request failed is closed."""
        process = os.getpid()
        free = self._of_process.setdefault(process, [])
        while _is_over(entry := _take(free, self._build)):
            _close(*entry)
        transport, lease = entry
        lease.deadline = deadline
        is_reusable = False
        try:
            yield transport
            is_reusable = self._of_process.get(process) is free and not _has_surplus(transport)
        finally:  # the client may have been closed in the meantime
            if is_reusable:
                free.append(entry)
            else:
                _close(*entry)

    @contextlib.asynccontextmanager
    async def lend_async(self, deadline: float) -> AsyncIterator[httpx.AsyncBaseTransport]:
        """A transport for the async client. One whose request failed is closed."""
        loop, is_asyncio = _event_loop()
        free = self._of_loop.setdefault(loop, [])
        while _is_over(entry := _take(free, partial(self._build_async, is_asyncio))):
            await _aclose(*entry)
        transport, lease = entry
        if is_asyncio:
            lease.deadline = deadline
        is_reusable = False
        try:
            with contextlib.nullcontext() if is_asyncio else _fail_at(deadline):
                yield transport
            is_reusable = self._of_loop.get(loop) is free and not _has_surplus(transport)
        finally:
            if is_reusable:
                free.append(entry)
            else:
                await _aclose(*entry)

    def close(self) -> None:
        """Close this process's idle connections; those in use close when their replies have been read."""
        for entry in self._of_process.pop(os.getpid(), ()):
            _close(*entry)

    async def aclose(self) -> None:
        """Close this event loop's idle connections; those in use close when their replies have been read."""
        for entry in self._of_loop.pop(_event_loop()[0], ()):
            await _aclose(*entry)

    def _build(self) -> tuple[httpx.HTTPTransport, Any]:
        from .sockets import Lease, SyncSockets  # httpcore, and with it trio where there is one

        transport, lease = httpx.HTTPTransport(limits=_LIMITS, proxy=self._proxy, **self._settings), Lease()
        self._replace_pool(transport, SyncSockets(lease))
        return transport, lease

    def _build_async(self, is_asyncio: bool) -> tuple[httpx.AsyncHTTPTransport, Any]:
        from .async_sockets import AsyncioSockets, TrioSockets  # and with them asyncio
        from .sockets import Lease

        transport, lease = httpx.AsyncHTTPTransport(limits=_LIMITS, proxy=self._proxy, **self._settings), Lease()
        self._replace_pool(transport, AsyncioSockets(lease) if is_asyncio else TrioSockets(lease))
        return transport, lease

    def _replace_pool(self, transport: Any, backend: object) -> None:
        """Give a transport its backend and, in place of its pool, one connection, which takes less time per request."""
        import httpcore

        # Private names, as in the functions at the end of this file: a test says when one of them moves.
        transport._pool._network_backend = backend
        if self._proxy is None:  # with one, respx would see the request to the proxy in place of that to the service
            url = self._url
            target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=b"/")
            transport._pool = transport._pool.create_connection(target.origin)


class CallersTransport:
    """The transport that was passed to `connect`, for the kinds of client that it serves."""

    def __init__(self, transport: httpx.BaseTransport | httpx.AsyncBaseTransport) -> None:
        if not isinstance(transport, httpx.BaseTransport | httpx.AsyncBaseTransport):
            raise TypeError(f"transport must be one of httpx's kind, not {type(transport).__name__}")
        self._transport: Any = transport
        self._session = getattr(transport, "client", None)

    @contextlib.contextmanager
    def lend(self, deadline: float) -> Iterator[httpx.BaseTransport]:
        """The transport, if it is a sync one. It keeps to the deadline between two parts of a reply only."""
        if not isinstance(self._transport, httpx.BaseTransport):
            raise TypeError("transport=… is async: the sync functions need a sync transport, as httpx.HTTPTransport is")
        yield self._transport

    @contextlib.asynccontextmanager
    async def lend_async(self, deadline: float) -> AsyncIterator[httpx.AsyncBaseTransport]:
        """The transport, if it is an async one."""
        if not isinstance(self._transport, httpx.AsyncBaseTransport):
            raise TypeError(
                "transport=… is sync: the async functions and wait_for_operations need an async transport, "
                "as httpx.AsyncHTTPTransport is"
            )
        with _fail_at(deadline):
            yield self._transport

    def close(self) -> None:
        """Close the transport, if it is a sync one."""
        if isinstance(self._transport, httpx.BaseTransport):
            self._transport.close()

    async def aclose(self) -> None:
        """Close the transport, if it is an async one."""
        if isinstance(self._transport, httpx.AsyncBaseTransport):
            await self._transport.aclose()
        if hasattr(self._transport, "get_client"):  # httpx_aiohttp's, which would keep the session that is closed
            self._transport.client = self._session


def _close(transport: Any, lease: Any) -> None:
    transport.close()
    if lease.stream is not None:
        lease.stream.close()


async def _aclose(transport: Any, lease: Any) -> None:
    """Close, also where everything is being cancelled."""
    import anyio

    with anyio.CancelScope(shield=True):
        await transport.aclose()
        if lease.stream is not None:
            await lease.stream.aclose()


def _fail_at(deadline: float) -> contextlib.AbstractContextManager[Any]:
    import anyio  # which a sync wait need not load

    return anyio.fail_after(deadline - time.monotonic())


def _take(free: list[Any], build: Callable[[], Any]) -> Any:
    """The transport that was given back last, or a new one."""
    try:
        return free.pop()
    except IndexError:  # not asked before: another thread may come between
        return build()


def _links(transport: Any) -> list[Any]:
    """Its connections: the one in place of the pool, or the pool's."""
    pool = transport._pool
    return getattr(pool, "connections", [pool])


def _is_over(entry: tuple[Any, Any]) -> bool:
    """Whether the connection has been closed, by either side, or idle for too long."""
    return any(link.is_closed() or link.has_expired() for link in _links(entry[0]))


def _has_surplus(transport: Any) -> bool:
    """Whether more came than the reply: httpcore would take it for the reply to the next request."""
    return any(hasattr(link._connection, "_h11_state") and _has_unread(link._connection) for link in _links(transport))


def _has_unread(connection: Any) -> bool:
    stream = getattr(connection._network_stream, "_stream", None)
    records = getattr(stream, "_incoming", None)  # what trio has received of TLS and not decrypted yet
    return bool(connection._h11_state.trailing_data[0] or (records and records.pending))


def _event_loop() -> tuple[object, bool]:
    """The running event loop, and whether it is asyncio's."""
    import asyncio  # which a sync wait need not load

    try:
        return asyncio.get_running_loop(), True
    except RuntimeError:
        import trio

        return trio.lowlevel.current_trio_token(), False

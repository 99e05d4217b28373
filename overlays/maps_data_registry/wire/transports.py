"""Who sends a request: httpx's own transports, or the caller's.

httpx's own are never shared between processes or event loops, and each has one connection with one request at a time:
httpcore's pool costs time quadratic in the requests that share it, and a connection with one request can keep to that
request's deadline. So a transport is taken from a free list for a request, and given back when the reply has been read.
"""

import contextlib
import logging
import os
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, TypeVar

import httpx

from .private_names import AsyncTransport, SyncTransport, has_surplus, is_over
from .secrecy import mask_record

KEEP_ALIVE = 300.0
"""Seconds that an idle connection is kept: longer than the usual time between two polls."""

T = TypeVar("T")


class OwnTransports:
    """Free lists of httpx's own transports, one for each process and one for each event loop.

    A transport is lent for one request to *url*'s origin, which must be over at the deadline, on `time.monotonic`.
    """

    def __init__(self, url: httpx.URL, ssl_context: ssl.SSLContext, proxy: httpx.Proxy | None = None) -> None:
        self._url = url
        self._ssl_context = ssl_context
        self._proxy = proxy
        self._of_process: dict[int, list[SyncTransport]] = {}
        self._closed_in = set[int]()  # processes
        self._of_loop: dict[object, tuple[list[AsyncTransport], AsyncGenerator[None]]] = {}

    @contextlib.contextmanager
    def lend(self, deadline: float) -> Iterator[httpx.BaseTransport]:
        """A transport for the sync client. One whose request failed is closed."""
        process = os.getpid()
        free = self._of_process.setdefault(process, [])
        transport, is_kept = None, False
        try:
            while (transport := _pop(free)) and is_over(transport):
                transport.close()
            transport = transport or self._build()
            transport.sockets.deadline = deadline
            yield transport
            is_kept = not has_surplus(transport)
        finally:
            if is_kept and transport is not None:
                free.append(transport)
            elif transport is not None:
                transport.close()
            if process in self._closed_in:  # maybe before this one came back
                _close(free)

    @contextlib.asynccontextmanager
    async def lend_async(self, deadline: float) -> AsyncIterator[httpx.AsyncBaseTransport]:
        """A transport for the async client. One whose request failed is closed."""
        loop = _event_loop()
        free = await self._free_in(loop)
        transport, is_kept = None, False
        try:
            while (transport := _pop(free)) and is_over(transport):
                await transport.aclose()
            transport = transport or self._build_async()
            with _fail_at(deadline):
                yield transport
            is_kept = not has_surplus(transport)
        finally:
            if is_kept and transport is not None:
                free.append(transport)
            elif transport is not None:
                await transport.aclose()
            if self._of_loop.get(loop, (None,))[0] is not free:
                await _aclose(free)

    def close(self) -> None:
        """Close this process's idle connections; those in use close when their replies have been read."""
        self._closed_in.add(os.getpid())
        _close(self._of_process.pop(os.getpid(), []))

    async def aclose(self) -> None:
        """Close this event loop's idle connections; those in use close when their replies have been read."""
        loop = _event_loop()
        if loop in self._of_loop:
            await self._of_loop[loop][1].aclose()

    async def _free_in(self, loop: object) -> list[AsyncTransport]:
        """The free list of an event loop. It ends with the loop, as every loop ends its async generators."""
        if loop not in self._of_loop:
            for other in list(self._of_loop):
                if getattr(other, "is_closed", bool)():  # without having ended them
                    self._of_loop.pop(other, None)
            free: list[AsyncTransport] = []
            self._of_loop[loop] = free, self._until_closed(loop, free)
            await anext(self._of_loop[loop][1])
        return self._of_loop[loop][0]

    async def _until_closed(self, loop: object, free: list[AsyncTransport]) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._of_loop.pop(loop, None)
            await _aclose(free)

    def _build(self) -> SyncTransport:
        from .sockets import SyncSockets  # and with it httpcore

        sockets = SyncSockets()
        return SyncTransport(self._connection("", sockets), sockets)

    def _build_async(self) -> AsyncTransport:
        from .async_sockets import AsyncSockets

        sockets = AsyncSockets()
        return AsyncTransport(self._connection("Async", sockets), sockets)

    def _connection(self, prefix: str, sockets: object) -> Any:
        """One of httpcore's connections; through a proxy, a pool, which will hold one."""
        import httpcore

        for name in ("connection", "http11", "proxy", "socks"):  # whose records at level DEBUG have all that comes in
            logging.getLogger(f"{httpcore.__name__}.{name}").addFilter(mask_record)
        options: dict[str, Any] = {"ssl_context": self._ssl_context, "keepalive_expiry": KEEP_ALIVE}
        options["network_backend"] = sockets
        if self._proxy is None:
            return getattr(httpcore, f"{prefix}HTTPConnection")(_core_url(self._url).origin, **options)
        options |= {"proxy_url": _core_url(self._proxy.url), "proxy_auth": self._proxy.raw_auth}
        if self._proxy.url.scheme.startswith("socks"):
            return getattr(httpcore, f"{prefix}SOCKSProxy")(**options)
        return getattr(httpcore, f"{prefix}HTTPProxy")(**options, proxy_ssl_context=self._proxy.ssl_context)


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


def _pop(free: list[T]) -> T | None:
    """The one that was given back last. Not looked for before: another thread may come between."""
    try:
        return free.pop()
    except IndexError:
        return None


def _close(free: list[SyncTransport]) -> None:
    while transport := _pop(free):
        transport.close()


async def _aclose(free: list[AsyncTransport]) -> None:
    while transport := _pop(free):
        await transport.aclose()


def _fail_at(deadline: float) -> contextlib.AbstractContextManager[Any]:
    import anyio  # which a sync wait need not load

    return anyio.fail_after(deadline - time.monotonic())


def _core_url(url: httpx.URL) -> Any:
    import httpcore

    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=b"/")


def _event_loop() -> object:
    from anyio.lowlevel import current_token  # which a sync wait need not load

    return current_token().native_token

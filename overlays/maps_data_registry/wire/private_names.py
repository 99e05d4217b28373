"""What the wire takes of other packages' private names: nothing else in this package does.

    httpx      `_pool` of its transports, `_transport` and `_cookies` of its clients
    httpcore   `_connection` of a connection, `_h11_state` of that

`tests/wire/test_private_names.py` says when one of them has moved, in httpx and in httpx2.
"""

from typing import Any

import httpx


class SyncTransport(httpx.HTTPTransport):
    """httpx's own transport, made with a connection or a pool of httpcore's that has a network backend of ours.

    What patches httpx's class, as tools for mocking and for tracing do, patches this one too.
    """

    def __init__(self, pool: Any, sockets: Any) -> None:
        self._pool = pool
        self.sockets = sockets

    def close(self) -> None:
        """Close, also what httpcore has left open."""
        super().close()
        if self.sockets.stream is not None:
            self.sockets.stream.close()


class AsyncTransport(httpx.AsyncHTTPTransport):
    """The async twin of `SyncTransport`."""

    def __init__(self, pool: Any, sockets: Any) -> None:
        self._pool = pool
        self.sockets = sockets

    async def aclose(self) -> None:
        """Close, also what httpcore has left open, and where everything is being cancelled."""
        import anyio

        with anyio.CancelScope(shield=True):
            await super().aclose()
            if self.sockets.stream is not None:
                await self.sockets.stream.aclose()


def is_over(transport: SyncTransport | AsyncTransport) -> bool:
    """Whether the connection has been closed, by either side, or idle for too long."""
    return any(connection.is_closed() or connection.has_expired() for connection in _connections(transport))


def has_surplus(transport: SyncTransport | AsyncTransport) -> bool:
    """Whether more came than the reply: httpcore would take it for the reply to the next request."""
    return any(_has_unread(connection._connection) for connection in _connections(transport))


def _connections(transport: SyncTransport | AsyncTransport) -> list[Any]:
    """The connections of its pool, or the one in place of a pool."""
    pool: Any = transport._pool
    return getattr(pool, "connections", [pool])


def _has_unread(connection: Any) -> bool:
    if not hasattr(connection, "_h11_state"):  # there is no connection where a mock has answered
        return False
    return bool(connection._h11_state.trailing_data[0])


class _NoCookies(httpx.Cookies):
    def extract_cookies(self, response: httpx.Response) -> None:
        pass


def keep_no_cookies(http: httpx.Client | httpx.AsyncClient, guard: type) -> None:
    """Spare a client behind a guard, which lets no cookie in, the costly search for cookies in each reply."""
    if isinstance(http._transport, guard) and not isinstance(http._cookies, _NoCookies):
        http._cookies = _NoCookies(http.cookies)

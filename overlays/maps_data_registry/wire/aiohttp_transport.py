"""httpx's API over aiohttp, as httpx-aiohttp has it, corrected.

Its sessions keep no cookies and repeat no request by themselves; every failure is the httpx exception that httpx's own
transport would raise; and a connection that is given up half-way is dropped at once.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

# The first that fits, else RemoteProtocolError. httpx-aiohttp reports most failures as ConnectTimeout, and lets some
# through as they are.
_EXCEPTIONS: tuple[tuple[type[BaseException], type[httpx.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ClientProxyConnectionError, httpx.ProxyError),
    (aiohttp.ClientHttpProxyError, httpx.ProxyError),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientOSError, httpx.ReadError),
)


# What h11 reads under httpx's own transport: one long header is no fault.
_LIMITS: Any = {"max_line_size": 65536, "max_field_size": 65536, "max_headers": 1024}


class _Connector(aiohttp.TCPConnector):
    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        if should_close:  # given up half-way: TLS's goodbye, which may take as long as the peer likes, is left out
            protocol.abort()
        super()._release(key, protocol, should_close=should_close)


class SessionTransport(AiohttpTransport):
    """One aiohttp session, for the event loop that first sends a request through it."""

    def get_client(self) -> aiohttp.ClientSession:
        """Make the session, on first use: no cookies, no bound on connections but the caller's own concurrency."""
        connector = _Connector(limit=0, ssl=self.ssl_context, keepalive_timeout=self.limits.keepalive_expiry)
        session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), **_LIMITS)
        session._retry_connection = (
            False  # when to ask again is for polling to decide; there is no public way to say so
        )
        return session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        with _httpx_exceptions():
            response = await super().handle_async_request(request)
        response.stream = _Stream(cast("httpx.AsyncByteStream", response.stream))
        return response


class _Stream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpx_exceptions():
            async for chunk in self._stream:
                yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


@contextlib.contextmanager
def _httpx_exceptions() -> Iterator[None]:
    try:
        yield
    except (httpx.TransportError, aiohttp.ClientError, UnicodeError) as error:  # the last for a reason that is no text
        cause = error.__cause__ if isinstance(error, httpx.TransportError) else error
        found = next((to for kind, to in _EXCEPTIONS if isinstance(cause, kind)), httpx.RemoteProtocolError)
        raise found(str(error) or type(cause).__name__) from cause

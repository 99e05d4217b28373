"""The last moment before the wire, for the sync and the async client at once.

Whoever built a request, it leaves only for the client's own origin, and its reply is bounded in size and in time.
The real transports are built on first use: httpx's own for sync and for trio, aiohttp's under httpx's API for asyncio.
"""

import contextlib
import functools
import math
import ssl
import threading
import time
import urllib.request
from base64 import b64encode
from typing import Any, cast
from weakref import WeakKeyDictionary

import anyio
import httpx

from maps_data_registry.errors import UntrustedOrigin

from .background import running_loop
from .deadline import TOO_SLOW, deadline, time_left
from .incoming import Incoming, mask_error
from .origin import is_loopback, origin_of, origin_text

REQUEST_TIMEOUT = 60.0
"""Seconds for one request at most, from connecting to the last byte."""

KEEP_ALIVE = 300.0
"""Seconds that an idle connection is kept: longer than the usual time between two polls."""

LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEP_ALIVE)


class GuardedTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport for one origin. *inner* replaces the built one, for the kinds of client that it serves.

    A request may bring `extensions={"deadline": …}`, if that is earlier: on the monotonic clock, or the event loop's
    on the async side. With an *inner* of the caller's, the sync side looks at it between two chunks only.

    Raises (from a request):
        UntrustedOrigin: for another origin than *base_url*'s, before anything is sent.
        InvalidResponse: for a body over `incoming.MAX_REPLY_BYTES`, or in an encoding that cannot be read.
        httpx.TransportError: what the wire does; `httpx.ReadTimeout` when the total is up.
    """

    def __init__(
        self,
        base_url: httpx.URL,
        *,
        inner: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._base_url = base_url
        self._origin = origin_of(base_url)
        self._ssl_context = ssl_context
        self._inner = inner
        self._sync: httpx.BaseTransport | None = None
        # Under asyncio a transport lives and dies with its event loop; trio's may serve several.
        self._async: WeakKeyDictionary[object, httpx.AsyncBaseTransport] = WeakKeyDictionary()
        self._building = threading.Lock()
        self._proxy = _proxy(base_url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request of the sync client."""
        self._admit(request)
        with self._building:
            inner = self._sync = self._sync or self._build_sync()
        token = deadline.set((now := time.monotonic()) + _seconds(request, now))
        try:
            response = inner.handle_request(request)
            with contextlib.closing(cast("httpx.SyncByteStream", response.stream)) as stream:
                incoming = Incoming(request, response)
                for chunk in stream:
                    incoming.append(chunk)
                    time_left(None)
        except TimeoutError as error:
            raise httpx.ReadTimeout(TOO_SLOW, request=request) from error
        except httpx.TransportError as error:
            mask_error(error, request)
            raise
        finally:
            deadline.reset(token)
        return incoming.reply()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request of the async client."""
        self._admit(request)
        inner = self._async_inner()
        try:
            with anyio.fail_after(_seconds(request, anyio.current_time())):
                response = await inner.handle_async_request(request)
                async with contextlib.aclosing(cast("httpx.AsyncByteStream", response.stream)) as stream:
                    incoming = Incoming(request, response)
                    async for chunk in stream:
                        incoming.append(chunk)
        except TimeoutError as error:
            raise httpx.ReadTimeout(TOO_SLOW, request=request) from error
        except httpx.TransportError as error:
            mask_error(error, request)
            raise
        return incoming.reply()

    def close(self) -> None:
        """Close the sync side's connections."""
        inner, self._sync = self._sync, None
        if inner is not None:
            inner.close()

    async def aclose(self) -> None:
        """Close the async side's connections."""
        inner = self._async.pop(running_loop() or self, None)
        if inner is not None:
            await inner.aclose()

    def _admit(self, request: httpx.Request) -> None:
        if origin_of(request.url) != self._origin:
            there, here = origin_text(origin_of(request.url)), origin_text(self._origin)
            raise UntrustedOrigin(f"not sent: a request to {there} by a client of {here}")
        if request.headers.get("Authorization") == "":  # baked in by the generated client
            del request.headers["Authorization"]

    def _build_sync(self) -> httpx.BaseTransport:
        if self._inner is not None:
            if not isinstance(self._inner, httpx.BaseTransport):
                raise TypeError("transport=… is for the async client only")
            return self._inner
        from .sockets import DeadlineBackend  # httpcore, and with it trio where there is one: not before it is needed

        transport = httpx.HTTPTransport(**self._settings())
        transport._pool._network_backend = DeadlineBackend()  # httpx hands no backend through
        return transport

    def _async_inner(self) -> httpx.AsyncBaseTransport:
        loop = running_loop()  # None under trio
        if (inner := self._async.get(loop or self)) is None:
            inner = self._async[loop or self] = self._build_async(loop)
        return inner

    def _build_async(self, loop: object) -> httpx.AsyncBaseTransport:
        if self._inner is not None:
            if not isinstance(self._inner, httpx.AsyncBaseTransport):
                raise TypeError("transport=… is for the sync client only")
            return self._inner
        if loop is None or (self._proxy and self._proxy.url.scheme.startswith("socks")):  # aiohttp has no SOCKS
            return httpx.AsyncHTTPTransport(**self._settings())
        from .aiohttp_transport import SessionTransport  # 0.2 s, so not before it is needed

        return SessionTransport(**self._settings())

    def _settings(self) -> dict[str, Any]:
        context = self._ssl_context or (_tls() if self._base_url.scheme == "https" else _no_tls())
        return {"verify": context, "limits": LIMITS, "proxy": self._proxy}


@functools.cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # 20 ms, so once for all clients


def _no_tls() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _proxy(url: httpx.URL) -> httpx.Proxy | None:
    """The proxy that the environment names for a URL, as httpx would choose it; never one for loopback."""
    if is_loopback(url.host) or urllib.request.proxy_bypass(url.host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy:
        return None
    address = httpx.URL(proxy if "://" in proxy else f"http://{proxy}")
    if not address.userinfo or address.scheme.startswith("socks"):
        return httpx.Proxy(address)
    basic = b64encode(f"{address.username}:{address.password}".encode()).decode()  # the one form that both sides take
    return httpx.Proxy(address.copy_with(userinfo=b""), headers={"Proxy-Authorization": f"Basic {basic}"})


def _seconds(request: httpx.Request, now: float) -> float:
    by: float = request.extensions.get("deadline", math.inf)
    return max(min(by - now, REQUEST_TIMEOUT), 0.0)

"""The last moment before the wire, for the sync and the async client at once.

Whoever built a request, it leaves for the client's own origin only, and its reply is bounded in size and in time. What
the transport underneath raises is raised anew: the same class, the credential masked, without the request.
"""

import contextlib
import math
import ssl
import time
from contextvars import ContextVar
from typing import Any, cast

import httpx

from maps_data_registry.errors import DataRegistryError, UntrustedOrigin

from .environment import default_ssl_context, proxy_of
from .failures import failure_of
from .incoming import MAX_REPLY_BYTES, Incoming
from .origin import origin_of, origin_text
from .secrecy import Mask
from .transports import AsyncTransports, SyncTransports

DEADLINE = "deadline"
"""The request extension that says when a request must be over, on `time.monotonic`."""

REFRESH_PROBLEM = "refresh_problem"
"""The response extension that says why a 401 was not answered with a new token."""

REQUEST_TIMEOUT = 60.0
"""Seconds for one request at most, from connecting to the last byte."""

_TOO_SLOW = "the time for the whole request is up"
_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)  # of the current sync request


class Guard(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport for one origin. *inner* replaces httpx's own transports, for the kinds of client that it serves.

    A request may bring an earlier end in `extensions[DEADLINE]`. With an *inner* of the caller's, the sync side checks
    it between two chunks only.

    Raises (from a request):
        UntrustedOrigin: for another origin than *base_url*'s, before anything is sent.
        InvalidResponse: for a reply that is too long, or in an encoding that cannot be read.
        httpx.TransportError: what the wire does; `httpx.ReadTimeout` when the total is up.
    """

    def __init__(
        self,
        base_url: httpx.URL,
        *,
        inner: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
        ssl_context: ssl.SSLContext | None = None,
        max_reply_bytes: int = MAX_REPLY_BYTES,
    ) -> None:
        self._origin = origin_of(base_url)
        self._max_reply_bytes = max_reply_bytes
        self._where = origin_text(self._origin)
        self._mask = Mask()
        self._sync: Any = inner
        self._async: Any = inner
        if inner is None:
            proxy = proxy_of(base_url)
            if proxy is not None:
                self._where += f" through the proxy {proxy}"
                self._mask = Mask(proxy.secrets)
            if ssl_context is None:
                ssl_context = default_ssl_context() if base_url.scheme == "https" else _no_tls()
            settings: dict[str, Any] = {"verify": ssl_context, "proxy": proxy and proxy.proxy}
            self._sync, self._async = SyncTransports(_time_left, **settings), AsyncTransports(**settings)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request of the sync client."""
        ends = self._admit(request)
        if not isinstance(self._sync, httpx.BaseTransport):
            raise TypeError("transport=… is async: the sync functions need a sync transport, as httpx.HTTPTransport is")
        token = _deadline.set(ends)
        try:
            response = self._sync.handle_request(request)
            with contextlib.closing(cast("httpx.SyncByteStream", response.stream)) as stream:
                incoming = Incoming(response, self._mask, self._max_reply_bytes)
                for chunk in stream:
                    incoming.append(chunk)
                    _time_left(None)
            return incoming.reply()
        except Exception as error:
            failure = self._failure(error)
        finally:
            _deadline.reset(token)
        raise failure  # here, where the error that it replaces is not its context

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request of the async client."""
        import anyio  # which a sync wait need not load

        ends = self._admit(request)
        if not isinstance(self._async, httpx.AsyncBaseTransport):
            raise TypeError(
                "transport=… is sync: the async functions and wait_for_operations need an async transport, "
                "as httpx.AsyncHTTPTransport is"
            )
        try:
            with anyio.fail_after(ends - time.monotonic()):
                response = await self._async.handle_async_request(request)
                async with contextlib.aclosing(cast("httpx.AsyncByteStream", response.stream)) as stream:
                    incoming = Incoming(response, self._mask, self._max_reply_bytes)
                    async for chunk in stream:
                        incoming.append(chunk)
            return incoming.reply()
        except Exception as error:
            failure = self._failure(error)
        raise failure  # here, where the error that it replaces is not its context

    def close(self) -> None:
        """Close the sync side's connections."""
        if isinstance(self._sync, httpx.BaseTransport):
            self._sync.close()

    async def aclose(self) -> None:
        """Close the async side's connections of this event loop."""
        if isinstance(self._async, httpx.AsyncBaseTransport):
            await self._async.aclose()

    def _admit(self, request: httpx.Request) -> float:
        """When the request must be over, if it may leave at all."""
        if origin_of(request.url) != self._origin:
            there, here = origin_text(origin_of(request.url)), origin_text(self._origin)
            raise UntrustedOrigin(f"not sent: a request to {there} by a client of {here}")
        if request.headers.get("Authorization") == "":  # baked in by the generated client
            del request.headers["Authorization"]
        self._mask.learn(request)
        ends: float = request.extensions.get(DEADLINE, math.inf)
        return min(time.monotonic() + REQUEST_TIMEOUT, ends)

    def _failure(self, error: Exception) -> Exception:
        if isinstance(error, DataRegistryError):
            return error.with_traceback(None)
        if isinstance(error, TimeoutError):
            error = httpx.ReadTimeout(_TOO_SLOW)
        return failure_of(error, self._where, self._mask)


def _time_left(timeout: float | None) -> float:
    """The smaller of *timeout* and the seconds until the current request's deadline.

    Raises:
        TimeoutError: if there are none.
    """
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise TimeoutError(_TOO_SLOW)
    return left if timeout is None else min(left, timeout)


def _no_tls() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

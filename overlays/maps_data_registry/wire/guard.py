"""The transport that every request passes through last, for both the sync and the async client.

Whoever built a request, it is sent to the client's own origin only, and its reply is bounded in size and in time. A
failure of the transport underneath is raised as a new httpx error, with the credential masked and without the request.
"""

import contextlib
import math
import ssl
import time
from typing import cast

import httpx

from maps_data_registry.errors import UntrustedOrigin

from .environment import default_ssl_context, proxy_of
from .failures import failure_of
from .incoming import MAX_REPLY_BYTES, Incoming
from .origin import origin_of, origin_text
from .secrecy import Mask, secrets_of
from .transports import CallersTransport, OwnTransports

DEADLINE = "deadline"
"""The request extension that says when a request must be over, on `time.monotonic`."""

REFRESH_PROBLEM = "refresh_problem"
"""The response extension that says why a 401 was not answered with a new token."""

REQUEST_TIMEOUT = 60.0
"""Seconds for one request at most, from connecting to the last byte."""

_TICK = 0.05
"""Seconds that a timer may be early."""


class Guard(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport for one origin. *inner* replaces httpx's own transports, for the kinds of client that it serves.

    A request may carry an earlier deadline in `extensions[DEADLINE]`. With a caller's *inner*, the sync side checks
    it between two chunks only.

    Raises (from a request):
        UntrustedOrigin: for another origin than *base_url*'s, before anything is sent.
        InvalidResponse: for a reply that is too long, or in an encoding that cannot be read.
        httpx.TransportError: for a failure of the wire; `httpx.ReadTimeout` when the time for the whole request is up.
    """

    def __init__(
        self,
        base_url: httpx.URL,
        *,
        inner: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
        ssl_context: ssl.SSLContext | None = None,
        max_reply_bytes: int = MAX_REPLY_BYTES,
    ) -> None:
        if type(max_reply_bytes) is not int or max_reply_bytes < 1:
            raise ValueError(f"max_reply_bytes must be a whole number from 1 up, not {max_reply_bytes!r}")
        self._origin = origin_of(base_url)
        self._max_reply_bytes = max_reply_bytes
        self._where = origin_text(self._origin)
        self._mask = Mask()
        self._transports: OwnTransports | CallersTransport
        if inner is not None:
            self._transports = CallersTransport(inner)
            return
        if ssl_context is None:
            is_tls = base_url.scheme == "https"
            ssl_context = default_ssl_context() if is_tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        proxy, source = proxy_of(base_url, ssl_context) or (None, "")
        if proxy is not None:
            self._where += f" through the proxy {origin_text(origin_of(proxy.url))} ({source})"
            if proxy.raw_auth is not None:  # the password, and what is sent of it
                self._mask = Mask((proxy.raw_auth[1], b":".join(proxy.raw_auth)))
        self._transports = OwnTransports(base_url, ssl_context, proxy)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request of the sync client."""
        reply = self._send(request, *self._admit(request))
        if isinstance(reply, BaseException):
            raise reply  # from a frame that holds nothing of the wire's
        return reply

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request of the async client."""
        reply = await self._send_async(request, *self._admit(request))
        if isinstance(reply, BaseException):
            raise reply
        return reply

    def close(self) -> None:
        """Close the sync side's connections."""
        self._transports.close()

    async def aclose(self) -> None:
        """Close the async side's connections of this event loop."""
        await self._transports.aclose()

    def _send(self, request: httpx.Request, mask: Mask, deadline: float) -> httpx.Response | BaseException:
        try:
            with self._transports.lend(deadline) as transport:
                response = transport.handle_request(request)
                with contextlib.closing(cast("httpx.SyncByteStream", response.stream)) as stream:
                    incoming = Incoming(response, mask, self._max_reply_bytes)
                    for chunk in stream:
                        incoming.append(chunk)
                        if time.monotonic() >= deadline:
                            raise TimeoutError
            return incoming.reply()
        except BaseException as error:
            return self._failure(error, mask, deadline)

    async def _send_async(self, request: httpx.Request, mask: Mask, deadline: float) -> httpx.Response | BaseException:
        try:
            async with self._transports.lend_async(deadline) as transport:
                response = await transport.handle_async_request(request)
                async with contextlib.aclosing(cast("httpx.AsyncByteStream", response.stream)) as stream:
                    incoming = Incoming(response, mask, self._max_reply_bytes)
                    async for chunk in stream:
                        incoming.append(chunk)
            return incoming.reply()
        except BaseException as error:
            return self._failure(error, mask, deadline)

    def _admit(self, request: httpx.Request) -> tuple[Mask, float]:
        """The mask for the request's reply and when it must be over, if it may leave at all."""
        if origin_of(request.url) != self._origin:
            there, here = origin_text(origin_of(request.url)), origin_text(self._origin)
            raise UntrustedOrigin(f"not sent: a request to {there} by a client of {here}")
        secrets = secrets_of(request)
        if b"" in secrets and request.headers.get("Authorization") == "":  # baked in by the generated client
            del request.headers["Authorization"]
        self._mask = mask = self._mask.with_secrets(secrets)
        deadline: float = request.extensions.get(DEADLINE, math.inf)
        return mask, min(time.monotonic() + REQUEST_TIMEOUT, deadline)

    def _failure(self, error: BaseException, mask: Mask, deadline: float) -> BaseException:
        is_late = isinstance(error, TimeoutError | httpx.TimeoutException) and time.monotonic() > deadline - _TICK
        return failure_of(error, self._where, mask, is_late=is_late)

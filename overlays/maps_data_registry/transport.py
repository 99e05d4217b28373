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
import zlib
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, cast

import anyio
import httpcore
import httpx

from .background import running_loop
from .deadline import TOO_SLOW, DeadlineBackend, deadline, time_left
from .errors import InvalidResponse, UntrustedOrigin
from .origin import is_loopback, origin_of, origin_text

MAX_REPLY_BYTES = 1024 * 1024
"""The longest body that is read, compressed or not. The contract's replies are a few hundred bytes."""

REQUEST_TIMEOUT = 60.0
"""Seconds for one request at most, from connecting to the last byte."""

KEEP_ALIVE = 300.0
"""Seconds that an idle connection is kept: longer than the usual time between two polls."""

LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEP_ALIVE)
_SHORTEST_SECRET = 8  # characters; a shorter one would be found in any text


class GuardedTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport for one origin. *inner* replaces the built one, for the kinds of client that it serves.

    A request may bring `extensions={"deadline": …}`, if that is earlier: on the monotonic clock, or the event loop's
    on the async side. With an *inner* of the caller's, the sync side looks at it between two chunks only.

    Raises (from a request):
        UntrustedOrigin: for another origin than *base_url*'s, before anything is sent.
        InvalidResponse: for a body over `MAX_REPLY_BYTES`, or in an encoding that cannot be read.
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
        self._async: httpx.AsyncBaseTransport | None = None
        self._loop: object = None
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
            with contextlib.closing(response):
                body = _body_of(response)
                for chunk in cast("httpx.SyncByteStream", response.stream):
                    _append(body, chunk, response)
                    time_left(None)
        except httpcore.ReadTimeout as error:
            raise httpx.ReadTimeout(str(error), request=request) from error
        except httpx.TransportError as error:
            _mask(request, error)
            raise
        finally:
            deadline.reset(token)
        return _reply(request, response, body)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request of the async client."""
        self._admit(request)
        inner = self._async_inner()
        try:
            with anyio.fail_after(_seconds(request, anyio.current_time())):
                response = await inner.handle_async_request(request)
                async with contextlib.aclosing(response):
                    body = _body_of(response)
                    async for chunk in cast("httpx.AsyncByteStream", response.stream):
                        _append(body, chunk, response)
        except TimeoutError as error:
            raise httpx.ReadTimeout(TOO_SLOW, request=request) from error
        except httpx.TransportError as error:
            _mask(request, error)
            raise
        return _reply(request, response, body)

    def close(self) -> None:
        """Close the sync side's connections."""
        inner, self._sync = self._sync, None
        if inner is not None:
            inner.close()

    async def aclose(self) -> None:
        """Close the async side's connections."""
        inner, self._async = self._async, None
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
        transport = httpx.HTTPTransport(**self._settings())
        transport._pool._network_backend = DeadlineBackend()  # httpx hands no backend through
        return transport

    def _async_inner(self) -> httpx.AsyncBaseTransport:
        if self._inner is not None:
            if not isinstance(self._inner, httpx.AsyncBaseTransport):
                raise TypeError("transport=… is for the sync client only")
            self._async = self._inner
            return self._inner
        loop = running_loop()  # None under trio
        if self._async is None or self._loop is not loop:  # an asyncio transport lives and dies with its loop
            self._loop = loop
            self._async = self._build_async(loop)
        return self._async

    def _build_async(self, loop: object) -> httpx.AsyncBaseTransport:
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


def _body_of(response: httpx.Response) -> bytearray:
    length = response.headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and int(length[:20]) > MAX_REPLY_BYTES:
        raise _too_large(response, b"")
    return bytearray()


def _append(body: bytearray, chunk: bytes, response: httpx.Response) -> None:
    body += chunk
    if len(body) > MAX_REPLY_BYTES:
        raise _too_large(response, bytes(body))


def _too_large(response: httpx.Response, body: bytes) -> InvalidResponse:
    fault = f"it is larger than {MAX_REPLY_BYTES} bytes"
    return InvalidResponse(fault, status_code=response.status_code, headers=response.headers, body=body)


def _reply(request: httpx.Request, response: httpx.Response, body: bytearray) -> httpx.Response:
    """The whole reply, decoded, without the credential if the other side sent it back."""
    headers, content = response.headers, bytes(body)
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity"}:
        content = _decoded(content, encoding, response)
        headers = httpx.Headers([item for item in headers.raw if item[0].lower() not in _OF_THE_CODING])
    for secret in _secrets(request):
        for echo in (secret, secret.replace(b"/", b"\\/")):  # as it is, and as JSON may write it
            if echo in content:
                content = content.replace(echo, b"***")
        if any(secret in value for _, value in headers.raw):
            headers = httpx.Headers([(name, value.replace(secret, b"***")) for name, value in headers.raw])
    if "location" in headers and not _is_url(headers["location"]):  # httpx reads it even when it does not follow it
        del headers["location"]
    return httpx.Response(response.status_code, headers=headers, content=content, extensions=_kept(response))


def _secrets(request: httpx.Request) -> Iterator[bytes]:
    for name in ("Authorization", "subscription-key"):
        secret = request.headers.get(name, "").rpartition(" ")[2].encode()
        if len(secret) >= _SHORTEST_SECRET:
            yield secret


def _mask(request: httpx.Request, error: httpx.TransportError) -> None:
    """Take the credential out of an error's text, which may quote what the other side sent."""
    for secret in _secrets(request):
        if secret.decode() in str(error):
            error.args = (str(error).replace(secret.decode(), "***"),)
            error.__cause__ = error.__context__ = None  # they say it too


def _is_url(text: str) -> bool:
    try:
        _ = httpx.URL(text).host  # decoded when it is read
    except (httpx.InvalidURL, UnicodeError):
        return False
    return True


_OF_THE_CODING = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


def _kept(response: httpx.Response) -> dict[str, Any]:
    return {
        name: response.extensions[name] for name in ("http_version", "reason_phrase") if name in response.extensions
    }


def _decoded(content: bytes, encoding: str, response: httpx.Response) -> bytes:
    fault = f"its content-encoding is {encoding[:40]}"
    if encoding in {"gzip", "x-gzip", "deflate"}:
        try:
            decoded = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(content, MAX_REPLY_BYTES + 1)
        except zlib.error as error:
            fault = f"{fault}, but {error}"
        else:
            if len(decoded) > MAX_REPLY_BYTES:
                raise _too_large(response, decoded)
            return decoded
    raise InvalidResponse(fault, status_code=response.status_code, headers=response.headers)

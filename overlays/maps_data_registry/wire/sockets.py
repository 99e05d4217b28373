"""Network backends of httpcore that keep to a deadline: one for sync code, and its twin for asyncio.

httpcore's timeouts are for one read each, so a server that drips bytes would never meet one. Here each step gets the
smaller of its own timeout and what is left until the request's deadline. The asyncio backend also does without anyio's
layer around a socket. Under trio the caller cancels what is late, and the backend is httpcore's.
"""

import asyncio
import contextlib
import logging
import math
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import httpcore

from .secrecy import mask_record

T = TypeVar("T")

_ENOUGH = 256 * 1024  # bytes received and not read yet, when no more are taken from the socket

for _name in ("connection", "http11", "proxy", "socks"):
    logging.getLogger(f"httpcore.{_name}").addFilter(mask_record)


class Lease:
    """What a transport's backend knows of the request that it serves. A transport has one request at a time."""

    deadline = math.inf
    """When the request must be over, on `time.monotonic`."""

    stream: Any = None
    """The connection that was opened last: httpcore leaves it open where TLS or SOCKS fails on it."""

    def left(self, timeout: float | None) -> float:
        """The smaller of *timeout* and the seconds until the deadline.

        Raises:
            TimeoutError: if there are none.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left if timeout is None else min(left, timeout)


class SyncSockets(httpcore.SyncBackend):
    """Sockets whose every step ends by the deadline. Only looking up a name cannot be cut short."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        *_: Any,  # no local address and no socket options: httpx is given none
        **__: Any,
    ) -> httpcore.NetworkStream:
        """Open a connection to the first of the host's addresses that answers."""
        with _map_errors(httpcore.ConnectTimeout, httpcore.ConnectError):
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        failure: Exception | None = None
        for address in dict.fromkeys(str(item[4][0]) for item in found):
            try:
                left = self._lease.left(timeout)
                stream = super().connect_tcp(address, port, left, socket_options=())
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = failure or error
            else:
                self._lease.stream = stream
                return _SyncStream(stream, self._lease)
        raise failure or httpcore.ConnectError(f"{host} has no address")


class _SyncStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, lease: Lease) -> None:
        self._stream = stream
        self._socket: socket.socket = stream.get_extra_info("socket")
        self._lease = lease

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _map_errors(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(self._lease.left(timeout))
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:  # httpcore also writes the end of a body that is not there
            return
        rest = memoryview(buffer)
        with _map_errors(httpcore.WriteTimeout, httpcore.WriteError):
            while rest:
                self._socket.settimeout(self._lease.left(timeout))
                rest = rest[self._socket.send(rest) :]

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        if isinstance(self._socket, ssl.SSLSocket):
            return _TLSInTLS(self, ssl_context, server_hostname, timeout)
        stream = self._stream.start_tls(ssl_context, server_hostname, self._lease.left(timeout))
        return _SyncStream(stream, self._lease)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _TLSInTLS(httpcore.NetworkStream):
    """TLS through an https proxy. httpcore's own restarts the timeout with every byte that drips in."""

    def __init__(
        self, stream: _SyncStream, context: ssl.SSLContext, hostname: str | None, timeout: float | None
    ) -> None:
        self._stream = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=hostname)
        with _map_errors(httpcore.ConnectTimeout, httpcore.ConnectError):
            self._run(self._tls.do_handshake, timeout)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _map_errors(httpcore.ReadTimeout, httpcore.ReadError):
            try:
                return self._run(lambda: self._tls.read(max_bytes), timeout)
            except ssl.SSLEOFError:  # closed without close_notify, as many servers do
                return b""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        with _map_errors(httpcore.WriteTimeout, httpcore.WriteError):
            self._run(lambda: self._tls.write(buffer), timeout)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._tls if info == "ssl_object" else self._stream.get_extra_info(info)

    def _run(self, step: Callable[[], T], timeout: float | None) -> T:
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                done = step()
                self._stream.write(self._outgoing.read(), timeout)
                return done
            self._stream.write(self._outgoing.read(), timeout)
            if data := self._stream.read(16384, timeout):
                self._incoming.write(data)
            else:
                self._incoming.write_eof()


class AsyncioSockets(httpcore.AsyncNetworkBackend):
    """asyncio's transports, whose every step ends by the deadline."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        *_: Any,  # no local address and no socket options: httpx is given none
        **__: Any,
    ) -> httpcore.AsyncNetworkStream:
        """Open a connection to the first of the host's addresses that answers, tried 0.25 s apart (RFC 8305)."""
        is_address = ":" in host or host.replace(".", "").isdigit()  # then there is one, and nothing to race
        with _map_errors(httpcore.ConnectTimeout, httpcore.ConnectError):
            async with asyncio.timeout(self._lease.left(timeout)):
                found = await asyncio.get_running_loop().create_connection(
                    lambda: _AsyncioStream(self._lease), host, port, happy_eyeballs_delay=None if is_address else 0.25
                )
        self._lease.stream = found[1]
        return found[1]


class _AsyncioStream(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """A connection: what asyncio hands the bytes to, and what httpcore reads them from."""

    _transport: asyncio.Transport

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._has_ended = self._is_lost = self._is_full = False
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # of a stream, as asyncio says itself

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > _ENOUGH:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._has_ended = True
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._has_ended = self._is_lost = True
        self._failure = error
        self._wake()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._wake()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _map_errors(httpcore.ReadTimeout, httpcore.ReadError):
            while not (self._received or self._has_ended):
                await self._wait(timeout)
            if self._failure is not None and not self._received:
                raise self._failure
        data = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        if not self._has_ended:
            self._transport.resume_reading()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        with _map_errors(httpcore.WriteTimeout, httpcore.WriteError):
            self._transport.write(buffer)
            while self._is_full and not self._is_lost:
                await self._wait(timeout)

    async def aclose(self) -> None:
        # Not close(): that waits for TLS's close_notify, which the peer could stall.
        self._transport.abort()
        await asyncio.sleep(0)  # the loop closes the socket in its next turn

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        with _map_errors(httpcore.ConnectTimeout, httpcore.ConnectError):
            if self._received:  # it would be taken for what comes through TLS later
                raise ssl.SSLError("the other side sent data before the TLS handshake")
            async with asyncio.timeout(self._lease.left(timeout)):
                try:
                    transport = await self._loop.start_tls(
                        self._transport, self, ssl_context, server_hostname=server_hostname
                    )
                except TypeError as error:  # what TLS in TLS fails with in Python 3.11
                    raise ConnectionAbortedError("closed during the TLS handshake") from error
        self._transport = transport or self._transport  # none: it has been lost already
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # an idle connection that is readable has ended, or has surplus bytes
            return bool(self._received) or self._has_ended
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return self._transport.get_extra_info(names.get(info, info))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, timeout: float | None) -> None:
        """Wait until something has happened."""
        self._waiter = waiter = self._loop.create_future()
        timer = self._loop.call_later(self._lease.left(timeout), _time_out, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None


def _time_out(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


class TrioSockets(httpcore.TrioBackend):
    """httpcore's own trio backend, which also notes its connection in the lease."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    async def connect_tcp(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        """Open a connection to the first of the host's addresses that answers, tried 0.25 s apart (RFC 8305)."""
        with _map_errors(httpcore.ConnectTimeout, httpcore.ConnectError):  # also for a host that is no name
            stream = self._lease.stream = await super().connect_tcp(*args, **options)
        return stream


@contextlib.contextmanager
def _map_errors(timed_out: type[Exception], failed: type[Exception]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise timed_out(str(error)) from error
    except (OSError, UnicodeError) as error:  # ssl.SSLError is an OSError; a host name may be none
        raise failed(str(error)) from error

"""Network backends of httpcore that keep to a deadline: one for sync code, and its twin for asyncio.

httpcore's timeouts are for one read each, so a server that drips bytes would never meet one. In sync code nothing else
can end a read, so each step gets the smaller of its own timeout and what is left. Under asyncio the whole request is
cancelled at its deadline, and the backend is there for speed: it does without anyio's layer around a socket.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import httpcore

T = TypeVar("T")
Options = Iterable[httpcore.SOCKET_OPTION]
TimeLeft = Callable[[float | None], float]
"""The smaller of a timeout and the seconds until the deadline; TimeoutError if there are none."""


class SyncSockets(httpcore.SyncBackend):
    """Sockets whose every step ends by the deadline. Only looking up a name cannot be cut short."""

    def __init__(self, time_left: TimeLeft) -> None:
        self._time_left = time_left

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Options | None = None,
    ) -> httpcore.NetworkStream:
        """Open a connection to the first of the host's addresses that answers."""
        try:
            addresses = {str(found[4][0]): None for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception | None = None
        for address in addresses:
            try:
                left = self._time_left(timeout)
                stream = super().connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _SyncStream(stream, self._time_left)
        raise failure or httpcore.ConnectError(f"{host} has no address")


class _SyncStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, time_left: TimeLeft) -> None:
        self._stream = stream
        self._time_left = time_left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._time_left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:  # httpcore also writes the end of a body that is not there
            self._stream.write(buffer, self._time_left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        if self._stream.get_extra_info("ssl_object") is not None:
            return _TLSInTLS(self, ssl_context, server_hostname, timeout)
        stream = self._stream.start_tls(ssl_context, server_hostname, self._time_left(timeout))
        return _SyncStream(stream, self._time_left)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _TLSInTLS(httpcore.NetworkStream):
    """TLS through an https proxy. httpcore's own gives each byte that drips in the whole timeout anew."""

    def __init__(
        self, stream: _SyncStream, context: ssl.SSLContext, hostname: str | None, timeout: float | None
    ) -> None:
        self._stream = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=hostname)
        try:
            self._run(self._tls.do_handshake, timeout)
        except OSError as error:  # ssl.SSLError is one
            self.close()
            raise httpcore.ConnectError(str(error)) from error

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return self._run(lambda: self._tls.read(max_bytes), timeout)
        except ssl.SSLEOFError:  # closed without TLS's goodbye, as many servers do
            return b""
        except ssl.SSLError as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:
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
    """asyncio's own streams."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Options | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Open a connection to the first of the host's addresses that answers, tried 0.25 s apart (RFC 8305)."""
        loop = asyncio.get_running_loop()
        reader = _Reader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        local = None if local_address is None else (local_address, 0)
        with _as(httpcore.ConnectTimeout, httpcore.ConnectError):
            async with asyncio.timeout(timeout):
                transport, _ = await loop.create_connection(
                    lambda: protocol, host, port, local_addr=local, happy_eyeballs_delay=0.25
                )
        for option in socket_options or ():
            transport.get_extra_info("socket").setsockopt(*option)
        return _AsyncioStream(reader, asyncio.StreamWriter(transport, protocol, reader, loop))


class _Reader(asyncio.StreamReader):
    """Knows whether there is something to read."""

    unread = 0

    def feed_data(self, data: Any) -> None:
        self.unread += len(data)
        super().feed_data(data)

    async def read(self, n: int = -1) -> bytes:
        data = await super().read(n)
        self.unread -= len(data)
        return data


class _AsyncioStream(httpcore.AsyncNetworkStream):
    def __init__(self, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _as(httpcore.ReadTimeout, httpcore.ReadError):
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:  # httpcore also writes the end of a body that is not there
            with _as(httpcore.WriteTimeout, httpcore.WriteError):
                async with asyncio.timeout(timeout):
                    self._writer.write(buffer)
                    await self._writer.drain()

    async def aclose(self) -> None:
        # Not close(): that waits for TLS's close_notify, which the peer could stall.
        self._writer.transport.abort()
        await asyncio.sleep(0)  # the loop closes the socket in its next turn

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            with _as(httpcore.ConnectTimeout, httpcore.ConnectError):
                async with asyncio.timeout(timeout):
                    await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        except BaseException:
            self._writer.transport.abort()
            raise
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # an idle connection that is readable has ended, or has surplus bytes
            return self._reader.unread > 0 or self._reader.at_eof() or self._reader.exception() is not None
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return self._writer.get_extra_info(names.get(info, info))


@contextlib.contextmanager
def _as(timed_out: type[Exception], failed: type[Exception]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise timed_out(str(error)) from error
    except (OSError, UnicodeError) as error:  # ssl.SSLError is an OSError; a host name may be none
        raise failed(str(error)) from error

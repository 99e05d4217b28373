"""The network backends of httpcore for asyncio, which keeps to a deadline as the sync one does, and for trio.

The asyncio backend does without anyio's layer around a socket. Under trio the caller cancels what is late.
"""

import asyncio
from functools import partial
from typing import Any

import anyio
import httpcore

from .lease import Lease, map_errors
from .name_lookup import look_up
from .tls import AsyncTLS

_HEAD_START = 0.25  # seconds for one address, before the next one is tried as well

_ENOUGH = 256 * 1024  # bytes received and not read yet, when no more are taken from the socket


class AsyncioSockets(Lease, httpcore.AsyncNetworkBackend):
    """asyncio's transports, whose every step ends by the deadline."""

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> httpcore.AsyncNetworkStream:
        """Open a connection to the first of the host's addresses that answers, tried 0.25 s apart (RFC 8305)."""
        self.step, self.stream = timeout, None
        loop = asyncio.get_running_loop()
        failures: list[OSError] = []

        async def connect(address: str, has_failed: anyio.Event) -> None:
            try:
                transport, stream = await loop.create_connection(lambda: _AsyncioStream(self), address, port)
            except OSError as error:
                failures.append(error)
                has_failed.set()
                return
            if self.stream is None:
                self.stream = stream
                attempts.cancel_scope.cancel()
            else:
                transport.abort()

        # No local address and no socket options are looked at: httpx is given none.
        with map_errors(httpcore.ConnectTimeout, httpcore.ConnectError):
            async with asyncio.timeout(self.left(timeout)):
                addresses = await asyncio.wrap_future(look_up(host, port))
                async with anyio.create_task_group() as attempts:
                    for address in addresses:
                        attempts.start_soon(connect, address, has_failed := anyio.Event())
                        with anyio.move_on_after(_HEAD_START):
                            await has_failed.wait()
            if self.stream is None:
                raise failures[0]
        stream: httpcore.AsyncNetworkStream = self.stream
        return stream


class _AsyncioStream(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """A connection: what asyncio hands the bytes to, and what httpcore reads them from."""

    _transport: asyncio.Transport

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._has_ended = self._is_full = False
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
        self._has_ended, self._is_full = True, False
        self._failure = error
        self._wake()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._wake()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with map_errors(httpcore.ReadTimeout, httpcore.ReadError):
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
        with map_errors(httpcore.WriteTimeout, httpcore.WriteError):
            if self._has_ended:  # of which asyncio says nothing, and uvloop what is no OSError
                raise ConnectionAbortedError("the other side has closed the connection")
            self._transport.write(buffer)
            while self._is_full:
                await self._wait(timeout)

    async def aclose(self) -> None:
        # Not close(): that waits for TLS's close_notify, which the peer could stall. Nothing to await, so nothing to
        # cancel: the loop closes the socket in its next turn.
        self._transport.abort()

    start_tls = AsyncTLS.start_tls

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # an idle connection that is readable has ended, or has surplus bytes
            return bool(self._received) or self._has_ended
        return self._transport.get_extra_info(info)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, timeout: float | None) -> None:
        """Wait until something has happened."""
        self._waiter = self._loop.create_future()
        async with asyncio.timeout(self._lease.left(timeout)):
            await self._waiter


class TrioSockets(Lease, httpcore.TrioBackend):
    """httpcore's own trio backend, with TLS that shows what it has received."""

    async def connect_tcp(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        """Open a connection to the first of the host's addresses that answers, tried 0.25 s apart (RFC 8305)."""
        with map_errors(httpcore.ConnectTimeout, httpcore.ConnectError):  # also for a host that is no name
            stream = self.stream = await super().connect_tcp(*args, **options)
        stream.start_tls = partial(AsyncTLS.start_tls, stream)  # type: ignore[method-assign]
        return stream

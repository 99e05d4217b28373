"""TLS over a stream of httpcore's, by the standard library's TLS without I/O: under asyncio and trio, and inside TLS.

The event loops have TLS of their own. But inside TLS (an https proxy) asyncio fails in Python 3.11 with a TypeError,
whatever is wrong with a certificate, uvloop takes a handshake for done that was cut off, and httpcore's sync one
restarts the timeout with every byte that drips in; and what trio has received and not decrypted cannot be seen.
"""

import contextlib
import ssl
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import httpcore

T = TypeVar("T")

_RECORD = 16384  # bytes, about as many as TLS encrypts together


@contextlib.contextmanager
def map_errors(timed_out: type[Exception], failed: type[Exception]) -> Iterator[None]:
    """Raise what a socket raises as httpcore's exceptions."""
    try:
        yield
    except TimeoutError as error:
        raise timed_out(str(error)) from error
    except (OSError, UnicodeError) as error:  # ssl.SSLError is an OSError; a host name may be none
        raise failed(str(error)) from error


class _TLS:
    def __init__(self, stream: Any, context: ssl.SSLContext, hostname: str | None) -> None:
        self._stream = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=hostname)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable" and (self._incoming.pending or self._tls.pending()):  # received, and not read yet
            return True
        return self._tls if info == "ssl_object" else self._stream.get_extra_info(info)

    def _received(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()


class SyncTLS(_TLS, httpcore.NetworkStream):
    """TLS over a sync stream."""

    def start_tls(
        self: Any, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """TLS over this stream, of whatever class it is."""
        with map_errors(httpcore.ConnectTimeout, httpcore.ConnectError):
            tls = SyncTLS(self, ssl_context, server_hostname)
            tls._run(tls._tls.do_handshake, timeout)
        return tls

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has been decrypted; nothing at the end."""
        with map_errors(httpcore.ReadTimeout, httpcore.ReadError), contextlib.suppress(ssl.SSLEOFError):
            return self._run(lambda: self._tls.read(max_bytes), timeout)
        return b""  # closed without close_notify, as many servers do

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Encrypt and write."""
        if buffer:
            with map_errors(httpcore.WriteTimeout, httpcore.WriteError):
                self._run(lambda: self._tls.write(buffer), timeout)

    def close(self) -> None:
        """Close without a close_notify, which the peer could stall."""
        self._stream.close()

    def _run(self, step: Callable[[], T], timeout: float | None) -> T:
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                done = step()
                self._stream.write(self._outgoing.read(), timeout)
                return done
            self._stream.write(self._outgoing.read(), timeout)
            self._received(self._stream.read(_RECORD, timeout))


class AsyncTLS(_TLS, httpcore.AsyncNetworkStream):
    """TLS over an async stream."""

    async def start_tls(
        self: Any, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """TLS over this stream, of whatever class it is."""
        with map_errors(httpcore.ConnectTimeout, httpcore.ConnectError):
            tls = AsyncTLS(self, ssl_context, server_hostname)
            await tls._run(tls._tls.do_handshake, timeout)
        return tls

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has been decrypted; nothing at the end."""
        with map_errors(httpcore.ReadTimeout, httpcore.ReadError), contextlib.suppress(ssl.SSLEOFError):
            return await self._run(lambda: self._tls.read(max_bytes), timeout)
        return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Encrypt and write."""
        if buffer:
            with map_errors(httpcore.WriteTimeout, httpcore.WriteError):
                await self._run(lambda: self._tls.write(buffer), timeout)

    async def aclose(self) -> None:
        """Close without a close_notify, which the peer could stall."""
        await self._stream.aclose()

    async def _run(self, step: Callable[[], T], timeout: float | None) -> T:
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                done = step()
                await self._stream.write(self._outgoing.read(), timeout)
                return done
            await self._stream.write(self._outgoing.read(), timeout)
            self._received(await self._stream.read(_RECORD, timeout))

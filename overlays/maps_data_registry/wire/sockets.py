"""The network backend of httpcore for sync code, which keeps to a deadline. `async_sockets` has its async twins.

httpcore's timeouts are for one read each, so a server that drips bytes would never meet one. Here each step gets the
smaller of its own timeout and what is left until the request's deadline.
"""

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

for _name in ("connection", "http11", "proxy", "socks"):
    logging.getLogger(f"httpcore.{_name}").addFilter(mask_record)


class Lease:
    """What a transport's backend knows of the request that it serves. A transport has one request at a time."""

    deadline = math.inf
    """When the request must be over, on `time.monotonic`."""

    step: float | None = None
    """The timeout of a step that has none of its own, as those of SOCKS: the one for connecting."""

    stream: Any = None
    """The connection that was opened last: httpcore leaves it open where TLS or SOCKS fails on it."""

    def left(self, timeout: float | None) -> float:
        """The smaller of *timeout*, or else `step`, and the seconds until the deadline.

        Raises:
            TimeoutError: if there are none.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        step = self.step if timeout is None else timeout
        return left if step is None else min(left, step)


@contextlib.contextmanager
def map_errors(timed_out: type[Exception], failed: type[Exception]) -> Iterator[None]:
    """Raise what a socket raises as httpcore's exceptions."""
    try:
        yield
    except TimeoutError as error:
        raise timed_out(str(error)) from error
    except (OSError, UnicodeError) as error:  # ssl.SSLError is an OSError; a host name may be none
        raise failed(str(error)) from error


class SyncSockets(httpcore.SyncBackend):
    """Sockets whose every step ends by the deadline. Only looking up a name cannot be cut short."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> httpcore.NetworkStream:
        """Open a connection to the first of the host's addresses that answers."""
        self._lease.step = timeout
        # No local address and no socket options are looked at: httpx is given none.
        with map_errors(httpcore.ConnectTimeout, httpcore.ConnectError):
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
        with map_errors(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(self._lease.left(timeout))
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        while rest:  # httpcore also writes the end of a body that is not there
            with map_errors(httpcore.WriteTimeout, httpcore.WriteError):
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
        with map_errors(httpcore.ConnectTimeout, httpcore.ConnectError):
            self._run(self._tls.do_handshake, timeout)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with map_errors(httpcore.ReadTimeout, httpcore.ReadError):
            try:
                return self._run(lambda: self._tls.read(max_bytes), timeout)
            except ssl.SSLEOFError:  # closed without close_notify, as many servers do
                return b""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        with map_errors(httpcore.WriteTimeout, httpcore.WriteError):
            self._run(lambda: self._tls.write(buffer), timeout)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable" and self._incoming.pending:  # received already, not decrypted yet
            return True
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

"""The network backend of httpcore for sync code, which keeps to a deadline. `async_sockets` has its async twins.

httpcore's timeouts are for one read each, so a server that drips bytes would never meet one. Here each step gets the
smaller of its own timeout and what is left until the request's deadline.
"""

import math
import socket
import ssl
import time
from typing import Any

import httpcore

from .name_lookup import look_up
from .tls import SyncTLS, map_errors


class SyncSockets(httpcore.SyncBackend):
    """Sockets whose every step ends by the deadline of the one request that they serve."""

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

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> httpcore.NetworkStream:
        """Open a connection to the first of the host's addresses that answers."""
        self.step = timeout
        # No local address and no socket options are looked at: httpx is given none.
        with map_errors(httpcore.ConnectTimeout, httpcore.ConnectError):
            addresses = look_up(host, port).result(self.left(timeout))
        failures: list[Exception] = []
        for address in addresses:
            try:
                left = self.left(timeout)
                stream = self.stream = super().connect_tcp(address, port, left, socket_options=())
                return _SyncStream(stream, self)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failures.append(error)
        raise failures[0]


class _SyncStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, sockets: SyncSockets) -> None:
        self._stream = stream
        self._socket: socket.socket = stream.get_extra_info("socket")
        self._sockets = sockets

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with map_errors(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(self._sockets.left(timeout))
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        while rest:  # httpcore also writes the end of a body that is not there
            with map_errors(httpcore.WriteTimeout, httpcore.WriteError):
                self._socket.settimeout(self._sockets.left(timeout))
                rest = rest[self._socket.send(rest) :]

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        if isinstance(self._socket, ssl.SSLSocket):
            return SyncTLS.start_tls(self, ssl_context, server_hostname, timeout)
        stream = self._stream.start_tls(ssl_context, server_hostname, self._sockets.left(timeout))
        return _SyncStream(stream, self._sockets)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

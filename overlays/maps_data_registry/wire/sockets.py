"""The network backend of httpcore for sync code, which keeps to a deadline. `async_sockets` has its async twins.

httpcore's timeouts are for one read each, so a server that drips bytes would never meet one. Here each step gets the
smaller of its own timeout and what is left until the request's deadline.
"""

import logging
import socket
import ssl
from typing import Any

import httpcore

from .lease import Lease, map_errors
from .name_lookup import look_up
from .secrecy import mask_record
from .tls import SyncTLS

for _name in ("connection", "http11", "proxy", "socks"):
    logging.getLogger(f"httpcore.{_name}").addFilter(mask_record)


class SyncSockets(Lease, httpcore.SyncBackend):
    """Sockets whose every step ends by the deadline."""

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
            return SyncTLS.start_tls(self, ssl_context, server_hostname, timeout)
        stream = self._stream.start_tls(ssl_context, server_hostname, self._lease.left(timeout))
        return _SyncStream(stream, self._lease)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

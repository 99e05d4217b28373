"""Proxies on loopback, in a few lines each: HTTP and HTTPS with CONNECT, and SOCKS5."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator

from .server import TLS, Peer, Stop, Wire, read_request, serve_connections


@contextlib.contextmanager
def http_proxy(target: int, *, tls: ssl.SSLContext | None = None, credential: bytes | None = None) -> Iterator[Wire]:
    """Whatever CONNECT names, the tunnel leads to a port of this machine."""

    def connection(peer: Peer, stop: Stop) -> None:
        client = TLS(peer, tls) if tls else peer
        request = read_request(client)
        wire.requests.append(request)
        if credential is not None and credential not in request:
            client.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
            return
        client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        tunnel(client, target)

    with serve_connections(connection, scheme="https" if tls else "http") as wire:
        yield wire


@contextlib.contextmanager
def socks5_proxy(target: int, credential: tuple[bytes, bytes] | None = None, refusal: int = 0) -> Iterator[Wire]:
    """RFC 1928, and RFC 1929 if there is a credential."""

    def connection(peer: Peer, stop: Stop) -> None:
        peer.recv(100)
        peer.sendall(b"\x05\x02" if credential else b"\x05\x00")
        if credential:
            name, password = credential
            is_right = peer.recv(600) == b"\x01%c%b%c%b" % (len(name), name, len(password), password)
            peer.sendall(b"\x01\x00" if is_right else b"\x01\x01")
        request = peer.recv(600)
        if not request:
            return
        wire.requests.append(request)
        peer.sendall(b"\x05%c\x00\x01\x7f\x00\x00\x01\x00\x00" % refusal)
        tunnel(peer, target)

    with serve_connections(connection, scheme="socks5") as wire:
        yield wire


def tunnel(client: Peer, port: int) -> None:
    """Hand bytes on, both ways, until the client goes away."""
    with socket.create_connection(("127.0.0.1", port)) as server:

        def back() -> None:
            with contextlib.suppress(OSError):
                while data := server.recv(65536):
                    client.sendall(data)

        thread = threading.Thread(target=back)
        thread.start()
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
        server.shutdown(socket.SHUT_RDWR)
        thread.join()

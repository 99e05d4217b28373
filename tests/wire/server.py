"""A server of bytes on a real socket: each connection is answered by a function of the test's."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

BODY = b'{"id": "0522b4fe-0539-4c6c-ba70-e35ec865d8e2", "status": "Completed"}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
GOOD = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY

T = TypeVar("T")
Stop = threading.Event


class Peer(Protocol):
    """The other end of a connection: a socket, or TLS over a peer."""

    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> None: ...


class Slowly:
    """A peer to which bytes go one at a time."""

    def __init__(self, peer: Peer, stop: Stop) -> None:
        self._peer = peer
        self._stop = stop

    def recv(self, size: int, /) -> bytes:
        return self._peer.recv(size)

    def sendall(self, data: bytes, /) -> None:
        for byte in data:
            if self._stop.wait(0.02):
                raise ConnectionAbortedError
            self._peer.sendall(bytes([byte]))


class TLS:
    """TLS over a peer, which may be TLS itself."""

    def __init__(self, peer: Peer, context: ssl.SSLContext) -> None:
        self._peer = peer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._run(self._tls.do_handshake)

    def recv(self, size: int, /) -> bytes:
        return self._run(lambda: self._tls.read(size))

    def sendall(self, data: bytes, /) -> None:
        self._run(lambda: self._tls.write(data))

    def _run(self, step: Callable[[], T]) -> T:
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self._peer.sendall(self._outgoing.read())
                if data := self._peer.recv(65536):
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            except ssl.SSLError:
                self._peer.sendall(self._outgoing.read())  # the alert
                raise
            else:
                self._peer.sendall(self._outgoing.read())
                return done


Answer = Callable[[Peer, Stop], None]


class Wire:
    """What arrived and where the server is."""

    def __init__(self, listener: socket.socket, scheme: str) -> None:
        self.port: int = listener.getsockname()[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.requests: list[bytes] = []
        self.connections = 0


@contextlib.contextmanager
def serve(*answers: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Wire]:
    """Answer the first request with the first answer, and so on; the last one goes on for ever."""

    def connection(peer: Peer, stop: Stop) -> None:
        with_tls = TLS(peer, tls) if tls else peer
        while request := read_request(with_tls):
            wire.requests.append(request)
            answers[min(len(wire.requests), len(answers)) - 1](with_tls, stop)

    with serve_connections(connection, scheme="https" if tls else "http") as wire:
        yield wire


@contextlib.contextmanager
def serve_connections(connection: Answer, scheme: str = "http") -> Iterator[Wire]:
    """Hand each connection to a function, in a thread of its own."""
    stop, threads, peers = Stop(), list[threading.Thread](), list[socket.socket]()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wire = Wire(listener, scheme)

        def serve_one(peer: socket.socket) -> None:
            with contextlib.suppress(OSError), peer:  # what a client does that goes away
                connection(peer, stop)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    peers.append(peer)
                    wire.connections += 1
                    threads.append(threading.Thread(target=serve_one, args=[peer]))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield wire
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for peer in peers:
                with contextlib.suppress(OSError):
                    peer.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def read_request(peer: Peer) -> bytes:
    """The head of a request; nothing if the client has gone."""
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = peer.recv(65536)
        if not chunk:
            return b""
        received += chunk
    return received


def sends(data: bytes) -> Answer:
    """Send these bytes and keep the connection."""
    return lambda peer, _: peer.sendall(data)


def closes(data: bytes = b"") -> Answer:
    """Send these bytes and close."""

    def answer(peer: Peer, _: Stop) -> None:
        peer.sendall(data)
        raise ConnectionAbortedError

    return answer


def resets(data: bytes = b"") -> Answer:
    """Send these bytes and reset the connection."""

    def answer(peer: Peer, _: Stop) -> None:
        assert isinstance(peer, socket.socket)
        peer.sendall(data)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionAbortedError

    return answer


def drips(data: bytes, then: bytes) -> Answer:
    """Send these bytes, then the others over and over, until the client goes away."""

    def answer(peer: Peer, stop: Stop) -> None:
        peer.sendall(data)
        while not stop.wait(0.02):
            peer.sendall(then)

    return answer


def silent(peer: Peer, _: Stop) -> None:
    """Answer nothing until the client goes away."""
    while peer.recv(65536):
        pass

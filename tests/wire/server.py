"""A server of bytes on a real socket: each connection is answered by a function of the test's."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator

Answer = Callable[[socket.socket, "Stop"], None]
Stop = threading.Event

BODY = b'{"id": "0522b4fe-0539-4c6c-ba70-e35ec865d8e2", "status": "Completed"}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
GOOD = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY


class Wire:
    """What arrived and where the server is."""

    def __init__(self, listener: socket.socket, scheme: str) -> None:
        self.url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        self.connections = 0


@contextlib.contextmanager
def serve(*answers: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Wire]:
    """Answer the first request with the first answer, and so on; the last one goes on for ever."""
    stop, threads = Stop(), list[threading.Thread]()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wire = Wire(listener, "https" if tls else "http")

        def connection(peer: socket.socket) -> None:
            with contextlib.suppress(OSError), tls.wrap_socket(peer, server_side=True) if tls else peer as peer:
                while request := read_request(peer):
                    wire.requests.append(request)
                    answers[min(len(wire.requests), len(answers)) - 1](peer, stop)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    wire.connections += 1
                    threads.append(threading.Thread(target=connection, args=[peer]))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield wire
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in threads:
                thread.join()


def read_request(peer: socket.socket) -> bytes:
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

    def answer(peer: socket.socket, _: Stop) -> None:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_RDWR)

    return answer


def resets(data: bytes = b"") -> Answer:
    """Send these bytes and reset the connection."""

    def answer(peer: socket.socket, _: Stop) -> None:
        peer.sendall(data)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()

    return answer


def drips(data: bytes, then: bytes) -> Answer:
    """Send these bytes, then the others over and over, one byte at a time, until the client goes away."""

    def answer(peer: socket.socket, stop: Stop) -> None:
        peer.sendall(data)
        while not stop.wait(0.02):
            peer.sendall(then)

    return answer


def silent(peer: socket.socket, stop: Stop) -> None:
    """Answer nothing until the client goes away."""
    peer.setblocking(True)
    while not stop.wait(0.02):
        peer.settimeout(0.01)
        with contextlib.suppress(TimeoutError):
            if not peer.recv(1, socket.MSG_PEEK):
                return

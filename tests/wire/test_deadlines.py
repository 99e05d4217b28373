"""Nothing outlives its deadline: a drip, or silence, in every part of an exchange."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import anyio
import httpx
import pytest

from maps_data_registry import OperationTimeout, ServiceUnreachable, connect
from maps_data_registry.wire.guard import DEADLINE
from maps_data_registry_client import AuthenticatedClient
from tests.support import BASE_URL, ID

from .conftest import Certificates
from .drivers import DRIVERS, ONCE, Driver, client_at, failures
from .server import (
    HEAD,
    TLS,
    Answer,
    Peer,
    Slowly,
    Stop,
    drips,
    read_request,
    serve,
    serve_connections,
    silent,
)

TIMEOUT = 0.3
PATIENCE = 20.0  # seconds; a test that hangs would take a minute, and machines are shared

SLOW: dict[str, Answer] = {
    "silence": silent,
    "status": drips(b"HTTP/1.1 200 ", b"a"),
    "header": drips(b"HTTP/1.1 200 OK\r\nX: ", b"a"),
    "headers": drips(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
    "100 Continue": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": drips(HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "body to the end": drips(HEAD + b"\r\n", b" "),
    "chunks": drips(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "chunk": drips(HEAD + b"Transfer-Encoding: chunked\r\n\r\nffff\r\n", b" "),
    "chunk's size": drips(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "trailer": drips(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"a"),
}


def all_time_out(client: Callable[[], AuthenticatedClient], **options: Any) -> None:
    """Every driver ends with a timeout, in time. Nothing is retried: anything else would show."""
    begin = time.monotonic()
    found = failures(client, **{"timeout": TIMEOUT, "policy": ONCE, **options})
    assert {type(error) for error in found.values()} == {OperationTimeout}, found
    assert time.monotonic() - begin < PATIENCE


@pytest.mark.slow
@pytest.mark.parametrize("part", SLOW)
def test_a_drip_does_not_outlive_the_timeout(part: str) -> None:
    with serve(SLOW[part]) as wire:
        all_time_out(client_at(wire.url))


def slow_tls(peer: Peer, stop: Stop, certificates: Certificates) -> None:
    TLS(Slowly(peer, stop), certificates.server)


def slow_body(peer: Peer, stop: Stop, certificates: Certificates) -> None:
    secure = TLS(peer, certificates.server)
    read_request(secure)
    SLOW["body"](secure, stop)


def silent_service(peer: Peer, stop: Stop, certificates: Certificates) -> None:
    silent(peer, stop)


SERVICES: dict[str, Callable[[Peer, Stop, Certificates], None]] = {
    "silence": silent_service,
    "TLS handshake": slow_tls,
    "body": slow_body,
}


def connected(peer: Peer, stop: Stop) -> None:
    read_request(peer)
    peer.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")


def slow_connect(peer: Peer, stop: Stop) -> None:
    read_request(peer)
    drips(b"HTTP/1.1 200 ", b"a")(peer, stop)


def socks(peer: Peer, stop: Stop) -> None:
    peer.recv(100)
    peer.sendall(b"\x05\x00")
    peer.recv(100)
    peer.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("proxy", ["no", "http", "https", "socks5"])
def test_nor_does_one_through_tls_or_a_proxy(
    proxy: str, service: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connection(peer: Peer, stop: Stop) -> None:
        tunnelled = TLS(peer, certificates.server) if proxy == "https" else peer
        if proxy != "no":
            (socks if proxy == "socks5" else connected)(tunnelled, stop)
        SERVICES[service](tunnelled, stop, certificates)

    with serve_connections(connection) as wire:
        base_url = f"https://127.0.0.1:{wire.port}" if proxy == "no" else BASE_URL
        monkeypatch.setenv("HTTPS_PROXY", f"{proxy}://127.0.0.1:{wire.port}")
        all_time_out(client_at(base_url, certificates.client))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("proxy", "part"),
    [
        ("http", "silence"),
        ("http", "CONNECT"),
        ("https", "silence"),
        ("https", "TLS handshake"),
        ("https", "CONNECT"),
        ("socks5", "silence"),
    ],
)
def test_nor_does_a_proxy_that_drips(
    proxy: str, part: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connection(peer: Peer, stop: Stop) -> None:
        if part == "silence":
            silent(peer, stop)
        elif part == "TLS handshake":
            slow_tls(peer, stop, certificates)
        else:
            slow_connect(TLS(peer, certificates.server) if proxy == "https" else peer, stop)

    with serve_connections(connection) as wire:
        monkeypatch.setenv("HTTPS_PROXY", f"{proxy}://127.0.0.1:{wire.port}")
        all_time_out(client_at(BASE_URL, certificates.client))


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose queue is full: a connection to it is neither accepted nor refused."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_nor_does_a_connection_that_is_not_accepted(full_port: int) -> None:
    all_time_out(client_at(f"http://127.0.0.1:{full_port}"))


class Hanging:
    """A credential that gives no token in time."""

    def get_token(self, *_: str) -> Any:
        time.sleep(1.0)


class HangingAsync:
    async def get_token(self, *_: str) -> Any:
        await anyio.sleep_forever()


@pytest.mark.parametrize("credential", [Hanging, HangingAsync])
def test_nor_does_a_token_that_does_not_come(credential: type) -> None:
    """Except on the sync client, as the docstrings of `connect` and `EntraToken` say."""

    def client() -> Any:
        return connect(base_url=BASE_URL, credential=credential(), account_client_id=ID)

    all_time_out(client, drivers=DRIVERS[1:])


def request(backend: str | None, url: str, seconds: float, **options: Any) -> None:
    """A request of the caller's own that must be over in so many seconds."""
    extensions = {DEADLINE: time.monotonic() + seconds, "timeout": {}}

    async def main() -> None:
        async with client_at(url)() as client:
            await client.get_async_httpx_client().request("POST", "/", extensions=extensions, **options)

    if backend:
        anyio.run(main, backend=backend)
    else:
        with client_at(url)() as client:
            client.get_httpx_client().request("POST", "/", extensions=extensions, **options)


# httpcore leaves the generator of a request's content to the garbage collector; trio remarks on it.
@pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")
@pytest.mark.parametrize("backend", [None, "asyncio", "trio"])
def test_nor_does_a_request_that_is_not_read(backend: str | None) -> None:
    def unread(peer: Peer, stop: Stop) -> None:
        while not stop.wait(0.02) and peer.recv(10):
            pass

    begin = time.monotonic()
    with serve_connections(unread) as wire, pytest.raises(httpx.TimeoutException, match="whole request"):
        request(backend, wire.url, TIMEOUT, content=b"x" * 20_000_000)
    assert time.monotonic() - begin < PATIENCE


def test_a_step_has_a_timeout_of_its_own(driver: Driver) -> None:
    """The one that was passed to `connect`, where it comes first."""
    with serve(silent) as wire:
        client = client_at(wire.url, timeout=httpx.Timeout(0.1, connect=30))
        error = driver.failure(client, policy=ONCE)
    assert isinstance(error.__cause__, httpx.ReadTimeout)


def test_no_timeouts_of_httpx_at_all() -> None:
    with serve(silent) as wire:
        all_time_out(client_at(wire.url, timeout=httpx.Timeout(None)))


@pytest.mark.parametrize("backend", [None, "asyncio", "trio"])
def test_a_request_whose_time_is_up_is_not_sent(backend: str | None) -> None:
    with serve(silent) as wire, pytest.raises(httpx.TimeoutException, match="whole request"):
        request(backend, wire.url, -1.0)
    assert wire.connections == 0


@pytest.mark.parametrize("driver", [one for one in DRIVERS if one.name != "trio"], ids=lambda driver: driver.name)
def test_a_silent_socks_proxy_has_the_time_for_connecting(
    driver: Driver, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_connections(silent) as wire:
        monkeypatch.setenv("HTTPS_PROXY", wire.url.replace("http", "socks5"))
        client = client_at(BASE_URL, certificates.client, timeout=httpx.Timeout(30, connect=0.05))
        failure = driver.failure(client, policy=ONCE)
    assert isinstance(failure, ServiceUnreachable)
    assert "whole request" not in str(failure)


def test_the_total_bounds_a_callers_own_transport_too() -> None:
    class Slow(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b""

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Slow()))
    with client_at(BASE_URL, transport=transport)() as client, pytest.raises(httpx.ReadTimeout, match="whole request"):
        client.get_httpx_client().get("/", extensions={DEADLINE: time.monotonic() + 0.05})


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_and_cuts_an_async_one_short(backend: str) -> None:
    class Hangs(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await anyio.sleep_forever()
            raise AssertionError

    async def main() -> None:
        async with client_at(BASE_URL, transport=Hangs())() as client:
            await client.get_async_httpx_client().get("/", extensions={DEADLINE: time.monotonic() + 0.05})

    with pytest.raises(httpx.ReadTimeout, match="whole request"):
        anyio.run(main, backend=backend)

"""Connections: kept between polls, never shared between processes or event loops, closed when they should be."""

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import AsyncMock

import anyio
import anyio.lowlevel
import httpcore
import httpx
import pytest

from maps_data_registry import (
    PollingPolicy,
    ServiceUnreachable,
    get_operation,
    get_operation_async,
    wait_for_operation_async,
)
from maps_data_registry.wire import async_sockets
from maps_data_registry.wire.async_sockets import AsyncSockets
from maps_data_registry.wire.transports import OwnTransports
from maps_data_registry_contract import API_VERSION
from tests.support import BASE_URL, ID, KEY

from .conftest import Certificates
from .drivers import SWIFT, Driver, client_at
from .proxies import http_proxy
from .server import BODY, GOOD, HEAD, TLS, Peer, Stop, closes, read_request, sends, serve, serve_connections, silent

GOING_ON = b'{"status": "Running"}'
RECORD = 2**14  # bytes in a TLS record at most (RFC 8446, section 5.1)
RUNNING = HEAD + b"Retry-After: 0\r\nContent-Length: %d\r\n\r\n" % len(GOING_ON) + GOING_ON


def test_polls_share_a_connection(driver: Driver) -> None:
    with serve(sends(RUNNING), sends(RUNNING), sends(GOOD)) as wire:
        assert driver.wait(client_at(wire.url), policy=SWIFT).status == "Completed"
    assert (len(wire.requests), wire.connections) == (3, 1)
    head = wire.requests[0].decode().lower()
    assert head.startswith(f"get /dataregistries/operations/{ID}?api-version={API_VERSION} http/1.1\r\n")
    assert f"\r\nsubscription-key: {KEY}\r\n" in wire.requests[0].decode()
    assert "\r\naccept-encoding: identity\r\n" in head
    assert "\r\nauthorization" not in head
    assert "\r\ncookie" not in head


def test_tls_with_a_given_authority(driver: Driver, certificates: Certificates) -> None:
    with serve(sends(RUNNING), sends(GOOD), tls=certificates.server) as wire:
        client = client_at(wire.url, certificates.client)
        assert driver.wait(client, policy=SWIFT).status == "Completed"
    assert (len(wire.requests), wire.connections) == (2, 1)


def test_a_long_body_through_tls(driver: Driver, certificates: Certificates) -> None:
    """Longer than what is taken from a socket before anyone has read it."""
    body = BODY[:-1] + b" " * 1_000_000 + BODY[-1:]
    reply = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    for context in (None, certificates.server):
        with serve(sends(reply), tls=context) as wire:
            assert driver.wait(client_at(wire.url, certificates.client)).status == "Completed"


def test_a_connection_that_the_server_closed_or_wrote_to_is_not_used_again(driver: Driver) -> None:
    for idle in (closes(RUNNING), sends(RUNNING + RUNNING)):
        with serve(idle, sends(GOOD)) as wire:
            policy = PollingPolicy(retries=0, min_interval=0.05, jitter=0)
            assert driver.wait(client_at(wire.url), policy=policy).status == "Completed"
        assert (len(wire.requests), wire.connections) == (2, 2)


@pytest.mark.parametrize("through", ["TLS", "TLS in TLS"])
def test_nor_is_one_with_a_surplus_reply_in_a_record_of_its_own(
    driver: Driver, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, through: str
) -> None:
    """TLS has it, and neither the socket nor HTTP's parser knows."""
    head = RUNNING.replace(b"Content-Length: %d" % len(GOING_ON), b"Content-Length: %d" % 16000).partition(b"{")[0]
    padding = b"X-Padding: %b\r\n\r\n" % (b"x" * (RECORD - 16000 - len(head) - 13))
    running = head[:-2] + padding + GOING_ON.ljust(16000)
    assert len(running) == RECORD
    with contextlib.ExitStack() as stack:
        wire = stack.enter_context(serve(sends(running + RUNNING), sends(GOOD), tls=certificates.server))
        url = wire.url
        if through == "TLS in TLS":
            proxy = stack.enter_context(http_proxy(wire.port, tls=certificates.server))
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            url = BASE_URL
        result = driver.wait(client_at(url, certificates.client), policy=PollingPolicy(retries=0, jitter=0))
    assert result.status == "Completed"
    assert (len(wire.requests), wire.connections) == (2, 2)


def test_a_reply_that_came_before_the_end_of_the_connection_counts(driver: Driver) -> None:
    """Also where the server does not read the request to its end, and so resets the connection."""

    def hasty(peer: Peer, _: Stop) -> None:
        peer.recv(10)
        peer.sendall(GOOD.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))

    with serve_connections(hasty) as wire:
        found = {driver.wait(client_at(wire.url), policy=SWIFT).status for _ in range(5)}
    assert found == {"Completed"}


def test_what_comes_before_tls_is_not_taken_for_what_comes_through_it(
    driver: Driver, certificates: Certificates
) -> None:
    def injected(peer: Peer, _: Stop) -> None:
        peer.sendall(GOOD)
        secure = TLS(peer, certificates.server)
        read_request(secure)

    with serve_connections(injected, scheme="https") as wire:
        failure = driver.failure(client_at(wire.url, certificates.client), policy=PollingPolicy(retries=0))
    assert isinstance(failure.__cause__, httpx.ConnectError)


def test_nor_is_what_a_proxy_sends_behind_its_reply(
    driver: Driver, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it is: httpcore drops what comes with the reply, not what comes after."""

    def injected(peer: Peer, _: Stop) -> None:
        read_request(peer)
        peer.sendall(b"HTTP/1.1 200 Connected\r\n\r\n" + GOOD * 5000)
        read_request(TLS(peer, certificates.server))

    with serve_connections(injected) as wire:
        monkeypatch.setenv("HTTPS_PROXY", wire.url)
        failure = driver.failure(client_at(BASE_URL, certificates.client), policy=PollingPolicy(retries=0))
    assert isinstance(failure.__cause__, httpx.ConnectError)


@pytest.mark.parametrize("closing", ["handshake", "body"])
def test_a_tunnel_that_ends_without_a_goodbye(
    driver: Driver, closing: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the body it is the end of the reply, as where there is no tunnel."""

    def connection(peer: Peer, stop: Stop) -> None:
        outer = TLS(peer, certificates.server)
        read_request(outer)
        outer.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        if closing == "handshake":
            outer.recv(1000)
            return
        inner = TLS(outer, certificates.server)
        read_request(inner)
        inner.sendall(HEAD + b"\r\n" + BODY)

    with serve_connections(connection, scheme="https") as wire:
        monkeypatch.setenv("HTTPS_PROXY", wire.url)
        client = client_at(BASE_URL, certificates.client)
        if closing == "body":
            assert driver.wait(client, policy=PollingPolicy(retries=0)).status == "Completed"
        else:
            failure = driver.failure(client, policy=PollingPolicy(retries=0))
            assert isinstance(failure.__cause__, httpx.ConnectError)


@pytest.mark.parametrize("backend", [None, "asyncio", "trio"])
def test_a_long_request(backend: str | None) -> None:
    """Such as another operation of the service may have."""
    content = b"x" * 5_000_000

    def counts(peer: Peer, _: Stop) -> None:
        received = len(read_request(peer))
        while received < len(content):
            received += len(peer.recv(65536))
        peer.sendall(GOOD)

    async def main(url: str) -> httpx.Response:
        async with client_at(url)() as client:
            return await client.get_async_httpx_client().post("/", content=content)

    with serve_connections(counts) as wire:
        if backend:
            response = anyio.run(main, wire.url, backend=backend)
        else:
            with client_at(wire.url)() as client:
                response = client.get_httpx_client().post("/", content=content)
    assert response.content == BODY


def test_a_redirect_is_not_followed(driver: Driver) -> None:
    with serve(sends(GOOD)) as elsewhere:
        moved = b"HTTP/1.1 307 Go\r\nLocation: %s/x\r\nContent-Length: 0\r\n\r\n" % elsewhere.url.encode()
        with serve(sends(moved)) as wire:
            assert "HTTP 307" in str(driver.failure(client_at(wire.url)))
    assert elsewhere.connections == 0


def test_no_cookie_is_kept_or_sent(driver: Driver) -> None:
    busy = b"HTTP/1.1 503 Busy\r\nSet-Cookie: a=%b\r\nSet-Cookie2: b=c\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
    with serve(sends(busy % b"b"), sends(busy % b"\xb2"), sends(GOOD)) as wire:
        driver.wait(client_at(wire.url), policy=SWIFT)
    assert not [request for request in wire.requests if b"cookie" in request.lower()]


def test_cookies_do_not_reach_the_client() -> None:
    with serve(sends(GOOD.replace(b"\r\n", b"\r\nSet-Cookie: a=b\r\n", 1))) as wire, client_at(wire.url)() as client:
        response = client.get_httpx_client().get("/")
    assert not response.cookies
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelling_leaves_nothing(backend: str) -> None:
    async def main(url: str) -> None:
        async with client_at(url)() as client, anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(wait_for_operation_async, client, ID)
            while wire.connections < 20:  # noqa: ASYNC110 - the server is a thread of its own
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()

    before = threading.active_count()
    with serve(silent) as wire, warnings.catch_warnings():
        warnings.simplefilter("error")
        anyio.run(main, wire.url, backend=backend)
        gc.collect()
    assert threading.active_count() == before


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_connection_in_use_closes_after_the_client(backend: str) -> None:
    release = threading.Event()

    def late(peer: Peer, stop: Stop) -> None:
        release.wait()
        peer.sendall(GOOD)

    async def main(url: str) -> Any:
        found: list[Any] = []
        client = client_at(url)()

        async def poll() -> None:
            found.append(await get_operation_async(client, ID))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(poll)
            while not wire.requests:  # noqa: ASYNC110 - the server is a thread of its own
                await anyio.sleep(0.01)
            await client.get_async_httpx_client().aclose()
            release.set()
        return found[0].status

    with serve(late) as wire, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert anyio.run(main, wire.url, backend=backend) == "Completed"
        gc.collect()


def test_a_connection_in_use_closes_after_the_sync_client() -> None:
    release = threading.Event()

    def late(peer: Peer, stop: Stop) -> None:
        release.wait()
        peer.sendall(GOOD)

    with serve(late) as wire, ThreadPoolExecutor(1) as pool:
        client = client_at(wire.url)()
        poll = pool.submit(get_operation, client, ID)
        while not wire.requests:
            time.sleep(0.01)
        client.get_httpx_client().close()
        release.set()
        assert poll.result().status == "Completed"


INTERRUPTED = """
import sys, threading, warnings
warnings.simplefilter("error")
from maps_data_registry import *
with connect(base_url=sys.argv[1], credential=SubscriptionKey("k" * 20)) as client:
    try:
        wait_for_operation(client, sys.argv[2])
    except KeyboardInterrupt as error:
        print("interrupted", threading.active_count())
"""


@pytest.mark.slow
@pytest.mark.parametrize("answer", [silent, sends(RUNNING.replace(b": 0", b": 600"))], ids=["request", "sleep"])
def test_control_c_ends_a_wait_at_once(answer: Any) -> None:
    with serve(answer) as wire:
        child = subprocess.Popen([sys.executable, "-X", "dev", "-c", INTERRUPTED, wire.url, ID], stdout=-1, stderr=-1)
        while not wire.requests:
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(child.pid, signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert (out, err, child.returncode) == (b"interrupted 1\n", b"", 0)


def test_each_event_loop_has_connections_of_its_own() -> None:
    """So that two threads, or `wait_for_operations` beside a loop that uses the client, do not close each other's."""
    with serve(sends(GOOD)) as wire, client_at(wire.url)() as client:
        http = client.get_async_httpx_client()

        async def poll() -> None:
            assert (await get_operation_async(client, ID)).status == "Completed"

        with asyncio.Runner() as one, asyncio.Runner() as other:
            for runner in (one, other, one, other):
                runner.run(poll())
            assert wire.connections == 2
            other.run(http._transport.aclose())
            one.run(poll())
            assert wire.connections == 2
            other.run(poll())
            assert wire.connections == 3
            for runner in (one, other):
                runner.run(http._transport.aclose())

        async def main() -> None:
            await poll()
            await http._transport.aclose()

        for backend in ("trio", "asyncio"):
            anyio.run(main, backend=backend)
        assert wire.connections == 5


def test_threads_have_a_connection_each_while_they_wait_and_share_it_afterwards() -> None:
    barrier = threading.Barrier(8)

    def together(peer: Peer, _: Stop) -> None:
        barrier.wait()
        peer.sendall(GOOD)

    with serve(together) as wire, client_at(wire.url)() as client, ThreadPoolExecutor(8) as pool:
        client.get_httpx_client()
        for _ in range(5):
            assert len(list(pool.map(lambda _: get_operation(client, ID), range(8)))) == 8
    assert wire.connections == 8


FORKED = """
import os, sys
from maps_data_registry import *
first, *names = [f"00000000-0000-4000-8000-{number:012x}" for number in range(201)]
policy = PollingPolicy(retries=0)
with connect(base_url=sys.argv[1], credential=SubscriptionKey("k" * 20)) as client:
    get_operation(client, first)  # a warm connection
    child = os.fork()
    own = names[::2] if child else names[1::2]
    right = sum(wait_for_operation(client, name, policy=policy).id == name for name in own)
    if child:
        assert os.waitpid(child, 0)[1] == 0
    print(right, flush=True)
    os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_no_reply_goes_to_the_wrong_process() -> None:
    """Two hundred polls of a parent and its child, forked off with a warm connection."""

    def names_it(peer: Peer, _: Stop) -> None:
        mine = threading.current_thread().name
        name = last[mine].split(b"?")[0].rpartition(b"/")[2].decode()
        body = json.dumps({"id": name, "status": "Completed"}).encode()
        peer.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def connection(peer: Peer, stop: Stop) -> None:
        while request := read_request(peer):
            last[threading.current_thread().name] = request
            names_it(peer, stop)

    last: dict[str, bytes] = {}
    with serve_connections(connection) as wire:
        command = [sys.executable, "-c", FORKED, wire.url]
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == (b"100\n100\n", b"")
    assert wire.connections == 2


def test_a_client_that_was_closed_says_so(driver: Driver) -> None:
    client = client_at("http://127.0.0.1:9")()
    with client:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        get_operation(client, ID)

    async def main() -> None:
        async with client:
            pass
        await get_operation_async(client, ID)

    with pytest.raises(RuntimeError, match="closed"):
        anyio.run(main)


def test_closing_what_was_never_used() -> None:
    async def main() -> None:
        async with client_at("https://maps.test")():
            pass
        await OwnTransports(httpx.URL(BASE_URL), ssl.create_default_context()).aclose()

    anyio.run(main)
    with client_at("https://maps.test")():
        pass
    OwnTransports(httpx.URL(BASE_URL), ssl.create_default_context()).close()


def test_a_client_derived_from_one_that_was_not_used_yet_leaves_it_as_it_is() -> None:
    client = client_at(BASE_URL)()
    client.with_timeout(httpx.Timeout(1)).with_headers({"x-tenant": "other"})
    assert client.get_httpx_client().timeout != httpx.Timeout(1)
    assert "x-tenant" not in client.get_httpx_client().headers


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_leaving_a_client_in_a_cancelled_scope_closes_its_connections(backend: str) -> None:
    together = threading.Barrier(5)

    def answer(peer: Peer, _: Stop) -> None:
        together.wait()
        peer.sendall(GOOD)

    async def main(url: str) -> None:
        with anyio.CancelScope() as scope:
            async with client_at(url)() as client:
                async with anyio.create_task_group() as tasks:
                    for _ in range(5):
                        tasks.start_soon(get_operation_async, client, ID)
                scope.cancel()

    with serve(answer) as wire, warnings.catch_warnings():
        warnings.simplefilter("error")
        anyio.run(main, wire.url, backend=backend)
        gc.collect()
        assert wire.connections == 5


def test_a_connection_with_more_than_the_reply_is_closed_at_once() -> None:
    closed = threading.Event()

    def connection(peer: Peer, _: Stop) -> None:
        read_request(peer)
        peer.sendall(GOOD + GOOD)
        read_request(peer)
        closed.set()

    with serve_connections(connection) as wire, client_at(wire.url)() as client:
        assert get_operation(client, ID).status == "Completed"
        assert closed.wait(5)


def test_an_event_loop_that_was_closed_by_hand_is_forgotten() -> None:
    """It never ends its async generators. Its requests failed here, so that no connection is left to it."""
    client = client_at("http://127.0.0.1:9")()

    async def poll() -> None:
        with pytest.raises(ServiceUnreachable):
            await get_operation_async(client, ID)

    transports = client.get_async_httpx_client()._transport._transports  # type: ignore[attr-defined] # of the guard
    loop = asyncio.new_event_loop()
    loop.run_until_complete(poll())
    loop.close()
    assert list(transports._of_loop) == [loop]
    asyncio.run(poll())
    assert list(transports._of_loop) == []


@pytest.mark.parametrize("is_async", [False, True])
def test_a_transport_that_cannot_be_made(is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("no connection")

    monkeypatch.setattr(httpcore, "HTTPConnection", broken)
    monkeypatch.setattr(httpcore, "AsyncHTTPConnection", broken)
    client = client_at("http://127.0.0.1:9")()
    with pytest.raises(ValueError, match="no connection"):
        asyncio.run(get_operation_async(client, ID)) if is_async else get_operation(client, ID)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_of_two_addresses_that_answer_at_once_one_is_closed(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []

    async def connect_tcp(self: Any, host: str, port: int, *_: Any) -> Any:
        with anyio.CancelScope(shield=True):
            opened.append(stream := AsyncMock(host=host))
            while len(opened) < 2:
                await anyio.lowlevel.checkpoint()
        return stream

    async def main() -> Any:
        sockets = AsyncSockets()
        await sockets.connect_tcp("maps.test", 443)
        return sockets.stream

    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{last}", 443)) for last in (1, 2)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect_tcp)
    monkeypatch.setattr(async_sockets, "_HEAD_START", 0)
    kept = anyio.run(main, backend=backend)
    assert [stream.aclose.await_count for stream in opened] == [int(stream is not kept) for stream in opened]
    assert len(opened) == 2

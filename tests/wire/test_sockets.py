"""What is about the wire, on real sockets, through both clients and the three transports under them."""

import gc
import gzip
import logging
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
import trustme

from maps_data_registry import (
    DataRegistryError,
    InvalidResponse,
    OperationTimeout,
    PollingPolicy,
    ServiceError,
    ServiceUnreachable,
    SubscriptionKey,
    UntrustedOrigin,
    connect,
    get_operation_async,
    wait_for_operation,
    wait_for_operation_async,
)
from maps_data_registry.wire.incoming import MAX_REPLY_BYTES
from maps_data_registry_client import AuthenticatedClient
from maps_data_registry_client.api.data_registry import get_operation as generated
from maps_data_registry_contract import API_VERSION

from .support import ID, KEY
from .wire import BODY, GOOD, HEAD, closes, drips, resets, sends, serve, silent

ONCE = PollingPolicy(retries=0)
SWIFT = PollingPolicy(backoff=0)

Run = Callable[..., Any]


@pytest.fixture(params=[None, "asyncio", "trio"], ids=["sync", "asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Run:
    """Wait on a client of a URL, with the sync or the async functions."""
    backend = request.param

    def call(url: str, ssl_context: ssl.SSLContext | None = None, **options: Any) -> Any:
        def client() -> AuthenticatedClient:
            return connect(base_url=url, credential=SubscriptionKey(KEY), ssl_context=ssl_context)

        if backend is None:
            with client() as sync_client:
                return wait_for_operation(sync_client, ID, **options)

        async def main() -> Any:
            async with client() as async_client:
                return await wait_for_operation_async(async_client, ID, **options)

        return anyio.run(main, backend=backend)

    return call


def test_a_good_reply_over_one_connection(run: Run) -> None:
    going_on = b'{"status": "Running"}'
    running = HEAD + b"Retry-After: 0\r\nContent-Length: %d\r\n\r\n" % len(going_on) + going_on
    with serve(sends(running), sends(running), sends(GOOD)) as wire:
        assert run(wire.url).status == "Completed"
    assert (len(wire.requests), wire.connections) == (3, 1)
    head = wire.requests[0].decode().lower()
    assert head.startswith(f"get /dataregistries/operations/{ID}?api-version={API_VERSION} http/1.1\r\n")
    assert f"\r\nsubscription-key: {KEY}\r\n" in wire.requests[0].decode()
    assert "\r\nauthorization" not in head
    assert "\r\ncookie" not in head


FAULTS = {
    "closed": (closes(), httpx.RemoteProtocolError),
    "reset": (resets(), httpx.ReadError),
    "reset in the headers": (resets(b"HTTP/1.1 200 OK\r\nContent-"), httpx.TransportError),
    "reset in the body": (resets(HEAD + b"Content-Length: 100\r\n\r\n{"), httpx.TransportError),
    "truncated": (closes(HEAD + b"Content-Length: 100\r\n\r\n{"), httpx.RemoteProtocolError),
    "truncated chunks": (closes(HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{"), httpx.RemoteProtocolError),
    "no http": (closes(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), httpx.RemoteProtocolError),
    "bad length": (closes(HEAD + b"Content-Length: x\r\n\r\n{}"), httpx.RemoteProtocolError),
    "reason that is no text": (sends(b"HTTP/1.1 503 \xff\xfe\xfd\r\nContent-Length: 0\r\n\r\n"), Exception),
    "endless header": (closes(b"HTTP/1.1 200 OK\r\nA: " + b"a" * 200_000 + b"\r\n\r\n"), httpx.RemoteProtocolError),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_transient_and_named_as_httpx_names_it(run: Run, fault: str) -> None:
    answer, cause = FAULTS[fault]
    with serve(answer) as wire, pytest.raises((ServiceUnreachable, ServiceError)) as caught:
        run(wire.url, policy=ONCE)
    assert isinstance(caught.value.__cause__, cause) or fault == "reason that is no text"
    with serve(answer, sends(GOOD)) as wire:
        assert run(wire.url, policy=SWIFT).status == "Completed"


def test_a_refused_connection(run: Run) -> None:
    with serve(closes()) as wire:
        pass
    with pytest.raises(ServiceUnreachable) as caught:
        run(wire.url, policy=ONCE)
    assert isinstance(caught.value.__cause__, httpx.ConnectError)


SLOW = {
    "silence": silent,
    "dripping status": drips(b"HTTP/1.1 200 OK\r\n", b"a"),
    "dripping headers": drips(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
    "dripping body": drips(HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "dripping chunks": drips(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
}


@pytest.mark.parametrize("slow", SLOW)
def test_a_slow_server_does_not_outlive_the_timeout(run: Run, slow: str) -> None:
    with serve(SLOW[slow]) as wire:
        begin = time.monotonic()
        with pytest.raises(OperationTimeout):
            run(wire.url, timeout=0.3)
        assert time.monotonic() - begin < 5


TOO_LARGE = b'{"id": "' + b"x" * MAX_REPLY_BYTES + b'"}'
BOMB = gzip.compress(b" " * 200_000_000)
LARGE = {
    "length": HEAD + b"Content-Length: 100000000000\r\n\r\n{",
    "endless digits": HEAD + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n{",
    "body": HEAD + b"\r\n" + TOO_LARGE,
    "chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%s\r\n0\r\n\r\n" % (len(TOO_LARGE), TOO_LARGE),
    "bomb": HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB,
}


# httpx leaves its own generators to the garbage collector where a reply is given up half-way; trio remarks on it.
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
@pytest.mark.parametrize("large", LARGE)
def test_a_large_reply_is_refused_without_being_read_whole(run: Run, large: str) -> None:
    with serve(closes(LARGE[large])) as wire, pytest.raises((InvalidResponse, ServiceUnreachable)) as caught:
        run(wire.url, policy=ONCE)
    if large != "endless digits":  # which httpcore and aiohttp may refuse themselves
        assert isinstance(caught.value, InvalidResponse)
        assert "larger than 1048576 bytes" in str(caught.value)
    assert len(str(caught.value)) < 500


def encoded(coding: bytes, content: bytes) -> bytes:
    return HEAD + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (coding, len(content)) + content


@pytest.mark.parametrize(
    "data",
    [
        encoded(b"gzip", gzip.compress(BODY)),
        encoded(b"GZIP", gzip.compress(BODY)),
        encoded(b"deflate", zlib.compress(BODY)),
        encoded(b"identity", BODY),
    ],
)
def test_a_compressed_reply_is_read_though_none_was_asked_for(run: Run, data: bytes) -> None:
    with serve(sends(data)) as wire:
        assert run(wire.url).status == "Completed"
    assert b"accept-encoding: identity" in wire.requests[0].lower()


@pytest.mark.parametrize(
    "data", [encoded(b"br", b"\x00"), encoded(b"gzip", BODY), encoded(b"gzip, gzip", gzip.compress(BODY))]
)
def test_an_encoding_that_cannot_be_read(run: Run, data: bytes) -> None:
    with serve(sends(data)) as wire, pytest.raises(InvalidResponse, match="content-encoding"):
        run(wire.url)


def test_tls_with_a_given_authority(run: Run) -> None:
    authority, server, client = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    with serve(sends(GOOD), tls=server) as wire:
        assert run(wire.url, ssl_context=client).status == "Completed"
    with serve(drips(HEAD, b"a: b\r\n"), tls=server) as wire, pytest.raises(OperationTimeout):
        run(wire.url, timeout=0.3, ssl_context=client)
    # A certificate that is not trusted is not asked again: it will not be trusted the next time.
    with serve(sends(GOOD), tls=server) as wire, pytest.raises(ServiceUnreachable, match=r"(?i)certificate") as caught:
        run(wire.url)
    assert caught.value.polls == 1
    assert not wire.requests


def test_a_long_header_is_no_fault(run: Run) -> None:
    with serve(sends(GOOD.replace(b"\r\n\r\n", b"\r\nx-long: " + b"a" * 10_000 + b"\r\n\r\n", 1))) as wire:
        assert run(wire.url, policy=ONCE).status == "Completed"


def test_a_redirect_is_not_followed(run: Run) -> None:
    with serve(sends(GOOD)) as elsewhere:
        moved = b"HTTP/1.1 307 Go\r\nLocation: %s/x\r\nContent-Length: 0\r\n\r\n" % elsewhere.url.encode()
        with serve(sends(moved)) as wire, pytest.raises(DataRegistryError, match="HTTP 307"):
            run(wire.url)
    assert elsewhere.connections == 0


def test_cookies_are_not_kept_across_polls(run: Run) -> None:
    set_cookie = b"HTTP/1.1 503 Busy\r\nSet-Cookie: a=b\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
    with serve(sends(set_cookie), sends(GOOD)) as wire:
        run(wire.url)
    assert b"cookie" not in wire.requests[1].lower()


def test_a_credential_that_comes_back_is_masked(run: Run) -> None:
    body = b'{"error": {"code": "No", "message": "Your key %s is wrong."}}' % KEY.encode()
    refusal = b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with serve(sends(refusal)) as wire, pytest.raises(DataRegistryError, match=r"Your key \*\*\* is wrong"):
        run(wire.url)


def test_cancelling_leaves_nothing() -> None:
    async def main(url: str) -> None:
        client = connect(base_url=url, credential=SubscriptionKey(KEY))
        async with client, anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(wait_for_operation_async, client, ID)
            while wire.connections < 20:  # noqa: ASYNC110 - the server is a thread of its own
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()

    before = threading.active_count()
    for backend in ("asyncio", "trio"):
        with serve(silent) as wire, warnings.catch_warnings():
            warnings.simplefilter("error")
            anyio.run(main, wire.url, backend=backend)
            gc.collect()
    assert threading.active_count() == before


INTERRUPTED = """
import sys, threading, warnings
warnings.simplefilter("error")
from maps_data_registry import *
with connect(base_url=sys.argv[1], credential=SubscriptionKey("k" * 20)) as client:
    try:
        wait_for_operation(client, sys.argv[2])
    except KeyboardInterrupt:
        print("interrupted", threading.active_count())
"""


@pytest.mark.parametrize(
    "answer",
    [silent, sends(HEAD + b'Retry-After: 600\r\nContent-Length: 20\r\n\r\n{"status":"Running"}')],
    ids=["request", "sleep"],
)
def test_control_c_ends_a_wait_at_once(answer: Any) -> None:
    with serve(answer) as wire:
        child = subprocess.Popen([sys.executable, "-X", "dev", "-c", INTERRUPTED, wire.url, ID], stdout=-1, stderr=-1)
        while not wire.requests:
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(child.pid, signal.SIGINT)
        out, err = child.communicate(timeout=30)
    assert (out, err, child.returncode) == (b"interrupted 1\n", b"", 0)


def test_one_client_in_two_event_loops() -> None:
    with serve(sends(GOOD)) as wire:
        client = connect(base_url=wire.url, credential=SubscriptionKey(KEY))
        for backend in ("asyncio", "trio", "asyncio"):

            async def main() -> None:
                assert (await get_operation_async(client, ID)).status == "Completed"
                await client.get_async_httpx_client()._transport.aclose()

            anyio.run(main, backend=backend)


def test_the_guard_stands_whoever_builds_the_request() -> None:
    with serve(sends(GOOD)) as elsewhere, serve(sends(GOOD)) as wire:
        foreign = [
            f"{elsewhere.url}/dataRegistries/operations/{ID}",
            wire.url.replace("http://", "https://"),
            wire.url.replace("127.0.0.1", "localhost"),
            wire.url.replace("127.0.0.1", "127.0.0.2"),
        ]
        with connect(base_url=wire.url, credential=SubscriptionKey(KEY)) as client:
            for url in foreign:
                with pytest.raises(UntrustedOrigin) as caught:
                    client.get_httpx_client().get(url)
                assert KEY not in str(caught.value)
            assert generated.sync_detailed(ID, client=client).status_code == 200

        async def main() -> None:
            async with connect(base_url=wire.url, credential=SubscriptionKey(KEY)) as client:
                for url in foreign:
                    with pytest.raises(UntrustedOrigin):
                        await client.get_async_httpx_client().get(url)
                assert (await generated.asyncio_detailed(ID, client=client)).status_code == 200

        anyio.run(main)
    assert elsewhere.connections == 0
    assert len(wire.requests) == 2


def test_httpx_and_httpcore_log_no_secret_at_debug(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    with serve(sends(GOOD)) as wire, caplog.at_level(logging.DEBUG):
        run(wire.url)
    assert "HTTP Request: GET" in caplog.text
    assert KEY not in caplog.text

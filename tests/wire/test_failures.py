"""What goes wrong is said in a line that names the place and the kind, the same in every driver, and holds no more."""

import errno
import re
import socket
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import h11
import httpcore
import httpx
import pytest
import trustme

import maps_data_registry
from maps_data_registry import (
    InvalidResponse,
    OperationUpdate,
    PollingPolicy,
    ServiceError,
    ServiceUnreachable,
    get_operation,
    get_operation_async,
)
from maps_data_registry.wire.failures import CertificateNotTrusted, ProxyRefused, TLSRefused, failure_of
from maps_data_registry.wire.secrecy import Mask
from tests.support import BASE_URL, ID, KEY, LOCATION, scripted

from .conftest import Certificates
from .drivers import DRIVERS, ONCE, SWIFT, Driver, client_at, failures
from .proxies import http_proxy, socks5_proxy
from .server import GOOD, HEAD, Answer, Peer, Stop, closes, resets, sends, serve, serve_connections

FAULTS: dict[str, Answer] = {
    "closed": closes(),
    "reset": resets(),
    "reset in the body": resets(HEAD + b"Content-Length: 100\r\n\r\n{"),
    "truncated": closes(HEAD + b"Content-Length: 100\r\n\r\n{"),
    "no HTTP": closes(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_transient(driver: Driver, fault: str) -> None:
    with serve(FAULTS[fault], sends(GOOD)) as wire:
        assert driver.wait(client_at(wire.url), policy=SWIFT).status == "Completed"


def said(found: dict[str, BaseException]) -> str:
    """The one line that all drivers say, without the numbers of ports."""
    texts = {re.sub(r":\d{4,5}", ":PORT", str(error.args[0])) for error in found.values()}
    assert len(texts) == 1, texts
    return texts.pop()


def test_a_refused_connection() -> None:
    with serve(closes()) as wire:
        pass
    found = failures(client_at(wire.url), policy=ONCE)
    assert said(found) == "no reply from http://127.0.0.1:PORT: connection refused"
    assert {type(error.__cause__) for error in found.values()} == {httpx.ConnectError}


def test_a_name_that_is_not_found() -> None:
    found = failures(client_at("https://no-such-host.invalid"), policy=ONCE)
    assert said(found).startswith("no reply from https://no-such-host.invalid:443: host name not found")
    assert {type(error.__cause__) for error in found.values()} == {httpx.ConnectError}


def test_a_host_that_is_no_name() -> None:
    found = failures(client_at(f"https://{'a' * 64}.test"), policy=ONCE)
    assert {type(error.__cause__) for error in found.values()} == {httpx.ConnectError}


def test_a_reset() -> None:
    with serve(resets()) as wire:
        assert (
            said(failures(client_at(wire.url), policy=ONCE)) == "no reply from http://127.0.0.1:PORT: connection reset"
        )


def test_a_certificate_that_is_not_trusted_is_not_tried_again(certificates: Certificates) -> None:
    stranger = ssl.create_default_context()
    trustme.CA().configure_trust(stranger)
    with serve(sends(GOOD), tls=certificates.server) as wire:
        found = failures(client_at(wire.url, stranger))
    assert said(found).startswith("no reply from https://127.0.0.1:PORT: its certificate is not trusted")
    assert {type(error.__cause__) for error in found.values()} == {CertificateNotTrusted}
    assert wire.connections == len(DRIVERS)
    assert not wire.requests
    assert all("SSL_CERT_FILE" in str(error) for error in found.values())


def test_a_server_without_tls(certificates: Certificates) -> None:
    def plain(peer: Peer, stop: Stop) -> None:
        peer.recv(1000)
        peer.sendall(b"HTTP/1.1 400 This is not TLS\r\n\r\n")

    with serve_connections(plain, scheme="https") as wire:
        found = failures(client_at(wire.url, certificates.client), policy=ONCE)
    assert {type(error.__cause__) for error in found.values()} == {TLSRefused}


@pytest.mark.parametrize("refusal", ["HTTP", "credential", "SOCKS", "SOCKS credential"])
def test_a_proxy_that_refuses(refusal: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = {
        "HTTP": serve(sends(b"HTTP/1.1 403 Not you\r\nContent-Length: 0\r\n\r\n")),
        "credential": http_proxy(0, credential=b"Basic dXNlcjpzZWNyZXQtMDEyMzQ1"),
        "SOCKS": socks5_proxy(0, refusal=5),
        "SOCKS credential": socks5_proxy(0, credential=(b"user", b"right")),
    }[refusal]
    with proxy as wire:
        url = wire.url.replace("://", "://user:wrong@") if "credential" in refusal else wire.url
        monkeypatch.setenv("HTTPS_PROXY", url)
        found = failures(client_at(BASE_URL, certificates.client), policy=ONCE)
    assert f"through the proxy {wire.url.partition(':')[0]}://127.0.0.1:PORT (HTTPS_PROXY): ProxyError:" in said(found)
    assert {type(error.__cause__) for error in found.values()} == {
        httpx.ProxyError if refusal == "SOCKS" else ProxyRefused
    }
    assert not [error for error in found.values() if "wrong" in str(error)]


def tls_server(certificates: Certificates, **options: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificates.authority.issue_cert("127.0.0.1").configure_cert(context)
    certificates.authority.configure_trust(context)
    for name, value in options.items():
        setattr(context, name, value)
    return context


@pytest.mark.parametrize("maximum", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_wants_a_client_certificate(maximum: ssl.TLSVersion, certificates: Certificates) -> None:
    server = tls_server(certificates, verify_mode=ssl.CERT_REQUIRED, maximum_version=maximum)
    with serve(sends(GOOD), tls=server) as wire:
        found = failures(client_at(wire.url, certificates.client))
    assert {type(error.__cause__) for error in found.values()} == {TLSRefused}
    assert wire.connections == len(DRIVERS)
    assert all("connect(ssl_context=" in str(error) for error in found.values())


def test_two_sides_without_a_version_of_tls_in_common(certificates: Certificates) -> None:
    server = tls_server(certificates, minimum_version=ssl.TLSVersion.TLSv1_3)
    client = ssl.create_default_context()
    certificates.authority.configure_trust(client)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    with serve(sends(GOOD), tls=server) as wire:
        found = failures(client_at(wire.url, client))
    assert {type(error.__cause__) for error in found.values()} == {TLSRefused}
    assert wire.connections == len(DRIVERS)
    assert all("protocol version" in str(error) for error in found.values())


@pytest.mark.parametrize(("status", "is_final"), [(403, True), (407, True), (429, False), (502, False), (503, False)])
def test_what_a_proxy_refuses_for_good_is_not_tried_again(
    status: int, is_final: bool, driver: Driver, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine wrong passwords can lock an account."""
    with serve(sends(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("://", "://user:password-0123@"))
        policy = PollingPolicy(retries=2, backoff=0, min_interval=0)
        failure = driver.failure(client_at(BASE_URL, certificates.client), policy=policy)
    assert proxy.connections == (1 if is_final else 3)
    assert ("check the proxy" in str(failure)) is is_final


def test_nor_is_a_password_that_a_socks_proxy_refuses(
    driver: Driver, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socks5_proxy(0, credential=(b"user", b"right")) as proxy:
        for url in (proxy.url, proxy.url.replace("://", "://user:wrong-012345@")):
            monkeypatch.setenv("HTTPS_PROXY", url)
            failure = driver.failure(client_at(BASE_URL, certificates.client))
            assert "check the proxy" in str(failure)
    assert proxy.connections == 2


NOT_SOCKS = {
    "HTTP": b"HTTP/1.1 400 Bad\r\n\r\n",
    "nothing": b"",
    "half": b"\x05",
    "another version": b"\x04\x5a",
    "no method": b"\x05\xff",
    "an unknown method": b"\x05\x77",
}


@pytest.mark.parametrize("name", NOT_SOCKS)
def test_a_proxy_that_does_not_speak_socks(
    name: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connection(peer: Peer, stop: Stop) -> None:
        peer.recv(100)
        peer.sendall(NOT_SOCKS[name])

    with serve_connections(connection) as wire:
        monkeypatch.setenv("HTTPS_PROXY", wire.url.replace("http", "socks5"))
        found = failures(client_at(BASE_URL, certificates.client), policy=ONCE)
    assert {type(error) for error in found.values()} == {ServiceUnreachable}
    assert len({type(error.__cause__) for error in found.values()}) == 1


class Foreign(Exception):
    pass


def chained(error: BaseException, *causes: BaseException) -> BaseException:
    link = error
    for cause in causes:
        link.__cause__ = cause
        link = cause
    return error


SECRET = b"Marker-Secret-0123456789"
REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
MASK = Mask([SECRET])

# What a transport raises, the class that comes of it, and what it says after the place.
RAISED: list[tuple[BaseException, type[BaseException], str]] = [
    (httpx.ReadError("odd"), httpx.ReadError, "ReadError: odd"),
    (httpx.ReadError(""), httpx.ReadError, "ReadError: no reason given"),
    (httpx.ReadTimeout("slow"), httpx.ReadTimeout, "too slow: slow"),
    (httpx.PoolTimeout(""), httpx.PoolTimeout, "too slow (PoolTimeout)"),
    (httpx.UnsupportedProtocol("no"), httpx.UnsupportedProtocol, "UnsupportedProtocol: no"),
    (httpx.InvalidURL("no"), httpx.RemoteProtocolError, "InvalidURL: no"),
    (httpx.DecodingError("no"), httpx.DecodingError, "DecodingError: no"),
    (httpcore.WriteError("no"), httpx.WriteError, "WriteError: no"),
    (httpcore.ConnectTimeout(), httpx.ConnectTimeout, "too slow (ConnectTimeout)"),
    (h11.RemoteProtocolError("no"), httpx.RemoteProtocolError, "RemoteProtocolError: no"),
    (aiohttp.ClientPayloadError("no"), httpx.RemoteProtocolError, "ClientPayloadError: no"),
    (aiohttp.ServerDisconnectedError(), httpx.RemoteProtocolError, "ServerDisconnectedError: Server disconnected"),
    (Foreign("no"), httpx.RemoteProtocolError, "Foreign: no"),
    (TimeoutError(), httpx.ReadTimeout, "too slow (ReadTimeout)"),
    (OSError("odd"), httpx.ReadError, "OSError: odd"),
    (OSError(errno.ENETUNREACH, "x"), httpx.ReadError, "network is unreachable"),
    (ConnectionResetError(errno.ECONNRESET, "x"), httpx.ReadError, "connection reset"),
    (BrokenPipeError(errno.EPIPE, "x"), httpx.ReadError, "connection reset"),
    (OSError("Multiple exceptions: [Errno 111] a, [Errno 101] b"), httpx.ReadError, "connection refused"),
    (socket.gaierror(-2, "Unknown"), httpx.ReadError, "host name not found: [Errno -2] Unknown"),
    (ssl.SSLError(1, "[SSL] wrong version"), httpx.ReadError, "SSLError: "),
    (UnicodeDecodeError("ascii", b"\xff", 0, 1, "no"), httpx.RemoteProtocolError, "UnicodeDecodeError: 'ascii'"),
    (chained(httpx.ConnectError("all failed"), Foreign(), REFUSED), httpx.ConnectError, "connection refused"),
    (ExceptionGroup("two", [Foreign("one"), Foreign("two")]), httpx.RemoteProtocolError, "Foreign: one"),
    (ExceptionGroup("two", [ExceptionGroup("one", [REFUSED])]), httpx.ReadError, "connection refused"),
    (httpx.ReadError("é\r\n\x1b[2J" + "x" * 1000), httpx.ReadError, "ReadError: é \N{REPLACEMENT CHARACTER}[2Jxxx"),
    (httpx.ReadError(f"at {SECRET.decode()}"), httpx.ReadError, "ReadError: at ***"),
]


@pytest.mark.parametrize(("error", "kind", "text"), RAISED, ids=lambda part: repr(part)[:40])
def test_what_a_transport_raises(error: BaseException, kind: type[BaseException], text: str) -> None:
    failure = failure_of(error, "https://maps.test:443", MASK, is_late=False)
    assert type(failure) is kind
    assert str(failure).startswith(f"https://maps.test:443: {text}")
    assert len(str(failure)) < 400
    assert (failure.__cause__, failure.__context__, failure.__traceback__) == (None, None, None)
    assert "\n" not in str(failure)


# A mistake in a transport, or a test's assertion, is nothing of the wire's: it stays what it is.
OWN: list[BaseException] = [TypeError("no"), AssertionError("no"), KeyError("x"), KeyboardInterrupt(), SystemExit(1)]


@pytest.mark.parametrize("error", OWN, ids=repr)
def test_what_is_not_the_wires_stays_what_it_is(error: BaseException) -> None:
    def fail() -> None:
        try:
            raise ValueError("context")
        except ValueError:
            raise error from REFUSED

    with pytest.raises(type(error)):
        fail()
    failure = failure_of(error, "https://maps.test:443", MASK, is_late=False)
    assert failure is error
    assert (failure.__cause__, failure.__context__, failure.__traceback__) == (None, None, None)
    noted = "".join(getattr(failure, "__notes__", []))
    assert ("test_failures.py" in noted) == isinstance(error, Exception)


def test_unless_it_shows_a_secret() -> None:
    class Custom(AssertionError):
        def __init__(self, one: object, two: object) -> None:
            super().__init__(f"{one!r} is not {two!r}")

    for error, kind in ((ValueError(SECRET), ValueError), (Custom(SECRET, 1), AssertionError)):
        failure = failure_of(error, "https://maps.test:443", MASK, is_late=False)
        assert type(failure) is kind
        assert "***" in str(failure)
        assert SECRET.decode() not in repr(failure)
    own = InvalidResponse("no", status_code=200, headers=httpx.Headers())
    assert failure_of(own, "https://maps.test:443", MASK, is_late=False) is own


def test_an_endless_chain_of_causes() -> None:
    first, second = Foreign("first"), Foreign("second")
    first.__cause__, second.__cause__ = second, first
    assert "first" in str(failure_of(first, "here", MASK, is_late=False))
    long = chained(Foreign("start"), *[Foreign() for _ in range(500)], REFUSED)
    assert "start" in str(failure_of(long, "here", MASK, is_late=False))


def test_an_assertion_in_a_mock_fails_the_test(driver: Driver) -> None:
    transport = scripted([])
    with pytest.raises(AssertionError, match="more requests than"):
        driver.wait(client_at(BASE_URL, transport=transport))


@pytest.mark.parametrize("backend", [None, "asyncio", "trio"])
def test_no_frame_of_the_wire_is_left(backend: str | None) -> None:
    """Where the caller sends the request, and httpx raises what the guard raised."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError(f"bad {request.headers['subscription-key']}", request=request)

    client = client_at(BASE_URL, transport=httpx.MockTransport(fail))()

    async def main() -> None:
        await client.get_async_httpx_client().get(LOCATION)

    with pytest.raises(httpx.ReadError, match=re.escape("bad ***")) as caught:
        anyio.run(main, backend=backend) if backend else client.get_httpx_client().get(LOCATION)
    package = Path(maps_data_registry.__file__).parent
    frames = [frame for frame in caught.traceback if package in Path(frame.path).parents]
    assert [frame.name for frame in frames] == ["handle_async_request" if backend else "handle_request"]
    assert KEY not in repr([frame.frame.f_locals for frame in frames])
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize("location", ["foo://xn--/", "https://[::::]/", "https://xn--a/", "http://x:port/"])
def test_a_location_that_is_no_url_is_a_refusal_like_any_other(driver: Driver, location: str) -> None:
    response = httpx.Response(302, headers={"location": location})
    assert "HTTP 302" in str(driver.failure(client_at(BASE_URL, transport=scripted([response]))))


@pytest.mark.parametrize("code", [401, 404, 503])
@pytest.mark.parametrize("headers", [{"content-encoding": "br"}, {"content-encoding": "gzip"}, {}])
def test_a_refusal_with_a_body_that_cannot_be_read_is_a_refusal(code: int, headers: dict[str, str]) -> None:
    stream = httpx.ByteStream(b"x" * 2_000_000)
    transport = scripted([httpx.Response(code, stream=stream, headers=headers)])
    with client_at(BASE_URL, transport=transport)() as client, pytest.raises(ServiceError, match=f"HTTP {code}"):
        get_operation(client, ID)


# httpx leaves its own generators to the garbage collector where a reply is given up half-way; trio remarks on it.
@pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")
def test_a_reply_that_is_too_long_shows_its_beginning(driver: Driver) -> None:
    page = b"<html>Proxy " + b"x" * 2**20
    error = driver.failure(
        client_at(BASE_URL, transport=scripted([httpx.Response(200, stream=httpx.ByteStream(page))]))
    )
    assert isinstance(error, InvalidResponse)
    assert error.excerpt.startswith("<html>Proxy xxx")
    assert "longer than 1048576 bytes" in str(error)
    assert "max_reply_bytes" in error.next_step


def test_how_long_a_reply_may_be_is_settable(driver: Driver) -> None:
    with serve(sends(GOOD)) as wire:
        assert "longer than 10 bytes" in str(driver.failure(client_at(wire.url, max_reply_bytes=10)))
    page = httpx.Response(200, content=b'{"status": "Completed"}' + b" " * 2_000_000)
    for nonsense in (0, "5", True):
        with pytest.raises(ValueError, match="max_reply_bytes must be a whole number from 1 up"):
            client_at(BASE_URL, max_reply_bytes=nonsense)()
    client = client_at(BASE_URL, transport=scripted([page]), max_reply_bytes=3_000_000)
    assert driver.wait(client).status == "Completed"


def test_a_retry_says_what_the_last_problem_was(driver: Driver) -> None:
    updates: list[OperationUpdate] = []
    with serve(closes(), sends(GOOD)) as wire:
        driver.wait(client_at(wire.url), policy=PollingPolicy(backoff=0), on_update=updates.append)
    assert "Server disconnected" in str(updates[0].problem)


def test_cancelling_leaves_no_frame_of_the_wire() -> None:
    class Hangs(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await anyio.sleep_forever()
            raise AssertionError

    caught: list[BaseException] = []

    async def poll() -> None:
        try:
            await get_operation_async(client_at(BASE_URL, transport=Hangs())(), ID)
        except BaseException as error:
            caught.append(error)
            raise

    async def main() -> None:
        with anyio.move_on_after(0.05):
            await poll()

    for backend in ("asyncio", "trio"):
        anyio.run(main, backend=backend)
    for error in caught:
        link: Any = error.__traceback__
        names = []
        while link is not None:
            names.append(link.tb_frame.f_code.co_name)
            link = link.tb_next
        assert names[-1] == "handle_async_request"
        assert "_send_async" not in names

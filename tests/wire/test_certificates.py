"""A server shows a certificate, and the credential goes to the right one only: in every driver, every way there."""

import contextlib
import datetime
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import trustme
from attrs import frozen

from maps_data_registry.wire.failures import CertificateNotTrusted, TLSRefused
from tests.support import BASE_URL, ID, KEY

from .conftest import Certificates
from .drivers import DRIVERS, OTHER_LOOPS, client_at, failures
from .proxies import http_proxy, socks5_proxy
from .server import GOOD, Peer, Stop, Wire, sends, serve, serve_connections

HOST = BASE_URL.removeprefix("https://")
DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC)


@frozen
class Case:
    """What a server shows, and what a client says about it."""

    reason: str
    names: tuple[str, ...] = (HOST, "127.0.0.1")
    begins: datetime.datetime = NOW - DAY
    ends: datetime.datetime = NOW + DAY
    is_known: bool = True


CASES = {
    "another host": Case("mismatch", names=("other.test", "127.0.0.2")),
    "another host of the same domain": Case("mismatch", names=("sub.maps.test", "127.0.0.10")),
    "expired": Case("expired", begins=NOW - 2 * DAY, ends=NOW - DAY),
    "not yet valid": Case("not yet valid", begins=NOW + DAY, ends=NOW + 2 * DAY),
    "an unknown authority": Case("unable to get local issuer certificate", is_known=False),
}

WAYS = ["direct", "http proxy", "https proxy", "SOCKS"]


def through(way: str, port: int, certificates: Certificates) -> AbstractContextManager[Wire | None]:
    """The proxy on the way to a server on that port."""
    if way == "direct":
        return contextlib.nullcontext()
    if way == "SOCKS":
        return socks5_proxy(port)
    return http_proxy(port, tls=certificates.server if way == "https proxy" else None)


@contextlib.contextmanager
def route(way: str, wire: Wire, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL at which a server is reached that way: by its address, or as `maps.test` through a proxy."""
    with through(way, wire.port, certificates) as proxy:
        if proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        yield BASE_URL if proxy else wire.url


def server_context(case: Case, certificates: Certificates) -> ssl.SSLContext:
    authority = certificates.authority if case.is_known else trustme.CA()
    certificate = authority.issue_cert(*case.names, not_before=case.begins, not_after=case.ends)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CASES)
def test_a_wrong_certificate(name: str, way: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    server = serve(sends(GOOD), tls=server_context(case, certificates))
    with server as wire, route(way, wire, certificates, monkeypatch) as url:
        found = failures(client_at(url, certificates.client), [*DRIVERS, *OTHER_LOOPS])
    assert {name: type(error.__cause__) for name, error in found.items()} == dict.fromkeys(found, CertificateNotTrusted)
    assert all(case.reason in str(error) for error in found.values())
    assert wire.requests == []
    assert wire.connections == len(found)


@pytest.mark.parametrize("way", WAYS)
def test_no_certificate_at_all(way: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[bytes] = []

    def plain(peer: Peer, _: Stop) -> None:
        received.append(peer.recv(65536))
        peer.sendall(GOOD)

    with serve_connections(plain, scheme="https") as wire, route(way, wire, certificates, monkeypatch) as url:
        found = failures(client_at(url, certificates.client), [*DRIVERS, *OTHER_LOOPS])
    assert {name: type(error.__cause__) for name, error in found.items()} == dict.fromkeys(found, TLSRefused)
    assert len(received) == len(found)
    assert KEY.encode() not in b"".join(received)


@pytest.mark.parametrize("way", WAYS)
def test_the_right_one(way: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(sends(GOOD), tls=certificates.server) as wire, route(way, wire, certificates, monkeypatch) as url:
        for driver in (*DRIVERS, *OTHER_LOOPS):
            assert driver.wait(client_at(url, certificates.client)).status == "Completed"
    assert all(KEY.encode() in request for request in wire.requests)
    assert len(wire.requests) == len(DRIVERS) + len(OTHER_LOOPS)


TRUSTED = """
import sys
if sys.argv[1] == "httpx2":
    import httpx2
    httpx2.alias_httpx()
import ssl
import maps_data_registry
from maps_data_registry import SubscriptionKey, connect, get_operation
try:
    given = ssl.create_default_context(cafile=sys.argv[4]) if sys.argv[4:] else None
    with connect(base_url=sys.argv[2], credential=SubscriptionKey("key-0123456789"), ssl_context=given) as client:
        print(get_operation(client, sys.argv[3]).status)
except maps_data_registry.DataRegistryError as error:
    print(type(error.__cause__).__name__)
"""


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_the_variable_and_the_context_decide_whom_either_library_trusts(
    library: str, certificates: Certificates, tmp_path: Path
) -> None:
    authority, other = tmp_path / "authority.pem", tmp_path / "other.pem"
    certificates.authority.cert_pem.write_to_path(authority)
    trustme.CA().cert_pem.write_to_path(other)

    def trusting(variable: Path, *given: Path) -> str:
        environment = os.environ | {"SSL_CERT_FILE": str(variable)}
        command = [sys.executable, "-c", TRUSTED, library, wire.url, ID, *map(str, given)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
        return done.stdout.strip()

    with serve(*[sends(GOOD)] * 2, tls=certificates.server) as wire:
        assert trusting(authority) == "Completed"
        assert trusting(other) == "CertificateNotTrusted"
        assert trusting(other, authority) == "Completed"

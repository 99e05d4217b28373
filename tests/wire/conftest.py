import ssl

import pytest
import trustme
from attrs import frozen

from .drivers import DRIVERS, OTHER_LOOPS, Driver

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir")


@frozen
class Certificates:
    """An authority, and the two sides of TLS: a server on loopback that is also `maps.test`, and who trusts it."""

    authority: trustme.CA
    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1", "localhost", "maps.test").configure_cert(server)
    authority.configure_trust(client)
    return Certificates(authority, server, client)


@pytest.fixture(
    params=[*DRIVERS, *(pytest.param(driver, marks=pytest.mark.slow) for driver in OTHER_LOOPS)],
    ids=lambda driver: driver.name,
)
def driver(request: pytest.FixtureRequest) -> Driver:
    """A test with it runs once for each way to wait."""
    found: Driver = request.param
    return found


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

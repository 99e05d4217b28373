"""The private names of other packages are where they were, and do what they did."""

import math
import ssl
from typing import Any

import httpcore
import httpcore2
import httpx
import httpx2
import pytest

from maps_data_registry import get_operation
from maps_data_registry.wire.guard import Guard
from maps_data_registry.wire.private_names import keep_no_cookies
from maps_data_registry.wire.transports import OwnTransports
from tests.support import BASE_URL, ID

from .drivers import client_at
from .server import GOOD, sends, serve

REQUEST = httpx.Request("GET", BASE_URL)


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_each_library_has_them(library: Any) -> None:
    for kind in (library.HTTPTransport, library.AsyncHTTPTransport):
        assert callable(kind()._pool.create_connection)
    for kind in (library.Client, library.AsyncClient):
        transport = library.MockTransport(lambda request: library.Response(200))
        client = kind(transport=transport, cookies={"a": "b"})
        assert client._transport is transport
        assert isinstance(client._cookies, library.Cookies)


@pytest.mark.parametrize("core", [httpcore, httpcore2], ids=["httpcore", "httpcore2"])
def test_a_connection_of_each_library_has_them(core: Any) -> None:
    """What came after the reply is still there, in h11's state, when the reply has been read."""
    with (
        serve(sends(GOOD + b"surplus")) as wire,
        core.HTTPConnection(core.URL(wire.url).origin) as connection,
    ):
        connection.request("GET", wire.url)
        assert connection._connection._h11_state.trailing_data[0] == b"surplus"


def test_ours_has_a_connection_there_in_place_of_a_pool() -> None:
    transports = OwnTransports(httpx.URL("https://maps.test"), ssl.create_default_context())
    with transports.lend(math.inf) as transport:
        connection: Any = transport._pool  # type: ignore[attr-defined] # of httpx's transport, which this is
    assert isinstance(connection, httpcore.HTTPConnection)
    assert connection.can_handle_request(httpcore.URL("https://maps.test:443/x").origin)


def test_a_polled_client_looks_for_no_cookies() -> None:
    with serve(sends(GOOD)) as wire, client_at(wire.url)().with_cookies({"given": "stays"}) as client:
        get_operation(client, ID)
        http = client.get_httpx_client()
        http.cookies.extract_cookies(httpx.Response(200, headers={"Set-Cookie": "a=b"}, request=REQUEST))
        assert dict(http.cookies) == {"given": "stays"}


def test_a_client_without_a_guard_keeps_its_cookies() -> None:
    http = httpx.Client()
    keep_no_cookies(http, Guard)
    http.cookies.extract_cookies(httpx.Response(200, headers={"Set-Cookie": "a=b"}, request=REQUEST))
    assert dict(http.cookies) == {"a": "b"}

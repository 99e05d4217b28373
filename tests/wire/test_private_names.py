"""The private names of other packages are where they were, and do what they did."""

import math
import ssl
from typing import Any

import httpcore
import httpx
import pytest

from maps_data_registry import get_operation
from maps_data_registry.wire.guard import Guard
from maps_data_registry.wire.private_names import keep_no_cookies
from maps_data_registry.wire.transports import OwnTransports
from tests.support import BASE_URL, ID

from .drivers import client_at
from .server import GOOD, sends, serve

REQUEST = httpx.Request("GET", BASE_URL)


@pytest.mark.parametrize("kind", [httpx.HTTPTransport, httpx.AsyncHTTPTransport])
def test_a_transport_of_httpx_keeps_what_sends_in_pool(kind: Any) -> None:
    assert callable(kind()._pool.create_connection)


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

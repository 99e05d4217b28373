"""The guard before the wire, where no socket is needed."""

import asyncio
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import httpcore
import httpx
import pytest
from maps_data_registry.wire.deadline import deadline, time_left

from maps_data_registry import (
    DataRegistryError,
    InvalidResponse,
    SasToken,
    ServiceError,
    SubscriptionKey,
    UntrustedOrigin,
    connect,
    get_operation,
    get_operation_async,
    wait_for_operation,
    wait_for_operation_async,
)
from maps_data_registry.wire.guard import GuardedTransport, _proxy
from maps_data_registry.wire.sockets import DeadlineBackend
from maps_data_registry_contract import API_VERSION

from .support import BASE_URL, ID, KEY, LOCATION, client_of, reply, scripted
from .test_entra import ACCOUNT, WithInfo

CREDENTIALS: dict[str, Any] = {"key": SubscriptionKey(KEY), "sas": SasToken(KEY), "entra": WithInfo()}

FOREIGN = [
    "http://maps.test/x",
    "https://maps.test:8443/x",
    "https://maps.test.evil.test/x",
    "https://evil.test/x",
    "//evil.test/x",
    "https://maps.test@evil.test/x",
]


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("target", FOREIGN)
def test_a_redirect_that_the_caller_follows_does_not_carry_the_credential_away(credential: str, target: str) -> None:
    def everyone(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(307, headers={"location": target})

    seen: list[httpx.Request] = []
    client = connect(
        base_url=BASE_URL, credential=CREDENTIALS[credential], account_client_id=ACCOUNT,
        transport=httpx.MockTransport(everyone),
    )  # fmt: skip

    async def main() -> None:
        with pytest.raises(UntrustedOrigin):
            await client.get_async_httpx_client().get(LOCATION, follow_redirects=True)

    with pytest.raises(UntrustedOrigin):
        client.get_httpx_client().get(LOCATION, follow_redirects=True)
    anyio.run(main)
    assert {request.url for request in seen} == {httpx.URL(LOCATION)}


def test_a_redirect_within_the_origin_may_be_followed() -> None:
    client = client_of(scripted([httpx.Response(307, headers={"location": "/y"}), reply("Running")]))
    assert client.get_httpx_client().get(LOCATION, follow_redirects=True).json()["status"] == "Running"


def test_a_path_is_resolved_against_the_base() -> None:
    seen: list[httpx.Request] = []
    client = connect(
        base_url=f"{BASE_URL}/space", credential=SubscriptionKey(KEY), transport=scripted([reply("Running")], seen)
    )
    get_operation(client, f"{BASE_URL}/space/dataRegistries/operations/{ID}")
    assert seen[0].url == f"{BASE_URL}/space/dataRegistries/operations/{ID}?api-version={API_VERSION}"


class SyncOnly(httpx.BaseTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return reply("Running")


class AsyncOnly(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return reply("Running")


def test_a_transport_for_one_kind_of_client() -> None:
    async def main(transport: Any) -> str:
        client = connect(base_url=BASE_URL, credential=SubscriptionKey(KEY), transport=transport)
        async with client:
            return str((await get_operation_async(client, ID)).status)

    with connect(base_url=BASE_URL, credential=SubscriptionKey(KEY), transport=SyncOnly()) as client:
        assert get_operation(client, ID).status == "Running"
    with pytest.raises(TypeError, match="sync client only"):
        anyio.run(main, SyncOnly())
    assert anyio.run(main, AsyncOnly()) == "Running"
    client = connect(base_url=BASE_URL, credential=SubscriptionKey(KEY), transport=AsyncOnly())
    with pytest.raises(TypeError, match="async client only"):
        get_operation(client, ID)


def test_the_total_bounds_a_callers_own_transport_too() -> None:
    class Slow(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            yield b"{"
            deadline.set(0)  # as if the time had passed
            yield b"}"

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Slow()))
    with pytest.raises(httpx.ReadTimeout, match="whole request"):
        client_of(transport).get_httpx_client().get(LOCATION)


def test_time_left_is_the_smaller() -> None:
    assert time_left(5) == 5
    assert time_left(None) == float("inf")


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "https://us.atlas.microsoft.com", None),
        ({"HTTPS_PROXY": "http://proxy.test:3128"}, "https://us.atlas.microsoft.com", "http://proxy.test:3128"),
        ({"https_proxy": "proxy.test:3128"}, "https://us.atlas.microsoft.com", "http://proxy.test:3128"),
        ({"ALL_PROXY": "http://proxy.test"}, "https://us.atlas.microsoft.com", "http://proxy.test"),
        ({"HTTP_PROXY": "http://proxy.test"}, "https://us.atlas.microsoft.com", None),
        ({"HTTPS_PROXY": "http://proxy.test", "NO_PROXY": "microsoft.com"}, "https://us.atlas.microsoft.com", None),
        ({"ALL_PROXY": "http://proxy.test", "HTTP_PROXY": "http://proxy.test"}, "http://127.0.0.1:8080", None),
    ],
)
def test_the_environments_proxy(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, proxy: str | None
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = _proxy(httpx.URL(url))
    assert (str(found.url) if found else None) == proxy


def test_a_proxys_password_goes_into_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"https": "http://user:pass@proxy.test:3128"})
    found = _proxy(httpx.URL("https://us.atlas.microsoft.com"))
    assert found is not None
    assert (str(found.url), found.auth) == ("http://proxy.test:3128", None)
    assert found.headers["proxy-authorization"] == "Basic dXNlcjpwYXNz"


def test_a_proxy_that_cannot_be_is_an_error_of_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"https": "gopher://proxy.test"})
    with pytest.raises(ValueError, match="proxy"):
        connect("us", SubscriptionKey(KEY))


def test_a_callers_own_transport_is_closed() -> None:
    class Closing(AsyncOnly):
        closed = False

        async def aclose(self) -> None:
            self.closed = True

    transport = Closing()

    async def main() -> None:
        async with connect(base_url=BASE_URL, credential=SubscriptionKey(KEY), transport=transport) as client:
            await get_operation_async(client, ID)

    anyio.run(main)
    assert transport.closed


@pytest.mark.parametrize("backend", [None, "asyncio", "trio"])
def test_no_timeouts_of_httpx_at_all(backend: str | None) -> None:
    seen: list[httpx.Request] = []
    client = connect(
        base_url=BASE_URL, credential=SubscriptionKey(KEY), timeout=httpx.Timeout(None),
        transport=scripted([reply("Running"), reply("Completed")], seen),
    )  # fmt: skip
    if backend is None:
        get_operation(client, ID)
        wait_for_operation(client, ID, timeout=5)
    else:
        anyio.run(get_operation_async, client, ID, backend=backend)
        anyio.run(lambda: wait_for_operation_async(client, ID, timeout=5), backend=backend)
    assert set(seen[0].extensions["timeout"].values()) <= {None, 5}


def test_many_threads_build_one_transport(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []

    def build(self: GuardedTransport) -> httpx.BaseTransport:
        built.append(1)
        return SyncOnly()

    monkeypatch.setattr(GuardedTransport, "_build_sync", build)
    client = connect(base_url=BASE_URL, credential=SubscriptionKey(KEY))
    client.get_httpx_client()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: get_operation(client, ID), range(16)))
    assert built == [1]


@pytest.mark.parametrize("where", ["no reply", "reply"])
def test_an_error_of_the_transport_holds_neither_request_nor_secret(where: str) -> None:
    problem = httpx.RemoteProtocolError(f"illegal status line: subscription-key: {KEY}")
    refusal = reply(code=400, body={"error": {"message": "a" + KEY}}, x_ms_error_code=f"bad {KEY}")
    with pytest.raises(DataRegistryError) as caught:
        get_operation(client_of(scripted([problem if where == "no reply" else refusal])), ID)
    link: BaseException | None = caught.value
    while link is not None:
        assert KEY not in str(link)
        assert not isinstance(link, httpx.RequestError) or link._request is None
        link = link.__cause__ or link.__context__


@pytest.mark.parametrize("location", ["foo://xn--/", "https://[::::]/", "https://xn--a/", "http://x:port/"])
def test_a_location_that_is_no_url_is_a_refusal_like_any_other(location: str) -> None:
    response = httpx.Response(302, headers={"location": location})
    with pytest.raises(DataRegistryError, match="HTTP 302"):
        get_operation(client_of(scripted([response])), ID)


@pytest.mark.parametrize("code", [401, 404, 503])
def test_a_refusal_with_a_body_that_cannot_be_read_is_a_refusal(code: int) -> None:
    stream = httpx.ByteStream(b"x" * 2_000_000)
    for headers in ({"content-encoding": "br"}, {"content-encoding": "gzip"}, {}):
        with pytest.raises(ServiceError, match=f"HTTP {code}"):
            get_operation(client_of(scripted([httpx.Response(code, stream=stream, headers=headers)])), ID)


def test_an_empty_content_encoding_is_none() -> None:
    response = reply("Running")
    response.headers["content-encoding"] = ""
    assert get_operation(client_of(scripted([response])), ID).status == "Running"


def test_a_host_is_tried_address_by_address(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"dead.test": ["127.0.0.2", "127.0.0.3"], "maps.test": ["127.0.0.2", "127.0.0.1"], "empty.test": []}
    real = socket.getaddrinfo

    def look_up(host: str, *args: Any, **options: Any) -> Any:
        if host not in names:
            return real(host, *args, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in names[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        DeadlineBackend().connect_tcp("maps.test", port, timeout=5).close()
        for host in ("dead.test", "empty.test", "no-such-host.invalid"):
            with pytest.raises(httpcore.ConnectError):
                DeadlineBackend().connect_tcp(host, port, timeout=5)


def test_one_tls_context_for_all_clients_unless_one_is_given() -> None:
    url = httpx.URL("https://us.atlas.microsoft.com")
    first, second = (GuardedTransport(url)._settings()["verify"] for _ in range(2))
    assert first is second
    assert first.verify_mode is ssl.CERT_REQUIRED
    own = ssl.create_default_context()
    assert GuardedTransport(url, ssl_context=own)._settings()["verify"] is own


def test_closing_what_was_never_used() -> None:
    with client_of(scripted([])):
        pass

    async def main() -> None:
        async with client_of(scripted([])):
            pass

    anyio.run(main)


def test_each_event_loop_has_connections_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that two threads, or `wait_for_operations` beside a loop that uses the client, do not close each other's."""
    built: list[httpx.MockTransport] = []
    closed: list[httpx.MockTransport] = []

    class Inner(httpx.MockTransport):
        async def aclose(self) -> None:
            closed.append(self)

    def build(*_: object) -> httpx.AsyncBaseTransport:
        built.append(Inner(lambda _: reply("Completed")))
        return built[-1]

    monkeypatch.setattr(GuardedTransport, "_build_async", build)
    transport = GuardedTransport(httpx.URL(BASE_URL))
    request = httpx.Request("GET", BASE_URL)
    with asyncio.Runner() as one, asyncio.Runner() as other:
        for runner in (one, other, one, other):
            runner.run(transport.handle_async_request(request))
        other.run(transport.aclose())
        one.run(transport.handle_async_request(request))
        anyio.run(transport.handle_async_request, request, backend="trio")
        assert (len(built), closed) == (3, built[1:2])


def test_the_reason_phrase_is_not_the_other_sides() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404, extensions={"reason_phrase": request.headers["subscription-key"].encode()})

    with client_of(httpx.MockTransport(answer)) as client:
        response = client.get_httpx_client().get("/")
    assert response.reason_phrase == "Not Found"
    assert KEY not in repr(response)


def test_a_reply_that_is_too_large_shows_its_beginning() -> None:
    large = b"<html>Proxy " + b"x" * 2**20
    page = httpx.MockTransport(lambda _: httpx.Response(200, stream=httpx.ByteStream(large)))
    with client_of(page) as client, pytest.raises(InvalidResponse) as caught:
        get_operation(client, ID)
    assert caught.value.excerpt.startswith("<html>Proxy xxx")

"""The guard before the wire, where no socket is needed."""

import ssl
from typing import Any

import anyio
import httpx
import pytest

from maps_data_registry import SasToken, SubscriptionKey, UntrustedOrigin, connect, get_operation, get_operation_async
from maps_data_registry.deadline import deadline, time_left
from maps_data_registry.transport import GuardedTransport, _proxy

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
    assert seen[0].url == f"{BASE_URL}/space/dataRegistries/operations/{ID}?api-version=2023-06-01"


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

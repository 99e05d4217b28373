"""Which endpoints a client may have, and that nothing leaves for another origin, whoever builds the request."""

from typing import Any

import anyio
import httpx
import pytest

from maps_data_registry import SasToken, SubscriptionKey, UntrustedOrigin, connect, get_operation
from maps_data_registry_client.api.data_registry import get_operation as generated
from maps_data_registry_contract import API_VERSION
from tests.support import BASE_URL, ID, KEY, LOCATION, client_of, reply, scripted

from .server import GOOD, sends, serve


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({"geography": "us"}, "https://us.atlas.microsoft.com"),
        ({"geography": "eu"}, "https://eu.atlas.microsoft.com"),
        ({"base_url": "https://maps.private.test/x"}, "https://maps.private.test/x"),
        ({"base_url": "http://127.0.0.1:1"}, "http://127.0.0.1:1"),
        ({"base_url": "http://127.9.9.9"}, "http://127.9.9.9"),
        ({"base_url": "http://[::1]:1"}, "http://[::1]:1"),
        ({"base_url": "http://localhost:1"}, "http://localhost:1"),
        ({"base_url": "https://xn--mnchen-3ya.test"}, "https://xn--mnchen-3ya.test"),
        ({"base_url": "https://straße.test"}, "https://xn--strae-oqa.test"),
    ],
)
def test_endpoints(options: dict[str, str], url: str) -> None:
    client = connect(credential=SubscriptionKey(KEY), **options)  # type: ignore[arg-type]
    assert str(client.get_httpx_client().base_url).rstrip("/") == url


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "either a geography"),
        ({"geography": "us", "base_url": "https://x.test"}, "either a geography"),
        ({"geography": "global"}, "us, eu"),
        ({"geography": ""}, "us, eu"),
        ({"base_url": ""}, "absolute"),
        ({"base_url": "us.atlas.microsoft.com"}, "absolute"),
        ({"base_url": "ftp://x.test"}, "absolute"),
        ({"base_url": "https://"}, "absolute"),
        ({"base_url": "https://x.test:port"}, "absolute"),
        ({"base_url": "https://xn--"}, "absolute"),
        ({"base_url": "https://xn--a"}, "absolute"),
        ({"base_url": "https://a.xn--a"}, "absolute"),
        ({"base_url": "https://a.xn--"}, "absolute"),
        ({"base_url": "https://[::1"}, "absolute"),
        ({"base_url": "https://x.test:99999"}, "absolute"),
        ({"base_url": "https://a b.test"}, "absolute"),
        ({"base_url": "https://!"}, "absolute"),
        ({"base_url": "https://user:secret@x.test"}, "user"),
        ({"base_url": "https://x.test?secret"}, "query"),
        ({"base_url": "https://x.test#secret"}, "fragment"),
        ({"base_url": "http://x.test"}, "clear"),
        ({"base_url": "http://127.0.0.1.x.test"}, "clear"),
        ({"base_url": "http://10.0.0.1"}, "clear"),
    ],
)
def test_endpoints_that_no_credential_may_go_to(options: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        connect(credential=SubscriptionKey(KEY), **options)  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)


class Token:
    def get_token(self, *_: str) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(KEY, 4_000_000_000)


CREDENTIALS: dict[str, Any] = {"key": SubscriptionKey(KEY), "sas": SasToken(KEY), "entra": Token()}

FOREIGN = [
    "http://maps.test/x",
    "https://maps.test:8443/x",
    "https://maps.test.evil.test/x",
    "https://evil.test/x",
    "//evil.test/x",
    "https://maps.test@evil.test/x",
    "https://maps.test.:443/x",
    "https://[::1]/x",
]


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("target", FOREIGN)
def test_a_redirect_that_the_caller_follows_does_not_carry_the_credential_away(credential: str, target: str) -> None:
    def everyone(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(307, headers={"location": target})

    seen: list[httpx.Request] = []
    client = connect(
        base_url=BASE_URL,
        credential=CREDENTIALS[credential],
        account_client_id=ID,
        transport=httpx.MockTransport(everyone),
    )

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

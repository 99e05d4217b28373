"""The peers of the benchmark: each polls the stub as its users would write it.

A sync peer waits for an operation; an async one polls it once, and `cases` writes the loop. Each imports what it needs
and nothing else: what is loaded costs memory, and time in the garbage collector.
"""

import http.client
import itertools
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import maps_data_registry as package  # which loads nothing until one of its names is used
from maps_data_registry_contract import API_VERSION, GET_OPERATION

if TYPE_CHECKING:
    from maps_data_registry_client import AuthenticatedClient

KEY = "0123456789abcdef0123456789abcdef"
HEADERS = {"subscription-key": KEY}
VERSION = {"api-version": API_VERSION}
PATH = GET_OPERATION.path.replace("{operationId}", "{}")
NONCE = itertools.count()

Wait = Callable[[str], object]
Poll = Callable[[str], Awaitable[tuple[str, float]]]  # the status and the Retry-After
Sync = Callable[[str], AbstractContextManager[Wait]]
Async = Callable[[str], AbstractAsyncContextManager[Poll]]


def operation(polls: int, retry_after: float = 0) -> str:
    """A new operation of the stub's, Completed at its last poll."""
    return f"{os.getpid():08x}-{polls:04x}-4{round(retry_after * 100):03x}-8000-{next(NONCE):012x}"


def target(name: str) -> str:
    return f"{PATH.format(name)}?api-version={VERSION['api-version']}"


def ours(url: str, transport: Any = None) -> "AuthenticatedClient":
    return package.connect(base_url=url, credential=package.SubscriptionKey(KEY), transport=transport)


def prompt() -> "package.PollingPolicy":
    """Poll exactly when Retry-After says, as the peers do: no jitter, and no pause where it is zero."""
    return package.PollingPolicy(jitter=0, min_interval=0, timeout=None)


def until_completed(poll: Callable[[str], str]) -> Wait:
    def wait(name: str) -> None:
        while poll(name) != "Completed":
            pass

    return wait


@contextmanager
def bare_sync(url: str) -> Iterator[Wait]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"))

    def poll(name: str) -> str:
        connection.request("GET", target(name), headers=HEADERS)
        return str(json.loads(connection.getresponse().read())["status"])

    yield until_completed(poll)
    connection.close()


@contextmanager
def httpx_sync(url: str, module: str = "httpx") -> Iterator[Wait]:
    with import_module(module).Client(base_url=url, headers=HEADERS) as client:
        yield until_completed(lambda name: str(client.get(PATH.format(name), params=VERSION).json()["status"]))


@contextmanager
def httpx_prebuilt(url: str) -> Iterator[Wait]:
    import httpx

    with httpx.Client(base_url=url, headers=HEADERS) as client:

        def wait(name: str) -> None:
            request = client.build_request("GET", PATH.format(name), params=VERSION)
            while client.send(request).json()["status"] != "Completed":
                pass

        yield wait


def generated_client(url: str) -> "AuthenticatedClient":
    from maps_data_registry_client import AuthenticatedClient

    return AuthenticatedClient(base_url=url, token=KEY, prefix="", auth_header_name="subscription-key")


@contextmanager
def generated_sync(url: str) -> Iterator[Wait]:
    from maps_data_registry_client.api.data_registry import get_operation

    with generated_client(url) as client:
        yield until_completed(lambda name: str(get_operation.sync(name, client=client).status))  # type: ignore[union-attr]  # the stub knows no errors


def azure_policies(asynchronous: bool) -> list[Any]:
    """The pipeline that every generated Azure SDK client has."""
    from azure.core.credentials import AzureKeyCredential
    from azure.core.pipeline import policies

    return [
        policies.RequestIdPolicy(),
        policies.HeadersPolicy(),
        policies.UserAgentPolicy("bench"),
        policies.ProxyPolicy(),
        policies.ContentDecodePolicy(),
        policies.AsyncRedirectPolicy() if asynchronous else policies.RedirectPolicy(),
        policies.AsyncRetryPolicy() if asynchronous else policies.RetryPolicy(),
        policies.AzureKeyCredentialPolicy(AzureKeyCredential(KEY), "subscription-key"),
        policies.CustomHookPolicy(),
        policies.NetworkTraceLoggingPolicy(),
        policies.DistributedTracingPolicy(),
        policies.HttpLoggingPolicy(),
    ]


@contextmanager
def azure_sync(url: str) -> Iterator[Wait]:
    from azure.core import PipelineClient
    from azure.core.rest import HttpRequest

    with PipelineClient[Any, Any](url, policies=azure_policies(asynchronous=False)) as client:

        def poll(name: str) -> str:
            response = client.send_request(HttpRequest("GET", url + PATH.format(name), params=VERSION))
            return str(response.json()["status"])

        yield until_completed(poll)


@contextmanager
def ours_sync(url: str) -> Iterator[Wait]:
    with ours(url) as client:
        yield partial(package.wait_for_operation, client, policy=prompt())


@asynccontextmanager
async def bare_async(url: str) -> AsyncIterator[Poll]:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, headers=HEADERS, connector=connector) as session:

        async def poll(name: str) -> tuple[str, float]:
            async with session.get(target(name)) as response:
                return (await response.json())["status"], float(response.headers.get("Retry-After", 0))

        yield poll


@asynccontextmanager
async def httpx_async(url: str, module: str = "httpx") -> AsyncIterator[Poll]:
    async with import_module(module).AsyncClient(base_url=url, headers=HEADERS) as client:

        async def poll(name: str) -> tuple[str, float]:
            response = await client.get(PATH.format(name), params=VERSION)
            return response.json()["status"], float(response.headers.get("Retry-After", 0))

        yield poll


@asynccontextmanager
async def generated_async(url: str) -> AsyncIterator[Poll]:
    from maps_data_registry_client.api.data_registry import get_operation

    async with generated_client(url) as client:

        async def poll(name: str) -> tuple[str, float]:
            response = await get_operation.asyncio_detailed(name, client=client)
            return str(response.parsed.status), float(response.headers.get("Retry-After", 0))  # type: ignore[union-attr]  # nor here

        yield poll


@asynccontextmanager
async def azure_async(url: str) -> AsyncIterator[Poll]:
    from azure.core import AsyncPipelineClient
    from azure.core.rest import HttpRequest

    async with AsyncPipelineClient[Any, Any](url, policies=azure_policies(asynchronous=True)) as client:

        async def poll(name: str) -> tuple[str, float]:
            response = await client.send_request(HttpRequest("GET", url + PATH.format(name), params=VERSION))
            return response.json()["status"], float(response.headers.get("Retry-After", 0))

        yield poll


def ours_on_aiohttp(url: str) -> "AuthenticatedClient":
    import httpx_aiohttp

    return ours(url, httpx_aiohttp.AiohttpTransport())


SYNC: dict[str, Sync] = {
    "http.client": bare_sync,
    "httpx, prebuilt request": httpx_prebuilt,
    "httpx": httpx_sync,
    "httpx2": partial(httpx_sync, module="httpx2"),
    "generated function": generated_sync,
    "azure-core": azure_sync,
    "this package": ours_sync,
    "this package on httpx2": ours_sync,
}
ASYNC: dict[str, Async] = {
    "aiohttp": bare_async,
    "httpx": httpx_async,
    "httpx2": partial(httpx_async, module="httpx2"),
    "generated function": generated_async,
    "azure-core with aiohttp": azure_async,
}
OURS_ASYNC: dict[str, "Callable[[str], AuthenticatedClient]"] = {
    "this package": ours,
    "this package on httpx2": ours,
    "this package on httpx-aiohttp": ours_on_aiohttp,
}

"""Who is measured: each peer waits for an operation until it is Completed, as its users would write it.

Run as `bench_peers.py CASE URL COUNT`, it measures one case in this process and prints a line of JSON. Each peer
imports what it needs and nothing else, as what is loaded costs memory, and with it time in the garbage collector.
"""

import asyncio
import gc
import http.client
import itertools
import json
import os
import resource
import statistics
import sys
import time
import tracemalloc
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import maps_data_registry as package  # which loads nothing before a name of it is used
from maps_data_registry_contract import API_VERSION, GET_OPERATION

if TYPE_CHECKING:
    import httpx

    from maps_data_registry_client import AuthenticatedClient

KEY = "0123456789abcdef0123456789abcdef"
HEADERS = {"subscription-key": KEY}
VERSION = {"api-version": API_VERSION}
PATH = GET_OPERATION.path.replace("{operationId}", "{}")
NONCE = itertools.count()

Wait = Callable[[str], object]
Ask = Callable[[str], Awaitable[tuple[str, float]]]  # the status and the Retry-After


def name(polls: int, retry_after: int = 0) -> str:
    """A new operation of the stub's."""
    return f"{os.getpid():08x}-{polls:04x}-4{retry_after:03x}-8000-{next(NONCE):012x}"


def target(operation: str) -> str:
    return f"{PATH.format(operation)}?api-version={VERSION['api-version']}"


def until_completed(ask: Callable[[str], str]) -> Wait:
    def wait(operation: str) -> None:
        while ask(operation) != "Completed":
            pass

    return wait


def ours(url: str) -> "AuthenticatedClient":
    return package.connect(base_url=url, credential=package.SubscriptionKey(KEY))


def steady() -> "package.PollingPolicy":
    """So that a poll's due time is its Retry-After."""
    return package.PollingPolicy(jitter=0, timeout=None)


@contextmanager
def floor_sync(url: str) -> Iterator[Wait]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"))

    def ask(operation: str) -> str:
        connection.request("GET", target(operation), headers=HEADERS)
        return str(json.loads(connection.getresponse().read())["status"])

    yield until_completed(ask)
    connection.close()


@contextmanager
def httpx_get(url: str) -> Iterator[Wait]:
    import httpx

    with httpx.Client(base_url=url, headers=HEADERS) as client:
        yield until_completed(lambda name: str(client.get(PATH.format(name), params=VERSION).json()["status"]))


@contextmanager
def httpx_prebuilt(url: str) -> Iterator[Wait]:
    import httpx

    with httpx.Client(base_url=url, headers=HEADERS) as client:

        def wait(operation: str) -> None:
            request = client.build_request("GET", PATH.format(operation), params=VERSION)
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

        def ask(operation: str) -> str:
            response = client.send_request(HttpRequest("GET", url + PATH.format(operation), params=VERSION))
            return str(response.json()["status"])

        yield until_completed(ask)


@contextmanager
def ours_sync(url: str) -> Iterator[Wait]:
    with ours(url) as client:
        yield partial(package.wait_for_operation, client, policy=steady())


SYNC = {
    "http.client": floor_sync,
    "httpx, prebuilt request": httpx_prebuilt,
    "httpx, Client.get": httpx_get,
    "generated function": generated_sync,
    "azure-core": azure_sync,
    "this package": ours_sync,
}


@asynccontextmanager
async def floor_async(url: str) -> AsyncIterator[Ask]:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, headers=HEADERS, connector=connector) as session:

        async def ask(operation: str) -> tuple[str, float]:
            async with session.get(target(operation)) as response:
                return (await response.json())["status"], float(response.headers.get("Retry-After", 0))

        yield ask


@asynccontextmanager
async def httpx_async(url: str) -> AsyncIterator[Ask]:
    import httpx

    no_limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=url, headers=HEADERS, limits=no_limits, timeout=None) as client:  # noqa: S113  # as its fastest

        async def ask(operation: str) -> tuple[str, float]:
            response = await client.get(PATH.format(operation), params=VERSION)
            return response.json()["status"], float(response.headers.get("Retry-After", 0))

        yield ask


@asynccontextmanager
async def generated_async(url: str) -> AsyncIterator[Ask]:
    from maps_data_registry_client.api.data_registry import get_operation

    async with generated_client(url) as client:

        async def ask(operation: str) -> tuple[str, float]:
            response = await get_operation.asyncio_detailed(operation, client=client)
            return str(response.parsed.status), float(response.headers.get("Retry-After", 0))  # type: ignore[union-attr]  # nor here

        yield ask


@asynccontextmanager
async def azure_async(url: str) -> AsyncIterator[Ask]:
    from azure.core import AsyncPipelineClient
    from azure.core.rest import HttpRequest

    async with AsyncPipelineClient[Any, Any](url, policies=azure_policies(asynchronous=True)) as client:

        async def ask(operation: str) -> tuple[str, float]:
            response = await client.send_request(HttpRequest("GET", url + PATH.format(operation), params=VERSION))
            return response.json()["status"], float(response.headers.get("Retry-After", 0))

        yield ask


ASYNC = {
    "aiohttp": floor_async,
    "httpx, own transport": httpx_async,
    "generated function": generated_async,
    "azure-core, aiohttp": azure_async,
}
OURS = "this package"


async def sequential(peer: str, url: str, polls: int) -> None:
    if peer == OURS:
        async with ours(url) as client:
            await package.wait_for_operation_async(client, name(50), policy=steady())
            with measured(polls):
                await package.wait_for_operation_async(client, name(polls), policy=steady())
        return
    async with ASYNC[peer](url) as ask:
        for count in (50, polls):
            operation = name(count)
            with measured(count):
                while (await ask(operation))[0] != "Completed":
                    pass


async def crowd(peer: str, url: str, names: list[str], in_flight: int) -> None:
    """Wait for all of them: a task for each, as asyncio invites to, with a semaphore around the requests."""
    if peer == OURS:
        async with ours(url) as client:
            outcomes = package.wait_for_operations_async(client, names, concurrency=in_flight, policy=steady())
            assert [outcome.error async for outcome in outcomes] == [None] * len(names)  # noqa: S101
        return
    slots = asyncio.Semaphore(in_flight)
    async with ASYNC[peer](url) as ask, asyncio.TaskGroup() as tasks:

        async def wait(operation: str) -> None:
            while True:
                async with slots:
                    status, seconds = await ask(operation)
                if status == "Completed":
                    return
                await asyncio.sleep(seconds)

        for operation in names:
            tasks.create_task(wait(operation))


@contextmanager
def measured(polls: int) -> Iterator[None]:
    """Measure what is done inside, and keep the last such figures."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    FIGURES.update(
        cpu=(time.process_time() - cpu) / polls * 1e6,  # microseconds for a poll
        wall=(time.perf_counter() - wall) / polls * 1e6,
        peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,  # MiB
    )


FIGURES: dict[str, float] = {}


def spread(late: list[float]) -> dict[str, float]:
    """Lateness in milliseconds, and how many came early."""
    cuts = statistics.quantiles(late, n=100)
    return {"p50": cuts[49] * 1e3, "p99": cuts[98] * 1e3, "early": sum(1 for seconds in late if seconds < 0)}


def reset(url: str) -> Any:
    """What the stub saw since the last time: the lateness of its polls, and their number."""
    return json.load(urllib.request.urlopen(f"{url}/reset"))  # noqa: S310  # http, and the stub's


def pending_names(count: int) -> list[str]:
    return [name(4, 1 + number % 10) for number in range(count)]


def replace(**parts: Callable[..., object]) -> None:
    """Put others in the place of the scheduler's own functions."""
    from maps_data_registry.polling import scheduler

    for name, part in parts.items():
        setattr(scheduler, name, part)


def running(retry_after: int) -> "httpx.Response":
    import httpx

    return httpx.Response(200, json={"status": "Running"}, headers={"Retry-After": str(retry_after)})


async def fake_time(count: int) -> None:
    """The lateness of pending operations without a network: three polls each, 1 to 10 s apart."""
    import httpx

    due: dict[str, float] = {}
    late: list[float] = []
    left = dict.fromkeys(names := pending_names(count), 3)
    replies = {seconds: running(seconds) for seconds in range(1, 11)}
    completed = httpx.Response(200, json={"status": "Completed"})

    async def fetch(_: object, operation: str, __: float) -> httpx.Response:
        now = time.monotonic()
        if operation in due:
            late.append(now - due[operation])
        left[operation] -= 1
        if not left[operation]:
            return completed
        seconds = int(operation[15:18], 16)
        due[operation] = now + seconds
        return replies[seconds]

    replace(fetch_async=fetch, questions=lambda _: str)
    with measured(3 * count):
        async for _ in package.wait_for_operations_async(ours("https://stub.test"), names, policy=steady()):
            pass
    FIGURES.update(spread(late))


async def fake_memory(count: int) -> None:
    """The memory of pending operations without a network: each is asked about once and not due for long."""
    asked = 0
    all_asked = asyncio.Event()
    reply = running(3600)

    async def fetch(*_: object) -> "httpx.Response":
        nonlocal asked
        asked += 1
        if asked == count:
            all_asked.set()
        return reply

    replace(fetch_async=fetch)
    outcomes = package.wait_for_operations_async(ours("https://stub.test"), pending_names(count), policy=steady())
    tracemalloc.start()
    waiting = asyncio.create_task(outcomes.__anext__())
    await all_asked.wait()
    FIGURES.update(per_operation=tracemalloc.get_traced_memory()[0] / count)
    waiting.cancel()


def never_ending(url: str, seconds: int) -> None:
    """azure-core's own poller, on an operation that is Completed at the first poll."""
    from azure.core import PipelineClient
    from azure.core.polling import LROPoller
    from azure.core.polling.base_polling import LROBasePolling
    from azure.core.rest import HttpRequest

    reset(url)
    with PipelineClient[Any, Any](url, policies=azure_policies(asynchronous=False)) as client:
        started = client.send_request(HttpRequest("PUT", url + PATH.format(name(1))), stream=False)
        initial = type("Initial", (), {"http_response": started, "http_request": started.request, "context": {}})()
        poller = LROPoller[Any](client, initial, lambda _: None, LROBasePolling(timeout=0.1))
        begin = time.monotonic()
        poller.wait(seconds)
        ended = poller.done()
        polls = reset(url)["polls"]
    FIGURES.update(ended=ended, polls=polls, seconds=time.monotonic() - begin)


def main() -> None:
    kind, _, peer = sys.argv[1].partition(":")
    url, count, in_flight = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    match kind:
        case "sync":
            with SYNC[peer](url) as wait:
                for polls in (50, count):
                    with measured(polls):
                        wait(name(polls))
        case "async":
            asyncio.run(sequential(peer, url, count))
        case "many":
            asyncio.run(crowd(peer, url, [name(1) for _ in range(50)], in_flight))
            names = [name(5) for _ in range(count)]
            with measured(5 * count):
                asyncio.run(crowd(peer, url, names, in_flight))
        case "pending":
            asyncio.run(crowd(peer, url, [name(1) for _ in range(50)], in_flight))
            reset(url)
            names = pending_names(count)
            with measured(4 * count):
                asyncio.run(crowd(peer, url, names, in_flight))
            FIGURES.update(spread(reset(url)["late"]))
        case "fake":
            asyncio.run(fake_memory(count) if peer == "memory" else fake_time(count))
        case "never":
            never_ending(url, count)
    print(json.dumps(FIGURES), flush=True)
    os._exit(0)  # azure-core's poller has a thread that never ends


if __name__ == "__main__":
    main()
